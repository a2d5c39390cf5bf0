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
    valid, or None where none suggests itself."""

    def __init__(
        self,
        query: str,
        position: int,
        what: str,
        *,
        repair: Repair | None = None,
        nearest: str | None = None,
    ) -> None:
        lines = [what, f"  {_shown(query)}", f"  {' ' * _cells(query[:position])}^"]
        if nearest is not None:
            lines.append(f"nearest valid form: {_shown(nearest)}")
        super().__init__("\n".join(lines))
        self.query = query
        self.position = position
        self.what = what
        self.repair = repair
        self.nearest = nearest


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def _cells(text: str) -> int:
    """How wide a terminal shows it, so that the caret stands below its character."""
    if text.isascii():
        return len(text)
    shown = _shown(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in shown)
    return len(shown) + wide - sum(unicodedata.combining(c) > 0 for c in shown)
