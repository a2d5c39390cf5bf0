"""Packs: files of frames that are appended, sealed, and never edited.

``PackWriter`` belongs to the one thread that writes the archive. What it appended counts only after
``commit`` returned; until then a crash leaves octets behind the committed length, which the next
writer cuts off. After a failed write or sync it stays dead.

``PackReader`` checks each frame's hash when it reads it. One reader belongs to one thread.
"""

import hashlib
import os
import struct
import time
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from poparchive.model import Location
from poparchive.store import frame
from poparchive.store.errors import DamageError, FormatError, MissingObjectError, WriteError
from poparchive.store.frame import HEADER_BYTES, Entry, Header, Kind, Object
from poparchive.store.fsio import read_exactly, sync_directory, write_all, writing
from poparchive.store.layout import Layout

MAGIC = b"POPAPACK"
VERSION = 1
_HEAD = struct.Struct("<8sHH16sIQ")
_CRC = struct.Struct("<I")
PACK_HEADER_BYTES = _HEAD.size + _CRC.size

PACK_BYTES = 256 << 20
"""Large enough that an archive of decades has few files, small enough to copy and check in one go."""

_CACHE_BYTES = 16 << 20
_OPEN_PACKS = 16
_SEAL_BYTES = HEADER_BYTES + 32
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class PackState:
    """How much of a pack is committed."""

    number: int
    length: int
    sealed: bool


