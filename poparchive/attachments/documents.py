"""Readers of documents that are ZIP files of XML: all of DOCX, PPTX, ODT and ODP, and of XLSX and ODS
what the library leaves out: comments, and text in the shapes of an XLSX.

A word may be cut by tags, as where half of it is bold, and two words may have nothing but a tag between
them. So a line is what stands in a paragraph, whatever tags are in it but those that stand for a blank. No
tree is built and no entity is looked up, so that neither depth nor a definition can be a bomb.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from poparchive.attachments import packed, plain
from poparchive.attachments.kinds import Kind
from poparchive.attachments.outcome import Lacking, Status
from poparchive.attachments.parts import ReadError, Within
from poparchive.mime.charset import decode
from poparchive.mime.html import text_of

KINDS: Final = frozenset([Kind.DOCX, Kind.PPTX, Kind.ODT, Kind.ODP])
"""What is read here whole."""

_PARTS: Final = {
    # What stands beside the text, as styles, has no element that holds any: it is no matter that it is here.
    Kind.DOCX: re.compile(r"word/(?:[^/]+|diagrams/data[^/]*)\.xml"),
    Kind.PPTX: re.compile(
        r"ppt/(?:presentation|(?:slides|notesSlides|comments)/[^/]+|diagrams/data[^/]*)\.xml"
    ),
    Kind.ODT: re.compile(r"content\.xml|styles\.xml"),  # headers and footers are a style's
    Kind.ODP: re.compile(r"content\.xml"),
    Kind.ODS: re.compile(r"content\.xml"),
    Kind.XLSX: re.compile(r"xl/(?:comments\d*|(?:comments|threadedComments|drawings)/[^/]+)\.xml"),
}
_FIRST: Final = ("word/document", "ppt/slides/", "content.xml")
"""What comes before notes, comments, headers and footers."""
_NUMBER: Final = re.compile(r"\d{1,9}")

_MAX_LEVELS: Final = 1_000
"""Lines within lines. A text box in a table in a note in a text box is five."""

_INNER: Final = re.compile(rb"<[^<>]*+>?")
_UNSEEN: Final = re.compile(rb"<!--.*?(?:-->|\Z)|<\?.*?(?:\?>|\Z)", re.DOTALL)
_ANNOTATION: Final = re.compile(
    rb"<(?:[\w.-]++:)?annotation[\s>].*?(?:</(?:[\w.-]++:)?annotation>|\Z)", re.DOTALL
)
_BREAK: Final = b"<br>"
_NAMESAKES: Final = rb"(?!a:sym\b|text:(?:title|creator|date)\b)"
"""A font and fields, which stand within a line: elements that have the name of one that is meant."""


def _names(names: str) -> frozenset[bytes]:
    return frozenset(names.encode().split())


@dataclass(frozen=True, slots=True)
class _Markup:
    """What elements are to a reader, by their names without a prefix."""

    lines: frozenset[bytes]
    """What is in one is a line of its own, also where it stands in the middle of another, as a note does."""
    leaves: frozenset[bytes]
    """What holds text itself; where there are none, all in a line does."""
    unread: frozenset[bytes]
    marks: Mapping[bytes, bytes]
    """What they stand for."""
    tags: re.Pattern[bytes] = field(init=False)

    def __post_init__(self) -> None:
        names = b"|".join(sorted({*self.lines, *self.leaves, *self.unread, *self.marks}))
        pattern = (
            rb"<(/?)" + _NAMESAKES + rb"(?:[\w.-]++:)?+(" + names + rb")(?=[\s/>])"
            rb"([^<>\"']*+(?:\"[^\"<]*+\"[^<>\"']*+|'[^'<]*+'[^<>\"']*+)*+)>"
        )
        object.__setattr__(self, "tags", re.compile(pattern))


_OPEN_XML: Final = _Markup(
    # Beside paragraphs: comments and who wrote them, what stands above a word, fractions.
    lines=_names("p text author rt num den"),
    leaves=_names("t text author"),
    # A shape is there a second time for older readers, and what was moved where it came from.
    unread=_names("Fallback moveFrom"),
    marks={
        **dict.fromkeys(_names("tab ptab sym"), b" "),
        **dict.fromkeys(_names("br cr"), _BREAK),
        b"noBreakHyphen": b"-",
    },
)
_OPEN_DOCUMENT: Final = _Markup(
    lines=_names("p h creator ruby-text title desc header-decl footer-decl"),
    leaves=frozenset(),
    unread=_names(
        "tracked-changes note-citation date date-string creator-initials sender-initials binary-data"
    ),
    marks={b"s": b" ", b"tab": b" ", b"line-break": _BREAK},
)  # fmt: skip


def document(content: bytes, kind: Kind, within: Within) -> None:
    """Read a document of one of ``KINDS``."""
    packed.check_document(content, within.budget)
    if not _read(content, kind, within):
        raise ReadError(Status.DAMAGED, "no part of it is where its text should be")


def margins(content: bytes, kind: Kind, within: Within) -> None:
    """Read what the library leaves out of a document that is not of ``KINDS``."""
    if kind in _PARTS:
        _read(content, kind, within)


def _read(content: bytes, kind: Kind, within: Within) -> int:
    """Read the parts that hold text, and return how many there are."""
    markup = _OPEN_DOCUMENT if kind in (Kind.ODT, Kind.ODS, Kind.ODP) else _OPEN_XML
    seen: set[str] = set()
    with packed.opened(content) as archive:
        members = [m for m in archive.infolist() if _PARTS[kind].fullmatch(m.filename)]
        for member in sorted(members, key=lambda member: _order(member.filename)):
            if within.found.full:
                break
            try:
                source = packed.octets_of(archive, member, within.budget)
            except packed.ODD as error:
                within.found.note(Status.DAMAGED, f"{member.filename}: {error}", Lacking.NOTHING)
                continue
            if kind is Kind.ODS:
                source = b"".join(_ANNOTATION.findall(source))
            text = _text(source, markup)
            if text not in seen:  # most pages have the same header
                seen.add(text)
                within.found.add(text)
    return len(members)


def _order(name: str) -> tuple[bool, str, int]:
    number = _NUMBER.search(name)
    return not name.startswith(_FIRST), _NUMBER.sub("", name), int(number[0]) if number else 0


def _text(source: bytes, markup: _Markup) -> str:
    charset = plain.charset_of(source)
    if charset.startswith("utf-16"):
        source, charset = decode(source, charset).encode(), "utf-8"
    lines = _BREAK.join(_lines(_UNSEEN.sub(b"", source), markup))
    return text_of(decode(lines, charset))


def _lines(source: bytes, markup: _Markup) -> Iterator[bytes]:
    """Yield the lines of a part, with entities as they are; what stands within a line comes before it."""
    levels: list[tuple[bytes, list[bytes]]] = [(b"", [])]
    unread = at = 0
    reads = False
    for tag in markup.tags.finditer(source):
        if reads and tag.start() > at:
            levels[-1][1].append(_INNER.sub(b"", source[at : tag.start()]))
        at = tag.end()
        closes, name, rest = tag.groups()
        opens = not closes and not rest.endswith(b"/")
        if name in markup.marks:
            if not closes:
                levels[-1][1].append(markup.marks[name])
        elif name in markup.lines or name in markup.unread:
            if opens and len(levels) < _MAX_LEVELS:
                levels.append((name, []))
                unread += name in markup.unread
            elif closes and levels[-1][0] == name:
                _, pieces = levels.pop()
                if not unread:
                    yield b"".join(pieces)
                unread -= name in markup.unread
        reads = (opens and name in markup.leaves) if markup.leaves else len(levels) > 1
    if not unread:
        # Of a part that breaks off what was begun is there as well.
        yield from (b"".join(pieces) for _, pieces in levels)
