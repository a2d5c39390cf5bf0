"""The writing side of the catalog: applies journal entries, each in one transaction.

``apply`` is the only way rows come into being, for a live pull, for catching up after a crash and for
a rebuild alike. Row numbers follow from the order of records alone, so that a catalog made
again is equal to the one that was lost. One ``Catalog`` belongs to one thread at a time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, bindparam, func, select, update
from sqlalchemy.exc import DBAPIError

from poparchive.index import schema
from poparchive.index.engine import CatalogError, insert_rows, open_catalog
from poparchive.model import Fate, LedgerRow, Location, MessageId

T = TypeVar("T")

_LEDGER = select(
    schema.uidls.c.id,
    schema.uidls.c.uidl,
    schema.uidls.c.size_bytes,
    schema.uidls.c.fate,
    schema.messages.c.sha256,
    schema.uidls.c.settled,
).join_from(
    schema.uidls, schema.messages, schema.uidls.c.message == schema.messages.c.id, isouter=True
)

_SLOTS = 4
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class PartFacts:
    """One row of ``parts``; ``blob`` is the hash of the blob that holds the body, if one does."""

    number: int
    segment: int
    blob: bytes | None
    type: str | None
    name: str | None
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """All that follows from a message's octets and from where they are stored."""

    sha256: MessageId
    date: int
    size_bytes: int
    message_id: str
    subject: str
    sender: str
    recipients: str
    copies: str
    place: Location
    parsed: int
    parts: Sequence[PartFacts]


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
    packs: list[tuple[int, int, bool]] = field(default_factory=list)
    messages: Sequence[MessageFacts] = ()
    """The new messages, in the order of their records."""
    blobs: Mapping[bytes, Location] = field(default_factory=dict)
    """Where each blob is that the new messages refer to and that the catalog may not know."""


def text_of(uidl: bytes) -> str:
    """A UIDL as the catalog holds it: one character an octet."""
    return uidl.decode("latin-1")


