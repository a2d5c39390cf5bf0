"""Parity: a pack is healed octet for octet or not at all, and damage is never taken for the truth."""

import errno
import hashlib
import os
import random
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
import zfec  # type: ignore[import-untyped]  # it comes without types

from poparchive.store import healing, layout, parity
from poparchive.store.errors import DamageError, FormatError, StoreError, WriteError
from poparchive.store.sidecar import HEADER_BYTES, shape
from tests.support.sealed import Sealed, seal, sealed


@pytest.fixture
def archive(tmp_path: Path) -> layout.Layout:
    return layout.create(tmp_path / "archive")


@pytest.fixture
def small(archive: layout.Layout) -> Sealed:
    """One stripe of 6 blocks, 2 of parity."""
    one = sealed(archive, 130)
    assert (one.header.stripes, one.header.blocks, one.header.parity) == (1, 6, 2)
    return one


@pytest.fixture
def large(archive: layout.Layout) -> Sealed:
    """Several stripes, of which the last have one block less."""
    one = sealed(archive, 64 * 901 + 11)
    assert one.header.stripes == 4
    assert one.header.blocks % 4
    return one


def heals(one: Sealed) -> None:
    """What is on disk is healed to the pack as it was made, and neither file is touched."""
    before = [_octets(path) for path in (one.layout.pack(1), one.layout.parity(1))]
    assert parity.check(one.layout, 1).can_heal
    assert healing.heal(one.layout, 1, one.target)
    assert one.target.read_bytes() == one.pack
    assert before == [_octets(path) for path in (one.layout.pack(1), one.layout.parity(1))]
    one.target.unlink()


def fails(one: Sealed, match: str) -> None:
    """Healing is refused, nothing is left, and neither file is touched."""
    before = [_octets(path) for path in (one.layout.pack(1), one.layout.parity(1))]
    with pytest.raises(DamageError, match=match):
        healing.heal(one.layout, 1, one.target)
    assert not one.target.exists()
    assert before == [_octets(path) for path in (one.layout.pack(1), one.layout.parity(1))]


