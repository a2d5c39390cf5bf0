"""How many of the messages found are of whom, from when, by which account, and with which files.

Bounded: the newest ``COUNTED`` messages found are looked at, as each takes a look into the catalog.
"""

import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from poparchive.query.fields import SAME_ENDINGS

COUNTED: Final = 5_000
KINDS: Final = ("from", "year", "account", "filetype")

_DAY_S: Final = 86_400
_ENDING: Final = re.compile(r"\.([^\W_]{1,8})\s*\Z")
_OF_TYPE: Final = {
    "application/pdf": "pdf", "application/zip": "zip", "application/msword": "doc",
    "application/vnd.ms-excel": "xls", "message/rfc822": "eml", "text/calendar": "ics",
    "text/html": "html", "text/plain": "txt", "image/jpeg": "jpg",
}  # fmt: skip

Run = Callable[[str, tuple[object, ...]], sqlite3.Cursor]


@dataclass(frozen=True, slots=True)
class Facets:
    """``counts`` has (value, how many), most first, years in order; ``looked_at`` of how many messages.

    ``whole`` is whether these are all that were found. Senders are addresses, with the name they
    use most in ``names``. A message counts once for each of its accounts and each of its files' types.
    """

    counts: dict[str, list[tuple[str, int]]]
    names: dict[str, str]
    looked_at: int
    whole: bool


def facets(run: Run, keys: Sequence[int], kinds: Sequence[str], *, whole: bool) -> Facets:
    """Count messages by kind; ``keys`` are their row ids."""
    run("CREATE TEMP TABLE IF NOT EXISTS faceted(id INTEGER PRIMARY KEY)", ())
    run("DELETE FROM temp.faceted", ())
    listed = ",".join(f"({key})" for key in keys)
    if listed:
        run(f"INSERT OR IGNORE INTO temp.faceted VALUES {listed}", ())  # noqa: S608
    counts: dict[str, list[tuple[str, int]]] = {}
    names: dict[str, str] = {}
    if "from" in kinds:
        counts["from"], names = _senders(run)
    if "year" in kinds:
        counts["year"] = _years(run)
    if "account" in kinds:
        counts["account"] = _accounts(run)
    if "filetype" in kinds:
        counts["filetype"] = _types(run)
    ordered = {kind: counts[kind] for kind in kinds if kind in counts}
    return Facets(ordered, names, len(keys), whole)


def address_of(sender: str) -> str:
    """Return the address in a From field, in lower case; without one, the field as it is."""
    start = sender.rfind("<")
    end = sender.find(">", start)
    if 0 <= start < end:
        return sender[start + 1 : end].strip().lower()
    return sender.strip().lower()


def ending_of(name: str, media_type: str) -> str:
    """Return what a file is known as: the ending of its name, else what its media type stands for."""
    found = _ENDING.search(name)
    if found:
        ending = found[1].lower()
        return SAME_ENDINGS.get(ending, ending)
    kind = media_type.lower()
    return _OF_TYPE.get(kind) or kind.rpartition("/")[2].removeprefix("x-")[:12] or "?"


def _most(counts: "Counter[str]") -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))


def _senders(run: Run) -> tuple[list[tuple[str, int]], dict[str, str]]:
    rows = run(
        "SELECT m.sender, count(*) FROM temp.faceted f CROSS JOIN cat.messages m ON m.id = f.id"
        " GROUP BY m.sender",
        (),
    )
    counts: Counter[str] = Counter()
    names: dict[str, Counter[str]] = {}
    for sender, count in rows:
        address = address_of(sender)
        counts[address] += count
        name = sender.partition("<")[0].strip()
        names.setdefault(address, Counter())[name if "<" in sender else ""] += count
    chosen = {one: _most(used)[0][0] for one, used in names.items()}
    return _most(counts), chosen


def _years(run: Run) -> list[tuple[str, int]]:
    rows = run(
        f"SELECT m.date / {_DAY_S}, count(*) FROM temp.faceted f"  # noqa: S608
        " CROSS JOIN cat.messages m ON m.id = f.id GROUP BY 1",
        (),
    )
    counts: Counter[str] = Counter()
    for day, count in rows:
        try:
            year = f"{datetime.fromtimestamp(day * _DAY_S, UTC).year:04d}"
        except (OverflowError, OSError, ValueError):
            year = "?"
        counts[year] += count
    return sorted(counts.items(), reverse=True)


def _accounts(run: Run) -> list[tuple[str, int]]:
    rows = run(
        "SELECT (SELECT a.name FROM cat.accounts a WHERE a.id = u.account), count(DISTINCT u.message)"
        " FROM temp.faceted f CROSS JOIN cat.uidls u ON u.message = f.id GROUP BY u.account",
        (),
    )
    return _most(Counter({name or "?": count for name, count in rows}))


def _types(run: Run) -> list[tuple[str, int]]:
    rows = run(
        "SELECT p.message, p.name, p.type FROM temp.faceted f CROSS JOIN cat.parts p"
        " ON p.message = f.id WHERE p.segment = 0 AND p.name IS NOT NULL",
        (),
    )
    found = {(message, ending_of(name, kind or "")) for message, name, kind in rows}
    return _most(Counter(ending for _, ending in found))
