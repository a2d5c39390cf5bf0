"""One conversation of the demo server with one client.

Speaks RFC 1939 with UIDL, TOP and APOP, RFC 2449 (CAPA, RESP-CODES, PIPELINING), RFC 2595 (STLS)
and RFC 5034 (AUTH). Strict where a client could be wrong: commands are at most 255 octets
long, and what a client sends together with STLS is dropped.
"""

import asyncio
import contextlib
import enum
import hashlib
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from poparchive.demo import auth
from poparchive.demo.auth import Denied, Desk, same
from poparchive.demo.behaviour import CONNECT, Behaviour, Quit
from poparchive.demo.connection import Connection, HangUp
from poparchive.demo.mailbox import Mailbox, Message, top

COMMAND_BYTES = 255
"""RFC 2449 section 4: a command with its CR LF."""


class State(enum.Enum):
    AUTHORIZATION = enum.auto()
    TRANSACTION = enum.auto()


class _Refused(Exception):  # noqa: N818 -- an answer, not a failure
    """The command is answered with -ERR and this text."""


@dataclass(frozen=True, slots=True)
class House:
    """What all sessions of a server share."""

    mailboxes: Mapping[str, Mailbox]
    tls: ssl.SSLContext | None
    certificate: bytes | None
    """Of the server, in DER; without it there is no channel binding."""
    record: Callable[[int, str, str], None]
    """Told of every command: session, command, argument without secrets."""


