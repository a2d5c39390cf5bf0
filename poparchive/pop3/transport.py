"""The one home of sockets, TLS and timeouts: a ``Conversation`` over asyncio.

Octets go from the socket straight into the conversation's buffer, and events from there straight
to the taker, all inside the event loop's read callback: no task is switched per message. Everything
here runs on one event loop; nothing is thread-safe. Errors of the operating system and of OpenSSL
are translated here and nowhere else.
"""

import asyncio
import enum
import hashlib
import hmac
import os
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from poparchive.pop3.commands import Command, State
from poparchive.pop3.errors import (
    ClosedError,
    CommandError,
    ConnectError,
    Pop3Error,
    TimedOutError,
    TlsError,
    Where,
)
from poparchive.pop3.pipeline import Pipeline, Taker, Window
from poparchive.pop3.protocol import SPOOL_BYTES, Conversation


class TlsMode(enum.StrEnum):
    IMPLICIT = "implicit"
    STARTTLS = "starttls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the server is and how far it must prove it."""

    host: str
    port: int
    tls: TlsMode
    allow_insecure: bool = False
    """Without it ``TlsMode.NONE`` is refused."""
    ca_file: Path | None = None
    """PEM file of the authorities to trust instead of the system's."""
    fingerprint: str | None = None
    """``sha256:`` and the hex digest of the DER certificate; then nothing else is asked of it."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    connect_s: float = 30
    """Name look-up, TCP and TLS together; once more for the handshake after STLS."""
    reply_s: float = 90
    """For each status line, from the reply before it or from the command."""
    stall_s: float = 90
    """Without an octet while a multi-line reply is under way."""


Tap = Callable[[bool, bytes], None]
"""Is told of all octets of a connection, secrets too: whether they are ours, and which."""


def make_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """A context that checks certificates and host names; TLS 1.2 or later.

    It takes some 20 ms to make: make one and share it among all accounts with the same ``ca_file``.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise TlsError(f"no certificates can be read from {ca_file}: {error}") from error


