"""A logged-in session over loopback: listings, messages, deletions, and how it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from poparchive.model import Listed
from poparchive.pop3 import (
    ClosedError,
    CommandError,
    Endpoint,
    Login,
    ProtocolError,
    Reply,
    ReplyError,
    Session,
    TimedOutError,
    Timeouts,
    TlsMode,
    Window,
    connect,
)
from poparchive.pop3.pipeline import LargeSink
from tests.support.certificate import Certificate
from tests.support.conversation import Collector, Script, Server, Step, scripted, stuffed

OK = b"+OK\r\n"
PIPELINING = b"+OK\r\nPIPELINING\r\n.\r\n"
LOGIN: tuple[str | bytes, ...] = (OK, "CAPA", PIPELINING, "USER u", OK, "PASS p", OK)
SLOW_LOGIN: tuple[str | bytes, ...] = (OK, "CAPA", b"-ERR\r\n", "USER u", OK, "PASS p", OK)
WINDOW = Window()
SHORT = Timeouts(5, 0.05, 0.05)


def be_impatient(session: Session) -> None:
    """From now on: a log-in on a busy machine may take longer."""
    session._dialogue.connection._timeouts = SHORT


@asynccontextmanager
async def session_with(
    *script: str | bytes | Step,
    login: tuple[str | bytes, ...] = LOGIN,
    window: Window = WINDOW,
    spool_bytes: int = 1000,
) -> AsyncIterator[tuple[Session, Server]]:
    async with (
        scripted(*login, *script) as server,
        connect(
            server.endpoint(),
            Login("u", lambda: "p"),
            account="office",
            timeouts=Timeouts(5, 5, 5),
            window=window,
            spool_bytes=spool_bytes,
        ) as session,
    ):
        yield session, server


def listed(*sizes: int) -> list[Listed]:
    return [Listed(n, b"uidl%d" % n, size) for n, size in enumerate(sizes, 1)]


def retrs(first: int, last: int) -> list[str]:
    return [f"RETR {n}" for n in range(first, last + 1)]


def message(n: int) -> bytes:
    return OK + b"message %d\r\n.\r\n" % n


def test_listing_in_one_write() -> None:
    """Where the server pipelines, CAPA after the log-in, LIST and UIDL travel together, CAPA last,
    because some servers lose what comes behind it; the next listing does not ask it again."""

    async def main() -> None:
        answers = b"+OK\r\n1 10\r\n.\r\n+OK\r\n1 a\r\n.\r\n+OK\r\nPIPELINING\r\nTOP\r\n.\r\n"
        again = b"+OK\r\n.\r\n+OK\r\n.\r\n"
        script: Script = ("LIST", "UIDL", "CAPA", answers, "LIST", "UIDL", again)
        async with session_with(*script) as (session, server):
            assert "TOP" not in session.capabilities
            assert list(await session.listing()) == [Listed(1, b"a", 10)]
            assert "TOP" in session.capabilities
            assert list(await session.listing()) == []
            assert server.reads[-2:] == [b"LIST\r\nUIDL\r\nCAPA\r\n", b"LIST\r\nUIDL\r\n"]

    asyncio.run(main())


def test_capa_that_was_refused_is_not_asked_again() -> None:
    """Nor where the server is known to pipeline though it says nothing of itself (solid-pop3d)."""

    async def main() -> None:
        greeting, no = b"+OK Solid POP3 server ready\r\n", b"-ERR unknown command\r\n"
        login = (greeting, "CAPA", no, "USER u", OK, "PASS p", OK)
        answers = b"+OK\r\n1 10\r\n.\r\n+OK\r\n1 a\r\n.\r\n"
        async with session_with("LIST", "UIDL", answers, login=login) as (session, server):
            assert session.pipelining
            assert list(await session.listing()) == [Listed(1, b"a", 10)]
            assert server.reads[-1] == b"LIST\r\nUIDL\r\n"

    asyncio.run(main())


def test_listing_step_by_step() -> None:
    """Where it does not, one at a time. Large listings are read in pieces."""

    async def main() -> None:
        sizes = b"".join(b"%d 7\r\n" % n for n in range(1, 501))
        uidls = b"".join(b"%d u%d\r\n" % (n, n) for n in range(1, 501))
        script: Script = ("LIST", OK + sizes + b".\r\n", "UIDL", OK + uidls + b".\r\n")
        async with session_with(*script, login=SLOW_LOGIN) as (session, server):
            assert list(await session.listing()) == [
                Listed(n, b"u%d" % n, 7) for n in range(1, 501)
            ]
            assert server.reads[-2:] == [b"LIST\r\n", b"UIDL\r\n"]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("capa", "refusal"),
    [(b"-ERR\r\n", b"-ERR [SYS/TEMP] later\r\n"), (b"+OK\r\nUIDL\r\n.\r\n", b"-ERR no\r\n")],
)
def test_a_refused_listing(capa: bytes, refusal: bytes) -> None:
    """A UIDL that is refused for a reason, or by a server that has it: the error says so, and the
    session goes on."""

    async def main() -> None:
        answers = b"+OK\r\n.\r\n" + refusal + capa
        async with session_with("LIST", "UIDL", "CAPA", answers, "NOOP", OK) as (session, _):
            with pytest.raises(ReplyError, match="UIDL was refused: -ERR"):
                await session.listing()
            await session.noop()

    asyncio.run(main())


def test_a_server_without_uidl() -> None:
    """TOP tells messages apart, whatever the server writes into their headers; one it refuses has nothing."""

    async def main() -> None:
        capa = b"+OK\r\nTOP\r\nPIPELINING\r\n.\r\n"
        listing = b"+OK\r\n1 10\r\n2 10\r\n3 7\r\n.\r\n-ERR unknown\r\n" + capa
        script: Script = ["LIST", "UIDL", "CAPA", listing, "TOP 1 0", "TOP 2 0", "TOP 3 0"]
        heads = b"+OK\r\nSubject: a\r\nStatus: RO\r\n more\r\n\r\n.\r\n"
        heads += b"+OK\r\nSubject: a\r\n\r\n.\r\n-ERR gone\r\n"
        async with session_with(*script, heads) as (session, _):
            first, second, third = await session.listing()
            assert session.without_uidl
        assert first.uidl == second.uidl
        assert first.uidl.startswith(b"TOP ")
        assert third == (3, b"", 7)

    asyncio.run(main())


def test_an_unreadable_listing_ends_the_session() -> None:
    """What cannot be read is no ground to go on; every later call says the same."""

    async def main() -> None:
        answers = b"+OK\r\n1 x\r\n.\r\n"
        async with session_with("LIST", "UIDL", "CAPA", answers) as (session, server):
            for _ in range(2):
                with pytest.raises(ProtocolError, match=f"office.*{server.port}: LIST has a line"):
                    await session.listing()

    asyncio.run(main())


def test_retrieve_through_a_window() -> None:
    """Commands run ahead of the answers as far as the window allows; messages come in order."""

    async def main() -> None:
        script: list[str | bytes | Step] = [*retrs(1, 5), message(1) + message(2)]
        script += [*retrs(6, 7), *map(message, range(3, 8)), *retrs(8, 9), "NOOP"]
        script += [message(8), b"-ERR [SYS/TEMP] gone\r\n", OK]
        window = Window(commands=5)
        async with session_with(*script, window=window) as (session, _):
            sink = Collector()
            await session.retrieve(listed(*[10] * 9), sink)
            assert sink.messages == [(n, b"message %d\r\n" % n) for n in range(1, 9)]
            assert sink.refusals == [(9, Reply(False, b"[SYS/TEMP] gone", "SYS/TEMP"))]

    asyncio.run(main())


def test_retrieve_one_by_one() -> None:
    """A server that does not pipeline gets a command when it has answered the one before."""

    async def main() -> None:
        script: Script = ("RETR 1", message(1), "RETR 2", message(2), "NOOP", OK)
        async with session_with(*script, login=SLOW_LOGIN) as (session, server):
            sink = Collector()
            await session.retrieve(listed(10, 10), sink)
            assert sink.messages == [(1, b"message 1\r\n"), (2, b"message 2\r\n")]
            assert server.reads[-3:] == [b"RETR 1\r\n", b"RETR 2\r\n", b"NOOP\r\n"]

    asyncio.run(main())


def test_nothing_to_retrieve() -> None:
    """Then nothing is sent."""

    async def main() -> None:
        async with session_with() as (session, _):
            await session.retrieve([], Collector())
            assert await session.delete([]) == []

    asyncio.run(main())


def test_large_messages_pass_through() -> None:
    """A message far over the threshold arrives in pieces, exact, among small ones."""
    large = b"".join(b".%d\r\n" % n for n in range(300_000))

    class Measuring(Collector):
        pieces = 0

        def begin(self, number: int) -> LargeSink:
            kept = super().begin(number)
            write = kept.write

            def counted(octets: bytes) -> None:
                self.pieces += 1
                assert len(octets) <= 1 << 20
                write(octets)

            kept.write = counted  # type: ignore[method-assign]  # counts what passes
            return kept

    async def main() -> None:
        script: Script = (*retrs(1, 3), "NOOP", message(1) + OK, stuffed(large), message(3) + OK)
        async with session_with(*script) as (session, _):
            sink = Measuring()
            await session.retrieve(listed(10, len(large), 10), sink)
            assert [n for n, _ in sink.messages] == [1, 2, 3]
            assert sink.messages[1][1] == large
            assert (sink.large, sink.pieces > 3) == ([2], True)

    asyncio.run(main())


class Narrow(Collector):
    """A sink that is full after every read from the socket."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = 0
        self.seen = 0
        self.waiting = False

    def message(self, number: int, octets: bytes) -> None:
        assert not self.waiting
        super().message(number, octets)

    def full(self) -> bool:
        return len(self.messages) > self.seen

    async def room(self) -> None:
        self.waiting = True
        for _ in range(5):
            await asyncio.sleep(0)
        self.waiting = False
        self.waits += 1
        self.seen = len(self.messages)


