"""Where the parts of a message are: one walk, whose result the splitter and the readers share.

The walk is a proposal. Nothing that is stored depends on it being right: a wrong guess about MIME
costs space or a search hit, never octets. It never raises, and memory is bounded for any message
that is read through ``Octets``.

It serves instead of a parsing library because the splitter needs offsets into the original octets,
which no library gives, and one walk for both costs less than half of two.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from poparchive.mime import headers, oddlines
from poparchive.mime.headers import About, Block
from poparchive.mime.late import late

HEADER_BYTES = 1 << 20
"""A longer header block is taken for a body: no mail has one, and searching it would not be linear."""

_FIELDS_BYTES = 64 << 10
"""Of a part's header so much is read for fields; of the message's own, all."""
_MAX_BOUNDARY_BYTES = 1000
"""RFC 2046 allows 70; looking for a very long one takes as long as it is."""
_TYPE = late(rb"[!-.0-~]+/[!-~]+")
_MAX_DEPTH = 20
_MAX_LEAVES = 10_000
_ENCODED = (b"base64", b"quoted-printable")
MESSAGES = frozenset(["message/rfc822", "message/global", "message/news"])


class Octets(Protocol):
    """What a message is read through: ``bytes`` as it is, or a file that is never read whole."""

    def __len__(self) -> int: ...
    def __getitem__(self, key: slice, /) -> bytes: ...
    def find(self, needle: bytes, start: int, end: int, /) -> int: ...


class Part:
    """A part, or the message itself, as ranges of the message.

    The header is ``message[head:start]`` with the empty line, the body ``message[start:end]``.
    ``number`` counts the leaves, which are the parts without ``parts``, from 1 in the order of the
    message; it is 0 for others. ``type`` is the media type in lower case, ``encoding`` the transfer
    encoding, ``block`` the fields of the header. ``odd`` is where in the header its first line stands that
    can be none of a header: from there on ``oddlines.text_of`` knows what is text. It is ``start`` if
    there is none.
    """

    __slots__ = (
        *("_about", "block", "encoding", "end", "head", "number", "odd", "parts", "start"),
        "type",
    )

    def __init__(
        self, head: int, odd: int, start: int, end: int, kind: str, encoding: bytes, block: Block
    ) -> None:
        self.head = head
        self.odd = odd
        self.start = start
        self.end = end
        self.type = kind
        self.encoding = encoding
        self.block = block
        self.number = 0
        self.parts: list[Part] = []
        self._about: About | None = None

    @property
    def about(self) -> About:
        """What its fields say of it."""
        if self._about is None:
            block = self.block
            self._about = headers.about(
                self.type, block.first(b"content-type"), block.first(b"content-disposition")
            )
        return self._about

    @property
    def attachment_name(self) -> str | None:
        """The name of an attachment, empty if it has none; None for a part that is no attachment."""
        about = self.about
        return (about.name or "") if about.attached else None

    def leaves(self) -> Iterator["Part"]:
        """Yield the leaf parts in the order of the message."""
        if not self.parts:
            yield self
        for part in self.parts:
            yield from part.leaves()


def parse(message: Octets) -> Part:
    """Walk a message and return it as a tree of parts."""
    return _Walk(message).part(0, len(message), 0)


class _Header(NamedTuple):
    """A header block without its empty line, where in the message its first odd line stands, if it has one,
    and where the body begins."""

    block: bytes
    odd: int
    body: int


class _Walk:
    def __init__(self, message: Octets) -> None:
        self._message = message
        self._leaves = 0
        self._line_end = b"\n"

    def part(self, start: int, end: int, depth: int) -> Part:
        """Return the part whose header begins at ``start``."""
        octets, odd, body = _header(self._message, start, end)
        if not depth and octets and b"\n" not in octets:
            self._line_end = b"\r"
        block = Block(octets[:_FIELDS_BYTES] if depth else octets)
        if depth and octets and not block and not oddlines.has_mail_field(octets):
            odd = body = start  # "Note: this", in a part without a header
        value = block.first(b"content-type")
        kind = value.partition(b";")[0].strip().lower()
        encoding = block.first(b"content-transfer-encoding").strip(b'"').lower()
        name = kind.decode("ascii") if _TYPE.fullmatch(kind) else "text/plain"
        part = Part(start, odd, body, end, name, encoding, block)
        if depth < _MAX_DEPTH:
            if kind.startswith(b"multipart/"):
                boundary = headers.boundary_of(value)
                if boundary and len(boundary) <= _MAX_BOUNDARY_BYTES:
                    part.parts = self._multipart(body, end, b"--" + boundary, depth)
            elif name in MESSAGES and encoding not in _ENCODED:
                part.parts = [self.part(body, end, depth + 1)]
        if not part.parts:
            self._leaves += 1
            part.number = self._leaves
        return part

    def _multipart(self, start: int, end: int, delimiter: bytes, depth: int) -> list[Part]:
        """Walk the parts; an empty list if there is no delimiter line at all."""
        message, line_end = self._message, self._line_end
        found: list[Part] = []
        part = -1
        at = start
        while True:
            at = message.find(delimiter, at, end)
            if at < 0 or self._leaves >= _MAX_LEAVES:
                break
            after = _after_delimiter(message, start, at, at + len(delimiter), end, line_end)
            if after is None:
                at += len(delimiter)
                continue
            if part >= 0:
                found.append(
                    self.part(part, _before_line_end(message, part, at, line_end), depth + 1)
                )
            part, closing = after
            if closing:
                return found
            at = part
        if part >= 0:
            found.append(self.part(part, end, depth + 1))
        return found


def header_end(message: Octets) -> int:
    """Return where the header block ends, without the empty line."""
    return len(_header(message, 0, len(message)).block)


def _header(message: Octets, start: int, end: int) -> _Header:
    """Find the header that begins at ``start``. It ends before the first empty line, whatever that ends in,
    or at an odd line behind which no fields follow."""
    limit = min(end, start + HEADER_BYTES)
    first = message[start : min(start + 2, end)]
    if first.startswith(b"\n") or first == b"\r\n":
        body = start + (1 if first.startswith(b"\n") else 2)
        return _Header(b"", body, body)
    # Mostly all lines end as the first does, and looking for the other empty line first takes long.
    line = message.find(b"\n", start, limit)
    if line > start and message[line - 1 : line] == b"\r":
        crlf = message.find(b"\n\r\n", start, limit)
        lf = message.find(b"\n\n", start, limit if crlf < 0 else crlf + 1)
    else:
        lf = message.find(b"\n\n", start, limit)
        crlf = message.find(b"\n\r\n", start, limit if lf < 0 else lf + 1)
    if lf >= 0 and (crlf < 0 or lf < crlf):
        block, body = message[start : lf + 1], lf + 2
    elif crlf >= 0:
        block, body = message[start : crlf + 1], crlf + 3
    else:
        block, body = message[start:limit], limit
    lines = block
    if b"\n" not in block:  # lines of a Macintosh of old
        if first.startswith(b"\r"):
            return _Header(b"", start + 1, start + 1)
        lines = block.replace(b"\r", b"\n")
        empty = lines.find(b"\n\n")
        if empty >= 0:
            block, lines, body = block[: empty + 1], lines[: empty + 1], start + empty + 2
    odd = oddlines.first_at(lines)
    if odd < len(lines):
        stop, behind = oddlines.ends_at(lines, odd)
        if stop < len(lines):
            return _Header(block[:stop], start + (odd if odd < stop else behind), start + behind)
    if body == limit < end:
        return _Header(b"", start, start)
    return _Header(block, start + odd if odd < len(lines) else body, body)


def _after_delimiter(
    message: Octets, start: int, at: int, stop: int, end: int, line_end: bytes
) -> tuple[int, bool] | None:
    """Return where the part begins and whether this was the last delimiter; None if it is none."""
    if at > start and message[at - 1 : at] != line_end:
        return None
    tail = message[stop : min(stop + 80, end)]
    closing = tail.startswith(b"--")
    line, found, _ = tail[2 if closing else 0 :].partition(line_end)
    if line.strip():
        return None
    return stop + 2 * closing + len(line) + len(found), closing


def _before_line_end(message: Octets, start: int, at: int, line_end: bytes) -> int:
    """The line end before a delimiter belongs to the delimiter (RFC 2046 section 5.1.1)."""
    tail = message[max(start, at - 2) : at]
    if tail.endswith(b"\r\n"):
        return at - 2
    return at - 1 if tail.endswith(line_end) else at
