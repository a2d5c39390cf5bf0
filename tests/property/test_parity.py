"""Parity: any loss within the limit heals, any beyond it is refused, and nothing wrong comes out."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poparchive.store import healing, layout, parity
from poparchive.store.errors import DamageError, StoreError
from poparchive.store.sidecar import MOST_BLOCKS, shape
from tests.support.sealed import Sealed, sealed

SIZES = [(1, 2), (180, 2), (64 * 130, 2), (64 * 300 + 5, 2), (64 * 901 + 11, 2), (5000, 40)]
"""Octets of the object in the pack, and percent of parity, with blocks of 64 octets."""


@pytest.fixture(scope="module")
def packs() -> Iterator[list[Sealed]]:
    """Packs of all sizes, which every example damages anew."""
    with tempfile.TemporaryDirectory() as root:
        yield [
            sealed(layout.create(Path(root) / str(n)), size, percent=percent)
            for n, (size, percent) in enumerate(SIZES)
        ]


@dataclass
class Losses:
    """Blocks of data and of parity to lose; numbered as in the pack and in the sidecar."""

    data: set[int]
    parity: set[int]


def draw_losses(data: st.DataObject, one: Sealed, stripe: int, count: int) -> Losses:
    """Choose so many blocks of a stripe."""
    header = one.header
    places = [(True, at) for at in range(stripe, header.blocks, header.stripes)]
    first = stripe * header.parity
    places += [(False, at) for at in range(first, first + header.parity)]
    chosen = data.draw(st.sets(st.sampled_from(places), min_size=count, max_size=count))
    return Losses(
        {at for is_data, at in chosen if is_data}, {at for is_data, at in chosen if not is_data}
    )


def damaged(data: st.DataObject, one: Sealed, lost: set[int]) -> bytes:
    """The pack with these blocks changed, zeroed, or in part overwritten."""
    octets = bytearray(one.pack)
    block = one.header.block
    for index in lost:
        start, end = index * block, min(len(octets), (index + 1) * block)
        how = data.draw(st.sampled_from(["zeros", "one bit", "noise"]))
        if how == "zeros":
            octets[start:end] = bytes(end - start)
        elif how == "one bit":
            octets[data.draw(st.integers(start, end - 1))] ^= 1 << data.draw(st.integers(0, 7))
        else:
            noise = data.draw(st.binary(min_size=1, max_size=end - start))
            octets[start : start + len(noise)] = noise
    return bytes(octets)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_loss_within_the_limit_heals(packs: list[Sealed], data: st.DataObject) -> None:
    """Up to ``parity`` lost blocks in every stripe, of data and of parity, wherever they are."""
    one = data.draw(st.sampled_from(packs))
    header = one.header
    lost = Losses(set(), set())
    for stripe in range(header.stripes):
        more = draw_losses(data, one, stripe, data.draw(st.integers(0, header.parity)))
        lost.data |= more.data
        lost.parity |= more.parity
    pack, sidecar = damaged(data, one, lost.data), one.sidecar_without(lost.parity)
    pack += data.draw(st.binary(max_size=100))
    one.put(pack, sidecar)
    report = parity.check(one.layout, 1)
    assert set(report.lost) <= lost.data
    assert set(report.parity_lost) == lost.parity
    assert report.can_heal
    assert healing.heal(one.layout, 1, one.target) == (pack != one.pack) == (not report.whole)
    if pack != one.pack:
        assert one.target.read_bytes() == one.pack
        one.target.unlink()
    assert not one.target.exists()
    assert (one.layout.pack(1).read_bytes(), one.layout.parity(1).read_bytes()) == (pack, sidecar)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_loss_beyond_is_refused(packs: list[Sealed], data: st.DataObject) -> None:
    """One lost block more in a single stripe, one of data at least: an error, and nothing changes."""
    one = data.draw(st.sampled_from(packs[1:]))
    header = one.header
    stripe = data.draw(st.integers(0, header.stripes - 1))
    lost = draw_losses(data, one, stripe, header.parity + 1)
    pack, sidecar = one.without(lost.data), one.sidecar_without(lost.parity)
    one.put(pack, sidecar)
    (excess,) = parity.check(one.layout, 1).excess
    assert excess == (stripe, len(lost.data), header.parity - len(lost.parity))
    with pytest.raises(DamageError, match="cannot be healed"):
        healing.heal(one.layout, 1, one.target)
    assert not one.target.exists()
    assert (one.layout.pack(1).read_bytes(), one.layout.parity(1).read_bytes()) == (pack, sidecar)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_damage_gives_a_wrong_pack(packs: list[Sealed], data: st.DataObject) -> None:
    """Both files cut, flipped and overwritten at will: the pack as it was, or an error of our own."""
    one = data.draw(st.sampled_from(packs[:3]))
    one.put(spoilt(data, one.pack), spoilt(data, one.sidecar))
    try:
        report = parity.check(one.layout, 1)
        healed = healing.heal(one.layout, 1, one.target)
    except StoreError:
        assert not one.target.exists()
        return
    assert not report.problem
    assert healed != report.whole
    if healed:
        assert one.target.read_bytes() == one.pack
        one.target.unlink()
    else:
        assert one.layout.pack(1).read_bytes() == one.pack


def spoilt(data: st.DataObject, octets: bytes) -> bytes:
    changed = bytearray(octets)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(octets)))
        with_what = data.draw(st.binary(min_size=1, max_size=8))
        how = data.draw(st.sampled_from(["cut", "over", "into"]))
        if how == "cut":
            del changed[at:]
        elif how == "over":
            changed[at : at + len(with_what)] = with_what
        else:
            changed[at:at] = with_what
    return bytes(changed)


@given(st.integers(1, 1 << 30), st.integers(1, 100), st.sampled_from([512, 4096, 65536]))
def test_every_length_has_a_shape(length: int, percent: int, block: int) -> None:
    """No stripe has more than 256 blocks or none of data, and parity is what was asked for at least."""
    stripes, spare = shape(length, percent=percent, block=block)
    blocks = -(-length // block)
    k = -(-blocks // stripes)
    assert 1 <= stripes <= blocks
    assert k + spare <= MOST_BLOCKS
    assert spare >= max(2, k * percent / 100)
    assert (blocks // stripes) in (k - 1, k)
