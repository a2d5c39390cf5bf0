"""The few ways in which the store touches the file system, each durable or loud.

Every error of the operating system on the writing side becomes a ``WriteError`` that names the file.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from poparchive.store.errors import DamageError, LockedError, WriteError

_COPIED_BYTES = 1 << 20
DENIED = (errno.EACCES, errno.EPERM)
"""What the operating system says when it is not for this user."""


def reason(error: OSError) -> str:
    """Say what the operating system says, and what to do if it is not for this user."""
    text = error.strerror or str(error)
    return (
        f"{text}; run the command as the user who owns the archive"
        if error.errno in DENIED
        else text
    )


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Translate the operating system's errors about ``path`` into a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise WriteError(
                f"{path}: the disk is full. The archive is whole up to the last finished batch;"
                " make room and run the command again."
            ) from error
        if error.errno in DENIED:
            raise WriteError(f"{path}: cannot write: {reason(error)}") from error
        raise WriteError(
            f"{path}: cannot write: {error.strerror or error}. What was kept before stays kept;"
            " look at the disk and run the command again."
        ) from error


def sync_directory(path: Path) -> None:
    """Make the directory's entries durable."""
    with writing(path):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def make_directory(path: Path) -> None:
    """Make a directory, and those above it that are missing; durable when it returns. One that is there stays
    as it is."""
    with writing(path):
        missing = []
        while not path.is_dir():
            missing.append(path)
            path = path.parent
        for one in reversed(missing):
            one.mkdir(mode=0o700, exist_ok=True)
            sync_directory(one.parent)


def write_durably(path: Path, octets: bytes, *, mode: int = 0o600) -> None:
    """Put a whole file in place: after this returns it survives a power loss, or is not there."""
    with writing(path):
        _put(path, octets, mode, sync=True)
        sync_directory(path.parent)


def copy_durably(source: Path, path: Path | None = None) -> None:
    """Write a file once more, and put the copy in its place, or under another name: whatever happens, one of
    them is whole."""
    path = path or source
    new = path.with_name(path.name + ".new")
    try:
        with writing(path), source.open("rb") as old, new.open("wb") as copy:
            os.fchmod(copy.fileno(), stat.S_IMODE(os.fstat(old.fileno()).st_mode))
            shutil.copyfileobj(old, copy, _COPIED_BYTES)
            copy.flush()
            os.fsync(copy.fileno())
            new.rename(path)
    except WriteError:
        with contextlib.suppress(OSError):
            new.unlink()
        raise
    sync_directory(path.parent)


def free_name(path: Path) -> Path:
    """Return a name beside a damaged file under which it, or a part of it, may stay."""
    stem = f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}"
    for number in range(1000):
        other = path.with_name(stem + (f"-{number}" if number else ""))
        if not other.exists():
            return other
    raise DamageError(f"{path}: there are a thousand damaged copies of it")


def write_whole(path: Path, octets: bytes) -> None:
    """Put a whole file in place for other processes, and for this one after a crash.

    Not synced: a power loss may leave the file as it was, or empty.
    """
    with writing(path):
        _put(path, octets, 0o600, sync=False)


def _put(path: Path, octets: bytes, mode: int, *, sync: bool) -> None:
    temporary = path.with_name(path.name + ".new")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        write_all(fd, octets)
        if sync:
            os.fsync(fd)
    finally:
        os.close(fd)
    temporary.rename(path)


def open_file(path: Path) -> int:
    """Open a file to read. A directory, which the system would open too, is refused as it is in reading."""
    fd = os.open(path, os.O_RDONLY)
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        os.close(fd)
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return fd


def write_all(fd: int, octets: bytes | memoryview) -> None:
    """Write all of ``octets``; a short write is continued."""
    view = memoryview(octets)
    while view:
        view = view[os.write(fd, view) :]


def read_exactly(fd: int, length: int, offset: int, path: Path) -> bytes:
    """Read ``length`` octets at ``offset``; fewer is damage."""
    pieces = []
    at, left = offset, length
    while left:
        try:
            piece = os.pread(fd, left, at)
        except OSError as error:
            raise DamageError(f"{path}: cannot read at {at}: {error.strerror}") from error
        if not piece:
            size = os.fstat(fd).st_size
            raise DamageError(
                f"{path}: has {size} octets, but those up to {offset + length} are needed"
            )
        pieces.append(piece)
        at += len(piece)
        left -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


LEFT_BEHIND_S = 20
"""So long a lock is waited for whose holder was killed: its helper ends when it has noticed."""


_NAMELESS_S = 0.2

BRIEFLY_S = 60
"""So long a lock is waited for whose holder says that it soon lets go; a bound, for it may hang."""


ARCHIVE_LOCK = "lock"


