"""The text that a reader of an HTML part sees.

Promise: never raises, and takes time linear in its input, whatever the input: a pattern for a tag
stops at the next ``<``, and what scans further consumes what it scanned.

No tree is built. Parsers that build one as browsers do (WHATWG's algorithm) take quadratic time on
deeply nested tags, so that one message of a megabyte would hold up an archive for a minute. What
search needs is words, and words lie between tags.
"""

import re
from html import unescape
from typing import Final

_UNSEEN: Final = re.compile(
    r"<(?:!--(?:-?>|.*?(?:--!?>|\Z))"
    r"|(script|style|title|template)(?![a-z0-9:-]).*?(?:</\1(?![a-z0-9:-])[^<>]*>?|\Z))",
    re.DOTALL | re.IGNORECASE,
)
_PREFORMATTED: Final = re.compile(r"(?<=<pre)([^<>]*>)(.*?)(?=</pre|\Z)", re.DOTALL | re.IGNORECASE)
_TAG: Final = re.compile(
    r"<(/?[a-zA-Z!?][^\s<>/]*+)"
    r"(?:(?:[^<>\"']++|\"[^\"<]*+\"|'[^'<]*+')*+>|[^<>]*+(?:>|(?=<)))"
)
"""A tag; one with odd quotes ends at the next ``>``, and one without an end at the next tag."""

_CONCEALING: Final = (
    *("display:none", "display: none", "visibility:hidden", "visibility: hidden"),
    *(" hidden>", " hidden "),
)
_CONCEALED: Final = re.compile("|".join(_CONCEALING))
_NAME: Final = re.compile(r"<([a-zA-Z][a-zA-Z0-9:-]*+)[^<>]*+>")
_MAX_TAG_CHARS: Final = 4096

_LONG_NUMBER: Final = re.compile(r"&#\d{9,};?")

_BREAK: Final = "\x01"
"""Stands for a line's end while white space is folded; decoded text holds no such character."""

_BLOCKS: Final = (
    "p div br hr tr table tbody thead tfoot li ul ol dl dd dt h1 h2 h3 h4 h5 h6 pre blockquote "
    "center form fieldset legend section article header footer nav aside main address option "
    "select caption figure figcaption body"
)
_INLINE: Final = "a b i u em span font strong small big label td th"
_LINES: Final = frozenset(_BLOCKS.split())
_SPACES: Final = frozenset(["td", "th", "img", "input", "button"])
_ENDS: Final = {
    name: re.compile(rf"<(/?){name}(?![a-z0-9:-])[^<>]*>", re.IGNORECASE)
    for name in (_LINES - {"br", "hr"}).union(_INLINE.split())
}
"""Elements that may be concealed, and what their tags look like."""
_INVISIBLE: Final = "\u200b\u00ad\ufeff\u034f\u2060"
"""Soft hyphens and the like, which would split words, and what newsletters pad previews with."""
_PADDING: Final = re.compile(r"\u200c(?=\s)")


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
    source = _UNSEEN.sub("", source)
    if any(mark in source for mark in _CONCEALING):
        seen = _text(_without_concealed(source))
        if seen:
            return seen  # where everything is concealed, finding it matters more
    return _text(source)


def _text(source: str) -> str:
    if "<pre" in source or "<PRE" in source:
        source = _PREFORMATTED.sub(_keep_lines, source)
    pieces = _TAG.split(source)
    pieces[1::2] = [_SEPARATORS[tag] for tag in pieces[1::2]]
    text = "".join(pieces)
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
    try:
        return unescape(text)
    except ValueError:  # a number too long for Python to read
        return unescape(_LONG_NUMBER.sub("", text))


def _keep_lines(match: re.Match[str]) -> str:
    return match[1] + match[2].replace("\n", _BREAK)


def _without_concealed(source: str) -> str:
    """Cut out the elements that a style conceals, until one has no end."""
    kept: list[str] = []
    at = 0
    for mark in _CONCEALED.finditer(source):
        if mark.start() < at:
            continue
        start = source.rfind("<", max(at, mark.start() - _MAX_TAG_CHARS), mark.start() + 1)
        element = _NAME.match(source, start, start + 2 * _MAX_TAG_CHARS) if start >= 0 else None
        if element is None or element.end() < mark.end():
            continue
        tags = _ENDS.get(element[1].lower())
        if tags is None:
            continue
        end = _end_of(source, element.end(), tags)
        if end < 0:
            break
        kept.append(source[at:start])
        at = end
    kept.append(source[at:])
    return " ".join(kept)


def _end_of(source: str, at: int, tags: re.Pattern[str]) -> int:
    depth = 1
    for tag in tags.finditer(source, at):
        depth += -1 if tag[1] else 1
        if not depth:
            return tag.end()
    return -1
