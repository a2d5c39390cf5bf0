"""Which texts of attachments the documents in the search index are made of, in the index's own file.

The index has no copy of any text, and to take a document out it must be told what stands in it: so it notes
the numbers of the rows of ``attachments.sqlite`` in the same transaction in which their text goes in.
``place`` is the number of the part in its message; a message's contents stand in the order of their places.
The numbers mean something only together with the file that gave them, which ``contents_file`` names.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

TABLES = (
    "CREATE TABLE carried(message INTEGER NOT NULL, place INTEGER NOT NULL, content INTEGER NOT NULL,"
    " PRIMARY KEY (message, place)) WITHOUT ROWID",
    "CREATE INDEX ix_carried_content ON carried(content)",
    "CREATE TABLE contents_file(file BLOB NOT NULL)",
)


class Carried(NamedTuple):
    """A document is made of a text: row id of its message, number of the part, number of the text."""

    message: int
    place: int
    content: int


def put(run: sqlite3.Connection, messages: Iterable[int], rows: Sequence[Carried]) -> None:
    """Note what the documents of these messages are made of now, within the caller's transaction."""
    run.executemany("DELETE FROM carried WHERE message = ?", ((key,) for key in messages))
    run.executemany("INSERT INTO carried VALUES (?, ?, ?)", rows)


def of(run: sqlite3.Connection, message: int) -> list[Carried]:
    """Return what a message's document is made of, in order."""
    query = "SELECT message, place, content FROM carried WHERE message = ? ORDER BY place"
    return [Carried(*row) for row in run.execute(query, (message,))]


def file_of(run: sqlite3.Connection) -> bytes | None:
    """Return which file's numbers the index speaks of; None while it speaks of none."""
    row = run.execute("SELECT file FROM contents_file").fetchone()
    return bytes(row[0]) if row else None


def set_file(run: sqlite3.Connection, identity: bytes) -> None:
    """Name the file, once."""
    if file_of(run) is None:
        run.execute("INSERT INTO contents_file VALUES (?)", (identity,))
