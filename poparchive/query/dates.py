"""Dates of the language: years, months, days, hours, minutes, seconds in UTC, and distances from now.

All numbers are seconds since the epoch. Days are those of the proleptic Gregorian calendar, years 1 to 9999.
"""

import calendar
import datetime
import re

_DAY_S = 86400
_EPOCH = datetime.date(1970, 1, 1).toordinal()
_BEGIN = (1 - _EPOCH) * _DAY_S
END = (datetime.date.max.toordinal() + 1 - _EPOCH) * _DAY_S
"""Behind the last second of the year 9999."""

EXPECTED = "a date such as 2024, 2024-03, 2024-03-09, 2024/03/09 or 2024-03-09T14:30 was expected"
EXPECTED_ZONE = "a time zone such as Z, +01:00 or -0530 was expected"
EXPECTED_AGE = "a number and a unit, as in 12h, 3d, 2w, 5m or 2y, was expected"

Limits = tuple[int | None, int | None]


class BadDateError(ValueError):
    """What was expected, and what was probably meant: empty if nothing suggests itself."""

    def __init__(self, expected: str, meant: str = "") -> None:
        super().__init__(expected)
        self.meant = meant


def limits(field: str, text: str, now: int) -> Limits:
    """Return the first second and the one behind the last, None for no limit. Raises ``BadDateError``."""
    if field in ("older_than", "newer_than"):
        moment = _ago(text, now)
        return (None, moment) if field == "older_than" else (moment, None)
    if field in ("on", "during") and ".." in text:
        return _range(text, now)
    try:
        start, end = _period(text, now)
    except BadDateError as error:
        if field in ("on", "during"):
            raise
        # There is no range, so a week is meant by its first day.
        raise BadDateError(str(error), error.meant.partition("..")[0]) from None
    if field == "after":
        return start, None
    return (None, start) if field == "before" else (start, end)


def _range(text: str, now: int) -> Limits:
    """``a..b``: from the beginning of the one to the end of the other; either may be left out."""
    first, _, last = text.partition("..")
    if not first and not last:
        raise BadDateError(EXPECTED)
    try:
        start = _period(first, now)[0] if first else None
        end = _period(last, now)[1] if last else None
    except BadDateError as error:
        one, other = _mended(first.strip("."), now), _mended(last.strip("."), now)
        raise BadDateError(str(error), f"{one}..{other}" if one or other else "") from None
    if start is not None and end is not None and start >= end:
        raise BadDateError("the end of the range is before its beginning", f"{last}..{first}")
    return start, end


def _mended(text: str, now: int) -> str:
    try:
        _period(text, now)
    except BadDateError as error:
        return error.meant
    return text


_FORM = re.compile(
    r"(\d{4})(?:([-/])(\d{1,2})(?:\2(\d{1,2})"
    r"(?:[T ](\d{1,2})(?::(\d{2})(?::(\d{2}))?)?(Z|[+-]\d{2}:?\d{2})?)?)?)?",
    re.ASCII | re.IGNORECASE,
)


def _period(text: str, now: int) -> tuple[int, int]:
    """Return the first second of what a date names, and the one behind the last."""
    word = text.lower()
    if word in ("today", "yesterday"):
        start = now // _DAY_S * _DAY_S - _DAY_S * (word == "yesterday")
        return start, start + _DAY_S
    found = _FORM.fullmatch(text)
    if found is None:
        raise BadDateError(EXPECTED, _other_form(text, now))
    year = int(found[1])
    month, day, hour, minute, second = (int(g) if g else None for g in found.group(3, 4, 5, 6, 7))
    last = _last_day(year, month)
    if year < 1 or month not in (None, *range(1, 13)) or day not in (None, *range(1, last + 1)):
        raise BadDateError(EXPECTED, _in_bounds(year, month, day))
    start = _day(year, month or 1, day or 1)
    if hour is not None:
        if hour > 23 or (minute or 0) > 59 or (second or 0) > 59:
            raise BadDateError(EXPECTED, text[: found.start(5) - 1])
        if found[8] and _ZONE.fullmatch(found[8]) is None:
            raise BadDateError(EXPECTED_ZONE, text[: found.start(8)])
        start += hour * 3600 + (minute or 0) * 60 + (second or 0) - _offset(found[8])
        # A zone can lead out of the calendar.
        start = min(max(start, _BEGIN), END - 1)
        return start, min(start + (3600 if minute is None else 60 if second is None else 1), END)
    if day is not None:
        return start, start + _DAY_S
    if month is not None:
        return start, start + _DAY_S * last
    return start, start + _DAY_S * (366 if calendar.isleap(year) else 365)


def _day(year: int, month: int, day: int) -> int:
    return (datetime.date(year, month, day).toordinal() - _EPOCH) * _DAY_S


def _last_day(year: int, month: int | None) -> int:
    return calendar.monthrange(year, month)[1] if month and 1 <= month <= 12 and year else 31


_ZONE = re.compile(r"Z|[+-](?:[01]\d|2[0-3]):?[0-5]\d", re.ASCII | re.IGNORECASE)


