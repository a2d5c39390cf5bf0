"""Questions to a server and their answers: what logging in and a session are made of.

A ``Dialogue`` knows what the server said of itself: greeting and capabilities. What it refuses
raises ``ReplyError`` and the dialogue goes on; any other ``Pop3Error`` has closed the connection.
"""

from collections.abc import Mapping
from types import MappingProxyType

from poparchive.pop3 import commands as c
from poparchive.pop3.commands import Command, Verb
from poparchive.pop3.errors import (
    AuthError,
    InUseError,
    LoginDelayError,
    ReplyError,
    SystemBusyError,
    SystemFailedError,
    Where,
)
from poparchive.pop3.pipeline import DEEP, ONE_AT_A_TIME, Questions, Reader
from poparchive.pop3.replies import Reply, parse_capabilities
from poparchive.pop3.transport import Connection

Capabilities = Mapping[str, tuple[str, ...]]


class Dialogue:
    """One connection and what is known of the server behind it."""

    def __init__(self, connection: Connection, where: Where) -> None:
        self.connection = connection
        self.where = where
        self.greeting = Reply(True, b"")
        self.capabilities: Capabilities = MappingProxyType({})
        """By name in capitals, with parameters; what the server said last. Empty if it has no CAPA."""

    @property
    def pipelining(self) -> bool:
        """Commands may be sent ahead of answers (RFC 2449 section 6.6)."""
        return "PIPELINING" in self.capabilities

    async def ask(
        self,
        *asked: Command,
        readers: Mapping[Verb, Reader] | None = None,
        at_once: bool | None = None,
    ) -> Questions:
        """Ask a few things, in one write if ``at_once`` or, without it, if the server pipelines.

        What it answers to CAPA is learnt.
        """
        answers = Questions(readers)
        at_once = self.pipelining if at_once is None else at_once
        window = DEEP if at_once else ONE_AT_A_TIME
        behind_capa = at_once and len(asked) > 1 and asked[0].verb is c.CAPA
        await self.connection.run(asked, answers, window, behind_capa=behind_capa)
        if (body := answers.bodies.get(c.CAPA)) is not None:
            self.capabilities = MappingProxyType(parse_capabilities(body))
        return answers

    async def one(self, asked: Command) -> Questions:
        """Ask one thing that the server must grant."""
        answers = await self.ask(asked)
        self.require(answers)
        return answers

    def require(
        self, answers: Questions, kind: type[ReplyError] = ReplyError, note: str = ""
    ) -> None:
        """Raise for the first refusal, by its response code, else ``kind``; CAPA, UTF8 and LANG may be.

        ``note``: what to say behind it, if it is an ``AuthError``, in place of the usual advice.
        """
        for asked, reply in answers.refusals:
            if asked.verb in _MAY_BE_REFUSED:
                continue
            found = kind_of(reply, kind)
            refused = issubclass(found, AuthError)
            text = f"{asked} was refused: {reply} (in state {self.connection.state.name})"
            error = found(text + note * refused, command=str(asked), reply=reply)
            if refused and not note:
                error.advice = _CHECK
            raise error.at(self.where)

    def forget(self) -> None:
        """What the server said before TLS may be anybody's (RFC 2595 section 4)."""
        self.capabilities = MappingProxyType({})


_MAY_BE_REFUSED = (c.CAPA, c.UTF8, c.LANG)
"""What a server may do without: these help, and nothing depends on them."""

_KINDS: Mapping[str, type[ReplyError]] = {
    "IN-USE": InUseError,
    "LOGIN-DELAY": LoginDelayError,
    "SYS/TEMP": SystemBusyError,
    "SYS/PERM": SystemFailedError,
    "AUTH": AuthError,
}
"""What each response code means (RFC 2449 section 8, RFC 3206 section 4)."""

_CHECK = "check user name and password; `poparchive account test` tries them"


def kind_of(reply: Reply, otherwise: type[ReplyError]) -> type[ReplyError]:
    """The error that a refusal is: by its response code or the code's beginning, else ``otherwise``.

    A code that is unknown below SYS/ is the server's fault too, and not that of name or password.
    """
    for code, kind in _KINDS.items():
        if reply.code == code or reply.code.startswith(f"{code}/"):
            return kind
    return ReplyError if reply.code.startswith("SYS/") else otherwise
