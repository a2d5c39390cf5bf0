"""Frames: many objects in one compressed, self-describing, self-checking unit.

The struct formats are those of ``docs/store-format.md``. Pulls write frames of version 1: ``encode`` decodes
what it made before it returns it, so that no compressor's error ever reaches a pack. ``optimize`` writes
version 2, made by ``encode_tightly``, and reads it all again from the new pack before it counts.
"""

import enum
import hashlib
import struct
import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from poparchive.store.codec import (
    Dictionary,
    TightDictionary,
    compress,
    compress_tightly,
    decompress,
)
from poparchive.store.errors import DamageError, FormatError

MAGIC = b"PAFR"
PLAIN = 1
TIGHT = 2
NEWEST = TIGHT
_HEAD = struct.Struct("<4sBBBBIIIIQQ")
_CRC = struct.Struct("<I")
_DIGEST_BYTES = 32
HEADER_BYTES = _HEAD.size + _CRC.size + _DIGEST_BYTES
_ENTRY = struct.Struct("<BI8s")
PREFIX_BYTES = 8
SHORT_PREFIX_BYTES = 4


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


class Entry(NamedTuple):
    """One line of a frame's table, with its place in the decoded payload."""

    kind: ObjectKind
    prefix: bytes
    offset: int
    length: int


class Header(NamedTuple):
    """A frame's header, checked against its CRC."""

    version: int
    kind: Kind
    codec: Codec
    dictionary: int
    """Where in the pack the frame begins whose payload is the dictionary; 0 for none."""
    count: int  # type: ignore[assignment]  # a tuple's method of that name is not missed
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


def encode(
    objects: Sequence[Object],
    *,
    compressed: bool = True,
    dictionary: tuple[Dictionary, int] | None = None,
) -> bytes:
    """Return a frame of version 1, header and all. The payload was decoded again and found equal.

    ``dictionary`` comes with where in the pack the frame begins that holds it.
    """
    payload = b"".join([o.octets for o in objects])
    table = b"".join([_ENTRY.pack(o.kind, len(o.octets), o.id[:PREFIX_BYTES]) for o in objects])
    stored, codec, place = payload, Codec.STORED, 0
    if compressed:
        known, place = dictionary or (None, 0)
        packed = known.compress(payload) if known else compress(payload)
        if len(packed) >= len(payload):
            place = 0
        elif decompress(packed, len(payload), known) != payload:
            raise DamageError("zstd did not give back what it was given; the memory may be faulty")
        else:
            stored, codec = packed, Codec.ZSTD
    return _assemble(PLAIN, Kind.OBJECTS, codec, place, len(objects), table, len(payload), stored)


class Slot(NamedTuple):
    """An object of a payload that is at hand: its kind, id and length."""

    kind: ObjectKind
    id: bytes
    length: int


def encode_tightly(
    slots: Sequence[Slot],
    payload: bytes | bytearray,
    dictionary: tuple[TightDictionary, int] | None = None,
) -> bytes:
    """Return a frame of version 2, as small as it gets. Nothing was decoded: whoever writes it reads
    it again."""
    known, place = dictionary or (None, 0)
    stored = known.compress(payload) if known else compress_tightly(payload)
    table = b"".join(
        (
            bytes(one.kind for one in slots),
            _lengths(one.length for one in slots).tobytes(),
            *(one.id[:SHORT_PREFIX_BYTES] for one in slots),
        )
    )
    return _assemble(
        TIGHT,
        Kind.OBJECTS,
        Codec.ZSTD,
        place,
        len(slots),
        compress_tightly(table),
        len(payload),
        stored,
    )


def _lengths(values: Iterable[int] = ()) -> "array[int]":
    """A column of 4 octets each, little-endian wherever this runs."""
    column = array("I", values)
    if sys.byteorder == "big":
        column.byteswap()
    return column


def encode_dictionary(octets: bytes) -> bytes:
    """Return a frame that holds a dictionary and no objects."""
    stored = compress_tightly(octets)
    return _assemble(PLAIN, Kind.DICTIONARY, Codec.ZSTD, 0, 0, b"", len(octets), stored)


def encode_seal(pack_digest: bytes) -> bytes:
    """Return the last frame of a pack; ``pack_digest`` is the hash of all octets before it."""
    return _assemble(PLAIN, Kind.SEAL, Codec.STORED, 0, 0, b"", len(pack_digest), pack_digest)


