"""Scripted POP3 conversations: over loopback, and straight into the sans-IO core.

A script is a sequence of steps. ``str``: the client must send this line. ``bytes``: the server
sends this. ``Step.ANYTHING``: the client must send some line. ``Step.TLS``: TLS begins.
``Step.HANG_UP``: the server closes the connection.
``Step.SILENCE``: the server says nothing more and waits until the client is gone.
"""

import asyncio
import enum
import itertools
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from poparchive.pop3 import Endpoint, Reply, TlsMode
from poparchive.pop3 import commands as c
from poparchive.pop3.pipeline import LargeSink
from poparchive.pop3.protocol import SPOOL_BYTES, Conversation, Event


class Step(enum.Enum):
    ANYTHING = enum.auto()
    TLS = enum.auto()
    HANG_UP = enum.auto()
    SILENCE = enum.auto()


Script = Sequence[str | bytes | Step]


@dataclass
class Server:
    """What ``scripted`` gives: where it is, and what happened."""

    host: str
    port: int
    reads: list[bytes] = field(default_factory=list)
    """What the client sent, as the reads from the socket found it."""
    failure: str = ""

    def endpoint(self, tls: TlsMode = TlsMode.NONE, fingerprint: str | None = None) -> Endpoint:
        insecure = tls is TlsMode.NONE
        return Endpoint(self.host, self.port, tls, insecure, fingerprint=fingerprint)


@asynccontextmanager
async def scripted(
    *script: str | bytes | Step,
    tls: ssl.SSLContext | None = None,
    implicit: bool = False,
    host: str = "127.0.0.1",
) -> AsyncIterator[Server]:
    """A server for one connection. On leaving, the script must have been followed to its end, and
    the client must have sent nothing beyond it. If the script is empty, or is all ``SILENCE``, no
    connection need come about."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _follow(script, server, reader, writer, tls)
        except (OSError, asyncio.IncompleteReadError) as error:
            server.failure = server.failure or f"the client was gone too early: {error!r}"
        finally:
            writer.transport.abort()
            over.set()

    listener = await asyncio.start_server(
        serve, host, 0, ssl=tls if implicit else None, limit=1 << 20
    )
    server = Server(host, listener.sockets[0].getsockname()[1])
    try:
        yield server
        if any(step is not Step.SILENCE for step in script):
            await asyncio.wait_for(over.wait(), 10)
        assert not server.failure, server.failure
    finally:
        listener.close()
        await listener.wait_closed()


async def _follow(
    script: Script,
    server: Server,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    tls: ssl.SSLContext | None,
) -> None:
    pending = b""
    for step in script:
        if isinstance(step, bytes):
            writer.write(step)
        elif isinstance(step, str) or step is Step.ANYTHING:
            await writer.drain()
            while b"\n" not in pending:
                if not (octets := await reader.read(1 << 16)):
                    raise asyncio.IncompleteReadError(pending, None)
                server.reads.append(octets)
                pending += octets
            line, _, pending = pending.partition(b"\n")
            if isinstance(step, str) and line + b"\n" != step.encode() + b"\r\n":
                server.failure = f"expected {step!r}, got {line!r}"
                return
        elif step is Step.TLS:
            assert tls
            await writer.drain()
            await writer.start_tls(tls)
        elif step is Step.HANG_UP:
            await writer.drain()
            writer.close()
            return
        elif step is Step.SILENCE:
            await writer.drain()
            await _rest(reader)
            return
    await writer.drain()
    if pending or (pending := await _rest(reader)):
        server.failure = f"the client sent more than the script has: {pending!r}"


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except OSError:  # it hung up
        return b""


def feeding(conversation: Conversation, octets: bytes) -> Iterator[Event]:
    """Give ``octets`` to the core as one read, or as several where its room is too small."""
    while octets:
        room = conversation.room()
        now, octets = octets[: len(room)], octets[len(room) :]
        room[: len(now)] = now
        conversation.filled(len(now))
        yield from conversation.events()


def feed(conversation: Conversation, octets: bytes) -> list[Event]:
    """The same, all events at once."""
    return list(feeding(conversation, octets))


def logged_in(spool_bytes: int = SPOOL_BYTES) -> Conversation:
    """A core that is in the TRANSACTION state."""
    conversation = Conversation(spool_bytes)
    feed(conversation, b"+OK ready\r\n")
    conversation.send([c.command(c.PASS, b"secret")])
    feed(conversation, b"+OK\r\n")
    conversation.outgoing()
    return conversation


def stuffed(octets: bytes) -> bytes:
    """The reference: ``octets`` as the body of a multi-line reply, line by line.

    What does not end with a line end gets one, as all servers do.
    """
    lines = octets.split(b"\r\n")
    if lines[-1] == b"":
        lines.pop()
    wire = b"".join((b"." if x.startswith(b".") else b"") + x + b"\r\n" for x in lines)
    return wire + b".\r\n"


def as_sent(octets: bytes) -> bytes:
    """What a client must make of ``stuffed(octets)``."""
    return octets if octets.endswith(b"\r\n") or not octets else octets + b"\r\n"


class Kept(LargeSink):
    """A large message on its way."""

    def __init__(self, sink: "Collector", number: int) -> None:
        self._sink = sink
        self._number = number
        self.octets = bytearray()

    def write(self, octets: bytes) -> None:
        assert octets
        self.octets += octets

    def close(self) -> None:
        self._sink.large.append(self._number)
        self._sink.messages.append((self._number, bytes(self.octets)))

    def abort(self) -> None:
        self._sink.aborted.append(self._number)


class Collector:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.messages: list[tuple[int, bytes]] = []
        self.large: list[int] = []
        self.aborted: list[int] = []
        self.refusals: list[tuple[int, Reply]] = []

    def message(self, number: int, octets: bytes) -> None:
        self.messages.append((number, octets))

    def begin(self, number: int) -> LargeSink:
        return Kept(self, number)

    def refused(self, number: int, reply: Reply) -> None:
        self.refusals.append((number, reply))

    def full(self) -> bool:
        return False

    async def room(self) -> None:
        raise AssertionError("never full")


def cuts(octets: bytes, positions: Iterable[int]) -> list[bytes]:
    """``octets`` in pieces, cut at ``positions``."""
    ends = sorted({p % (len(octets) + 1) for p in positions} | {0, len(octets)})
    return [octets[a:b] for a, b in itertools.pairwise(ends)]
