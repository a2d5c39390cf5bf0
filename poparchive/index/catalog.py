"""The writing side of the catalog: applies journal entries, each in one transaction.

``apply`` is the only way rows come into being, for a live pull, for catching up after a crash and for
a rebuild alike. Row numbers follow from the order of records alone, so that a catalog made
again is equal to the one that was lost. One thread applies; any thread may ask.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Select,
    Table,
    case,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError

from poparchive.index import schema
from poparchive.index.engine import (
    CatalogError,
    insert_rows,
    open_catalog,
    rows_where,
    update_rows,
)
from poparchive.index.facts import MessageFacts
from poparchive.index.freeids import FreeIds
from poparchive.index.keys import hash_of, rowid_of
from poparchive.index.lookup import OWNER, foreign
from poparchive.index.moves import NOTHING_MOVED, Moved, Moves
from poparchive.model import Fate, LedgerRow, Location, MessageId

_LEDGER = select(
    schema.uidls.c.id,
    schema.uidls.c.uidl,
    schema.uidls.c.size_bytes,
    schema.uidls.c.fate,
    schema.uidls.c.message,
    schema.uidls.c.settled,
    # The other fates' reasons are for people; there may be a million.
    case((schema.uidls.c.fate == literal_column(f"{Fate.SKIPPED:d}"), schema.uidls.c.reason)),
)
_LEDGER_IN_ORDER = _LEDGER.order_by(schema.uidls.c.id)
_FATES = {int(fate): fate for fate in Fate}
_MESSAGE_ROWS = select(schema.messages.c.sha256, schema.messages.c.id)
_BLOB_ROWS = select(schema.blobs.c.sha256, schema.blobs.c.id)
_BLOB_PLACES = select(
    schema.blobs.c.sha256,
    schema.blobs.c.pack,
    schema.blobs.c.frame,
    schema.blobs.c.offset,
    schema.blobs.c.length,
)
_PLACES = select(
    schema.messages.c.sha256,
    schema.messages.c.id,
    schema.messages.c.pack,
    schema.messages.c.frame,
    schema.messages.c.offset,
    schema.messages.c.length,
)


@dataclass(slots=True)
class Changes:
    """One journal entry in the catalog's terms. The archive fills it from records and packs."""

    entry: int
    time: int
    position: str
    accounts: list[tuple[int, str, str, str]] = field(default_factory=list)
    listed: list[tuple[int, int, bytes, int]] = field(default_factory=list)
    """(ledger, account, UIDL, LIST size)"""
    kept: list[tuple[int, MessageId, Fate]] = field(default_factory=list)
    """(ledger, message, archived or duplicate)"""
    fates: list[tuple[int, Fate, str]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    packs: list[tuple[int, int, int]] = field(default_factory=list)
    """(number, committed length, how it is sealed)"""
    retired: list[int] = field(default_factory=list)
    """Packs that hold nothing any more."""
    moved: Moved = NOTHING_MOVED
    messages: Sequence[MessageFacts] = ()
    """The new messages, in the order of their records."""
    blobs: Mapping[bytes, Location] = field(default_factory=dict)
    """Where each blob is that the new messages refer to and that the catalog may not know."""


def text_of(uidl: bytes) -> str:
    """A UIDL as the catalog holds it: one character an octet."""
    return uidl.decode("latin-1")


class Catalog:
    """The catalog's one writer."""

    def __init__(self, path: Path, *, archive: bytes | None = None, draft: bool = False) -> None:
        """``archive`` is the id of the archive whose catalog it has to be: the next entry writes it into one
        that does not say, for it goes on from what the journal proves. Raises ``ForeignCatalogError``."""
        self._path = path
        self._archive = None if archive is None else archive.hex()
        self._engine = engine = open_catalog(path, draft=draft)
        with engine.connect() as connection:
            self._owner = connection.scalar(_state(OWNER))
            self._next_blob = _next(connection, schema.blobs.c.id)
        self._ids = FreeIds()
        if self._archive and self._owner not in (None, self._archive):
            engine.dispose()
            raise foreign(path)

    def close(self) -> None:
        """Move what the write-ahead log holds into the file, and close it. Safe to call twice."""
        with self._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        self._engine.dispose()

    def position(self) -> str | None:
        """Return the journal position after the last applied entry, as ``apply`` was given it."""
        with self._engine.connect() as connection:
            found: str | None = connection.scalar(_state("position"))
        return found

    def next_numbers(self) -> tuple[int, int, int]:
        """Return the first free account, ledger and run numbers."""
        with self._engine.connect() as connection:
            return (
                _next(connection, schema.accounts.c.id),
                _next(connection, schema.uidls.c.id),
                _next(connection, schema.runs.c.id),
            )

    def accounts(self) -> dict[str, tuple[int, str, str]]:
        """Return name to (number, host, user)."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(schema.accounts))
            return {row.name: (row.id, row.host, row.user) for row in rows}

    def packs(self) -> list[tuple[int, int, int]]:
        """Return (number, committed length, how it is sealed) of every pack, ascending."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(schema.packs).order_by(schema.packs.c.id))
            return [(row.id, row.length, row.sealed) for row in rows]

    def ledger(self, account: int) -> Iterator[LedgerRow]:
        """Yield all that is known of an account's UIDLs, in the order they were first listed.

        It is what the catalog held when the first row was asked for.
        """
        with self._engine.connect() as connection:
            yield from _ledger(
                rows_where(connection, _LEDGER_IN_ORDER, schema.uidls.c.account, [account])
            )

    def kept_unnamed(self, account: int) -> set[MessageId]:
        """Return the ids of messages that an account's rows with an empty UIDL lead to."""
        uidls, messages = schema.uidls.c, schema.messages.c
        query = (
            select(messages.sha256)
            .join(schema.uidls, uidls.message == messages.id)
            .where(uidls.account == account, uidls.uidl == "")
        )
        with self._engine.connect() as connection:
            return {MessageId(identity) for identity in connection.scalars(query)}

    def ledger_rows(self, numbers: Sequence[int]) -> list[LedgerRow]:
        """Return the rows with these ledger numbers."""
        with self._engine.connect() as connection:
            return list(_ledger(rows_where(connection, _LEDGER, schema.uidls.c.id, numbers)))

    def known_messages(self, ids: Sequence[bytes]) -> set[bytes]:
        """Return those of the message ids that are kept."""
        return {row[0] for row in self._rows(_MESSAGE_ROWS, schema.messages.c.sha256, ids)}

    def blob_keys(self, ids: Sequence[bytes]) -> dict[bytes, int]:
        """Return the row id of each blob that is stored."""
        return dict(self._rows(_BLOB_ROWS, schema.blobs.c.sha256, ids))

    def messages_like(self, prefix: bytes) -> list[tuple[bytes, int]]:
        """Return the id and row id of the messages whose ids begin so."""
        identity = schema.messages.c.sha256
        low, high = prefix.ljust(32, b"\0"), prefix.ljust(32, b"\xff")
        with self._engine.connect() as connection:
            rows = connection.execute(_MESSAGE_ROWS.where(identity.between(low, high)))
            return [(row[0], row[1]) for row in rows]

    def message_places(self, ids: Sequence[bytes]) -> dict[bytes, tuple[int, Location]]:
        """Return the row id of each message that is kept, and where its recipe is."""
        rows = self._rows(_PLACES, schema.messages.c.sha256, ids)
        return {identity: (key, Location(*place)) for identity, key, *place in rows}

    def blob_place(self, identity: bytes) -> Location | None:
        """Return where a blob is."""
        return self.blob_places([identity]).get(identity)

    def blob_places(self, ids: Sequence[bytes]) -> dict[bytes, Location]:
        """Return where each blob that is stored is."""
        rows = self._rows(_BLOB_PLACES, schema.blobs.c.sha256, ids)
        return {identity: Location(*place) for identity, *place in rows}

    def _rows(
        self, query: Select[Any], column: Column[bytes], ids: Sequence[bytes]
    ) -> Sequence[Any]:
        """Return what a query selects where a column is one of ``ids``."""
        if not ids:
            return ()
        with self._engine.connect() as connection:
            return list(rows_where(connection, query, column, ids))

    def apply(self, changes: Changes) -> list[int]:
        """Carry out one journal entry in one transaction; return the new messages' row ids.

        When this returns the transaction is synced (unless the engine was opened otherwise).
        Raises ``CatalogError`` if the database cannot be written; it is as it was before then.
        """
        try:
            return self._apply(changes)
        except DBAPIError as error:
            raise CatalogError(
                f"{self._path}: cannot write: {error.orig}. All mail that came is kept; make room"
                " and run the command again, which brings the catalog up."
            ) from error

    def _apply(self, changes: Changes) -> list[int]:
        with self._engine.begin() as connection:
            for number, name, host, user in changes.accounts:
                _replace(connection, schema.accounts, number, name=name, host=host, user=user)
            for number, length, sealed in changes.packs:
                _replace(connection, schema.packs, number, length=length, sealed=sealed)
            for number in changes.retired:
                connection.execute(schema.packs.delete().where(schema.packs.c.id == number))
            _move(connection, schema.messages, changes.moved.messages)
            _move(connection, schema.blobs, changes.moved.blobs)
            ids = self._messages(connection, changes)
            new = {m.sha256: key for m, key in zip(changes.messages, ids, strict=True)}
            self._uidls(connection, changes, new)
            if changes.runs:
                connection.execute(schema.runs.insert(), changes.runs)
            connection.execute(schema.state.delete().where(schema.state.c.key == "position"))
            connection.execute(
                schema.state.insert(), [{"key": "position", "value": changes.position}]
            )
            if self._archive and self._owner is None:
                owner = {"key": OWNER, "value": self._archive}
                connection.execute(schema.state.insert(), [owner])
        self._owner = self._owner or self._archive
        return ids

    def _messages(self, connection: Connection, changes: Changes) -> list[int]:
        if not changes.messages:
            return []
        ids = self._ids.take(connection, [rowid_of(m.date) for m in changes.messages])
        blobs = self._blobs(connection, changes)
        insert_rows(
            connection,
            schema.messages,
            [
                (
                    key,
                    m.sha256,
                    m.date,
                    m.size_bytes,
                    hash_of(m.message_id),
                    m.subject,
                    m.sender,
                    m.place.pack,
                    m.place.frame,
                    m.place.offset,
                    m.place.length,
                    changes.entry,
                    m.parsed,
                )
                for key, m in zip(ids, changes.messages, strict=True)
            ],
        )
        insert_rows(
            connection,
            schema.parts,
            [
                (
                    key,
                    p.number,
                    p.segment,
                    blobs[p.blob] if p.blob else None,
                    p.type,
                    p.name,
                    p.size_bytes,
                )
                for key, m in zip(ids, changes.messages, strict=True)
                for p in m.parts
            ],
        )
        return ids

    def _blobs(self, connection: Connection, changes: Changes) -> dict[bytes, int]:
        """Return the row of every blob referred to; new ones get numbers in order of reference."""
        wanted = dict.fromkeys(p.blob for m in changes.messages for p in m.parts if p.blob)
        known = rows_where(connection, _BLOB_ROWS, schema.blobs.c.sha256, list(wanted))
        found: dict[bytes, int] = dict(known)
        new = []
        for identity in wanted:
            if identity in found:
                continue
            place = changes.blobs[identity]
            found[identity] = self._next_blob
            new.append(
                (self._next_blob, identity, place.pack, place.frame, place.offset, place.length)
            )
            self._next_blob += 1
        insert_rows(connection, schema.blobs, new)
        return found

    def _uidls(
        self, connection: Connection, changes: Changes, new: Mapping[MessageId, int]
    ) -> None:
        """Note what was listed and what became of it; ``new`` has the row ids of new messages."""
        uidls = schema.uidls
        older = sorted({message for _, message, _ in changes.kept if message not in new})
        known = rows_where(connection, _MESSAGE_ROWS, schema.messages.c.sha256, older)
        keys = {**dict(known), **new}
        listed = int(Fate.LISTED)
        insert_rows(
            connection,
            uidls,
            [
                (ledger, account, text_of(uidl), size, listed, None, changes.time, None, None)
                for ledger, account, uidl, size in changes.listed
            ],
        )
        update_rows(
            connection,
            uidls,
            ("fate", "message", "settled", "reason"),
            [
                (ledger, int(fate), keys.get(message), changes.time, None)
                for ledger, message, fate in changes.kept
            ],
        )
        update_rows(
            connection,
            uidls,
            ("fate", "settled", "reason"),
            [(ledger, int(fate), changes.time, reason) for ledger, fate, reason in changes.fates],
        )


def _state(key: str) -> Select[Any]:
    return select(schema.state.c.value).where(schema.state.c.key == key)


def _next(connection: Connection, column: Any) -> int:
    return (connection.scalar(select(func.max(column))) or 0) + 1


def _move(connection: Connection, table: Table, moved: Sequence[Moves]) -> None:
    for moves in moved:
        for some in moves.chunks():
            rows = [(key, *place) for key, place in some]
            update_rows(connection, table, Location._fields, rows)


def _ledger(rows: Iterable[Any]) -> Iterator[LedgerRow]:
    for key, uidl, size, fate, message, settled, rule in rows:
        yield LedgerRow(key, uidl.encode("latin-1"), size, _FATES[fate], message, settled, rule)


def _replace(connection: Connection, table: Any, key: int, **values: Any) -> None:
    done = connection.execute(update(table).where(table.c.id == key).values(**values))
    if not done.rowcount:
        connection.execute(table.insert(), [{"id": key, **values}])