class Lock:
    """The archive's one writer: an flock that the kernel gives back whatever happens to us.

    People remove a lock that they take for stale. So who writes holds the archive's directory as well, which
    nobody removes; optimize and who reads attachments hold their files alone, for what two of them do at once
    destroys nothing.
    """

    def __init__(
        self,
        path: Path,
        *,
        briefly: bool = False,
        wait_s: float = 0,
        given_up: Callable[[], bool] | None = None,
    ) -> None:
        """Take it, or raise ``LockedError``: after ``wait_s``, unless the holder holds it ``briefly``, or
        as soon as the caller has ``given_up``."""
        self._path = path
        self._wait_s = wait_s
        self._given_up = given_up or (lambda: False)
        # Here, as below, because readers take no lock and wait for what is imported.
        import json
        import socket

        self._directory = -1
        self._at_directory = False
        """Whether it was the directory's lock that another held."""
        with writing(path):
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            if path.name == ARCHIVE_LOCK:
                self._directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._take()
        except BlockingIOError:
            held = os.pread(self._fd, 4096, 0)
            self._close()
            who = _holder_of(path.parent) if self._at_directory else _holder(held)
            raise LockedError(f"{path.parent}: the archive is locked by {who}") from None
        me = {"pid": os.getpid(), "host": socket.gethostname(), "since": int(time.time())}
        me["briefly"] = briefly
        with writing(path):
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, json.dumps(me).encode() + b"\n", 0)

    def _take(self) -> None:
        began = time.monotonic()
        while True:
            try:
                self._take_both()
            except BlockingIOError:
                patience_s = max(self._wait_s, _worth_waiting_s(os.pread(self._fd, 4096, 0)))
                if time.monotonic() - began > patience_s or self._given_up():
                    raise
                time.sleep(0.02)
            else:
                return

    def _take_both(self) -> None:
        """Take the file's lock and the directory's, or neither."""
        self._at_directory = False
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if self._directory < 0:
            return
        try:
            fcntl.flock(self._directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
            self._at_directory = True
            raise
        except OSError:
            # Network file systems lock only what is open for writing.
            os.close(self._directory)
            self._directory = -1

    def _close(self) -> None:
        for fd in (self._fd, self._directory):
            if fd >= 0:
                os.close(fd)
        self._fd = self._directory = -1

    def filenos(self) -> list[int]:
        """The open files that carry the lock. A process that inherits them holds the lock too."""
        return [fd for fd in (self._fd, self._directory) if fd >= 0]

    def release(self) -> None:
        """Let the next writer in. Safe to call twice."""
        if self._fd >= 0:
            # The name is for people. Whatever the disk says of it, the kernel lets go of the lock.
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, 0)
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def is_locked(path: Path) -> bool:
    """Whether a writer holds the lock at this moment.

    Asks the kernel, and only where a holder has left its name, so as not to stand in the way of one
    that comes: the name alone may be that of a process that was killed.
    """
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        # Somebody may have removed it under who holds the directory.
        with contextlib.suppress(OSError):
            if path.name == ARCHIVE_LOCK:
                return _is_held(os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY), named=False)
        return False
    except OSError:
        return False
    return _is_held(fd, named=True)


def _is_held(fd: int, *, named: bool) -> bool:
    """Close an open file, and say whether another holds the lock on it: where that leaves its name, only if
    there is one."""
    try:
        if not named or os.fstat(fd).st_size:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _worth_waiting_s(held: bytes) -> float:
    """How long to wait for who wrote its name into the lock: it ran here and does not any more, or it
    said that it soon lets go."""
    import json
    import socket

    if not held:
        # Its holder is about to write its name, or to let go.
        return _NAMELESS_S
    try:
        who = json.loads(held)
        if who.get("briefly"):
            return BRIEFLY_S
        if who["host"] == socket.gethostname():
            os.kill(int(who["pid"]), 0)
    except ProcessLookupError:
        return LEFT_BEHIND_S
    except (OSError, OverflowError, ValueError, KeyError, TypeError, AttributeError):
        return 0
    return 0


def _holder(held: bytes) -> str:
    """Say who holds the lock, from what the holder wrote into it."""
    import json

    try:
        who = json.loads(held)
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(who["since"]))
        return f"process {int(who['pid'])} on {who['host']} since {since}; try again later"
    except (ValueError, KeyError, TypeError):
        return "another process; try again later"


def _holder_of(directory: Path) -> str:
    """Say who may hold the lock on the archive's directory while nobody holds that on the file in it."""
    return (
        "another process, which holds the lock on the directory itself: a program around this one, as in"
        f" `flock {directory} poparchive ...`, or a poparchive whose file `lock` was removed. Let other"
        " programs lock a file elsewhere; else try again later"
    )
