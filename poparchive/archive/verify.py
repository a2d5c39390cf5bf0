"""Proves what an archive holds: every frame, blob, recipe, message, journal entry and row, or their damage.

Reads only; needs no lock. Damage is reported by what a person knows, message, account and date, besides the
place in the file. Memory does not grow with the archive.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from poparchive.archive.indexer import read_position
from poparchive.archive.read import Reader
from poparchive.index.lookup import CatalogMissingError, Located, Lookup, open_read_only
from poparchive.model import Fate
from poparchive.store import journal
from poparchive.store.errors import DamageError, StoreError
from poparchive.store.frame import Kind, ObjectKind
from poparchive.store.journal import START, JournalEntry, TornEntryError
from poparchive.store.layout import Layout, open_layout
from poparchive.store.pack import PackReader
from poparchive.store.records import (
    ArchivedRecord,
    DuplicateRecord,
    FateRecord,
    ListedRecord,
    PackRecord,
)


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is not as it should be. ``message`` is set when it concerns one."""

    what: str
    message: Located | None = None
    accounts: tuple[str, ...] = ()


@dataclass(slots=True)
class Counts:
    """What was looked at and found good."""

    entries: int = 0
    frames: int = 0
    octets: int = 0
    blobs: int = 0
    messages: int = 0
    message_octets: int = 0


Progress = Callable[[str, int, int], None]
"""Called with what is looked at, how much is done, and how much there is in all."""


def verify(root: Path, counts: Counts, progress: Progress) -> Iterator[Damage]:
    """Yield every damage found; an archive that is whole yields nothing."""
    layout = open_layout(root)
    check = _Check(layout, counts, progress)
    yield from check.journal()
    yield from check.packs()
    try:
        reader = Reader(root, layout)
    except CatalogMissingError as error:
        if check.last.after.entry:
            yield Damage(str(error))
        return
    with reader:
        try:
            for said in _unsound(reader.lookup.connection):
                yield Damage(f"{layout.catalog}: {said}; `poparchive rebuild` makes it anew")
            yield from check.catalog(reader)
            yield from check.messages(reader)
            yield from check.search(reader.lookup)
        except sqlite3.DatabaseError as error:
            yield Damage(f"{layout.catalog}: {error}; `poparchive rebuild` makes it anew")


