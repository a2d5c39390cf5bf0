"""What servers say, read as values."""

import pytest

from poparchive.model import Listed
from poparchive.pop3 import ProtocolError, Reply
from poparchive.pop3.replies import (
    LISTING_LINE_MAX_BYTES,
    SHOWN_MAX_CHARS,
    Sizes,
    Uidls,
    parse_capabilities,
    parse_reply,
    parse_stamp,
    parse_stat,
    visible,
)


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"+OK", Reply(True, b"")),
        (b"+OK ", Reply(True, b"")),
        (b"+OK 2 320", Reply(True, b"2 320")),
        (b"+ok lower case", Reply(True, b"lower case")),
        (b"+OK\ttab", Reply(True, b"tab")),
        (b"-ERR", Reply(False, b"")),
        (b"-err no", Reply(False, b"no")),
        (b"-ERR [IN-USE] locked", Reply(False, b"[IN-USE] locked", "IN-USE")),
        (b"-ERR [in-use]locked", Reply(False, b"[in-use]locked", "IN-USE")),
        (b"-ERR [SYS/PERM] no", Reply(False, b"[SYS/PERM] no", "SYS/PERM")),
        (b"-ERR not [AUTH] here", Reply(False, b"not [AUTH] here")),
        (b"-ERR [not a code] x", Reply(False, b"[not a code] x")),
    ],
)
def test_status_lines(line: bytes, reply: Reply) -> None:
    """+OK and -ERR in any case, with any text or none, and a response code where one stands."""
    assert parse_reply(line) == reply


@pytest.mark.parametrize(
    "line", [b"", b"OK", b" +OK", b"+OKAY", b"-ERROR", b"-ER", b"+ challenge", b"220 smtp", b"\xff"]
)
def test_no_status_lines(line: bytes) -> None:
    """Anything else is none."""
    assert parse_reply(line) is None


def test_text_is_made_visible() -> None:
    """No control character of a server's text reaches a terminal, nor does endless text."""
    assert str(Reply(False, b"\x1b[31m\r\x00\xe2\x80\xae\xff caf\xc3\xa9")) == (
        "-ERR \\x1b[31m\\r\\x00\\u202e\\xff café"
    )
    assert visible(b"x" * 10_000) == "x" * SHOWN_MAX_CHARS + " ..."


@pytest.mark.parametrize(
    ("greeting", "stamp"),
    [
        (b"Dovecot ready. <6e6d.2.6b@host>", b"<6e6d.2.6b@host>"),
        (b"<1@a> <2@b>", b"<1@a>"),
        (b"<no at sign>", b""),
        (b"welcome a@b", b""),
    ],
)
def test_stamps(greeting: bytes, stamp: bytes) -> None:
    """The stamp is a message id in angle brackets."""
    assert parse_stamp(greeting) == stamp


def test_stat() -> None:
    """Two numbers, whatever follows; anything else is no answer to STAT."""
    assert parse_stat(Reply(True, b"2 320 octets")) == (2, 320)
    for text in (b"", b"two 320", b"2", b"2 -1", b"2 3x"):
        with pytest.raises(ProtocolError, match="STAT"):
            parse_stat(Reply(True, text))


def test_capabilities() -> None:
    """Names in capitals with parameters; one that comes twice has the parameters of both."""
    body = b"TOP\r\nsasl PLAIN LOGIN\r\nUSER\r\n\r\nEXPIRE 60 USER\r\nSASL X\r\nX-\xff\r\n"
    assert parse_capabilities(body) == {
        "TOP": (),
        "SASL": ("PLAIN", "LOGIN", "X"),
        "USER": (),
        "EXPIRE": ("60", "USER"),
        "X-\ufffd": (),
    }


def listed(list_: bytes, uidl: bytes) -> list[Listed]:
    sizes = Sizes()
    uidls = Uidls(sizes)
    sizes.feed(list_)
    sizes.close()
    uidls.feed(uidl)
    uidls.close()
    return list(uidls.listed)


def test_odd_listings() -> None:
    """Several blanks, long UIDLs, UIDLs with blanks inside or behind, repeated UIDLs, text behind
    the size: all survive, as sent but for the blanks around a UIDL."""
    long = b"u" * LISTING_LINE_MAX_BYTES
    assert listed(
        b"1 10\r\n2  20 octets\r\n 3\t30\r\n4 40\r\n5 50 \r\n",
        b"1   a\r\n2 " + long + b"\r\n3 b c  d \r\n4 a\r\n 5\t\xff\x01\r\n",
    ) == [
        Listed(1, b"a", 10),
        Listed(2, long, 20),
        Listed(3, b"b c  d", 30),
        Listed(4, b"a", 40),
        Listed(5, b"\xff\x01", 50),
    ]


def test_listings_that_do_not_agree() -> None:
    """A message that one of them leaves out is there all the same."""
    assert listed(b"2 20\r\n1 10\r\n", b"3 c\r\n1 a\r\n4\r\n5 \r\n") == [
        Listed(3, b"c", 0),
        Listed(1, b"a", 10),
        Listed(4, b"", 0),
        Listed(5, b"", 0),
        Listed(2, b"", 20),
    ]


@pytest.mark.parametrize(
    "line",
    [
        b"junk\r\n",
        b"\r\n",
        b"junk 1 a\r\n",
        b"1 a\nb\r\n",
        b"1 a\rb\r\n",
        b"-1 a\r\n",
        b"1 " + b"u" * (LISTING_LINE_MAX_BYTES + 1) + b"\r\n",
        b"1 without an end",
        b"9" * 5000,
    ],
)
def test_unreadable_listings(line: bytes) -> None:
    """A line without a number, or too long, or with a broken end, is an error that shows it."""
    with pytest.raises(ProtocolError, match="UIDL has a line that cannot be read: "):
        listed(b"", b"1 ok\r\n" + line)


@pytest.mark.parametrize("line", [b"1\r\n", b"1 x\r\n", b"1 -5\r\n", b"1 1_0\r\n", b"1 5x\r\n"])
def test_sizes_are_numbers(line: bytes) -> None:
    """LIST without a plain number behind the message number is an error."""
    with pytest.raises(ProtocolError, match="LIST has a line"):
        listed(line, b"")


def test_large_listings_come_in_pieces() -> None:
    """A hundred thousand messages, in reads of a usual size."""
    count = 100_000
    list_ = b"".join(b"%d %d\r\n" % (n, n * 7) for n in range(1, count + 1))
    uidl = b"".join(b"%d %032d\r\n" % (n, n) for n in range(1, count + 1))
    sizes = Sizes()
    uidls = Uidls(sizes)
    for reader, octets in ((sizes, list_), (uidls, uidl)):
        for start in range(0, len(octets), 250_000):
            reader.feed(octets[start : start + 250_000])
        reader.close()
    assert list(uidls.listed) == [Listed(n, b"%032d" % n, n * 7) for n in range(1, count + 1)]
