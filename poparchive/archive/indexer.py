"""The indexing stage: journal entries become rows of the catalog and documents of the search index.

Steps 3 and 4 of the commit order. One thread runs it.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence

from poparchive.archive.describe import describe, document
from poparchive.archive.storer import Batch, Stored
from poparchive.index.catalog import Catalog, Changes
from poparchive.index.fulltext import FulltextWriter
from poparchive.model import Fate, Location
from poparchive.store.journal import START, JournalEntry, Position
from poparchive.store.records import (
    AccountRecord,
    ArchivedRecord,
    DuplicateRecord,
    FateRecord,
    ListedRecord,
    PackRecord,
    RunRecord,
)


class Indexer:
    """Applies batches to catalog and search index."""

    def __init__(self, catalog: Catalog, fulltext: FulltextWriter | None) -> None:
        self._catalog = catalog
        self._fulltext = fulltext

    def take(self, batch: Batch) -> None:
        """Apply one batch to both. The catalog is synced when this returns; the index may lag."""
        self.apply(batch.entry, batch.messages, batch.blobs)

    def apply(
        self, entry: JournalEntry, messages: Sequence[Stored], blobs: Mapping[bytes, Location]
    ) -> None:
        """Apply one entry; ``messages`` are its new ones, in the order of their records."""
        described = [
            describe(m.id, m.message, m.root, m.recipe, m.place, entry.time) for m in messages
        ]
        changes = changes_of(entry)
        changes.messages = [facts for facts, _ in described]
        changes.blobs = blobs
        keys = self._catalog.apply(changes)
        if self._fulltext is not None:
            self._fulltext.add(
                [
                    document(key, facts, text)
                    for key, (facts, text) in zip(keys, described, strict=True)
                ],
                entry=entry.number,
            )


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
            case RunRecord():
                row = dataclasses.asdict(record)
                row["id"] = row.pop("number")
                row["error"] = row["error"] or None
                changes.runs.append(row)
    return changes


def write_position(position: Position) -> str:
    """A journal position as the catalog keeps it."""
    return json.dumps(
        {
            "entry": position.entry,
            "file": position.file,
            "offset": position.offset,
            "hash": position.hash.hex(),
        }
    )


def read_position(text: str | None) -> Position:
    """The position that ``write_position`` wrote; the journal's start if there is none."""
    if text is None:
        return START
    values = json.loads(text)
    return Position(
        values["file"], values["offset"], values["entry"], bytes.fromhex(values["hash"])
    )
