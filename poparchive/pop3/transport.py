"""The one home of sockets and timeouts: a ``Conversation`` over asyncio.

Octets go from the socket straight into the conversation's buffer, and events from there straight
to the taker, all inside the event loop's read callback: no task is switched per message. Everything
here runs on one event loop; nothing is thread-safe.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterable

from poparchive.pop3 import proxy, tls
from poparchive.pop3.commands import Command, State
from poparchive.pop3.endpoint import Endpoint, Timeouts, TlsMode
from poparchive.pop3.errors import (
    ClosedError,
    CommandError,
    LostBehindCapaError,
    Pop3Error,
    TimedOutError,
    TlsError,
    Where,
)
from poparchive.pop3.pipeline import Pipeline, Taker, Window
from poparchive.pop3.protocol import SPOOL_BYTES, Conversation
from poparchive.pop3.translate import reason, translated

Tap = Callable[[bool, bytes], None]
"""Is told of all octets of a connection, secrets too: whether they are ours, and which."""

SLOWEST_BYTES_PER_S = 100
"""A multi-line reply that comes slower than this counts as stalled: an octet now and then, which keeps
a connection busy for ever, is no progress. The slowest telephone line is ten times as fast."""


class Connection(asyncio.BufferedProtocol):
    """One connection to a server. ``run`` is its work; one at a time.

    After the first error every ``run`` raises that error.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        where: Where,
        timeouts: Timeouts,
        spool: int,
        tap: Tap | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._where = where
        self._timeouts = timeouts
        self._conversation = Conversation(spool)
        self._tap = tap
        self._room = memoryview(b"")  # what the event loop fills at present
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._failure: BaseException | None = None
        self._lost = self._loop.create_future()  # done when the socket is closed
        self._taker: Taker | None = None
        self._pipeline = Pipeline((), Window())
        self._finished = self._loop.create_future()  # of the present run
        self._timer: asyncio.TimerHandle | None = None
        self._progress_s = 0.0
        self._progress_mark = (0, False)  # replies answered, one is under way
        self._came_bytes = 0  # since then
        self._capa_answered = -1  # how many replies have come by then, if all went out with CAPA
        self._making_room: asyncio.Task[None] | None = None  # while nothing is read
        self.tls: ssl.SSLObject | None = None
        """Tells of the server's certificate, once that was checked; None in the clear."""
        self._session_due = False  # it is to be kept when the connection ends

    @property
    def tls_version(self) -> str | None:
        """``TLSv1.3`` and the like; None in the clear."""
        return self.tls.version() if self.tls else None

    @property
    def client_certificate(self) -> bool:
        """A certificate of ours is at hand for the server to ask for; never in the clear."""
        return self.tls is not None and self._endpoint.client_certificate is not None

    @property
    def state(self) -> State:
        """The conversation's."""
        return self._conversation.state

    @property
    def server_certificate(self) -> bytes | None:
        """The DER certificate that the server showed; None in the clear."""
        tls = self._transport and self._transport.get_extra_info("ssl_object")
        return tls.getpeercert(binary_form=True) if tls else None

    async def run(
        self,
        commands: Iterable[Command],
        taker: Taker,
        window: Window,
        *,
        behind_capa: bool = False,
    ) -> None:
        """Send ``commands`` through ``window`` and give what comes to ``taker``, until all are
        answered. On any error, of the taker's too, and when cancelled, the connection is closed.

        ``behind_capa``: the first is CAPA, and the others may be lost (``LostBehindCapaError``)."""
        if self._failure:
            raise self._failure
        if self._taker:
            raise CommandError("this connection is at work already").at(self._where)
        self._taker = taker
        self._pipeline = Pipeline(commands, window)
        self._finished = self._loop.create_future()
        self._capa_answered = self._conversation.answered + 1 if behind_capa else -1
        self._progressed()
        self._watch()
        try:
            self._advance()
            await self._finished
        except asyncio.CancelledError:
            # Nobody takes the rest of the answers, so this connection is of no more use.
            if self._taker:
                self._taker = None
                taker.cut(in_step=False)
            self._fail(ClosedError("we have hung up, because the work was cancelled"))
            raise
        finally:
            self._taker = None
            # It holds what was not asked for, a million messages perhaps; and this connection, which asyncio
            # has in a circle of objects, may be collected much later.
            self._pipeline = Pipeline((), window)
            if self._timer:
                self._timer.cancel()
            if self._making_room:
                self._making_room.cancel()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        self._room = self._conversation.room()
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        if self._tap:
            self._tap(False, bytes(self._room[:nbytes]))
        self._conversation.filled(nbytes)
        self._came_bytes += nbytes
        # The greeting may come before it is waited for; it is taken by the first run.
        if self._taker or not self._conversation.unanswered:
            self._advance()

    def eof_received(self) -> None:
        self._fail(self._conversation.closed())

    def connection_lost(self, exc: Exception | None) -> None:
        closed: Pop3Error = self._conversation.closed()
        if refused := tls.client_certificate_error(exc, self._endpoint):
            closed = refused
        elif exc:
            closed = ClosedError(f"{closed.detail} ({reason(exc)})", command=closed.command)
        self._fail(closed)
        if not self._lost.done():
            self._lost.set_result(None)

    # The work.

    def _advance(self) -> None:
        """Take in what has come and send what may go. Nothing is raised: see ``_fail``."""
        conversation, taker = self._conversation, self._taker
        if self._failure or not self._transport:
            return
        try:
            for event in conversation.events():
                assert taker
                taker.take(event)
            finished = not conversation.unanswered and self._pipeline.exhausted
            if taker and not finished and not self._making_room:
                if taker.full():
                    self._stop_reading(taker)
                else:
                    more = self._pipeline.more(conversation.unanswered, conversation.expected_bytes)
                    conversation.send(more)
            if octets := conversation.outgoing():
                if self._tap:
                    self._tap(True, octets)
                self._transport.write(octets)
        except Exception as error:  # the taker's own errors end the run as well
            self._fail(error)
            return
        fast_bytes = self._timeouts.stall_s * SLOWEST_BYTES_PER_S
        if (conversation.answered, conversation.in_body) != self._progress_mark or (
            conversation.in_body and self._came_bytes >= fast_bytes
        ):
            self._progressed()
        if conversation.state is State.HANDSHAKE:
            # Until start_tls() has the socket, nothing may be read as if it were clear text.
            self._transport.pause_reading()
        if taker and finished:
            self._taker = None
            # Whoever waited may have been cancelled, and not have run since.
            if not self._finished.done():
                self._finished.set_result(None)

    def _progressed(self) -> None:
        self._progress_s, self._came_bytes = self._loop.time(), 0
        self._progress_mark = (self._conversation.answered, self._conversation.in_body)

    def _stop_reading(self, taker: Taker) -> None:
        assert self._transport
        self._transport.pause_reading()
        self._making_room = self._loop.create_task(self._read_on(taker))

    async def _read_on(self, taker: Taker) -> None:
        try:
            await taker.room()
        except Exception as error:  # as in _advance
            self._fail(error)
        finally:
            self._making_room = None
        self._progressed()
        if self._transport and not self._failure:
            self._transport.resume_reading()
            self._advance()

    def _fail(self, error: BaseException) -> None:
        """The connection is over, because of ``error``; the first one counts."""
        if self._failure:
            return
        lost = isinstance(error, ClosedError | TimedOutError)
        self._failure = error.at(self._where) if isinstance(error, Pop3Error) else error
        self.abort()
        taker, self._taker = self._taker, None
        if not taker:
            return
        try:
            conversation = self._conversation
            taker.cut(in_step=lost and conversation.in_step, begun=conversation.in_body)
        except Exception as second:  # what the taker cannot do matters more than a lost connection
            self._failure = second
        if not self._finished.done():
            self._finished.set_exception(self._failure)

    def _watch(self) -> None:
        """See to the timeouts from time to time; that costs less than a timer for each reply."""
        if not self._taker:
            return
        times, now_s = self._timeouts, self._loop.time()
        if self._making_room:
            self._progress_s = now_s
        in_body = self._conversation.in_body
        limit_s = times.stall_s if in_body else times.reply_s
        lost = not in_body and self._conversation.answered == self._capa_answered
        if lost:
            limit_s = min(limit_s, times.lost_s)
        left_s = self._progress_s + limit_s - now_s
        if left_s > 0:
            later_s = min(left_s, times.stall_s, times.reply_s, times.lost_s)
            self._timer = self._loop.call_later(later_s, self._watch)
            return
        what = self._conversation.current
        if in_body:
            sent = f"only {self._came_bytes} octets" if self._came_bytes else "nothing"
            text = f"the server sent {sent} for {limit_s:g} s in the middle of its answer to {what}"
        else:
            did = "send its greeting" if what == "greeting" else f"answer {what}"
            text = f"the server did not {did} within {limit_s:g} s"
            text += self._conversation.last_said()
        self._fail((LostBehindCapaError if lost else TimedOutError)(text, command=what))

    async def start_tls(self, context: ssl.SSLContext | None) -> None:
        """After +OK to STLS."""
        if self._failure:
            raise self._failure
        assert self._transport
        try:
            with translated(self._endpoint, self._where, self._timeouts):
                made = tls.context_for(self._endpoint, context)
                async with asyncio.timeout(self._timeouts.connect_s):
                    self._transport = await self._loop.start_tls(
                        self._transport,
                        self,
                        made,
                        server_hostname=self._endpoint.host,
                        ssl_handshake_timeout=self._timeouts.connect_s + 1,
                    )
                self._conversation.secured()
                self.check_certificate()
        except BaseException:
            self.abort()
            # asyncio does not tell the protocol of a connection that is lost in the handshake.
            if not self._lost.done():
                self._lost.set_result(None)
            raise

    def check_certificate(self) -> None:
        """After the handshake and before anything is sent: a pin, if there is one."""
        found = self._transport and self._transport.get_extra_info("ssl_object")
        if found:
            assert isinstance(found, ssl.SSLObject)
            tls.check_fingerprint(self._endpoint, found)
            self.tls, self._session_due = found, True

    def abort(self) -> None:
        """Hang up at once; what was not sent yet is not sent."""
        if self._transport:
            self._transport.abort()

    async def hang_up(self) -> None:
        """``abort``, and wait until the socket is closed."""
        self._failure = self._failure or ClosedError("we have hung up").at(self._where)
        if self.tls and self._session_due:
            self._session_due = False
            tls.keep_session(self._endpoint, self.tls)
        if self._transport:
            self._transport.abort()
            await self._lost


