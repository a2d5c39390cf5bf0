"""Which messages' attachments are still to be read: those that the search index is not made of yet."""

import contextlib
import sqlite3
from array import array
from collections.abc import Collection, Iterable

from poparchive.attachments import VERSION, Abilities, Lacking, Status
from poparchive.index.contents import ContentStore, Known
from poparchive.index.lookup import open_read_only
from poparchive.index.readonly import uri
from poparchive.model import MessageId
from poparchive.store.layout import Layout


class Missing:
    """Asks catalog, search index and the file of texts. ``index_older``: the index has to be made anew first,
    and says nothing now. Contents that ended in a status that is in ``again`` are read once more."""

    def __init__(
        self, layout: Layout, store: ContentStore, content_bytes: int, *, index_older: bool
    ) -> None:
        self._layout = layout
        self._store = store
        self._content_bytes = content_bytes
        self._index_older = index_older
        self._able: list[str] = []
        self.again: set[Status] = set()
        self.told_later = 0
        """So many messages an older index is to be told of once it is made anew; as of ``messages``."""

    def can(self, abilities: Abilities) -> None:
        """Note what contents need not lack any more."""
        able = [one for one in (Lacking.EXTRA, Lacking.OCR) if not abilities.lacks(one)]
        self._able = [one.value for one in able]

    def messages(self) -> "array[int]":
        """Return the messages whose documents are not made of all that their attachments give, those last
        stored first, and those of a pack in its order."""
        with contextlib.closing(open_read_only(self._layout.catalog)) as run:
            if self._index_older:
                return self._unknown(run)
            run.execute("ATTACH ? AS search", (uri(self._layout.search),))
            query = (
                "SELECT p.message FROM parts p WHERE p.name IS NOT NULL AND p.segment = 0 GROUP BY p.message"
                " HAVING count(*) > (SELECT count(*) FROM search.carried c WHERE c.message = p.message)"
            )
            found = {key for (key,) in run.execute(query)}
            found.update(
                self._store.outdated(
                    self._layout.search,
                    VERSION,
                    self._able,
                    self._content_bytes,
                    [int(status) for status in self.again],
                )
            )
            order = [
                (-place[0], place[1], place[2], key)
                for key, *place in run.execute(
                    'SELECT id, pack, frame, "offset" FROM messages WHERE id IN'
                    " (SELECT message FROM parts WHERE name IS NOT NULL)"
                )
                if key in found
            ]
        return array("q", [key for *_, key in sorted(order)])

    def indexed(self, keys: Collection[int]) -> "array[int]":
        """Return those of these messages that are missing and that the index has."""
        if not keys or self._index_older:
            return array("q")
        with contextlib.closing(open_read_only(self._layout.search)) as run:
            has = "SELECT 1 FROM mail_docsize WHERE id = ?"
            there = {key for key in keys if run.execute(has, (key,)).fetchone()}
        return array("q", [key for key in self.messages() if key in there] if there else [])

    def is_read(self, known: Known) -> bool:
        """Whether what is known of a content is all that this version, its libraries and limits find."""
        if known.version < VERSION:
            return False
        if known.lacking == Lacking.SIZE:
            return known.size_bytes > self._content_bytes
        return known.lacking not in self._able and Status(known.status) not in self.again

    def note_looked(self, messages: Iterable[MessageId]) -> None:
        """Note that all contents of these messages are known, for as long as the index cannot be told."""
        self._store.note_looked(self._terms, (_number(one) for one in messages))

    def _unknown(self, run: sqlite3.Connection) -> "array[int]":
        """Return the messages whose contents are not all known, as far as can be told without an index:
        those that no run has looked at."""
        looked = self._store.looked(self._terms) if not self.again else set()
        keys = array("q")
        self.told_later = 0
        for key, sha256 in run.execute(
            "SELECT id, sha256 FROM messages WHERE id IN"
            " (SELECT message FROM parts WHERE name IS NOT NULL) ORDER BY id DESC"
        ):
            if _number(sha256) in looked:
                self.told_later += 1
            else:
                keys.append(key)
        return keys

    @property
    def _terms(self) -> str:
        """On what it depends whether a content has to be read again."""
        return f"{VERSION} {' '.join(self._able)} {self._content_bytes}"


def _number(sha256: bytes) -> int:
    """Stands for a message, whatever its row id: an index that is made anew may come with another catalog."""
    return int.from_bytes(sha256[:8], "big", signed=True)
