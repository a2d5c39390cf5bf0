"""A session with a POP3 server: what the rest of poparchive uses.

``connect`` gives one, logged in. Its methods are to be called one at a time, from the event loop
that made it. What a server refuses raises ``ReplyError`` and the session goes on; any other
``Pop3Error`` has closed the connection, after which nothing that was marked is deleted.
"""

import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import chain

from poparchive.model import Listed, Listing
from poparchive.pop3 import commands as c
from poparchive.pop3.commands import Command, Verb, command
from poparchive.pop3.dialogue import Capabilities, Dialogue
from poparchive.pop3.endpoint import Endpoint, Timeouts
from poparchive.pop3.errors import LostBehindCapaError, Pop3Error, ProtocolError, Where
from poparchive.pop3.headhash import Heads
from poparchive.pop3.login import Login, begin, log_in
from poparchive.pop3.pipeline import (
    DEEP,
    ONE_AT_A_TIME,
    Reader,
    Refusals,
    Retrieval,
    Sink,
    Taker,
    Window,
)
from poparchive.pop3.profiles import profile_of
from poparchive.pop3.protocol import SPOOL_BYTES
from poparchive.pop3.replies import Reply, Sizes, Uidls, parse_stat
from poparchive.pop3.sasl.table import Auth, parse_auth
from poparchive.pop3.transport import open_connection

PATIENT = Timeouts()


