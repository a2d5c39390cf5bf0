"""How a database is opened for reading only, also where nothing can be written beside it."""

import contextlib
import os
import sqlite3
from pathlib import Path

_BARRED = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})


def uri(path: Path) -> str:
    """Return how SQLite is told to open a database for reading only."""
    quoted = str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    plain = f"file:{quoted}?mode=ro"
    return f"{plain}&immutable=1" if _rests(path, plain) else plain


def _rests(path: Path, plain: str) -> bool:
    """Whether all of a database is in its own file, and SQLite cannot open it because the index of the log,
    which it keeps beside it, can be made by nobody: on a medium that is read only."""
    file = path.resolve()
    with contextlib.suppress(OSError):
        # Where only this user may not write, another may at any moment.
        if not os.statvfs(file.parent).f_flag & os.ST_RDONLY:
            return False
    with contextlib.suppress(OSError):
        if file.with_name(file.name + "-wal").stat().st_size:
            return False
    try:
        with contextlib.closing(sqlite3.connect(plain, uri=True)) as connection:
            connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.OperationalError as error:
        # A file that may not be read says the same, and is refused again.
        return error.sqlite_errorcode & 0xFF in _BARRED
    except sqlite3.DatabaseError:
        return False
    return False