def _octets(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


@pytest.mark.parametrize(
    "length", [1, 4096, 4097, 200 << 10, 1_024_000, 1_024_001, 5 << 20, 256 << 20]
)
def test_the_shape_costs_two_percent(length: int) -> None:
    """At most 256 blocks a stripe, at least two of parity, and not much above 2% for larger packs."""
    stripes, spare = shape(length)
    blocks = -(-length // 4096)
    k = -(-blocks // stripes)
    assert k + spare <= 256
    assert spare >= max(2, k * 0.02)
    assert stripes <= blocks
    if length > 1 << 20:
        assert stripes * spare <= blocks * 0.025
    assert (stripes == 1) == (length <= 1_024_000)


def test_the_sidecar_is_as_the_page_says(large: Sealed) -> None:
    """Every field, sum and block stands where docs/store-format.md puts it."""
    octets, pack = large.sidecar, large.pack
    magic, version, flags, archive, number, block, stripes, spare, length, digest, crc = (
        struct.unpack_from("<8sHH16sIIIIQ32sI", octets)
    )
    assert (magic, version, flags, archive, number) == (b"POPAPRTY", 1, 0, large.layout.id, 1)
    assert (length, crc) == (len(pack), zlib.crc32(octets[:84]))
    assert digest == hashlib.sha256(pack).digest()
    assert octets[-88:] == octets[:88]
    blocks = [pack[at : at + block].ljust(block, b"\0") for at in range(0, length, block)]
    at = 88
    assert octets[at:][: 4 * len(blocks)] == b"".join(
        zlib.crc32(one).to_bytes(4, "little") for one in blocks
    )
    at += 4 * len(blocks)
    made = []
    k = -(-len(blocks) // stripes)
    for stripe in range(stripes):
        data = blocks[stripe::stripes]
        data += [bytes(block)] * (k - len(data))
        made += zfec.Encoder(k, k + spare).encode(data, tuple(range(k, k + spare)))
    assert octets[at:][: 4 * len(made)] == b"".join(
        zlib.crc32(one).to_bytes(4, "little") for one in made
    )
    at += 4 * len(made)
    assert octets[at:-88] == b"".join(made)


def test_a_whole_pack_needs_no_healing(large: Sealed) -> None:
    """check finds nothing, heal says that there was no need and leaves nothing."""
    report = parity.check(large.layout, 1)
    assert report == parity.Report(1, whole=True, headers=2)
    assert report.can_heal
    assert not report.worn
    assert not healing.heal(large.layout, 1, large.target)
    assert not large.target.exists()


def test_a_long_run_is_healed(large: Sealed) -> None:
    """As many neighbouring blocks as there is parity in all stripes together, wherever they lie."""
    run = large.header.stripes * large.header.parity
    for first in (0, 13, large.header.blocks - run):
        lost = set(range(first, first + run))
        large.put(large.without(lost))
        report = parity.check(large.layout, 1)
        assert (set(report.lost), report.whole, report.excess) == (lost, False, ())
        heals(large)


def test_one_block_too_many_is_named(large: Sealed) -> None:
    """The error says which stripe, how many it lost, and how many can be made again."""
    spare = large.header.parity
    lost = {2 + n * large.header.stripes for n in range(spare + 1)}
    large.put(large.without(lost))
    report = parity.check(large.layout, 1)
    assert report.excess == (parity.Excess(2, spare + 1, spare),)
    assert not report.can_heal
    fails(large, rf"stripe 2 of 4 has lost {spare + 1} of its \d+ blocks, and {spare} can be made")


def test_lost_parity_counts(large: Sealed) -> None:
    """A wrong block of parity is one less that can be made again in its stripe, and in no other."""
    spare = large.header.parity
    lost = {n * large.header.stripes for n in range(spare)}
    large.put(large.without(lost), large.sidecar_without({spare}))
    report = parity.check(large.layout, 1)
    assert report.parity_lost == (spare,)
    assert report.worn
    heals(large)
    large.put(large.without(lost), large.sidecar_without({1}))
    fails(large, f"and {spare - 1} can be made again")


def test_every_cut_of_the_pack(small: Sealed) -> None:
    """A pack that ends early is healed where what is missing lies in two blocks, else refused."""
    for length in range(len(small.pack)):
        small.put(small.pack[:length])
        if length >= len(small.pack) - len(small.pack) % 64 - 64:
            heals(small)
        else:
            fails(small, "has lost")


def test_a_pack_that_is_too_long(small: Sealed) -> None:
    """Octets behind the end are left out; alone they are reason enough to heal."""
    small.put(small.pack + b"more")
    assert not parity.check(small.layout, 1).whole
    heals(small)
    small.put(small.without({0, 5}) + bytes(1000))
    heals(small)


def test_a_missing_pack(archive: layout.Layout) -> None:
    """A pack that is gone can be made again where there is as much parity as data."""
    one = sealed(archive, 900, percent=100)
    one.layout.pack(1).unlink()
    heals(one)
    one.put(sidecar=one.sidecar_without({0}))
    one.layout.pack(1).unlink()
    fails(one, "has lost")


def test_every_flip_in_the_sidecar(small: Sealed) -> None:
    """With a block of the pack lost, no single wrong octet of the sidecar hinders or misleads."""
    for at in range(len(small.sidecar)):
        octets = bytearray(small.sidecar)
        octets[at] ^= 1 << at % 8
        small.put(small.without({3}), bytes(octets))
        assert parity.check(small.layout, 1).worn or 88 <= at < 88 + 4 * 6
        heals(small)
        small.put(sidecar=bytes(octets))
        report = parity.check(small.layout, 1)
        assert report.whole
        assert report.worn
        assert not healing.heal(small.layout, 1, small.target)


def test_every_cut_of_the_sidecar(small: Sealed) -> None:
    """A sidecar that ends or begins anywhere heals rightly or is refused; with no header it is named."""
    healed = 0
    for at in range(len(small.sidecar)):
        for octets in (small.sidecar[:at], small.sidecar[at:]):
            small.put(small.without({3}), octets)
            try:
                assert healing.heal(small.layout, 1, small.target)
            except StoreError as error:
                assert str(small.layout.root) in str(error)  # noqa: PT017 - either outcome is right
            else:
                assert small.target.read_bytes() == small.pack
                healed += 1
    assert healed > HEADER_BYTES


def test_a_sidecar_filled_up_with_zeros(small: Sealed) -> None:
    """The last header is found although the file goes on behind it."""
    small.put(small.without({0}), bytes(HEADER_BYTES) + small.sidecar[HEADER_BYTES:] + bytes(3000))
    assert parity.check(small.layout, 1).headers == 0
    heals(small)


def test_both_headers_bad(small: Sealed) -> None:
    """Without a header there is no parity: said by check, refused by heal, listed as missing."""
    octets = bytearray(small.sidecar)
    octets[40] ^= 1
    octets[-40] ^= 1
    small.put(small.without({0}), bytes(octets))
    report = parity.check(small.layout, 1)
    assert "neither of its headers" in report.problem
    assert not report.can_heal
    assert report.worn
    fails(small, "neither of its headers")
    assert parity.missing(small.layout, [1]) == [1]


def test_a_wrong_digest_is_noticed(small: Sealed) -> None:
    """If sums and parity agree on something that does not have the digest, it is not handed over."""
    head = replace(small.header, digest=bytes(32)).encode()
    small.put(small.without({0}), head + small.sidecar[HEADER_BYTES:-HEADER_BYTES] + head)
    fails(small, "does not have the pack's digest")


@pytest.mark.parametrize("change", [{"number": 2}, {"archive": bytes(16)}])
def test_a_foreign_sidecar_is_refused(small: Sealed, change: dict[str, int | bytes]) -> None:
    """A sidecar of another pack or of another archive heals nothing, and does not count as parity."""
    head = replace(small.header, **change).encode()  # type: ignore[arg-type]  # values of two kinds
    small.put(small.without({0}), head + small.sidecar[HEADER_BYTES:-HEADER_BYTES] + head)
    assert "another archive" in parity.check(small.layout, 1).problem
    fails(small, "another archive")
    assert parity.missing(small.layout, [1]) == [1]


@pytest.mark.parametrize(
    "change",
    [
        {"block": 0},
        {"block": 1 << 20},
        {"stripes": 0},
        {"stripes": 7},
        {"parity": 0},
        {"parity": 255},
        {"length": 0},
        {"length": 1 << 60},
    ],
)
def test_a_header_without_sense_is_damage(small: Sealed, change: dict[str, int]) -> None:
    """A header that no writer makes is refused before anything is reserved for it."""
    head = replace(small.header, **change).encode()  # type: ignore[arg-type]
    small.put(small.without({0}), head + small.sidecar[HEADER_BYTES:])
    fails(small, "does not agree with itself")


@pytest.mark.parametrize(
    ("at", "text", "summed"),
    [
        (8, "version 2, flags 0", True),
        (8, "version 2, flags 0", False),
        (10, "version 1, flags 2", True),
    ],
)
def test_a_newer_version_is_named(small: Sealed, at: int, text: str, summed: bool) -> None:
    """A newer sidecar is refused by its number, by heal and check, and is never made anew."""
    head = bytearray(small.sidecar[:84])
    head[at] = 2
    crc = zlib.crc32(head) if summed else 0
    octets = bytes(head) + crc.to_bytes(4, "little") + small.sidecar[88:-88]
    small.put(small.without({0}), octets)
    for refused in (
        lambda: parity.check(small.layout, 1),
        lambda: healing.heal(small.layout, 1, small.target),
    ):
        with pytest.raises(FormatError, match=text):
            refused()
    assert parity.missing(small.layout, [1]) == []


def test_missing(archive: layout.Layout) -> None:
    """Packs without a sidecar are listed in order; one that is not there is not."""
    seal(archive, 100)
    assert parity.missing(archive, [2, 1, 3]) == [1, 2]
    parity.make(archive, 1)
    assert parity.missing(archive, [1]) == []


def test_a_stale_sidecar_is_missing_parity(archive: layout.Layout, tmp_path: Path) -> None:
    """One made of another pack of this number does not count; damage to the pack changes nothing."""
    one = sealed(archive, 900, block=256)
    other = layout.create(tmp_path / "other")._replace(id=archive.id)
    one.put(sidecar=sealed(other, 900, block=256, seed=1).sidecar)
    assert parity.missing(archive, [1]) == [1]
    parity.make(archive, 1, block=256)
    assert archive.parity(1).read_bytes() == one.sidecar
    last = one.header.blocks - 1
    for damaged in (one.without({0}), one.without({last}), one.pack[:300], one.pack + b"x"):
        one.put(damaged)
        assert parity.missing(archive, [1]) == []


def test_no_parity_of_a_damaged_pack(small: Sealed) -> None:
    """Whatever octet is wrong or missing, the sidecar of the whole pack stays, and nothing else."""
    names = {path.name for path in small.layout.pack(1).parent.iterdir()}
    for at in range(len(small.pack)):
        changed = small.pack[:at] + bytes([small.pack[at] ^ 16]) + small.pack[at + 1 :]
        for octets in (changed, small.pack[:at], small.pack + bytes(at + 1)):
            small.put(octets)
            with pytest.raises(StoreError, match=r"00000001\.pack"):
                parity.make(small.layout, 1)
            assert small.layout.parity(1).read_bytes() == small.sidecar
    assert {path.name for path in small.layout.pack(1).parent.iterdir()} == names


def test_an_unsealed_pack_gets_no_parity(archive: layout.Layout) -> None:
    """The pack that pulls append to would change under its parity."""
    seal(archive, 400)
    with pytest.raises(DamageError, match=r"00000002\.pack: where the seal should be"):
        parity.make(archive, 2)


def test_parity_of_a_pack_without_its_name(small: Sealed) -> None:
    """optimize makes parity before the pack is renamed: the same octets as after."""
    new = small.layout.pack(1).with_suffix(".pack.new")
    small.layout.pack(1).rename(new)
    small.layout.parity(1).unlink()
    path = parity.make(small.layout, 1, pack=new, block=64)
    assert path == small.layout.parity(1)
    assert path.read_bytes() == small.sidecar


def test_the_original_is_never_the_target(small: Sealed) -> None:
    """Neither by its name nor by another one."""
    link = small.layout.root / "link"
    link.hardlink_to(small.layout.pack(1))
    small_pack = small.without({0})
    small.put(small_pack)
    for target in (small.layout.pack(1), small.layout.parity(1), link):
        with pytest.raises(ValueError, match="never written over"):
            healing.heal(small.layout, 1, target)
    assert small.layout.pack(1).read_bytes() == small_pack
    assert small.layout.parity(1).read_bytes() == small.sidecar


def test_a_target_that_cannot_be_written(small: Sealed) -> None:
    """The error names the target."""
    small.put(small.without({0}))
    with pytest.raises(WriteError, match="nowhere"):
        healing.heal(small.layout, 1, small.layout.root / "nowhere" / "healed")


def test_what_a_crash_left_is_written_over(small: Sealed) -> None:
    """An older and longer file at the target does not shine through."""
    small.put(small.without({1}))
    small.target.write_bytes(b"x" * 5000)
    heals(small)


class BadSectors:
    """Makes reads of one file fail where sectors of it are bad, as the kernel does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, path: Path, *, short: bool) -> None:
        self.bad: set[int] = set()
        self._inode = path.stat().st_ino
        self._short = short
        self._preadv = os.preadv
        monkeypatch.setattr(os, "preadv", self.preadv)

    def preadv(self, fd: int, buffers: list[memoryview], offset: int) -> int:
        if os.fstat(fd).st_ino == self._inode:
            end = offset + len(buffers[0])
            hit = sorted(one for one in self.bad if offset < (one + 1) * 4096 and one * 4096 < end)
            if hit and (hit[0] * 4096 <= offset or not self._short):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            if hit:
                buffers = [buffers[0][: hit[0] * 4096 - offset]]
        return self._preadv(fd, buffers, offset)


@pytest.mark.parametrize("short", [True, False], ids=["reads end early", "whole reads fail"])
class TestBadSectors:
    """Sectors that cannot be read are lost blocks, and no more than that."""

    @pytest.fixture
    def one(self, archive: layout.Layout) -> Sealed:
        return sealed(archive, 4096 * 600, block=4096)

    def test_of_the_pack(self, one: Sealed, short: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        """Exactly the unreadable blocks are lost, and they are healed."""
        disk = BadSectors(monkeypatch, one.layout.pack(1), short=short)
        disk.bad = set(random.Random(5).sample(range(one.header.blocks - 3), 4))
        disk.bad |= {0, one.header.blocks - 1}
        report = parity.check(one.layout, 1)
        assert set(report.lost) == disk.bad
        assert report.can_heal
        assert healing.heal(one.layout, 1, one.target)
        assert one.target.read_bytes() == one.pack
        disk.bad = set(range(0, one.header.blocks, one.header.stripes))
        fails_without_reading(one)

    def test_of_the_sidecar(
        self, one: Sealed, short: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Bad sectors at either end of the sidecar do not hinder healing."""
        one.put(one.without({7}))
        disk = BadSectors(monkeypatch, one.layout.parity(1), short=short)
        for sector in range(-(-len(one.sidecar) // 4096)):
            disk.bad = {sector}
            if sector == 0:
                # Its sums are gone too, so that every block looks lost: the digest knows better.
                assert parity.check(one.layout, 1).excess
                continue
            assert healing.heal(one.layout, 1, one.target)
            assert one.target.read_bytes() == one.pack

    def test_that_hold_zeros(
        self, archive: layout.Layout, short: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A pack is not whole while a part cannot be read, even if the zeros put there are right."""
        one = sealed(archive, 5000, zeros=3 * 4096, block=4096)
        assert one.pack[2 * 4096 : 3 * 4096] == bytes(4096)
        disk = BadSectors(monkeypatch, archive.pack(1), short=short)
        disk.bad = {2}
        report = parity.check(archive, 1)
        assert (report.whole, report.lost, report.can_heal) == (False, (), True)
        assert healing.heal(archive, 1, one.target)
        assert one.target.read_bytes() == one.pack


def fails_without_reading(one: Sealed) -> None:
    """Healing is refused and leaves nothing; the pack itself cannot be read."""
    with pytest.raises(DamageError, match="cannot be healed"):
        healing.heal(one.layout, 1, one.layout.root / "healed")
    assert not (one.layout.root / "healed").exists()
