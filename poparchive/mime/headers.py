"""Single facts from a raw header block, for the splitter, the catalog and the index.

Promise: nothing here raises or changes octets, lines may end in CRLF, LF or CR, and every function
takes time linear in the block. A block is the octets before the empty line, of a message or a part.
"""

import binascii
import re
from functools import lru_cache
from typing import Final

from .charset import decode
from .words import decode_field, one_line

MAX_NAME_CHARS: Final = 255
"""A longer file name is cut: no file system holds one."""

_VALUE: Final = re.compile(rb"[^\r\n]*(?:(?:\r\n|\r|\n)[ \t]+[^\r\n]*)*")
_FOLD: Final = re.compile(rb"\r\n|\r|\n")
_TYPE: Final = re.compile(rb"[ \t]*([!-.0-:<-~]+)[ \t]*/[ \t]*([!-:<-~]+)")
_BOUNDARY: Final = re.compile(rb'[; \t]boundary[ \t]*=[ \t]*(?:"([^"]*)"?|([^;"\s]+))', re.I)
_NAME_PARAMETER: Final = re.compile(
    rb"[; \t](file)?name(?:\*(\d{1,3}))?(\*)?[ \t]*=[ \t]*"
    rb'(?:"((?:[^"\\]|\\.)*+)"|([^;"][^;]*)|"([^;]*))',
    re.I | re.S,
)
_QUOTED_PAIR: Final = re.compile(rb'\\([\\"])')
"""Not RFC 5322's, which drops the backslashes of Windows paths that some mailers wrote as they are."""
_PERCENT: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_MAX_PIECES: Final = 1000
_NOT_FILES: Final = ("text/", "multipart/", "message/")


@lru_cache(maxsize=64)
def _field_start(name: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"(?:\A|[\r\n])" + re.escape(name) + rb"[ \t]*:[ \t]*", re.I)


def field(block: bytes, name: bytes) -> bytes | None:
    """The value of the first field called ``name`` (any case), unfolded; None if there is none."""
    start = _start(block, name)
    if start < 0:
        return None
    value = _VALUE.match(block, start)
    octets = value[0] if value else b""
    if b"\n" in octets or b"\r" in octets:
        octets = _FOLD.sub(b"", octets)
    return octets.strip()


def fields(block: bytes, name: bytes) -> list[bytes]:
    """The values of every field called ``name``, in order, unfolded."""
    values = []
    for start in _field_start(name).finditer(block):
        value = _VALUE.match(block, start.end())
        values.append(_FOLD.sub(b"", value[0]).strip() if value else b"")
    return values


def content_type(block: bytes) -> str:
    """The media type in lower case; ``text/plain`` where none is given (RFC 2045 section 5.2)."""
    value = field(block, b"content-type")
    found = _TYPE.match(value) if value else None
    if not found:
        return "text/plain"
    return f"{found[1].decode('ascii').lower()}/{found[2].decode('ascii').lower()}"


def boundary(block: bytes) -> bytes | None:
    """The boundary parameter of the Content-Type, without quotes; None if there is none."""
    value = field(block, b"content-type")
    found = _BOUNDARY.search(value) if value else None
    if not found:
        return None
    return found[1].rstrip() if found[1] is not None else found[2]


def transfer_encoding(block: bytes) -> str:
    """The Content-Transfer-Encoding in lower case; ``7bit`` where none is given."""
    value = field(block, b"content-transfer-encoding")
    if not value:
        return "7bit"
    words = value.lower().split(b";")[0].split()
    return words[0].decode("latin-1").strip('"') if words else "7bit"


def filename(block: bytes) -> str | None:
    """The name that the sender gave the part: the disposition's, else the type's; never empty.

    Percent-encoded and continued parameters (RFC 2231) are put together, encoded words (RFC 2047)
    decoded although they are forbidden in parameters. Only for display and search: it may hold
    slashes, dots, anything but control characters.
    """
    for name in (b"content-disposition", b"content-type"):
        value = field(block, name)
        if value and (found := name_parameter(value)):
            return found
    return None


def name_parameter(value: bytes) -> str | None:
    """The ``filename`` parameter of a field's value, else ``name``; None for neither."""
    if b"name" not in value.lower():
        return None
    plain: dict[bool, bytes] = {}
    pieces: dict[bool, dict[int, tuple[bool, bytes]]] = {True: {}, False: {}}
    for count, found in enumerate(_NAME_PARAMETER.finditer(value)):
        if count >= _MAX_PIECES:
            break
        kind = found[1] is not None
        text = _unquoted(found)
        if found[2] is None and found[3] is None:
            plain.setdefault(kind, text)
        else:
            pieces[kind].setdefault(int(found[2] or 0), (found[3] is not None, text))
    for kind in (True, False):
        # RFC 6266 section 4.3: the extended form is the better one where both are given.
        if pieces[kind]:
            return _shortened(_joined(pieces[kind]))
        if kind in plain:
            return _shortened(decode_field(plain[kind]))
    return None


def disposition(block: bytes) -> str:
    """``attachment``, ``inline`` or what else is given, in lower case; empty for none."""
    value = field(block, b"content-disposition")
    return value.partition(b";")[0].strip().lower().decode("latin-1") if value else ""


def is_attachment(block: bytes) -> bool:
    """Whether a leaf part is an attachment, as ``attached`` says."""
    placed = disposition(block)
    return placed == "attachment" or attached(content_type(block), placed, filename(block))


def attached(media_type: str, placed: str, name: str | None) -> bool:
    """Whether a leaf part of such a type, disposition and name is a file of its own.

    It is one if its sender says so or gave it a name, or if it is neither text nor a message.
    """
    return placed == "attachment" or bool(name) or not media_type.startswith(_NOT_FILES)


def _start(block: bytes, name: bytes) -> int:
    """Where the value begins; -1 if there is no such field."""
    if not name:
        return -1
    length = len(name)
    lowered = block.lower()
    wanted = name.lower()
    at = lowered.find(wanted)
    while at >= 0:
        stop = at + length
        if at == 0 or lowered[at - 1] in b"\r\n":
            while lowered[stop : stop + 1] in (b" ", b"\t"):
                stop += 1
            if lowered[stop : stop + 1] == b":":
                return stop + 1
        at = lowered.find(wanted, stop)
    return -1


def _unquoted(found: re.Match[bytes]) -> bytes:
    if found[4] is not None:
        quoted: bytes = found[4]
        return _QUOTED_PAIR.sub(rb"\1", quoted) if b"\\" in quoted else quoted
    return (found[5] or found[6] or b"").strip()


def _joined(pieces: dict[int, tuple[bool, bytes]]) -> str:
    octets: list[bytes] = []
    label = b""
    for number, (extended, text) in sorted(pieces.items()):
        if extended:
            if number == min(pieces) and text.count(b"'") >= 2:
                label, _, text = text.split(b"'", 2)
            text = _PERCENT.sub(lambda code: binascii.unhexlify(code[1]), text)
        octets.append(text)
    joined = b"".join(octets)
    return one_line(decode(joined, label.decode("latin-1"))) if label else decode_field(joined)


def _shortened(name: str) -> str:
    return name if len(name) <= MAX_NAME_CHARS else name[: MAX_NAME_CHARS - 1] + "…"
