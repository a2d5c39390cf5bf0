"""How many of the messages found are of whom, from when, by which account, and with which files.

Bounded: the newest ``COUNTED`` messages found are looked at, as each takes a look into the catalog.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from poparchive.index.columns import TYPE

COUNTED: Final = 5_000
KINDS: Final = ("from", "year", "account", "filetype")

_DAY_S: Final = 86_400

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


def facets(
    run: Run,
    keys: Sequence[int],
    kinds: Sequence[str],
    types: Callable[[], Sequence[str]],
    *,
    whole: bool,
) -> Facets:
    """Count messages by kind; ``keys`` are their row ids, ``types`` gives the sorts of files there are."""
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
        counts["filetype"] = _types(run, types())
    ordered = {kind: counts[kind] for kind in kinds if kind in counts}
    return Facets(ordered, names, len(keys), whole)


def address_of(sender: str) -> str:
    """Return the address in a From field, in lower case; without one, the field as it is."""
    start = sender.rfind("<")
    end = sender.find(">", start)
    if 0 <= start < end:
        return sender[start + 1 : end].strip().lower()
    return sender.strip().lower()


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


def _types(run: Run, types: Sequence[str]) -> list[tuple[str, int]]:
    """Count by the index's own marks, as ``filetype:`` finds by them: of attachments in enclosed mail too."""
    least, most = run("SELECT min(id), max(id) FROM temp.faceted", ()).fetchone()
    if least is None:
        return []
    # Not by the row ids of the table: that would be a match for each of them.
    query = (
        "SELECT count(*) FROM mail WHERE mail MATCH ? AND rowid BETWEEN ? AND ?"
        " AND +rowid IN (SELECT id FROM temp.faceted)"
    )
    counts: Counter[str] = Counter()
    for one in types:
        (counts[one],) = run(query, (f'flags : "{TYPE}{one}"', least, most)).fetchone()
    return _most(+counts)
