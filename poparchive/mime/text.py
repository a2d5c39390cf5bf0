"""What a message says: the words for catalog, search and display.

Promise: ``extract`` never raises, whatever the octets; its time is linear in the message and its
result bounded; every text in it encodes to UTF-8 and holds no control characters but tab and line
feed. Nothing here is needed to keep a message or to give it back: a wrong guess costs a search hit.
"""

import enum
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from . import dates, headers
from .body import TEXT_BYTES, Body, read, tree
from .charset import clean, decode
from .words import decode_field

READ_BYTES: Final = 32 << 20
"""Octets of a message that are looked at; text stands before large attachments."""

FIELD_CHARS: Final = 64 << 10
"""Characters kept of a header field: some 1,500 addresses."""

_HEADER_BYTES: Final = 1 << 20
_CLOCK_SKEW_S: Final = 2 * 86_400
"""How far ahead of its arrival a Date may be: time zones and wrong clocks."""
_YEAR_10000: Final = 253_402_300_800

_HEADER_END: Final = re.compile(rb"\n\r?\n|\r\r")
_SEPARATOR: Final = re.compile(rb">?From (?![ \t]*:)")
"""An mbox's separator that a server or mailer kept as the first line."""
_ODD_LINE_END: Final = re.compile(rb"\r+\n|\r")
_MISREAD: Final = re.compile(
    "[\xc2-\xf4][\x80-\xbf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]"
    "|[A-Za-zæêó][³¹¿±¶][a-zæêó]|[\ufffd\x1b]|=\\?"
)
"""Marks of UTF-8 or Polish that was read as windows-1252, and of encoded words left as they were."""
_QUOTED_NAME: Final = re.compile(r'"([^"\\,;:<>@()\[\]]*)"(?=\s*<)')
_COMMENT_NAME: Final = re.compile(r"<?([^\s<>()]+@[^\s<>()]+)>?\s*\(([^()]+)\)")
_EXPECTED: Final = frozenset(["from", "subject", "date", "message-id"])


class ParseStatus(enum.IntEnum):
    """How much of a message could be read. The numbers are stored."""

    OK = 0
    """All of it."""
    PARTIAL = 1
    """It is damaged or beyond a limit: words may be missing."""
    RAW = 2
    """It has no header fields: the octets were read as text."""


@dataclass(frozen=True, slots=True)
class Extract:
    """What a message says. Texts are empty, and dates None, where it says nothing.

    ``sender`` is the From field, or Sender where there is none, as ``Name <address>``;
    ``recipients`` and ``copies`` are To and Cc, comma separated; ``message_id`` stands without
    angle brackets. ``date`` (the Date field) and ``received`` (the end of the topmost Received
    field) are seconds since the epoch. ``body`` is the text of all readable parts, lines ended by
    LF. ``attachment_names`` has a name for each attachment, empty for one without a name.
    """

    subject: str
    sender: str
    recipients: str
    copies: str
    message_id: str
    date: int | None
    received: int | None
    body: str
    attachment_names: tuple[str, ...]
    status: ParseStatus


def extract(raw: bytes) -> Extract:
    """Read a message. Of a larger one it is enough to pass the first ``READ_BYTES`` octets."""
    cut = len(raw) > READ_BYTES
    if cut:
        raw = raw[:READ_BYTES]
    if _SEPARATOR.match(raw):
        raw = raw[raw.find(b"\n") + 1 :]
    if b"\n" not in raw:
        raw = raw.replace(b"\r", b"\n")
    root = tree(raw)
    if root is None and b"\r" in raw:
        mended = _ODD_LINE_END.sub(b"\n", raw)
        root = tree(mended)
        raw = mended if root is not None else raw
    fields = _Fields(raw, root.headers if root is not None else {})
    found = read(raw, None if fields.cut_short else root)
    if cut:
        found.whole = False
    return _extract(raw, fields, found)


def effective_date(extract: Extract, retrieved: int) -> int:
    """The moment to sort by: Date if plausible, else Received, else when it was ``retrieved``.

    Plausible is from 1970 to two days after ``retrieved``.
    """
    for moment in (extract.date, extract.received):
        if moment is not None and 0 <= moment <= retrieved + _CLOCK_SKEW_S:
            return moment
    return retrieved


