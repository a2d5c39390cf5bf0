"""What a message says and which of the two programs reads it, found with Python's own parser.

Neither program has anything of this parser, so that what it says of a message is said by a third.
"""

import email
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from functools import cached_property
from html.parser import HTMLParser

from tests.interop.agreement.programs import Mail

_TAG = re.compile(r"<(?:[^'\">]|'[^']*(?:'|\Z)|\"[^\"]*(?:\"|\Z))*(?:>|\Z)")
"""What notmuch takes for a tag; it leaves it out but for its first character."""
_CARDS = ("text/vcard", "text/x-vcard", "text/directory", "text/x-vcalendar")
_UUENCODED = re.compile(r"^begin [0-7]{3,4} [^\n]*\n(?:[ -`]*\r?\n)+?end\b", re.MULTILINE)
_PART_HEADERS = ("From", "To", "Date", "Subject")
_BLANK_FOLD = re.compile(rb"\A(?:[^\r\n]+\r?\n)*?[ \t]+\r?\n")
"""A line of blanks in the header."""
_ONCE = ("Content-Type", "Content-Transfer-Encoding")
_LISTS = ("List-Id", "List-Post", "X-Mailing-List", "Mailing-List")
_LABELS = ("X-Gmail-Labels", "X-Label", "Keywords", "X-Keywords")
_LARGER = {
    **dict.fromkeys(("", "us-ascii", "ascii", "iso-8859-1"), "cp1252"),
    **dict.fromkeys(("gb2312", "gbk"), "gb18030"),
    **dict.fromkeys(("ks_c_5601-1987", "euc-kr"), "cp949"),
    "shift_jis": "cp932",
}
"""Charsets that are said to be smaller than they are."""
_MESSAGES = ("message/rfc822", "message/global", "message/news")
_BLOCKS = frozenset(
    [
        *("address", "article", "aside", "blockquote", "br", "center", "dd", "div", "dl", "dt"),
        *("fieldset", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header"),
        *("hr", "li", "main", "nav", "ol", "option", "p", "pre", "section", "select", "table"),
        *("td", "th", "tr", "ul", "title", "body", "html", "head", "textarea", "img", "input"),
        *("button", "caption", "tbody"),
    ]
)


@dataclass
class Piece:
    """A text in a message: where it stands, and how each program reads it, None if it does not."""

    where: str
    field: str
    ours: str | None
    theirs: str | None
    octets: bytes = b""
    label: str = ""

    @cached_property
    def page(self) -> str:
        """The source of HTML."""
        return text_of(self.octets, self.label)

    @cached_property
    def shown(self) -> str:
        """What a page of HTML shows."""
        return visible(self.page)[0]

    @cached_property
    def hidden(self) -> str:
        """What a page of HTML hides."""
        return visible(self.page)[1]


_CONTAINERS = (_BLOCKS - {"br", "hr", "img", "input"}) | frozenset(
    ("a", "b", "i", "u", "em", "span", "font", "strong", "small", "big", "label")
)
_CONCEALED = re.compile(
    r"display:none|visibility:hidden|(?:max-height|opacity|font-size):0(?:\.0+)?(?![1-9.])"
)


class _Visible(HTMLParser):
    """The text of an HTML page that is shown, and what is not."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.shown: list[str] = []
        self.hidden: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden.extend(value or "" for _, value in attrs)
        if tag in _BLOCKS:
            self.shown.append("\n")
        style = (dict(attrs).get("style") or "").replace(" ", "").lower()
        concealed = tag in _CONTAINERS and _CONCEALED.search(style) is not None
        if tag in ("style", "script", "title") or concealed or tag in self._inside:
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS:
            self.shown.append("\n")
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        (self.hidden if self._inside else self.shown).append(data)

    def handle_comment(self, data: str) -> None:
        self.hidden.append(data)

    def handle_decl(self, decl: str) -> None:
        self.hidden.append(decl)

    def unknown_decl(self, data: str) -> None:
        self.hidden.append(data)

    def handle_pi(self, data: str) -> None:
        self.hidden.append(data)


def visible(page: str) -> tuple[str, str]:
    """What a page shows, and what it hides."""
    parser = _Visible()
    try:
        parser.feed(page)
        parser.close()
    except AssertionError:  # it says so of some broken declarations
        pass
    return "".join(parser.shown), " ".join(parser.hidden)


def plain(text: str) -> list[str]:
    """Letters and digits in a row: what everybody takes for words."""
    return re.findall(r"[^\W_]+", text.lower())


def without_tags(page: str) -> str:
    return _TAG.sub("<", page)


def text_of(octets: bytes, label: str) -> str:
    """Octets as text: by the label, else as UTF-8, else as far as the label goes, else as Latin-1."""
    label = _LARGER.get(label.lower(), label)
    for charset, errors in ((label, "strict"), ("utf-8", "strict"), (label, "replace")):
        try:
            return octets.decode(charset or "ascii", errors)
        except (LookupError, ValueError):
            continue
    return octets.decode("latin-1")


def decoded(value: str) -> str:
    """A header field's value."""
    try:
        pieces = decode_header(value)
    except HeaderParseError:
        return value
    texts = []
    for piece, charset in pieces:
        octets = piece.encode("utf-8", "surrogateescape") if isinstance(piece, str) else piece
        texts.append(text_of(octets, "" if charset in (None, "unknown-8bit") else charset))
    return re.sub(r"\s+", " ", "".join(texts))


class Reading:
    """One message."""

    def __init__(self, mail: Mail) -> None:
        self.mail = mail

    @cached_property
    def message(self) -> Message:
        return email.message_from_bytes(self.mail.octets)

    def header(self, name: str) -> str:
        return ", ".join(decoded(str(value)) for value in self.message.get_all(name, ()))

    @cached_property
    def text(self) -> str:
        """Its plain text."""
        return "\n".join(
            piece.ours or ""
            for piece in self.pieces
            if piece.where == "text" or piece.where == "html"
        )

    @cached_property
    def damaged(self) -> bool:
        """Whether its structure is not what it says: where a part ends, or what it is, is a guess."""
        return bool(_BLANK_FOLD.search(self.mail.octets)) or any(
            part.defects
            or any(len(part.get_all(name, ())) > 1 for name in _ONCE)
            or (part.is_multipart() and not any(map(_has_text, part.walk())))
            or "boundary*" in str(part.get("Content-Type", ""))
            for part in self.message.walk()
        )

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        return (*self._headers(), *self._part(self.message, alternative=False))

    def _headers(self) -> Iterator[Piece]:
        sender = self.header("from")
        yield Piece("from", "from", sender, sender)
        if not sender:
            yield Piece("sender", "from", self.header("sender"), None)
        for name in ("to", "cc", "bcc"):
            text = self.header(name)
            yield Piece(name, "to", text, text)
        subject = self.header("subject")
        yield Piece("subject", "subject", subject, subject)
        yield Piece("message-id", "", None, str(self.message.get("Message-ID", "")))
        for name in _LISTS:
            yield Piece("list", "", self.header(name), None)
        for name in _LABELS:
            yield Piece("label", "", self.header(name), None)

    def _part(self, part: Message, *, alternative: bool) -> Iterator[Piece]:
        kind = part.get_content_type()
        said = str(part.get("Content-Type", kind)).partition(";")[0].strip()
        # To notmuch what is no type is octets.
        yield Piece("type", "", None, kind if "/" in said else "application/octet-stream")
        placed = part.get_content_disposition()
        name = decoded(str(part.get_filename() or ""))
        if kind in _MESSAGES and part.is_multipart():
            yield Piece("inline name", "", name, None)
            for inner in _inner(part):
                text = "\n".join(
                    f"{one}: {decoded(str(inner[one]))}" for one in _PART_HEADERS if inner[one]
                )
                yield Piece("enclosed header", "", text, None)
                yield from self._part(inner, alternative=False)
        elif kind.startswith("message/") and part.is_multipart():
            # A delivery report, which the parser takes for messages of header fields.
            text = "\n".join(_fields(inner) for inner in _inner(part))
            yield Piece("other text", "", text, text)
        elif part.is_multipart():
            kinds = [inner.get_content_type() for inner in _inner(part)]
            plain = kind == "multipart/alternative" and "text/plain" in kinds
            for number, inner in enumerate(_inner(part)):
                if kind == "multipart/encrypted":
                    yield from self._unread("encrypted", inner)
                elif kind == "multipart/signed" and number == 1:
                    yield from self._unread("signature", inner)
                else:
                    yield from self._part(inner, alternative=plain or alternative)
            yield Piece("around", "", None, None, _around(part))
        elif placed == "attachment":
            yield Piece("attachment's name", "attachment", name, name)
            yield from self._unread("attachment", part)
        else:
            yield Piece("inline name", "", name, None)
            yield from self._leaf(part, kind, alternative=alternative)

    def _unread(self, where: str, part: Message) -> Iterator[Piece]:
        yield Piece("type", "", None, part.get_content_type())
        yield Piece("inline name", "", decoded(str(part.get_filename() or "")), None)
        if part.is_multipart():
            return
        payload = part.get_payload(decode=True)
        yield Piece(where, "", None, None, payload if isinstance(payload, bytes) else b"")

    def _leaf(self, part: Message, kind: str, *, alternative: bool) -> Iterator[Piece]:
        payload = part.get_payload(decode=True)
        octets = payload if isinstance(payload, bytes) else str(part).encode("utf-8", "replace")
        label = str(part.get_param("charset", "") or "").strip("'\"")
        text = text_of(octets, label)
        theirs = text.partition("\0")[0]
        if kind == "text/html":
            tagless = without_tags(text).partition("\0")[0]
            where = "html beside plain" if alternative else "html"
            yield Piece(where, "", visible(text)[0], tagless, octets, label)
        elif kind in ("text/enriched", "text/richtext"):
            yield Piece("enriched", "", visible(text)[0], theirs, octets, label)
        elif kind == "text/calendar" or kind in _CARDS:
            yield Piece("calendar", "", text, theirs, octets, label)
        elif kind.startswith(("text/", "message/")) and kind != "text/rtf":
            where = "text" if kind == "text/plain" else "other text"
            yield Piece(where, "", _UUENCODED.sub("", text), theirs, octets, label)
        else:
            yield Piece("other part", "", None, theirs, octets, label)


def _inner(part: Message) -> list[Message]:
    """The parts of a part that has some."""
    payload = part.get_payload()
    return [one for one in payload if isinstance(one, Message)] if isinstance(payload, list) else []


def _has_text(part: Message) -> bool:
    return not part.is_multipart() and bool(str(part.get_payload()).strip())


def _fields(inner: Message) -> str:
    lines = [f"{name}: {decoded(str(value))}" for name, value in inner.items()]
    return "\n".join(lines) + f"\n{inner.get_payload()}"


def _around(part: Message) -> bytes:
    """What stands before and behind the parts of a multipart, which nobody is shown."""
    return f"{part.preamble or ''}\n{part.epilogue or ''}".encode("utf-8", "replace")
