"""Outlook's ``winmail.dat`` (MS-OXTNEF): the text, and the attachments, that a message hides in it.

Promise: never raises, takes time linear in its input; what is damaged gives what stands before the damage.
Written here because the libraries that read it have not been kept for years.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from . import html, rtf
from .charset import decode

SIGNATURE: Final = b"\x78\x9f\x3e\x22"

_BODY, _SUBJECT, _TITLE = 0x800C, 0x8004, 0x8010
_DATA, _ATTACHMENT, _RENDERING = 0x800F, 0x9005, 0x9002
_PROPERTIES, _CODEPAGE = 0x9003, 0x9007

_PR_SUBJECT, _PR_BODY, _PR_RTF, _PR_HTML = 0x0037, 0x1000, 0x1009, 0x1013
_PR_DISPLAY_NAME, _PR_FILENAME, _PR_LONG_FILENAME = 0x3001, 0x3704, 0x3707

_FIXED: Final = {
    2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 0xA: 4, 0xB: 4, 0x14: 8, 0x40: 8, 0x48: 16,
}  # fmt: skip
"""Lengths of property types; short ones are padded to four octets."""
_STRING8, _UNICODE, _OBJECT, _BINARY = 0x1E, 0x1F, 0x0D, 0x102
_MAX_VALUES: Final = 100_000


class Attachment(NamedTuple):
    """A file in it: ``name`` may be empty."""

    name: str
    content: bytes


class Tnef(NamedTuple):
    """What it says: the best of its bodies as text, and its files."""

    subject: str
    text: str
    attachments: tuple[Attachment, ...]


def read(octets: bytes) -> Tnef | None:
    """Read a ``winmail.dat``; None if it is none."""
    if not octets.startswith(SIGNATURE):
        return None
    codepage = "cp1252"
    subject = body = ""
    properties: dict[int, str | bytes] = {}
    names: list[str] = []
    contents: list[bytes] = []
    for kind, value in _attributes(octets):
        if kind == _CODEPAGE:
            codepage = f"cp{int.from_bytes(value[:4], 'little')}"
        elif kind == _SUBJECT:
            subject = _text(value, codepage)
        elif kind == _BODY:
            body = _text(value, codepage)
        elif kind == _PROPERTIES:
            properties.update(_properties(value, codepage))
        elif kind == _RENDERING:  # begins every attachment
            names.append("")
            contents.append(b"")
        elif not names:
            continue
        elif kind == _TITLE:
            names[-1] = names[-1] or _text(value, codepage)
        elif kind == _DATA:
            contents[-1] = value
        elif kind == _ATTACHMENT:
            found = dict(_properties(value, codepage))
            named = [found.get(key) for key in (_PR_LONG_FILENAME, _PR_FILENAME, _PR_DISPLAY_NAME)]
            names[-1] = next((one for one in named if isinstance(one, str) and one), names[-1])
    said = properties.get(_PR_SUBJECT)
    return Tnef(
        subject=said if isinstance(said, str) and said else subject,
        text=_best(properties, body),
        attachments=tuple(map(Attachment, names, contents)),
    )


def _best(properties: dict[int, str | bytes], body: str) -> str:
    plain = properties.get(_PR_BODY)
    if isinstance(plain, str) and plain.strip():
        return plain
    marked = properties.get(_PR_HTML)
    if isinstance(marked, bytes) and marked:
        return html.text_of(decode(marked))
    if isinstance(marked, str) and marked:
        return html.text_of(marked)
    compressed = properties.get(_PR_RTF)
    if isinstance(compressed, bytes):
        text, is_html = rtf.text_of(rtf.decompress(compressed))
        if text.strip():
            return html.text_of(text) if is_html else text
    return body


def _attributes(octets: bytes) -> Iterator[tuple[int, bytes]]:
    at = 6
    while at + 9 <= len(octets):
        kind = int.from_bytes(octets[at + 1 : at + 3], "little")
        length = int.from_bytes(octets[at + 5 : at + 9], "little")
        yield kind, octets[at + 9 : at + 9 + length]
        at += 9 + length + 2  # a checksum


def _properties(octets: bytes, codepage: str) -> Iterator[tuple[int, str | bytes]]:
    """Yield texts and binary values by number. Named properties and numbers are passed over."""
    at = 4
    end = len(octets)
    for _ in range(min(int.from_bytes(octets[:4], "little"), _MAX_VALUES)):
        if at + 4 > end:
            return
        kind = int.from_bytes(octets[at : at + 2], "little")
        number = int.from_bytes(octets[at + 2 : at + 4], "little")
        at += 4
        if number >= 0x8000:
            at = _behind_name(octets, at)
        plain = kind & 0x0FFF
        variable = plain in (_STRING8, _UNICODE, _OBJECT, _BINARY)
        many = bool(kind & 0x1000)
        count = 1
        if many or variable:
            count = int.from_bytes(octets[at : at + 4], "little")
            at += 4
        if not variable:
            if plain not in _FIXED:
                return
            at += _FIXED[plain] * count
            continue
        for _ in range(min(count, _MAX_VALUES)):
            if at + 4 > end:
                return
            length = int.from_bytes(octets[at : at + 4], "little")
            value = octets[at + 4 : at + 4 + length]
            at += 4 + length + -length % 4
            if plain == _UNICODE:
                yield number, value.decode("utf-16-le", "replace").rstrip("\0")
            elif plain == _STRING8:
                yield number, _text(value, codepage)
            else:
                yield number, value


def _behind_name(octets: bytes, at: int) -> int:
    at += 16
    by_text = int.from_bytes(octets[at : at + 4], "little")
    at += 4
    if not by_text:
        return at + 4
    length = int.from_bytes(octets[at : at + 4], "little")
    return at + 4 + length + -length % 4


def _text(value: bytes, codepage: str) -> str:
    return decode(value.rstrip(b"\0"), codepage)
