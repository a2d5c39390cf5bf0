"""Servers whose UIDL and LIST are odd, contradict each other, change, or never end."""

import pytest

from poparchive.demo.behaviour import Behaviour, Flood
from poparchive.demo.mailbox import Mailbox
from poparchive.demo.server import Pop3Server, running
from poparchive.model import Fate
from poparchive.pop3 import replies as replies_module
from tests.support.victim import IMPATIENT, SECRET, Victim, mails, serving

MAILS = mails(3)
SIZES = b"1 9\r\n2 9\r\n3 9\r\n"


def lists(uidl: bytes, sizes: bytes = SIZES, **replies: bytes) -> Behaviour:
    """The octets of both listings, without the lines around them."""
    both = {"UIDL": b"+OK\r\n" + uidl + b".\r\n", "LIST": b"+OK\r\n" + sizes + b".\r\n"}
    return Behaviour(replies={**both, **replies})


@pytest.mark.parametrize(
    "uidl",
    [
        b"1 a\r\n2 b\r\n3 c\r\n",
        b"1   a\r\n2\tb\r\n 3 c  \r\n",
        b"1 a b\r\n2 b\r\n3 c\r\n",
        b"1 " + b"u" * 200 + b"\r\n2 " + b"v" * 1000 + b"\r\n3 c\r\n",
        b"1 \0\x01\x1b[31m\r\n2 \x7f\x08\r\n3 \xff\xfe\r\n",
        b"1 same\r\n2 same\r\n3 same\r\n",
        b"1 a\r\n1 a\r\n2 b\r\n2 b\r\n3 c\r\n",
        b"3 c\r\n1 a\r\n2 b\r\n",
        b"001 a\r\n02 b\r\n3 c\r\n",
    ],
    ids=[
        "right",
        "blanks",
        "blanks within",
        "200 octets",
        "controls",
        "one UIDL for all",
        "lines twice",
        "disorder",
        "leading zeros",
    ],
)
def test_odd_uidls(uidl: bytes, victim: Victim) -> None:
    """Every message is fetched once, and known again in the next pull."""
    with serving(MAILS, lists(uidl)) as server:
        for _ in range(2):
            assert not victim.pull(server).error
            victim.holds(*MAILS)
        assert sorted(server.asked("RETR")) == ["1", "2", "3"]
    assert victim.fates() == [Fate.ARCHIVED] * 3


