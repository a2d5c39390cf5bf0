"""Dates as mail writes them."""

import pytest

from poparchive.mime.dates import epoch


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Thu, 01 Jan 1970 00:00:00 +0000", 0),
        ("Mon, 1 Jan 2001 00:00:00 +0100", 978303600),
        ("Mon, 1 Jan 2001 00:00:00 +0100 (CET)", 978303600),
        ("1 Jan 2001 00:00 +0100", 978303600),
        ("Mon, 1 Jan 2001 00:00:00 +01:00", 978303600),
        ("Mon, 01-Jan-2001 00:00:00 +0100", 978303600),
        ("Sun, 31 Dec 2000 23:00:00 GMT", 978303600),
        ("Sun, 31 Dec 2000 23:00:00", 978303600),
        ("Sun, 31 Dec 2000 18:00:00 EST", 978303600),
        ("Sun, 31 Dec 2000 23:00:00 XYZ", 978303600),
        ("Sunday, 31 December 2000 11:00:00 PM", 978303600),
        ("Sun, 31 Dec 00 23:00:00 GMT", 978303600),
        ("Sun, 31 Dec 100 23:00:00 GMT", 978303600),
        ("Sun, 31 Dec 0100 23:00:00 GMT", 978303600),
        ("31 Dec 99 23:00:00 GMT", 946681200),
        ("Sun Dec 31 23:00:00 2000", 978303600),
        ("Sun Dec 31 18:00:00 EST 2000", 978303600),
        ("Sun Dec 31 23:00:00 +0000 2000", 978303600),
        ("2000-12-31 23:00:00", 978303600),
        ("2000-12-31T23:00:00.123Z", 978303600),
        ("December 31, 2000, 11:00 PM", 978303600),
        ("by host; Mon, 1 Jan 2001 0:0:0 +0100", 978303600),
        ("Sat, 31 Dec 2016 23:59:60 +0000", 1483228800),
        ("Mon, 1 Jan 2001 00:00:00 +9900", 978307200),
    ],
)
def test_readable(text: str, moment: int) -> None:
    """Standard, obsolete and wrong spellings of a date name its moment."""
    assert epoch(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "Mon, 32 Jan 2001 00:00:00 +0000",
        "Mon, 1 Foo 2001 00:00:00 +0000",
        "Mon, 1 Jan 2001 25:00:00 +0000",
        "Mon, 1 Jan 2001 10:70:00 +0000",
        "Wed, 31 Dec 1969 23:59:59 +0000",
        "Thu, 01 Jan 1970 00:00:00 +0100",
        "9999999999999999999999",
        "1 Jan ٢٠٠١",
    ],
)
def test_unreadable(text: str) -> None:
    """What names no moment since 1970 is None."""
    assert epoch(text) is None
