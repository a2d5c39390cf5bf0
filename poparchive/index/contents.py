"""``attachments.sqlite``: the text that was taken out of contents, kept because taking it takes long.

A row says what became of a content (SHA-256 of its decoded octets) and never changes: a content that is
looked at again gets another row, whose number is higher, and the older one goes when no message's document
is made of it any more. So the search index, which has no copy of any text, can say by numbers what stands
in it (``carried``).

Whoever writes holds a lock of its own; readers hold nothing. Texts are compressed octets here, made and
read by whoever hands them in.
"""

import contextlib
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from poparchive.errors import PoparchiveError
from poparchive.index import bulk, failures
from poparchive.index.damage import DATABASE_ERRORS
from poparchive.index.readonly import uri

VERSION = 1
"""Of the file. Another version is not read; without the file all is taken again."""

_TABLES = """
CREATE TABLE about(file BLOB NOT NULL, layers TEXT NOT NULL DEFAULT '');
CREATE TABLE contents(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sha256 BLOB NOT NULL,
    size_bytes INTEGER NOT NULL,
    status INTEGER NOT NULL,
    version INTEGER NOT NULL,
    lacking TEXT NOT NULL,
    note TEXT NOT NULL,
    text_bytes INTEGER NOT NULL,
    text BLOB
);
CREATE INDEX ix_contents_sha256 ON contents(sha256);
"""
_LOOKED = (
    "CREATE TABLE IF NOT EXISTS looked(message INTEGER PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS looked_by(terms TEXT NOT NULL)",
)
"""Messages whose contents are known and that no index could be told of: only while one of an earlier version
is there. Files of this version may lack the tables."""
_CHUNK = 500


class ContentsError(PoparchiveError):
    """The texts of attachments cannot be read or written, or are not those that the search index was made
    of."""


class Content(NamedTuple):
    """What became of a content; ``text`` is compressed, None where there is none."""

    sha256: bytes
    size_bytes: int
    status: int
    version: int
    lacking: str
    note: str
    text_bytes: int
    text: bytes | None


class Known(NamedTuple):
    """What is known of a content, without its text."""

    id: int
    size_bytes: int
    status: int
    version: int
    lacking: str


