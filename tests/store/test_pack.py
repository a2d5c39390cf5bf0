"""Packs: what was committed is found again, and what was damaged is named."""

import errno
import fcntl
import hashlib
import os
import random
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from poparchive.model import Location
from poparchive.store import codec, dictionaries, frame, layout, packread
from poparchive.store.codec import TightDictionary
from poparchive.store.errors import DamageError, LockedError, StoreError, WriteError
from poparchive.store.frame import Header, Kind, Object, ObjectKind
from poparchive.store.fsio import Lock
from poparchive.store.journal import START, JournalWriter
from poparchive.store.pack import PACK_HEADER_BYTES, PackWriter
from poparchive.store.packread import Frame, PackReader
from poparchive.store.records import PackRecord, RetiredRecord, Sealed
from tests.support.frames import tightly


@pytest.fixture
def archive(tmp_path: Path) -> layout.Layout:
    return layout.create(tmp_path / "archive")


def blob(text: str) -> Object:
    octets = text.encode()
    return Object(ObjectKind.BLOB, hashlib.sha256(octets).digest(), octets)


def put(writer: PackWriter, objects: list[Object]) -> list[Location]:
    return writer.append(objects, frame.encode(objects))


def test_the_pack_that_cannot_be_made_is_named(archive: layout.Layout) -> None:
    """By its own number, whatever the writer had open before; ``optimize`` makes one beside others."""
    writer = PackWriter(archive, None, path=archive.new_pack, given=6)
    (archive.root / "packs" / "07").write_text("")
    with pytest.raises(WriteError, match=r"packs/07/00000007\.pack\.new: cannot write"):
        writer.begin()


def test_objects_are_read_back(archive: layout.Layout) -> None:
    """Every location that append gave leads to its octets, in any order, across sealed packs."""
    writer = PackWriter(archive, None, pack_bytes=2000)
    places = {}
    for n in range(60):
        objects = [blob(f"{n}/{k} " * (k + 1)) for k in range(4)]
        for one, at in zip(objects, put(writer, objects), strict=True):
            places[one.octets] = at
    states = writer.commit()
    writer.close()
    assert len(states) > 3
    assert [s.sealed for s in states] == [Sealed.YES] * (len(states) - 1) + [Sealed.NO]
    reader = PackReader(archive, cache_bytes=1)
    for octets, at in sorted(places.items()):
        assert reader.read(at) == octets
    for state in states:
        kinds = [f.header.kind for f in reader.frames(state.number, 0, state.length)]
        assert (kinds[-1] is Kind.SEAL) == bool(state.sealed)
    reader.close()


def test_a_seal_is_the_hash_of_the_pack(archive: layout.Layout) -> None:
    """The seal's payload is the hash of all octets before it."""
    writer = PackWriter(archive, None, pack_bytes=600)
    for n in range(9):
        put(writer, [blob(f"{n} " * 50)])
    sealed = [s for s in writer.commit() if s.sealed]
    writer.close()
    reader = PackReader(archive)
    for state in sealed:
        *_, seal = reader.frames(state.number, 0, state.length)
        before = archive.pack(state.number).read_bytes()[: seal.start]
        assert seal.payload == hashlib.sha256(before).digest()
    reader.close()


def test_uncommitted_octets_are_cut_off(archive: layout.Layout) -> None:
    """A new writer forgets what was appended and not committed, torn or whole; what is whole it copies."""
    writer = PackWriter(archive, None)
    put(writer, [blob("kept")])
    (state,) = writer.commit()
    put(writer, [blob("lost")])
    writer.close()
    archive.pack(1).open("ab").write(b"PAFR torn")
    writer = PackWriter(archive, state)
    (at,) = put(writer, [blob("next")])
    assert at.frame == state.length
    writer.commit()
    writer.close()
    reader = PackReader(archive)
    assert reader.read(at) == b"next"
    copied = list(reader.frames(2, 0, archive.pack(2).stat().st_size))
    assert [one.payload for one in copied] == [b"lost"]
    reader.close()


def left(archive: layout.Layout) -> PackRecord:
    """A pack with three frames that were not committed."""
    writer = PackWriter(archive, None)
    writer.begin(b"words that mail has " * 20)
    put(writer, [blob("kept")])
    (state,) = writer.commit()
    for n in range(3):
        put(writer, [blob(f"lost {n} ")])
    writer.close()
    return state


@pytest.mark.parametrize("torn", [b"", b"PAFR", bytes(9000), b"PAFR torn" * 3000])
@pytest.mark.parametrize("before", [b"", bytes(77), b"PAFR, and no frame"])
def test_what_is_whole_behind_the_end(archive: layout.Layout, before: bytes, torn: bytes) -> None:
    """It is found behind other octets and before them, which come along."""
    state = left(archive)
    path = archive.pack(1)
    octets = path.read_bytes()
    path.write_bytes(octets[: state.length] + before + octets[state.length :] + torn)
    PackWriter(archive, state).close()
    assert path.read_bytes() == octets[: state.length]
    copied = archive.pack(2).read_bytes()
    begin = copied.index(before + octets[state.length :])
    assert copied[begin:].removesuffix(torn) == before + octets[state.length :]
    (dictionary, _) = frames_of(archive, 2, begin)
    assert dictionary.payload == b"words that mail has " * 20
    assert archive.packs() == [1, 2]
    PackWriter(archive, state).close()
    assert archive.packs() == [1, 2]


