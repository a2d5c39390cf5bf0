"""What a message says: the words for catalog, search and display.

Promise: ``extract`` never raises, whatever the octets; its time is linear in the message and its
result bounded; every text in it encodes to UTF-8 and holds no control characters but tab and line
feed. Nothing here is needed to keep a message or to give it back: a wrong guess costs a search hit.
"""

import enum
import re
from datetime import UTC, datetime
from typing import Final, NamedTuple

from . import dates
from .body import TEXT_BYTES, read
from .charset import clean, decode
from .headers import Block
from .late import late
from .structure import Octets, Part, parse
from .words import decode_field

FIELD_CHARS: Final = 64 << 10
"""Characters kept of a header field: some 1,500 addresses."""

_CLOCK_SKEW_S: Final = 2 * 86_400
"""How far ahead of its arrival a Date may be: time zones and wrong clocks."""
_YEAR_10000: Final = 253_402_300_800

REFERENCES: Final = 20
"""Message-IDs kept from either end of a References field: a thread's beginning, and its latest messages."""

_FIELD: Final = late(rb"(?:^|\n)[!-9;-~]+[ \t]*:")
_ODD_LINE_END: Final = late(rb"(?<!\r)\r+\n|\r")
_QUOTED_NAME: Final = late(r'"([^"\\,;:<>@()\[\]]*)"(?=\s*<)')
_ID: Final = late(r"<([^<>]+)>")
_COMMENT_NAME: Final = late(r"<?([^\s<>()@]+@[^\s<>()]++)>?\s*\(([^()]+)\)")

_LABELS: Final = (b"x-gmail-labels", b"x-label", b"keywords", b"x-keywords")
_LIST_ADDRESSES: Final = (b"list-post", b"x-mailing-list", b"mailing-list")
_LABELLED: Final = frozenset(_LABELS)
_LISTED: Final = frozenset([b"list-id", *_LIST_ADDRESSES])
_LIST_ADDRESS: Final = late(r"(?:^|[\s<:;])(?:mailto:)?([^\s<>:;,?\"()@]+@[^\s<>:;,?\"()@]+)", re.I)


class ParseStatus(enum.IntEnum):
    """How much of a message could be read. The numbers are stored."""

    OK = 0
    """All of it."""
    PARTIAL = 1
    """It is damaged or beyond a limit: words may be missing."""
    RAW = 2
    """It has no header fields: the octets were read as text."""


class Extract(NamedTuple):
    """What a message says. Texts are empty, and dates None, where it says nothing.

    ``sender`` is the From field, or Sender where there is none, as ``Name <address>``;
    ``recipients`` and ``copies`` are To and Cc, comma separated; ``message_id`` stands without
    angle brackets. ``date`` is the Date field in seconds since the epoch, ``received`` the end of the
    topmost Received field as it is written. ``body`` is the text of all readable parts, lines ended by
    LF. ``references`` are the Message-IDs that it names as before it in its thread, oldest first, no more
    than ``REFERENCES`` from either end.
    ``attachment_names`` has a name for each attachment, empty for one without a name; ``files`` says that
    some of them are files that somebody sent, see ``security.is_file``;
    ``attachment_types`` has what they are known as, once each: ``pdf``. ``blind`` is Bcc, ``lists`` the
    mailing list's name and address, ``labels`` what other programs filed the message under, comma
    separated. ``signed`` and ``encrypted`` say that a part claims to be so; nothing is checked.
    ``beside`` are lines of HTML versions of the text, where they have words that the plain one has not.
    """

    subject: str
    sender: str
    recipients: str
    copies: str
    message_id: str
    date: int | None
    received: str
    body: str
    attachment_names: tuple[str, ...]
    status: ParseStatus
    attachment_types: tuple[str, ...] = ()
    blind: str = ""
    lists: str = ""
    labels: str = ""
    signed: bool = False
    encrypted: bool = False
    language: str = ""
    references: tuple[str, ...] = ()
    beside: str = ""
    files: bool = False

    @property
    def searched(self) -> str:
        """All text that a search finds: what is shown, and behind it what other versions say besides."""
        return f"{self.body}\n{self.beside}" if self.beside else self.body

    @property
    def whole(self) -> bool:
        """Whether nothing was left out: no text, and no end of a field."""
        fields = (self.subject, self.sender, self.recipients, self.copies)
        return self.status is not ParseStatus.PARTIAL and max(map(len, fields)) < FIELD_CHARS


