"""Parity of sealed packs: makes it and checks it. ``store.healing`` heals with it.

Promise: parity is made only of a pack that its own seal proves, so that damage is never taken for the
truth. The pack itself is never written to. ``docs/store-format.md``, section "Parity", has the format;
``store.sidecar`` reads it.

Memory is bounded whatever the pack's size: less than 20 MiB to make parity, less than 5 to check it.
"""

import contextlib
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import zfec  # type: ignore[import-untyped]  # it comes without types

from poparchive.store import frame, heads
from poparchive.store.errors import DamageError, FormatError
from poparchive.store.fsio import read_exactly, sync_directory, write_all, writing
from poparchive.store.layout import Layout
from poparchive.store.pack import PACK_HEADER_BYTES
from poparchive.store.sidecar import (
    BLOCK_BYTES,
    PERCENT,
    SUM_BYTES,
    Header,
    Sidecar,
    Source,
    differing,
    shape,
    sums_of,
)

_PIECE_BYTES = 1 << 20
"""About what is read at a time."""

_WINDOW_BYTES = 16 << 20
"""So much of the pack is in memory while parity is made. The less, the more a disk has to seek."""

_DIGEST_BYTES = 32
_SEAL_BYTES = frame.HEADER_BYTES + _DIGEST_BYTES


class Excess(NamedTuple):
    """A stripe that has lost more than can be made again."""

    stripe: int
    lost: int
    spare: int
    """Good blocks of parity; so many lost blocks can be made again."""


@dataclass(frozen=True, slots=True)
class Report:
    """What ``check`` found. Blocks are numbered through the pack, those of parity through the sidecar."""

    number: int
    problem: str = ""
    """Why the sidecar cannot be used at all; empty if it can. Then the rest says nothing."""
    whole: bool = False
    """The pack has its length and its digest, and all of it could be read."""
    lost: tuple[int, ...] = ()
    """Blocks of the pack whose sum is not right. If the pack is whole, the sums are wrong."""
    parity_lost: tuple[int, ...] = ()
    excess: tuple[Excess, ...] = ()
    headers: int = 0
    """How many of the sidecar's two headers are good."""

    @property
    def can_heal(self) -> bool:
        """Whether ``healing.heal`` can be expected to succeed; only the digest of what it makes proves it."""
        return not self.problem and (self.whole or not self.excess)

    @property
    def worn(self) -> bool:
        """Whether the sidecar should be made again, once the pack is whole."""
        bad_sums = self.whole and bool(self.lost)
        return bool(self.problem) or self.headers < 2 or bool(self.parity_lost) or bad_sums


def make(
    layout: Layout,
    number: int,
    *,
    pack: Path | None = None,
    percent: int = PERCENT,
    block: int = BLOCK_BYTES,
) -> Path:
    """Write the sidecar of a sealed pack, in place of one that is there, and return where it is.

    Durable when it returns; if it fails, what was there before is still there. ``pack`` is where the
    pack lies while it does not have its name yet.

    :raises DamageError: The pack does not end with a seal that is right for all of it.
    """
    pack = pack or layout.pack(number)
    target = layout.parity(number)
    try:
        fd = os.open(pack, os.O_RDONLY)
    except OSError as error:
        raise DamageError(f"{pack}: cannot open: {error.strerror}") from error
    try:
        length = os.fstat(fd).st_size
        digest, sums = _prove(layout, number, fd, pack, length, block)
        stripes, parity = shape(length, percent=percent, block=block)
        header = Header(layout.id, number, block, stripes, parity, length, digest)
        with new_file(target.with_name(target.name + ".new")) as out:
            os.lseek(out, header.parity_at, os.SEEK_SET)
            parity_sums = bytearray()
            for octets in _encode(fd, pack, header, sums):
                parity_sums += sums_of(octets, block)
                write_all(out, octets)
            write_all(out, header.encode())
            os.lseek(out, 0, os.SEEK_SET)
            write_all(out, header.encode() + sums + parity_sums)
            os.fsync(out)
            target.with_name(target.name + ".new").rename(target)
            sync_directory(target.parent)
    finally:
        os.close(fd)
    return target


def missing(layout: Layout, sealed: Iterable[int]) -> list[int]:
    """Return which of these sealed packs have no parity of use, ascending.

    Reads little: headers, and where there is a sidecar two blocks of its pack. A sidecar that a
    newer version wrote is not missing. A pack that is not there is not listed.
    """
    return [
        number
        for number in sorted(sealed)
        if os.path.exists(layout.pack(number)) and not _has_parity(layout, number)  # noqa: PTH110
    ]


