"""The disk as a loss of power leaves it, computed from a trace.

What a sync had covered is there. Of everything since then any part may be there, in any order: of a
file's writes any may be missing, torn at a sector, or have given the file its length and not its octets; of a
directory's changes any may be missing, each whole (a rename is one change). No file system is so
bad in all of this at once, and each is so in some of it.
"""

import enum
import random
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.faults.shim import Kind, Operation

SECTOR_BYTES = 512

State = dict[str, bytes | None]
"""Every file below the root with its octets, every directory with None."""


class Luck(enum.Enum):
    """What becomes of that which was not synced."""

    NONE = "none of it is there"
    ALL = "all of it is there"
    ZEROS = "all of it is there, with zeros for octets"
    ALL_BUT_ONE = "one is missing"
    ANY = "each is there or not"


@dataclass(slots=True, eq=False)
class File:
    """A file's octets at its last sync, and what was written since: (offset, octets), or the length it
    was cut or stretched to and None."""

    synced: bytes = b""
    since: list[tuple[int, bytes | None]] = field(default_factory=list)

    def sync(self) -> None:
        self.synced, self.since = _written(self.synced, self.since), []


Entry = File | None
"""What a name stands for; None is a directory."""


class Gone:
    """What a name stands for that was removed."""


_GONE = Gone()

Change = dict[str, Entry | Gone]


class Disk:
    """Takes operations one after the other; at any moment the power may go."""

    def __init__(self, root: Path) -> None:
        """Begin with what is there, all of it synced."""
        self._durable: dict[str, Entry] = {}
        self._inodes: dict[int, File] = {}
        self._pending: dict[str, list[Change]] = {}
        for path in sorted(root.rglob("*")):
            name = str(path.relative_to(root))
            if path.is_dir():
                self._durable[name] = None
            else:
                self._durable[name] = one = File(path.read_bytes())
                self._inodes[path.stat().st_ino] = one
        self._names: dict[str, Entry] = dict(self._durable)

    def apply(self, operation: Operation) -> None:
        """Carry out one operation."""
        path = operation.path
        match operation.kind:
            case Kind.CREATE:
                self._inodes[operation.inode] = made = File()
                self._change({path: made})
            case Kind.MKDIR:
                self._change({path: None})
            case Kind.UNLINK | Kind.RMDIR:
                self._change({path: _GONE})
            case Kind.RENAME:
                assert _parent(path) == _parent(operation.second)
                self._change({path: _GONE, operation.second: self._names[path]})
            case Kind.WRITE:
                self._inodes[operation.inode].since.append((operation.offset, operation.octets))
            case Kind.TRUNCATE:
                self._inodes[operation.inode].since.append((operation.offset, None))
            case Kind.SYNC:
                self._inodes[operation.inode].sync()
            case Kind.SYNC_DIRECTORY:
                directory = "" if path == "." else path
                for change in self._pending.pop(directory, []):
                    _carry_out(self._durable, change)

    def _change(self, change: Change) -> None:
        _carry_out(self._names, change)
        directory = _parent(next(iter(change)))
        self._pending.setdefault(directory, []).append(change)

    def synced(self, directory: str) -> dict[str, bytes]:
        """What was synced of the files of a directory, whether their names are durable or not."""
        return {
            name: one.synced
            for name, one in self._names.items()
            if isinstance(one, File) and _parent(name) == directory
        }

    def crash(self, luck: Luck, dice: random.Random) -> State:
        """Return what is there when the power comes back."""
        loose = sum(map(len, self._pending.values()))
        loose += sum(len(one.since) for one in self._files())
        missing = dice.randrange(loose) if luck is Luck.ALL_BUT_ONE and loose else -1
        share = dice.choice((0.2, 0.5, 0.8))
        count = -1

        def there() -> bool:
            nonlocal count
            count += 1
            if luck is Luck.ANY:
                return dice.random() < share
            return luck is not Luck.NONE and count != missing

        names = dict(self._durable)
        for changes in self._pending.values():
            for change in changes:
                if there():
                    _carry_out(names, change)
        state: State = {}
        contents: dict[int, bytes] = {}
        for one in self._files():
            kept = [write for write in one.since if there()]
            if luck is Luck.ANY:
                kept = [_spoiled(write, dice) for write in kept]
            elif luck is Luck.ZEROS:
                kept = [(at, octets and bytes(len(octets))) for at, octets in kept]
            contents[id(one)] = _written(one.synced, kept)
        for name, entry in sorted(names.items()):
            directory = _parent(name)
            # The shared memory of a database's users is theirs alone.
            if (directory and state.get(directory, b"") is not None) or name.endswith("-shm"):
                continue
            state[name] = contents[id(entry)] if isinstance(entry, File) else None
        return state

    def _files(self) -> list[File]:
        """Every file that has a name, or may have one when the power comes back."""
        found: dict[int, File] = {}
        entries: list[Entry | Gone] = list(self._durable.values())
        for changes in self._pending.values():
            entries += [entry for change in changes for entry in change.values()]
        for entry in entries:
            if isinstance(entry, File):
                found[id(entry)] = entry
        return list(found.values())


def _parent(name: str) -> str:
    return name.rpartition("/")[0]


def _carry_out(names: dict[str, Entry], change: Change) -> None:
    for name, entry in change.items():
        if isinstance(entry, Gone):
            names.pop(name, None)
        else:
            names[name] = entry


def _written(octets: bytes, writes: list[tuple[int, bytes | None]]) -> bytes:
    if not writes:
        return octets
    made = bytearray(octets)
    for offset, piece in writes:
        end = offset + len(piece or b"")
        if len(made) < end:
            made.extend(bytes(end - len(made)))
        if piece is None:
            del made[offset:]
        else:
            made[offset:end] = piece
    return bytes(made)


def _spoiled(write: tuple[int, bytes | None], dice: random.Random) -> tuple[int, bytes | None]:
    """A write that is there, perhaps not all of it."""
    offset, octets = write
    if octets is None:
        return write
    what = dice.randrange(6)
    if what == 0:
        return offset, bytes(len(octets))
    if what == 1:
        first = SECTOR_BYTES - offset % SECTOR_BYTES
        cuts = range(first, len(octets), SECTOR_BYTES)
        if cuts:
            return offset, octets[: dice.choice(cuts)]
    return write


def put_down(state: State, root: Path) -> None:
    """Write a state into a directory that does not exist."""
    root.mkdir(mode=0o700)
    for name, octets in state.items():
        if octets is None:
            (root / name).mkdir(mode=0o700)
        else:
            (root / name).write_bytes(octets)
