"""What the catalog must hold, made from the journal alone, to compare it with what it does hold.

A temporary database takes the entries in turn, as the catalog did, but keeps of a message only its id: what
else the catalog says of it follows from its octets, and is compared where these are read.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from poparchive.index.catalog import Changes, text_of
from poparchive.index.failures import wait_for_locks
from poparchive.index.lookup import open_read_only
from poparchive.index.readonly import uri
from poparchive.model import Fate

_RUNS = (
    "id", "account", "started", "ended", "outcome", "listed", "archived", "duplicates", "failed",
    "deleted", "octets", "error",
)  # fmt: skip

_TABLES = f"""
CREATE TABLE accounts(id INTEGER PRIMARY KEY, name, host, "user");
CREATE TABLE packs(id INTEGER PRIMARY KEY, length, sealed);
CREATE TABLE runs(id INTEGER PRIMARY KEY, {", ".join(_RUNS[1:])});
CREATE TABLE messages(sha256 BLOB PRIMARY KEY, entry, time) WITHOUT ROWID;
CREATE TABLE uidls(id INTEGER PRIMARY KEY, account, uidl, size_bytes, fate, message, listed, settled, reason);
"""

_WHOLE = {
    "accounts": 'id, name, host, "user"',
    "packs": "id, length, sealed",
    "runs": ", ".join(_RUNS),
}

_UIDLS = """
SELECT s.id, a.name, s.uidl, s.listed FROM shadow.uidls s
LEFT JOIN main.uidls c ON c.id = s.id LEFT JOIN main.messages m ON m.id = c.message
LEFT JOIN shadow.accounts a ON a.id = s.account
WHERE c.id IS NULL OR c.account IS NOT s.account OR c.uidl IS NOT s.uidl OR c.size_bytes IS NOT s.size_bytes
OR c.fate IS NOT s.fate OR c.listed IS NOT s.listed OR c.settled IS NOT s.settled OR c.reason IS NOT s.reason
OR ((m.sha256 IS NOT s.message OR (c.message IS NULL) <> (s.message IS NULL))
AND NOT (c.message IS NULL AND s.message NOT IN (SELECT sha256 FROM main.messages)))
"""
# A row of a message that the catalog lacks is not told besides that message.

_MESSAGES = """
SELECT s.sha256, s.entry, s.time FROM shadow.messages s JOIN main.messages c ON c.sha256 = s.sha256
WHERE c.entry IS NOT s.entry
"""

_LACKING = """
SELECT s.sha256 FROM shadow.messages s LEFT JOIN main.messages c ON c.sha256 = s.sha256 WHERE c.id IS NULL
"""

_NOT_INDEXED = """
SELECT s.sha256 FROM shadow.messages s LEFT JOIN main.messages c ON c.sha256 = s.sha256
LEFT JOIN search.mail_docsize d ON d.id = c.id WHERE d.id IS NULL
"""

_ORIGINS = """
SELECT l.message, coalesce(a.name, u.account, ''), coalesce(u.uidl, ''), coalesce(u.settled, 0)
FROM lacking l LEFT JOIN uidls u ON u.message = l.message LEFT JOIN accounts a ON a.id = u.account
ORDER BY min(coalesce(a.name, '')) OVER (PARTITION BY l.message),
min(u.settled) OVER (PARTITION BY l.message), l.message, a.name, u.id
"""

MANY = 20
"""So many differing rows of a table are named; that there are more is said."""


class Origin(NamedTuple):
    """Where a message came from, as the journal says: an account's name, the UIDL, and when."""

    account: str
    uidl: str
    time: int


