"""The odd messages are as odd as their names say."""

from collections import Counter

from tests.support.dovecot import as_sent
from tests.support.edge_mails import EDGE_MAILS

MAILS = dict(EDGE_MAILS)


def test_names_are_unique() -> None:
    """Each message can be named, and only the twins are equal."""
    assert len(MAILS) == len(EDGE_MAILS) >= 30
    repeated = [octets for octets, count in Counter(MAILS.values()).items() if count > 1]
    assert repeated == [MAILS["twin-a"]] == [MAILS["twin-b"]]


def test_they_are_what_they_are_called() -> None:
    """A few that a careless edit could tame."""
    assert MAILS["empty"] == b""
    assert b"\r" not in MAILS["lf"]
    assert MAILS["crlf"].count(b"\n") == MAILS["crlf"].count(b"\r\n") > 0
    assert b"\n" not in MAILS["cr-only"]
    assert max(map(len, MAILS["line-100000"].split(b"\n"))) == 100_000
    assert MAILS["header-1000"].count(b"\nX-") == 1000
    assert MAILS["base64-one-line"].endswith(b"\n")
    assert not MAILS["base64-no-end"].endswith(b"\n")
    assert b"--same\n--same" not in MAILS["boundary-prefix"]
    assert b"--same-longer--" in MAILS["boundary-prefix"]


def test_as_sent_changes_line_ends_only() -> None:
    """CRLF stays, LF becomes CRLF, a lone CR stays, and an end is added where there is none."""
    assert as_sent(b"") == b"\r\n"
    assert as_sent(b"a\nb\r\nc\r\r\nd\re") == b"a\r\nb\r\nc\r\r\nd\re\r\n"
    for octets in MAILS.values():
        sent = as_sent(octets)
        assert as_sent(sent) == sent