@pytest.mark.parametrize(
    ("uidl", "sizes", "words"),
    [
        (b"1a\r\n", SIZES, "UIDL has a line that cannot be read: 1a"),
        (b"x y\r\n", SIZES, "UIDL has a line that cannot be read: x y"),
        (b"-1 a\r\n", SIZES, "UIDL has a line that cannot be read: -1 a"),
        (b"12345678901 a\r\n", SIZES, "UIDL has a line that cannot be read"),
        (b"1 " + b"u" * 1100 + b"\r\n", SIZES, "UIDL has a line that cannot be read: 1 uuu"),
        (b"1 a\rb\r\n", SIZES, "UIDL has a line that cannot be read: 1 a\\rb"),
        (b"1 a\n2 b\r\n", SIZES, "UIDL has a line that cannot be read: 1 a"),
        (b"1 a\r\n1 b\r\n2 c\r\n", SIZES, "UIDL names message 1 twice: a and b"),
        (b"\xef\xbb\xbf1 a\r\n", SIZES, "UIDL has a line that cannot be read: \\ufeff1 a"),
        (b"1 a\r\n", b"1 -9\r\n", "LIST has a line that cannot be read: 1 -9"),
        (b"1 a\r\n", b"1\r\n", "LIST has a line that cannot be read: 1"),
        (b"1 a\r\n", b"1 " + b"9" * 19 + b"\r\n", "LIST has a line that cannot be read"),
        (b" " * 100_000 + b"\r\n", SIZES, "UIDL has a line that cannot be read"),
        (b"1" + b" " * 500_000 + b"\n2 b\r\n", SIZES, "UIDL has a line that cannot be read: 1"),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else None,
)
def test_listings_that_cannot_be_read(
    uidl: bytes, sizes: bytes, words: str, victim: Victim
) -> None:
    """A line that means nothing is shown in the error; nothing is fetched by guess."""
    with serving(MAILS, lists(uidl, sizes)) as server:
        victim.fails(server, words)
        assert not server.asked("RETR")
    victim.holds()


def test_gaps(victim: Victim) -> None:
    """Numbers need not follow each other."""
    bodies = {
        f"RETR {n}": b"+OK\r\n" + m + b".\r\n" for n, m in zip((2, 7, 900), MAILS, strict=True)
    }
    gaps = lists(b"2 a\r\n7 b\r\n900 c\r\n", b"2 9\r\n7 9\r\n900 9\r\n", **bodies)
    with serving([], gaps) as server:
        assert not victim.pull(server).error
    victim.holds(*MAILS)


def test_listings_that_disagree(victim: Victim) -> None:
    """What only one of the two listings names is fetched too."""
    with serving(MAILS, lists(b"1 a\r\n2 b\r\n", b"2 9\r\n3 9\r\n")) as server:
        assert victim.pull(server).listed == 3
    victim.holds(*MAILS)


@pytest.mark.parametrize("command", ["UIDL", "LIST"])
def test_a_listing_that_is_refused(command: str, victim: Victim) -> None:
    """Without both listings nothing is fetched: it could not be told what was."""
    with serving(MAILS, Behaviour(replies={command: b"-ERR no\r\n"})) as server:
        victim.fails(server, f"{command} was refused: -ERR no")
    victim.holds()


def test_a_count_that_changes_between_sessions(victim: Victim) -> None:
    """The second session goes by its own listing, in which every number means another message."""
    box = Mailbox(MAILS, password=SECRET)
    cut = Behaviour(hang_up_at_retr=2)
    # The first message is gone and one more has come.
    (more,) = mails(1, 50)
    bodies = [*MAILS[1:], more]
    sizes = b"".join(b"%d %d\r\n" % (n, len(m)) for n, m in enumerate(bodies, 1))
    answers = {f"RETR {n}": b"+OK\r\n" + m + b".\r\n" for n, m in enumerate(bodies, 1)}
    second = lists(b"1 00000002\r\n2 00000003\r\n3 new\r\n", sizes, **answers)
    with running(Pop3Server({"anna": box}, behaviour=[cut, second])) as server:
        assert not victim.pull(server).error
    victim.holds(*MAILS, more)


def test_a_count_that_changes_inside_a_session(victim: Victim) -> None:
    """More is listed than there is: what is missing is reported, the rest is fetched."""
    listing = lists(b"1 a\r\n2 b\r\n3 c\r\n4 d\r\n5 e\r\n", SIZES + b"4 9\r\n5 9\r\n")
    with serving(MAILS, listing, Behaviour()) as server:
        result = victim.pull(server)
        assert "message 5 was refused: -ERR no such message" in result.error
        assert (result.listed, result.failed) == (5, 2)
    assert victim.fates() == [Fate.ARCHIVED] * 3 + [Fate.QUARANTINED] * 2
    victim.holds(*MAILS)


@pytest.mark.parametrize("command", ["UIDL", "LIST"])
def test_listings_without_end(
    command: str, victim: Victim, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines and octets have a limit each."""
    monkeypatch.setattr(replies_module, "LISTING_MAX_LINES", 1000)
    endless = Behaviour(replies={command: b"+OK\r\n"}, floods={command: Flood(b"1 1\r\n" * 10_000)})
    with serving(MAILS, endless) as server:
        victim.fails(server, f"{command} lists more than 1000 messages")
        monkeypatch.setattr(replies_module, "LISTING_MAX_LINES", 10**9)
        monkeypatch.setattr(replies_module, "LISTING_MAX_BYTES", 100_000)
        victim.fails(server, f"{command} lists more than 100000 octets")
    victim.holds()


def test_a_listing_line_without_end(victim: Victim) -> None:
    """It is given up long before memory is full."""
    endless = Behaviour(replies={"UIDL": b"+OK\r\n1 "}, floods={"UIDL": Flood(b"u" * 65536)})
    with serving(MAILS, endless) as server:
        victim.fails(server, "UIDL has a line that cannot be read: 1 uuu")
    victim.holds()


def test_a_listing_that_is_cut(victim: Victim) -> None:
    """Half a listing is none: what it does not name has not vanished."""
    half = Behaviour(replies={"UIDL": b"+OK\r\n1 a\r\n2 b"}, hang_up_at=frozenset({"RETR 1"}))
    with serving(MAILS, half) as server:
        victim.fails(server, "UIDL", timeouts=IMPATIENT)
    assert not victim.fates()
    victim.holds()
