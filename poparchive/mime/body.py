"""The readable text and the attachments' names of a message, from its parts.

Promise: ``read`` never raises, takes time linear in the message, and gives bounded results.

Transfer encodings are undone as far as they go, and charsets are decoded here, because labels lie.

What reads only some messages is imported for the first of them: a search that shows messages waits for it.
"""

import binascii
import re
from collections.abc import Sequence
from typing import Final

from . import headers, oddlines, security, words
from .charset import decode
from .filetypes import endings
from .late import late
from .structure import MESSAGES, Octets, Part, parse

TEXT_BYTES: Final = 2 << 20
"""Octets of text taken from one message; a book has half a million."""

MAX_PARTS: Final = 10_000
MAX_NAMES: Final = 1_000

STUB: Final = 10
"""A plain part smaller than a tenth of its HTML alternative does not say the same: both are the text."""

_ENRICHED: Final = frozenset(["text/enriched", "text/richtext"])
_HTML: Final = frozenset(["text/html", "application/xhtml+xml"]) | _ENRICHED
_UNREADABLE: Final = frozenset(
    [
        *("text/css", "text/javascript"),
        *("text/watch-html", "text/x-amp-html", "text/x-moz-deleted"),
    ]
)
_RELATED: Final = "multipart/related"
_DIGEST: Final = "multipart/digest"
"""Its parts are messages where they do not say what they are (RFC 2046, section 5.1.5)."""
_CALENDAR: Final = "text/calendar"
CALENDARS: Final = frozenset(
    [_CALENDAR, "text/x-vcalendar", "text/vcard", "text/x-vcard", "text/directory"]
)
"""What is written like a calendar, cards among them."""
_RTF: Final = "text/rtf"
_TNEF: Final = frozenset(["application/ms-tnef", "application/vnd.ms-tnef"])
_PKCS7: Final = frozenset(["application/pkcs7-mime", "application/x-pkcs7-mime"])
_SUMMARY: Final = ("From", "To", "Date", "Subject")
"""Fields of an embedded message that its reader sees."""

_META_CHARSET: Final = late(rb"<meta[^<>]{1,200}?charset\s*=\s*[\"']?([\w.:-]+)", re.I)
_META_BYTES: Final = 2048
_UUENCODED: Final = late(
    r"^begin [0-7]{3,4} ([^\n]{1,255})\n((?:[ -`]{1,64}\n)+)end\b", re.MULTILINE
)
_SOFT_BREAK: Final = late(rb"=[ \t]++(?=\r?\n|\Z)")
_BASE64_LINES: Final = late(rb"(?:[A-Za-z0-9+/]+=*[ \t]*(?:\r?\n|\Z)|[ \t]*\r?\n)*+")
_NOT_BASE64: Final = bytes(
    o for o in range(256) if not ((chr(o).isalnum() and o < 128) or o in b"+/")
)
_BASE64_OR_LINE_END: Final = bytes(o for o in range(256) if o not in _NOT_BASE64) + b"\r\n"
_ENCODED_EXCESS: Final = 4
"""Text takes no more than so many times its octets in any transfer encoding."""

_MAX_FILE_BYTES: Final = 32 << 20
"""Of an encoded file that holds text among other files."""

_MAX_DEPTH: Final = 5


class Body:
    """What was found so far. Not shared between threads."""

    __slots__ = (
        *("beside", "encrypted", "files", "names", "parts", "room", "signed", "spare", "texts"),
        *("types", "whole"),
    )

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.beside: list[str] = []
        """Lines of other versions of a text, where they have words that it has not."""
        self.names: list[str] = []
        self.types: dict[str, None] = {}
        self.files = self.signed = self.encrypted = False
        """Whether some of the names are files that somebody sent, and what parts say of themselves."""
        self.whole = True
        self.room = self.spare = TEXT_BYTES
        """How many octets may still be read of the text, and of other versions of it."""
        self.parts = 0

    def claim(self, signed: bool, encrypted: bool) -> None:
        """Note what a part says of itself."""
        self.signed |= signed
        self.encrypted |= encrypted

    def text(self) -> str:
        """All of the text, within the limit, parts separated by a line's end."""
        return self._within_limit("\n".join(self.texts))

    def text_beside(self) -> str:
        """The lines of other versions, within the same limit."""
        return self._within_limit("\n".join(self.beside)) if self.beside else ""

    def _within_limit(self, text: str) -> str:
        if len(text) > TEXT_BYTES // 4:  # a character is four octets at most
            octets = text.encode()
            if len(octets) > TEXT_BYTES:
                self.whole = False
                text = octets[:TEXT_BYTES].decode("utf-8", "ignore")
        return text


