"""Ends of lines and of bodies, found in whatever pieces they come."""

import pytest

from poparchive.pop3.buffer import RECEIVE_BYTES, ReceiveBuffer
from poparchive.pop3.errors import ProtocolError
from tests.support.conversation import cuts


def put(buffer: ReceiveBuffer, octets: bytes) -> None:
    while octets:
        room = buffer.room()
        now, octets = octets[: len(room)], octets[len(room) :]
        room[: len(now)] = now
        buffer.filled(len(now))


def body(octets: bytes, *, limit_bytes: int = 1000, step: int = 1) -> tuple[bytes, bytes]:
    """The body that follows a status line, and what is left behind it."""
    buffer = ReceiveBuffer()
    put(buffer, b"+OK\r\n")
    assert buffer.take_line(100) == b"+OK"
    buffer.begin_body()
    taken, rest = None, octets
    while taken is None and not buffer.oversize:
        now, rest = rest[:step], rest[step:]
        put(buffer, now)
        taken = buffer.take_body(limit_bytes)
        assert now or taken is not None or buffer.oversize, "the end was not found"
    pieces = [taken or b""]
    while buffer.oversize and not buffer.body_ended:
        pieces.append(buffer.take_piece())
        if not buffer.body_ended:
            now, rest = rest[:step], rest[step:]
            assert now, "the end was not found"
            put(buffer, now)
    return b"".join(pieces), buffer.peek(100) + rest


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("limit_bytes", [0, 3, 1000])
@pytest.mark.parametrize(
    ("wire", "meant"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"x\r\n.\r\n", b"x\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"...\r\n.\r\n", b"..\r\n"),
        (b"..\r\n..\r\n..\r\n.\r\n", b".\r\n.\r\n.\r\n"),
        (b"a\r\n..b\r\n.\r\n", b"a\r\n.b\r\n"),
        (b"a\n.\r\nb\r\n.\r\n", b"a\n.\r\nb\r\n"),
        (b"a\r.\r\nb\r\n.\r\n", b"a\r.\r\nb\r\n"),
        (b"a\r\n.\nb\r\n.\r\n", b"a\r\n.\nb\r\n"),
        (b"a\r\n.\r\r\n.\r\n", b"a\r\n.\r\r\n"),
        (b"a\r\r\n\r\n\r\n.\r\n", b"a\r\r\n\r\n\r\n"),
        (b"\0\xff\r\n.\r\n", b"\0\xff\r\n"),
    ],
)
def test_bodies(wire: bytes, meant: bytes, limit_bytes: int, step: int) -> None:
    """Only CRLF ends a line, only a lone dot ends the body, only double dots are made single; what
    follows the body is left alone."""
    assert body(wire + b"+OK next\r\n", limit_bytes=limit_bytes, step=step) == (
        meant,
        b"+OK next\r\n",
    )


def test_a_single_dot_is_kept() -> None:
    """A line with one dot before other text comes from a server that does not stuff: kept as is."""
    assert body(b".sig\r\n..x\r\n.\r\n")[0] == b".sig\r\n.x\r\n"


def test_no_limit_on_the_length_of_lines() -> None:
    """A line larger than the buffer is taken whole, and in pieces."""
    long = b"x" * (3 * RECEIVE_BYTES) + b"\r\n"
    for limit_bytes in (10 * RECEIVE_BYTES, 1000):
        assert body(long + b".\r\n", limit_bytes=limit_bytes, step=50_000)[0] == long


def test_large_bodies_do_not_stay_in_memory() -> None:
    """Pieces leave at once: at most the end's beginning waits in the buffer."""
    buffer = ReceiveBuffer()
    put(buffer, b"+OK\r\n")
    buffer.take_line(100)
    buffer.begin_body()
    put(buffer, b"y" * 5000)
    assert buffer.take_body(1000) is None
    for _ in range(100):
        buffer.take_piece()
        assert len(buffer) <= 4
        put(buffer, b"y\r\n" * 1000)
    assert len(buffer.room()) >= RECEIVE_BYTES - 20_000


def test_lines_come_one_by_one() -> None:
    """CRLF and a bare LF end a line, a bare CR does not; the ends are not part of it."""
    octets = b"+OK a\r\n\r\n+OK b\n+OK\rc\r\n+OK"
    for positions in (range(0), range(len(octets))):
        buffer, lines = ReceiveBuffer(), []
        for piece in cuts(octets, positions):
            put(buffer, piece)
            while (line := buffer.take_line(50)) is not None:
                lines.append(line)
        assert lines == [b"+OK a", b"", b"+OK b", b"+OK\rc"]
        assert buffer.peek(10) == b"+OK"


@pytest.mark.parametrize("end", [b"", b"\r\n"])
def test_lines_have_a_limit(end: bytes) -> None:
    """A line over the limit is an error, whether its end has come or not."""
    buffer = ReceiveBuffer()
    put(buffer, b"+OK " + b"\x1b" * 100 + end)
    with pytest.raises(ProtocolError, match=r"more than 50 octets came: \+OK .x1b"):
        buffer.take_line(50)