@cache
def _pinned_context() -> ssl.SSLContext:
    """For endpoints with a fingerprint: it alone is checked, after the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


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
        self._making_room: asyncio.Task[None] | None = None  # while nothing is read

    @property
    def tls_version(self) -> str | None:
        """``TLSv1.3`` and the like; None in the clear."""
        return self.tls.version() if self.tls else None

    @property
    def tls(self) -> ssl.SSLObject | None:
        """For what it tells of the server's certificate; None in the clear."""
        tls = self._transport and self._transport.get_extra_info("ssl_object")
        return tls if isinstance(tls, ssl.SSLObject) else None

    @property
    def state(self) -> State:
        """The conversation's."""
        return self._conversation.state

    @property
    def server_certificate(self) -> bytes | None:
        """The DER certificate that the server showed; None in the clear."""
        tls = self._transport and self._transport.get_extra_info("ssl_object")
        return tls.getpeercert(binary_form=True) if tls else None

    async def run(self, commands: Iterable[Command], taker: Taker, window: Window) -> None:
        """Send ``commands`` through ``window`` and give what comes to ``taker``, until all are
        answered. On any error, of the taker's too, and when cancelled, the connection is closed."""
        if self._failure:
            raise self._failure
        if self._taker:
            raise CommandError("this connection is at work already").at(self._where)
        self._taker = taker
        self._pipeline = Pipeline(commands, window)
        self._finished = self._loop.create_future()
        self._progress_s = self._loop.time()
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
        # The greeting may come before it is waited for; it is taken by the first run.
        if self._taker or not self._conversation.unanswered:
            self._advance()

    def eof_received(self) -> None:
        self._fail(self._conversation.closed())

    def connection_lost(self, exc: Exception | None) -> None:
        closed = self._conversation.closed()
        if exc:
            closed = ClosedError(f"{closed.detail} ({_reason(exc)})", command=closed.command)
        self._fail(closed)
        if not self._lost.done():
            self._lost.set_result(None)

    # The work.

    def _advance(self) -> None:
        """Take in what has come and send what may go. Nothing is raised: see ``_fail``."""
        conversation, taker = self._conversation, self._taker
        if self._failure or not self._transport:
            return
        moved = False
        try:
            for event in conversation.events():
                assert taker
                taker.take(event)
                moved = True
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
        if moved or conversation.in_body:
            self._progress_s = self._loop.time()
        if conversation.state is State.HANDSHAKE:
            # Until start_tls() has the socket, nothing may be read as if it were clear text.
            self._transport.pause_reading()
        if taker and finished:
            self._taker = None
            self._finished.set_result(None)

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
        self._progress_s = self._loop.time()
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
            taker.cut(in_step=lost and self._conversation.in_step)
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
        left_s = self._progress_s + limit_s - now_s
        if left_s > 0:
            later_s = min(left_s, times.stall_s, times.reply_s)
            self._timer = self._loop.call_later(later_s, self._watch)
            return
        what = self._conversation.current
        if in_body:
            text = (
                f"the server sent nothing for {limit_s:g} s in the middle of its answer to {what}"
            )
        else:
            did = "send its greeting" if what == "greeting" else f"answer {what}"
            text = f"the server did not {did} within {limit_s:g} s"
        self._fail(TimedOutError(text, command=what))

    async def start_tls(self, context: ssl.SSLContext | None) -> None:
        """After +OK to STLS."""
        if self._failure:
            raise self._failure
        assert self._transport
        try:
            with _translated(self._endpoint, self._where, self._timeouts):
                tls = _context(self._endpoint, context)
                async with asyncio.timeout(self._timeouts.connect_s):
                    self._transport = await self._loop.start_tls(
                        self._transport,
                        self,
                        tls,
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
        """With a fingerprint, that the server's certificate is the one. Before anything is sent."""
        wanted = self._endpoint.fingerprint
        tls = self._transport and self._transport.get_extra_info("ssl_object")
        if not wanted or not tls:
            return
        kind, _, digest = wanted.partition(":")
        if kind.lower() != "sha256":
            raise TlsError(f'the fingerprint "{wanted}" does not begin with sha256:')
        found = hashlib.sha256(tls.getpeercert(binary_form=True) or b"").hexdigest()
        if not hmac.compare_digest(found.encode(), digest.replace(":", "").lower().encode()):
            raise TlsError(
                f"the server's certificate is not the pinned one; it has the fingerprint sha256:{found}"
            )

    def abort(self) -> None:
        """Hang up at once; what was not sent yet is not sent."""
        if self._transport:
            self._transport.abort()

    async def hang_up(self) -> None:
        """``abort``, and wait until the socket is closed."""
        self._failure = self._failure or ClosedError("we have hung up").at(self._where)
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
    # asyncio's own limit for the handshake comes second, so that ours is the one that is reported.
    handshake_s = timeouts.connect_s + 1 if implicit else None
    try:
        with _translated(endpoint, where, timeouts):
            tls = _context(endpoint, context) if implicit else None
            async with asyncio.timeout(timeouts.connect_s):
                await asyncio.get_running_loop().create_connection(
                    lambda: connection,
                    endpoint.host,
                    endpoint.port,
                    ssl=tls,
                    server_hostname=endpoint.host if implicit else None,
                    ssl_handshake_timeout=handshake_s,
                    happy_eyeballs_delay=0.25,
                )
            connection.check_certificate()
    except BaseException:
        connection.abort()
        raise
    return connection


def _context(endpoint: Endpoint, context: ssl.SSLContext | None) -> ssl.SSLContext:
    if endpoint.fingerprint:
        return _pinned_context()
    return context or make_context(endpoint.ca_file)


@contextmanager
def _translated(endpoint: Endpoint, where: Where, timeouts: Timeouts) -> Iterator[None]:
    """What the system, OpenSSL and asyncio raise while connecting, as our errors."""
    try:
        yield
    except Pop3Error as error:
        error.at(where)
        raise
    except TimeoutError as error:
        text = f"no connection within {timeouts.connect_s:g} s"
        raise TimedOutError(text).at(where) from error
    except ssl.SSLCertVerificationError as error:
        text = (
            f"the certificate is not trusted: {error.verify_message}; check host and ca_file, "
            "or pin the certificate with tls_fingerprint"
        )
        raise TlsError(text).at(where) from error
    except ssl.SSLError as error:
        text = f"TLS failed: {_reason(error)}; is this the port for tls = {endpoint.tls}?"
        raise TlsError(text).at(where) from error
    except (OSError, UnicodeError) as error:
        raise ConnectError(f"cannot connect: {_reason(error)}").at(where) from error


def _reason(error: BaseException) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    if isinstance(error, socket.gaierror):
        return f"no address for this name ({error.strerror})"
    if isinstance(error, OSError) and error.errno:
        # asyncio puts words of its own into strerror.
        return os.strerror(error.errno).lower()
    # asyncio says nothing at all of a connection that is lost in the handshake.
    return str(error) or "the server hung up"
