"""Journal and packs become catalog and search index again: after a crash, and for ``rebuild``.

Entries are replayed in order; each names how far the packs were synced with it, so the objects of
an entry are in the frames between, or in those that ``optimize`` made of them. Memory is bounded by a batch.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from poparchive.archive.describe import Stored
from poparchive.archive.heap import give_back
from poparchive.archive.indexer import Indexer
from poparchive.archive.objects import Elsewhere, Found, Objects, short
from poparchive.archive.position import read_position
from poparchive.archive.spool import Spooled
from poparchive.index.catalog import Catalog
from poparchive.index.fulltext import Mark
from poparchive.index.moves import Moved
from poparchive.model import Location, MessageId
from poparchive.store import journal
from poparchive.store.errors import DamageError, PackGoneError, StoreError
from poparchive.store.journal import JournalEntry, Position, TornEntryError
from poparchive.store.layout import Layout
from poparchive.store.packread import PackReader
from poparchive.store.records import ArchivedRecord, PackRecord, Sealed

_CACHE_BYTES = 18 << 20
"""Most of what a message needs is in its own frame, or in one shortly before it."""


@dataclass(slots=True)
class _Gathered:
    """An entry, and what it names: all that is needed to apply it."""

    entry: JournalEntry
    messages: list[Stored]
    ids: frozenset[bytes]
    """The first octets of the new messages' ids."""
    found: Found
    moved: Moved
    spooled: Sequence[Spooled] = ()

    def meets(self, named: Sequence[MessageId], found: Found) -> bool:
        """Whether another entry names any of its messages, or holds another copy of its objects."""
        return not (
            self.ids.isdisjoint(map(short, named))
            and self.ids.isdisjoint(found.recipes)
            and self.found.blobs.keys().isdisjoint(found.blobs)
        )


