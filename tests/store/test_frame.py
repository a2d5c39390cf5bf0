"""Frames: what goes in comes out, and no flipped bit goes unnoticed."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poparchive.store import frame
from poparchive.store.errors import DamageError, FormatError
from poparchive.store.frame import HEADER_BYTES, Object, ObjectKind


def blob(octets: bytes) -> Object:
    return Object(ObjectKind.BLOB, hashlib.sha256(octets).digest(), octets)


def read(octets: bytes) -> list[bytes]:
    header = frame.decode_header(octets[:HEADER_BYTES])
    table, payload = frame.decode(header, octets[HEADER_BYTES : HEADER_BYTES + header.body_bytes])
    return [payload[e.offset : e.offset + e.length] for e in frame.entries(table)]


@given(st.lists(st.binary(max_size=300), max_size=8), st.booleans())
def test_objects_come_back(contents: list[bytes], compressed: bool) -> None:
    """Any objects come back in order, compressed or not, with octets of the next frame behind."""
    octets = frame.encode([blob(c) for c in contents], compressed=compressed)
    assert read(octets + b"PAFRtrailing") == contents


@settings(max_examples=50)
@given(st.data())
def test_every_flipped_bit_is_noticed(data: st.DataObject) -> None:
    """One changed octet anywhere in a frame raises our own error."""
    octets = bytearray(frame.encode([blob(b"some text " * 20), blob(b"\0\1\2")]))
    at = data.draw(st.integers(0, len(octets) - 1))
    octets[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises((DamageError, FormatError)):
        read(bytes(octets))


@given(st.integers(0, 400))
def test_every_cut_is_noticed(length: int) -> None:
    """A frame that was cut anywhere raises our own error."""
    octets = frame.encode([blob(bytes(range(256))), blob(b"x" * 40)])
    with pytest.raises(DamageError):
        read(octets[: min(length, len(octets) - 1)])


def test_a_newer_frame_is_refused_by_name() -> None:
    """A version or flag that this reader does not know is refused, never guessed at."""
    octets = bytearray(frame.encode([blob(b"x")]))
    octets[7] = 1
    octets[40:44] = frame._CRC.pack(__import__("zlib").crc32(bytes(octets[:40])))
    with pytest.raises(FormatError, match="newer"):
        frame.decode_header(bytes(octets[:HEADER_BYTES]))
