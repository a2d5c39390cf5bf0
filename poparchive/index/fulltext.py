"""The search index: one FTS5 table without a copy of the text, in a file that can be thrown away.

The rowid of a document is its message's row id in the catalog, which is its date: FTS5 then gives
newest first by itself, and a range of dates is a range of rowids. The index may lag behind the
catalog: ``watermark`` is the last journal entry it knows. One writer, from one thread at a time.
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from poparchive.errors import PoparchiveError
from poparchive.index import bulk, carried, failures, versions
from poparchive.index.carried import Carried
from poparchive.index.columns import COLUMNS as COLUMNS
from poparchive.index.damage import DATABASE_ERRORS
from poparchive.index.fold import fold
from poparchive.index.joining import Joining, joining
from poparchive.index.lookup import open_read_only
from poparchive.index.threads import TABLES, ThreadWriter

_TOKENIZER = "unicode61 remove_diacritics 0 categories 'L* N* Co Mn Mc'"
OPTIONS = f"{', '.join(COLUMNS)}, content='', tokenize=\"{_TOKENIZER}\""
"""What makes the table. The text is not kept in it."""

_MANY_DOCUMENTS = 5_000

_MERGE_PAGES = 500
"""Written in one step of a merge: some 50 ms."""

_INSERT = f"INSERT INTO mail(rowid, {', '.join(COLUMNS)}) VALUES"
_DELETE = (
    f"INSERT INTO mail(mail, rowid, {', '.join(COLUMNS)})"  # noqa: S608
    f" VALUES ('delete', {', '.join('?' * (1 + len(COLUMNS)))})"
)
"""A table without a copy of the text has to be told what stands in it to take it out."""

_CACHE_KIB = 4_096

_SETTINGS = {"hashsize": 6 << 20, "automerge": 8}
"""A batch's words are written as one segment, and segments are merged eight at a time: a fifth less
work than with FTS5's defaults, and a smaller file."""


class IndexOutdatedError(PoparchiveError):
    """The index was made by an earlier version, or is damaged; ``rebuild`` makes it anew."""


class IndexWriteError(PoparchiveError):
    """The index cannot be written: disk full, or a device error."""


class Document(NamedTuple):
    """What a message says, as text that is not folded yet: a row id, a text for each column, and the
    Message-IDs that put it in its thread, those that it names parted by blanks."""

    id: int
    body: str = ""
    subject: str = ""
    sender: str = ""
    recipients: str = ""
    copies: str = ""
    blind: str = ""
    lists: str = ""
    labels: str = ""
    attachments: str = ""
    contents: str = ""
    flags: str = ""
    message_id: str = ""
    references: str = ""

    def folded(self) -> tuple[int | str, ...]:
        """What goes into the index: the row id, and each column's text as the tokenizer gets it."""
        return (self.id, *map(fold, self[1:-3]), self.flags)

    def joining(self) -> Joining:
        """Return what decides which thread the message is in."""
        others = f"{self.recipients}, {self.copies}, {self.blind}"
        return joining(
            self.id,
            self.message_id,
            self.references.split(),
            self.subject,
            self.sender,
            others,
            self.lists,
        )


class Mark(NamedTuple):
    """A journal entry that has been applied: its number, and the position behind it in the catalog's
    words."""

    entry: int
    position: str | None


