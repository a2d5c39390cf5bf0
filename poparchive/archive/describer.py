"""Reads the messages of one batch after the other: facts for the catalog, words for the search index.

In two steps, because row ids come from the catalog in between: ``begin`` and ``facts`` read a batch,
``index`` puts what was read into the search index under the row ids that the catalog gave.
"""

from collections import deque
from collections.abc import Sequence

from poparchive.archive.describe import Stored, describe, document
from poparchive.archive.known import Attached, Knowledge, attached
from poparchive.index.carried import Carried
from poparchive.index.facts import MessageFacts
from poparchive.index.fulltext import FulltextWriter, Mark
from poparchive.mime.text import Extract
from poparchive.store.layout import CONTENTS


class Describer:
    """Does it in the thread that asks."""

    def __init__(self, fulltext: FulltextWriter) -> None:
        self._fulltext = fulltext
        self._begun: deque[tuple[Sequence[Stored], int]] = deque()
        self._read: deque[list[tuple[MessageFacts, Extract, list[Attached]]]] = deque()
        # Of a new index that is made beside the old one, too.
        self._knowledge = Knowledge(fulltext.path.with_name(CONTENTS))

    def begin(self, messages: Sequence[Stored], retrieved: int) -> None:
        """Hand in a batch's messages, which came at the moment ``retrieved``."""
        self._begun.append((messages, retrieved))

    def facts(self) -> list[MessageFacts]:
        """Read the first batch that was handed in and not read yet."""
        messages, retrieved = self._begun.popleft()
        described = [(one, *describe(one, retrieved)) for one in messages]
        # Contents that came before may have been read already.
        known = self._known()
        self._read.append(
            [
                (facts, text, attached(one.message, one.root) if known and _any(facts) else [])
                for one, facts, text in described
            ]
        )
        return [facts for _, facts, _ in described]

    def index(self, keys: Sequence[int], mark: Mark) -> None:
        """Index the first batch that was read and not indexed yet, under these row ids."""
        documents = []
        made_of: list[Carried] = []
        for key, (facts, text, parts) in zip(keys, self._read.popleft(), strict=True):
            contents, rows = self._knowledge.of(key, parts)
            made_of += rows
            documents.append(document(key, facts, text)._replace(contents=contents))
        self._fulltext.add(documents, mark, made_of)

    def _known(self) -> bool:
        """Whether texts of attachments are at hand, from the file that the index speaks of."""
        identity = self._knowledge.identity
        if identity is None:
            return False
        if self._fulltext.contents_file is None:
            self._fulltext.name_contents_file(identity)
        return self._fulltext.contents_file == identity

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
        self._knowledge.close()
        self._fulltext.close()


def _any(facts: MessageFacts) -> bool:
    return any(part.name is not None for part in facts.parts)
