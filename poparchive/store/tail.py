"""What lies behind the committed length of the pack that is appended to.

Mostly it is what a pull left that was cut, and its messages are fetched again. Behind a journal that came
back from a backup the same octets are mail that a later journal had acknowledged, and nothing else may have
it. Nothing in a pack tells one from the other. So only what was being written is cut off without more ado: a
frame whose end is missing, or octets among which no frame is whole.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from poparchive.store import frame
from poparchive.store.errors import DamageError
from poparchive.store.frame import HEADER_BYTES, Header, Kind
from poparchive.store.fsio import read_exactly

_WINDOW_BYTES = 1 << 20


@dataclass(slots=True)
class Tail:
    """What was found there."""

    end: int
    """What is worth keeping ends here: at the file's end, or where a frame begins whose end is missing."""
    objects: int = 0
    """Objects in frames that are whole."""
    dictionaries: set[int] = field(default_factory=set)
    """Where in the pack the dictionaries begin that these frames need."""


def survey(fd: int, start: int, size: int, path: Path) -> Tail:
    """Look at all that lies between ``start``, where a frame ended, and the file's end.

    Nothing is decoded. Raises ``FormatError`` where a newer version wrote a frame.
    """
    found = Tail(size)
    at = start
    while at < size:
        header = _header(fd, at, path)
        end = at + HEADER_BYTES + (header.body_bytes if header else 0)
        if end > size:
            found.end = at
            break
        if header and _is_whole(fd, at, header, path):
            if header.kind is Kind.OBJECTS:
                found.objects += header.count
                found.dictionaries |= {header.dictionary} - {0}
            at = end
        elif header and (end == size or _header(fd, end, path)):
            at = end
        else:
            at = _next_whole(fd, at + 1, size, path)
    return found


def crossing(fd: int, start: int, at: int, size: int, path: Path) -> int:
    """Return where a whole frame begins that ends behind the octet ``at``, 0 if there is none. At ``start``
    begins the first frame."""
    while start < min(at, size):
        header = _header(fd, start, path)
        end = start + HEADER_BYTES + header.body_bytes if header else start
        if header and end > at:
            return start if end <= size and _is_whole(fd, start, header, path) else 0
        start = end if header else _next_whole(fd, start + 1, size, path)
    return 0


def is_readable(fd: int, start: int, size: int) -> bool:
    """Whether the device gives these octets back, good or bad. Later it may give what it does not now."""
    at = start
    try:
        # Before a sector that cannot be read, fewer octets come than were asked for.
        while at < size and (piece := os.pread(fd, min(_WINDOW_BYTES, size - at), at)):
            at += len(piece)
    except OSError:
        return False
    return True


def _header(fd: int, at: int, path: Path) -> Header | None:
    """The header of the frame that begins here, if one does."""
    try:
        return frame.decode_header(read_exactly(fd, HEADER_BYTES, at, path))
    except DamageError:
        return None


def _is_whole(fd: int, at: int, header: Header, path: Path) -> bool:
    try:
        frame.check(header, read_exactly(fd, header.body_bytes, at + HEADER_BYTES, path))
    except DamageError:
        return False
    return True


def _next_whole(fd: int, at: int, size: int, path: Path) -> int:
    """Return where the next whole frame begins, or ``size``."""
    for place in _places(fd, at, size, path):
        header = _header(fd, place, path)
        if header and _is_whole(fd, place, header, path):
            return place
    return size


def _places(fd: int, at: int, size: int, path: Path) -> Iterator[int]:
    """Yield where frames seem to begin."""
    overlap = len(frame.MAGIC) - 1
    while at < size:
        length = min(_WINDOW_BYTES, size - at)
        try:
            window = read_exactly(fd, length, at, path)
        except DamageError:
            # A sector that cannot be read: what is behind it may be.
            at += length
            continue
        found = window.find(frame.MAGIC)
        while found >= 0:
            yield at + found
            found = window.find(frame.MAGIC, found + 1)
        at += length if at + length >= size else length - overlap