def check(layout: Layout, number: int) -> Report:
    """Read a pack and its sidecar and say what is lost. Writes nothing; damage is no error here.

    :raises FormatError: A newer version wrote the sidecar.
    """
    try:
        sidecar = Sidecar(layout, number)
    except DamageError as error:
        return Report(number, problem=str(error))
    with sidecar, Source(layout.pack(number)) as source:
        lost, digest = scan(source, sidecar)
        header = sidecar.header
        gone = [
            stripe * header.parity + n
            for stripe in range(header.stripes)
            for n, octets in enumerate(sidecar.parity(stripe))
            if octets is None
        ]
        return Report(
            number,
            whole=is_whole(source, header, digest),
            lost=tuple(lost),
            parity_lost=tuple(gone),
            excess=tuple(excess_of(header, lost, Counter(at // header.parity for at in gone))),
            headers=sidecar.headers,
        )


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[int]:
    """Open a file to write, empty, and remove it if something goes wrong."""
    with writing(path):
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            yield fd
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(fd)


def _prove(
    layout: Layout, number: int, fd: int, path: Path, length: int, block: int
) -> tuple[bytes, bytes]:
    """Check a pack by its seal and return its digest and the sums of its blocks."""
    seal_at = length - _SEAL_BYTES
    if seal_at < PACK_HEADER_BYTES:
        raise DamageError(f"{path}: is too short for a sealed pack")
    heads.check_pack(read_exactly(fd, PACK_HEADER_BYTES, 0, path), layout.id, number, path)
    whole = hashlib.sha256()
    before = b""
    sums = bytearray()
    step = _step(block)
    for at in range(0, length, step):
        piece = memoryview(read_exactly(fd, min(step, length - at), at, path))
        cut = min(max(seal_at - at, 0), len(piece))
        whole.update(piece[:cut])
        if at <= seal_at < at + len(piece):
            before = whole.digest()
        whole.update(piece[cut:])
        sums += sums_of(_filled(piece, block), block)
    if _sealed(path, read_exactly(fd, _SEAL_BYTES, seal_at, path)) != before:
        raise DamageError(f"{path}: does not have the digest that its seal says; no parity is made")
    return whole.digest(), bytes(sums)


def _sealed(path: Path, octets: bytes) -> bytes:
    """Return the digest that a seal says."""
    try:
        header = frame.decode_header(octets[: frame.HEADER_BYTES])
    except (DamageError, FormatError) as error:
        raise type(error)(f"{path}: where the seal should be: {error}") from error
    said = octets[frame.HEADER_BYTES :]
    if header.kind is not frame.Kind.SEAL or header.body_bytes != len(said):
        raise DamageError(f"{path}: does not end with a seal")
    if hashlib.sha256(header.head + said).digest() != header.digest:
        raise DamageError(f"{path}: its seal is damaged")
    return said


def _encode(fd: int, path: Path, header: Header, sums: bytes) -> Iterator[bytes]:
    """Yield the blocks of parity in the order of the sidecar, those of several stripes at a time.

    The blocks of a stripe are far apart, but those of neighbouring stripes stand side by side: one
    read fetches a block each for many stripes, and one call encodes them as one wide stripe.
    """
    block, k, parity = header.block, header.k, header.parity
    encoder = zfec.Encoder(k, k + parity)
    numbers = tuple(range(k, k + parity))
    wide = max(1, _WINDOW_BYTES // (k * block))
    for first in range(0, header.stripes, wide):
        count = min(wide, header.stripes - first)
        rows = []
        for index in range(first, first + k * header.stripes, header.stripes):
            at = index * block
            there = max(0, min(count * block, header.length - at))
            row = read_exactly(fd, there, at, path) if there else b""
            row = bytes(_filled(memoryview(row), block))
            expected = sums[SUM_BYTES * index :][: SUM_BYTES * count]
            if sums_of(row, block) != expected:
                raise DamageError(f"{path}: at {at}: read twice, and it was not the same")
            rows.append(row.ljust(count * block, b"\0"))
        made = encoder.encode(tuple(rows), numbers)
        yield b"".join(
            one[at : at + block] for at in range(0, count * block, block) for one in made
        )


def _step(block: int) -> int:
    """Return how many octets to read at a time, in whole blocks."""
    return max(1, _PIECE_BYTES // block) * block


def _filled(octets: memoryview, block: int) -> memoryview:
    """Fill the last block up with zeros."""
    short = -len(octets) % block
    return memoryview(bytes(octets) + bytes(short)) if short else octets


def scan(source: Source, sidecar: Sidecar, out: int | None = None) -> tuple[list[int], bytes]:
    """Read a pack as far as it can be; return the blocks with a wrong sum, and the digest of all.

    ``out`` gets a copy: a failing disk is better read only once.
    """
    block, length = sidecar.header.block, sidecar.header.length
    digest = hashlib.sha256()
    lost: list[int] = []
    step = _step(block)
    for at in range(0, length, step):
        octets = memoryview(source.read(at, min(step, length - at)))
        digest.update(octets)
        if out is not None:
            write_all(out, octets)
        first = at // block
        sums = sums_of(_filled(octets, block), block)
        expected = sidecar.data_sums[SUM_BYTES * first :][: len(sums)]
        lost += differing(sums, expected, first)
    return lost, digest.digest()


def is_whole(source: Source, header: Header, digest: bytes) -> bool:
    """Whether the pack needs no healing. Zeros in place of what cannot be read may be right by chance."""
    return digest == header.digest and source.size == header.length and not source.unreadable


def excess_of(header: Header, lost: list[int], parity_lost: Counter[int]) -> list[Excess]:
    """Return the stripes in which more is lost than parity is left."""
    found = []
    for stripe, count in sorted(Counter(index % header.stripes for index in lost).items()):
        spare = header.parity - parity_lost[stripe]
        if count > spare:
            found.append(Excess(stripe, count, spare))
    return found


def _has_parity(layout: Layout, number: int) -> bool:
    """Whether the sidecar can be read and is of this very pack.

    A run of ``optimize`` that was cut may leave one of a pack that has gone, whose number was given
    again. The first and the last block tell packs apart; where one of them still agrees, the other
    is damaged, and the sidecar is what heals it.
    """
    try:
        sidecar = Sidecar(layout, number)
    except FormatError:
        return True
    except DamageError:
        return False
    with sidecar, Source(layout.pack(number)) as source:
        header = sidecar.header
        for index in (0, header.blocks - 1):
            at = index * header.block
            octets = source.read(at, min(header.block, header.length - at))
            sums = sums_of(octets.ljust(header.block, b"\0"), header.block)
            if sums == sidecar.data_sum(index):
                return True
    return False
