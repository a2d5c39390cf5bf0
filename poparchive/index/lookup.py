"""The reading side of the catalog, with the standard library only.

Commands that people wait for cannot afford to import SQLAlchemy (150 ms). Opens read-only; a reader
never waits for the writer (WAL). One ``Lookup`` belongs to one thread.
"""

import sqlite3
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from poparchive.errors import PoparchiveError
from poparchive.index import bulk, failures
from poparchive.index.damage import DATABASE_ERRORS
from poparchive.index.keys import hash_of
from poparchive.index.readonly import uri
from poparchive.index.versions import refuse_newer_catalog
from poparchive.model import Fate


class NotFoundError(PoparchiveError):
    """No message, or more than one, answers to what the user gave."""


class CatalogMissingError(PoparchiveError):
    """There is no catalog to read."""


class CatalogDamagedError(PoparchiveError):
    """A row of the catalog is not what was written."""


class ForeignCatalogError(CatalogMissingError):
    """The catalog that lies here is that of another archive; this one's is not there."""


OWNER = "archive"
"""Under this key of ``state`` stands the id of the archive whose catalog it is, in hexadecimal. In one that
an older version made it may be missing."""

_LISTED = 10
"""So many of the messages with one Message-ID are named."""


class Located(NamedTuple):
    """A message's row: identity, what lists show, and where its recipe is."""

    key: int
    id: bytes
    date: int
    size_bytes: int
    subject: str
    sender: str
    pack: int
    frame: int
    offset: int
    length: int


_KINDS = (int, bytes, int, int, str, str, int, int, int, int)


def located(row: tuple[object, ...]) -> Located:
    """Make a message of a row of ``_COLUMNS``. SQLite lets anything stand in any column."""
    if tuple(map(type, row)) != _KINDS or min(row[6:]) < 0:  # type: ignore[operator, type-var]
        raise CatalogDamagedError(
            f"the catalog's row {row[0]} is damaged; `poparchive rebuild` makes it anew"
        )
    return Located._make(row)


_COLUMNS = (
    "m.id, m.sha256, m.date, m.size_bytes, m.subject, m.sender,"
    ' m.pack, m.frame, m."offset", m.length'
)


def open_read_only(path: Path) -> sqlite3.Connection:
    """Open a database for reading; a missing one is an error that says what to do."""
    if not path.exists():
        if not (path.parent / "archive.toml").exists():
            raise CatalogMissingError(
                f"{path.parent}: no archive here; `poparchive init` makes one"
            )
        raise CatalogMissingError(
            f"{path}: not there. Run `poparchive pull`, or `poparchive rebuild` if it was lost."
        )
    connection = sqlite3.connect(uri(path), uri=True)
    failures.wait_for_locks(connection)
    return connection


def is_foreign(connection: sqlite3.Connection, archive: bytes, schema: str = "main") -> bool:
    """Whether a catalog says that it belongs to another archive than the one with this id. One that does not
    say is not asked further, nor one that is damaged: whoever reads on says so."""
    query = f"SELECT value FROM {schema}.state WHERE key = '{OWNER}'"  # noqa: S608
    try:
        row = connection.execute(query).fetchone()
    except DATABASE_ERRORS:
        return False
    return row is not None and row[0] != archive.hex()


def foreign(path: Path) -> ForeignCatalogError:
    """Return the error of a catalog that belongs to another archive."""
    return ForeignCatalogError(
        f"{path}: is the catalog of another archive, by the archive's id that stands in it. Put this"
        " archive's own there, or run `poparchive rebuild`, which makes it anew from packs and journal. If"
        " archive.toml is what was exchanged, `poparchive verify` says so"
    )


def several(name: str, rows: Sequence[Located]) -> NotFoundError:
    """Return the error of a Message-ID that several messages have; it names them, the newest first."""
    bare = name.removeprefix("<").removesuffix(">")
    ids = ", ".join(row.id.hex()[:16] for row in rows[:_LISTED])
    more = f" and {len(rows) - _LISTED} more" if len(rows) > _LISTED else ""
    return NotFoundError(
        f"{len(rows)} messages have the Message-ID <{bare}>, with other octets each; name one by its id:"
        f" {ids}{more}"
    )