class FulltextWriter:
    """Adds documents. A crash loses at most the last ``add``, which the watermark tells."""

    def __init__(self, connection: sqlite3.Connection, path: Path, catalog: Path) -> None:
        self._connection = connection
        self._path = path
        self._threads = ThreadWriter(connection, catalog)
        self._added = 0
        self._merging = False

    @classmethod
    def open(cls, path: Path, catalog: Path) -> Self:
        """Open the index, making it if it is not there. Raises ``NewerDatabaseError``.

        ``catalog`` is the one that the documents' ids are from; it need not be there yet.
        """
        try:
            path.touch(mode=0o600)
        except OSError as error:
            raise IndexWriteError(
                f"{path}: cannot be made: {error.strerror}. All mail that came is kept; look at the"
                " disk and run the command again, which brings the index up."
            ) from error
        connection = sqlite3.connect(
            path,
            check_same_thread=False,
            isolation_level=None,
            cached_statements=bulk.CACHED_STATEMENTS,
        )
        try:
            failures.wait_for_locks(connection)
            versions.refuse_newer_index(connection, path)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                _create(connection)
            elif version != versions.SEARCH:
                raise IndexOutdatedError(f"{path}: the index has version {version}")
        except DATABASE_ERRORS as error:
            connection.close()
            if failures.refused(error):
                # Made anew it would be refused again, and what is there may be whole.
                raise _refused(path, error) from error
            raise IndexOutdatedError(f"{path}: {error}") from error
        except (IndexOutdatedError, versions.NewerDatabaseError):
            connection.close()
            raise
        return cls(connection, path, catalog)

    @property
    def watermark(self) -> Mark:
        """The last journal entry whose messages are in the index."""
        return Mark(*self._connection.execute("SELECT entry, position FROM watermark").fetchone())

    @property
    def path(self) -> Path:
        return self._path

    def carried_by(self, key: int) -> list[Carried]:
        """Return which texts of attachments a document is made of, in order."""
        return carried.of(self._connection, key)

    @property
    def contents_file(self) -> bytes | None:
        """The file that the numbers of these texts are of; None while there are none."""
        return carried.file_of(self._connection)

    def name_contents_file(self, identity: bytes) -> None:
        """Say which file the numbers are of, before the first one is written."""
        with self._transaction() as run:
            carried.set_file(run, identity)

    def add(
        self, documents: Iterable[Document], mark: Mark, made_of: Sequence[Carried] = ()
    ) -> None:
        """Add a journal entry's documents and raise the watermark, in one transaction; ``made_of`` says
        which texts of attachments are in them."""
        documents = list(documents)
        rows = sorted(document.folded() for document in documents)
        with self._transaction() as run:
            self._threads.add([document.joining() for document in documents], mark.entry)
            for some in bulk.chunks(rows):
                values, parameters = bulk.values(some)
                run.execute(f"{_INSERT} {values}", parameters)
            if made_of:
                carried.put(run, {row.message for row in made_of}, made_of)
            run.execute("UPDATE watermark SET entry = ?, position = ?", mark)
        self._added += len(rows)

    def replace(
        self, pairs: Iterable[tuple[Document, Document]], made_of: Sequence[Carried] = ()
    ) -> set[int]:
        """Put new documents in the place of old ones, in one transaction. ``made_of`` says which texts of
        attachments are in the new ones. Return the row ids of those that the index has.

        An old document must be exactly what is in the index: words that it lacks would stay, and others
        would be missed elsewhere. Pairs of documents that are not in the index are left out.
        """
        rows = sorted({old.id: (old.folded(), new.folded()) for old, new in pairs}.values())
        with self._transaction() as run:
            known = [(old, new) for old, new in rows if _has(run, old[0])]
            keys = {old[0] for old, _ in known if isinstance(old[0], int)}
            carried.put(run, keys, [row for row in made_of if row.message in keys])
            # A document that stays as it is, as where attachments have no text, is left alone.
            known = [(old, new) for old, new in known if old != new]
            run.executemany(_DELETE, (old for old, _ in known))
            for some in bulk.chunks([new for _, new in known]):
                values, parameters = bulk.values(some)
                run.execute(f"{_INSERT} {values}", parameters)
        self._added += len(known)
        return keys

    def erase(self, documents: Iterable[Document]) -> None:
        """Take documents out and leave no word of them in the file.

        They must be exactly what is in the index; those that are not there are left out. It takes a
        while, as the whole file is written anew. Raises ``IndexWriteError`` where it cannot be, which leaves
        words behind although nothing finds them; it can be called again, with the same documents or none.
        """
        rows = sorted({document.id: document.folded() for document in documents}.values())
        with self._transaction() as run:
            run.executemany(_DELETE, [row for row in rows if _has(run, row[0])])
            self._threads.erase([int(row[0]) for row in rows])
            carried.put(run, (int(row[0]) for row in rows), ())
        try:
            # A word that was taken out stands in its segment until that is merged with the note of it.
            run.execute("PRAGMA secure_delete=ON")
            run.execute("INSERT INTO mail(mail) VALUES ('optimize')")
            run.execute("VACUUM")
            busy = run.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except DATABASE_ERRORS as error:
            raise _left_behind(self._path, str(error)) from error
        if busy:
            raise _left_behind(self._path, "a search still reads it")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with bulk.transaction(self._connection) as run:
                yield run
        except DATABASE_ERRORS as error:
            raise _refused(self._path, error) from error

    def compact(self) -> None:
        """Merge the index's segments into one and give back the room: a tenth of it, and searches are
        faster. Readers go on meanwhile. Without room on the disk the index stays as it is.

        Does nothing unless much was added since the index was opened, so that it takes little of the
        time that adding took.
        """
        if self._added < _MANY_DOCUMENTS:
            return
        run = self._connection
        documents = run.execute("SELECT count(*) FROM mail_docsize").fetchone()[0]
        if self._added < documents // 4:
            return
        with contextlib.suppress(sqlite3.OperationalError):
            run.execute("INSERT INTO mail(mail) VALUES ('optimize')")
            run.execute("VACUUM")
        self._added = 0

    def merge(self, within_s: float) -> bool:
        """Merge the index's segments for about so long; return whether there is nothing left to merge.

        Each step is a transaction of its own, so that it can end at any point.
        """
        end = time.monotonic() + within_s
        run = self._connection
        try:
            if not self._merging and _segments(run) < 2:
                return True
            while time.monotonic() < end:
                before = run.total_changes
                # A negative number takes up all segments; once that has begun, it goes on with it.
                pages = _MERGE_PAGES if self._merging else -_MERGE_PAGES
                run.execute("INSERT INTO mail(mail, rank) VALUES ('merge', ?)", (pages,))
                self._merging = True
                # The page of FTS5 on 'merge': fewer than two changes are none.
                if run.total_changes - before < 2:
                    self._give_back()
                    return True
        except DATABASE_ERRORS as error:
            failures.refuse_busy(self._path, error)
            raise IndexWriteError(
                f"{self._path}: cannot write: {error}. The index is as it was before"
            ) from error
        return False

    def _give_back(self) -> None:
        """Give back the room of what was merged, if it is much."""
        free = self._connection.execute("PRAGMA freelist_count").fetchone()[0]
        pages = self._connection.execute("PRAGMA page_count").fetchone()[0]
        if free > pages // 10:
            self._connection.execute("VACUUM")

    def close(self) -> None:
        """Safe to call twice."""
        self._threads.close()
        self._connection.close()