def test_a_full_sink_stops_reading() -> None:
    """While there is no room nothing is handed on, no timeout runs, and nothing is lost."""

    async def main() -> None:
        script: Script = [*retrs(1, 4), message(1) + message(2), message(3) + message(4)]
        script = [*script, *retrs(5, 6), "NOOP", message(5) + message(6) + OK, "NOOP", OK]
        window = Window(commands=4)
        async with session_with(*script, window=window) as (session, _):
            sink = Narrow()
            await session.retrieve(listed(*[10] * 6), sink)
            assert [n for n, _ in sink.messages] == [1, 2, 3, 4, 5, 6]
            assert sink.waits >= 1
            await session.noop()  # a sink that is full at the end stops nothing

    asyncio.run(main())


@pytest.mark.parametrize("where", ["message", "room"])
def test_a_sink_that_fails(where: str) -> None:
    """What the sink raises comes out of retrieve as it is, and the connection is closed: what is
    on its way has nobody to take it."""

    class Failing(Narrow):
        def message(self, number: int, octets: bytes) -> None:
            if where == "message":
                raise OSError("disk full")
            super().message(number, octets)

        async def room(self) -> None:
            raise OSError("disk full")

    async def main() -> None:
        script: Script = (*retrs(1, 3), "NOOP", message(1) + message(2))
        async with session_with(*script) as (session, _):
            with pytest.raises(OSError, match="disk full"):
                await session.retrieve(listed(10, 10, 10), Failing())
            with pytest.raises(OSError, match="disk full"):
                await session.quit()

    asyncio.run(main())