def frames_of(archive: layout.Layout, number: int, end: int) -> list[Frame]:
    reader = PackReader(archive)
    found = list(reader.frames(number, 0, end))
    reader.close()
    return found


def test_nothing_is_cut_before_it_is_copied(
    archive: layout.Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without room for the copy, or cut before the old octets go, all is there for the next."""
    state = left(archive)
    octets = archive.pack(1).read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(PackWriter, "copy", full)
        with pytest.raises(WriteError, match="the disk is full"):
            PackWriter(archive, state)
    assert archive.packs() == [1]
    assert archive.new_packs() == []
    with monkeypatch.context() as patch:
        patch.setattr("os.truncate", full)
        with pytest.raises(WriteError, match="the disk is full"):
            PackWriter(archive, state)
    assert archive.pack(1).read_bytes() == octets
    PackWriter(archive, state).close()
    assert archive.packs() == [1, 2, 3]
    assert archive.pack(1).read_bytes() == octets[: state.length]


def test_every_cut_and_every_flip_is_named(archive: layout.Layout) -> None:
    """A pack that is cut or changed at any octet gives an error that names the pack."""
    writer = PackWriter(archive, None)
    for n in range(3):
        put(writer, [blob(f"{n} " * 20), blob("x")])
    (state,) = writer.commit()
    writer.close()
    path = archive.pack(1)
    whole = path.read_bytes()
    assert len(whole) == state.length
    for at in range(state.length):
        for octets in (whole[:at], whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :]):
            path.write_bytes(octets)
            reader = PackReader(archive)
            with pytest.raises(StoreError, match=r"00000001\.pack"):
                list(reader.frames(1, 0, state.length))
            reader.close()


def test_a_pack_shorter_than_committed_is_damage(archive: layout.Layout) -> None:
    """A writer does not go on in a pack that lost committed octets."""
    writer = PackWriter(archive, None)
    put(writer, [blob("kept")])
    (state,) = writer.commit()
    writer.close()
    with archive.pack(1).open("r+b") as handle:
        handle.truncate(state.length - 1)
    with pytest.raises(DamageError, match="was cut"):
        PackWriter(archive, state)


def test_a_pack_of_another_archive_is_refused(archive: layout.Layout, tmp_path: Path) -> None:
    """Packs are bound to their archive."""
    other = layout.create(tmp_path / "other")
    writer = PackWriter(other, None)
    put(writer, [blob("theirs")])
    writer.commit()
    writer.close()
    archive.pack(1).parent.mkdir()
    archive.pack(1).write_bytes(other.pack(1).read_bytes())
    with pytest.raises(DamageError, match="another archive"):
        PackWriter(archive, PackRecord(1, PACK_HEADER_BYTES, sealed=Sealed.NO))


def test_a_writer_that_failed_stays_dead(archive: layout.Layout) -> None:
    """After a failed write nothing more is written, even if it would succeed."""
    writer = PackWriter(archive, None)
    packs = archive.root / "packs"
    packs.rmdir()
    packs.write_text("in the way")
    with pytest.raises(WriteError):
        put(writer, [blob("x")])
    packs.unlink()
    packs.mkdir()
    with pytest.raises(WriteError, match="earlier write"):
        put(writer, [blob("x")])


def test_one_writer_at_a_time(archive: layout.Layout) -> None:
    """The second writer learns who holds the archive, and gets it once it is free."""
    with Lock(archive.lock), pytest.raises(LockedError, match="process"):
        Lock(archive.lock)
    Lock(archive.lock).release()


def test_another_program_holds_the_directory(archive: layout.Layout) -> None:
    """As ``flock ARCHIVE poparchive pull`` does: the refusal says so, and the file's lock stays free."""
    fd = os.open(archive.root, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        with pytest.raises(
            LockedError, match=r"locked by another process.*on the directory itself"
        ):
            Lock(archive.lock)
    finally:
        os.close(fd)
    Lock(archive.lock).release()


def test_a_lock_is_given_back_whatever_the_disk_says(
    archive: layout.Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holder's name in the file is for people: that it cannot be removed keeps nobody out."""

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    lock = Lock(archive.lock)
    with monkeypatch.context() as broken:
        broken.setattr("os.ftruncate", fail)
        lock.release()
    Lock(archive.lock).release()


@pytest.mark.parametrize("damaged", [False, True])
def test_no_number_is_given_twice(archive: layout.Layout, *, damaged: bool) -> None:
    """Not after the pack was retired and removed, and not where the journal is damaged before that."""
    journal = JournalWriter(archive, START)
    first = journal.append([PackRecord(3, PACK_HEADER_BYTES, Sealed.YES)], 1).after.offset
    journal.append([PackRecord(7, PACK_HEADER_BYTES, Sealed.YES), RetiredRecord(7)], 2)
    journal.close()
    if damaged:
        octets = archive.journal(1).read_bytes()
        archive.journal(1).write_bytes(octets[: first - 1] + b"?" + octets[first:])
    writer = PackWriter(archive, None)
    writer.begin()
    assert writer.number == 8
    writer.close()


@pytest.mark.parametrize("length", [3_000, 250_000])
def test_a_dictionary_is_held_once(
    archive: layout.Layout, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    """Objects of a frame that is decoded as a dictionary are read without holding it twice; whoever reads
    message after message, the newest or the oldest first, does not copy it for each."""
    chance = random.Random(5)
    count = 4_200_000 // length
    blobs = [chance.randbytes(length) for _ in range(count)]
    large = [Object(ObjectKind.BLOB, b"%032d" % at, octets) for at, octets in enumerate(blobs)]
    small = Object(ObjectKind.BLOB, b"s" * 32, b"small, and " + blobs[0])
    writer = PackWriter(archive, None)
    writer.begin()
    payload = b"".join(blobs)
    first = put_tightly(writer, large, None)
    (there,) = put_tightly(writer, [small], (TightDictionary(payload), PACK_HEADER_BYTES))
    writer.end(Sealed.TIGHTLY)
    writer.commit()
    writer.close()

    monkeypatch.setattr(dictionaries, "_PIECE_BYTES", 100_000)
    copies = Counter[str]()
    whole = codec.Dictionary.octets.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(
        codec.Dictionary, "octets", property(lambda one: copies.update(["made"]) or whole(one))
    )
    reader = PackReader(archive)
    tracemalloc.start()
    try:
        half = count // 2
        for at in (*range(half), *reversed(range(half))):
            assert reader.read(there) == small.octets
            for one in (at, half + at):
                assert reader.read(first[one]) == blobs[one]
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        reader.close()
    assert len(payload) < held < 1.25 * len(payload)
    if length < dictionaries._PIECE_BYTES:
        assert copies["made"] < 4 * len(payload) / dictionaries._PIECE_BYTES


def put_tightly(
    writer: PackWriter, objects: list[Object], known: tuple[TightDictionary, int] | None
) -> list[Location]:
    """Append a frame as ``optimize`` does."""
    return writer.append_frame([len(one.octets) for one in objects], tightly(objects, known))


def test_a_frame_read_in_steps_is_decoded_once(
    archive: layout.Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked for piece by piece, in any order and in turn with other frames, comes back equal; and
    as long as there is room, no octet of a frame is read or decoded a second time."""
    monkeypatch.setattr(packread, "_WHOLE_BYTES", 100)
    writer = PackWriter(archive, None)
    texts = [[f"{n}/{k} " * 500 for k in range(9)] for n in range(3)]
    frames = [put(writer, [blob(text) for text in some]) for some in texts]
    writer.commit()
    writer.close()
    for cache_bytes, partial_bytes in ((1 << 20, 1 << 20), (1, 1), (1 << 20, 1), (30_000, 1 << 20)):
        monkeypatch.setattr(packread, "_PARTIAL_BYTES", partial_bytes)
        for order in ((2, 8, 0), (8, 2), (0, 1, 2, 8)):
            reader = PackReader(archive, cache_bytes=cache_bytes)
            checked: list[tuple[int, int]] = []
            monkeypatch.setattr(frame, "check", _noting(checked, frame.check))
            for k in order:
                for n in range(3):
                    assert reader.read(frames[n][k]) == texts[n][k].encode()
            monkeypatch.undo()
            monkeypatch.setattr(packread, "_WHOLE_BYTES", 100)
            monkeypatch.setattr(packread, "_PARTIAL_BYTES", partial_bytes)
            if cache_bytes == partial_bytes == 1 << 20:
                assert len(checked) == 3
            reader.close()


def _noting(
    calls: list[tuple[int, int]], check: Callable[[Header, bytes], tuple[bytes, bytes]]
) -> Callable[[Header, bytes], tuple[bytes, bytes]]:
    def noting(header: Header, body: bytes) -> tuple[bytes, bytes]:
        calls.append((header.raw_length, len(body)))
        return check(header, body)

    return noting


def test_a_frame_that_ends_early_is_damage(archive: layout.Layout) -> None:
    """A payload that decodes to fewer octets than its header says is damage in steps too, at the step that
    lacks them and not before."""
    part = codec.Partial(codec.compress(b"a" * 5000), 6000)
    assert part.more(3000) == b"a" * 3000
    with pytest.raises(DamageError):
        part.more(6000)
    with pytest.raises(DamageError):
        codec.Partial(b"\xff" * 50, 100).more(10)
    with pytest.raises(DamageError):
        codec.Partial(b"", codec.MAX_RAW_BYTES + 1)