def read(message: Octets, root: Part) -> Body:
    """Read a message whose parts are known."""
    found = Body()
    _Reading(message, found, 0).part(root)
    return found


class _Reading:
    """Reads one message, or one that is embedded in it so that only decoding shows it."""

    def __init__(self, message: Octets, found: Body, depth: int) -> None:
        self._message = message
        self._found = found
        self._depth = depth
        self._related = False
        """Whether within parts that belong to an HTML text."""

    def part(self, part: Part) -> None:
        found = self._found
        found.parts += 1
        if part.type in security.SECURED:
            found.claim(*security.claims(part))
        if part.odd < part.start:
            self._odd_lines(part)
        if found.parts > MAX_PARTS:
            found.whole = False
        elif not part.parts:
            self._leaf(part)
        elif part.type == "multipart/alternative":
            self._alternative(part.parts)
        else:
            if part.type in MESSAGES:
                about = part.about
                if about.name or about.placed == "attachment":
                    _add_name(about.name, found, part.type)
                self._summary(part.parts[0])
            related, self._related = self._related, self._related or part.type == _RELATED
            enclosing = part.type == _DIGEST and self._depth < _MAX_DEPTH
            for child in part.parts:
                if enclosing and not child.parts and not child.block.first(b"content-type"):
                    found.files |= child.about.attached
                    self._enclosed(child)
                else:
                    self.part(child)
            self._related = related

    def _odd_lines(self, part: Part) -> None:
        """Read what is text in the part's header."""
        header = self._message[part.head : part.start]
        text = oddlines.text_of(header, part.odd - part.head)
        if text.strip():
            _add_text(text, "text/plain", part.about.charset, self._found)

    def _alternative(self, children: Sequence[Part]) -> None:
        """Read the plain version, and of the others what it does not say."""
        found = self._found
        before = len(found.texts)
        for child in children:
            if child.type == "text/plain":
                self.part(child)
        after = len(found.texts)
        said = found.texts[before:]
        plain = sum(len(text.strip()) for text in said)
        others = [child for child in children if child.type != "text/plain"]
        instead = not plain or plain * STUB < sum(map(_html_bytes, others))
        calendars: list[str] = []
        for child in others:
            at = len(found.texts)
            if instead or child.type == _CALENDAR:
                self.part(child)
            else:
                self._beside(child)
            if child.type == _CALENDAR:  # what it says is no other version of the text
                calendars += found.texts[at:]
                del found.texts[at:]
        if plain and len(found.texts) > after:
            from . import beside

            lines = beside.new_lines(said, found.texts[after:])
            if not instead:
                found.beside += lines
            if not (instead and lines):  # or it was large by its markup alone
                del found.texts[after:]
        if calendars:
            from . import beside

            if beside.new_lines(said, calendars):
                found.texts += calendars

    def _beside(self, other: Part) -> None:
        """Read another version in the room there is for them, so that none is taken from other parts."""
        found = self._found
        room, found.room = found.room, found.spare
        self.part(other)
        found.room, found.spare = room, found.room

    def _leaf(self, leaf: Part) -> None:
        found = self._found
        about = leaf.about
        if about.attached:
            is_file = found.files or security.is_file(self._message, leaf, related=self._related)
            _add_name(about.name, found, leaf.type, is_file=is_file)
        if leaf.type in _PKCS7:
            self._smime(leaf)
        if leaf.type in MESSAGES and self._depth < _MAX_DEPTH:
            self._enclosed(leaf)
        elif leaf.type in _TNEF or about.name == "winmail.dat":
            self._tnef(leaf)
        elif leaf.type.startswith("multipart/"):
            # Its parts are not where its boundary says, if it has one at all.
            found.whole = False
            _add_text(self._content(leaf), "text/plain", about.charset, found)
        elif leaf.type == _RTF and about.attached:
            pass  # a file, which the attachments' text has
        elif _readable(leaf.type, about.placed):
            octets = self._content(leaf)
            _add_text(octets, leaf.type, about.charset, found, broken=about.broken)

    def _enclosed(self, leaf: Part) -> None:
        """Read a leaf that is a message."""
        inner = self._content(leaf)
        root, reading = parse(inner), _Reading(inner, self._found, self._depth + 1)
        reading._summary(root)
        reading.part(root)

    def _tnef(self, leaf: Part) -> None:
        from . import tnef

        found = self._found
        said = tnef.read(self._content(leaf, whole=True))
        if said is None:
            return
        for name, _ in said.attachments:
            _add_name(name, found)
        text = "\n".join(filter(None, (said.subject, said.text)))[: found.room]
        found.room -= len(text)
        found.texts.append(text)

    def _smime(self, leaf: Part) -> None:
        """Note whether it is signed or encrypted; read what is signed, which is a part in itself."""
        found = self._found
        says = leaf.block.first(b"content-type").lower()
        if b"enveloped-data" in says or b"compressed-data" in says or b"certs-only" in says:
            found.encrypted |= b"enveloped-data" in says
            return
        from . import pkcs7

        content = pkcs7.read(self._content(leaf, whole=True))
        signed = content.kind == "signed" or b"signed-data" in says
        found.signed |= signed
        found.encrypted |= not signed
        if content.inside is not None and self._depth < _MAX_DEPTH:
            _Reading(content.inside, found, self._depth + 1).part(parse(content.inside))

    def _content(self, leaf: Part, *, whole: bool = False) -> bytes:
        """The leaf's octets, its transfer encoding undone as far as it goes: ``whole``, or as many as
        there is room for text."""
        end = leaf.end
        most = leaf.start + (
            _MAX_FILE_BYTES if whole else _ENCODED_EXCESS * max(self._found.room, 1)
        )
        if end > most:
            end = most
            self._found.whole = False
        octets = self._message[leaf.start : end]
        if leaf.encoding == b"quoted-printable":
            if b"= " in octets or b"=\t" in octets:
                # What servers put behind a line goes first (RFC 2045, section 6.7, rule 3).
                octets = _SOFT_BREAK.sub(b"=", octets)
            return binascii.a2b_qp(octets)
        if leaf.encoding == b"base64":
            return self._base64(octets)
        return octets

    def _base64(self, octets: bytes) -> bytes:
        """Decode what is base64, and leave what follows it as text."""
        last = octets.rstrip(b"\r\n").rfind(b"\n") + 1
        clean = not octets[:last].translate(None, _BASE64_OR_LINE_END)
        # All lines but the last are as good as read then.
        encoded = _BASE64_LINES.match(octets, last if clean else 0)
        end = encoded.end() if encoded else 0
        letters = octets[:end].translate(None, _NOT_BASE64)
        odd = len(letters) % 4 == 1
        if odd or end < len(octets):
            self._found.whole = False
        letters = letters[: len(letters) - odd]
        return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4)) + octets[end:]

    def _summary(self, inner: Part) -> None:
        lines = [
            f"{name}: {words.decode_field(value)}"
            for name in _SUMMARY
            if (value := inner.block.first(name.lower().encode()))
        ]
        if lines:
            self._found.texts.append("\n".join(lines))


