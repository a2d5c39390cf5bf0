"""Dates: what a query's date stands for, to the second."""

import calendar
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poparchive.query import dates

NOW = calendar.timegm((2024, 3, 31, 12, 30, 15))


def at(*parts: int) -> int:
    return calendar.timegm((*parts, *(0,) * (6 - len(parts))))


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2024", at(2024, 1, 1), at(2025, 1, 1)),
        ("2024-02", at(2024, 2, 1), at(2024, 3, 1)),
        ("2023/2", at(2023, 2, 1), at(2023, 3, 1)),
        ("2024-02-29", at(2024, 2, 29), at(2024, 3, 1)),
        ("2024/3/9", at(2024, 3, 9), at(2024, 3, 10)),
        ("2024-03-09T7", at(2024, 3, 9, 7), at(2024, 3, 9, 8)),
        ("2024-03-09 07:15", at(2024, 3, 9, 7, 15), at(2024, 3, 9, 7, 16)),
        ("2024-03-09T07:15:01Z", at(2024, 3, 9, 7, 15, 1), at(2024, 3, 9, 7, 15, 2)),
        ("2024-03-09T01:00:00+02:00", at(2024, 3, 8, 23), at(2024, 3, 8, 23, 0, 1)),
        ("2024-03-09t01:00:00-0230", at(2024, 3, 9, 3, 30), at(2024, 3, 9, 3, 30, 1)),
        ("today", at(2024, 3, 31), at(2024, 4, 1)),
        ("Yesterday", at(2024, 3, 30), at(2024, 3, 31)),
        ("2023..2024-02", at(2023, 1, 1), at(2024, 3, 1)),
        ("2024-03-01..2024-03-01", at(2024, 3, 1), at(2024, 3, 2)),
    ],
)
def test_periods(text: str, start: int, end: int) -> None:
    """A date is the whole period that it names; before and after go by its beginning."""
    assert dates.limits("during", text, NOW) == dates.limits("on", text, NOW) == (start, end)
    if ".." not in text:
        assert dates.limits("after", text, NOW) == (start, None)
        assert dates.limits("before", text, NOW) == (None, start)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("12h", at(2024, 3, 31, 0, 30, 15)),
        ("3d", at(2024, 3, 28, 12, 30, 15)),
        ("2w", at(2024, 3, 17, 12, 30, 15)),
        ("1m", at(2024, 2, 29, 12, 30, 15)),
        ("13m", at(2023, 2, 28, 12, 30, 15)),
        ("2Y", at(2022, 3, 31, 12, 30, 15)),
        ("0d", NOW),
        ("99999y", at(1, 1, 1)),
    ],
)
def test_distances_from_now(text: str, moment: int) -> None:
    """Months and years are the calendar's; where there is no such day it is the month's last."""
    assert dates.limits("older_than", text, NOW) == (None, moment)
    assert dates.limits("newer_than", text, NOW) == (moment, None)


@pytest.mark.parametrize(
    "text",
    [
        "0000",
        "2024-00",
        "2024-13",
        "2024-2-30",
        "2023-02-29",
        "24-1-1",
        "2024-1/2",
        "2024-01-01T24",
        "٢٠٢٤",
        "x",
        "",
    ],
)
def test_what_is_no_date_is_refused(text: str) -> None:
    """Nothing is guessed; what is suggested is a date."""
    with pytest.raises(dates.BadDateError) as caught:
        dates.limits("on", text, NOW)
    if caught.value.meant:
        dates.limits("on", caught.value.meant, NOW)


@given(
    st.text(alphabet="0123456789-/.:TZ+ hdwmytoday", max_size=24),
    st.sampled_from(["on", "after", "older_than"]),
)
def test_any_text_is_a_date_or_our_error(text: str, name: str) -> None:
    """And a period begins before it ends, within the calendar."""
    try:
        start, end = dates.limits(name, text, NOW)
    except dates.BadDateError:
        return
    if start is not None:
        dates.instant(start)
    if end is not None:
        dates.instant(end - 1)
    if start is not None and end is not None:
        assert start < end


@given(st.datetimes(min_value=datetime.datetime(1, 1, 1), timezones=st.just(datetime.UTC)))
def test_a_moment_is_written_and_read(moment: datetime.datetime) -> None:
    """The form in which trees are printed names its second alone."""
    second = calendar.timegm(moment.utctimetuple())
    assert dates.limits("on", dates.instant(second), 0) == (second, second + 1)