class Shadow:
    """Takes entries, then compares. One thread. Its errors are ``sqlite3.DatabaseError``."""

    def __init__(self, path: Path) -> None:
        """``path`` is where the temporary database is made; it is the caller's to remove."""
        self._path = path
        self._db = sqlite3.connect(path, isolation_level=None)
        wait_for_locks(self._db)
        for setting in ("cache_size=-8192", "synchronous=OFF", "journal_mode=MEMORY"):
            self._db.execute(f"PRAGMA {setting}")
        self._db.executescript(_TABLES)
        # Apart from the others, which are read beside.
        self._db.execute("CREATE TEMP TABLE lacking(message BLOB PRIMARY KEY) WITHOUT ROWID")
        self._db.execute("BEGIN")
        self._held: sqlite3.Connection | None = None
        self._with_search = False

    def hold(self, catalog: Path, search: Path | None = None) -> str | None:
        """Hold a catalog still, as it is now, until it is compared, and a search index with it; return how
        far the catalog has come, as the archive wrote it."""
        # A connection of its own: what it meets in a damaged file must not undo what is gathered here.
        self._held = held = open_read_only(catalog)
        held.isolation_level = None
        held.execute("ATTACH ? AS shadow", (str(self._path),))
        self._with_search = search is not None
        if search is not None:
            held.execute("ATTACH ? AS search", (uri(search),))
        held.execute("BEGIN")
        row = held.execute("SELECT value FROM state WHERE key = 'position'").fetchone()
        return str(row[0]) if row else None

    def release(self) -> None:
        """Let the catalog go. Safe to call twice."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def close(self) -> None:
        """Safe to call twice."""
        self.release()
        self._db.close()

    def apply(self, changes: Changes) -> None:
        """Take the next entry."""
        run = self._db
        run.executemany("INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?)", changes.accounts)
        run.executemany("INSERT OR REPLACE INTO packs VALUES (?, ?, ?)", changes.packs)
        run.executemany("DELETE FROM packs WHERE id = ?", ((one,) for one in changes.retired))
        marks = ", ".join("?" * len(_RUNS))
        run.executemany(
            f"INSERT OR REPLACE INTO runs VALUES ({marks})",  # noqa: S608
            [[row[name] for name in _RUNS] for row in changes.runs],
        )
        run.executemany(
            "INSERT OR REPLACE INTO uidls VALUES (?, ?, ?, ?, ?, NULL, ?, NULL, NULL)",
            [
                (ledger, account, text_of(uidl), size, int(Fate.LISTED), changes.time)
                for ledger, account, uidl, size in changes.listed
            ],
        )
        run.executemany(
            "INSERT OR IGNORE INTO messages VALUES (?, ?, ?)",
            [
                (message, changes.entry, changes.time)
                for _, message, fate in changes.kept
                if fate is Fate.ARCHIVED
            ],
        )
        run.executemany(
            "UPDATE uidls SET fate = ?, message = ?, settled = ?, reason = NULL WHERE id = ?",
            [(int(fate), message, changes.time, ledger) for ledger, message, fate in changes.kept],
        )
        run.executemany(
            "UPDATE uidls SET fate = ?, settled = ?, reason = ? WHERE id = ?",
            [(int(fate), changes.time, reason, ledger) for ledger, fate, reason in changes.fates],
        )

    def packs(self) -> dict[int, tuple[int, bool]]:
        """Return the committed length of every pack, and whether it is sealed."""
        rows = self._db.execute("SELECT id, length, sealed FROM packs")
        return {number: (length, bool(sealed)) for number, length, sealed in rows}

    def retrieved(self, message: bytes) -> tuple[int, int] | None:
        """Return the entry that first named a message, and its time."""
        query = "SELECT entry, time FROM messages WHERE sha256 = ?"
        found: tuple[int, int] | None = self._db.execute(query, (message,)).fetchone()
        return found

    def messages(self) -> Iterator[bytes]:
        """Yield the ids of all messages."""
        for (message,) in self._db.execute("SELECT sha256 FROM messages"):
            yield message

    def note_lacking(self) -> None:
        """Note which messages the catalog that is held lacks, or else the search index with it."""
        held = self._held
        assert held
        self._settle()
        query = _NOT_INDEXED if self._with_search else _LACKING
        self.lack(identity for (identity,) in held.execute(query))

    def lack(self, messages: Iterable[bytes]) -> None:
        """Note messages that are lacking."""
        rows = ((message,) for message in messages)
        self._db.executemany("INSERT OR IGNORE INTO lacking VALUES (?)", rows)

    def lacking_ids(self) -> Iterator[bytes]:
        """Yield the ids of the messages that were noted."""
        for (message,) in self._db.execute("SELECT message FROM lacking"):
            yield message

    def count_lacking(self) -> tuple[int, dict[str, int]]:
        """Return how many messages were noted, and how many of each account."""
        (count,) = self._db.execute("SELECT count(*) FROM lacking").fetchone()
        rows = self._db.execute(
            "SELECT coalesce(a.name, u.account), count(DISTINCT u.message) FROM uidls u"
            " LEFT JOIN accounts a ON a.id = u.account"
            " WHERE u.message IN (SELECT message FROM lacking) GROUP BY 1 ORDER BY 1"
        )
        return int(count), {str(name): number for name, number in rows}

    def lacking(self) -> Iterator[tuple[bytes, list[Origin]]]:
        """Yield the messages that were noted, with where they came from, sorted by account and time."""
        for message, rows in groupby(self._db.execute(_ORIGINS), itemgetter(0)):
            yield message, [Origin(*row) for _, *row in rows]

    def _settle(self) -> None:
        """Let what was taken so far be seen beside."""
        self._db.execute("COMMIT")
        self._db.execute("BEGIN")

    def differences(self) -> Iterator[str]:
        """Yield what the catalog that is held, and has applied the same entries, holds otherwise; which
        messages it lacks is noted."""
        held = self._held
        assert held
        self.note_lacking()
        for table, columns in _WHOLE.items():
            yield from _whole(held, table, columns)
        for number, (_, account, uidl, _) in _some(held.execute(_UIDLS)):
            yield (
                f"UIDL {uidl!a} of account {account} stands otherwise in the catalog"
                if number
                else "more UIDLs stand otherwise in the catalog"
            )
        for number, (identity, *_) in _some(held.execute(_MESSAGES)):
            yield (
                f"message {identity.hex()} is in the catalog as that of another entry of the journal"
                if number
                else "more messages are in the catalog as those of other entries"
            )
        for table in ("uidls", "messages"):
            ours, theirs = (
                held.execute(f"SELECT count(*) FROM {where}.{table}").fetchone()[0]  # noqa: S608
                for where in ("shadow", "main")
            )
            if ours != theirs:
                yield f"table {table} has {theirs} rows, and should have {ours}"


def _whole(held: sqlite3.Connection, table: str, columns: str) -> Iterator[str]:
    ours = f"SELECT {columns} FROM shadow.{table}"  # noqa: S608
    theirs = f"SELECT {columns} FROM main.{table}"  # noqa: S608
    for first, second in ((ours, theirs), (theirs, ours)):
        for row in held.execute(f"{first} EXCEPT {second} LIMIT {MANY}"):
            yield f"row {row[0]} of table {table} is not what the journal says"


def _some(rows: sqlite3.Cursor) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Yield the first rows, numbered from 1, and the next with the number 0."""
    for number, row in enumerate(rows, 1):
        if number > MANY:
            yield 0, row
            return
        yield number, row


def schema_of(connection: sqlite3.Connection) -> dict[str, object]:
    """Return what SQLite knows of each table: columns, foreign keys, indexes, how it is stored."""
    found: dict[str, object] = {}
    tables = connection.execute("SELECT name, sql FROM sqlite_master").fetchall()
    for name, sql in tables:
        facts = [
            sorted(row[skip:] for row in connection.execute(f'PRAGMA {pragma}("{name}")'))
            for pragma, skip in (("table_xinfo", 0), ("index_xinfo", 0), ("index_list", 1))
        ]
        keys = sorted(row[2:] for row in connection.execute(f'PRAGMA foreign_key_list("{name}")'))
        found[str(name)] = (facts, keys, (sql or "").endswith("WITHOUT ROWID"))
    return found
