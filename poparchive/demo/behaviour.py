"""How a session of the demo server behaves, as data: by default well, on request as badly as any.

A test says what goes wrong and when; nothing is left to chance or to a clock. Commands are named as
``"RETR"`` for all of a kind or ``"RETR 3"`` for one, in capitals; ``CONNECT`` stands for the moment
before the greeting.
"""

import asyncio
import enum
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from poparchive.demo.auth import Sasl

CONNECT = "CONNECT"


class Gate:
    """Holds up a session until somebody opens it. All methods may be called from any thread."""

    def __init__(self) -> None:
        self._reached = _signal()
        self._opened = _signal()

    def open(self) -> None:
        _give(self._opened)

    async def passed(self) -> None:
        """Say that somebody is here, and wait until the gate is open."""
        _give(self._reached)
        await asyncio.wrap_future(self._opened)

    async def reached(self) -> None:
        """Wait until a session stands before the gate (or has gone through)."""
        await asyncio.wrap_future(self._reached)

    def wait_reached(self, timeout_s: float) -> None:
        """``reached`` for code without an event loop; raises TimeoutError."""
        self._reached.result(timeout_s)


def _signal() -> Future[None]:
    future: Future[None] = Future()
    # A running future cannot be cancelled, so a waiter that is cancelled leaves it to the others.
    future.set_running_or_notify_cancel()
    return future


def _give(signal: Future[None]) -> None:
    if not signal.done():
        signal.set_result(None)


class Quit(enum.Enum):
    """What QUIT does to a session with deletions."""

    REMOVE = enum.auto()
    """Remove the messages, then say so."""
    REFUSE = enum.auto()
    """Answer -ERR and remove nothing."""
    HANG_UP = enum.auto()
    """Close without an answer and remove nothing."""
    REMOVE_AND_HANG_UP = enum.auto()
    """Remove the messages and close without an answer: the client cannot know."""


class Leave(enum.Enum):
    """How the server ends a connection, whatever makes it do so."""

    CLOSE = enum.auto()
    """In good order; under TLS with a close_notify."""
    CUT = enum.auto()
    """Under TLS without it, as whoever cuts the line between would."""
    RESET = enum.auto()
    """With a TCP reset."""


@dataclass(frozen=True, slots=True)
class Flood:
    """Octets sent over and over until the client is gone, ``pause_s`` apart."""

    octets: bytes
    pause_s: float = 0


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One session from its greeting to its end."""

    unannounced: frozenset[str] = frozenset()
    """Capabilities that CAPA does not list, though they work."""
    unknown: frozenset[str] = frozenset()
    """Commands that the server does not know. Without APOP the greeting has no timestamp."""
    mechanisms: frozenset[str] | None = None
    """The mechanisms that AUTH takes, if not all."""
    sasl: Sasl = Sasl.RIGHT
    """What goes wrong in an exchange of AUTH."""
    uidls: Sequence[bytes] | None = None
    """UIDLs given out in place of the mailbox's, in its order; those that are missing stay."""
    size_error_bytes: int = 0
    """By how much every size in LIST and STAT is wrong."""

    refuse_login: bytes | None = None
    """The line that answers every login, right password or not: ``b"-ERR [IN-USE] locked"``."""
    refuse_retr: frozenset[int] = frozenset()
    """Message numbers that are listed, but that RETR and TOP do not hand out."""
    quit: Quit = Quit.REMOVE

    replies: Mapping[str, bytes] = field(default_factory=dict)
    """The octets that answer a command, in place of its effect and its reply, line end included.

    An incomplete reply leaves the client waiting; an empty one is no answer at all.
    """
    floods: Mapping[str, Flood] = field(default_factory=dict)
    """What follows a command's own reply, or the scripted one. Nothing is read meanwhile."""
    gates: Mapping[str, Gate] = field(default_factory=dict)
    """Before a command is carried out; what was answered before it has been sent."""
    swallow_after: frozenset[str] = frozenset()
    """Commands after which all that has come already is thrown away unread.

    So do Courier, solid-pop3d and Perdition after PASS.
    """

    hang_up_at: frozenset[str] = frozenset()
    """Commands at which the server closes the connection without an answer."""
    hang_up_after_bytes: int | None = None
    """Close as soon as the server has sent so many octets, greeting included."""
    hang_up_at_retr: int | None = None
    """Close while answering the RETR of this session that has this number, counted from 1 ..."""
    hang_up_retr_bytes: int = 0
    """... after so many octets of its reply, status line included."""
    leave: Leave = Leave.CLOSE
