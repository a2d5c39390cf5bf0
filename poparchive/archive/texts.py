"""Where messages are read: in the thread that asks, or in a helper process once there are many.

A pull of a few messages is done before a process would have started; one of thousands is faster by half with
one, and no larger in memory than it would be in one process.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from poparchive.archive.describe import Stored
from poparchive.archive.describer import Describer
from poparchive.archive.helper import Helper
from poparchive.index.facts import MessageFacts
from poparchive.index.fulltext import FulltextWriter, Mark

MANY_MESSAGES = 200
_MANY_BYTES = 1500 << 10
"""Half of a batch that ends because it is full: more is likely to follow."""


class Texts:
    """A ``Describer`` that moves to a ``Helper`` when a batch is large."""

    def __init__(
        self, fulltext: FulltextWriter, path: Path, catalog: Path, keep: Sequence[int] = ()
    ) -> None:
        """``path`` is the index's; a helper keeps the open files ``keep`` for as long as it lives."""
        self._path = path
        self._catalog = catalog
        self._keep = keep
        self._at_work: Describer | Helper = Describer(fulltext)
        self._may_move = cores() > 1

    @property
    def reads_ahead(self) -> bool:
        """Whether to ``begin`` a batch before the one before it is indexed."""
        return isinstance(self._at_work, Helper)

    def begin(self, messages: Sequence[Stored], retrieved: int) -> None:
        """See ``Describer``; so for all that follow."""
        if self._may_move and _many(messages):
            self._may_move = False
            helper = Helper.start(self._path, self._catalog, self._keep)
            if helper is not None:
                # Without reading ahead nothing is under way here. Two must not write the index.
                self._at_work.close()
                self._at_work = helper
        self._at_work.begin(messages, retrieved)

    def facts(self) -> list[MessageFacts]:
        return self._at_work.facts()

    def index(self, keys: Sequence[int], mark: Mark) -> None:
        self._at_work.index(keys, mark)

    def flush(self) -> None:
        self._at_work.flush()

    def compact(self) -> None:
        self._at_work.compact()

    def merge(self, within_s: float) -> bool:
        """Merge the index for about so long; return whether there is nothing left to merge."""
        return isinstance(self._at_work, Helper) or self._at_work.merge(within_s)

    def close(self) -> None:
        self._at_work.close()


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _many(messages: Sequence[Stored]) -> bool:
    return (
        len(messages) >= MANY_MESSAGES or sum(len(one.message) for one in messages) >= _MANY_BYTES
    )