class Replay:
    """Applies entries that the catalog does not know yet.

    For a rebuild ``elsewhere`` says where the objects of packs are that have gone since. To ``salvage`` an
    archive, messages that cannot be read are left out, and counted.
    """

    def __init__(
        self,
        layout: Layout,
        catalog: Catalog,
        indexer: Indexer,
        elsewhere: Elsewhere | None = None,
        *,
        salvage: bool = False,
    ) -> None:
        self.left_out = 0
        self._salvage = salvage
        self._up_to_date = False
        self._layout = layout
        self._catalog = catalog
        self._indexer = indexer
        self._elsewhere = elsewhere
        self._reader = PackReader(layout, cache_bytes=_CACHE_BYTES, whole=True)
        self._objects = Objects(layout, catalog, self._reader, elsewhere)
        self._lengths = {number: length for number, length, _ in catalog.packs()}
        self._under_way: _Gathered | None = None

    def catch_up(self, mark: Mark, done: Callable[[JournalEntry], None] | None = None) -> Position:
        """Apply what is missing and return the position behind the last whole entry.

        ``mark`` is the search index's, which may be behind the catalog. A torn last entry was never
        acknowledged and is left for the journal's writer to cut off.
        """
        position = read_position(self._catalog.position())
        tell = done or (lambda _: None)
        # The catalog is never ahead of what is synced of the journal, nor is the server's mailbox.
        journal.settle(self._layout, position)
        self._up_to_date = self._salvage and _is_end(self._layout, position)
        with contextlib.closing(self._reader):
            if mark.entry < position.entry:
                for entry in journal.read(self._layout, read_position(mark.position)):
                    self._index_again(entry)
                    tell(entry)
                    if entry.number >= position.entry:
                        break
            with contextlib.suppress(TornEntryError), self._finishing():
                for entry in journal.read(self._layout, position):
                    self._apply(entry)
                    position = entry.after
                    tell(entry)
            self._indexer.flush()
        return position

    def _index_again(self, entry: JournalEntry) -> None:
        """Index the messages of an entry that the catalog has applied already."""
        ids = [one.message for one in entry.records if isinstance(one, ArchivedRecord)]
        known = self._catalog.message_places(ids)
        places = {one: [known[one][1]] if one in known else [] for one in ids}
        with _discarding() as spooled:
            self._indexer.index_again(entry, self._all_stored(ids, places, Found(), spooled))

    def _apply(self, entry: JournalEntry) -> None:
        """Let an entry's messages be read, and meanwhile finish the entry before it."""
        with _discarding() as spooled:
            gathered = self._gather(entry, spooled)
            self._indexer.begin(entry, gathered.messages)
            gathered.messages = []
            self._finish()
            self._under_way = gathered
            if self._indexer.reads_ahead:
                gathered.spooled = spooled.copy()
                spooled.clear()
            else:
                self._finish()

    def _finish(self) -> None:
        """Apply the entry that is under way, if there is one."""
        one, self._under_way = self._under_way, None
        self._objects.under_way = {}
        if one is None:
            return
        with _discarding() as spooled:
            spooled += one.spooled
            self._indexer.finish(one.entry, self._indexer.facts(), one.found.blobs, one.moved)
        give_back()

    @contextlib.contextmanager
    def _finishing(self) -> Iterator[None]:
        """Finish what is under way, also when the next entry cannot be read."""
        try:
            yield
            self._finish()
        except StoreError:
            self._finish()
            raise
        finally:
            with _discarding() as spooled:
                spooled += self._under_way.spooled if self._under_way else ()

    def _gather(self, entry: JournalEntry, spooled: list[Spooled]) -> "_Gathered":
        """Read what an entry names, while the one before it may still be under way."""
        found = Found()
        moved: list[Moved] = []
        for record in entry.records:
            if isinstance(record, PackRecord):
                moved += self._scan(record, found)
        named = [one.message for one in entry.records if isinstance(one, ArchivedRecord)]
        before = self._under_way
        if before and before.meets(named, found):
            self._finish()
        self._objects.under_way = before.found.blobs if before and self._under_way else {}
        # Again, where a message was lost to damage, and fetched once more while the catalog had it not.
        known = self._catalog.known_messages(named)
        ids = [one for one in dict.fromkeys(named) if one not in known]
        moved.append(self._objects.moved(found, ids))
        places = self._objects.recipes(ids, found)
        messages = self._all_stored(ids, places, found, spooled)
        all_moved = Moved(
            [moves for one in moved for moves in one.messages],
            [moves for one in moved for moves in one.blobs],
        )
        return _Gathered(entry, messages, frozenset(map(short, ids)), found, all_moved)

    def _all_stored(
        self,
        ids: Sequence[MessageId],
        places: Mapping[MessageId, Sequence[Location]],
        found: Found,
        spooled: list[Spooled],
    ) -> list[Stored]:
        """Read messages, which are returned in the order of their ``ids``.

        They are read as they stand: behind ``optimize`` the messages of an entry may stand in many frames in
        turn, beside others that are like them, and a frame takes as long to decode as a hundred messages do.
        """
        in_place = sorted(ids, key=lambda one: tuple(places[one][:1]))
        read = {one: self._stored(one, places[one], found, spooled) for one in in_place}
        return [stored for one in ids if (stored := read[one])]

    def _stored(
        self,
        identity: MessageId,
        places: Sequence[Location],
        found: Found,
        spooled: list[Spooled],
    ) -> Stored | None:
        """Read a message. One that cannot be read ends all, unless it is to salvage what there is."""
        try:
            return self._objects.stored(identity, places, found.blobs, spooled)
        except DamageError as error:
            # Without a look elsewhere, a pack that is gone says nothing of the message, unless the catalog
            # knows of all that were retired.
            may_stand = not (self._elsewhere or self._up_to_date)
            if not self._salvage or (isinstance(error, PackGoneError) and may_stand):
                raise
        self.left_out += 1
        return None

    def _scan(self, record: PackRecord, found: Found) -> list[Moved]:
        """Look at what a pack has more than before; return what moved in one that ``optimize`` made."""
        start = self._lengths.get(record.number, 0)
        self._lengths[record.number] = record.length
        if self._elsewhere and self._elsewhere.knows(record.number):
            return []
        tight = record.sealed is Sealed.TIGHTLY
        if tight:
            self._finish()
        moved: list[Moved] = []
        for frame in self._reader.frames(record.number, start, record.length):
            if tight:
                # It holds what the catalog knows already, and may hold half a million objects.
                one = Found()
                self._objects.find(frame, one)
                moved.append(self._objects.moved(one, []))
            else:
                self._objects.find(frame, found)
        return moved


def _is_end(layout: Layout, position: Position) -> bool:
    """Whether no whole entry stands behind a position."""
    try:
        return journal.first_behind(layout, position) is None
    except StoreError:
        return False


def believed(layout: Layout, mark: Mark, position: Position) -> bool:
    """Whether a search index that has this mark belongs to this journal and is not ahead of the catalog.

    It does not when one of them came back from a backup and the others did not.
    """
    indexed = read_position(mark.position)
    if indexed.entry >= position.entry:
        return indexed == position
    try:
        journal.first_behind(layout, indexed)
    except DamageError:
        return False
    return True


@contextlib.contextmanager
def _discarding() -> Iterator[list[Spooled]]:
    """A list of large messages; their files go when they have been read."""
    spooled: list[Spooled] = []
    try:
        yield spooled
    finally:
        for one in spooled:
            one.discard()
