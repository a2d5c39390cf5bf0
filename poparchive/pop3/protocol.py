"""The POP3 conversation as a client has it: commands in, octets out; octets in, events out.

It owns no socket and no clock. Replies have no names in POP3 and are matched by their order, so
what does not fit raises ``ProtocolError`` and leaves the conversation ``CLOSED``: no octet after
that is believed. Events that came before it are given out first.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from poparchive.pop3.buffer import ReceiveBuffer
from poparchive.pop3.commands import GREETING, Command, State, Verb
from poparchive.pop3.errors import ClosedError, CommandError, ProtocolError
from poparchive.pop3.replies import Reply, parse_reply, visible

STATUS_LINE_MAX_BYTES = 8_192
"""RFC 2449 section 4 allows 512 octets; a challenge of SASL may be longer."""

STRAY_LINES_MAX = 8
"""Lines before -ERR that are no answer: GNU mailutils sends a bad command back first."""

SPOOL_BYTES = 1024 * 1024
"""Up to this size on the wire a multi-line reply comes whole, a larger one in pieces."""


class Answer(NamedTuple):
    """A reply of one line: to a command that has no other, or -ERR to one that has."""

    command: Command
    reply: Reply


class Challenge(NamedTuple):
    """The server wants a response before it answers AUTH; the text behind "+ ", as it came."""

    command: Command
    text: bytes


class Whole(NamedTuple):
    """A multi-line reply: the octets between the +OK line and the final dot."""

    command: Command
    octets: bytes


class Begin(NamedTuple):
    """A multi-line reply that is larger: ``Part`` events follow, then ``End``."""

    command: Command


class Part(NamedTuple):
    command: Command
    octets: bytes


class End(NamedTuple):
    command: Command


Event = Answer | Challenge | Whole | Begin | Part | End


class Conversation:
    """One connection's conversation, from the greeting on. Not to be used after an error.

    ``send`` queues commands and ``outgoing`` gives their octets. What comes is put into ``room()``,
    its length told to ``filled``, and ``events()`` gives what it means, as far as it can be told.
    """

    def __init__(self, spool_bytes: int = SPOOL_BYTES) -> None:
        self.state = State.GREETING
        self.expected_bytes = 0
        """The sum of ``size_bytes`` of the commands that are not answered."""
        self.answered = 0
        """Replies that have come whole."""
        self._spool_bytes = spool_bytes
        self._buffer = ReceiveBuffer()
        self._unanswered = deque((Command(GREETING, b""),))
        self._outgoing: list[bytes] = []
        self._reader: Callable[[Conversation], Event | None] = Conversation._read_status
        self._after_multi = False
        self._strays = 0
        self._stray_line = b""
        self.room = self._buffer.room
        self.filled = self._buffer.filled

    @property
    def unanswered(self) -> int:
        """Commands that wait for their answer; the greeting counts as one."""
        return len(self._unanswered)

    @property
    def in_body(self) -> bool:
        """A multi-line reply is under way."""
        return self._reader is not Conversation._read_status

    @property
    def in_step(self) -> bool:
        """Nothing has come behind the last reply that might not be the next one.

        A server that fails to stuff a lone dot ends a message early, and then more of it follows.
        """
        return self.in_body or not len(self._buffer)

    def send(self, commands: Iterable[Command]) -> None:
        """Queue ``commands``; ``CommandError`` for one that must not be sent now."""
        permitted: Verb | None = None
        for command in commands:
            if command.verb is not permitted:
                self._permit(command.verb)
                permitted = None if command.verb.last else command.verb
            self._unanswered.append(command)
            self._outgoing.append(command.line)
            self.expected_bytes += command.size_bytes

    def _permit(self, verb: Verb) -> None:
        if self.state not in verb.allowed:
            raise CommandError(
                f"{verb.name} is not possible in state {self.state.name}", command=verb.name
            )
        if self._unanswered and self._unanswered[-1].verb.last:
            before = self._unanswered[-1]
            raise CommandError(
                f"{verb.name} cannot be sent before {before} is answered", command=verb.name
            )

    def outgoing(self) -> bytes:
        """What is to be sent now; each octet is given once."""
        octets = b"".join(self._outgoing)
        self._outgoing.clear()
        return octets

    def secured(self) -> None:
        """TLS has begun after STLS; the server does not greet again (RFC 2595 section 4)."""
        if self.state is not State.HANDSHAKE or len(self._buffer):
            raise self._lost("octets came in the clear after STLS")
        self.state = State.AUTHORIZATION

    def closed(self) -> ClosedError:
        """The connection has ended; the error that says what it left unanswered."""
        self.state = State.CLOSED
        text = "the server closed the connection"
        if self._unanswered:
            text += f" before it had answered {self._unanswered[0]}"
        return ClosedError(text + self.last_said(), command=self.current)

    def last_said(self) -> str:
        """For an error message: what came that is no answer, or not a whole one."""
        said = b"" if self.in_body else self._buffer.peek(200) or self._stray_line
        if self._unanswered:
            said = self._unanswered[0].masked(said)
        return f"; it last said: {visible(said)}" if said else ""

    def events(self) -> Iterator[Event]:
        """What has come, in order, until more octets are needed."""
        try:
            while self.state is not State.CLOSED and (self._unanswered or len(self._buffer)):
                event = self._reader(self)
                if event is None:
                    return
                yield event
        except ProtocolError as error:
            self.state = State.CLOSED
            error.command = error.command or self.current
            raise

    @property
    def current(self) -> str:
        """The command whose answer is awaited or under way; empty if there is none."""
        return str(self._unanswered[0]) if self._unanswered else ""

    def _read_status(self) -> Event | None:
        if not self._unanswered:
            raise self._lost(f"the server sent unasked: {visible(self._buffer.peek(200))}")
        command = self._unanswered[0]
        multi = command.verb.multi
        if multi and not self._strays:
            octets = self._buffer.take_whole(STATUS_LINE_MAX_BYTES, self._spool_bytes)
            if octets is not None:
                return Whole(self._answered(after_multi=True), octets)
        while (line := self._buffer.take_line(STATUS_LINE_MAX_BYTES)) is not None:
            # For speed: it spares each message the parsing of a line that says nothing.
            if multi and not self._strays and line.startswith((b"+OK ", b"+OK\t")):
                return self._begin_body()
            if command.verb.challenged and (line.startswith(b"+ ") or line == b"+"):
                self._answered(after_multi=False)
                self.state = State.EXCHANGE
                return Challenge(command, line[2:])
            line = command.masked(line)
            reply = parse_reply(line)
            if reply is None or (reply.ok and self._strays):
                self._stray(line, end=reply is not None)
                continue
            if reply.ok and multi:
                return self._begin_body()
            self._answered(after_multi=False)
            if self.state is State.EXCHANGE:
                self.state = State.AUTHORIZATION
            if reply.ok and command.verb.leads_to:
                self.state = command.verb.leads_to
                if self.state is State.HANDSHAKE and len(self._buffer):
                    raise self._lost("octets came in the clear behind the answer to STLS")
            return Answer(command, reply)
        return None

    def _stray(self, line: bytes, *, end: bool) -> None:
        """``line`` is no answer. Go on if an -ERR may still follow that makes it harmless."""
        command = self._unanswered[0]
        if command.verb is GREETING:
            raise self._lost(f"this is no POP3 server; it greets with: {visible(line)}")
        self._strays += 1
        self._stray_line = line
        # Behind a multi-line reply this is the rest of it: the server did not stuff a dot. And no
        # command begins with a plus, so that such a line is no command sent back.
        never = end or self._after_multi or line.startswith(b"+")
        if never or self._strays > STRAY_LINES_MAX:
            raise self._lost(f"instead of an answer to {command} came: {visible(line)}")

    def _begin_body(self) -> Event | None:
        self._buffer.begin_body()
        self._reader = Conversation._read_body
        return self._read_body()

    def _read_body(self) -> Event | None:
        octets = self._buffer.take_body(self._spool_bytes)
        if octets is not None:
            return Whole(self._answered(after_multi=True), octets)
        if not self._buffer.oversize:
            return None
        self._reader = Conversation._read_pieces
        return Begin(self._unanswered[0])

    def _read_pieces(self) -> Event | None:
        if not self._buffer.body_ended:
            piece = self._buffer.take_piece()
            if piece:
                return Part(self._unanswered[0], piece)
            if not self._buffer.body_ended:
                return None
        return End(self._answered(after_multi=True))

    def _answered(self, *, after_multi: bool) -> Command:
        command = self._unanswered.popleft()
        self.expected_bytes -= command.size_bytes
        self.answered += 1
        self._after_multi = after_multi
        self._strays = 0
        self._stray_line = b""
        self._reader = Conversation._read_status
        return command

    def _lost(self, text: str) -> ProtocolError:
        self.state = State.CLOSED
        return ProtocolError(text, command=self.current)