class ContentStore:
    """The file, opened for reading, or by its one writer. One thread at a time."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self.path = path

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open for writing; what is not there is made. Raises ``ContentsError``."""
        connection = None
        try:
            path.touch(mode=0o600)
            connection = sqlite3.connect(path.absolute(), uri=True, isolation_level=None)
            failures.wait_for_locks(connection)
            connection.execute("PRAGMA journal_mode=WAL")
            # The index speaks of rows by number: none that it knows may be lost, and none given out again.
            connection.execute("PRAGMA synchronous=FULL")
            if not connection.execute("PRAGMA user_version").fetchone()[0]:
                connection.executescript(f"BEGIN;{_TABLES}")
                connection.execute("INSERT INTO about(file) VALUES (?)", (uuid.uuid4().bytes,))
                connection.execute(f"PRAGMA user_version = {VERSION}")
                connection.execute("COMMIT")
            return cls(connection, path)._checked()
        except (*DATABASE_ERRORS, OSError) as error:
            if connection:
                connection.close()
            raise _refused(path, error) from error

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Open for reading; None where there is none yet. Raises ``ContentsError``."""
        if not path.exists():
            return None
        try:
            connection = sqlite3.connect(uri(path), uri=True, check_same_thread=False)
            failures.wait_for_locks(connection)
            if not connection.execute("PRAGMA user_version").fetchone()[0]:
                connection.close()
                return None
            return cls(connection, path)._checked()
        except DATABASE_ERRORS as error:
            raise _refused(path, error) from error

    def _checked(self) -> Self:
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version != VERSION:
            self.close()
            raise ContentsError(
                f"{self.path}: has version {version}, and this poparchive reads {VERSION}. Without the file,"
                " and after `poparchive rebuild --search-only`, attachments are read again."
            )
        return self

    def close(self) -> None:
        self._connection.close()

    def hold(self) -> None:
        """See no change from here on, until the end of this reader."""
        self._connection.isolation_level = None
        self._connection.execute("BEGIN")
        self.identity()

    def identity(self) -> bytes:
        """Return what tells this file from any other: numbers of rows mean something only with it."""
        return bytes(self._ask("SELECT file FROM about")[0][0])

    def layers(self) -> str:
        """Return what kept the last worker in."""
        return str(self._ask("SELECT layers FROM about")[0][0])

    def set_layers(self, layers: str) -> None:
        with self._writing() as run:
            run.execute("UPDATE about SET layers = ?", (layers,))

    def latest(self, hashes: Sequence[bytes]) -> dict[bytes, Known]:
        """Return what is known of these contents."""
        found = {}
        for some in _chunks(hashes):
            marks = ", ".join("?" * len(some))
            query = (
                "SELECT sha256, id, size_bytes, status, version, lacking FROM contents"  # noqa: S608
                f" WHERE sha256 IN ({marks}) ORDER BY id"
            )
            for sha256, *known in self._ask(query, some):
                found[bytes(sha256)] = Known(*known)
        return found

    def texts(self, numbers: Sequence[int]) -> dict[int, tuple[bytes, bytes | None, int]]:
        """Return (hash, compressed text, length of the text) of rows by their number."""
        found = {}
        for some in _chunks(numbers):
            marks = ", ".join("?" * len(some))
            query = f"SELECT id, sha256, text, text_bytes FROM contents WHERE id IN ({marks})"  # noqa: S608
            for number, sha256, text, length in self._ask(query, some):
                found[number] = (bytes(sha256), text, length)
        return found

    def add(self, contents: Iterable[Content]) -> None:
        """Add rows in one transaction, which is on the disk when this returns."""
        with self._writing() as run:
            run.executemany(
                "INSERT INTO contents(sha256, size_bytes, status, version, lacking, note, text_bytes, text)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                contents,
            )

    def looked(self, terms: str) -> set[int]:
        """Return the messages of which all contents are known, looked at on these terms."""
        if not self._ask("SELECT 1 FROM sqlite_master WHERE name = 'looked_by'"):
            return set()
        if self._ask("SELECT terms FROM looked_by") != [(terms,)]:
            return set()
        return {number for (number,) in self._ask("SELECT message FROM looked")}

    def note_looked(self, terms: str, messages: Iterable[int]) -> None:
        """Add to these; those that were looked at on other terms are forgotten."""
        with self._writing() as run:
            for table in _LOOKED:
                run.execute(table)
            if run.execute("SELECT terms FROM looked_by").fetchall() != [(terms,)]:
                run.execute("DELETE FROM looked")
                run.execute("DELETE FROM looked_by")
                run.execute("INSERT INTO looked_by VALUES (?)", (terms,))
            run.executemany("INSERT OR IGNORE INTO looked VALUES (?)", ((one,) for one in messages))

    def forget_looked(self) -> None:
        """The index can be told again."""
        with self._writing() as run:
            for table in ("looked", "looked_by"):
                run.execute(f"DROP TABLE IF EXISTS {table}")

    def forget_replaced(self, search: Path) -> int:
        """Remove rows that a newer one replaces and no document in the index ``search`` is made of."""
        with self._attached(search) as run, self._writing():
            return run.execute(
                "DELETE FROM contents WHERE id NOT IN (SELECT max(id) FROM contents GROUP BY sha256)"
                " AND id NOT IN (SELECT content FROM search.carried)"
            ).rowcount

    def erase(self, hashes: Sequence[bytes]) -> None:
        """Remove all that is known of contents and leave no word of it in the file."""
        self._connection.execute("PRAGMA secure_delete=ON")
        with self._writing() as run:
            run.executemany("DELETE FROM contents WHERE sha256 = ?", ((one,) for one in hashes))
        try:
            busy = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except DATABASE_ERRORS as error:
            raise _refused(self.path, error) from error
        if busy:
            raise ContentsError(
                f"{self.path}: somebody reads it, and erased texts are still there; run again"
            )

    def counts(self) -> dict[int, tuple[int, int]]:
        """Return how many contents have which status, and their octets."""
        query = (
            "SELECT status, count(*), sum(size_bytes) FROM contents"
            " WHERE id IN (SELECT max(id) FROM contents GROUP BY sha256) GROUP BY status"
        )
        return {status: (count, octets) for status, count, octets in self._ask(query)}

    def lacking(self) -> dict[str, int]:
        """Return how many contents lack what would make a difference, by what that is."""
        query = (
            "SELECT lacking, count(*) FROM contents WHERE lacking != ''"
            " AND id IN (SELECT max(id) FROM contents GROUP BY sha256) GROUP BY lacking"
        )
        return dict(self._ask(query))

    def outdated(
        self,
        search: Path,
        version: int,
        able: Sequence[str],
        below_bytes: int,
        again: Sequence[int],
    ) -> Iterator[int]:
        """Yield the messages whose document is made of contents that are better looked at again: read by
        an older version, or for want of what there is now (``able``, sizes up to ``below_bytes``), or with
        a status of ``again``, or replaced by a newer row already."""
        lacks = ", ".join("?" * len(able))
        states = ", ".join("?" * len(again))
        query = (
            "SELECT DISTINCT c.message FROM search.carried c JOIN contents k ON k.id = c.content"  # noqa: S608
            f" WHERE k.version < ? OR k.lacking IN ({lacks}) OR (k.lacking = 'size' AND k.size_bytes <= ?)"
            f" OR k.status IN ({states})"
            " OR EXISTS (SELECT 1 FROM contents n WHERE n.sha256 = k.sha256 AND n.id > k.id)"
        )
        with self._attached(search) as run:
            rows = run.execute(query, (version, *able, below_bytes, *again)).fetchall()
        yield from (row[0] for row in rows)

    @contextlib.contextmanager
    def _attached(self, search: Path) -> Iterator[sqlite3.Connection]:
        run = self._connection
        run.execute("ATTACH ? AS search", (uri(search),))
        try:
            yield run
        finally:
            run.execute("DETACH search")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            with bulk.transaction(self._connection) as run:
                yield run
        except DATABASE_ERRORS as error:
            raise _refused(self.path, error) from error

    def _ask(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(query, tuple(values)).fetchall()
        except DATABASE_ERRORS as error:
            raise _refused(self.path, error) from error


def _chunks(values: Sequence[object]) -> Iterator[Sequence[object]]:
    for at in range(0, len(values), _CHUNK):
        yield values[at : at + _CHUNK]


def _refused(path: Path, error: Exception) -> PoparchiveError:
    if failures.busy(error):
        return failures.DatabaseBusyError(path)
    return ContentsError(
        f"{path}: {error}. It holds texts that can be taken again: make room, or look at the disk; if it is"
        " damaged, remove it and run `poparchive rebuild --search-only`."
    )
