"""The error of a query that means nothing, as the person who typed it sees it."""

import unicodedata
from typing import NamedTuple

from poparchive.errors import UsageError


class Repair(NamedTuple):
    """What to write in place of ``query[start:end]``; there may be more to repair then."""

    start: int
    end: int
    text: str


class QuerySyntaxError(UsageError):
    """A query that means nothing. ``position`` counts characters from 0, ``nearest`` is a query that is
    valid, empty where that is every message, or None where none suggests itself."""

    def __init__(
        self,
        query: str,
        position: int,
        what: str,
        *,
        repair: Repair | None = None,
        nearest: str | None = None,
    ) -> None:
        shown, at = _window(_shown(query), position)
        lines = [what, f"  {shown}", f"  {' ' * _cells(shown[:at])}^"]
        if nearest == "":
            lines.append("nearest valid form: an empty query, which finds every message")
        elif nearest is not None and len(nearest) <= _COPIED:
            lines.append(f"nearest valid form: {_shown(nearest, _JOINERS)}")
        super().__init__("\n".join(lines))
        self.query = query
        self.position = position
        self.what = what
        self.repair = repair
        self.nearest = nearest


_JOINERS = "\u200c\u200d"
"""They make words of some scripts, and of emoji, what they are; how wide that is nobody knows."""

_AROUND = (60, 20)
"""Of a long query so many characters before and behind the place are shown: it has to fit in a line, or the
caret would stand below another one."""


_COPIED = 2_000
"""A longer query is not shown corrected: nobody copies it from a terminal, and a part of it is none."""


def _shown(text: str, keep: str = "") -> str:
    # A blank of another kind, as Asian keyboards have, has to stay one: what is suggested is copied.
    return "".join(c if c.isprintable() or c in keep else " " if c.isspace() else "?" for c in text)


def _window(text: str, position: int) -> tuple[str, int]:
    """Return what is shown of a text, and where the position is in it."""
    before, behind = _AROUND
    if len(text) <= before + behind:
        return text, position
    start = max(min(position, len(text)) - before, 0)
    end = position + behind
    cut = text[start:end]
    head = "…" if start else ""
    return head + cut + ("…" if end < len(text) else ""), position - start + len(head)


def _cells(text: str) -> int:
    """How wide a terminal shows it, so that the caret stands below its character."""
    return len(text) if text.isascii() else sum(map(_width, text))


def _width(character: str) -> int:
    # Vowels and final consonants of Hangul stand within the square of the letter before them.
    if unicodedata.category(character) in ("Mn", "Me") or "\u1160" <= character <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