class _Check:
    """The steps of a verification, and what one hands to the next."""

    def __init__(self, layout: Layout, counts: Counts, progress: Progress) -> None:
        self._layout = layout
        self._counts = counts
        self._progress = progress
        self._packs: dict[int, PackRecord] = {}
        self.last = JournalEntry(0, 0, [], START)

    def journal(self) -> Iterator[Damage]:
        """Check the chain, and learn from it how far each pack is committed."""
        try:
            for entry in journal.read(self._layout):
                self.last = entry
                self._counts.entries += 1
                for record in entry.records:
                    if isinstance(record, PackRecord):
                        self._packs[record.number] = record
        except TornEntryError as error:
            # Left by a crash and never acknowledged, unless the catalog knows better.
            if self._applied() > self.last.number:
                yield Damage(str(error))
        except StoreError as error:
            yield Damage(str(error))

    def _applied(self) -> int:
        try:
            connection = open_read_only(self._layout.catalog)
        except CatalogMissingError:
            return 0
        try:
            query = "SELECT value FROM state WHERE key = 'position'"
            row = connection.execute(query).fetchone()
            return read_position(row[0] if row else None).entry
        except sqlite3.DatabaseError:
            return 0
        finally:
            connection.close()

    def packs(self) -> Iterator[Damage]:
        """Check every frame of every pack, and every blob in them against its hash."""
        total = sum(p.length for p in self._packs.values())
        reader = PackReader(self._layout, cache_bytes=0)
        try:
            for number, pack in sorted(self._packs.items()):
                yield from self._pack(reader, number, pack, total)
        finally:
            reader.close()

    def _pack(
        self, reader: PackReader, number: int, pack: PackRecord, total: int
    ) -> Iterator[Damage]:
        path = self._layout.pack(number)
        start = 0
        digest = hashlib.sha256()
        try:
            with path.open("rb") as handle:
                for frame in reader.frames(number, 0, pack.length):
                    digest.update(handle.read(frame.start - start))
                    start = frame.start
                    self._counts.frames += 1
                    self._counts.octets += frame.end - frame.start
                    if frame.header.kind is Kind.SEAL and frame.payload != digest.digest():
                        yield Damage(f"{path}: the seal is not the hash of the pack")
                    for entry in frame.entries:
                        if entry.kind is not ObjectKind.BLOB:
                            continue
                        octets = frame.payload[entry.offset : entry.offset + entry.length]
                        if not hashlib.sha256(octets).digest().startswith(entry.prefix):
                            yield Damage(f"{path}: a blob at {frame.start} has another hash")
                        self._counts.blobs += 1
                    self._progress("packs", self._counts.octets, total)
        except OSError as error:
            yield Damage(f"{path}: cannot read: {error.strerror}")
        except StoreError as error:
            yield Damage(str(error))

    def catalog(self, reader: Reader) -> Iterator[Damage]:
        """Compare the journal with the ledger and the messages, record by record.

        Entries that the catalog has yet to apply are no damage: a pull is under way, or was killed,
        and the next one applies them.
        """
        lookup = reader.lookup
        applied = self._applied()
        try:
            for entry in journal.read(self._layout):
                if entry.number > min(applied, self.last.number):
                    return
                for record in entry.records:
                    match record:
                        case ArchivedRecord(ledger, message) | DuplicateRecord(ledger, message):
                            if lookup.by_id(message) is None:
                                yield Damage(
                                    f"message {message.hex()} is in the journal and not in the catalog;"
                                    " `poparchive rebuild` puts it there"
                                )
                            elif not lookup.has_ledger(ledger):
                                yield Damage(
                                    f"UIDL number {ledger} is not in the catalog; rebuild it"
                                )
                        case ListedRecord(_, first, listed):
                            for number in range(first, first + len(listed)):
                                if not lookup.has_ledger(number):
                                    yield Damage(
                                        f"UIDL number {number} is not in the catalog; rebuild it"
                                    )
                        case FateRecord(ledger, Fate.DELETED, _) if not lookup.has_ledger(ledger):
                            yield Damage(f"UIDL number {ledger} is not in the catalog; rebuild it")
        except StoreError:
            # The journal's own damage was reported when it was read for the first time.
            return

    def messages(self, reader: Reader) -> Iterator[Damage]:
        """Join every message and compare its hash."""
        total = reader.lookup.count_messages()
        for located in reader.lookup.stored_order():
            try:
                for piece in reader.octets(located):
                    self._counts.message_octets += len(piece)
                self._counts.messages += 1
            except DamageError as error:
                accounts = tuple(reader.lookup.accounts_of(located.key))
                yield Damage(str(error), located, accounts)
            self._progress("messages", self._counts.messages, total)

    def search(self, lookup: Lookup) -> Iterator[Damage]:
        """Compare the index's watermark and rows with the catalog."""
        path = self._layout.search
        try:
            index = open_read_only(path)
        except CatalogMissingError as error:
            yield Damage(str(error))
            return
        try:
            for said in _unsound(index):
                raise sqlite3.DatabaseError(said)
            # Every word and where it stands, as a search would read them.
            index.execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, mail, 'row')")
            index.execute("SELECT sum(cnt) FROM temp.words").fetchone()
            mark = index.execute("SELECT entry FROM watermark").fetchone()[0]
            rows = index.execute("SELECT count(*) FROM mail_docsize").fetchone()[0]
            if mark >= self.last.number and rows != lookup.count_messages():
                yield Damage(
                    f"{path}: has {rows} messages, the catalog {lookup.count_messages()};"
                    " `poparchive rebuild --search-only` makes it anew"
                )
        except sqlite3.DatabaseError as error:
            yield Damage(f"{path}: {error}; `poparchive rebuild --search-only` makes it anew")
        finally:
            index.close()


def _unsound(database: sqlite3.Connection) -> list[str]:
    """What SQLite finds wrong in the structure of a database: one thing, or nothing."""
    (said,) = database.execute("PRAGMA quick_check(1)").fetchone()
    return [] if said == "ok" else [" ".join(said.split())]