async def open_connection(
    endpoint: Endpoint,
    where: Where,
    timeouts: Timeouts,
    context: ssl.SSLContext | None = None,
    spool_bytes: int = SPOOL_BYTES,
    tap: Tap | None = None,
) -> Connection:
    """Connect, with TLS if it is implicit, and check the certificate. The greeting is not read."""
    implicit = endpoint.tls is TlsMode.IMPLICIT
    if endpoint.tls is TlsMode.NONE and not endpoint.allow_insecure:
        raise TlsError("TLS is switched off, which needs allow_insecure = true").at(where)
    connection = Connection(endpoint, where, timeouts, spool_bytes, tap)
    try:
        with translated(endpoint, where, timeouts):
            made = tls.context_for(endpoint, context) if implicit else None
            async with asyncio.timeout(timeouts.connect_s):
                await _connect(connection, endpoint, made, timeouts.connect_s + 1)
            connection.check_certificate()
    except BaseException:
        connection.abort()
        raise
    return connection


async def _connect(
    connection: Connection, endpoint: Endpoint, context: ssl.SSLContext | None, limit_s: float
) -> None:
    """``limit_s`` is for what has a limit of its own: it comes second to that which is reported."""
    loop = asyncio.get_running_loop()
    handshake_s = limit_s if context else None
    name = endpoint.host if context else None
    if endpoint.proxy:
        sock = await proxy.open_socket(endpoint.proxy, endpoint.host, endpoint.port, limit_s)
        await loop.create_connection(
            lambda: connection,
            sock=sock,
            ssl=context,
            server_hostname=name,
            ssl_handshake_timeout=handshake_s,
        )
    else:
        await loop.create_connection(
            lambda: connection,
            endpoint.host,
            endpoint.port,
            ssl=context,
            server_hostname=name,
            ssl_handshake_timeout=handshake_s,
            happy_eyeballs_delay=0.25,
        )