class Catalog:
    """The catalog's one writer."""

    def __init__(self, path: Path, *, synchronous: str = "FULL") -> None:
        self._path = path
        self._engine = engine = open_catalog(path, synchronous=synchronous)
        with engine.connect() as connection:
            self._next_blob = _next(connection, schema.blobs.c.id)

    def close(self) -> None:
        """Move what the write-ahead log holds into the file, and close it. Safe to call twice."""
        with self._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        self._engine.dispose()

    def position(self) -> str | None:
        """Return the journal position after the last applied entry, as ``apply`` was given it."""
        with self._engine.connect() as connection:
            query = select(schema.state.c.value).where(schema.state.c.key == "position")
            return connection.scalar(query)

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

    def packs(self) -> list[tuple[int, int, bool]]:
        """Return (number, committed length, sealed) of every pack, ascending."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(schema.packs).order_by(schema.packs.c.id))
            return [(row.id, row.length, bool(row.sealed)) for row in rows]

    def ledger(self, account: int) -> list[LedgerRow]:
        """Return all that is known of an account's UIDLs, in the order they were first listed."""
        query = _LEDGER.where(schema.uidls.c.account == account).order_by(schema.uidls.c.id)
        return self._ledger(query)

    def ledger_rows(self, numbers: Sequence[int]) -> list[LedgerRow]:
        """Return the rows with these ledger numbers."""
        query = _LEDGER.where(schema.uidls.c.id.in_(bindparam("ids", expanding=True)))
        found = []
        for chunk in _chunks(numbers):
            found += self._ledger(query, {"ids": chunk})
        return found

    def _ledger(self, query: Any, values: dict[str, Any] | None = None) -> list[LedgerRow]:
        with self._engine.connect() as connection:
            return [
                LedgerRow(key, uidl.encode("latin-1"), size, Fate(fate), message, settled)
                for key, uidl, size, fate, message, settled in connection.execute(query, values)
            ]

    def known_messages(self, ids: Iterable[bytes]) -> set[bytes]:
        """Return those of the message ids that are kept."""
        return set(self._known(schema.messages, ids))

    def known_blobs(self, ids: Iterable[bytes]) -> set[bytes]:
        """Return those of the blob ids that are stored."""
        return set(self._known(schema.blobs, ids))

    def blob_place(self, identity: bytes) -> Location | None:
        """Return where a blob is."""
        blobs = schema.blobs
        query = select(blobs.c.pack, blobs.c.frame, blobs.c.offset, blobs.c.length).where(
            blobs.c.sha256 == identity
        )
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
        return Location(*row) if row else None

    def _known(self, table: Any, ids: Iterable[bytes]) -> Iterator[bytes]:
        query = select(table.c.sha256).where(table.c.sha256.in_(bindparam("ids", expanding=True)))
        wanted = list(ids)
        if not wanted:
            return
        with self._engine.connect() as connection:
            for chunk in _chunks(wanted):
                yield from connection.scalars(query, {"ids": chunk})

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
                _replace(connection, schema.packs, number, length=length, sealed=int(sealed))
            ids = self._messages(connection, changes)
            self._uidls(connection, changes)
            if changes.runs:
                connection.execute(schema.runs.insert(), changes.runs)
            connection.execute(schema.state.delete().where(schema.state.c.key == "position"))
            connection.execute(
                schema.state.insert(), [{"key": "position", "value": changes.position}]
            )
        return ids

    def _messages(self, connection: Connection, changes: Changes) -> list[int]:
        if not changes.messages:
            return []
        ids = _free_ids(connection, [m.date for m in changes.messages])
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
                    m.message_id,
                    m.subject,
                    m.sender,
                    m.recipients,
                    m.copies,
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
        table = schema.blobs
        query = select(table.c.sha256, table.c.id).where(
            table.c.sha256.in_(bindparam("ids", expanding=True))
        )
        found: dict[bytes, int] = {}
        for chunk in _chunks(list(wanted)):
            found.update((row[0], row[1]) for row in connection.execute(query, {"ids": chunk}))
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
        insert_rows(connection, table, new)
        return found

    def _uidls(self, connection: Connection, changes: Changes) -> None:
        rows: dict[int, dict[str, Any]] = {
            ledger: {
                "id": ledger,
                "account": account,
                "uidl": text_of(uidl),
                "size_bytes": size,
                "fate": int(Fate.LISTED),
                "message": None,
                "listed": changes.time,
                "settled": None,
                "reason": None,
            }
            for ledger, account, uidl, size in changes.listed
        }
        keys = _message_keys(connection, [message for _, message, _ in changes.kept])
        updates: list[dict[str, Any]] = []
        for ledger, message, fate in changes.kept:
            values = {"fate": int(fate), "message": keys[message], "settled": changes.time}
            if ledger in rows:
                rows[ledger].update(values)
            else:
                updates.append({"ledger": ledger, **values})
        insert_rows(connection, schema.uidls, [tuple(row.values()) for row in rows.values()])
        uidls = schema.uidls
        if updates:
            connection.execute(
                update(uidls)
                .where(uidls.c.id == bindparam("ledger"))
                .values(
                    fate=bindparam("fate"),
                    message=bindparam("message"),
                    settled=bindparam("settled"),
                    reason=None,
                ),
                updates,
            )
        if changes.fates:
            connection.execute(
                update(uidls)
                .where(uidls.c.id == bindparam("ledger"))
                .values(
                    fate=bindparam("fate"), settled=bindparam("settled"), reason=bindparam("why")
                ),
                [
                    {"ledger": ledger, "fate": int(fate), "settled": changes.time, "why": reason}
                    for ledger, fate, reason in changes.fates
                ],
            )


def _next(connection: Connection, column: Any) -> int:
    return (connection.scalar(select(func.max(column))) or 0) + 1


def _chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


def _replace(connection: Connection, table: Any, key: int, **values: Any) -> None:
    done = connection.execute(update(table).where(table.c.id == key).values(**values))
    if not done.rowcount:
        connection.execute(table.insert(), [{"id": key, **values}])


def _message_keys(connection: Connection, ids: list[MessageId]) -> dict[bytes, int]:
    table = schema.messages
    query = select(table.c.sha256, table.c.id).where(
        table.c.sha256.in_(bindparam("ids", expanding=True))
    )
    found: dict[bytes, int] = {}
    for chunk in _chunks(list(dict.fromkeys(bytes(i) for i in ids))):
        found.update((row[0], row[1]) for row in connection.execute(query, {"ids": chunk}))
    return found


def _free_ids(connection: Connection, dates: list[int]) -> list[int]:
    """Return a free row id for each date: the date's seconds x 4 plus a slot, or the next free one."""
    table = schema.messages
    query = select(table.c.id).where(table.c.id.in_(bindparam("ids", expanding=True)))
    first = [max(date, 0) * _SLOTS for date in dates]
    taken: set[int] = set()
    for start in range(0, len(first), _CHUNK):
        near = {key + slot for key in first[start : start + _CHUNK] for slot in range(_SLOTS)}
        taken.update(connection.scalars(query, {"ids": sorted(near)}))
    found = []
    for key in first:
        checked = key + _SLOTS
        while key in taken:
            key += 1
            if key >= checked:
                checked = key + 64
                taken.update(connection.scalars(query, {"ids": list(range(key, checked))}))
        taken.add(key)
        found.append(key)
    return found
