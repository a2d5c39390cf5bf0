"""The text that a reader of an HTML part sees.

Promise: never raises, and takes time linear in its input, whatever the input: a pattern for a tag
stops at the next ``<``, and what scans further consumes what it scanned.

No tree is built. Parsers that build one as browsers do (WHATWG's algorithm) take quadratic time on
deeply nested tags, so that one message of a megabyte would hold up an archive for a minute. What
search needs is words, and words lie between tags.
"""

import functools
import re
from typing import Final

from .late import late

_UNSEEN: Final = late(
    r"<(?=[!stST])(?:!--(?:-?>|[^-]*+(?:-(?!-!?>)[^-]*+)*+(?:--!?>|\Z))"
    r"|(script|style|title|template)(?![a-z0-9:-])"
    r"[^<]*+(?:<(?!/\1(?![a-z0-9:-]))[^<]*+)*+(?:</\1[^<>]*>?|\Z))",
    re.IGNORECASE,
)
"""What lies up to the end is passed over from one ``-`` or ``<`` to the next: a style sheet is long, and one
character at a time takes most of the time that a page does."""
_PREFORMATTED: Final = late(r"(?<=<pre)([^<>]*>)(.*?)(?=</pre|\Z)", re.DOTALL | re.IGNORECASE)
_TAG: Final = late(
    r"<(/?[a-zA-Z!?][^\s<>/]*+)(?:"
    r">|[^<>\"']*+(?:\"[^\"<]*+\"[^<>\"']*+)*+(?:>|(?:'[^'<]*+'[^<>\"']*+(?:\"[^\"<]*+\"[^<>\"']*+)*+)++>)"
    r"|[^<>]*+(?:>|(?=<)))"
)
"""A tag; one with odd quotes ends at the next ``>``, and one without an end at the next tag. What most tags
are stands first: this takes two thirds of the time of one alternative for each sort of value."""

_CONCEALING: Final = (
    *(
        "display:none",
        "display: none",
        "display :none",
        "display : none",
        "visibility:hidden",
        "visibility: hidden",
        " hidden",
    ),
    *("max-height:0", "max-height: 0", "opacity:0", "opacity: 0", "font-size:0", "font-size: 0"),
)
"""What may conceal an element, in its tag. Not ``mso-hide:all``: it hides from Outlook alone what the others
see, as buttons that Outlook has its own drawing of."""
_MAY_CONCEAL: Final = late(": ?(?:none|hidden|0)", re.IGNORECASE)
"""What all of these have but the attribute. It saves most pages twelve searches."""
_HIDDEN: Final = late(
    r"<[^\s<>]+(?:\s++(?!hidden[\s=/>])[^\s=<>\"'/]++(?:\s*+=\s*+(?:\"[^\"<>]*+\"|'[^'<>]*+'|[^\s\"'<>]++))?+)*+"
    r"\s++hidden[\s=/>]"
)
"""A tag with the attribute ``hidden``, which is not a value's or a class's word."""
_NAMED: Final = late(
    r"\s(class|id)\s*=\s*(?:\"([^\"<>]*)\"|'([^'<>]*)'|([^\s\"'<>]+))", re.IGNORECASE
)
_BY_NAME: Final = " class"
"""Marks an element that a style sheet conceals."""
_SIZED: Final = late(r"font(?:-size)?\s*:")
_NAME: Final = late(r"<([a-zA-Z][a-zA-Z0-9:-]*+)[^<>]*+>")
_MAX_TAG_CHARS: Final = 4096

_LONG_NUMBER: Final = late(r"&#\d{9,};?")

_BREAK: Final = "\x01"
"""Stands for a line's end while white space is folded; decoded text holds no such character."""

