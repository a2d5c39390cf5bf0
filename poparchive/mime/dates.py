"""Dates as mail writes them, to seconds since the epoch (RFC 5322 sections 3.3 and 4.3).

Promise: never raises, and takes constant time. A date that names no real moment is None; a zone
that names no real zone counts as UTC, as RFC 5322 says of those it does not know.
"""

import re
from datetime import date
from typing import Final

MAX_CHARS: Final = 200
"""What is looked at of a field: a date is some 31 characters, and comments may stand before it."""

_EPOCH: Final = date(1970, 1, 1).toordinal()
_TIME: Final = (
    r"(?P<hour>\d{1,2})[:.](?P<minute>\d{1,2})(?:[:.](?P<second>\d{1,2}))?(?:[.,]\d+)?"
    r"\s*(?P<half>[AaPp][Mm]\b)?"
)
_ZONE: Final = r"\s*(?P<zone>[+-]\s?\d{1,2}:?\d{2}(?!\d)|[A-Za-z]+)?"
_USUAL: Final = re.compile(
    r"(?P<day>\d{1,2})[\s.-]*(?P<month>[A-Za-z]{3})[a-z]*[\s.,-]*"
    r"(?P<year>\d{2,4})[\s,T]+(?:at\s+)?" + _TIME + _ZONE
)
_ASCTIME: Final = re.compile(
    r"(?P<month>[A-Za-z]{3})[a-z]*\.?\s+(?P<day>\d{1,2})[\s,]+"
    + _TIME
    + r"\s+(?P<zone>[+-]\d{4}|[A-Z]{1,4}\s)?\s*(?P<year>\d{4})"
)
_LONG: Final = re.compile(
    r"(?P<month>[A-Za-z]{3})[a-z]*\.?\s+(?P<day>\d{1,2}),?\s+(?P<year>\d{4}),?\s+(?:at\s+)?"
    + _TIME
    + _ZONE
)
_ISO: Final = re.compile(
    r"(?P<year>\d{4})[-/](?P<month>\d{2})[-/](?P<day>\d{2})[\sT]+" + _TIME + _ZONE
)

_MONTHS: Final = {
    name: number
    for number, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)
}
_ZONES: Final = {
    **{"EDT": -4, "EST": -5, "CDT": -5, "CST": -6, "MDT": -6, "MST": -7, "PDT": -7, "PST": -8},
    **{"BST": 1, "CET": 1, "MET": 1, "MEZ": 1, "CEST": 2, "MEST": 2, "MESZ": 2, "EET": 2},
    **{"EEST": 3, "MSK": 3, "MSD": 4, "JST": 9, "KST": 9, "HKT": 8, "SGT": 8},
}
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
    number = int(month) if month.isdecimal() else _MONTHS.get(month.lower(), 0)
    try:
        days = date(_full_year(year), number, int(day)).toordinal() - _EPOCH
    except ValueError:
        return None
    hours, minutes = int(hour), int(minute)
    if half and hours <= 12:
        hours = hours % 12 + 12 * (half in "pmPM" and half[0] in "pP")
    if hours > 24 or minutes > 59:
        return None
    seconds = days * 86400 + hours * 3600 + minutes * 60 + min(int(second or 0), 60)
    moment = seconds - _offset_s(zone)
    return moment if moment >= 0 else None


def _full_year(digits: str) -> int:
    year = int(digits)
    if year < 1000:  # "0102" is 2002 too, from mailers that add the century's years
        year += 2000 if year < 50 else 1900
    return year


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
