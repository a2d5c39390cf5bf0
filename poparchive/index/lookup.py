"""The reading side of the catalog, with the standard library only.

Commands that people wait for cannot afford to import SQLAlchemy (150 ms). Opens read-only; a reader
never waits for the writer (WAL). One ``Lookup`` belongs to one thread.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from poparchive.errors import PoparchiveError
from poparchive.index.keys import hash_of
from poparchive.index.versions import NewerDatabaseError, refuse_newer_catalog


class NotFoundError(PoparchiveError):
    """No message, or more than one, answers to what the user gave."""


class CatalogMissingError(PoparchiveError):
    """There is no catalog to read."""


@dataclass(frozen=True, slots=True)
class Located:
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
    quoted = str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    connection = sqlite3.connect(f"file:{quoted}?mode=ro", uri=True)
    connection.execute("PRAGMA busy_timeout=10000")
    return connection


class Lookup:
    """Finds rows of the catalog by what people and recipes name them by."""

    def __init__(self, path: Path) -> None:
        self.connection = open_read_only(path)
        try:
            refuse_newer_catalog(self.connection, path)
        except NewerDatabaseError:
            self.connection.close()
            raise

    def close(self) -> None:
        self.connection.close()

    def message(self, name: str) -> Located:
        """Find by hash (whole or a unique beginning of 8 or more digits) or <Message-ID>."""
        if "@" in name or name.startswith("<"):
            bare = name.removeprefix("<").removesuffix(">")
            rows = self._rows("WHERE m.message_id_hash = ? LIMIT 2", (hash_of(bare),))
            what = f"the Message-ID <{bare}>"
        else:
            rows = self._by_hash(name)
            what = f"the id {name}"
        if not rows:
            raise NotFoundError(f"no message has {what}; `poparchive search --ids` lists ids")
        if len(rows) > 1:
            raise NotFoundError(
                f"more than one message has {what}: give more digits, for example"
                f" {rows[0].id.hex()} or {rows[1].id.hex()}"
            )
        return rows[0]

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

    def stored_order(self, account: str | None = None) -> Iterator[Located]:
        """Yield all messages in the order of the packs, which is the fastest to read."""
        where = ""
        values: tuple[str, ...] = ()
        if account is not None:
            where = (
                " WHERE m.id IN (SELECT u.message FROM uidls u JOIN accounts a ON a.id = u.account"
                " WHERE a.name = ?)"
            )
            values = (account,)
        query = f'SELECT {_COLUMNS} FROM messages m{where} ORDER BY m.pack, m.frame, m."offset"'  # noqa: S608
        for row in self.connection.execute(query, values):
            yield Located(*row)

    def in_frame(self, pack: int, frame: int) -> list[Located]:
        """Return the messages that need a frame, for their recipe or for a blob."""
        return self._rows(
            "WHERE (m.pack = ?1 AND m.frame = ?2) OR m.id IN (SELECT p.message FROM parts p"
            " JOIN blobs b ON b.id = p.blob WHERE b.pack = ?1 AND b.frame = ?2)",
            (pack, frame),
        )

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

    def has_ledger(self, number: int) -> bool:
        """Whether the ledger has a row with this number."""
        query = "SELECT 1 FROM uidls WHERE id = ?"
        return self.connection.execute(query, (number,)).fetchone() is not None

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
        return [Located(*row) for row in self.connection.execute(query, values)]
