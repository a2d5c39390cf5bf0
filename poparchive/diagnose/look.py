"""A look at a server from outside: every way to connect, tried side by side, without logging in.

A way that fails is something found, not an error. Where the certificate is not trusted, or TLS is too
old or too weak, the server is asked once more over a connection that trusts anybody, to show what it
would have said, and each exception that an account can make is tried until one is enough. Nothing
secret goes over such connections, and the way counts as one that does not work.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from poparchive.diagnose.certificate import described, reading_context, trusting_context
from poparchive.diagnose.transcript import Record, Transcript
from poparchive.diagnose.values import TLS_NAMES, Capabilities, Look, Remedy
from poparchive.pop3 import (
    Endpoint,
    Pop3Error,
    Timeouts,
    TlsError,
    TlsMode,
    UntrustedError,
    Where,
    make_context,
)
from poparchive.pop3 import commands as c
from poparchive.pop3.commands import command
from poparchive.pop3.dialogue import Dialogue
from poparchive.pop3.replies import parse_stamp, visible
from poparchive.pop3.transport import Connection, open_connection

OCCUPIED = "nothing is said in the clear: this port speaks TLS from the first octet"
NO_TLS = "what answers here speaks no TLS from the first octet"

_NOT_TLS = {"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST"}
"""What OpenSSL makes of a greeting that it takes for the head of a TLS record."""


async def look_by_all(
    endpoints: Sequence[Endpoint],
    timeouts: Timeouts,
    context: ssl.SSLContext,
    transcript: Transcript,
) -> tuple[Look, ...]:
    """Try all ``endpoints`` side by side; the looks come in their order.

    On a port where TLS is spoken from the first octet the other ways wait for a greeting that never
    comes; they are not waited for.
    """
    tasks = [
        asyncio.create_task(look(endpoint, timeouts, context, transcript)) for endpoint in endpoints
    ]

    def occupied(done: asyncio.Task[Look]) -> None:
        if done.cancelled() or done.exception() or not done.result().tls_version:
            return
        for endpoint, task in zip(endpoints, tasks, strict=True):
            if endpoint.port == done.result().port:
                task.cancel()

    for endpoint, task in zip(endpoints, tasks, strict=True):
        if endpoint.tls is TlsMode.IMPLICIT:
            task.add_done_callback(occupied)
    looks = []
    for endpoint, found in zip(
        endpoints, await asyncio.gather(*tasks, return_exceptions=True), strict=True
    ):
        if isinstance(found, asyncio.CancelledError):
            found = Look(endpoint.tls, endpoint.port, OCCUPIED)
        if isinstance(found, BaseException):
            raise found
        looks.append(found)
    return tuple(looks)


async def look(
    endpoint: Endpoint, timeouts: Timeouts, context: ssl.SSLContext, transcript: Transcript
) -> Look:
    """Try one way."""
    how = f"{endpoint.tls} TLS" if endpoint.tls is not TlsMode.NONE else "in the clear"
    title = f"{endpoint.host} port {endpoint.port}, {how}"
    visit = _Visit(endpoint, timeouts, context, transcript.record(title))
    failure = await visit.make()
    if failure and visit.at_tls and _is_of_tls(failure):
        open_to_all = replace(endpoint, fingerprint=None, ca_file=None)
        record = transcript.record(f"{title}, trusting anybody, only to look")
        second = _Visit(open_to_all, timeouts, trusting_context(), record)
        await second.make()
        if second.der:
            version = second.look.tls_version
            remedy, last = await _remedy(endpoint, timeouts, failure, version, transcript)
            second.explain(last, remedy)
            visit = second
    if visit.der and not visit.fields:
        await visit.read_certificate(transcript.record(f"{title}, only to read the certificate"))
    return visit.look


async def _remedy(
    endpoint: Endpoint,
    timeouts: Timeouts,
    failure: Pop3Error,
    version: str | None,
    transcript: Transcript,
) -> tuple[Remedy | None, Pop3Error]:
    """The fewest exceptions with which there is TLS, and what went wrong the last time without."""
    if isinstance(failure, UntrustedError):
        return Remedy(pin=True), failure
    for exception in _exceptions(endpoint, version):
        permitted = {key: value for key, value in exception.items() if value}
        tried = replace(endpoint, **permitted)
        try:
            context = make_context(tried)
        except TlsError:  # this OpenSSL cannot
            continue
        said = " and ".join(permitted)
        title = f"{endpoint.host} port {endpoint.port}, with {said}, only to see whether it helps"
        visit = _Visit(tried, timeouts, context, transcript.record(title), handshake_only=True)
        again = await visit.make()
        if again is None and visit.der:
            return Remedy(**exception), failure
        if isinstance(again, UntrustedError):
            return Remedy(pin=True, **exception), again
    return None, failure


def _exceptions(endpoint: Endpoint, version: str | None) -> Iterator[dict[str, Any]]:
    """What an account can permit besides, the least first; ``version`` is the newest there is."""
    newest = TLS_NAMES.get(version or "")
    lower = newest if newest and newest < endpoint.tls_minimum else None
    if lower:
        yield {"tls_minimum": lower}
    if not endpoint.tls_legacy:
        yield {"tls_minimum": lower, "tls_legacy": True}


class _Visit:
    """One connection. ``look`` has what was found until it ended, for whatever reason."""

    def __init__(
        self,
        endpoint: Endpoint,
        timeouts: Timeouts,
        context: ssl.SSLContext,
        record: Record,
        *,
        handshake_only: bool = False,
    ) -> None:
        self.look = Look(endpoint.tls, endpoint.port)
        self.at_tls = endpoint.tls is TlsMode.IMPLICIT
        """What fails now, fails in the handshake."""
        self.der = b""
        self.fields: Mapping[str, object] = {}
        self._endpoint = endpoint
        self._where = Where(endpoint.host, endpoint.port)
        self._timeouts = timeouts
        self._context = context
        self._record = record
        self._distrust = ""
        self._handshake_only = handshake_only

    async def make(self) -> Pop3Error | None:
        """Connect, listen, ask, leave. Returns what went wrong."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        connection = None
        try:
            connection = await open_connection(
                self._endpoint, self._where, self._timeouts, self._context, tap=self._record.tap
            )
            self._saw(connect_s=loop.time() - began)
            self._secured(connection)
            if not (self.der and self._handshake_only):
                await self._talk(Dialogue(connection, self._where))
        except Pop3Error as error:
            self._saw(problem=NO_TLS if _is_no_tls(error) else error.detail)
            self._record.note(visible(error.detail.encode()))
            return error
        except asyncio.CancelledError:
            self._record.note("not waited for any longer")
            raise
        finally:
            if connection:
                await connection.hang_up()
            self._record.close()
        return None

    def explain(self, failure: Pop3Error, remedy: Remedy | None) -> None:
        """Why a connection that is to be trusted did not come about, when one that trusts did."""
        reasons = []
        if remedy is None:
            self._distrust = "it was not checked, because there is no TLS that could be taken"
        else:
            self._distrust = _why(failure) if remedy.pin else ""
            if remedy.tls_minimum:
                reasons.append(f"the server speaks no TLS newer than {remedy.tls_minimum}")
            if remedy.tls_legacy:
                reasons.append("its ciphers or keys are too weak, or it does not know RFC 5746")
        if remedy is None or remedy.pin:
            reasons.append(failure.detail)
        certificate = described(self.der, self.fields, distrust=self._distrust)
        self._saw(problem="; ".join(reasons), certificate=certificate, remedy=remedy)

    async def read_certificate(self, record: Record) -> None:
        """Shake hands once more, so that the certificate's fields can be had."""
        context = reading_context(self.der)
        open_to_it = replace(self._endpoint, fingerprint=None, ca_file=None)
        again = _Visit(open_to_it, self._timeouts, context, record, handshake_only=True)
        await again.make()
        if again.fields:
            certificate = described(self.der, again.fields, distrust=self._distrust)
            self._saw(certificate=certificate)

    def _saw(self, **found: Any) -> None:
        self.look = replace(self.look, **found)

    def _secured(self, connection: Connection) -> None:
        self.at_tls = False
        if not (tls := connection.tls):
            return
        self.der = tls.getpeercert(binary_form=True) or b""
        self.fields = tls.getpeercert() or {}
        certificate = described(self.der, self.fields, distrust=self._distrust)
        self._saw(tls_version=tls.version(), certificate=certificate)
        self._record.note(f"TLS is there: {tls.version()}")

    async def _talk(self, dialogue: Dialogue) -> None:
        answers = await dialogue.ask(at_once=True)
        greeting = answers.replies[c.GREETING]
        self._saw(greeting=greeting.text.decode("utf-8", "backslashreplace"))
        self._saw(apop=bool(parse_stamp(greeting.text)))
        if not greeting.ok:
            self._saw(problem=f"the server greets with {greeting}")
            return
        said = await self._capabilities(dialogue)
        if self._endpoint.tls is TlsMode.IMPLICIT:
            self._saw(capa_tls=said)
        else:
            self._saw(capa_clear=said)
        if self._endpoint.tls is TlsMode.STARTTLS and await self._start_tls(dialogue, said):
            if self._handshake_only:
                return
            self._saw(capa_tls=await self._capabilities(dialogue))
        with contextlib.suppress(Pop3Error):  # nothing hangs on it
            await dialogue.ask(command(c.QUIT))

    async def _capabilities(self, dialogue: Dialogue) -> Capabilities | None:
        """Ask for them, and see how long an answer takes."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        answers = await dialogue.ask(command(c.CAPA))
        self._saw(rtt_s=loop.time() - began)
        if answers.refusals:
            self._saw(capa_refused=True)
            return None
        return dict(dialogue.capabilities)

    async def _start_tls(self, dialogue: Dialogue, said: Capabilities | None) -> bool:
        # A server that has no CAPA may still know STLS.
        if said is not None and "STLS" not in said:
            self._saw(problem="the server does not offer STLS here")
            return False
        reply = (await dialogue.ask(command(c.STLS))).replies[c.STLS]
        if not reply.ok:
            self._saw(problem=f"STLS was refused: {reply}")
            return False
        self.at_tls = True
        await dialogue.connection.start_tls(self._context)
        self._secured(dialogue.connection)
        dialogue.forget()
        return True


def _is_of_tls(failure: Pop3Error) -> bool:
    """Servers of old hang up on a client that speaks no TLS as old as theirs."""
    cut = isinstance(failure.__cause__, ConnectionResetError)
    return (isinstance(failure, TlsError) or cut) and not _is_no_tls(failure)


def _is_no_tls(failure: Pop3Error) -> bool:
    cause = failure.__cause__
    return isinstance(cause, ssl.SSLError) and cause.reason in _NOT_TLS


def _why(failure: Pop3Error) -> str:
    """Why TLS did not come about, as short as it can be said."""
    cause = failure.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    return failure.detail
