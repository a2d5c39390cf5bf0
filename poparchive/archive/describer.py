"""Reads the messages of one batch after the other: facts for the catalog, words for the search index.

In two steps, because row ids come from the catalog in between: ``begin`` and ``facts`` read a batch,
``index`` puts what was read into the search index under the row ids that the catalog gave.
"""

from collections import deque
from collections.abc import Sequence

from poparchive.archive.describe import Stored, describe, document
from poparchive.index.facts import MessageFacts
from poparchive.index.fulltext import FulltextWriter, Mark
from poparchive.mime.text import Extract


class Describer:
    """Does it in the thread that asks."""

    def __init__(self, fulltext: FulltextWriter) -> None:
        self._fulltext = fulltext
        self._begun: deque[tuple[Sequence[Stored], int]] = deque()
        self._read: deque[list[tuple[MessageFacts, Extract]]] = deque()

    def begin(self, messages: Sequence[Stored], retrieved: int) -> None:
        """Hand in a batch's messages, which came at the moment ``retrieved``."""
        self._begun.append((messages, retrieved))

    def facts(self) -> list[MessageFacts]:
        """Read the first batch that was handed in and not read yet."""
        messages, retrieved = self._begun.popleft()
        described = [describe(one, retrieved) for one in messages]
        self._read.append(described)
        return [facts for facts, _ in described]

    def index(self, keys: Sequence[int], mark: Mark) -> None:
        """Index the first batch that was read and not indexed yet, under these row ids."""
        read = zip(keys, self._read.popleft(), strict=True)
        self._fulltext.add([document(key, facts, text) for key, (facts, text) in read], mark)

    def flush(self) -> None:
        """Return when all that was given to ``index`` can be found."""

    def merge(self, within_s: float) -> bool:
        """Merge the index for about so long; return whether there is nothing left to merge."""
        return self._fulltext.merge(within_s)

    def compact(self) -> None:
        """Merge the index if much was added."""
        self._fulltext.compact()

    def close(self) -> None:
        """Close the index. Safe to call twice."""
        self._fulltext.close()
