"""Sealed packs of any size with parity, as bytes that can be put down again and again."""

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path

from poparchive.store import frame, parity
from poparchive.store.frame import Object, ObjectKind
from poparchive.store.layout import Layout
from poparchive.store.pack import PackWriter
from poparchive.store.sidecar import Header, Sidecar


@dataclass(frozen=True)
class Sealed:
    """Pack 1 of an archive and its sidecar, as they were made."""

    layout: Layout
    pack: bytes
    sidecar: bytes
    header: Header

    def put(self, pack: bytes | None = None, sidecar: bytes | None = None) -> None:
        """Put both files down, whole or as given."""
        self.layout.pack(1).write_bytes(self.pack if pack is None else pack)
        self.layout.parity(1).write_bytes(self.sidecar if sidecar is None else sidecar)

    def without(self, blocks: set[int]) -> bytes:
        """The pack with every octet of these blocks changed."""
        octets = bytearray(self.pack)
        for index in blocks:
            at = index * self.header.block
            part = octets[at : at + self.header.block]
            octets[at : at + self.header.block] = bytes(one ^ 0x55 for one in part)
        return bytes(octets)

    def sidecar_without(self, blocks: set[int]) -> bytes:
        """The sidecar with one octet changed in each of these blocks of parity."""
        octets = bytearray(self.sidecar)
        for index in blocks:
            octets[self.header.parity_at + index * self.header.block] ^= 1
        return bytes(octets)

    @property
    def target(self) -> Path:
        return self.layout.pack(1).with_suffix(".pack.healed")


def seal(layout: Layout, size: int, seed: int = 0, zeros: int = 0) -> None:
    """Write pack 1 with one object of so many octets and so many zeros, sealed, and begin pack 2."""
    octets = random.Random(seed).randbytes(size) + bytes(zeros)
    one = Object(ObjectKind.BLOB, hashlib.sha256(octets).digest(), octets)
    writer = PackWriter(layout, None, pack_bytes=1)
    for _ in range(2):
        writer.append([one], frame.encode([one], compressed=False))
    assert [bool(state.sealed) for state in writer.commit()] == [True, False]
    writer.close()


def sealed(
    layout: Layout, size: int, *, block: int = 64, percent: int = 2, seed: int = 0, zeros: int = 0
) -> Sealed:
    """``seal``, and make parity of small blocks, so that few octets have many stripes."""
    seal(layout, size, seed, zeros)
    path = parity.make(layout, 1, block=block, percent=percent)
    with Sidecar(layout, 1) as sidecar:
        header = sidecar.header
    return Sealed(layout, layout.pack(1).read_bytes(), path.read_bytes(), header)
