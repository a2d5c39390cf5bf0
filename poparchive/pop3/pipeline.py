"""What goes out next, and who takes what comes back. No socket, no clock.

``Pipeline`` keeps the window; a ``Taker`` gets the events of one run of commands: ``Questions``
for those few whose answers are wanted as values, ``Retrieval`` for messages on their way to a
``Sink``, ``Refusals`` for many commands of which only the refused ones matter.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from poparchive.pop3.commands import RETR, Command, Verb
from poparchive.pop3.errors import ProtocolError, TooLargeError
from poparchive.pop3.protocol import Answer, Begin, Challenge, End, Event, Part, Whole
from poparchive.pop3.replies import Reply

COLLECTED_MAX_BYTES = 1024 * 1024
"""Most octets of a reply that is held in memory: CAPA, TOP."""


@dataclass(frozen=True, slots=True)
class Window:
    """How far to run ahead of the answers. At 50 ms, 500 commands are within 15% of the line's
    speed and 100 take twice as long."""

    commands: int = 500
    octets: int = 16 * 1024 * 1024
    """The sum of the sizes that LIST gave; a larger message is asked for alone."""


_RUN_ON = (b".\r\n+OK", b".\r\n-ERR")
_BEHIND_BYTES = max(map(len, _RUN_ON))

DEEP = Window()
ONE_AT_A_TIME = Window(commands=1)


class Pipeline:
    """Gives out ``commands`` as the window allows, many at a time so that writes are few."""

    def __init__(self, commands: Iterable[Command], window: Window) -> None:
        self._coming: Iterator[Command] = iter(commands)
        self._next = next(self._coming, None)
        self._window = window

    @property
    def exhausted(self) -> bool:
        return self._next is None

    def more(self, unanswered: int, expected_bytes: int) -> list[Command]:
        """What to send while so many commands, of so many octets, are not answered.

        Nothing, until a fifth of the window is free; one command, if nothing is unanswered.
        """
        window, result = self._window, list[Command]()
        if unanswered and (
            unanswered * 5 > window.commands * 4 or expected_bytes * 5 > window.octets * 4
        ):
            return result
        while (command := self._next) is not None:
            expected_bytes += command.size_bytes
            if unanswered and (unanswered >= window.commands or expected_bytes > window.octets):
                break
            unanswered += 1
            result.append(command)
            self._next = next(self._coming, None)
        return result


class Taker(Protocol):
    """Gets the events of one run, on the event loop, in the order of the commands."""

    def take(self, event: Event) -> None: ...

    def full(self) -> bool:
        """True: read nothing until ``room`` returns."""
        ...

    async def room(self) -> None: ...

    def cut(self, *, in_step: bool, begun: bool = False) -> None:
        """No more will come, though not all is answered (``Conversation.in_step``, ``in_body``)."""
        ...


class Ready:
    """A taker that always has room and keeps nothing half done."""

    def full(self) -> bool:
        return False

    async def room(self) -> None:
        return

    def cut(self, *, in_step: bool, begun: bool = False) -> None:
        return


class Reader(Protocol):
    """Takes a multi-line reply as it comes, cut anywhere."""

    def feed(self, octets: bytes) -> None: ...

    def close(self) -> None: ...


class Questions(Ready):
    """The answers to a few different commands: ``replies`` of one line, ``refusals`` among
    them, and ``bodies`` of multi-line ones that no reader was given for."""

    def __init__(self, readers: Mapping[Verb, Reader] | None = None) -> None:
        self.replies: dict[Verb, Reply] = {}
        self.refusals: list[Answer] = []
        self.bodies: dict[Verb, bytes] = {}
        self.challenge: bytes | None = None
        """What AUTH was answered with in place of a reply; nothing can be asked behind it."""
        self._readers = readers or {}
        self._collected = bytearray()

    def take(self, event: Event) -> None:
        verb = event.command.verb
        reader = self._readers.get(verb)
        if isinstance(event, Answer):
            self.replies[verb] = event.reply
            if not event.reply.ok:
                self.refusals.append(event)
        if isinstance(event, Challenge):
            self.challenge = event.text
        if isinstance(event, (Whole, Part)):
            if reader:
                reader.feed(event.octets)
            else:
                self._collect(event)
        if isinstance(event, (Whole, End)):
            if reader:
                reader.close()
            else:
                self.bodies[verb] = bytes(self._collected)
                self._collected.clear()

    def _collect(self, event: Whole | Part) -> None:
        self._collected += event.octets
        if len(self._collected) > COLLECTED_MAX_BYTES:
            raise ProtocolError(
                f"{event.command} was answered with more than {COLLECTED_MAX_BYTES} octets",
                command=str(event.command),
            )


class Refusals(Ready):
    """The numbers of those messages for which a command was refused."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def take(self, event: Event) -> None:
        if isinstance(event, Answer) and not event.reply.ok:
            self.numbers.append(event.command.number)


