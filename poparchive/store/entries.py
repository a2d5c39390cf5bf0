"""An entry of the journal as octets: making one, reading one, finding one.

Laid out as in ``docs/store-format.md``, section "Journal". Nothing here opens a file or changes one; what is
read counts only with its hash, and names the entry before it.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from poparchive.store import codec, frame, heads, records
from poparchive.store.errors import DamageError, FormatError, StoreError
from poparchive.store.fsio import read_exactly
from poparchive.store.layout import Layout
from poparchive.store.records import Record

ENTRY_MAGIC = b"PAJE"
VERSION = 1
_ENTRY = struct.Struct("<4sBBHQQII32s")
_CRC = struct.Struct("<I")
HASH_BYTES = 32
FILE_HEADER_BYTES = heads.HEADER_BYTES
ENTRY_HEADER_BYTES = _ENTRY.size + _CRC.size
NO_HASH = bytes(HASH_BYTES)

_CODECS = frozenset(map(int, frame.Codec))
_WINDOW_BYTES = 1 << 20
_LOOKED_BACK_BYTES = 64 << 10
"""Nearly every entry is shorter; four times as much is read each time that it was not enough."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two entries: which file, where in it, the last entry's number and hash."""

    file: int
    offset: int
    entry: int
    hash: bytes


START = Position(0, 0, 0, NO_HASH)


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One batch as the journal has it. ``after`` is the position behind it."""

    number: int
    time: int
    records: list[Record]
    after: Position


class TornEntryError(DamageError):
    """The journal ends inside an entry, or its last entry does not check."""

    def __init__(self, path: Path, offset: int, why: str) -> None:
        super().__init__(f"{path}: at octet {offset}: {why}")
        self.offset = offset


class _Head(NamedTuple):
    """An entry's header, in the order in which it stands there."""

    magic: bytes
    version: int
    codec: int
    flags: int
    number: int
    time: int
    raw: int
    stored: int
    previous: bytes

    @property
    def length(self) -> int:
        """The octets of the whole entry."""
        return ENTRY_HEADER_BYTES + self.stored + HASH_BYTES


def _head(octets: bytes) -> _Head | None:
    """Read a header; None if it is none, or damaged."""
    if len(octets) < ENTRY_HEADER_BYTES or not octets.startswith(ENTRY_MAGIC):
        return None
    if zlib.crc32(octets[: _ENTRY.size]) != _CRC.unpack_from(octets, _ENTRY.size)[0]:
        return None
    return _Head._make(_ENTRY.unpack_from(octets))


def encode(batch: Sequence[Record], number: int, time: int, previous: bytes) -> bytes:
    """Return an entry, with its hash at the end."""
    raw = records.encode(batch)
    stored, coding = codec.compress(raw), frame.Codec.ZSTD
    if len(stored) >= len(raw):
        stored, coding = raw, frame.Codec.STORED
    head = _ENTRY.pack(
        ENTRY_MAGIC, VERSION, coding, 0, number, time, len(raw), len(stored), previous
    )
    octets = head + _CRC.pack(zlib.crc32(head)) + stored
    return octets + hashlib.sha256(octets).digest()


def may_have_been_whole(octets: bytes) -> bool:
    """Whether an entry, now damaged, may be in these octets, which begin where one would and hold none.

    A write that was cut is shorter than its header says, or ends in zeros: a power loss leaves a file with
    its length and not its octets. A header that is damaged says nothing of the length, so that there anything
    behind it counts.
    """
    head = _head(octets[:ENTRY_HEADER_BYTES])
    written = len(octets.rstrip(b"\0"))
    if head is None:
        return written > ENTRY_HEADER_BYTES
    return len(octets) >= head.length and written > head.length - HASH_BYTES


def read_entry(fd: int, position: Position, size: int, path: Path) -> JournalEntry:
    """Return the entry behind a position of an open file of this size.

    Raises ``TornEntryError`` for what is no whole entry, ``DamageError`` for one that does not go on from
    there, ``FormatError`` for one of a newer version.
    """
    head, payload, digest = _octets(fd, position.offset, size, path)
    if head.previous != position.hash or head.number != position.entry + 1:
        raise DamageError(f"{path}: entry {head.number} does not follow the entry before it")
    if head.codec == frame.Codec.ZSTD:
        payload = codec.decompress(payload, head.raw)
    try:
        batch = records.decode(payload)
    except (DamageError, FormatError) as error:
        raise type(error)(f"{path}: entry {head.number}: {error}") from error
    after = Position(position.file, position.offset + head.length, head.number, digest)
    return JournalEntry(head.number, head.time, batch, after)