class Session:
    def __init__(
        self,
        house: House,
        number: int,
        behaviour: Behaviour,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._house = house
        self._number = number
        self._behaviour = behaviour
        self._scripted = bool(behaviour.replies or behaviour.gates or behaviour.hang_up_at)
        self._connection = Connection(behaviour, reader, writer)
        self._send = self._connection.send
        self._stamp = f"<{number}.{id(self):x}@localhost>" if self._knows("APOP") else ""
        self._state = State.AUTHORIZATION
        self._user = ""
        self._mailbox = Mailbox()
        self._messages: tuple[Message, ...] = ()
        self._deleted: set[int] = set()
        self._retrs = 0

    async def run(self) -> None:
        """Talk until either side ends it; the connection is closing then. Raises no OSError."""
        # The client may go at any time and in any way; that is its right and removes nothing.
        with contextlib.suppress(OSError, HangUp):
            try:
                await self._converse()
            finally:
                await self._connection.leave()

    async def _converse(self) -> None:
        if not await self._scripted_answer(CONNECT, ""):
            self._send(f"+OK poparchive demo ready {self._stamp}".rstrip().encode() + b"\r\n")
        await self._flood(CONNECT, "")
        while True:
            line = await self._connection.line()
            await self._answer(line)

    async def _answer(self, line: bytes) -> None:
        verb, _, rest = line.partition(b" ")
        command = verb.upper().decode("ascii", "replace")
        argument = rest.decode("utf-8", "backslashreplace")
        state, handler = COMMANDS.get(command, (None, None))
        self._house.record(self._number, *_loggable(command, argument))
        try:
            if self._scripted and await self._scripted_answer(command, argument):
                pass
            elif len(line) + 2 > COMMAND_BYTES:
                raise _Refused("command too long")
            elif handler is None or not self._knows(command):
                raise _Refused("unknown command")
            elif state not in (None, self._state):
                raise _Refused("not in this state")
            else:
                await handler(self, argument)
        except _Refused as refused:
            self._send(f"-ERR {refused}\r\n".encode())
        if self._behaviour.floods:
            await self._flood(command, argument)
        if command in self._behaviour.swallow_after:
            self._connection.drop()

    async def _flood(self, command: str, argument: str) -> None:
        floods = self._behaviour.floods
        flood = floods.get(f"{command} {argument}") or floods.get(command)
        while flood:
            await self._connection.flush()
            self._send(flood.octets)
            await asyncio.sleep(flood.pause_s)

    async def _scripted_answer(self, command: str, argument: str) -> bool:
        """Do what the behaviour has for this command; whether that was the answer."""
        behaviour = self._behaviour
        for name in (f"{command} {argument}", command):
            if name in behaviour.gates:
                await self._connection.flush()
                await behaviour.gates[name].passed()
            if name in behaviour.hang_up_at:
                raise HangUp
            if name in behaviour.replies:
                self._send(behaviour.replies[name])
                return True
        return False

    # Commands of any state

    def _knows(self, command: str) -> bool:
        return command not in self._behaviour.unknown

    async def _capa(self, _argument: str) -> None:
        capabilities = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING"]
        if self._state is State.AUTHORIZATION:
            capabilities.append("USER")
            if mechanisms := self._mechanisms():
                capabilities.append(f"SASL {' '.join(mechanisms)}")
            if self._house.tls and not self._connection.tls:
                capabilities.append("STLS")
        left_out = self._behaviour.unknown | self._behaviour.unannounced
        lines = [
            name
            for name in [*capabilities, "IMPLEMENTATION poparchive-demo"]
            if not left_out & {word := name.split()[0], "AUTH" if word == "SASL" else word}
        ]
        self._send(b"+OK capabilities follow\r\n")
        await self._connection.send_body([f"{line}\r\n".encode() for line in lines])

    async def _quit(self, _argument: str) -> None:
        behaviour = self._behaviour.quit
        if behaviour in (Quit.REMOVE, Quit.REMOVE_AND_HANG_UP):
            self._mailbox.expunge([self._messages[number - 1] for number in self._deleted])
        if behaviour is Quit.REMOVE:
            self._send(b"+OK bye\r\n")
        elif behaviour is Quit.REFUSE:
            self._send(b"-ERR some deleted messages not removed\r\n")
        raise HangUp

    # AUTHORIZATION

    async def _stls(self, _argument: str) -> None:
        if self._connection.tls or not self._house.tls:
            raise _Refused("no TLS to start")
        self._send(b"+OK begin TLS\r\n")
        await self._connection.start_tls(self._house.tls)

    async def _take_user(self, argument: str) -> None:
        self._user = argument
        self._send(b"+OK password?\r\n")

    async def _pass(self, argument: str) -> None:
        self._log_in(self._user, lambda password: same(password, argument))

    async def _apop(self, argument: str) -> None:
        user, _, digest = argument.rpartition(" ")

        def proved(password: str) -> bool:
            shared = (self._stamp + password).encode()
            return same(hashlib.md5(shared, usedforsecurity=False).hexdigest(), digest)

        self._log_in(user, proved)

    def _desk(self) -> Desk:
        tls = self._connection.tls
        return auth.desk(self._house.mailboxes, tls, self._house.certificate, self._behaviour.sasl)

    def _mechanisms(self) -> list[str]:
        only = self._behaviour.mechanisms
        return [name for name in auth.offered(self._desk()) if only is None or name in only]

    async def _auth(self, argument: str) -> None:
        name, _, initial = argument.partition(" ")
        if name.upper() not in self._mechanisms():
            raise _Refused("unknown mechanism")
        try:
            user = await auth.exchange(
                name.upper(), initial.encode(), self._desk(), self._challenged
            )
        except Denied as denied:
            raise _Refused(str(denied)) from None
        self._log_in(user, lambda _: True)

    async def _challenged(self, challenge: bytes) -> bytes:
        self._send(b"+ %b\r\n" % challenge)
        return await self._connection.line()

    def _log_in(self, user: str, proved: Callable[[str], bool]) -> None:
        refusal = self._behaviour.refuse_login
        mailbox = self._house.mailboxes.get(user)
        if refusal is not None:
            self._send(refusal.rstrip(b"\r\n") + b"\r\n")
        elif mailbox is None or not proved(mailbox.password):
            raise _Refused("[AUTH] wrong user name or password")
        else:
            self._state = State.TRANSACTION
            self._mailbox = mailbox
            self._messages = mailbox.messages
            self._send(b"+OK logged in\r\n")

    # TRANSACTION

    def _present(self) -> list[tuple[int, Message]]:
        numbered = enumerate(self._messages, start=1)
        return [(number, message) for number, message in numbered if number not in self._deleted]

    def _find(self, argument: str) -> int:
        number = int(argument) if argument.isascii() and argument.isdecimal() else 0
        if not 1 <= number <= len(self._messages) or number in self._deleted:
            raise _Refused("no such message")
        return number

    def _size(self, message: Message) -> int:
        return message.size_bytes + self._behaviour.size_error_bytes

    def _uidl_of(self, number: int) -> bytes:
        uidls = self._behaviour.uidls
        if uidls is not None and number <= len(uidls):
            return uidls[number - 1]
        return self._messages[number - 1].uidl

    async def _stat(self, _argument: str) -> None:
        sizes = [self._size(message) for _, message in self._present()]
        self._send(b"+OK %d %d\r\n" % (len(sizes), sum(sizes)))

    async def _list(self, argument: str) -> None:
        def line(number: int) -> bytes:
            return b"%d %d\r\n" % (number, self._size(self._messages[number - 1]))

        await self._listing(argument, line)

    async def _uidl(self, argument: str) -> None:
        await self._listing(argument, lambda number: b"%d %s\r\n" % (number, self._uidl_of(number)))

    async def _listing(self, argument: str, line: Callable[[int], bytes]) -> None:
        if argument:
            self._send(b"+OK " + line(self._find(argument)))
            return
        self._send(b"+OK listing follows\r\n")
        await self._connection.send_body([b"".join(line(number) for number, _ in self._present())])

    def _handed_out(self, argument: str) -> Message:
        number = self._find(argument)
        if number in self._behaviour.refuse_retr:
            raise _Refused("message cannot be read")
        return self._messages[number - 1]

    async def _retr(self, argument: str) -> None:
        self._retrs += 1
        if self._retrs == self._behaviour.hang_up_at_retr:
            self._connection.budget = self._behaviour.hang_up_retr_bytes
        message = self._handed_out(argument)
        self._send(b"+OK %d octets\r\n" % self._size(message))
        await self._connection.send_body(message.chunks())

    async def _top(self, argument: str) -> None:
        number, _, lines = argument.partition(" ")
        if not (lines.isascii() and lines.isdecimal()):
            raise _Refused("how many lines?")
        message = self._handed_out(number)
        self._send(b"+OK top of message follows\r\n")
        await self._connection.send_body(top(message.chunks(), int(lines)))

    async def _dele(self, argument: str) -> None:
        self._deleted.add(self._find(argument))
        self._send(b"+OK marked\r\n")

    async def _rset(self, _argument: str) -> None:
        self._deleted.clear()
        self._send(b"+OK\r\n")

    async def _noop(self, _argument: str) -> None:
        self._send(b"+OK\r\n")


Handler = Callable[[Session, str], Awaitable[None]]

# The methods are private to sessions, and this table of theirs belongs to them.
COMMANDS: Mapping[str, tuple[State | None, Handler]] = {
    "CAPA": (None, Session._capa),
    "QUIT": (None, Session._quit),
    "STLS": (State.AUTHORIZATION, Session._stls),
    "USER": (State.AUTHORIZATION, Session._take_user),
    "PASS": (State.AUTHORIZATION, Session._pass),
    "APOP": (State.AUTHORIZATION, Session._apop),
    "AUTH": (State.AUTHORIZATION, Session._auth),
    "STAT": (State.TRANSACTION, Session._stat),
    "LIST": (State.TRANSACTION, Session._list),
    "UIDL": (State.TRANSACTION, Session._uidl),
    "RETR": (State.TRANSACTION, Session._retr),
    "TOP": (State.TRANSACTION, Session._top),
    "DELE": (State.TRANSACTION, Session._dele),
    "RSET": (State.TRANSACTION, Session._rset),
    "NOOP": (State.TRANSACTION, Session._noop),
}
"""Each command with the state it belongs to, or None for both."""


def _loggable(command: str, argument: str) -> tuple[str, str]:
    """A command as the log may have it: no password, no token, no digest."""
    if command not in COMMANDS:
        # What is no command may be a secret that the client sent at the wrong moment.
        return (command if command.isalpha() and len(command) <= 8 else "?", "")
    if command == "PASS":
        return command, ""
    if command in ("APOP", "AUTH"):
        return command, argument.partition(" ")[0]
    return command, argument