def lacking_uidls(connection: sqlite3.Connection) -> dict[str, int]:
    """Return of how many UIDLs of each account the messages were kept and are not in the catalog: no pack
    made them when it was made. Reads all of the ledger."""
    kept = (Fate.ARCHIVED, Fate.DUPLICATE, Fate.DELETED)
    rows = connection.execute(
        "SELECT a.name, count(*) FROM uidls u JOIN accounts a ON a.id = u.account"
        " WHERE u.message IS NULL AND u.fate IN (?, ?, ?) GROUP BY a.name ORDER BY a.name",
        tuple(map(int, kept)),
    )
    return {str(name): count for name, count in rows}


class Lookup:
    """Finds rows of the catalog by what people and recipes name them by."""

    def __init__(self, path: Path, archive: bytes | None = None) -> None:
        """``archive`` is the id of the archive whose catalog it has to be; without, that is not asked."""
        self.connection = open_read_only(path)
        try:
            refuse_newer_catalog(self.connection, path)
            if archive is not None and is_foreign(self.connection, archive):
                raise foreign(path)
        except BaseException:
            self.connection.close()
            raise

    def close(self) -> None:
        self.connection.close()

    def message(self, name: str) -> Located:
        """Find by hash (whole or a unique beginning of 8 or more digits) or <Message-ID>."""
        rows = self.messages(name)
        if len(rows) > 1:
            raise several(name, rows)
        return rows[0]

    def messages(self, name: str) -> list[Located]:
        """Find by the same; of a Message-ID all that have it, the newest first. Returns at least one."""
        if "@" in name or name.startswith("<"):
            bare = name.removeprefix("<").removesuffix(">")
            where = "WHERE m.message_id_hash = ? ORDER BY m.id DESC"
            rows = self._rows(where, (hash_of(bare),))
            what = f"the Message-ID <{bare}>"
        else:
            rows = self._by_hash(name)
            what = f"the id {name}"
            if len(rows) > 1:
                raise NotFoundError(
                    f"more than one message has {what}: give more digits, for example"
                    f" {rows[0].id.hex()} or {rows[1].id.hex()}"
                )
        if not rows:
            raise NotFoundError(f"no message has {what}; `poparchive search --ids` lists ids")
        return rows

    def _by_hash(self, name: str) -> list[Located]:
        digits = name.lower()
        if not 8 <= len(digits) <= 64 or any(c not in "0123456789abcdef" for c in digits):
            raise NotFoundError(
                f"{name!a} is no id: give 8 to 64 hexadecimal digits, or a Message-ID in <>"
            )
        low = bytes.fromhex(digits.ljust(64, "0"))
        high = bytes.fromhex(digits.ljust(64, "f"))
        return self._rows("WHERE m.sha256 BETWEEN ? AND ? LIMIT 2", (low, high))

    def by_key(self, key: int) -> Located:
        """Find by row id, which the caller got from the index."""
        rows = self._rows("WHERE m.id = ?", (key,))
        if not rows:
            raise NotFoundError(f"the catalog has no message {key}; run `poparchive rebuild`")
        return rows[0]

    def by_id(self, identity: bytes) -> Located | None:
        """Find by the whole hash."""
        rows = self._rows("WHERE m.sha256 = ?", (identity,))
        return rows[0] if rows else None

    def by_keys(self, keys: Sequence[int]) -> Iterator[Located]:
        """Find many by row id, in this order; in short statements, as they are asked for. What the
        catalog does not have is left out."""
        for some in bulk.chunks(keys):
            query = f"SELECT {_COLUMNS} FROM messages m WHERE m.id IN {bulk.LISTED}"  # noqa: S608
            found = {row[0]: row for row in self.connection.execute(query, bulk.listed(some))}
            for key in some:
                if row := found.get(key):
                    yield located(row)

    def stored_order(self) -> Iterator[Located]:
        """Yield all messages in the order of the packs."""
        return self.by_keys(self.stored_keys())

    def stored_keys(self, account: str | None = None) -> "array[int]":
        """Return the row ids of all messages in the order of the packs, which is the fastest to read."""
        where = ""
        values: tuple[str, ...] = ()
        if account is not None:
            where = (
                " WHERE m.id IN (SELECT u.message FROM uidls u JOIN accounts a ON a.id = u.account"
                " WHERE a.name = ?)"
            )
            values = (account,)
        query = f'SELECT id FROM messages m{where} ORDER BY m.pack, m.frame, m."offset"'  # noqa: S608
        return array("q", (row[0] for row in self.connection.execute(query, values)))

    def in_range(self, pack: int, start: int, end: int) -> Iterator[Located]:
        """Yield the messages with their recipe in frames that begin in a range of a pack, as they lie."""
        query = (
            f"SELECT {_COLUMNS} FROM messages m WHERE m.pack = ? AND m.frame >= ? AND m.frame < ?"  # noqa: S608
            ' ORDER BY m.frame, m."offset"'
        )
        for row in self.connection.execute(query, (pack, start, end)):
            yield located(row)

    def needing(self, pack: int, start: int, end: int) -> Iterator[int]:
        """Yield the row ids of messages that need a frame that begins in a range of a pack, for their
        recipe or for a blob. Reads all blobs."""
        query = (
            "SELECT id FROM messages WHERE pack = ?1 AND frame >= ?2 AND frame < ?3"
            " UNION SELECT p.message FROM parts p JOIN blobs b ON b.id = p.blob"
            " WHERE b.pack = ?1 AND b.frame >= ?2 AND b.frame < ?3"
        )
        for (key,) in self.connection.execute(query, (pack, start, end)):
            yield key

    def frame_behind(self, pack: int, start: int) -> int | None:
        """Return where the first frame behind an octet of a pack begins that anything is said to be in."""
        query = (
            "SELECT min(f) FROM (SELECT min(frame) AS f FROM messages WHERE pack = ?1 AND frame > ?2"
            " UNION ALL SELECT min(frame) FROM blobs WHERE pack = ?1 AND frame > ?2)"
        )
        found: int | None = self.connection.execute(query, (pack, start)).fetchone()[0]
        return found

    def facts_of(self, key: int) -> tuple[tuple[object, ...], list[tuple[object, ...]]]:
        """Return what the catalog says of a message: its row but for the place, and its parts."""
        row = self.connection.execute(
            "SELECT sha256, date, size_bytes, message_id_hash, subject, sender, parsed"
            " FROM messages WHERE id = ?",
            (key,),
        ).fetchone()
        parts = self.connection.execute(
            "SELECT p.number, p.segment, b.sha256, p.type, p.name, p.size_bytes FROM parts p"
            " LEFT JOIN blobs b ON b.id = p.blob WHERE p.message = ? ORDER BY p.number, p.segment",
            (key,),
        ).fetchall()
        return row, parts

    def blob_packs(self, key: int) -> list[int]:
        """Return the packs that the blobs of a message are in."""
        query = (
            "SELECT DISTINCT b.pack FROM parts p JOIN blobs b ON b.id = p.blob WHERE p.message = ?"
            " ORDER BY 1"
        )
        return [pack for (pack,) in self.connection.execute(query, (key,))]

    def of_entries(self, first: int, last: int) -> Iterator[tuple[Located, tuple[str, ...]]]:
        """Yield the messages that these journal entries first named, with their accounts, sorted by
        account and date."""
        query = (
            f"SELECT {_COLUMNS}, group_concat(DISTINCT a.name) AS names FROM messages m"  # noqa: S608
            " LEFT JOIN uidls u ON u.message = m.id LEFT JOIN accounts a ON a.id = u.account"
            " WHERE m.entry BETWEEN ? AND ? GROUP BY m.id ORDER BY names, m.date, m.id"
        )
        for *row, names in self.connection.execute(query, (first, last)):
            yield located(tuple(row)), tuple(sorted((names or "").split(",")))

    def sources(self, identity: bytes) -> list[tuple[str, bytes, int]]:
        """Return (account, UIDL, LIST size) of where a message came from and may still be."""
        rows = self.connection.execute(
            "SELECT a.name, u.uidl, u.size_bytes FROM uidls u JOIN accounts a ON a.id = u.account"
            " JOIN messages m ON m.id = u.message WHERE m.sha256 = ? AND u.fate IN (?, ?)",
            (identity, int(Fate.ARCHIVED), int(Fate.DUPLICATE)),
        )
        return [(name, uidl.encode("latin-1"), size) for name, uidl, size in rows]

    def strays(self) -> list[str]:
        """Name rows that belong to nothing."""
        queries = {
            "parts of no message": "parts WHERE message NOT IN (SELECT id FROM messages)",
            "blobs of no part": "blobs WHERE id NOT IN (SELECT blob FROM parts WHERE blob IS NOT NULL)",
            "messages of no UIDL": "messages WHERE id NOT IN"
            " (SELECT message FROM uidls WHERE message IS NOT NULL)",
        }
        found = []
        for what, query in queries.items():
            (count,) = self.connection.execute(f"SELECT count(*) FROM {query}").fetchone()  # noqa: S608
            if count:
                found.append(f"there are {count} {what}")
        return found

    def nowhere(self) -> bool:
        """Whether a message is said to be in no pack that there is."""
        query = "SELECT 1 FROM messages WHERE pack NOT IN (SELECT id FROM packs) LIMIT 1"
        return self.connection.execute(query).fetchone() is not None

    def packs(self) -> dict[int, tuple[int, bool]]:
        """Return the committed length of every pack, and whether it is sealed."""
        rows = self.connection.execute("SELECT id, length, sealed FROM packs")
        return {number: (length, bool(sealed)) for number, length, sealed in rows}

    def position(self) -> str | None:
        """Return how far the catalog has come, as the archive wrote it."""
        query = "SELECT value FROM state WHERE key = 'position'"
        row = self.connection.execute(query).fetchone()
        return str(row[0]) if row else None

    def blob(self, identity: bytes) -> tuple[int, int, int, int] | None:
        """Return (pack, frame, offset, length) of a blob."""
        query = 'SELECT pack, frame, "offset", length FROM blobs WHERE sha256 = ?'
        found: tuple[int, int, int, int] | None = self.connection.execute(
            query, (identity,)
        ).fetchone()
        return found

    def accounts(self) -> list[str]:
        """Return the names of all accounts."""
        return [row[0] for row in self.connection.execute("SELECT name FROM accounts ORDER BY 1")]

    def count_messages(self) -> int:
        """Return the number of distinct messages."""
        return int(self.connection.execute("SELECT count(*) FROM messages").fetchone()[0])

    def accounts_of(self, key: int) -> list[str]:
        """Return the names of the accounts that a message came from."""
        query = (
            "SELECT DISTINCT a.name FROM uidls u JOIN accounts a ON a.id = u.account"
            " WHERE u.message = ? ORDER BY a.name"
        )
        return [row[0] for row in self.connection.execute(query, (key,))]

    def attachments_of(self, key: int) -> list[tuple[int, str, str, int]]:
        """Return (part number, name, type, size) of a message's attachments."""
        query = (
            "SELECT number, name, type, size_bytes FROM parts"
            " WHERE message = ? AND segment = 0 AND name IS NOT NULL ORDER BY number"
        )
        return [tuple(row) for row in self.connection.execute(query, (key,))]

    def _rows(self, where: str, values: tuple[object, ...]) -> list[Located]:
        query = f"SELECT {_COLUMNS} FROM messages m {where}"  # noqa: S608
        return [located(row) for row in self.connection.execute(query, values)]
