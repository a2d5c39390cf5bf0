"""Many rows with the driver alone: transactions, and statements for many rows at once, which let other
threads run while SQLite works.

``executemany`` lets go of the interpreter's lock and takes it back once for every row; beside another
busy thread each time may cost a switch interval (5 ms), and a batch takes a hundred times as long.
One statement with the rows of all as values does so once.
"""

import contextlib
import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TypeVar

CACHED_STATEMENTS = 8
"""For ``sqlite3.connect``: a statement that it keeps for later holds copies of the values of its last
use, and these come in many lengths."""

T = TypeVar("T")

ROWS = 500
"""Rows in one statement: few enough for SQLite's 32,766 parameters."""

LISTED = "(SELECT value FROM json_each(?))"
"""Row ids as one parameter, which ``listed`` makes. With the numbers in its text each statement is one more
to prepare, and a connection keeps a hundred of them for later, 80 KB each."""


def listed(keys: Iterable[int]) -> tuple[str]:
    """Return the parameter for ``LISTED``."""
    return (f"[{','.join(map(str, keys))}]",)


def used_up(keys: "array[int]") -> Iterator[int]:
    """Yield row ids in their order, and let go of their memory meanwhile: a million take 8 MB."""
    keys.reverse()
    while keys:
        some = keys[-ROWS:]
        del keys[-ROWS:]
        yield from reversed(some)


def chunks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield the rows in pieces of one statement each."""
    for start in range(0, len(rows), ROWS):
        yield rows[start : start + ROWS]


def values(rows: Sequence[tuple[object, ...]]) -> tuple[str, tuple[object, ...]]:
    """Return what follows VALUES in a statement for these rows, and its parameters."""
    row = "(" + ", ".join("?" * len(rows[0])) + ")"
    return ", ".join([row] * len(rows)), tuple(chain.from_iterable(rows))


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Write in one transaction, which an error of any kind takes back. The connection has no own level."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
