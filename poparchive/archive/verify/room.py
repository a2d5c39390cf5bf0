"""Tells a full temporary directory from damage: a verification writes nothing but there.

Promise: nothing is said of an archive because what was read of it could not be noted.
"""

import contextlib
import errno
import sqlite3
import tempfile
from collections.abc import Iterator

from poparchive.errors import PoparchiveError
from poparchive.store.errors import WriteError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_TRUNCATE)


class TemporaryDirectoryError(PoparchiveError):
    """What a verification has to note meanwhile cannot be written."""


class _NoRoomError(Exception):
    """The same on its way out: none of those who take an error for damage catches it."""


def refuse_full(error: BaseException) -> None:
    """Raise if an error is of writing: it says nothing of what was read."""
    if _of_writing(error):
        raise _NoRoomError from error


def _of_writing(error: BaseException | None) -> BaseException | None:
    """Return the error of writing that an error is, or is raised from."""
    while error is not None and not _is_full(error):
        error = error.__cause__
    return error


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError):
        where = error.filename if isinstance(error.filename, str) else ""
        return error.errno in _FULL and where.startswith(tempfile.gettempdir())
    return isinstance(error, WriteError) or getattr(error, "sqlite_errorcode", 0) in _REFUSED


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Say what a full temporary directory ends in, and what to do."""
    try:
        yield
    except (_NoRoomError, PoparchiveError, OSError, sqlite3.Error) as error:
        cause = _of_writing(error)
        if cause is None:
            raise
        raise TemporaryDirectoryError(
            f"{tempfile.gettempdir()}: what a verification notes in the temporary directory cannot be written"
            f" ({cause}); this is no damage, and not all of the archive was looked at. Make room there, or"
            " let TMPDIR name a directory that has some, and run the command again"
        ) from error
