"""Frames: many objects in one compressed, self-describing, self-checking unit.

The struct formats are those of ``docs/store-format.md``. ``encode`` decodes what it made before it
returns it, so that no compressor's error ever reaches a pack.
"""

import enum
import hashlib
import struct
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import zstandard

from poparchive.store.errors import DamageError, FormatError

MAGIC = b"PAFR"
VERSION = 1
_HEAD = struct.Struct("<4sBBBBIIIIQQ")
_CRC = struct.Struct("<I")
_DIGEST_BYTES = 32
HEADER_BYTES = _HEAD.size + _CRC.size + _DIGEST_BYTES
_ENTRY = struct.Struct("<BI8s")
PREFIX_BYTES = 8

LEVEL = 5
"""Level 5 stores 6% less than level 3 and still compresses faster than POP3 servers deliver."""

MAX_RAW_BYTES = 1 << 30
"""No writer makes a frame near this; a header that claims more is damage, not a reason to allocate."""


class Kind(enum.IntEnum):
    """What a frame holds."""

    OBJECTS = 1
    DICTIONARY = 2
    SEAL = 3


class Codec(enum.IntEnum):
    """How the payload is stored."""

    STORED = 0
    ZSTD = 1


class ObjectKind(enum.IntEnum):
    """What an object is."""

    BLOB = 1
    RECIPE = 2


class Object(NamedTuple):
    """One object on its way into a frame. ``id`` is a blob's hash, or the hash of a recipe's message."""

    kind: ObjectKind
    id: bytes
    octets: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a frame's table, with its place in the decoded payload."""

    kind: ObjectKind
    prefix: bytes
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Header:
    """A frame's header, checked against its CRC."""

    kind: Kind
    codec: Codec
    count: int
    extra_length: int
    table_length: int
    raw_length: int
    stored_length: int
    head: bytes
    digest: bytes

    @property
    def body_bytes(self) -> int:
        """Octets after the header: extra, table and payload."""
        return self.extra_length + self.table_length + self.stored_length


class _Coders(threading.local):
    """zstd contexts are large and not to be shared between threads: one of each a thread."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=False)
        self.sampler = zstandard.ZstdCompressor(level=1, write_checksum=False)
        self.decompressor = zstandard.ZstdDecompressor()


_coders = _Coders()


def compresses(octets: bytes) -> bool:
    """Tell from a sample whether compressing these octets is worth it."""
    sample = octets[: 1 << 14] if len(octets) <= 1 << 16 else octets[len(octets) // 2 :][: 1 << 14]
    return len(_coders.sampler.compress(sample)) < len(sample) * 0.97


def compress(octets: bytes) -> bytes:
    """One zstd frame (RFC 8878) with the content size in it."""
    return _coders.compressor.compress(octets)


def decompress(octets: bytes, raw_length: int) -> bytes:
    """Undo ``compress``; anything else than ``raw_length`` octets is damage."""
    if raw_length > MAX_RAW_BYTES:
        raise DamageError(f"a payload claims {raw_length} octets")
    try:
        raw = _coders.decompressor.decompress(octets, max_output_size=raw_length)
    except zstandard.ZstdError as error:
        raise DamageError(f"a payload does not decompress: {error}") from error
    if len(raw) != raw_length:
        raise DamageError("a payload has another length than its header says")
    return raw


def encode(objects: Sequence[Object], *, compressed: bool = True) -> bytes:
    """Return the frame, header and all. The payload was decoded again and found equal."""
    payload = b"".join([o.octets for o in objects])
    table = b"".join([_ENTRY.pack(o.kind, len(o.octets), o.id[:PREFIX_BYTES]) for o in objects])
    stored, codec = payload, Codec.STORED
    if compressed:
        stored = compress(payload)
        codec = Codec.ZSTD
        if len(stored) >= len(payload):
            stored, codec = payload, Codec.STORED
        elif decompress(stored, len(payload)) != payload:
            raise DamageError("zstd did not give back what it was given; the memory may be faulty")
    return _assemble(Kind.OBJECTS, codec, len(objects), table, len(payload), stored)


def encode_seal(pack_digest: bytes) -> bytes:
    """Return the last frame of a pack; ``pack_digest`` is the hash of all octets before it."""
    return _assemble(Kind.SEAL, Codec.STORED, 0, b"", len(pack_digest), pack_digest)


def _assemble(
    kind: Kind, codec: Codec, count: int, table: bytes, raw_length: int, stored: bytes
) -> bytes:
    head = _HEAD.pack(
        MAGIC, VERSION, kind, codec, 0, 0, count, 0, len(table), raw_length, len(stored)
    )
    head += _CRC.pack(zlib.crc32(head))
    digest = hashlib.sha256(head)
    digest.update(table)
    digest.update(stored)
    return b"".join((head, digest.digest(), table, stored))


def decode_header(octets: bytes) -> Header:
    """Read a header of ``HEADER_BYTES``. The digest is for ``decode``, which has the body."""
    head = octets[: _HEAD.size]
    if len(octets) < HEADER_BYTES or not head.startswith(MAGIC):
        raise DamageError("no frame begins here")
    (crc,) = _CRC.unpack_from(octets, _HEAD.size)
    if zlib.crc32(head) != crc:
        raise DamageError("a frame's header is damaged")
    _, version, kind, codec, flags, dictionary, count, extra, table, raw, stored = _HEAD.unpack(
        head
    )
    if version != VERSION or flags or dictionary or kind not in (Kind.OBJECTS, Kind.SEAL):
        raise FormatError(
            f"a frame has version {version}, kind {kind}, flags {flags}, dictionary {dictionary}:"
            " it was written by a newer poparchive. Install a newer version."
        )
    if codec not in (Codec.STORED, Codec.ZSTD) or table != count * _ENTRY.size:
        raise DamageError("a frame's header does not agree with itself")
    return Header(
        Kind(kind),
        Codec(codec),
        count,
        extra,
        table,
        raw,
        stored,
        octets[: _HEAD.size + _CRC.size],
        octets[_HEAD.size + _CRC.size : HEADER_BYTES],
    )


def decode(header: Header, body: bytes) -> tuple[bytes, bytes]:
    """Check the digest over the whole frame and return (table, decoded payload)."""
    digest = hashlib.sha256(header.head)
    digest.update(body)
    if digest.digest() != header.digest:
        raise DamageError("a frame's octets do not have the hash that was written with them")
    start = header.extra_length + header.table_length
    table = body[header.extra_length : start]
    stored = body[start:]
    if header.codec is Codec.STORED:
        return table, stored
    return table, decompress(stored, header.raw_length)


def entries(table: bytes) -> list[Entry]:
    """Read a table. An object of a kind that this version does not know is refused."""
    found = []
    offset = 0
    for kind, length, prefix in _ENTRY.iter_unpack(table):
        if kind not in (ObjectKind.BLOB, ObjectKind.RECIPE):
            raise FormatError(f"an object has the unknown kind {kind}. Install a newer version.")
        found.append(Entry(ObjectKind(kind), prefix, offset, length))
        offset += length
    return found