def _octets(fd: int, at: int, size: int, path: Path) -> tuple[_Head, bytes, bytes]:
    """Return header, records as stored, and hash of the entry at ``at``, which has that hash."""
    if size - at < ENTRY_HEADER_BYTES:
        raise TornEntryError(path, at, "the journal ends inside an entry")
    octets = read_exactly(fd, ENTRY_HEADER_BYTES, at, path)
    head = _head(octets)
    if head is None:
        raise TornEntryError(path, at, "an entry's header is damaged")
    if head.version != VERSION or head.flags:
        raise FormatError(
            f"{path}: entry {head.number} was written by a newer version of poparchive: found version"
            f" {head.version}, flags {head.flags}; this one reads up to version {VERSION}, without flags."
            " Install a newer version"
        )
    if head.codec not in _CODECS:
        raise FormatError(
            f"{path}: entry {head.number} was written by a newer version of poparchive: found codec"
            f" {head.codec}; this one reads codecs up to {frame.Codec.ZSTD}. Install a newer version"
        )
    if at + head.length > size:
        raise TornEntryError(path, at, f"the journal ends inside entry {head.number}")
    rest = read_exactly(fd, head.stored + HASH_BYTES, at + ENTRY_HEADER_BYTES, path)
    payload, digest = rest[: head.stored], rest[head.stored :]
    if hashlib.sha256(octets + payload).digest() != digest:
        raise TornEntryError(
            path, at, f"entry {head.number} does not have the hash written with it"
        )
    return head, payload, digest


def ends_at(fd: int, position: Position, path: Path) -> bool:
    """Whether the entry that a position is behind ends there, octet for octet: it is read and hashed, and has
    the position's number and hash. Where it begins is looked for backwards, and nothing else is read."""
    end = position.offset
    looked = min(_LOOKED_BACK_BYTES, end)
    while True:
        octets = read_exactly(fd, looked, end - looked, path)
        at = octets.rfind(ENTRY_MAGIC)
        while at >= 0:
            head = _head(octets[at : at + ENTRY_HEADER_BYTES])
            if head and head.number == position.entry and at + head.length == looked:
                return _octets(fd, end - head.length, end, path)[2] == position.hash
            at = octets.rfind(ENTRY_MAGIC, 0, at + len(ENTRY_MAGIC) - 1)
        if looked == end:
            return False
        looked = min(looked * 4, end)


def before(fd: int, file: int, at: int, size: int, path: Path) -> Position | None:
    """Return the position before the entry at ``at``, if there is a whole one."""
    try:
        head = _Head._make(_ENTRY.unpack(read_exactly(fd, _ENTRY.size, at, path)))
        position = Position(file, at, head.number - 1, head.previous)
        read_entry(fd, position, size, path)
    except StoreError:
        return None
    return position


def nothing_follows(fd: int, offset: int, size: int, path: Path) -> bool:
    """Tell a torn tail from damage: behind a torn tail no whole entry begins."""
    return not any(
        _head(read_exactly(fd, min(ENTRY_HEADER_BYTES, size - at), at, path))
        for at in places(fd, offset + 1, size, path)
    )


def places(fd: int, at: int, size: int, path: Path) -> Iterator[int]:
    """Yield where entries seem to begin from an octet on. Reads a window at a time: a file may be large."""
    overlap = len(ENTRY_MAGIC) - 1
    while at < size:
        length = min(_WINDOW_BYTES, size - at)
        window = read_exactly(fd, length, at, path)
        found = window.find(ENTRY_MAGIC)
        while found >= 0:
            yield at + found
            found = window.find(ENTRY_MAGIC, found + 1)
        at += length if at + length >= size else length - overlap


def check_header(layout: Layout, number: int, octets: bytes) -> None:
    """Raise ``DamageError`` for the header of a file that is not this one of this archive's journal, and
    ``FormatError`` for that of a newer version."""
    path = layout.journal(number)
    head = heads.decode(octets, heads.JOURNAL)
    if head is None:
        raise DamageError(f"{path}: the journal file's header is damaged")
    heads.refuse_newer(octets, heads.JOURNAL, path)
    if head.archive != layout.id:
        raise DamageError(f"{path}: belongs to another archive; it may be moved aside")
    if head.number != number:
        raise DamageError(
            f"{path}: is journal file {head.number} of this archive under the name of another; it may be"
            " moved aside"
        )
