"""One bad spot in a pack's dictionary hides nothing, whether the pack is sealed or not."""

import hashlib
import random
from pathlib import Path

import pytest

from poparchive.archive.repair import packfiles
from poparchive.model import Location
from poparchive.store import frame, layout
from poparchive.store.codec import Dictionary
from poparchive.store.errors import DamageError
from poparchive.store.frame import Kind, Object, ObjectKind
from poparchive.store.layout import Layout
from poparchive.store.pack import PACK_HEADER_BYTES, PackWriter
from poparchive.store.packread import PackReader
from poparchive.store.records import PackRecord

_WORDS = [b"%x" % word for word in range(4000, 4300)]
DICTIONARY = b" ".join(random.Random(1).choices(_WORDS, k=60))


def mail(number: int) -> bytes:
    return b"%d " % number + DICTIONARY[number:200]


@pytest.fixture
def archive(tmp_path: Path) -> Layout:
    return layout.create(tmp_path / "archive")


def written(archive: Layout) -> tuple[dict[bytes, Location], PackRecord]:
    """An open pack whose frames all need its dictionary; return where what is."""
    writer = PackWriter(archive, None)
    writer.begin(DICTIONARY)
    places = {}
    for number in range(3):
        octets = mail(number)
        one = Object(ObjectKind.BLOB, hashlib.sha256(octets).digest(), octets)
        known = (Dictionary(DICTIONARY), PACK_HEADER_BYTES)
        (places[octets],) = writer.append([one], frame.encode([one], dictionary=known))
    (state,) = writer.commit()
    writer.close()
    return places, state


def size(archive: Layout) -> int:
    reader = PackReader(archive)
    one = reader.frame(1, PACK_HEADER_BYTES)
    reader.close()
    assert one.header.kind is Kind.DICTIONARY
    return one.end - one.start


def comes_out(archive: Layout, places: dict[bytes, Location]) -> bool:
    reader = PackReader(archive)
    try:
        return all(reader.read(at) == octets for octets, at in places.items())
    finally:
        reader.close()


def test_every_flip(archive: Layout) -> None:
    """Each octet of both copies changed by itself: all comes out, and a repair makes the pack what it was."""
    places, state = written(archive)
    path = archive.pack(1)
    octets = path.read_bytes()
    for at in range(PACK_HEADER_BYTES, PACK_HEADER_BYTES + 2 * size(archive)):
        path.write_bytes(octets[:at] + bytes([octets[at] ^ 0x20]) + octets[at + 1 :])
        assert comes_out(archive, places), at
        if at % 16 == 0:
            assert packfiles.double(archive, 1, state.length)
            assert path.read_bytes() == octets
            for kept in path.parent.glob("*.damaged-*"):
                kept.unlink()


def test_every_run_of_bad_octets(archive: Layout) -> None:
    """A run of up to half a copy heals wherever it is, also where it meets both."""
    places, _ = written(archive)
    path = archive.pack(1)
    octets = path.read_bytes()
    length = size(archive)
    run = length // 2 - 1
    for at in range(PACK_HEADER_BYTES, PACK_HEADER_BYTES + 2 * length - run, 3):
        path.write_bytes(octets[:at] + bytes(run) + octets[at + run :])
        assert comes_out(archive, places), at


def test_what_neither_has_is_told(archive: Layout) -> None:
    """The same octet bad in both: nothing is guessed."""
    places, state = written(archive)
    path = archive.pack(1)
    octets = bytearray(path.read_bytes())
    for at in (100, 100 + size(archive)):
        octets[PACK_HEADER_BYTES + at] ^= 1
    path.write_bytes(octets)
    with pytest.raises(DamageError, match="at octet 44"):
        comes_out(archive, places)
    assert not packfiles.double(archive, 1, state.length)
    assert path.read_bytes() == octets


def test_a_dictionary_that_stands_once(archive: Layout) -> None:
    """Packs of before: they are read and gone on with, and what is damaged is told."""
    places, state = written(archive)
    path = archive.pack(1)
    octets = path.read_bytes()
    length = size(archive)
    cut = PACK_HEADER_BYTES + length
    path.write_bytes(octets[:cut] + octets[cut + length :])
    once = {key: at._replace(frame=at.frame - length) for key, at in places.items()}
    assert comes_out(archive, once)
    writer = PackWriter(archive, state.__class__(1, state.length - length, state.sealed))
    assert writer.dictionary == DICTIONARY
    assert not writer.is_empty
    writer.close()
    path.write_bytes(octets[:100] + b"?" + octets[101:cut] + octets[cut + length :])
    with pytest.raises(DamageError, match="at octet 44"):
        comes_out(archive, once)


def test_a_pack_with_nothing_else_is_empty(archive: Layout) -> None:
    """Whoever goes on with it knows where objects begin."""
    writer = PackWriter(archive, None)
    writer.begin(DICTIONARY)
    (state,) = writer.commit()
    writer.close()
    again = PackWriter(archive, state)
    assert again.is_empty
    assert again.dictionary == DICTIONARY
    again.close()
