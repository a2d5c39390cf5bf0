"""The indexing stage: journal entries become rows of the catalog and documents of the search index.

Steps 3 and 4 of the commit order. One thread runs it.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from poparchive.archive.describe import Stored
from poparchive.archive.position import write_position
from poparchive.archive.texts import Texts
from poparchive.index.catalog import Catalog, Changes
from poparchive.index.facts import MessageFacts
from poparchive.index.fulltext import Mark
from poparchive.index.moves import NOTHING_MOVED, Moved
from poparchive.model import Fate, Location
from poparchive.store.journal import JournalEntry
from poparchive.store.records import (
    AccountRecord,
    ArchivedRecord,
    DuplicateRecord,
    FateRecord,
    ListedRecord,
    PackRecord,
    RetiredRecord,
    RunRecord,
)


class Indexer:
    """Applies batches to catalog and search index, one after the other.

    ``begin`` and ``finish`` are for the caller who can hand in a batch before the one before it is
    finished; ``apply`` is both.
    """

    def __init__(self, catalog: Catalog, texts: Texts) -> None:
        self._catalog = catalog
        self._texts = texts

    @property
    def reads_ahead(self) -> bool:
        """Whether it is of use to ``begin`` a batch early."""
        return self._texts.reads_ahead

    def apply(
        self,
        entry: JournalEntry,
        messages: Sequence[Stored],
        blobs: Mapping[bytes, Location],
        moved: Moved = NOTHING_MOVED,
    ) -> None:
        """Apply one entry; ``messages`` are its new ones, in the order of their records.

        The catalog is synced when this returns; the index may lag until ``flush``.
        """
        self.begin(entry, messages)
        self.finish(entry, self.facts(), blobs, moved)

    def begin(self, entry: JournalEntry, messages: Sequence[Stored]) -> None:
        """Let the messages of the next entry be read."""
        self._texts.begin(messages, entry.time)

    def facts(self) -> list[MessageFacts]:
        """Return what was read of the first entry that was begun; its messages are not needed any more."""
        return self._texts.facts()

    def finish(
        self,
        entry: JournalEntry,
        facts: Sequence[MessageFacts],
        blobs: Mapping[bytes, Location],
        moved: Moved = NOTHING_MOVED,
    ) -> None:
        """Apply an entry whose facts are there. The catalog is synced when this returns.

        ``moved`` is what the catalog knows already and what the entry's packs hold a newer copy of.
        """
        changes = changes_of(entry)
        changes.messages = facts
        changes.blobs = blobs
        changes.moved = moved
        self._texts.index(self._catalog.apply(changes), mark_of(entry))

    def index_again(self, entry: JournalEntry, messages: Sequence[Stored]) -> None:
        """Index an entry's messages that the catalog has and the search index has not."""
        self.begin(entry, messages)
        facts = self.facts()
        places = self._catalog.message_places([one.sha256 for one in facts])
        self._texts.index([places[one.sha256][0] for one in facts], mark_of(entry))

    def flush(self) -> None:
        """Return when all that was applied can be found."""
        self._texts.flush()


def changes_of(entry: JournalEntry) -> Changes:
    """Translate an entry's records into the catalog's terms."""
    changes = Changes(entry.number, entry.time, write_position(entry.after))
    for record in entry.records:
        match record:
            case ArchivedRecord(ledger, message):
                changes.kept.append((ledger, message, Fate.ARCHIVED))
            case DuplicateRecord(ledger, message):
                changes.kept.append((ledger, message, Fate.DUPLICATE))
            case ListedRecord(account, first, listed):
                changes.listed.extend(
                    (ledger, account, uidl, size)
                    for ledger, (uidl, size) in enumerate(listed, first)
                )
            case FateRecord(ledger, fate, reason):
                changes.fates.append((ledger, fate, reason))
            case AccountRecord(number, name, host, user):
                changes.accounts.append((number, name, host, user))
            case PackRecord(number, length, sealed):
                changes.packs.append((number, length, sealed))
            case RetiredRecord(number):
                changes.retired.append(number)
            case RunRecord():
                row = dataclasses.asdict(record)
                row["id"] = row.pop("number")
                row["error"] = row["error"] or None
                changes.runs.append(row)
    return changes


def mark_of(entry: JournalEntry) -> Mark:
    """What the search index notes of an entry that is in it."""
    return Mark(entry.number, write_position(entry.after))
