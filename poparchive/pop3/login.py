"""The way into a mailbox: greeting, TLS, capabilities, log-in, in the order in which they happen.

RFC 1939 section 4, RFC 2595 section 4, RFC 5034. ``docs/pop3.md`` says which commands share a write.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

from poparchive.pop3 import commands as c
from poparchive.pop3.commands import Command, command
from poparchive.pop3.dialogue import Capabilities, Dialogue
from poparchive.pop3.endpoint import Endpoint, TlsMode
from poparchive.pop3.errors import AuthError, ClosedError, CommandError, Pop3Error, TlsError
from poparchive.pop3.exchange import authenticate
from poparchive.pop3.sasl import lines
from poparchive.pop3.sasl.choice import Means, Offer, choose
from poparchive.pop3.sasl.mechanism import Identity, Mechanism
from poparchive.pop3.sasl.table import SCRAMS, WAYS, Auth, Need, sasl_name


@dataclass(slots=True)
class Login:
    """Who logs in and how."""

    user: str
    secret: Callable[[], str] | None = field(repr=False)
    """Gives the password. Called once for each connection, when it is needed, in a worker thread.
    None where a token or the client's certificate takes its place."""
    auth: str = "auto"
    """A name of ``sasl.table.Auth``."""
    token: Callable[[bool], str] | None = field(default=None, repr=False)
    """Gives a token for OAUTHBEARER and XOAUTH2, in a worker thread. True asks for a fresh one,
    because the server has just refused the last."""
    known: Capabilities | None = None
    """What the server offered at the last log-in. Under TLS, if it pipelines, that is taken for granted,
    so that CAPA and the log-in share a write; the answer to CAPA counts all the same. Of a server that
    loses what comes with CAPA (``Session.loses_behind_capa``) it is to be None."""


async def begin(dialogue: Dialogue, endpoint: Endpoint, context: ssl.SSLContext | None) -> None:
    """Take the greeting and, with ``starttls``, begin TLS."""
    answers = await dialogue.ask(at_once=True)
    dialogue.require(answers)
    dialogue.greeting = answers.replies[c.GREETING]
    if endpoint.tls is TlsMode.STARTTLS:
        await _start_tls(dialogue, context)


async def _start_tls(dialogue: Dialogue, context: ssl.SSLContext | None) -> None:
    answers = await dialogue.ask(command(c.CAPA))
    # A server that has no CAPA may still know STLS.
    if not answers.refusals and "STLS" not in dialogue.capabilities:
        raise TlsError('the server does not offer STLS, which tls = "starttls" asks for')
    reply = (await dialogue.ask(command(c.STLS))).replies[c.STLS]
    if not reply.ok:
        raise TlsError(f"STLS was refused: {reply}", command="STLS", reply=reply)
    await dialogue.connection.start_tls(context)
    dialogue.forget()


async def log_in(dialogue: Dialogue, login: Login, wish: Auth, *, allow_clear: bool) -> Auth:
    """Log in and return the way that was taken.

    Nothing else is tried after a refusal, with two exceptions that no server can take for guesses:
    a fresh token for one that was refused, and the same SCRAM without channel binding.
    """
    secure = dialogue.connection.tls_version is not None
    known = login.known
    if secure and known and "PIPELINING" in known:
        try:
            return await _log_in(dialogue, login, wish, known, allow_clear=allow_clear, due=True)
        except AuthError:
            now = dialogue.capabilities
            if now and set(now.get("SASL", ())) == set(known.get("SASL", ())):
                raise
            # It offers other ways than it did, or what is known of it allows none: no guess was made.
    if not dialogue.capabilities:
        await dialogue.ask(command(c.CAPA))
    return await _log_in(dialogue, login, wish, dialogue.capabilities, allow_clear=allow_clear)


async def _log_in(
    dialogue: Dialogue,
    login: Login,
    wish: Auth,
    offered: Capabilities,
    *,
    allow_clear: bool,
    due: bool = False,
) -> Auth:
    """By what the server ``offered``; if that is ``due`` to be asked, in the same write."""
    secure = dialogue.connection.tls_version is not None
    entry = _Entry(dialogue, login, wish, offered, due=due)
    needs = {Need.PASSWORD: login.secret, Need.TOKEN: login.token}
    means = Means(
        frozenset(need for need, source in needs.items() if source),
        secure,
        allow_clear,
        entry.bound,
    )
    ways = await asyncio.to_thread(choose, wish, entry.offer, means)
    if WAYS[ways[0]].need is Need.TOKEN:
        return await entry.by_token(ways[0])
    return await entry.by_password(ways, secure=secure)


def _courtesies(offered: Capabilities) -> list[Command]:
    """UTF8 and LANG where they are offered (RFC 6856): mail with 8-bit header fields then comes as it is,
    which Courier wraps in another otherwise, and errors come in a language that we write too."""
    found = []
    if "UTF8" in offered:
        found.append(command(c.UTF8))
    if "LANG" in offered:
        found.append(command(c.LANG, b"en"))
    return found


_LOG_IN_AGAIN = "`poparchive account login` asks for access again"


@contextmanager
def _hushed(secret: str) -> Iterator[None]:
    """No error that is raised inside has ``secret`` in it, whatever the server repeats."""
    try:
        yield
    except Pop3Error as error:
        error.hush(secret)
        raise