_BLOCKS: Final = (
    "p div br hr tr table tbody thead tfoot li ul ol dl dd dt h1 h2 h3 h4 h5 h6 pre blockquote "
    "center form fieldset legend section article header footer nav aside main address option "
    "select caption figure figcaption body summary details dialog menu dir hgroup search textarea "
    "noscript iframe optgroup xmp listing"
)
_INLINE: Final = "a b i u em span font strong small big label td th"
_BOX: Final = late(
    r"isplay(?<=[\s;\"'][dD]isplay)(?i:\s*+:\s*+"
    r"(?:(inline-)(?:block|flex|grid|table)|block|flex|grid|table|list-item)(?![\w-]))"
)
"""What makes a block, or a box of its own, of an element within a line. It begins with what is quick to
look for."""
_IN_A_TAG: Final = late(r"<(a|[biu]|em|span|font|strong|small|big|label)\s[^<>]*+", re.IGNORECASE)
_LINES: Final = frozenset(_BLOCKS.split())
_SPACES: Final = frozenset(["td", "th", "img", "input", "button"])
_ENDED: Final = (_LINES - {"br", "hr"}).union(_INLINE.split())
"""Elements that may be concealed."""
_INVISIBLE: Final = "\u200b\u00ad\ufeff\u034f\u2060"
"""Soft hyphens and the like, which would split words, and what newsletters pad previews with."""
_PARAMETER: Final = late(r"<param>[^<]*+</param>", re.IGNORECASE)
_PADDING: Final = late(r"\u200c(?=\s)")


@functools.cache
def _tags(name: str) -> re.Pattern[str]:
    """What the tags of an element look like. Compiled when one is met: all of them take 20 ms."""
    return re.compile(rf"<(/?){name}(?![a-z0-9:-])[^<>]*>", re.IGNORECASE)


class _Separators(dict[str, str]):
    """What stands in a tag's place: a line's end, a space, or nothing within a word."""

    def __missing__(self, tag: str) -> str:
        name = tag.lower().removeprefix("/")
        return _BREAK if name in _LINES else " " if name in _SPACES else ""


_SEPARATORS: Final = _Separators()
_SEPARATORS.update(
    (prefix + spelled, _SEPARATORS[name])
    for name in _LINES | _SPACES | set(_INLINE.split())
    for spelled in (name, name.upper(), name.capitalize())
    for prefix in ("", "/")
)


def text_of(source: str) -> str:
    """The visible text of an HTML document or fragment, one line for each block or table row.

    Without scripts, styles, comments, the title and elements that a style conceals. White space
    runs are one space; lines of ``pre`` stay lines.
    """
    if "<!--" in source:
        source = _comments_ended(source)
    names = _concealed_names(source) if "none" in source and "<style" in source else frozenset()
    source = _UNSEEN.sub("", source)
    if names or _MAY_CONCEAL.search(source) or "idden" in source or "IDDEN" in source:
        lower = source.lower()
        if len(lower) != len(source):
            lower = source  # İ is two characters in lower case, and places would differ
        marks = _marks(lower)
        if names:
            marks = sorted(marks + _marks_by_name(source, names))
        if marks:
            seen = _text(_without_concealed(source, lower, marks))
            if seen:
                return seen  # where everything is concealed, finding it matters more
    return _text(source)


def text_of_enriched(source: str) -> str:
    """The same of text/enriched, whose commands have colours and fonts as text of their own (RFC 1896)."""
    return text_of(_PARAMETER.sub("", source))


def _comments_ended(source: str) -> str:
    """Make a tag of what begins a comment that nothing ends: it would swallow the rest, as it does in
    today's browsers, but finding what follows matters more."""
    last = max(source.rfind("-->"), source.rfind("--!>"), 0)
    at = source.find("<!--", last)
    return source if at < 0 else source[:at] + source[at:].replace("<!--", "<!")


def _text(source: str) -> str:
    if "<pre" in source or "<PRE" in source:
        source = _PREFORMATTED.sub(_keep_lines, source)
    if "isplay" in source:
        source = _boxes_apart(source)
    pieces = _TAG.split(source)
    pieces[1::2] = [_SEPARATORS[tag] for tag in pieces[1::2]]
    text = "".join(pieces)
    if "&" in text:
        text = text.replace("&nbsp;", " ")  # most entities are this one
        if "&" in text:
            text = _unescaped(text)
    if not text.isascii():
        for character in _INVISIBLE:
            text = text.replace(character, "")
        if "\u200c" in text:
            text = _PADDING.sub("", text)
    lines = " ".join(text.split()).split(_BREAK)
    return "\n".join([stripped for line in lines if (stripped := line.strip())])


