"""Heals a damaged pack with its parity.

Promise: a healed pack is handed over only when all its octets have the digest. The damaged one and its
sidecar are never written to. Memory is bounded whatever the pack's size: less than 5 MiB.
"""

import hashlib
import os
from collections import Counter, defaultdict
from pathlib import Path

import zfec  # type: ignore[import-untyped]  # it comes without types

from poparchive.store.errors import DamageError
from poparchive.store.fsio import read_exactly, write_all
from poparchive.store.layout import Layout
from poparchive.store.parity import Excess, excess_of, is_whole, new_file, scan
from poparchive.store.sidecar import Header, Sidecar, Source

_PIECE_BYTES = 1 << 20


def heal(layout: Layout, number: int, target: Path) -> bool:
    """Write a healed copy of a damaged pack to ``target``, and return whether there was need to.

    The copy has the pack's digest, read back from ``target``, and is synced; to rename it over the
    pack and to sync the directory is the caller's. With False, and after an error, nothing of it
    is left. The pack and its sidecar are only read.

    :raises DamageError: More is lost than can be made again, or there is no parity to do it with.
    :raises FormatError: A newer version wrote the sidecar.
    """
    pack = layout.pack(number)
    for path in (pack, layout.parity(number)):
        if target == path or (target.exists() and path.exists() and target.samefile(path)):
            raise ValueError(f"{target}: a healed copy is never written over what it is made from")
    with Sidecar(layout, number) as sidecar, Source(pack) as source, new_file(target) as out:
        lost, digest = scan(source, sidecar, out)
        if is_whole(source, sidecar.header, digest):
            target.unlink()
            return False
        _restore(sidecar, lost, out, target, pack)
        if _digest(out, sidecar.header.length, target) != sidecar.header.digest:
            raise DamageError(
                f"{pack}: cannot be healed: what parity made of it does not have the pack's digest,"
                " so the sidecar is damaged too; nothing was changed"
            )
        os.fsync(out)
    return True


def _restore(sidecar: Sidecar, lost: list[int], out: int, path: Path, pack: Path) -> None:
    """Make the lost blocks again in the copy, whose other blocks are right."""
    header = sidecar.header
    rows: defaultdict[int, set[int]] = defaultdict(set)
    for index in lost:
        rows[index % header.stripes].add(index // header.stripes)
    gone = Counter({stripe: sidecar.parity(stripe).count(None) for stripe in rows})
    if excess := excess_of(header, lost, gone):
        raise DamageError(_sentence(pack, header, excess))
    decoder = zfec.Decoder(header.k, header.k + header.parity)
    for stripe, bad in rows.items():
        spare = [
            (octets, header.k + n)
            for n, octets in enumerate(sidecar.parity(stripe))
            if octets is not None
        ]
        if len(spare) < len(bad):
            raise DamageError(f"{sidecar.path}: read twice, and it was not the same")
        blocks, numbers = [], []
        for row in range(header.k):
            if row in bad:
                octets, n = spare.pop()
            else:
                octets, n = _block(out, header, row * header.stripes + stripe, path), row
            blocks.append(octets)
            numbers.append(n)
        made = decoder.decode(tuple(blocks), tuple(numbers))
        for row in bad:
            at = (row * header.stripes + stripe) * header.block
            os.lseek(out, at, os.SEEK_SET)
            write_all(out, made[row][: header.length - at])


def _block(fd: int, header: Header, index: int, path: Path) -> bytearray:
    """Return a block of the pack; zeros behind the pack's end."""
    at = index * header.block
    there = max(0, min(header.block, header.length - at))
    octets = read_exactly(fd, there, at, path) if there else b""
    return bytearray(octets.ljust(header.block, b"\0"))


def _digest(fd: int, length: int, path: Path) -> bytes:
    digest = hashlib.sha256()
    for at in range(0, length, _PIECE_BYTES):
        digest.update(read_exactly(fd, min(_PIECE_BYTES, length - at), at, path))
    return digest.digest()


def _sentence(pack: Path, header: Header, excess: list[Excess]) -> str:
    worst = max(excess, key=lambda one: one.lost - one.spare)
    others = f"; {len(excess) - 1} more stripes have lost too much" if len(excess) > 1 else ""
    return (
        f"{pack}: cannot be healed: stripe {worst.stripe} of {header.stripes} has lost {worst.lost}"
        f" of its {header.k} blocks, and {worst.spare} can be made again{others}; nothing was changed"
    )
