"""Dates as mail writes them, to seconds since the epoch (RFC 5322 sections 3.3 and 4.3).

Promise: never raises, and takes constant time. A date that names no real moment is None; a zone
that names no real zone counts as UTC, as RFC 5322 says of those it does not know.
"""

import re
from datetime import date
from functools import lru_cache
from typing import Final

from .late import late

MAX_CHARS: Final = 200
"""What is looked at of a field: a date is some 31 characters, and comments may stand before it."""

_EPOCH: Final = date(1970, 1, 1).toordinal()
_TIME: Final = (
    r"(?P<hour>\d{1,2})[:.](?P<minute>\d{1,2})(?:[:.](?P<second>\d{1,2}))?(?:[.,]\d+)?"
    r"\s*(?P<half>[AaPp][Mm]\b)?"
)
_ZONE: Final = r"\s*(?P<zone>[+-]\s?\d{1,2}:?\d{2}(?!\d)|[A-Za-z]+)?"
_USUAL: Final = late(
    r"(?P<day>\d{1,2})[\s.-]*(?P<month>[A-Za-z]{3})[a-z]*[\s.,-]*"
    r"(?P<year>\d{2,4})[\s,T]+(?:at\s+)?" + _TIME + _ZONE
)
_ASCTIME: Final = late(
    r"(?P<month>[A-Za-z]{3})[a-z]*\.?\s+(?P<day>\d{1,2})[\s,]+"
    + _TIME
    + r"\s+(?P<zone>[+-]\d{4}|[A-Z]{1,4}\s)?\s*(?P<year>\d{4})"
)
_LONG: Final = late(
    r"(?P<month>[A-Za-z]{3})[a-z]*\.?\s+(?P<day>\d{1,2}),?\s+(?P<year>\d{4}),?\s+(?:at\s+)?"
    + _TIME
    + _ZONE
)
_ISO: Final = late(r"(?P<year>\d{4})[-/](?P<month>\d{2})[-/](?P<day>\d{2})[\sT]+" + _TIME + _ZONE)

_NAMES: Final = "janfebmaraprmayjunjulaugsepoctnovdec"
_MONTHS: Final = {_NAMES[at : at + 3]: at // 3 + 1 for at in range(0, 36, 3)}
_HOURS: Final = {
    -8: "PST",
    -7: "PDT MST",
    -6: "MDT CST",
    -5: "CDT EST",
    -4: "EDT",
    1: "BST CET MET MEZ",
    2: "CEST MEST MESZ EET",
    3: "EEST MSK",
    4: "MSD",
    8: "HKT SGT",
    9: "JST KST",
}
_ZONES: Final = {name: hours for hours, names in _HOURS.items() for name in names.split()}
"""Names that mean one zone only; others, and the military letters, count as UTC (RFC 5322 4.3)."""


def epoch(text: str) -> int | None:
    """The moment that a Date field, or the end of a Received field, names; None if it names none.

    Never negative: a date before 1970 is a broken clock's.
    """
    text = text[:MAX_CHARS]
    for pattern in (_USUAL, _ISO, _ASCTIME, _LONG):
        if found := pattern.search(text):
            moment = _moment(found)
            if moment is not None:
                return moment
    return None


def _moment(found: re.Match[str]) -> int | None:
    day, month, year, hour, minute, second, half, zone = found.group(
        "day", "month", "year", "hour", "minute", "second", "half", "zone"
    )
    days = _days(year, month, day)
    hours, minutes = int(hour), int(minute)
    if half and hours <= 12:
        hours = hours % 12 + 12 * (half[0] in "pP")
    if days is None or hours > 24 or minutes > 59:
        return None
    seconds = days * 86400 + hours * 3600 + minutes * 60 + min(int(second or 0), 60)
    moment = seconds - _offset_s(zone)
    return moment if moment >= 0 else None


@lru_cache(maxsize=1024)
def _days(year: str, month: str, day: str) -> int | None:
    """Days since the epoch; None for a day that is none."""
    number = int(month) if month.isdecimal() else _MONTHS.get(month.lower(), 0)
    try:
        return date(_full_year(year), number, int(day)).toordinal() - _EPOCH
    except ValueError:
        return None


def _full_year(digits: str) -> int:
    year = int(digits)
    if year < 1000:  # "0102" is 2002 too, from mailers that add the century's years
        year += 2000 if year < 50 else 1900
    return year


@lru_cache(maxsize=256)
def _offset_s(zone: str | None) -> int:
    if not zone:
        return 0
    if zone[0] not in "+-":
        return _ZONES.get(zone.strip().upper(), 0) * 3600
    digits = zone[1:].strip().replace(":", "").rjust(4, "0")
    hours, minutes = int(digits[:-2]), int(digits[-2:])
    if hours > 23 or minutes > 59:
        return 0
    return (hours * 3600 + minutes * 60) * (-1 if zone[0] == "-" else 1)