def printable(message: bytes | Extract) -> str:
    """The message for a person to read: header fields, text, names of attachments."""
    said = extract(message) if isinstance(message, bytes) else message
    when = ""
    if said.date is not None and said.date < _YEAR_10000:
        when = f"{datetime.fromtimestamp(said.date, UTC):%a, %d %b %Y %H:%M:%S} +0000"
    shown = {
        "From": said.sender,
        "To": said.recipients,
        "Cc": said.copies,
        "Date": when,
        "Subject": said.subject,
    }
    lines = [f"{name}: {value}" for name, value in shown.items() if value]
    lines += ["", said.body.rstrip()]
    if said.attachment_names:
        lines += ["", "Attachments:"]
        lines += [f"  {name or '(no name)'}" for name in said.attachment_names]
    return "\n".join(lines) + "\n"


class _Fields:
    """The header fields: the fast parser's reading, and the raw block where that looks wrong."""

    __slots__ = ("_raw", "_read", "cut_short")

    def __init__(self, raw: bytes, read: dict[str, list[str]]) -> None:
        lowered = {name.lower().rstrip(): values for name, values in read.items()}
        if len(lowered) < len(read):
            lowered = {}
            for name, values in read.items():
                lowered.setdefault(name.lower().rstrip(), []).extend(values)
        self._raw = raw
        self._read = lowered
        self.cut_short = False
        if not lowered.keys() >= _EXPECTED:
            # The parser stops at a line that is no field; see whether fields come after it.
            block = self._block()
            self.cut_short = any(
                name not in lowered and headers.field(block, name.encode()) is not None
                for name in _EXPECTED
            )
            if self.cut_short:
                self._read = {}

    def __bool__(self) -> bool:
        return bool(self._read) or self.cut_short

    def text(self, name: str) -> str:
        """The first field of that name, one line; empty for none."""
        values = self._read.get(name)
        if values:
            text = values[0]
            odd = "=?" in text if text.isascii() else _MISREAD.search(text)
            if not odd and text.isprintable():
                return text[:FIELD_CHARS].strip()
        elif self._read:
            return ""
        octets = headers.field(self._block(), name.encode())
        return decode_field(octets)[:FIELD_CHARS] if octets else ""

    def texts(self, name: str) -> str:
        """All fields of that name, one line, comma separated; empty for none."""
        values = self._read.get(name)
        if values is None and self._read:
            return ""
        if values is None or len(values) > 1:
            found = headers.fields(self._block(), name.encode())
            return ", ".join(decode_field(octets) for octets in found)[:FIELD_CHARS]
        return self.text(name)

    def _block(self) -> bytes:
        end = _HEADER_END.search(self._raw, 0, _HEADER_BYTES)
        return self._raw[: end.start() + 1] if end else self._raw[:_HEADER_BYTES]


def _extract(raw: bytes, fields: _Fields, found: Body) -> Extract:
    body = found.text()
    status = ParseStatus.OK if found.whole else ParseStatus.PARTIAL
    if not fields:
        status = ParseStatus.RAW
        body = body or clean(decode(raw[: TEXT_BYTES // 4]))
    received = fields.text("received")
    return Extract(
        subject=fields.text("subject"),
        sender=_named(_unquoted(fields.text("from") or fields.text("sender"))),
        recipients=_unquoted(fields.texts("to")),
        copies=_unquoted(fields.texts("cc")),
        message_id=_message_id(fields.text("message-id")),
        date=dates.epoch(fields.text("date")),
        received=dates.epoch(received.rpartition(";")[2][-dates.MAX_CHARS :]) if received else None,
        body=body,
        attachment_names=tuple(found.names),
        status=status,
    )


def _unquoted(addresses: str) -> str:
    return _QUOTED_NAME.sub(r"\1", addresses) if '"' in addresses else addresses


def _named(sender: str) -> str:
    """Write ``address (Name)``, the old form, as ``Name <address>``."""
    if sender.endswith(")"):
        found = _COMMENT_NAME.fullmatch(sender)
        if found:
            return f"{found[2].strip()} <{found[1]}>"
    return sender


def _message_id(text: str) -> str:
    start = text.find("<")
    end = text.find(">", start)
    if 0 <= start < end:
        text = text[start + 1 : end]
    return text.strip()
