"""Databases that another program has locked."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def locked(path: Path, *, wholly: bool = True) -> Iterator[None]:
    """Have a database for oneself, as other programs may; ``wholly`` also for whoever only reads a database
    with a write-ahead log, which nobody may have open then."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        if wholly:
            other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        if wholly:
            other.execute("CREATE TABLE if_it_were_written(a)")
        yield
        other.execute("ROLLBACK")
