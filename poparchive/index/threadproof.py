"""Proves the threads of a search index: they are found again from the messages, and compared.

The messages come in the order of the packs, not as they were indexed, and the thread of each follows from
all of them. A row that was changed, lost or added shows. What is found out stands in a temporary file:
memory is that of a piece.
"""

# ruff: noqa: S608 - what stands in the statements is from this module.

import sqlite3
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Final

from poparchive.index.fulltext import Document
from poparchive.index.joining import Joining
from poparchive.index.threads import TABLES, ThreadWriter

_PIECE: Final = 500

_FIRST: Final = "(SELECT thread, min(message) AS first FROM threads GROUP BY thread)"

_SAME: Final = {
    "threads": (
        "SELECT t.message, f.first FROM threads t"
        f" JOIN {_FIRST} f ON f.thread = t.thread ORDER BY t.message"
    ),
    "ids that are waited for": (
        "SELECT i.id, ifnull(f.first, i.message) FROM thread_ids i"
        " LEFT JOIN threads t ON t.message = i.message"
        f" LEFT JOIN {_FIRST} f ON f.thread = t.thread ORDER BY i.id"
    ),
    "replies that name nothing": "SELECT subject, message FROM thread_replies ORDER BY 1, 2",
    "messages that replies may answer": "SELECT subject, message FROM thread_offers ORDER BY 1, 2",
}
"""What does not depend on the order in which messages came: a thread is known by its oldest message."""


class ExpectedThreads:
    """Finds the threads of documents anew. ``entry`` is the last one whose messages are given."""

    def __init__(self, catalog: Path, entry: int) -> None:
        self.connection = sqlite3.connect("", isolation_level=None)
        for table in TABLES:
            self.connection.execute(table)
        self._writer = ThreadWriter(self.connection, catalog)
        self._entry = entry
        self._piece: list[Joining] = []

    def add(self, document: Document) -> None:
        """Add a document, in any order."""
        self._piece.append(document.joining())
        if len(self._piece) >= _PIECE:
            self.flush()

    def flush(self) -> None:
        """Put those that were added in their threads."""
        run = self.connection
        run.execute("BEGIN")
        # To the writer all are new, and the catalog's word holds for each.
        self._writer.add(self._piece, self._entry + 1)
        run.execute("COMMIT")
        self._piece = []

    def close(self) -> None:
        self._writer.close()
        self.connection.close()


def differs(
    index: sqlite3.Connection, expected: ExpectedThreads, *, incomplete: bool
) -> str | None:
    """Compare the threads of an index with those expected; say what differs.

    ``incomplete`` is whether messages are missing among those expected. What these held together, or
    messages that were erased since, stands together in the index only: then nothing may be apart in it
    that belongs together.
    """
    expected.flush()
    (erased,) = index.execute("SELECT count FROM thread_erased").fetchone()
    if incomplete or erased:
        return next(_apart(index, expected.connection), None)
    for what, query in _SAME.items():
        pairs = zip_longest(index.execute(query), expected.connection.execute(query))
        if any(a != b for a, b in pairs):
            return f"has other {what} than the messages"
    return None


def _apart(index: sqlite3.Connection, expected: sqlite3.Connection) -> Iterator[str]:
    thread = "SELECT thread FROM threads WHERE message = ?"
    for pair in expected.execute(_SAME["threads"]):
        labels = [index.execute(thread, (key,)).fetchone() for key in pair]
        if labels[0] is None or labels[0] != labels[1]:
            yield "has messages in two threads that belong to one"
    for table, what in (
        ("thread_replies", "reply"),
        ("thread_offers", "message that replies answer"),
    ):
        for row in expected.execute(f"SELECT subject, message FROM {table}"):
            found = f"SELECT 1 FROM {table} WHERE subject = ? AND message = ?"
            if index.execute(found, row).fetchone() is None:
                yield f"does not know a {what}"