def test_a_connection_lost_between_messages() -> None:
    """What had come whole is handed on; the error says what was awaited."""

    async def main() -> None:
        script: Script = (*retrs(1, 3), "NOOP", message(1) + message(2), Step.HANG_UP)
        async with session_with(*script) as (session, _):
            sink = Collector()
            with pytest.raises(ClosedError, match="before it had answered RETR 3") as caught:
                await session.retrieve(listed(10, 10, 10), sink)
            assert [n for n, _ in sink.messages] == [1, 2]
            assert caught.value.command == "RETR 3"

    asyncio.run(main())


@pytest.mark.parametrize("spool_bytes", [1000, 3])
def test_a_connection_lost_inside_a_message(spool_bytes: int) -> None:
    """The half message is not handed on, or aborted where it had begun; the one before counts."""

    async def main() -> None:
        script: Script = (*retrs(1, 2), "NOOP", message(1) + OK + b"half\r\n", Step.HANG_UP)
        async with session_with(*script, spool_bytes=spool_bytes) as (session, _):
            sink = Collector()
            with pytest.raises(ClosedError, match="answered RETR 2"):
                await session.retrieve(listed(10, 10), sink)
            assert [n for n, _ in sink.messages] == [1]
            assert sink.aborted == ([2] if spool_bytes == 3 else [])

    asyncio.run(main())