class Session:
    """A logged-in session. Made by ``connect``."""

    def __init__(self, dialogue: Dialogue, auth: Auth, window: Window) -> None:
        self.auth = auth
        """The way that was taken to log in."""
        self.offered = dialogue.capabilities
        """What the server said before the log-in that it can do."""
        self.profile = profile_of(
            dialogue.where.host, dialogue.greeting.text, dialogue.capabilities
        )
        """What else is known of such servers."""
        self.without_uidl = False
        """The last listing had no UIDLs; what stands for them is made of headers, or empty."""
        self.loses_behind_capa = False
        """On a connection before this one it answered CAPA and nothing that had come with it."""
        self._dialogue = dialogue
        self._window = window
        self._capa_due = False

    @property
    def greeting(self) -> Reply:
        """What the server said first."""
        return self._dialogue.greeting

    @property
    def where(self) -> Where:
        """Whose session with which server, for errors."""
        return self._dialogue.where

    @property
    def capabilities(self) -> Capabilities:
        """What the server said last that it can do; see ``Dialogue``.

        Where the server pipelines, what it says after the log-in comes with ``listing``.
        """
        return self._dialogue.capabilities

    @property
    def tls_version(self) -> str | None:
        """``TLSv1.3`` and the like; None in the clear."""
        return self._dialogue.connection.tls_version

    @property
    def pipelining(self) -> bool:
        """Commands may be sent ahead of answers (RFC 2449 section 6.6)."""
        known = self.profile.pipelines
        return self._dialogue.pipelining if known is None else known

    async def listing(self) -> Listing:
        """UIDL and LIST in one, in the order of UIDL.

        A message that only UIDL names has size 0; one that only LIST names has an empty UIDL. Where the
        server has no UIDL, a hash of its header stands for it (``headhash``), if TOP gives one.
        """
        sizes = Sizes()
        uidls = Uidls(sizes)
        asked = [command(c.LIST), command(c.UIDL)]
        if self._capa_due:
            # Last, because some servers lose what comes behind it.
            asked.append(command(c.CAPA))
        self._capa_due = False
        readers: dict[Verb, Reader] = {c.LIST: sizes, c.UIDL: uidls}
        answers = await self._dialogue.ask(*asked, readers=readers, at_once=self.pipelining)
        refused = {
            asked.verb: reply for asked, reply in answers.refusals if asked.verb is not c.CAPA
        }
        # A refusal with a reason, or from a server that says it has UIDL, is a refusal.
        if set(refused) != {c.UIDL} or refused[c.UIDL].code or "UIDL" in self.capabilities:
            self._dialogue.require(answers)
            return uidls.listed
        self.without_uidl = True
        uidls.close()
        return await self._told_apart(uidls.listed)

    async def _told_apart(self, listed: Listing) -> Listing:
        """Messages of a server without UIDL, with what TOP tells in its place."""
        if not self.profile.top or (self.capabilities and "TOP" not in self.capabilities):
            return listed
        heads = Heads()
        await self._run((c.top(number, 0) for number in listed.numbers), heads)
        found = heads.by_number
        uidls = [found.get(number, b"") for number in listed.numbers]
        return Listing(listed.numbers, uidls, listed.sizes)

    async def retrieve(
        self,
        messages: Sequence[Listed],
        sink: Sink,
        limit_bytes: int | None = None,
        *,
        suspicious: bool = True,
    ) -> None:
        """RETR each of ``messages`` and hand it to ``sink``; returns when it has them all.

        ``suspicious``: see ``Retrieval``. ``TooLargeError`` for one that grows beyond ``limit_bytes``,
        when those before it are handed on.
        """
        if messages:
            asked = (c.retr(m.number, m.size_bytes) for m in messages)
            # NOOP has no other use than to prove that the last message ended where it seemed to.
            await self._run(
                chain(asked, (command(c.NOOP),)),
                Retrieval(sink, limit_bytes, suspicious=suspicious),
            )

    async def top(self, number: int, lines: int) -> bytes:
        """The header and so many lines of the body."""
        return (await self._dialogue.one(c.top(number, lines))).bodies[c.TOP]

    async def delete(self, numbers: Sequence[int]) -> list[int]:
        """Mark messages as deleted; gives back those that the server refused.

        They are gone when ``quit`` has returned, and not before.
        """
        refusals = Refusals()
        await self._run(map(c.dele, numbers), refusals)
        return refusals.numbers

    async def reset(self) -> None:
        """Take back all deletions of this session."""
        await self._dialogue.one(command(c.RSET))

    async def noop(self) -> None:
        await self._dialogue.one(command(c.NOOP))

    async def stat(self) -> tuple[int, int]:
        """Number of messages, and their octets."""
        reply = (await self._dialogue.one(command(c.STAT))).replies[c.STAT]
        try:
            return parse_stat(reply)
        except ProtocolError as error:
            self._dialogue.connection.abort()
            raise error.at(self._dialogue.where) from None

    async def quit(self) -> None:
        """End the session, so that the server deletes what was marked; raises unless it says so."""
        await self._dialogue.one(command(c.QUIT))
        await self._dialogue.connection.hang_up()

    async def _run(self, asked: Iterable[Command], taker: Taker) -> None:
        window = self._window if self.pipelining else ONE_AT_A_TIME
        await self._dialogue.connection.run(asked, taker, window)

    async def _begin(self) -> None:
        """A server may say more after the log-in (perdition), or less."""
        if not self.capabilities:
            return
        if self.pipelining:
            self._capa_due = True
        else:
            await self._dialogue.ask(command(c.CAPA))


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

    async def enter(login: Login) -> Session:
        wish = parse_auth(login.auth)
        connection = await open_connection(endpoint, where, timeouts, context, spool_bytes)
        try:
            dialogue = Dialogue(connection, where)
            await begin(dialogue, endpoint, context)
            auth = await log_in(dialogue, login, wish, allow_clear=endpoint.allow_insecure)
            session = Session(dialogue, auth, window)
            await session._begin()
        except BaseException:
            await connection.hang_up()
            raise
        return session

    try:
        try:
            session = await enter(login)
        except LostBehindCapaError:
            session = await enter(replace(login, known=None))
            session.loses_behind_capa = True
    except Pop3Error as error:
        error.at(where)
        raise
    try:
        yield session
    finally:
        await session._dialogue.connection.hang_up()