class LargeSink(Protocol):
    """Takes one large message. Exactly one of ``close`` and ``abort`` is called, last."""

    def write(self, octets: bytes) -> None: ...

    def close(self) -> None:
        """All of it came."""
        ...

    def abort(self) -> None:
        """It was cut short: forget it."""
        ...


class Sink(Protocol):
    """Takes messages as they come, on the event loop, in the order in which they were asked for.

    What it raises ends the retrieval and closes the connection.
    """

    def message(self, number: int, octets: bytes) -> None:
        """A message of up to ``spool_bytes``."""
        ...

    def begin(self, number: int) -> LargeSink:
        """A larger one begins."""
        ...

    def refused(self, number: int, reply: Reply) -> None:
        """The server answered -ERR."""
        ...

    def full(self) -> bool:
        """True: nothing more is read until ``room`` returns. Asked after each read, which may
        bring some hundred small messages."""
        ...

    async def room(self) -> None:
        """Return when there is room again."""
        ...


class Retrieval:
    """Hands messages to ``sink``, each when what came behind it proves that it was whole.

    A server that does not stuff a lone dot ends a message too early, for us. The rest of it then
    stands where a reply must be; so a message is held until the next event, and dropped if there
    is a ``ProtocolError`` instead.

    One that does not complete a last line ends it too late: the final dot stands behind text, and
    what follows is taken for more of the message. That shows where LIST said that the end is. Without
    ``suspicious`` it is not looked for: some servers count fewer octets than they send.
    """

    def __init__(
        self, sink: Sink, limit_bytes: int | None = None, *, suspicious: bool = True
    ) -> None:
        self._suspicious = suspicious
        self._sink = sink
        self._limit_bytes = sys.maxsize if limit_bytes is None else limit_bytes
        self._held: Whole | None = None
        self._large: LargeSink | None = None
        self._large_ended = False
        self._taken_bytes = 0  # of the large one
        self._promised_bytes = 0  # by LIST, for the one that came last
        self._behind = b""  # what stands in it where LIST said that it ends
        self.full = sink.full
        self.room = sink.room

    def take(self, event: Event) -> None:
        if isinstance(event, Whole):
            self._release()
            octets, size = event.octets, event.command.size_bytes
            if len(octets) > self._limit_bytes:
                raise self._too_large(event.command)
            if len(octets) > size:
                self._look_behind(event, 0)
            self._held = event
            self._promised_bytes = size or sys.maxsize
            return
        if isinstance(event, Part):
            assert self._large
            self._look_behind(event, self._taken_bytes)
            self._taken_bytes += len(event.octets)
            if self._taken_bytes > self._limit_bytes:
                raise self._too_large(event.command)
            self._large.write(event.octets)
            return
        if isinstance(event, End):
            self._large_ended = True
            return
        self._release()
        if isinstance(event, Begin):
            self._taken_bytes = 0
            self._promised_bytes = event.command.size_bytes or sys.maxsize
            self._large = self._sink.begin(event.command.number)
        elif isinstance(event, Answer) and event.command.verb is RETR:
            self._sink.refused(event.command.number, event.reply)

    def _look_behind(self, event: Whole | Part, begin: int) -> None:
        size = event.command.size_bytes if self._suspicious else 0
        if begin + len(event.octets) <= size or not size or begin >= size + _BEHIND_BYTES:
            return
        behind = self._behind if begin > size else b""
        behind += event.octets[max(0, size - begin) : size + _BEHIND_BYTES - begin]
        self._behind = behind
        if behind.startswith(_RUN_ON):
            number = event.command.number
            raise ProtocolError(
                f"message {number} has no line end at its end, and the reply behind it runs into it",
                command=str(event.command),
            )

    def _too_large(self, command: Command) -> TooLargeError:
        return TooLargeError(
            f"message {command.number} is larger than the {self._limit_bytes} octets that are allowed, "
            f"though LIST gives it {command.size_bytes}",
            command=str(command),
        )

    def cut(self, *, in_step: bool, begun: bool = False) -> None:
        # Where no next reply has begun nothing proves that the last message was whole. If LIST promised
        # more, it was not: its rest, behind a dot that was not stuffed, may never have been sent.
        if in_step and (begun or self._came_bytes >= self._promised_bytes):
            self._release()
        self._held = None
        if self._large:
            self._large.abort()
            self._large = None

    @property
    def _came_bytes(self) -> int:
        return len(self._held.octets) if self._held else self._taken_bytes

    def _release(self) -> None:
        if held := self._held:
            self._held = None
            self._sink.message(held.command.number, held.octets)
        elif self._large_ended:
            large, self._large, self._large_ended = self._large, None, False
            assert large
            large.close()