def test_a_dot_that_was_not_stuffed() -> None:
    """The cut message is not handed on, the session is over, and the error shows what came."""

    async def main() -> None:
        script: Script = ("RETR 1", "NOOP", OK + b"a\r\n.\r\nb\r\n.\r\n" + OK)
        async with session_with(*script) as (session, _):
            sink = Collector()
            with pytest.raises(ProtocolError, match="instead of an answer to NOOP came: b"):
                await session.retrieve(listed(10), sink)
            assert sink.messages == []

    asyncio.run(main())


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (b"", "the server did not answer RETR 1 within 0.05 s"),
        (b"+OK but no end", "the server did not answer RETR 1 within 0.05 s"),
        (OK + b"half", "sent nothing for 0.05 s in the middle of its answer to RETR 1"),
    ],
)
def test_timeouts(said: bytes, text: str) -> None:
    """A reply that does not come, does not end, or stalls."""

    async def main() -> None:
        script: Script = ("RETR 1", "NOOP", said, Step.SILENCE)
        async with session_with(*script) as (session, _):
            be_impatient(session)
            with pytest.raises(TimedOutError, match=text) as caught:
                await session.retrieve(listed(10), Collector())
            assert caught.value.temporary
            assert caught.value.command == "RETR 1"

    asyncio.run(main())


def test_no_timeout_while_the_sink_is_full() -> None:
    """It is not the server that is slow."""

    class Slow(Narrow):
        async def room(self) -> None:
            await asyncio.sleep(3 * SHORT.reply_s)
            self.seen = len(self.messages)

    async def main() -> None:
        script: Script = (*retrs(1, 2), "NOOP", message(1) + OK, b"message 2\r\n.\r\n" + OK)
        async with session_with(*script) as (session, _):
            be_impatient(session)
            sink = Slow()
            await session.retrieve(listed(10, 10), sink)
            assert [n for n, _ in sink.messages] == [1, 2]

    asyncio.run(main())


def test_cancelled() -> None:
    """A cancelled retrieval closes the connection, forgets the large message that was on its way,
    and hands nothing more on; later calls say what happened."""

    async def main() -> None:
        begun = asyncio.Event()

        class Begun(Collector):
            def begin(self, number: int) -> LargeSink:
                begun.set()
                return super().begin(number)

        script: Script = ("RETR 1", "NOOP", OK + b"more than three octets", Step.SILENCE)
        async with session_with(*script, spool_bytes=3) as (session, _):
            sink = Begun()
            task = asyncio.create_task(session.retrieve(listed(10), sink))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (sink.messages, sink.aborted) == ([], [1])
            with pytest.raises(ClosedError, match="cancelled"):
                await session.noop()

    asyncio.run(main())


def test_answered_in_the_moment_of_a_cancellation() -> None:
    """The last answer may come when the work is cancelled and has not run since: that is no error."""

    async def main() -> None:
        async with session_with("NOOP", Step.SILENCE) as (session, _):
            connection = session._dialogue.connection
            task = asyncio.create_task(session.noop())
            while not connection._taker:
                await asyncio.sleep(0)
            task.cancel()
            connection.get_buffer(-1)[: len(OK)] = OK
            connection.buffer_updated(len(OK))
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())