def _refused(path: Path, error: Exception) -> PoparchiveError:
    if failures.busy(error):
        return failures.DatabaseBusyError(path)
    return IndexWriteError(
        f"{path}: cannot write: {error}. All mail that came is kept; {failures.remedy(error)} and"
        " run the command again, which brings the index up."
    )


def _left_behind(path: Path, why: str) -> IndexWriteError:
    return IndexWriteError(
        f"{path}: {why}. What was erased is not found any more, but its words are still in the file; run the"
        " command again."
    )


def _has(connection: sqlite3.Connection, key: int | str) -> bool:
    return bool(
        connection.execute("SELECT count(*) FROM mail_docsize WHERE id = ?", (key,)).fetchone()[0]
    )


def is_merged(path: Path) -> bool:
    """Whether ``merge`` has nothing to do for the index in this file. Takes no lock."""
    with contextlib.closing(open_read_only(path)) as connection:
        return _segments(connection) < 2


def _segments(connection: sqlite3.Connection) -> int:
    """Return how many segments the index has, by FTS5's structure record.

    That is a cookie of 4 octets, perhaps a marker of 4 (since SQLite 3.43), then as varints the numbers of
    levels and of segments. From 128 on the first octet of the number is no less than 128 either.
    """
    row = connection.execute("SELECT block FROM mail_data WHERE id = 10").fetchone()
    if row is None:
        return 0
    at = 8 if row[0][4:8] == b"\xff\0\0\1" else 4
    return int(row[0][at + 1])


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN")
    connection.execute(f"CREATE VIRTUAL TABLE mail USING fts5({OPTIONS})")
    for name, value in _SETTINGS.items():
        connection.execute("INSERT INTO mail(mail, rank) VALUES (?, ?)", (name, value))
    for table in TABLES:
        connection.execute(table)
    connection.execute("CREATE TABLE watermark(entry INTEGER NOT NULL, position TEXT)")
    connection.execute("INSERT INTO watermark VALUES (0, NULL)")
    for table in carried.TABLES:
        connection.execute(table)
    connection.execute(f"PRAGMA user_version = {versions.SEARCH}")
    connection.execute("COMMIT")