def _assemble(
    version: int,
    kind: Kind,
    codec: Codec,
    dictionary: int,
    count: int,
    table: bytes,
    raw_length: int,
    stored: bytes,
) -> bytes:
    head = _HEAD.pack(
        MAGIC,
        version,
        kind,
        codec,
        0,
        dictionary,
        count,
        0,
        len(table),
        raw_length,
        len(stored),
    )
    head += _CRC.pack(zlib.crc32(head))
    digest = hashlib.sha256(head)
    digest.update(table)
    digest.update(stored)
    return b"".join((head, digest.digest(), table, stored))


def decode_header(octets: bytes) -> Header:
    """Read a header of ``HEADER_BYTES``. The digest is for ``check``, which has the body."""
    head = octets[: _HEAD.size]
    if len(octets) < HEADER_BYTES or not head.startswith(MAGIC):
        raise DamageError("no frame begins here")
    (crc,) = _CRC.unpack_from(octets, _HEAD.size)
    if zlib.crc32(head) != crc:
        raise DamageError("a frame's header is damaged")
    _, version, kind, codec, flags, dictionary, count, extra, table, raw, stored = _HEAD.unpack(
        head
    )
    if version > NEWEST or kind not in iter(Kind) or codec not in iter(Codec) or flags:
        raise FormatError(
            f"a frame was written by a newer version of poparchive: found version {version}, kind {kind},"
            f" codec {codec} and flags {flags}; this one reads up to version {NEWEST}, kind {Kind.SEAL},"
            f" codec {Codec.ZSTD} and without flags. Install a newer version"
        )
    if version == PLAIN and table != count * _ENTRY.size:
        raise DamageError("a frame's header does not agree with itself")
    return Header(
        version,
        Kind(kind),
        Codec(codec),
        dictionary,
        count,
        extra,
        table,
        raw,
        stored,
        octets[: _HEAD.size + _CRC.size],
        octets[_HEAD.size + _CRC.size : HEADER_BYTES],
    )


def check(header: Header, body: bytes) -> tuple[bytes, bytes]:
    """Check the digest over the whole frame and return (table, payload), both as they are stored."""
    digest = hashlib.sha256(header.head)
    digest.update(body)
    if digest.digest() != header.digest:
        raise DamageError("a frame's octets do not have the hash that was written with them")
    start = header.extra_length + header.table_length
    return body[header.extra_length : start], body[start:]


def decode(header: Header, stored: bytes, dictionary: Dictionary | None = None) -> bytes:
    """Return the payload, decoded."""
    if header.codec is Codec.STORED:
        return stored
    return decompress(stored, header.raw_length, dictionary)


def entries(header: Header, table: bytes) -> list[Entry]:
    """Read a table. An object of a kind that this version does not know is refused."""
    rows = _ENTRY.iter_unpack(table) if header.version == PLAIN else _columns(header.count, table)
    found = []
    offset = 0
    for kind, length, prefix in rows:
        if kind not in _OBJECT_KINDS:
            raise FormatError(
                f"an object has the kind {kind}; this poparchive knows kinds up to {ObjectKind.RECIPE}."
                " Install a newer version."
            )
        found.append(Entry(_OBJECT_KINDS[kind], prefix, offset, length))
        offset += length
    return found


def blobs(header: Header, table: bytes) -> dict[bytes, tuple[int, int]]:
    """Return where in the payload blobs begin and how long they are, by the first octets of their ids.

    Of a frame of version 2 nothing: its recipes say by themselves where their blobs are.
    """
    found: dict[bytes, tuple[int, int]] = {}
    offset = 0
    if header.version == PLAIN:
        for kind, length, prefix in _ENTRY.iter_unpack(table):
            if kind == ObjectKind.BLOB:
                found[prefix] = (offset, length)
            offset += length
    return found


_OBJECT_KINDS = {int(kind): kind for kind in ObjectKind}
_COLUMNS_BYTES = 1 + 4 + SHORT_PREFIX_BYTES


def _columns(count: int, table: bytes) -> Iterable[tuple[int, int, bytes]]:
    if not count:
        return []
    octets = decompress(table, count * _COLUMNS_BYTES)
    lengths = _lengths()
    lengths.frombytes(octets[count : 5 * count])
    if sys.byteorder == "big":
        lengths.byteswap()
    prefixes = octets[5 * count :]
    size = SHORT_PREFIX_BYTES
    return zip(
        octets[:count],
        lengths,
        [prefixes[at : at + size] for at in range(0, size * count, size)],
        strict=True,
    )