def test_one_thing_at_a_time() -> None:
    """A second call while one is at work is our own fault, and harms nothing."""

    async def main() -> None:
        async with session_with("NOOP", OK) as (session, _):
            noop = asyncio.create_task(session.noop())
            await asyncio.sleep(0)
            with pytest.raises(CommandError, match="at work already"):
                await session.noop()
            await noop

    asyncio.run(main())


def test_the_rest_of_the_commands() -> None:
    """STAT, TOP, DELE, RSET and NOOP, with what the server refuses of them."""

    async def main() -> None:
        script: Script = (
            *("STAT", b"+OK 3 300 octets\r\n"),
            *("TOP 2 5", b"+OK\r\nSubject: x\r\n\r\n..\r\n.\r\n"),
            *("TOP 9 0", b"-ERR no such message\r\n"),
            *("DELE 1", "DELE 2", "DELE 3", OK, b"-ERR\r\n", OK),
            *("RSET", OK, "NOOP", b"-ERR [IN-USE] x\r\n"),
        )
        async with session_with(*script) as (session, _):
            assert await session.stat() == (3, 300)
            assert await session.top(2, 5) == b"Subject: x\r\n\r\n.\r\n"
            with pytest.raises(ReplyError, match="TOP 9 was refused: -ERR no such") as caught:
                await session.top(9, 0)
            assert caught.value.command == "TOP 9"
            assert await session.delete([1, 2, 3]) == [2]
            await session.reset()
            with pytest.raises(ReplyError, match="NOOP was refused"):
                await session.noop()

    asyncio.run(main())


def test_an_unreadable_stat() -> None:
    """It has no other meaning than its numbers."""

    async def main() -> None:
        async with session_with("STAT", b"+OK many\r\n") as (session, server):
            with pytest.raises(ProtocolError, match=f"{server.port}: STAT was answered without"):
                await session.stat()

    asyncio.run(main())


def test_leaving_without_quit() -> None:
    """Nothing more is sent: the server must not delete what was marked. ``scripted`` fails if there
    is a QUIT."""

    async def main() -> None:
        async with session_with("DELE 1", OK) as (session, _):
            await session.delete([1])
        with suppress(LookupError):
            async with session_with("DELE 1", OK) as (session, _):
                await session.delete([1])
                raise LookupError

    asyncio.run(main())


def test_quit() -> None:
    """+OK ends the session; -ERR, or no answer, is an error: what is deleted is not known."""

    async def main() -> None:
        async with session_with("QUIT", OK, Step.HANG_UP) as (session, _):
            await session.quit()
            with pytest.raises(ClosedError):
                await session.noop()
        async with session_with("QUIT", b"-ERR some messages not removed\r\n") as (session, _):
            with pytest.raises(ReplyError, match="QUIT was refused: -ERR some messages"):
                await session.quit()
        async with session_with("QUIT", Step.HANG_UP) as (session, _):
            with pytest.raises(ClosedError, match="before it had answered QUIT"):
                await session.quit()

    asyncio.run(main())


def test_quit_under_tls(certificate: Certificate) -> None:
    """The answer to QUIT counts even if the end of the connection is read together with it."""

    async def main() -> None:
        script: Script = (*LOGIN, "RETR 1", "NOOP", message(1) + OK, "QUIT", OK, Step.HANG_UP)
        async with scripted(*script, tls=certificate.server_context(), implicit=True) as server:
            login = Login("u", lambda: "p", "auto")
            endpoint = Endpoint("localhost", server.port, TlsMode.IMPLICIT)
            context = certificate.client_context()
            async with connect(endpoint, login, context=context) as session:
                sink = Collector()
                await session.retrieve(listed(10), sink)
                await session.quit()
            assert sink.messages == [(1, b"message 1\r\n")]

    asyncio.run(main())


def test_octets_that_nobody_asked_for() -> None:
    """A server that says why it hangs up is quoted by whatever is tried next."""

    async def main() -> None:
        script: Script = ("NOOP", OK + b"-ERR Autologout; idle for too long\r\n", Step.HANG_UP)
        async with session_with(*script) as (session, _):
            for _ in range(2):
                with pytest.raises(ProtocolError, match="unasked: -ERR Autologout"):
                    await session.noop()

    asyncio.run(main())
