"""Proves a search index: the sum over all that stands in it against the sum over all that should.

An index without a copy of the text cannot be compared document by document. Every occurrence of a word is
(word, document, column, offset), and sums of these over the whole index do not depend on the order in
which they are added: so the index is read once from end to end, and what should be in it is indexed again in
small pieces that are thrown away. A single occurrence that is missing, added or changed changes the sum.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from poparchive.index import carried, threadproof
from poparchive.index.carried import Carried
from poparchive.index.damage import DATABASE_ERRORS
from poparchive.index.fulltext import COLUMNS, OPTIONS, Document
from poparchive.index.lookup import open_read_only
from poparchive.index.threadproof import ExpectedThreads
from poparchive.index.versions import SEARCH, NewerDatabaseError, refuse_newer_index

_PIECE_BYTES = 4 << 20
_PIECE_DOCUMENTS = 2_000

_COLUMN = f"instr('{' '.join(COLUMNS)}', col)"
"""A column's number: the place of its name among all names. The body's, most often asked for, is first."""

_SUMS = (
    f"SELECT CAST(term AS BLOB), count(*), sum(doc), sum((offset + 1) * {_COLUMN}),"  # noqa: S608
    f" sum((doc % 8191) * ((offset % 8191) * 128 + {_COLUMN}))"
    " FROM temp.words{where} GROUP BY term"
)
_PLACES = [" ".join(COLUMNS).index(name) for name in COLUMNS]
assert len(set(_PLACES)) == len(COLUMNS), "a column is known by its place"
assert max(_PLACES) < 127, "a column's place would run into the offset"
"""Numbers stay below 2^63 up to a thousand million occurrences of a word."""

_INSERT = (
    f"INSERT INTO mail(rowid, {', '.join(COLUMNS)})"  # noqa: S608
    f" VALUES ({', '.join('?' * (len(COLUMNS) + 1))})"
)
_WORDS = "CREATE VIRTUAL TABLE temp.words USING fts5vocab('main', 'mail', 'instance')"
_ROWS = "CREATE VIRTUAL TABLE temp.seen USING fts5vocab('main', 'mail', 'row')"


@dataclass(slots=True)
class Sum:
    """What stands in an index, as numbers that can be added."""

    words: list[int] = field(default_factory=lambda: [0] * 4)
    sizes: int = 0
    documents: int = 0

    def add(self, connection: sqlite3.Connection, left_out: str = "") -> None:
        """Add all of an index but the documents that the query ``left_out`` gives."""
        words = self.words
        where = f" WHERE doc NOT IN ({left_out})" if left_out else ""
        for term, *sums in connection.execute(_SUMS.format(where=where)):
            factor = int.from_bytes(blake2b(term, digest_size=16).digest(), "big")
            for at, one in enumerate(sums):
                words[at] += factor * one
        where = f" WHERE id NOT IN ({left_out})" if left_out else ""
        for key, sizes in connection.execute(f"SELECT id, sz FROM mail_docsize{where}"):  # noqa: S608
            told = blake2b(b"%d:" % key + sizes, digest_size=16).digest()
            self.sizes += int.from_bytes(told, "big")
            self.documents += 1


class Expected:
    """Gathers the sum of what an index should hold. Memory is that of a piece."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._connection.execute(f"CREATE VIRTUAL TABLE mail USING fts5({OPTIONS})")
        self._connection.execute(_WORDS)
        self._octets = self._documents = 0
        self._sum = Sum()

    def add(self, document: Document) -> None:
        """Add what the index should hold for a document."""
        row = document.folded()
        if not self._documents:
            self._connection.execute("BEGIN")
        self._connection.execute(_INSERT, row)
        self._octets += sum(map(len, document[1:]))
        self._documents += 1
        if self._octets >= _PIECE_BYTES or self._documents >= _PIECE_DOCUMENTS:
            self._flush()

    def sum(self) -> Sum:
        """Return the sum of all that was added."""
        self._flush()
        return self._sum

    def close(self) -> None:
        self._connection.close()

    def _flush(self) -> None:
        if self._documents:
            self._connection.execute("COMMIT")
            self._sum.add(self._connection)
            self._connection.execute("INSERT INTO mail(mail) VALUES ('delete-all')")
            self._octets = self._documents = 0


