"""The file beside a sealed pack that holds its parity: how it is laid out, and reading it when damaged.

Named and ordered as in ``docs/store-format.md``, section "Parity". Nothing here writes a file.
Reading never fails because of single octets: what cannot be read is taken for zeros, and the sums tell.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from poparchive.store import heads
from poparchive.store.errors import DamageError, FormatError
from poparchive.store.fsio import open_file
from poparchive.store.layout import Layout

MAGIC = b"POPAPRTY"
VERSION = 1
_HEAD = struct.Struct("<8sHH16sIIIIQ32s")
_CRC = struct.Struct("<I")
HEADER_BYTES = _HEAD.size + _CRC.size
SUM_BYTES = _CRC.size

MOST_BLOCKS = 256
"""Blocks of data and parity in a stripe: the code computes with octets (GF(2^8)), which number them."""

BLOCK_BYTES = 4096
"""What a disk loses at least. For a full pack blocks of 1 KiB cost 2.3 s of CPU time and 2.4% of space,
of 4 KiB 1.8 s and 2.1%, of 16 KiB 1.8 s and 2.0%, and the last heal a quarter as many scattered pages."""

PERCENT = 2
"""Of the pack, at least. Heals a run of bad octets of 5 MiB in a full pack."""

_LEAST_PARITY = 2
"""With one, a bad sector of the sidecar would leave a small pack with nothing."""

_BLOCK_LIMIT = 64 << 10
_BLOCKS_LIMIT = 1 << 22
"""No writer makes larger or more. A header that claims more is damage, not a reason to allocate."""

_PAGE_BYTES = 4096
"""What the kernel reads at least; where reading fails, so much is given up at a time."""

_TAIL_BYTES = 64 << 10
"""The last header is looked for so far before the end: tools that save files from bad disks, and
``fsck``, fill them up to a whole number of sectors or clusters."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the pack is like and how it is cut into blocks."""

    archive: bytes
    number: int
    block: int
    stripes: int
    parity: int
    length: int
    digest: bytes

    @property
    def blocks(self) -> int:
        """Blocks in the pack."""
        return -(-self.length // self.block)

    @property
    def k(self) -> int:
        """Blocks of data in a stripe; some stripes have a block of zeros in place of the last."""
        return -(-self.blocks // self.stripes)

    @property
    def parity_blocks(self) -> int:
        """Blocks of parity in all stripes."""
        return self.stripes * self.parity

    @property
    def parity_at(self) -> int:
        """Where the blocks of parity begin in the file."""
        return HEADER_BYTES + SUM_BYTES * (self.blocks + self.parity_blocks)

    @property
    def end(self) -> int:
        """The octets of the whole file."""
        return self.parity_at + self.block * self.parity_blocks + HEADER_BYTES

    def encode(self) -> bytes:
        """Return the 88 octets that stand at the file's beginning and at its end."""
        head = _HEAD.pack(
            MAGIC,
            VERSION,
            0,
            self.archive,
            self.number,
            self.block,
            self.stripes,
            self.parity,
            self.length,
            self.digest,
        )
        return head + _CRC.pack(zlib.crc32(head))

    def is_sane(self) -> bool:
        """Whether a writer can have meant this, and reading it needs no more memory than it should."""
        return (
            0 < self.block <= _BLOCK_LIMIT
            and 0 < self.blocks <= _BLOCKS_LIMIT
            and 0 < self.stripes <= self.blocks
            and self.parity > 0
            and self.k + self.parity <= MOST_BLOCKS
            and self.parity_blocks <= _BLOCKS_LIMIT
        )


def shape(length: int, *, percent: int = PERCENT, block: int = BLOCK_BYTES) -> tuple[int, int]:
    """Return (stripes, parity blocks in each) for a pack of so many octets.

    The fewer stripes there are, the more bad blocks may meet in one of them: the fewest with not more
    than 256 blocks in each, of which ``percent`` of the data, rounded up, are parity. A full pack has
    263 stripes of 250 + 5 blocks, one of up to 1,024,000 octets one.
    """
    if not 1 <= percent <= 100:
        raise ValueError("percent is from 1 to 100")
    blocks = -(-length // block)
    most = max(k for k in range(1, MOST_BLOCKS) if k + _parity(k, percent) <= MOST_BLOCKS)
    stripes = -(-blocks // most)
    return stripes, _parity(-(-blocks // stripes), percent)


def _parity(k: int, percent: int) -> int:
    return max(_LEAST_PARITY, -(-k * percent // 100))


def sums_of(octets: bytes | bytearray | memoryview, block: int) -> bytes:
    """Return the CRC-32 of each block, one after the other."""
    view = memoryview(octets)
    crcs = [zlib.crc32(view[at : at + block]) for at in range(0, len(view), block)]
    return struct.pack(f"<{len(crcs)}I", *crcs)


def differing(found: bytes, expected: bytes, first: int = 0) -> Iterator[int]:
    """Yield which of these sums differ, counted from ``first``."""
    if found == expected:
        return
    for at in range(0, len(found), SUM_BYTES):
        if found[at : at + SUM_BYTES] != expected[at : at + SUM_BYTES]:
            yield first + at // SUM_BYTES


class Source:
    """A file that is read as far as it can be: one that is missing, or cannot be opened, is empty.

    Belongs to one thread.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.unreadable = 0
        """Octets that gave an error when they were read."""
        self.problem = ""
        """Why it could not be opened."""
        try:
            self._fd = open_file(path)
        except FileNotFoundError:
            self._fd = -1
            self.problem = "is missing"
        except OSError as error:
            self._fd = -1
            self.problem = f"cannot open: {error.strerror}"
        else:
            self.size = os.fstat(self._fd).st_size

    @property
    def exists(self) -> bool:
        return self._fd >= 0

    def read(self, offset: int, length: int) -> bytearray:
        """Return so many octets; zeros where there are none or they cannot be read."""
        octets = bytearray(length)
        view = memoryview(octets)
        at, end = 0, max(0, min(length, self.size - offset))
        paged = False
        while at < end:
            stop = min(end, at + _PAGE_BYTES - (offset + at) % _PAGE_BYTES) if paged else end
            try:
                got = os.preadv(self._fd, [view[at:stop]], offset + at)
            except OSError:
                if not paged:
                    # One bad sector may fail the whole request: go on page by page.
                    paged = True
                    continue
                got = stop - at
                view[at:stop] = bytes(got)
                self.unreadable += got
            if not got:
                break
            at += got
        return octets

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Sidecar:
    """An open sidecar with a header that could be read. Belongs to one thread."""

    def __init__(self, layout: Layout, number: int) -> None:
        """Open the sidecar of a pack.

        :raises DamageError: There is none, neither header can be read, or it is not this pack's.
        :raises FormatError: A newer version wrote it.
        """
        self._source = Source(layout.parity(number))
        try:
            self.header = _find_header(self._source)
            if self.header.archive != layout.id or self.header.number != number:
                raise DamageError(
                    f"{self.path}: belongs to another archive or to a pack of another number"
                )
        except BaseException:
            self._source.close()
            raise

    @cached_property
    def headers(self) -> int:
        """In how many of its two places the header stands; in none if it had to be looked for."""
        octets = self.header.encode()
        places = (
            (0, self.header.end - HEADER_BYTES) if self._source.size == self.header.end else (0,)
        )
        return sum(self._source.read(at, HEADER_BYTES) == octets for at in places)

    @cached_property
    def data_sums(self) -> bytes:
        """CRC-32 of each block of the pack, as they stand in the file."""
        return bytes(self._source.read(HEADER_BYTES, SUM_BYTES * self.header.blocks))

    def data_sum(self, index: int) -> bytes:
        """One of ``data_sums``, without reading all."""
        return bytes(self._source.read(HEADER_BYTES + SUM_BYTES * index, SUM_BYTES))

    @cached_property
    def _parity_sums(self) -> bytes:
        header = self.header
        size = SUM_BYTES * header.parity_blocks
        return bytes(self._source.read(header.parity_at - size, size))

    @property
    def path(self) -> Path:
        return self._source.path

    def parity(self, stripe: int) -> list[bytearray | None]:
        """Return a stripe's blocks of parity in their order; None for one whose sum is not right."""
        header = self.header
        first = stripe * header.parity
        octets = self._source.read(
            header.parity_at + first * header.block, header.parity * header.block
        )
        blocks: list[bytearray | None] = [
            octets[at : at + header.block] for at in range(0, len(octets), header.block)
        ]
        expected = self._parity_sums[SUM_BYTES * first :][: SUM_BYTES * header.parity]
        for lost in differing(sums_of(octets, header.block), expected):
            blocks[lost] = None
        return blocks

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _find_header(source: Source) -> Header:
    if not source.exists:
        raise DamageError(f"{source.path}: {source.problem}: the pack has no parity")
    head = bytes(source.read(0, HEADER_BYTES))
    if _is_right(head):
        return _decode(source.path, head)
    start = max(0, source.size - _TAIL_BYTES)
    tail = bytes(source.read(start, source.size - start))
    at = len(tail)
    while (at := tail.rfind(MAGIC, 0, at)) >= 0:
        if _is_right(tail[at : at + HEADER_BYTES]):
            return _decode(source.path, tail[at : at + HEADER_BYTES])
    _, version, flags, *_ = _HEAD.unpack_from(head)
    if head.startswith(MAGIC) and version > VERSION:
        raise _newer(source.path, version, flags)
    raise DamageError(f"{source.path}: neither of its headers can be read")


def _is_right(octets: bytes) -> bool:
    return (
        len(octets) == HEADER_BYTES
        and octets.startswith(MAGIC)
        and zlib.crc32(octets[: _HEAD.size]) == _CRC.unpack_from(octets, _HEAD.size)[0]
    )


def _decode(path: Path, octets: bytes) -> Header:
    _, version, flags, *fields = _HEAD.unpack_from(octets)
    if version != VERSION or flags:
        raise _newer(path, version, flags)
    header = Header(*fields)
    if not header.is_sane():
        raise DamageError(f"{path}: its header does not agree with itself")
    return header


def _newer(path: Path, version: int, flags: int) -> FormatError:
    return FormatError(heads.newer(path, version, flags, VERSION))