def _offset(zone: str | None) -> int:
    if zone is None or zone in "Zz":
        return 0
    digits = zone[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if zone[0] == "-" else seconds


_UNITS_S = {"h": 3600, "d": _DAY_S, "w": 7 * _DAY_S}
_AGE = re.compile(r"(\d{1,5})([hdwmy])", re.ASCII | re.IGNORECASE)


def _ago(text: str, now: int) -> int:
    """Return the moment so long before now; months and years are those of the calendar."""
    found = _AGE.fullmatch(text)
    if found is None:
        raise BadDateError(EXPECTED_AGE, _other_age(text))
    number, unit = int(found[1]), found[2].lower()
    if unit in _UNITS_S:
        return now - number * _UNITS_S[unit]
    date = datetime.date.fromordinal(now // _DAY_S + _EPOCH)
    months = date.year * 12 + date.month - 1 - number * (12 if unit == "y" else 1)
    year, month = divmod(months, 12)
    if year < 1:
        return _day(1, 1, 1)
    day = min(date.day, _last_day(year, month + 1))
    return _day(year, month + 1, day) + now % _DAY_S


# ---- what was probably meant ----------------------------------------------------------------------


_MONTHS = tuple(calendar.month_name[n].lower() for n in range(1, 13))
_WEEKDAYS = tuple(map(str.lower, calendar.day_name))
_AGES = {"q": (3, "m"), "s": (0, "h"), "min": (0, "h")}


def _other_form(text: str, now: int) -> str:
    """Read other ways to write a day or a range: 2024.3.9, 9.3.2024, 20240309, March 2024, 2023…2024, last
    week, and 3/9/2024 as in the United States."""
    if text.isascii() and text.isdecimal():
        return _run_together(text)
    if "…" in text:
        return text.replace("…", "..")
    numbers = re.fullmatch(r"(\d{1,4})([-./ ])(\d{1,2})\2(\d{1,4})", text, re.ASCII)
    if numbers is None:
        return _in_words(text.lower(), now) or _in_letters(text.lower(), now)
    first, mark, second, third = numbers.groups()
    if len(first) == 4 and len(third) <= 2:
        return _in_bounds(int(first), int(second), int(third))
    if len(third) != 4 or len(first) > 2:
        return ""
    month, day = (first, second) if mark == "/" and int(first) <= 12 else (second, first)
    return _in_bounds(int(third), int(month), int(day))


def _in_words(text: str, now: int) -> str:
    """Read this or the last week, month or year; weeks begin on Monday (ISO 8601)."""
    found = re.fullmatch(r"(last|past|previous|this|current)[\s_-]?(week|month|year)", text)
    if found is None:
        return ""
    back = found[1] not in ("this", "current")
    today = datetime.date.fromordinal(now // _DAY_S + _EPOCH)
    if found[2] == "year":
        return f"{today.year - back:04}"
    if found[2] == "month":
        year, month = divmod(today.year * 12 + today.month - 1 - back, 12)
        return f"{year:04}-{month + 1:02}"
    monday = today - datetime.timedelta(today.weekday() + 7 * back)
    return f"{monday}..{monday + datetime.timedelta(6)}"


def _run_together(digits: str) -> str:
    """Year, month and day without anything between them."""
    if len(digits) == 8:
        return _in_bounds(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    return _in_bounds(int(digits[:4]), int(digits[4:]), None) if len(digits) in (5, 6) else ""


def _in_letters(text: str, now: int) -> str:
    """Read a month's name, or its beginning, with a year and a day or without; the last such month then."""
    from poparchive.query.spelling import closest

    word = re.search("[a-z]{3,}", text)
    if word is None:
        return ""
    names = [name for name in _MONTHS if name.startswith(word[0])]
    name = (
        names[0]
        if len(names) == 1
        else closest(word[0], (*_MONTHS, *_WEEKDAYS, "today", "yesterday"))
    )
    if name not in _MONTHS:
        # Which Monday is meant nobody knows.
        return "" if name is None or name in _WEEKDAYS else name
    month = _MONTHS.index(name) + 1
    numbers = re.findall(r"\d{1,4}", text, re.ASCII)
    years = [int(one) for one in numbers if len(one) == 4]
    days = [int(one) for one in numbers if len(one) < 3]
    today = datetime.date.fromordinal(now // _DAY_S + _EPOCH)
    year = years[0] if years else today.year - (month > today.month)
    return _in_bounds(year, month, days[0] if days else None)


def _other_age(text: str) -> str:
    """Read other ways to write a distance: 3 days, week, 2q. What is less than an hour is one."""
    loose = re.fullmatch(r"(\d{0,5})[\s_-]*([a-z]*)", text, re.ASCII | re.IGNORECASE)
    if loose is None or not (loose[1] or len(loose[2]) > 2):
        return ""
    number, unit = int(loose[1] or 1), loose[2].lower()
    for other, (times, its) in _AGES.items():
        if unit.startswith(other):
            return f"{max(number * times, 1)}{its}"
    if not loose[1] and re.fullmatch("hours?|days?|weeks?|months?|years?", unit) is None:
        return ""
    return f"{number}{unit[:1] if unit[:1] in 'hdwmy' else 'd'}" if unit else f"{number}d"


def _in_bounds(year: int, month: int | None, day: int | None) -> str:
    year = max(year, 1)
    if month is None:
        return f"{year:04}"
    month = min(max(month, 1), 12)
    if day is None:
        return f"{year:04}-{month:02}"
    return f"{year:04}-{month:02}-{min(max(day, 1), _last_day(year, month)):02}"


# ---- back to text ---------------------------------------------------------------------------------


def instant(second: int) -> str:
    """Return a second in the form that names it alone: 2024-03-09T14:30:00Z."""
    days, rest = divmod(second, _DAY_S)
    date = datetime.date.fromordinal(days + _EPOCH)
    return f"{date.isoformat()}T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}Z"


def short(second: int) -> str:
    """Return a second in plain words: the day alone where it is the first of a day."""
    text = instant(second)
    return text[:10] if text.endswith("T00:00:00Z") else text[:-1].replace("T", " ")
