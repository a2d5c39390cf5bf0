"""Journal and packs become catalog and search index again: after a crash, and for ``rebuild``.

Entries are replayed in order; each names how far the packs were synced with it, so the objects of
an entry are in the frames between. Memory is bounded by a batch.
"""

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from poparchive.archive.describe import Stored
from poparchive.archive.indexer import Indexer, read_position
from poparchive.archive.spool import Spooled, SpoolWriter
from poparchive.archive.texts import Texts
from poparchive.index.catalog import Catalog
from poparchive.index.fulltext import FulltextWriter, Mark
from poparchive.model import Location, MessageId
from poparchive.store import journal, recipe
from poparchive.store.errors import DamageError, MissingObjectError, StoreError
from poparchive.store.frame import ObjectKind
from poparchive.store.fsio import sync_directory, writing
from poparchive.store.journal import JournalEntry, Position, TornEntryError
from poparchive.store.layout import Layout
from poparchive.store.pack import PackReader
from poparchive.store.records import ArchivedRecord, PackRecord

IN_MEMORY_BYTES = 32 << 20


class Replay:
    """Applies entries that the catalog does not know yet."""

    def __init__(self, layout: Layout, catalog: Catalog, indexer: Indexer) -> None:
        self._layout = layout
        self._catalog = catalog
        self._indexer = indexer
        self._reader = PackReader(layout)
        self._lengths = {number: length for number, length, _ in catalog.packs()}

    def catch_up(self, mark: Mark, done: Callable[[JournalEntry], None] | None = None) -> Position:
        """Apply what is missing and return the position behind the last whole entry.

        ``mark`` is the search index's, which may be behind the catalog. A torn last entry was never
        acknowledged and is left for the journal's writer to cut off.
        """
        position = read_position(self._catalog.position())
        tell = done or (lambda _: None)
        # The catalog is never ahead of what is synced of the journal, nor is the server's mailbox.
        journal.settle(self._layout, position)
        with contextlib.closing(self._reader):
            if mark.entry < position.entry:
                for entry in journal.read(self._layout, read_position(mark.position)):
                    self._index_again(entry)
                    tell(entry)
                    if entry.number >= position.entry:
                        break
            with contextlib.suppress(TornEntryError):
                for entry in journal.read(self._layout, position):
                    self._apply(entry)
                    position = entry.after
                    tell(entry)
            self._indexer.flush()
        return position

    def _index_again(self, entry: JournalEntry) -> None:
        """Index the messages of an entry that the catalog has applied already."""
        ids = [one.message for one in entry.records if isinstance(one, ArchivedRecord)]
        places = self._catalog.message_places(ids)
        with _discarding() as spooled:
            self._indexer.index_again(
                entry, [self._stored(one, {}, [places[one][1]], spooled) for one in ids]
            )

    def _apply(self, entry: JournalEntry) -> None:
        blobs: dict[bytes, Location] = {}
        recipes: dict[bytes, list[Location]] = {}
        for record in entry.records:
            if isinstance(record, PackRecord):
                self._scan(record, blobs, recipes)
        with _discarding() as spooled:
            messages = [
                self._stored(record.message, blobs, recipes.get(record.message[:8], []), spooled)
                for record in entry.records
                if isinstance(record, ArchivedRecord)
            ]
            self._indexer.apply(entry, messages, blobs)

    def _scan(
        self, record: PackRecord, blobs: dict[bytes, Location], recipes: dict[bytes, list[Location]]
    ) -> None:
        start = self._lengths.get(record.number, 0)
        for frame in self._reader.frames(record.number, start, record.length):
            for entry in frame.entries:
                place = frame.location(entry)
                if entry.kind is ObjectKind.RECIPE:
                    recipes.setdefault(entry.prefix, []).append(place)
                    continue
                octets = frame.payload[entry.offset : entry.offset + entry.length]
                digest = hashlib.sha256(octets).digest()
                if not digest.startswith(entry.prefix):
                    raise DamageError(
                        f"{self._layout.pack(record.number)}: the frame at {frame.start} holds a"
                        " blob that does not have the hash in the frame's table"
                    )
                blobs.setdefault(digest, place)
        self._lengths[record.number] = record.length

    def _stored(
        self,
        identity: MessageId,
        blobs: dict[bytes, Location],
        places: Sequence[Location],
        spooled: list[Spooled],
    ) -> Stored:
        """Read a message; its recipe is at one of ``places``."""

        def blob(wanted: bytes) -> bytes:
            place = blobs.get(wanted) or self._catalog.blob_place(wanted)
            if place is None:
                raise MissingObjectError(
                    f"message {identity.hex()} needs blob {wanted.hex()}, which no pack holds"
                )
            return self._reader.read(place)

        for place in places:
            made = self._reader.read(place)
            message = gather(recipe.join(made, blob), self._layout.spool)
            if isinstance(message, Spooled):
                spooled.append(message)
                digest = message.digest
            else:
                digest = hashlib.sha256(message).digest()
            if digest == identity:
                return Stored(identity, message, recipe.references(made), place)
        raise MissingObjectError(
            f"the journal names message {identity.hex()}, but no pack makes it;"
            " `poparchive verify` says more"
        )


