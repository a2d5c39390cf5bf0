"""A session with a POP3 server: what the rest of poparchive uses.

``connect`` gives one, logged in. Its methods are to be called one at a time, from the event loop
that made it. What a server refuses raises ``ReplyError`` and the session goes on; any other
``Pop3Error`` has closed the connection, after which nothing that was marked is deleted.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import chain
from types import MappingProxyType

from poparchive.model import Listed
from poparchive.pop3 import commands as c
from poparchive.pop3 import sasl
from poparchive.pop3.commands import Command, Verb, command
from poparchive.pop3.errors import (
    AuthError,
    BusyError,
    Pop3Error,
    ProtocolError,
    ReplyError,
    TlsError,
    Where,
)
from poparchive.pop3.pipeline import (
    DEEP,
    ONE_AT_A_TIME,
    Questions,
    Reader,
    Refusals,
    Retrieval,
    Sink,
    Window,
)
from poparchive.pop3.protocol import SPOOL_BYTES
from poparchive.pop3.replies import (
    Reply,
    Sizes,
    Uidls,
    parse_capabilities,
    parse_stamp,
    parse_stat,
)
from poparchive.pop3.sasl import Auth
from poparchive.pop3.transport import Connection, Endpoint, Timeouts, TlsMode, open_connection

Capabilities = Mapping[str, tuple[str, ...]]

PATIENT = Timeouts()


@dataclass(slots=True)
class Login:
    """Who logs in and how."""

    user: str
    secret: Callable[[], str] = field(repr=False)
    """Gives the password. Called once for each session, when it is needed, in a worker thread."""
    auth: str = "auto"
    """``auto``, ``plain``, ``user`` or ``apop``."""


class Session:
    """A logged-in session. Made by ``connect``."""

    def __init__(self, connection: Connection, where: Where, window: Window) -> None:
        self.greeting = Reply(True, b"")
        self.capabilities: Capabilities = MappingProxyType({})
        """By name in capitals, with parameters; what the server said last. Empty if it has no CAPA.
        Where the server pipelines, what it says after the log-in comes with ``listing``."""
        self.auth = Auth.AUTO
        """The way that was taken to log in."""
        self._connection = connection
        self._where = where
        self._window = window
        self._capa_due = False

    @property
    def tls_version(self) -> str | None:
        """``TLSv1.3`` and the like; None in the clear."""
        return self._connection.tls_version

    @property
    def pipelining(self) -> bool:
        """Commands may be sent ahead of answers (RFC 2449 section 6.6)."""
        return "PIPELINING" in self.capabilities

    async def listing(self) -> list[Listed]:
        """UIDL and LIST in one, in the order of UIDL.

        A message that only UIDL names has size 0; one that only LIST names has an empty UIDL.
        """
        sizes = Sizes()
        uidls = Uidls(sizes)
        asked = [command(c.LIST), command(c.UIDL)]
        if self._capa_due:
            asked.insert(0, command(c.CAPA))
        answers = await self._ask(*asked, readers={c.LIST: sizes, c.UIDL: uidls})
        if self._capa_due:
            self._capa_due = False
            self._learn(answers)
        self._require(answers)
        return uidls.listed

    async def retrieve(self, messages: Sequence[Listed], sink: Sink) -> None:
        """RETR each of ``messages`` and hand it to ``sink``; returns when it has them all."""
        if messages:
            asked = (c.retr(m.number, m.size_bytes) for m in messages)
            # NOOP has no other use than to prove that the last message ended where it seemed to.
            await self._run(chain(asked, (command(c.NOOP),)), Retrieval(sink))

    async def top(self, number: int, lines: int) -> bytes:
        """The header and so many lines of the body."""
        return (await self._one(c.top(number, lines))).bodies[c.TOP]

    async def delete(self, numbers: Sequence[int]) -> list[int]:
        """Mark messages as deleted; gives back those that the server refused.

        They are gone when ``quit`` has returned, and not before.
        """
        refusals = Refusals()
        await self._run(map(c.dele, numbers), refusals)
        return refusals.numbers

    async def reset(self) -> None:
        """Take back all deletions of this session."""
        await self._one(command(c.RSET))

    async def noop(self) -> None:
        await self._one(command(c.NOOP))

    async def stat(self) -> tuple[int, int]:
        """Number of messages, and their octets."""
        reply = (await self._one(command(c.STAT))).replies[c.STAT]
        try:
            return parse_stat(reply)
        except ProtocolError as error:
            self._connection.abort()
            raise error.at(self._where) from None

    async def quit(self) -> None:
        """End the session, so that the server deletes what was marked; raises unless it says so."""
        await self._one(command(c.QUIT))
        await self._connection.hang_up()

    async def _run(self, asked: Iterable[Command], taker: Retrieval | Refusals) -> None:
        window = self._window if self.pipelining else ONE_AT_A_TIME
        await self._connection.run(asked, taker, window)

    async def _one(self, asked: Command) -> Questions:
        answers = await self._ask(asked)
        self._require(answers)
        return answers

    async def _ask(
        self,
        *asked: Command,
        readers: Mapping[Verb, Reader] | None = None,
        at_once: bool | None = None,
    ) -> Questions:
        """Ask a few things, in one write if ``at_once`` or, without it, if the server pipelines."""
        answers = Questions(readers)
        at_once = self.pipelining if at_once is None else at_once
        await self._connection.run(asked, answers, DEEP if at_once else ONE_AT_A_TIME)
        return answers

    def _require(self, answers: Questions, kind: type[ReplyError] = ReplyError) -> None:
        """Raise for the first refusal; CAPA may be refused."""
        for asked, reply in answers.refusals:
            if asked.verb is c.CAPA:
                continue
            if reply.temporary:
                kind = BusyError
            elif reply.code.startswith("SYS/"):
                kind = ReplyError  # RFC 3206: not the fault of name or password
            text = f"{asked} was refused: {reply}"
            raise kind(text, command=str(asked), reply=reply).at(self._where)

    def _learn(self, answers: Questions) -> None:
        if (body := answers.bodies.get(c.CAPA)) is not None:
            self.capabilities = MappingProxyType(parse_capabilities(body))

    # The log-in, in the order in which it happens.

    async def _begin(
        self, endpoint: Endpoint, login: Login, wish: Auth, context: ssl.SSLContext | None
    ) -> None:
        answers = await self._ask(at_once=True)
        self._require(answers)
        self.greeting = answers.replies[c.GREETING]
        if endpoint.tls is TlsMode.STARTTLS:
            await self._start_tls(context)
        await self._log_in(login, wish, allow_clear=endpoint.allow_insecure)
        # A server may say more after the log-in (perdition), or less.
        if self.pipelining:
            self._capa_due = True
        elif self.capabilities:
            self._learn(await self._ask(command(c.CAPA)))

    async def _start_tls(self, context: ssl.SSLContext | None) -> None:
        answers = await self._ask(command(c.CAPA))
        self._learn(answers)
        # A server that has no CAPA may still know STLS.
        if not answers.refusals and "STLS" not in self.capabilities:
            raise TlsError('the server does not offer STLS, which tls = "starttls" asks for')
        reply = (await self._ask(command(c.STLS))).replies[c.STLS]
        if not reply.ok:
            raise TlsError(f"STLS was refused: {reply}", command="STLS", reply=reply)
        await self._connection.start_tls(context)
        self.capabilities = MappingProxyType({})

    async def _log_in(self, login: Login, wish: Auth, *, allow_clear: bool) -> None:
        secure = self.tls_version is not None
        capa = command(c.CAPA)
        # Then nothing that CAPA could answer would change what follows.
        all_known = wish is Auth.USER and secure
        if not all_known:
            self._learn(await self._ask(capa))
        stamp = parse_stamp(self.greeting.text)
        mechanisms = self.capabilities.get("SASL", ())
        self.auth = sasl.choose(
            wish, secure=secure, allow_clear=allow_clear, mechanisms=mechanisms, stamp=stamp
        )
        secret = await asyncio.to_thread(login.secret)
        writes: list[tuple[Command, ...]]
        if self.auth is Auth.APOP:
            writes = [(sasl.apop(login.user, secret, stamp),)]
        elif self.auth is Auth.PLAIN:
            writes = [(sasl.plain(login.user, secret),)]
        else:
            name, word = sasl.user_pass(login.user, secret)
            if all_known:
                writes = [(capa, name, word)]
            elif secure and self.pipelining:
                writes = [(name, word)]
            else:  # the password goes only to a server that took the name
                writes = [(name,), (word,)]
        for write in writes:
            answers = await self._ask(*write, at_once=True)
            self._learn(answers)
            self._require(answers, AuthError)


@asynccontextmanager
async def connect(
    endpoint: Endpoint,
    login: Login,
    *,
    account: str = "",
    timeouts: Timeouts = PATIENT,
    window: Window = DEEP,
    context: ssl.SSLContext | None = None,
    spool_bytes: int = SPOOL_BYTES,
) -> AsyncIterator[Session]:
    """Connect and log in. Leaving without ``quit`` hangs up, and the server deletes nothing.

    ``account`` is for error messages. ``context`` comes from ``make_context``; without it one is
    made, which takes longer than the rest. A ``fingerprint`` of the endpoint overrides it.
    """
    where = Where(endpoint.host, endpoint.port, account)
    try:
        wish = sasl.parse_auth(login.auth)
        connection = await open_connection(endpoint, where, timeouts, context, spool_bytes)
    except Pop3Error as error:
        error.at(where)
        raise
    try:
        session = Session(connection, where, window)
        try:
            await session._begin(endpoint, login, wish, context)
        except Pop3Error as error:
            error.at(where)
            raise
        yield session
    finally:
        await connection.hang_up()
