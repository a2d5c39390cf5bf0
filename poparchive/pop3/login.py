"""The way into a mailbox: greeting, TLS, capabilities, log-in, in the order in which they happen.

RFC 1939 section 4, RFC 2595 section 4, RFC 5034. ``docs/pop3.md`` says which commands share a write.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from poparchive.pop3 import commands as c
from poparchive.pop3 import sasl
from poparchive.pop3.commands import Command, command
from poparchive.pop3.dialogue import Dialogue
from poparchive.pop3.endpoint import Endpoint, TlsMode
from poparchive.pop3.errors import AuthError, TlsError
from poparchive.pop3.replies import parse_stamp
from poparchive.pop3.sasl import Auth


@dataclass(slots=True)
class Login:
    """Who logs in and how."""

    user: str
    secret: Callable[[], str] = field(repr=False)
    """Gives the password. Called once for each session, when it is needed, in a worker thread."""
    auth: str = "auto"
    """``auto``, ``plain``, ``user`` or ``apop``."""
    token: Callable[[bool], str] | None = field(default=None, repr=False)


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
    """Log in and return the way that was taken. Nothing else is tried after a refusal."""
    secure = dialogue.connection.tls_version is not None
    capa = command(c.CAPA)
    # Then nothing that CAPA could answer would change what follows.
    all_known = wish is Auth.USER and secure
    if not all_known:
        await dialogue.ask(capa)
    stamp = parse_stamp(dialogue.greeting.text)
    mechanisms = dialogue.capabilities.get("SASL", ())
    way = sasl.choose(
        wish, secure=secure, allow_clear=allow_clear, mechanisms=mechanisms, stamp=stamp
    )
    secret = await asyncio.to_thread(login.secret)
    writes: list[tuple[Command, ...]]
    if way is Auth.APOP:
        writes = [(sasl.apop(login.user, secret, stamp),)]
    elif way is Auth.PLAIN:
        writes = [(sasl.plain(login.user, secret),)]
    else:
        name, word = sasl.user_pass(login.user, secret)
        if all_known:
            writes = [(capa, name, word)]
        elif secure and dialogue.pipelining:
            writes = [(name, word)]
        else:  # the password goes only to a server that took the name
            writes = [(name,), (word,)]
    for write in writes:
        dialogue.require(await dialogue.ask(*write, at_once=True), AuthError)
    return way