def believed(layout: Layout, mark: Mark, position: Position) -> bool:
    """Whether a search index that has this mark belongs to this journal and is not ahead of the catalog.

    It does not when one of them came back from a backup and the others did not.
    """
    indexed = read_position(mark.position)
    if indexed.entry >= position.entry:
        return indexed == position
    try:
        next(journal.read(layout, indexed), None)
    except TornEntryError:
        return True
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


def gather(pieces: Iterator[bytes], spool: Path) -> bytes | Spooled:
    """Put a message together: in memory, or in a file if it is large."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size > IN_MEMORY_BYTES:
            break
    else:
        return b"".join(held)
    writer = SpoolWriter(spool / f"join-{os.getpid()}-{id(held):x}")
    for piece in held:
        writer.write(piece)
    held.clear()
    for piece in pieces:
        writer.write(piece)
    return writer.finish()


def rebuild(
    layout: Layout,
    done: Callable[[JournalEntry], None] | None = None,
    *,
    search_only: bool = False,
) -> None:
    """Make catalog and search index anew beside the old ones, then switch. The caller holds the lock.

    With ``search_only`` the catalog stays, and is brought up to the journal.
    """
    search = layout.search.with_suffix(".new")
    catalog = layout.catalog if search_only else layout.catalog.with_suffix(".new")
    remove_database(search)
    if not search_only:
        remove_database(catalog)
    with contextlib.ExitStack() as stack:
        texts = Texts(FulltextWriter.open(search), search)
        stack.callback(texts.close)
        opened = Catalog(catalog, synchronous="FULL" if search_only else "OFF")
        stack.callback(opened.close)
        Replay(layout, opened, Indexer(opened, texts)).catch_up(Mark(0, None), done)
        texts.compact()
    if not search_only:
        _switch(catalog, layout.catalog)
    _switch(search, layout.search)


def remove_database(path: Path) -> None:
    """Remove a database with its write-ahead log, for good: when this returns no loss of power brings
    the log back to meet another file of that name. The file goes first: without its log it may be torn,
    and SQLite removes a log that it finds beside an empty file."""
    with writing(path):
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        sync_directory(path.parent)


def _switch(new: Path, old: Path) -> None:
    # Its log must be in it. Whoever wrote it may have ended without closing it.
    try:
        busy = _checkpoint(new)
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"{new}: cannot write: {error}. What was there before stays; make room, or look at the"
            " disk, and run the command again."
        ) from error
    if busy:
        raise StoreError(f"{new}: another process still writes to it; run the command again")
    with writing(new):
        with new.open("rb") as handle:
            os.fsync(handle.fileno())
        for suffix in ("-wal", "-shm"):
            new.with_name(new.name + suffix).unlink(missing_ok=True)
    if not _is_whole(old):
        remove_database(old)
    with writing(old):
        for suffix in ("-wal", "-shm"):
            old.with_name(old.name + suffix).unlink(missing_ok=True)
        sync_directory(old.parent)
        new.rename(old)
        sync_directory(old.parent)


def _is_whole(path: Path) -> bool:
    """Move what a database's log holds into it; whether it can do without the log now."""
    if not path.exists():
        return False
    try:
        return not _checkpoint(path)
    except sqlite3.DatabaseError:
        return False


def _checkpoint(path: Path) -> bool:
    """Move a database's log into it; whether somebody was in the way."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        (busy, _, _) = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return bool(busy)