def extract(message: Octets, root: Part | None = None, *, details: bool = True) -> Extract:
    """Read a message; ``root`` is what ``parse`` gave for it, if that is at hand.

    Without ``details`` what neither lists nor documents show is not asked, and is empty: dates, references,
    Bcc, list and labels, and the language, which takes tables of words.
    """
    if root is None:
        root = parse(message)
    line_end = message[max(root.start - 3, 0) : root.start]
    if root.start in (0, len(message)) or line_end.endswith((b"\r", b"\r\r\n")):
        message, root = _mended(message, root)
    block = root.block
    label = "" if block.is_ascii else _label(root)
    found = read(message, root)
    body, other = found.text(), found.text_beside()
    status = ParseStatus.OK if found.whole else ParseStatus.PARTIAL
    if not block and not _FIELD.search(message[root.head : root.start]):
        status = ParseStatus.RAW
        body = clean(decode(message[0 : TEXT_BYTES // 4]))
    subject = _text(block, b"subject", label)
    received = block.first(b"received").rpartition(b";")[2] if details else b""
    sender = _named(_unquoted(_text(block, b"from", label) or _text(block, b"sender", label)))
    recipients = _unquoted(_texts(block, b"to", label))
    copies = _unquoted(_texts(block, b"cc", label))
    message_id = _message_id(_text(block, b"message-id"))
    people = f"{sender} {recipients} {copies}"
    return Extract(
        subject=subject,
        sender=sender,
        recipients=recipients,
        copies=copies,
        message_id=message_id,
        date=dates.epoch(_text(block, b"date")) if details else None,
        received=received[-dates.MAX_CHARS :].decode("latin-1"),
        body=body,
        attachment_names=tuple(found.names),
        status=status,
        attachment_types=tuple(found.types),
        blind=_unquoted(_texts(block, b"bcc", label)) if details else "",
        lists=_lists(block) if details and block.has_any(_LISTED) else "",
        labels=_labels(block) if details and block.has_any(_LABELLED) else "",
        signed=found.signed,
        encrypted=found.encrypted,
        references=_references(block, message_id, people) if details else (),
        language=_language(block, body, subject) if details else "",
        beside=other,
        files=found.files,
    )


def _language(block: Block, body: str, subject: str) -> str:
    # Here, because a search that shows messages waits for what this module imports.
    from poparchive.mime.language import language

    return language(body, subject, block.first(b"content-language").decode("latin-1"))


def effective_date(extract: Extract, retrieved: int) -> int:
    """The moment to sort by: Date if plausible, else Received, else when it was ``retrieved``.

    Plausible is from 1970 to two days after ``retrieved``.
    """
    latest = retrieved + _CLOCK_SKEW_S
    if extract.date is not None and 0 <= extract.date <= latest:
        return extract.date
    received = dates.epoch(extract.received)
    return received if received is not None and received <= latest else retrieved


def printable(message: Octets | Extract, *, attachments: bool = True) -> str:
    """The message for a person to read: header fields, text, names of attachments if wanted."""
    said = message if isinstance(message, Extract) else extract(message)
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
    if attachments and said.attachment_names:
        lines += ["", "Attachments:"]
        lines += [f"  {name or '(no name)'}" for name in said.attachment_names]
    return "\n".join(lines) + "\n"


def _mended(message: Octets, root: Part) -> tuple[Octets, Part]:
    """Look again at a message that is all header or none, with the line ends that it may mean."""
    beginning = _ODD_LINE_END.sub(b"\n", message[0:TEXT_BYTES])
    mended = parse(beginning)
    # If that finds no body either, the message is what it looked like.
    return (message, root) if mended.start in (0, len(beginning)) else (beginning, mended)


def _label(part: Part) -> str:
    """The charset of the first text, which header fields without one are most likely in."""
    while part.parts:
        part = part.parts[0]
    return part.about.charset


def _text(block: Block, name: bytes, label: str = "") -> str:
    """The first field of that name, one line; empty for none. ``label`` is the text's charset."""
    octets = block.first(name)
    return decode_field(octets[: 4 * FIELD_CHARS], label)[:FIELD_CHARS] if octets else ""


def _texts(block: Block, name: bytes, label: str = "") -> str:
    """All fields of that name, one line, comma separated; empty for none."""
    found = block.all(name)
    return ", ".join([decode_field(one, label) for one in found])[:FIELD_CHARS] if found else ""


def _labels(block: Block) -> str:
    return ", ".join(filter(None, [_texts(block, name) for name in _LABELS]))[:FIELD_CHARS]


def _lists(block: Block) -> str:
    """The mailing list by name and id (RFC 2919), or by the address in an older field."""
    named = _text(block, b"list-id")
    if named:
        return _unquoted(named)
    for name in _LIST_ADDRESSES:
        found = _LIST_ADDRESS.search(_text(block, name))
        if found:
            return found[1]
    return ""


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


def _references(block: Block, own: str, people: str) -> tuple[str, ...]:
    """The ids in References, and the one in In-Reply-To behind them if it is not among them.

    That is the first of several, or the last of a sentence (RFC 822): before it the address of its author may
    stand in angle brackets, who takes part.
    """
    found = dict.fromkeys(_ids(_text(block, b"references")))
    answered = _text(block, b"in-reply-to")
    if answered:
        people = people.lower()
        ids = [one for one in _ids(answered) if one.lower() not in people]
        if ids:
            found.setdefault(ids[0 if answered.startswith("<") else -1])
    found.pop(own, None)
    named = tuple(found)
    return named if len(named) <= 2 * REFERENCES else named[:REFERENCES] + named[-REFERENCES:]


def _ids(text: str) -> list[str]:
    """The Message-IDs in a field, as each was before it was folded onto two lines."""
    return [bare for one in _ID.findall(text) if (bare := "".join(one.split()))] if text else []
