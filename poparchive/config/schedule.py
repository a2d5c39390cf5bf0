"""When an account is pulled: ``every 15m``, or ``cron`` and the five fields of a crontab line.

The fields are understood as ``crontab(5)`` has it, above all that Sunday is 0 and 7, which some
schedulers count otherwise; ``Cron.fields`` therefore gives the days of the week by name.
"""

import re
from dataclasses import dataclass

from poparchive.config.units import duration_s

LONGEST_S = 366 * 86400

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class Every:
    """At a steady interval."""

    text: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Cron:
    """At points of the calendar, in local time. Days of the week count from Sunday, 0."""

    text: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]

    def fields(self) -> dict[str, str]:
        """The fields as a scheduler takes them, full ranges as ``*`` and weekdays by name."""

        def listed(values: tuple[int, ...], full: int) -> str:
            return "*" if len(values) == full else ",".join(map(str, values))

        names = ",".join(_WEEKDAYS[day] for day in self.weekdays)
        return {
            "minute": listed(self.minutes, 60),
            "hour": listed(self.hours, 24),
            "day": listed(self.days, 31),
            "month": listed(self.months, 12),
            "day_of_week": "*" if len(self.weekdays) == 7 else names,
        }


Schedule = Every | Cron


def parse_schedule(value: object) -> Schedule:
    """Raises ``ValueError`` that says what a schedule may look like, or which field is wrong."""
    if isinstance(value, str):
        kind, _, rest = value.partition(" ")
        if kind == "every" and (seconds := duration_s(rest.strip())):
            if seconds > LONGEST_S:
                raise ValueError(f"has {rest!r}, which is longer than a year")
            return Every(value, seconds)
        if kind == "cron":
            return _cron(value, rest.split())
    raise ValueError(
        'must be "every" and a time such as "every 15m" (s, m, h or d),'
        f' or "cron" and five fields such as "cron 0 3 * * *", not {value!a}'
    )


def _cron(text: str, fields: list[str]) -> Cron:
    if len(fields) != 5:
        raise ValueError(
            f"must have five fields after cron (minute hour day month weekday), not {len(fields)}"
        )
    minutes = _field(fields[0], "minute", 0, 59)
    hours = _field(fields[1], "hour", 0, 23)
    days = _field(fields[2], "day", 1, 31)
    months = _field(fields[3], "month", 1, 12, _MONTHS)
    # Sunday may be written 0 or 7; a range such as 5-7 needs the 7 until here.
    weekdays = tuple(sorted({day % 7 for day in _field(fields[4], "weekday", 0, 7, _WEEKDAYS)}))
    if len(days) < 31 and len(weekdays) < 7:
        # crontab(5) fires when either matches, most schedulers when both do. Neither is guessed.
        raise ValueError("must give the day of the month or the weekday; leave the other as *")
    if not any(days[0] <= _LONGEST_MONTH[month - 1] for month in months):
        raise ValueError("names a day that none of its months has")
    return Cron(text, minutes, hours, days, months, weekdays)


_PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d{1,4}))?", re.ASCII)


def _field(
    text: str, name: str, low: int, high: int, names: tuple[str, ...] = ()
) -> tuple[int, ...]:
    """The values that one field of a crontab line names, ascending."""

    def number(word: str) -> int:
        if word.lower() in names:
            return names.index(word.lower()) + low
        if not word.isdecimal() or len(word) > 4 or not low <= int(word) <= high:
            raise ValueError(f"has the {name} {word!a}, which is not from {low} to {high}")
        return int(word)

    values: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if not match:
            raise ValueError(f"has the {name} {part!a}, which is no number, range or step")
        first, last, step = match.groups()
        start = number(first) if first else low
        # "5/15" means from 5 on, as "*/15" means from the lowest on.
        end = number(last) if last else start if first and not step else high
        if start > end or step == "0" * len(step or ""):
            raise ValueError(f"has the {name} {part!a}, which names nothing")
        values.update(range(start, end + 1, int(step or 1)))
    return tuple(sorted(values))
