"""Frames: what goes in comes out, and no flipped bit goes unnoticed."""

import hashlib
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poparchive.store import frame
from poparchive.store.codec import Dictionary, TightDictionary
from poparchive.store.errors import DamageError, FormatError
from poparchive.store.frame import HEADER_BYTES, Object, ObjectKind
from tests.support.frames import tightly

Encode = Callable[..., bytes]


def blob(octets: bytes) -> Object:
    return Object(ObjectKind.BLOB, hashlib.sha256(octets).digest(), octets)


def read(octets: bytes, dictionary: Dictionary | None = None) -> list[bytes]:
    header = frame.decode_header(octets[:HEADER_BYTES])
    table, stored = frame.check(header, octets[HEADER_BYTES : HEADER_BYTES + header.body_bytes])
    payload = frame.decode(header, stored, dictionary)
    return [payload[e.offset : e.offset + e.length] for e in frame.entries(header, table)]


ENCODERS = st.sampled_from([frame.encode, partial(frame.encode, compressed=False), tightly])


@given(st.lists(st.binary(max_size=300), max_size=8), ENCODERS)
def test_objects_come_back(contents: list[bytes], encode: Encode) -> None:
    """Any objects come back in order, however written, with octets of the next frame behind."""
    octets = encode([blob(c) for c in contents])
    assert read(octets + b"PAFRtrailing") == contents


@given(
    st.lists(st.binary(max_size=300), min_size=1, max_size=8),
    st.sampled_from([frame.encode, tightly]),
    st.binary(min_size=8, max_size=3000),
)
def test_objects_come_back_with_a_dictionary(
    contents: list[bytes], encode: Encode, known: bytes
) -> None:
    """Any octets may be a dictionary; the header says where it is unless it was of no use."""
    made = Dictionary if encode is frame.encode else TightDictionary
    octets = encode([blob(known), *map(blob, contents)], dictionary=(made(known), 44))
    assert read(octets, Dictionary(known)) == [known, *contents]
    header = frame.decode_header(octets[:HEADER_BYTES])
    assert header.dictionary == (44 if header.codec is frame.Codec.ZSTD else 0)


def test_a_tight_table_has_what_is_needed() -> None:
    """Kinds, lengths and the first octets of ids, in the order of the payload."""
    objects = [Object(ObjectKind.RECIPE, b"r" * 32, b"one"), blob(b"three"), blob(b"")]
    octets = tightly(objects)
    header = frame.decode_header(octets[:HEADER_BYTES])
    table, _ = frame.check(header, octets[HEADER_BYTES:])
    assert frame.entries(header, table) == [
        frame.Entry(ObjectKind.RECIPE, b"rrrr", 0, 3),
        frame.Entry(ObjectKind.BLOB, objects[1].id[:4], 3, 5),
        frame.Entry(ObjectKind.BLOB, objects[2].id[:4], 8, 0),
    ]


@settings(max_examples=50)
@given(st.data(), ENCODERS)
def test_every_flipped_bit_is_noticed(data: st.DataObject, encode: Encode) -> None:
    """One changed octet anywhere in a frame raises our own error."""
    octets = bytearray(encode([blob(b"some text " * 20), blob(b"\0\1\2")]))
    at = data.draw(st.integers(0, len(octets) - 1))
    octets[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises((DamageError, FormatError)):
        read(bytes(octets))


@given(st.integers(0, 400), ENCODERS)
def test_every_cut_is_noticed(length: int, encode: Encode) -> None:
    """A frame that was cut anywhere raises our own error."""
    octets = encode([blob(bytes(range(256))), blob(b"x" * 40)])
    with pytest.raises(DamageError):
        read(octets[: min(length, len(octets) - 1)])


def test_a_newer_frame_is_refused_by_name() -> None:
    """A version or flag that this reader does not know is refused, never guessed at."""
    octets = bytearray(frame.encode([blob(b"x")]))
    octets[7] = 1
    octets[40:44] = frame._CRC.pack(__import__("zlib").crc32(bytes(octets[:40])))
    with pytest.raises(FormatError, match="newer"):
        frame.decode_header(bytes(octets[:HEADER_BYTES]))