class _Entry:
    """One log-in: who, to which server."""

    def __init__(
        self, dialogue: Dialogue, login: Login, wish: Auth, offered: Capabilities, *, due: bool
    ) -> None:
        self.offer = Offer(offered, dialogue.greeting.text)
        self._before = _courtesies(offered)
        if due:
            self._before.insert(0, command(c.CAPA))
        self._at_once = "PIPELINING" in offered
        self._dialogue = dialogue
        self._login = login
        self._wish = wish
        self._binding = cache(self._end_point)

    def bound(self) -> bool:
        """There is channel binding data."""
        return self._binding() is not None

    async def by_token(self, way: Auth) -> Auth:
        """With a token, and if that is refused with a fresh one, on the same connection."""
        try:
            await self._show_token(way, fresh=False)
        except AuthError as refused:
            refused.advice = _LOG_IN_AGAIN
            try:
                await self._show_token(way, fresh=True)
            except AuthError as again:
                again.advice = _LOG_IN_AGAIN
                raise
            except ClosedError:
                # It hung up behind its refusal, which says more than the lost connection.
                raise refused from None
        return way

    async def _show_token(self, way: Auth, *, fresh: bool) -> None:
        source, make = self._login.token, WAYS[way].make
        assert source
        assert make
        token = await asyncio.to_thread(source, fresh)
        with _hushed(token):
            mechanism = make(self._identity(token, None))
            await authenticate(
                self._dialogue,
                sasl_name(way),
                mechanism,
                before=self._once(),
                at_once=self._at_once,
            )

    def _once(self) -> list[Command]:
        """What goes before the first attempt to log in, and not before another."""
        before, self._before = self._before, []
        return before

    async def by_password(self, ways: Sequence[Auth], *, secure: bool) -> Auth:
        """With a password, or with what the server knows already (EXTERNAL)."""
        source = self._login.secret if WAYS[ways[0]].need is Need.PASSWORD else None
        secret = await asyncio.to_thread(source) if source else ""
        with _hushed(secret):
            way, words = await asyncio.to_thread(self._prepared, ways, secret)
            advice = self._advice(way, ways, secure=secure)
            if isinstance(words, Mechanism):
                return await self._exchange(way, words, ways, secret, advice)
            before = self._once()
            writes: list[tuple[Command, ...]]
            if secure and self._at_once:
                writes = [(*before, *words)]
            else:  # the password goes only to a server that took the name
                writes = [(word,) for word in (*before, *words)]
            for write in writes:
                answers = await self._dialogue.ask(*write, at_once=True)
                self._dialogue.require(answers, AuthError, advice)
            return way

    async def _exchange(
        self, way: Auth, mechanism: Mechanism, ways: Sequence[Auth], secret: str, advice: str
    ) -> Auth:
        try:
            await authenticate(
                self._dialogue,
                sasl_name(way),
                mechanism,
                before=self._once(),
                at_once=self._at_once,
                advice=advice,
            )
        except AuthError:
            # It may bind to other things than its certificate. No password was tried yet.
            unbound = WAYS[way].unbound
            if mechanism.proving or unbound is None or unbound not in ways:
                raise
            make = WAYS[unbound].make
            assert make
            mechanism = make(self._identity(secret, None))
            await authenticate(self._dialogue, sasl_name(unbound), mechanism, advice=advice)
            return unbound
        return way

    def _prepared(
        self, ways: Sequence[Auth], secret: str
    ) -> tuple[Auth, Mechanism | tuple[Command, ...]]:
        """The first of ``ways`` that can carry the name and the password, and what it says."""
        cannot: CommandError | None = None
        for way in ways:
            try:
                return way, self._made(way, secret)
            except CommandError as error:
                cannot = cannot or error
        assert cannot
        raise cannot

    def _made(self, way: Auth, secret: str) -> Mechanism | tuple[Command, ...]:
        user = self._login.user
        if make := WAYS[way].make:
            return make(self._identity(secret, self._binding_for(way)))
        if way is Auth.APOP:
            return (lines.apop(user, secret, self.offer.stamp),)
        return lines.user_pass(user, secret)

    def _identity(self, secret: str, binding: bytes | None) -> Identity:
        where = self._dialogue.where
        return Identity(self._login.user, secret, where.host, where.port, binding)

    def _binding_for(self, way: Auth) -> bytes | None:
        """Without -PLUS, data says "we could bind, you did not offer it" (RFC 5802 section 6).

        Then an attacker who took -PLUS out of the offer is found out. Whoever wishes for SCRAM
        without -PLUS where it is offered gets it without.
        """
        if way not in SCRAMS:
            return None
        plus = next((each for each in SCRAMS if WAYS[each].unbound is way), None)
        if plus and (self.offer.has(plus) or not self.offer.told):
            return None
        return self._binding()

    def _end_point(self) -> bytes | None:
        certificate = self._dialogue.connection.server_certificate
        if certificate is None:
            return None
        from poparchive.pop3.sasl.scram import end_point

        return end_point(certificate)

    def _advice(self, way: Auth, ways: Sequence[Auth], *, secure: bool) -> str:
        """Servers that keep hashes of passwords cannot do what they announce; a person can tell.

        Nothing else is tried by itself. Without TLS, whoever is on the line could refuse what hides the
        password in order to be told it.
        """
        if self._wish is not Auth.AUTO or WAYS[way].bare:
            return ""
        if not secure:
            bare = [each for each in ways if WAYS[each].bare]
            if not bare:
                return ""
            other = Auth.USER if Auth.USER in bare else bare[0]
            return (
                f"; if the password is right, the server cannot check it by {sasl_name(way)}:"
                f' set auth = "{other}", which sends it in the clear to whoever is on the line'
            )
        others = [f'"{each}"' for each in ways if WAYS[each].bare or each is WAYS[way].unbound]
        if not others:
            return ""
        return (
            f'; if the password is right, try auth = {" or ".join(others[:2])} in place of "auto"'
        )
