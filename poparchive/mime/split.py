"""Cuts a message into literal octets and bodies worth storing once.

The cut is only a proposal about where bodies are: put together in order, the pieces are the message
whatever the message is, because each piece is a range of it. A wrong guess about MIME costs space,
never octets. Base64 is decoded only where encoding it again gives the same octets.

Memory is bounded by ``SEGMENT_BYTES`` for any message that is read through ``Octets``.
"""

import binascii
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from poparchive.mime.structure import Octets, Part

SEGMENT_BYTES = 4 << 20
"""Bodies larger than this are cut, so that nobody ever needs a whole one in memory."""

SMALL_BYTES = 1 << 10
"""Smaller bodies stay literals: an object of its own costs some 45 octets that do not compress."""

_MAX_LITERAL_BYTES = 256 << 10
_LITERALS_BYTES = 4 << 20
"""Literals of one message, all of which its recipe holds; what goes beyond becomes blobs."""


class Literal(NamedTuple):
    """A range of the message to be kept as it is."""

    start: int
    end: int


class Body(NamedTuple):
    """A range of the message to be stored once.

    ``content`` is what to store; with ``line`` it is decoded base64, made again by encoding it in
    lines of ``line`` characters, joined by LF or CRLF and ended by one more if ``closed``.
    """

    start: int
    end: int
    content: bytes
    line: int = 0
    lf: bool = False
    closed: bool = False


def pieces(
    message: Octets,
    parts: Iterable[Part],
    *,
    prove: bool = True,
    small: int = SMALL_BYTES,
    segment: int = SEGMENT_BYTES,
) -> Iterator[Literal | Body]:
    """Yield pieces that cover the message from its first octet to its last, in order.

    Without ``prove`` decoded base64 may, rarely, not make the octets that it stands for: whoever asks
    for that puts the whole message together again and compares.
    """
    at = 0
    room = _LITERALS_BYTES
    for leaf in parts:
        if leaf.end - leaf.start < small:
            continue
        yield from _between(message, at, leaf.start, segment, room)
        room -= leaf.start - at
        yield from _body(message, leaf, segment, prove=prove)
        at = leaf.end
    yield from _between(message, at, len(message), segment, room)


def halves(message: Octets, piece: Body) -> tuple[Body, Body]:
    """Return the two halves of what a body stands for, as they are: blobs of their own."""
    start, end = piece.start, piece.end
    middle = (start + end) // 2
    return Body(start, middle, message[start:middle]), Body(middle, end, message[middle:end])


def _between(
    message: Octets, start: int, end: int, segment: int, room: int
) -> Iterator[Literal | Body]:
    """Yield what stands between two bodies: headers, boundaries, small bodies."""
    if end - start > min(_MAX_LITERAL_BYTES, max(room, SMALL_BYTES)):
        yield from _as_is(message, start, end, segment)
    elif end > start:
        yield Literal(start, end)


def _as_is(message: Octets, start: int, end: int, segment: int) -> Iterator[Body]:
    for at in range(start, end, segment):
        stop = min(at + segment, end)
        yield Body(at, stop, message[at:stop])


def _body(message: Octets, leaf: Part, segment: int, *, prove: bool) -> Iterator[Literal | Body]:
    start, end = leaf.start, leaf.end
    shape = (
        _base64_shape(message[start : min(end, start + 1024)])
        if leaf.encoding == b"base64"
        else None
    )
    if shape:
        line, eol = shape
        step = max(segment // (line + len(eol)), 1) * (line + len(eol))
        while start < end:
            stop = min(start + step, end)
            made = _decode(message[start:stop], line, eol, prove=prove)
            if made is None or (stop < end and made[1] != stop - start):
                break
            content, used, closed = made
            yield Body(start, start + used, content, line, len(eol) == 1, closed)
            start += used
            if start < stop:
                yield Literal(start, stop)
                start = stop
    yield from _as_is(message, start, end, segment)


def _base64_shape(beginning: bytes) -> tuple[int, bytes] | None:
    """Return line length and line end of a base64 body from its first line."""
    at = beginning.find(b"\n")
    if at < 0:
        return (len(beginning) // 4 * 4, b"\r\n") if 4 <= len(beginning) < 1024 else None
    eol = b"\r\n" if beginning[at - 1 : at] == b"\r" else b"\n"
    line = at + 1 - len(eol)
    return (line, eol) if line >= 4 and line % 4 == 0 else None


def _decode(octets: bytes, line: int, eol: bytes, *, prove: bool) -> tuple[bytes, int, bool] | None:
    """Decode a body and return (content, octets used, closed); None if encoding makes other octets."""
    try:
        content = binascii.a2b_base64(octets)
    except binascii.Error:
        return None
    characters = (len(content) + 2) // 3 * 4
    breaks = max(characters - 1, 0) // line
    used = characters + breaks * len(eol)
    if not content or octets.count(b"\n", 0, used) != breaks:
        return None
    closed = octets.startswith(eol, used)
    used += len(eol) * closed
    # A long tail is no tail: what follows the padding is text of its own and better left whole.
    if used > len(octets) or len(octets) - used > 4096:
        return None
    if prove:
        text = binascii.b2a_base64(content, newline=False)
        lines = eol.join([text[i : i + line] for i in range(0, characters, line)])
        if octets[:used] != lines + eol * closed:
            return None
    return content, used, closed
