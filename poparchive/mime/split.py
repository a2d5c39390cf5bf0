"""Cuts a message into literal octets and bodies worth storing once.

The cut is only a proposal about where bodies are: put together in order, the pieces are the message
whatever the message is, because each piece is a range of it. A wrong guess about MIME costs space,
never octets. Base64 is decoded only where encoding it again gives the same octets.

Memory is bounded by ``SEGMENT_BYTES`` for any message that is read through ``Octets``.
"""

import binascii
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from poparchive.mime.structure import Octets, Part

SEGMENT_BYTES = 4 << 20
"""Bodies larger than this are cut, so that nobody ever needs a whole one in memory."""

SMALL_BYTES = 1 << 10
"""Smaller bodies stay literals: an object of its own costs some 45 octets that do not compress."""

_MAX_LITERAL_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class Literal:
    """A range of the message to be kept as it is."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Body:
    """A range of the message to be stored once.

    ``content`` is what to store; with ``line`` it is decoded base64, made again by encoding it in
    lines of ``line`` characters, joined by LF or CRLF and ended by one more if ``closed``.
    """

    start: int
    end: int
    leaf: int
    segment: int
    content: bytes
    line: int = 0
    lf: bool = False
    closed: bool = False


def pieces(
    message: Octets,
    parts: Iterable[Part],
    *,
    small: int = SMALL_BYTES,
    segment: int = SEGMENT_BYTES,
) -> Iterator[Literal | Body]:
    """Yield pieces that cover the message from its first octet to its last, in order."""
    at = 0
    for leaf in parts:
        if leaf.end - leaf.start < small:
            continue
        yield from _literals(message, at, leaf.start, segment)
        yield from _body(message, leaf, segment)
        at = leaf.end
    yield from _literals(message, at, len(message), segment)


def _literals(message: Octets, start: int, end: int, segment: int) -> Iterator[Literal | Body]:
    if end - start > _MAX_LITERAL_BYTES:
        yield from _as_is(message, start, end, 0, 0, segment)
    elif end > start:
        yield Literal(start, end)


def _as_is(
    message: Octets, start: int, end: int, leaf: int, first: int, segment: int
) -> Iterator[Body]:
    for number, at in enumerate(range(start, end, segment), first):
        stop = min(at + segment, end)
        yield Body(at, stop, leaf, number, message[at:stop])


def _body(message: Octets, leaf: Part, segment: int) -> Iterator[Literal | Body]:
    start, end, number = leaf.start, leaf.end, 0
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
            made = _decode(message[start:stop], line, eol)
            if made is None or (stop < end and made[1] != stop - start):
                break
            content, used, closed = made
            yield Body(
                start, start + used, leaf.number, number, content, line, len(eol) == 1, closed
            )
            start += used
            number += 1
            if start < stop:
                yield Literal(start, stop)
                start = stop
    yield from _as_is(message, start, end, leaf.number, number, segment)


def _base64_shape(beginning: bytes) -> tuple[int, bytes] | None:
    """Return line length and line end of a base64 body from its first line."""
    at = beginning.find(b"\n")
    if at < 0:
        return (len(beginning) // 4 * 4, b"\r\n") if 4 <= len(beginning) < 1024 else None
    eol = b"\r\n" if beginning[at - 1 : at] == b"\r" else b"\n"
    line = at + 1 - len(eol)
    return (line, eol) if line >= 4 and line % 4 == 0 else None


def _decode(octets: bytes, line: int, eol: bytes) -> tuple[bytes, int, bool] | None:
    """Decode a body, prove it by encoding, and return (content, octets used, closed)."""
    try:
        content = binascii.a2b_base64(octets)
    except binascii.Error:
        return None
    text = binascii.b2a_base64(content, newline=False)
    if len(text) > line:
        text = eol.join([text[i : i + line] for i in range(0, len(text), line)])
    used = len(text)
    if not text or not octets.startswith(text):
        return None
    closed = octets.startswith(eol, used)
    used += len(eol) * closed
    # A long tail is no tail: what follows the padding is text of its own and better left whole.
    return (content, used, closed) if len(octets) - used <= 4096 else None
