"""SQLite's errors in words that a person can act upon, for catalog and search index alike.

What the disk refuses is told from what is wrong in the file: the first is mended outside, the second by
making the file anew.
"""

import sqlite3
from pathlib import Path

from poparchive.errors import TryLaterError

_REFUSED = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
    }
)
LOCKED_S = 10
"""How long a database that another program has locked is waited for. Readers wait for none of this program's
processes; a backup, or an editor of databases, may take a file for itself, mostly for a moment."""

_BAD_SECTORS = frozenset({sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def refused(error: BaseException | None) -> bool:
    """Whether the disk would not do what SQLite asked of it."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in _REFUSED and code not in _BAD_SECTORS


class DatabaseBusyError(TryLaterError):
    """Another program has locked a database for longer than is waited for."""

    def __init__(self, what: Path | str) -> None:
        super().__init__(
            f"{what}: another program has kept it locked for {LOCKED_S} seconds, as a backup or an editor of"
            " databases may. Nothing is wrong with it: let that program end, and run the command again."
        )


def busy(error: BaseException | None) -> bool:
    """Whether somebody else has the database locked."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def refuse_busy(path: Path, error: BaseException) -> None:
    """Raise ``DatabaseBusyError`` if ``error`` is of a lock: nothing is known of what is in the file then."""
    if isinstance(error, DatabaseBusyError):
        raise error
    if busy(error):
        raise DatabaseBusyError(path) from error


def wait_for_locks(connection: sqlite3.Connection) -> None:
    """Let a connection wait ``LOCKED_S`` for whoever has the database locked."""
    connection.execute(f"PRAGMA busy_timeout={LOCKED_S * 1000}")


def damaged(error: BaseException | None) -> bool:
    """Whether the file holds what SQLite cannot read."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in _DAMAGED or code in _BAD_SECTORS


def remedy(error: BaseException | None) -> str:
    """What to do about a write that was refused."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return "make room"
    # SQLite says the same of a full disk and of a broken one when it is the shared memory that fails.
    return "make room, or look at the disk if there is some,"
