"""Builds ``faults.c``, tells it what to spoil, and reads what it recorded."""

import enum
import functools
import hashlib
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_SOURCE = Path(__file__).with_name("faults.c")
_STATE = struct.Struct("=IIQQQQ")
_RECORD = struct.Struct("=IIQQQQII")


class How(enum.IntEnum):
    """What happens at the operation that was named; the C side has the same numbers."""

    NOTHING = 0
    KILL = 1
    """The process group is killed before it."""
    TORN = 2
    """Of a write half is written, anything else is done; then the process group is killed."""
    NO_SPACE = 3
    NO_SPACE_FROM = 4
    """A part of the write goes through; from then on nothing that needs room does."""
    IO_ERROR = 5
    IO_ERROR_FROM = 6


class Kind(enum.IntEnum):
    """Operations, numbered as in the C side."""

    CREATE = 1
    TRUNCATE = 2
    WRITE = 3
    SYNC = 4
    SYNC_DIRECTORY = 5
    RENAME = 6
    UNLINK = 7
    MKDIR = 8
    RMDIR = 9


class Operation(NamedTuple):
    """One change of a file or directory, as it was carried out; ``path`` is below the root.

    ``offset`` is a write's place or a truncation's length, ``second`` a rename's new path.
    """

    number: int
    kind: Kind
    path: str
    inode: int = 0
    offset: int = 0
    octets: bytes = b""
    second: str = ""


@functools.cache
def missing() -> str:
    """Why there can be no faults here; empty if there can."""
    if not sys.platform.startswith("linux"):
        return "faults are put in front of Linux's C library"
    if not (shutil.which("cc") or shutil.which("gcc")):
        return "no C compiler (apt-get install gcc libc6-dev)"
    try:
        library()
    except subprocess.CalledProcessError as error:
        return f"faults.c cannot be compiled: {error.stderr.decode(errors='replace')[:200]}"
    return ""


@functools.cache
def library() -> Path:
    """Return the compiled library; compiled once for each text of the source."""
    digest = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]
    made = Path(tempfile.gettempdir()) / f"poparchive-faults-{os.getuid()}" / f"{digest}.so"
    if made.exists():
        return made
    made.parent.mkdir(mode=0o700, exist_ok=True)
    # Tests that run beside this one compile it too: each for itself, and the last one stays.
    own = made.with_name(f"{digest}.{os.getpid()}")
    compiler = shutil.which("cc") or shutil.which("gcc") or "cc"
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(own), str(_SOURCE), "-ldl"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    own.rename(made)
    return made


@dataclass(frozen=True, slots=True)
class Orders:
    """What one run of a command shares with the library: its orders, its counters and its trace."""

    root: Path
    """The directory in which faults happen."""
    state: Path
    trace: Path

    @classmethod
    def given(cls, root: Path, directory: Path, how: How = How.NOTHING, at: int = 0) -> "Orders":
        """Write orders into ``directory``, which is not below ``root``."""
        made = cls(root.resolve(), directory / "state", directory / "trace")
        made.state.write_bytes(_STATE.pack(0, how, at, 0, 0, 0))
        made.trace.write_bytes(b"")
        return made

    def environ(self) -> dict[str, str]:
        return {
            "FAULTS_ROOT": str(self.root),
            "FAULTS_STATE": str(self.state),
            "FAULTS_TRACE": str(self.trace),
        }

    @property
    def finished(self) -> int:
        """The number of the last operation that has ended."""
        # This is asked while they write: a file that is mapped is read as it is at the moment.
        return int(_STATE.unpack(self.state.read_bytes())[4])

    @property
    def hits(self) -> int:
        """How many operations were spoiled."""
        return int(_STATE.unpack(self.state.read_bytes())[5])

    def operations(self) -> list[Operation]:
        """Return what was carried out, in order."""
        return list(_operations(self.trace.read_bytes(), str(self.root)))


def _operations(octets: bytes, root: str) -> Iterator[Operation]:
    at = 0
    while at < len(octets):
        kind, path, number, inode, offset, length, second, _ = _RECORD.unpack_from(octets, at)
        at += _RECORD.size
        pieces = []
        for size in (path, second, length):
            pieces.append(octets[at : at + size])
            at += size
        names = [os.path.relpath(os.fsdecode(name), root) if name else "" for name in pieces[:2]]
        clean = names[0].removesuffix(" (deleted)")
        yield Operation(number, Kind(kind), clean, inode, offset, pieces[2], names[1])
