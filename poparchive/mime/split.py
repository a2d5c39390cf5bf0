"""Cuts a message into literal octets and bodies worth storing once.

The cut is only a proposal about where bodies are: put together in order, the pieces are the message
whatever the message is, because each piece is a range of it. A wrong guess about MIME costs space,
never octets. Base64 is decoded only where encoding it again gives the same octets.

Memory is bounded by ``SEGMENT_BYTES`` for any message that is read through ``Octets``.
"""

import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

HEADER_BYTES = 1 << 20
"""A longer header block is taken for a body: no mail has one, and searching it would not be linear."""

SEGMENT_BYTES = 4 << 20
"""Bodies larger than this are cut, so that nobody ever needs a whole one in memory."""

SMALL_BYTES = 1 << 10
"""Smaller bodies stay literals: an object of its own costs some 45 octets that do not compress."""

WHOLE_BYTES = 256 << 10
"""Up to this size a message is parsed as it is; larger ones without the bodies that hold no text."""

_TEXT_BYTES = 2 << 20

_MAX_DEPTH = 20
_MAX_LEAVES = 10_000
_MAX_LITERAL_BYTES = 256 << 10


class Octets(Protocol):
    """What a message is read through: ``bytes`` as it is, or a file that is never read whole."""

    def __len__(self) -> int: ...
    def __getitem__(self, key: slice, /) -> bytes: ...
    def find(self, needle: bytes, start: int, end: int, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Leaf:
    """A part without parts: what its header says of its body, and where the body is.

    ``header`` holds the fields Content-Type and Content-Disposition only, as they came.
    """

    number: int
    header: bytes
    start: int
    end: int
    type: str
    encoding: bytes


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


def leaves(message: Octets) -> list[Leaf]:
    """Return the leaf parts in the order of the message. Never raises, whatever the octets."""
    found: list[Leaf] = []
    _walk(message, 0, len(message), 0, found)
    return found


def pieces(
    message: Octets, parts: list[Leaf], *, small: int = SMALL_BYTES, segment: int = SEGMENT_BYTES
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


def skeleton(message: Octets, leaves: Sequence[Leaf]) -> bytes:
    """Return the message without the bodies that hold no text, bounded in size."""
    if len(message) <= WHOLE_BYTES:
        return message[0 : len(message)]
    kept = []
    at = 0
    left = _TEXT_BYTES
    for leaf in leaves:
        textual = leaf.type.startswith("text/")
        between = message[at : min(leaf.start, at + WHOLE_BYTES)]
        kept.append(between)
        if textual and left > 0:
            stop = min(leaf.end, leaf.start + left)
            kept.append(message[leaf.start : stop])
            left -= stop - leaf.start
        at = leaf.end
    kept.append(message[at : min(len(message), at + WHOLE_BYTES)])
    return b"".join(kept)


def header_end(message: Octets) -> int:
    """Return where the header block ends."""
    return len(_header(message, 0, len(message))[0])


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


def _body(message: Octets, leaf: Leaf, segment: int) -> Iterator[Literal | Body]:
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


def _walk(message: Octets, start: int, end: int, depth: int, found: list[Leaf]) -> None:
    header, body = _header(message, start, end)
    lower = header.lower()
    value, lowered = _field(header, lower, b"content-type:")
    kind = lowered.partition(b";")[0].strip()
    if kind.startswith(b"multipart/") and depth < _MAX_DEPTH:
        boundary = _boundary(value, lowered)
        if boundary and _multipart(message, body, end, b"--" + boundary, depth, found):
            return
    encoding = _field(header, lower, b"content-transfer-encoding:")[1].strip()
    if kind == b"message/rfc822" and depth < _MAX_DEPTH and encoding not in _ENCODED:
        _walk(message, body, end, depth + 1, found)
        return
    name = kind.decode("ascii", "replace") if b"/" in kind else "text/plain"
    disposition = _field(header, lower, b"content-disposition:")[0]
    about = b"Content-Type:" + value + b"\n" if value else b""
    if disposition:
        about += b"Content-Disposition:" + disposition
    found.append(Leaf(len(found) + 1, about, body, end, name, encoding))


_ENCODED = (b"base64", b"quoted-printable")


def _header(message: Octets, start: int, end: int) -> tuple[bytes, int]:
    """Return the header block and where the body begins, behind the empty line."""
    limit = min(end, start + HEADER_BYTES)
    first = message[start : min(start + 2, end)]
    if first.startswith(b"\n") or first == b"\r\n":
        return b"", start + (1 if first.startswith(b"\n") else 2)
    crlf = message.find(b"\r\n\r\n", start, limit)
    lf = message.find(b"\n\n", start, limit if crlf < 0 else crlf)
    if lf >= 0:
        return message[start : lf + 1], lf + 2
    if crlf >= 0:
        return message[start : crlf + 2], crlf + 4
    if limit < end:
        return b"", start
    return message[start:end], end


def _field(header: bytes, lower: bytes, name: bytes) -> tuple[bytes, bytes]:
    """Return a field's value, folded lines included, as it is and in lower case."""
    if lower.startswith(name):
        at = len(name)
    else:
        at = lower.find(b"\n" + name)
        if at < 0:
            return b"", b""
        at += 1 + len(name)
    stop = at
    while True:
        stop = lower.find(b"\n", stop)
        if stop < 0:
            stop = len(lower)
            break
        stop += 1
        if lower[stop : stop + 1] not in (b" ", b"\t"):
            break
    return header[at:stop], lower[at:stop]


def _boundary(value: bytes, lowered: bytes) -> bytes:
    at = lowered.find(b"boundary=")
    if at < 0:
        return b""
    rest = value[at + 9 :].lstrip()
    if rest.startswith(b'"'):
        return rest[1:].partition(b'"')[0]
    return rest.split(b";", 1)[0].split(None, 1)[0] if rest.strip(b"; \t\r\n") else b""


def _multipart(
    message: Octets, start: int, end: int, delimiter: bytes, depth: int, found: list[Leaf]
) -> bool:
    """Walk the parts; False if there is no delimiter line at all."""
    part = -1
    at = start
    while True:
        at = message.find(delimiter, at, end)
        if at < 0 or len(found) >= _MAX_LEAVES:
            break
        after = _after_delimiter(message, start, at, at + len(delimiter), end)
        if after is None:
            at += len(delimiter)
            continue
        if part >= 0:
            _walk(message, part, _before_line_end(message, part, at), depth + 1, found)
        part, closing = after
        if closing:
            return True
        at = part
    if part < 0:
        return False
    _walk(message, part, end, depth + 1, found)
    return True


def _after_delimiter(
    message: Octets, start: int, at: int, stop: int, end: int
) -> tuple[int, bool] | None:
    """Return where the part begins and whether this was the last delimiter; None if it is none."""
    if at > start and message[at - 1 : at] != b"\n":
        return None
    tail = message[stop : min(stop + 80, end)]
    closing = tail.startswith(b"--")
    line, found, _ = tail[2 if closing else 0 :].partition(b"\n")
    if line.strip():
        return None
    return stop + 2 * closing + len(line) + len(found), closing


def _before_line_end(message: Octets, start: int, at: int) -> int:
    """The line end before a delimiter belongs to the delimiter (RFC 2046 section 5.1.1)."""
    tail = message[max(start, at - 2) : at]
    if tail.endswith(b"\r\n"):
        return at - 2
    return at - 1 if tail.endswith(b"\n") else at
