"""The table of commands: what answers each, where it is allowed, where its +OK leads.

RFC 1939 sections 3 to 7, RFC 2449 (CAPA), RFC 2595 (STLS), RFC 5034 (AUTH). Commands are built here
and nowhere else, so that no CR, LF or NUL gets into one and no secret into its name.
"""

import enum
from dataclasses import dataclass
from typing import NamedTuple

from poparchive.pop3.errors import CommandError


class State(enum.Enum):
    """Of a connection: RFC 1939 section 3, and TLS."""

    GREETING = enum.auto()
    """Connected; the server speaks first."""
    AUTHORIZATION = enum.auto()
    EXCHANGE = enum.auto()
    """AUTH was answered with a challenge: nothing but a response may follow (RFC 5034 section 4)."""
    HANDSHAKE = enum.auto()
    """STLS was granted: until TLS is there, no octet may come."""
    TRANSACTION = enum.auto()
    CLOSED = enum.auto()
    """QUIT was granted, the server hung up, or the two sides lost step."""


@dataclass(frozen=True, slots=True, eq=False)
class Verb:
    """One command of the protocol. Each exists once and is compared by identity."""

    name: str
    allowed: frozenset[State]
    multi: bool = False
    """A multi-line reply follows +OK."""
    leads_to: State | None = None
    last: bool = False
    """Nothing may be sent behind it before its answer."""
    challenged: bool = False
    """A challenge may answer it, a line that begins with "+ "."""
    shown_words: int | None = None
    """How many words of its line may be repeated in an error; None: all of them."""

    def __repr__(self) -> str:
        return self.name


_START = frozenset({State.AUTHORIZATION})
_MAIL = frozenset({State.TRANSACTION})
_BOTH = _START | _MAIL

GREETING = Verb("greeting", frozenset({State.GREETING}), leads_to=State.AUTHORIZATION, last=True)
CAPA = Verb("CAPA", _BOTH, multi=True)
UTF8 = Verb("UTF8", _START)
LANG = Verb("LANG", _BOTH)
STLS = Verb("STLS", _START, leads_to=State.HANDSHAKE, last=True)
USER = Verb("USER", _START)
PASS = Verb("PASS", _START, leads_to=State.TRANSACTION, last=True, shown_words=1)
APOP = Verb("APOP", _START, leads_to=State.TRANSACTION, last=True, shown_words=2)
AUTH = Verb("AUTH", _START, leads_to=State.TRANSACTION, last=True, challenged=True, shown_words=2)
RESPONSE = Verb(
    "AUTH",
    frozenset({State.EXCHANGE}),
    leads_to=State.TRANSACTION,
    last=True,
    challenged=True,
    shown_words=0,
)
"""What is sent in answer to a challenge."""
STAT = Verb("STAT", _MAIL)
LIST = Verb("LIST", _MAIL, multi=True)
UIDL = Verb("UIDL", _MAIL, multi=True)
RETR = Verb("RETR", _MAIL, multi=True)
TOP = Verb("TOP", _MAIL, multi=True)
DELE = Verb("DELE", _MAIL)
NOOP = Verb("NOOP", _MAIL)
RSET = Verb("RSET", _MAIL)
QUIT = Verb("QUIT", _BOTH, leads_to=State.CLOSED, last=True)


class Command(NamedTuple):
    """What is sent, and what is remembered of it until it is answered."""

    verb: Verb
    line: bytes
    """With its CRLF. It may hold a secret: errors and logs show ``str(command)`` only."""
    number: int = 0
    """The message that it is about, if it is about one."""
    size_bytes: int = 0
    """How large its answer is expected to be: of RETR, what LIST said."""
    mechanism: str = ""
    """Of AUTH and its responses, by the name that CAPA has for it."""

    def masked(self, said: bytes) -> bytes:
        """What a server said, without what it repeats of a secret: some send a command back."""
        if self.verb.shown_words is None:
            return said
        words = self.line.rstrip(b"\r\n").split(b" ", self.verb.shown_words)
        secret = b"".join(words[self.verb.shown_words :])
        # What is so short stands in many words by chance.
        return said.replace(secret, b"***") if len(secret) > 3 else said

    def __str__(self) -> str:
        about = self.number or self.mechanism
        return f"{self.verb.name} {about}" if about else self.verb.name

    def __repr__(self) -> str:
        return f"<{self}>"


def command(verb: Verb, *arguments: bytes) -> Command:
    """A command with any arguments. The error for a bad one does not repeat it."""
    for argument in arguments:
        if any(octet in argument for octet in (b"\r", b"\n", b"\0")):
            raise CommandError(
                f"what is to be sent with {verb.name} has a line break or a NUL in it, "
                "which POP3 cannot carry",
                command=verb.name,
            )
    return Command(verb, b" ".join((verb.name.encode("ascii"), *arguments)) + b"\r\n")


def retr(number: int, size_bytes: int) -> Command:
    return Command(RETR, b"RETR %d\r\n" % number, number, size_bytes)


def dele(number: int) -> Command:
    return Command(DELE, b"DELE %d\r\n" % number, number)


def top(number: int, lines: int) -> Command:
    return Command(TOP, b"TOP %d %d\r\n" % (number, lines), number)