def _html_bytes(part: Part) -> int:
    if part.type == "text/html":
        return part.end - part.start
    return sum(map(_html_bytes, part.parts))


def _readable(kind: str, placed: str) -> bool:
    if placed == "attachment":
        return False
    if kind.startswith("text/"):
        return kind not in _UNREADABLE
    return kind.startswith("message/") or kind in _HTML


def _add_text(octets: bytes, kind: str, label: str, found: Body, *, broken: bool = False) -> None:
    """Add the text of octets of this type; ``broken`` is as in ``headers.About``."""
    if len(octets) > found.room:
        octets = octets[: found.room]
        found.whole = False
    found.room -= len(octets)
    if kind in _HTML:
        if not label and not octets.isascii():
            meta = _META_CHARSET.search(octets, 0, _META_BYTES)
            label = meta[1].decode("latin-1") if meta else ""
        from . import html

        reading = html.text_of_enriched if kind in _ENRICHED else html.text_of
        text = reading(decode(octets, label))
    elif kind in CALENDARS:
        from . import calendar

        text = calendar.text_of(decode(octets, label or "utf-8"))
    elif kind == _RTF:
        from . import html, rtf

        text, is_html = rtf.text_of(octets)
        text = html.text_of(text) if is_html else text
    else:
        text = decode(octets, label)
        if broken and kind == "text/plain":
            from . import flowed

            text = flowed.unbroken(text)
        if "-----BEGIN PGP " in text:
            found.claim(*security.inline_claims(text))
        if "\nbegin " in text or text.startswith("begin "):
            text = _without_uuencoded(text, found)
    found.texts.append(text)


def _without_uuencoded(text: str, found: Body) -> str:
    pieces: list[str] = []
    at = 0
    for block in _UUENCODED.finditer(text):
        pieces.append(text[at : block.start()])
        at = block.end()
        _add_name(block[1], found)
    pieces.append(text[at:])
    return "".join(pieces)


def _add_name(name: str | None, found: Body, kind: str = "", *, is_file: bool = True) -> None:
    found.files |= is_file
    if len(found.names) >= MAX_NAMES:
        found.whole = False
        return
    name = name or ""
    if "=?" in name or not name.isprintable():
        name = words.decode_field(name.encode("utf-8", "replace"))
    name = name[: headers.MAX_NAME_CHARS]
    found.names.append(name)
    found.types.update(dict.fromkeys(endings(name, kind)))