class PackWriter:
    """Appends frames to the last pack, seals full packs and begins new ones."""

    def __init__(
        self, layout: Layout, last: PackState | None, *, pack_bytes: int = PACK_BYTES
    ) -> None:
        self._layout = layout
        self._limit = pack_bytes
        self._fd = -1
        self._number = last.number if last else 0
        self._length = 0
        self._broken = False
        self._unsynced: list[PackState] = []
        if last and not last.sealed:
            self._open(last)

    def append(self, objects: Sequence[Object], octets: bytes) -> list[Location]:
        """Write a frame, which ``frame.encode`` made of these objects; return where each of them is.

        Durable only after ``commit``.
        """
        self._alive()
        if self._fd >= 0 and self._length + len(octets) + _SEAL_BYTES > self._limit:
            self._seal()
        if self._fd < 0:
            self._begin()
        number, start = self._number, self._length
        self._write(octets)
        found = []
        offset = 0
        for one in objects:
            found.append(Location(number, start, offset, len(one.octets)))
            offset += len(one.octets)
        return found

    def commit(self) -> list[PackState]:
        """Sync what was appended and return the state of each pack that changed."""
        self._alive()
        states, self._unsynced = self._unsynced, []
        if self._fd >= 0:
            with self._dying():
                os.fdatasync(self._fd)
            states.append(PackState(self._number, self._length, sealed=False))
        return states

    def close(self) -> None:
        """Close without syncing. Safe to call twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _dying(self) -> "_Dying":
        return _Dying(self)

    def _alive(self) -> None:
        if self._broken:
            raise WriteError(
                f"{self._layout.root}: an earlier write failed, so nothing more is written;"
                " mend the cause and run the command again"
            )

    def _open(self, last: PackState) -> None:
        """Take up an unsealed pack at its committed length; what lies behind it never counted."""
        path = self._layout.pack(last.number)
        try:
            self._fd = os.open(path, os.O_RDWR)
        except OSError as error:
            raise DamageError(f"{path}: cannot open: {error.strerror}") from error
        size = os.fstat(self._fd).st_size
        if size < last.length:
            os.close(self._fd)
            self._fd = -1
            raise DamageError(
                f"{path}: has {size} octets, but {last.length} were committed: it was cut."
                " `poparchive verify` names the messages in the missing part."
            )
        check_header(self._layout, last.number, read_exactly(self._fd, PACK_HEADER_BYTES, 0, path))
        if size > last.length:
            with self._dying():
                os.ftruncate(self._fd, last.length)
        self._length = last.length
        os.lseek(self._fd, last.length, os.SEEK_SET)

    def _begin(self) -> None:
        self._number += 1
        path = self._layout.pack(self._number)
        head = _HEAD.pack(MAGIC, VERSION, 0, self._layout.id, self._number, int(time.time()))
        with self._dying():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            # A pack that no journal entry names is left over from a crash and holds nothing kept.
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            self._length = 0
            write_all(self._fd, head + _CRC.pack(zlib.crc32(head)))
            os.fsync(self._fd)
            sync_directory(path.parent)
            sync_directory(path.parent.parent)
        self._length = PACK_HEADER_BYTES

    def _seal(self) -> None:
        digest = hashlib.sha256()
        path = self._layout.pack(self._number)
        at = 0
        while at < self._length:
            piece = read_exactly(self._fd, min(_PIECE_BYTES, self._length - at), at, path)
            digest.update(piece)
            at += len(piece)
        self._write(frame.encode_seal(digest.digest()))
        with self._dying():
            os.fdatasync(self._fd)
        self._unsynced.append(PackState(self._number, self._length, sealed=True))
        os.close(self._fd)
        self._fd = -1

    def _write(self, octets: bytes) -> None:
        with self._dying():
            write_all(self._fd, octets)
        self._length += len(octets)


class _Dying:
    """Around a write: translate the error, and leave the writer dead if there was one."""

    def __init__(self, writer: PackWriter) -> None:
        self._writer = writer
        self._context = writing(writer._layout.pack(writer._number))

    def __enter__(self) -> None:
        self._context.__enter__()

    def __exit__(self, *about: object) -> None:
        if about[0] is not None:
            self._writer._broken = True
        self._context.__exit__(*about)  # type: ignore[arg-type]  # passed through as it came


def check_header(layout: Layout, number: int, octets: bytes) -> None:
    """Refuse a file that is not this archive's pack of this number."""
    path = layout.pack(number)
    head = octets[: _HEAD.size]
    if len(octets) < PACK_HEADER_BYTES or not head.startswith(MAGIC):
        raise DamageError(f"{path}: does not begin as a pack")
    if zlib.crc32(head) != _CRC.unpack_from(octets, _HEAD.size)[0]:
        raise DamageError(f"{path}: the pack's header is damaged")
    _, version, flags, archive, named, _ = _HEAD.unpack(head)
    if version != VERSION or flags:
        raise FormatError(f"{path}: version {version}, flags {flags}: needs a newer poparchive")
    if archive != layout.id or named != number:
        raise DamageError(f"{path}: belongs to another archive or has another number")


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame as read: where it is, its table and its decoded payload."""

    pack: int
    start: int
    end: int
    header: Header
    entries: list[Entry]
    payload: bytes

    def location(self, entry: Entry) -> Location:
        return Location(self.pack, self.start, entry.offset, entry.length)


class PackReader:
    """Reads objects by location, and whole packs frame by frame. Keeps the last frames decoded."""

    def __init__(self, layout: Layout, *, cache_bytes: int = _CACHE_BYTES) -> None:
        self._layout = layout
        self._limit = cache_bytes
        self._cached = 0
        self._cache: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._fds: OrderedDict[int, int] = OrderedDict()

    def read(self, location: Location) -> bytes:
        """Return an object's octets. The frame's hash was checked; the object's own is the caller's."""
        key = (location.pack, location.frame)
        payload = self._cache.get(key)
        if payload is None:
            payload = self.frame(*key).payload
            self._remember(key, payload)
        else:
            self._cache.move_to_end(key)
        octets = payload[location.offset : location.offset + location.length]
        if len(octets) != location.length:
            raise MissingObjectError(
                f"{self._layout.pack(location.pack)}: the frame at {location.frame}"
                " is shorter than the catalog says; `poparchive rebuild` makes the catalog anew"
            )
        return octets

    def frame(self, pack: int, start: int) -> Frame:
        """Read and check one frame."""
        path = self._layout.pack(pack)
        fd = self._fd(pack)
        try:
            header = frame.decode_header(read_exactly(fd, HEADER_BYTES, start, path))
            end = start + HEADER_BYTES + header.body_bytes
            if end > os.fstat(fd).st_size:
                raise DamageError("a frame runs past the end of the pack")
            body = read_exactly(fd, header.body_bytes, start + HEADER_BYTES, path)
            table, payload = frame.decode(header, body)
            listed = frame.entries(table)
            if header.kind is Kind.OBJECTS and sum(e.length for e in listed) != len(payload):
                raise DamageError("a frame's table does not cover its payload")
            return Frame(pack, start, end, header, listed, payload)
        except DamageError as error:
            raise type(error)(f"{path}: at octet {start}: {error}") from error

    def frames(self, pack: int, start: int, end: int) -> Iterator[Frame]:
        """Yield the frames of a pack between two octet offsets, which must be frame boundaries."""
        if start < PACK_HEADER_BYTES:
            head = read_exactly(self._fd(pack), PACK_HEADER_BYTES, 0, self._layout.pack(pack))
            check_header(self._layout, pack, head)
            start = PACK_HEADER_BYTES
        while start < end:
            one = self.frame(pack, start)
            yield one
            start = one.end
        if start != end:
            raise DamageError(f"{self._layout.pack(pack)}: no frame ends at {end}")

    def drop(self) -> None:
        """Forget decoded frames, so that the next read comes from the file."""
        self._cache.clear()
        self._cached = 0

    def close(self) -> None:
        """Close all packs. Safe to call twice."""
        self.drop()
        while self._fds:
            os.close(self._fds.popitem()[1])

    def _remember(self, key: tuple[int, int], payload: bytes) -> None:
        self._cache[key] = payload
        self._cached += len(payload)
        while self._cached > self._limit and len(self._cache) > 1:
            self._cached -= len(self._cache.popitem(last=False)[1])

    def _fd(self, pack: int) -> int:
        fd = self._fds.get(pack)
        if fd is None:
            path = self._layout.pack(pack)
            try:
                fd = os.open(path, os.O_RDONLY)
            except OSError as error:
                raise DamageError(f"{path}: cannot open: {error.strerror}") from error
            self._fds[pack] = fd
            if len(self._fds) > _OPEN_PACKS:
                os.close(self._fds.popitem(last=False)[1])
        else:
            self._fds.move_to_end(pack)
        return fd
