"""The dictionary of a pack stands in it twice, one frame behind the other: each heals the other.

All small frames of the pack need it, and parity comes only when the pack is sealed. What one of the two
copies has lost is taken from the other, and from both where one run of bad octets meets both; the frame's own
hash proves what comes out.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from poparchive.store import frame
from poparchive.store.errors import DamageError, FormatError
from poparchive.store.frame import HEADER_BYTES, Kind
from poparchive.store.fsio import read_exactly

_WINDOW_BYTES = 1 << 20
"""So far the second copy is looked for where the first does not say how long it is; few take a tenth."""

_CUT_BYTES = 512
"""Where one run of bad octets meets both copies, it is tried at each such step to go on in the other."""


def encode(dictionary: bytes) -> bytes:
    """Return both frames."""
    return 2 * frame.encode_dictionary(dictionary)


def begins_with(fd: int, start: int, path: Path) -> tuple[bytes | None, int]:
    """Return what the first frame of a pack, at ``start``, holds if it is a dictionary, and where objects
    begin."""
    try:
        header = frame.decode_header(read_exactly(fd, HEADER_BYTES, start, path))
        if header.kind is not Kind.DICTIONARY:
            return None, start
        body = read_exactly(fd, header.body_bytes, start + HEADER_BYTES, path)
        held = frame.decode(header, frame.check(header, body)[1])
        return held, end(fd, start, HEADER_BYTES + header.body_bytes, path)
    except DamageError:
        # New frames do without; what is there is for ``verify`` to tell.
        return None, start


def end(fd: int, start: int, length: int, path: Path) -> int:
    """Return where what follows a whole dictionary's frame begins: behind its copy, if it has one."""
    behind = start + length
    if os.fstat(fd).st_size < behind + length:
        return behind
    first, second = (read_exactly(fd, length, at, path) for at in (start, behind))
    return behind + (length if first == second else 0)


def whole(fd: int, start: int, path: Path) -> tuple[bytes, int] | None:
    """Return a dictionary's frame as it was written at ``start``, whichever octets of the two are bad, and
    where the second copy begins. None if they do not give one that its hash proves."""
    window = _read(fd, start, path)
    first = _length(window)
    if first:
        a, b = window[:first], window[first : 2 * first]
        for one in (a, b):
            if _is_whole(one):
                return one, start + first
        for cut in (first // 2, *range(_CUT_BYTES, first, _CUT_BYTES)):
            if _is_whole(a[:cut] + b[cut:]):
                return a[:cut] + b[cut:], start + first
        return None
    for at in _headers(window):
        one = window[at : at + _length(window[at:])]
        if _is_whole(one):
            return one, start + at
    return None


def _read(fd: int, start: int, path: Path) -> bytes:
    # Around a sector that cannot be read there may be enough.
    return octets(fd, start, max(0, min(_WINDOW_BYTES, os.fstat(fd).st_size - start)), path)


def octets(fd: int, start: int, length: int, path: Path) -> bytes:
    """Return octets of a file, zeros for the sectors that cannot be read."""
    try:
        return read_exactly(fd, length, start, path)
    except DamageError:
        return b"".join(_blocks(fd, start, length, path))


def _blocks(fd: int, start: int, size: int, path: Path) -> Iterator[bytes]:
    """Yield octets, zeros for those that cannot be read."""
    for at in range(start, start + size, 512):
        length = min(512, start + size - at)
        try:
            yield read_exactly(fd, length, at, path)
        except DamageError:
            yield bytes(length)


def _length(begin: bytes) -> int:
    """Return the length of the dictionary's frame that begins here, by its header; 0 for anything else."""
    try:
        header = frame.decode_header(begin[:HEADER_BYTES])
    except (DamageError, FormatError):
        return 0
    return HEADER_BYTES + header.body_bytes if header.kind is Kind.DICTIONARY else 0


def _headers(window: bytes) -> Iterator[int]:
    """Yield where the frames of dictionaries seem to begin."""
    at = window.find(frame.MAGIC, 1)
    while at >= 0:
        if _length(window[at:]):
            yield at
        at = window.find(frame.MAGIC, at + 1)


def _is_whole(one: bytes) -> bool:
    if _length(one) != len(one) or not one:
        return False
    try:
        frame.check(frame.decode_header(one[:HEADER_BYTES]), one[HEADER_BYTES:])
    except DamageError:
        return False
    return True