class IndexProof:
    """A search index held still while what it should hold is found out. One thread.

    Raises ``sqlite3.DatabaseError`` from any of its methods where the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._connection = open_read_only(path)
        self._connection.isolation_level = None
        try:
            refuse_newer_index(self._connection, path)
        except NewerDatabaseError:
            self._connection.close()
            raise
        self._connection.execute("BEGIN")
        (self.version,) = self._connection.execute("PRAGMA user_version").fetchone()
        entry, self.position = self._connection.execute(
            "SELECT entry, position FROM watermark"
        ).fetchone()
        self.entry = int(entry)

    @property
    def outdated(self) -> bool:
        """Whether it says that another version of poparchive made it."""
        return bool(self.version != SEARCH)

    @property
    def older(self) -> bool:
        """Whether an earlier version made it: it says so, and has other columns."""
        if not self.outdated:
            return False
        try:
            columns = [row[1] for row in self._connection.execute("PRAGMA table_info(mail)")]
        except DATABASE_ERRORS:
            return False
        return columns != list(COLUMNS)

    def close(self) -> None:
        self._connection.close()

    @property
    def contents_file(self) -> bytes | None:
        """The file of which texts of attachments are in it; None where there are none."""
        return None if self.outdated else carried.file_of(self._connection)

    def carried_by(self, key: int) -> list[Carried]:
        """Return which texts of attachments a document is made of."""
        return [] if self.outdated else carried.of(self._connection, key)

    def problems(self) -> Iterator[str]:
        """Check the structure of the file and of the index in it: what can be said without any mail."""
        yield from structure(self._connection)
        self._vocabulary()
        # Each word is looked for as a search does, through the index's own index.
        missing = self._connection.execute(
            "SELECT count(*) FROM temp.seen a LEFT JOIN temp.seen b ON b.term = a.term"
            " WHERE b.doc IS NOT a.doc OR b.cnt IS NOT a.cnt"
        ).fetchone()[0]
        if missing:
            yield f"{missing} words are not found where they stand"

    def count(self) -> int:
        """Return how many documents are in it."""
        return int(self._connection.execute("SELECT count(*) FROM mail_docsize").fetchone()[0])

    def differs(self, expected: Sum, left_out: Iterable[int] = ()) -> str | None:
        """Compare with what should stand in it, but for the documents ``left_out``; say what differs."""
        self._vocabulary()
        run = self._connection
        run.execute("CREATE TEMP TABLE left_out(id INTEGER PRIMARY KEY)")
        run.executemany("INSERT OR IGNORE INTO left_out VALUES (?)", ((key,) for key in left_out))
        found = Sum()
        any_left_out = run.execute("SELECT 1 FROM temp.left_out LIMIT 1").fetchone()
        found.add(run, "SELECT id FROM temp.left_out" if any_left_out else "")
        if found.documents != expected.documents:
            return f"has {found.documents} messages, and should have {expected.documents}"
        if found.words != expected.words:
            return "does not hold the words of the messages"
        if found.sizes != expected.sizes:
            return "has other lengths for messages than they have"
        return None

    def threads_differ(self, expected: ExpectedThreads, *, incomplete: bool) -> str | None:
        """Compare with the threads that should stand in it, see ``threadproof``."""
        return threadproof.differs(self._connection, expected, incomplete=incomplete)

    def _vocabulary(self) -> None:
        with contextlib.suppress(sqlite3.OperationalError):
            self._connection.execute(_WORDS)
            self._connection.execute(_ROWS)


def structure(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield what SQLite itself finds wrong with a database: pages, order, indexes against tables."""
    for (text,) in connection.execute("PRAGMA integrity_check(20)"):
        if text != "ok":
            yield text.replace("\n", "; ")