def _unescaped(text: str) -> str:
    # Here, because it comes with a table of two thousand names.
    from html import unescape

    try:
        return unescape(text)
    except ValueError:  # a number too long for Python to read
        return unescape(_LONG_NUMBER.sub("", text))


def _keep_lines(match: re.Match[str]) -> str:
    return match[1] + match[2].replace("\n", _BREAK)


def _boxes_apart(source: str) -> str:
    """Part what stands in an element that its style displays as a box from what is around it."""
    boxes: dict[int, str] = {}
    names: set[str] = set()
    for box in _BOX.finditer(source):
        start = source.rfind("<", max(0, box.start() - _MAX_TAG_CHARS), box.start())
        element = _IN_A_TAG.fullmatch(source, start, box.start()) if start >= 0 else None
        if element:
            boxes[start] = " " if box[1] else _BREAK
            names.add(element[1].lower())
    if not boxes:
        return source
    opened: dict[str, list[str]] = {name: [] for name in names}

    def apart(tag: re.Match[str]) -> str:
        stack = opened[tag[2].lower()]
        if tag[1]:
            return (stack.pop() if stack else "") + tag[0]
        stack.append(boxes.get(tag.start(), ""))
        return stack[-1] + tag[0]

    return re.sub(rf"<(/?)({'|'.join(sorted(names))})(?![a-z0-9:-])", apart, source, flags=re.I)


def _marks(lower: str) -> list[tuple[int, str]]:
    """Where something may be concealed, in order."""
    found: list[tuple[int, str]] = []
    for mark in _CONCEALING:
        at = lower.find(mark)
        while at >= 0:
            found.append((at, mark))
            at = lower.find(mark, at + len(mark))
    found.sort()
    return found


def _concealed_names(source: str) -> frozenset[str]:
    found = [one[0] for one in _UNSEEN.finditer(source) if one[1] and one[1].lower() == "style"]
    # Here, because most pages conceal nothing so.
    from . import sheets

    return sheets.concealed(found) if any("none" in sheet for sheet in found) else frozenset()


def _marks_by_name(source: str, names: frozenset[str]) -> list[tuple[int, str]]:
    """Where tags have a class or an id of these."""
    return [
        (found.start(), _BY_NAME)
        for found in _NAMED.finditer(source)
        if not names.isdisjoint(
            ("." if found[1] in ("class", "CLASS") else "#") + name
            for name in (found[2] or found[3] or found[4] or "").split()
        )
    ]


def _without_concealed(source: str, lower: str, marks: list[tuple[int, str]]) -> str:
    """Cut out the elements that a style conceals, until one has no end."""
    kept: list[str] = []
    at = 0
    for place, mark in marks:
        if place < at:
            continue
        start = lower.rfind("<", max(at, place - _MAX_TAG_CHARS), place)
        element = _NAME.match(lower, start, start + 2 * _MAX_TAG_CHARS) if start >= 0 else None
        if element is None or element.end() < place + len(mark):
            continue
        if element[1] not in _ENDED or not _conceals(lower, place, mark, element):
            continue
        end = _end_of(source, element.end(), _tags(element[1]))
        if end < 0:
            break
        if mark.startswith("font") and _SIZED.search(lower, element.end(), end):
            continue  # it only closes the gaps between what it holds, which has sizes of its own
        kept.append(source[at:start])
        at = end
    kept.append(source[at:])
    return " ".join(kept)


def _conceals(lower: str, place: int, mark: str, element: re.Match[str]) -> bool:
    """Whether a mark in an element's tag is what it looks like."""
    if mark == " hidden":
        return bool(_HIDDEN.match(element[0]))
    if mark == _BY_NAME:
        return "display" not in element[0]  # which the tag itself says otherwise
    if lower[place - 1] in "-abcdefghijklmnopqrstuvwxyz":
        return False  # another property
    if not mark.endswith("0"):
        return True
    following = lower[place + len(mark) : place + len(mark) + 2]
    if following[:1].isdigit() or (following[:1] == "." and following[1:] != "0"):
        return False
    return not mark.startswith("max") or ("overflow" in element[0] and "hidden" in element[0])


def _end_of(source: str, at: int, tags: re.Pattern[str]) -> int:
    depth = 1
    for tag in tags.finditer(source, at):
        depth += -1 if tag[1] else 1
        if not depth:
            return tag.end()
    return -1
