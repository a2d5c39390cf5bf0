"""Single facts from a raw header block, for the splitter, the catalog and the index.

Promise: nothing here raises or changes octets, lines may end in CRLF, LF or CR, and every function
takes time linear in the block. A block is the octets before the empty line, of a message or a part.
"""

import binascii
import re
from functools import lru_cache
from typing import Final, NamedTuple

from .charset import decode
from .late import late
from .words import decode_field, one_line

MAX_NAME_CHARS: Final = 255
"""A longer file name is cut: no file system holds one."""

_LF: Final = 0x0A
_CR: Final = 0x0D
"""As numbers: looked for as octets in octets they take five times as long."""

_FIELDS: Final = late(
    rb"\n(?=[bcdfiklmrstx])"
    rb"(from|to|s(?:ubject|ender)|date|re(?:ceived|ferences)|m(?:essage-id|ailing-list)|cc|bcc|in-reply-to"
    rb"|content-(?:type|transfer-encoding|disposition|language|id)|keywords"
    rb"|list-(?:id|post)|x-(?:mailing-list|gmail-labels|label|keywords))"
    rb"[ \t]*+:(.*+(?:\n[ \t].*+)*+)",
    re.I,
)
_BOUNDARY: Final = late(rb'[; \t]boundary[ \t]*=[ \t]*(?:"([^"]*)"?|([^;"\s]+))', re.I)
_BOUNDARY_PIECE: Final = late(
    rb'[; \t]boundary\*(?:(\d{1,3})(\*)?|(?=[ \t]*=))[ \t]*=[ \t]*(?:"([^"]*)"?|([^;"\s]+))', re.I
)
_NAME_PARAMETER: Final = late(
    rb"[; \t](file)?name(?:\*(\d{1,3}))?(\*)?[ \t]*=[ \t]*"
    rb'(?:"((?:[^"\\]|\\.)*+)"|([^;"][^;]*)|"([^;]*))',
    re.I | re.S,
)
_CHARSET: Final = late(rb"charset\*?\d?\*?\s*+=\s*+[\"']?\s*+([^\s\"';]{1,64})", re.I)
_DELETED_SPACES: Final = late(rb";\s*+delsp\s*+=\s*+\"?yes\b", re.I)
_MAX_TYPE_BYTES: Final = 1000
_REMEMBERED_BYTES: Final = 500
"""Most text parts have the same short fields as thousands of others."""
_QUOTED_PAIR: Final = late(rb'\\([\\"])')
"""Not RFC 5322's, which drops the backslashes of Windows paths that some mailers wrote as they are."""
_PERCENT: Final = late(rb"%([0-9A-Fa-f]{2})")
_MAX_PIECES: Final = 1000
_NOT_FILES: Final = ("text/", "multipart/", "message/")


class Block:
    """The fields of a header block that are of interest here, found in one search.

    They are asked for by names in lower case. Their values are unfolded: without line ends.
    """

    __slots__ = ("_fields", "_values", "is_ascii")

    def __init__(self, octets: bytes) -> None:
        if _LF not in octets:
            octets = octets.replace(b"\r", b"\n")
        self.is_ascii = octets.isascii()
        self._fields = [(name.lower(), value) for name, value in _FIELDS.findall(b"\n" + octets)]
        self._values: dict[bytes, bytes] = dict(reversed(self._fields))  # the first of each name

    def __bool__(self) -> bool:
        return bool(self._values)

    def has_any(self, names: frozenset[bytes]) -> bool:
        """Whether there is a field of one of these names."""
        return not names.isdisjoint(self._values)

    def first(self, name: bytes) -> bytes:
        """The value of the first field of that name; empty if there is none."""
        value = self._values.get(name)
        return _unfolded(value) if value else b""

    def all(self, name: bytes) -> list[bytes]:
        """The values of every field of that name, in order."""
        if name not in self._values:
            return []
        return [_unfolded(value) for one, value in self._fields if one == name]


def _unfolded(value: bytes) -> bytes:
    value = value.strip()
    if _LF in value or _CR in value:
        value = value.replace(b"\r", b"").replace(b"\n", b"")
    return value


class About(NamedTuple):
    """What a leaf part's fields say of it.

    ``charset`` is the label, ``placed`` is ``attachment`` or ``inline`` or what else the disposition
    is, ``name`` the file name: the disposition's, else the type's. It is ``attached``, a file of its
    own, if its sender says so or gave it a name, or if it is neither text nor a message. Its lines may be
    ``broken`` by a blank that is no part of the text (RFC 3676, ``DelSp=yes``).
    """

    charset: str
    placed: str
    name: str | None
    attached: bool
    broken: bool = False


def about(media_type: str, content_type: bytes, disposition: bytes) -> About:
    """Read what the fields of a leaf part say; ``media_type`` is what the first one begins with."""
    short = len(content_type) + len(disposition) <= _REMEMBERED_BYTES
    return (_about if short else _about.__wrapped__)(media_type, content_type, disposition)


@lru_cache(maxsize=1024)
def _about(media_type: str, content_type: bytes, disposition: bytes) -> About:
    name = name_parameter(disposition) or name_parameter(content_type)
    placed = disposition.partition(b";")[0].strip().lower().decode("latin-1")
    found = _CHARSET.search(content_type, 0, _MAX_TYPE_BYTES)
    charset = found[1].decode("latin-1") if found else ""
    attached = placed == "attachment" or bool(name) or not media_type.startswith(_NOT_FILES)
    broken = bool(_DELETED_SPACES.search(content_type))
    return About(charset, placed, name, attached, broken)


def boundary_of(value: bytes) -> bytes | None:
    """The boundary parameter of a Content-Type's value, in pieces and percent-encoded too (RFC 2231)."""
    found = _BOUNDARY.search(value)
    if found:
        return found[1].rstrip() if found[1] is not None else found[2]
    if b"boundary*" not in value.lower():
        return None
    pieces: dict[int, bytes] = {}
    for count, piece in enumerate(_BOUNDARY_PIECE.finditer(value)):
        if count >= _MAX_PIECES:
            break
        number = int(piece[1] or 0)
        octets = piece[3] if piece[3] is not None else piece[4]
        if piece[1] is None or piece[2] is not None:
            if number == 0 and octets.count(b"'") >= 2:
                octets = octets.split(b"'", 2)[2]
            octets = _PERCENT.sub(lambda code: binascii.unhexlify(code[1]), octets)
        pieces.setdefault(number, octets)
    # RFC 2231 section 3: they are counted from 0 without a gap.
    whole = b"".join(pieces[number] for number in range(len(pieces)) if number in pieces)
    return whole.rstrip() or None


def name_parameter(value: bytes) -> str | None:
    """The ``filename`` parameter of a field's value, else ``name``; None for neither, never empty.

    Percent-encoded and continued parameters (RFC 2231) are put together, encoded words (RFC 2047)
    decoded although they are forbidden in parameters. Only for display and search: it may hold
    slashes, dots, anything but control characters.
    """
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
            return _shortened(_joined(pieces[kind])) or None
        if kind in plain:
            return _shortened(decode_field(plain[kind])) or None
    return None


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
