"""The octets between the demo server and one client: lines in, replies out.

Replies are gathered while there are more lines to read, so that a pipelining client gets them in
large writes. How a connection ends, and after how many octets, is the behaviour's to say.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import Iterable

from poparchive.demo.behaviour import Behaviour, Leave
from poparchive.demo.mailbox import wire

LINE_BYTES = 64 * 1024
"""A client that sends this much without a line end is no POP3 client; SASL tokens stay below."""
READ_BYTES = 64 * 1024
FLUSH_BYTES = 256 * 1024
"""Replies are sent when so much has gathered, even if there are more commands to answer."""


class HangUp(Exception):  # noqa: N818 -- an end, not a failure
    """The conversation is over; what has been gathered is still sent."""


class Connection:
    """One client's."""

    def __init__(
        self, behaviour: Behaviour, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.budget = behaviour.hang_up_after_bytes
        """So many octets are still sent before the connection ends; None: as many as there are."""
        self._leave = behaviour.leave
        self._reader = reader
        self._writer = writer
        self._received = bytearray()
        self._replies = bytearray()

    @property
    def tls(self) -> ssl.SSLObject | None:
        """None in the clear."""
        found: ssl.SSLObject | None = self._writer.get_extra_info("ssl_object")
        return found

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """What has been gathered is sent in the clear; what has come so far is dropped."""
        await self.flush()
        # Octets that came before the handshake may be anybody's (RFC 2595 section 5).
        self.drop()
        await self._writer.start_tls(context)

    async def line(self) -> bytes:
        """The next line without its end. Sends what has gathered when it has to wait."""
        received = self._received
        while (end := received.find(b"\n")) < 0:
            if len(received) > LINE_BYTES:
                self.send(b"-ERR line too long\r\n")
                raise HangUp
            await self.flush()
            data = await self._reader.read(READ_BYTES)
            if not data:
                raise HangUp
            received += data
        line = bytes(received[:end])
        del received[: end + 1]
        return line.removesuffix(b"\r")

    def drop(self) -> None:
        """Throw away what has come and was not read."""
        self._received.clear()

    def send(self, octets: bytes) -> None:
        """Gather ``octets``; ``HangUp`` at the one with which the budget is spent."""
        if self.budget is not None:
            if len(octets) >= self.budget:
                self._replies += octets[: self.budget]
                self.budget = 0
                raise HangUp
            self.budget -= len(octets)
        self._replies += octets

    async def send_body(self, chunks: Iterable[bytes]) -> None:
        """What follows the status line of a multi-line reply, with dots stuffed and the last one."""
        for piece in wire(chunks):
            self.send(piece)
            if len(self._replies) >= FLUSH_BYTES:
                await self.flush()

    async def flush(self) -> None:
        if self._replies:
            self._writer.write(bytes(self._replies))
            self._replies.clear()
            await self._writer.drain()

    async def leave(self) -> None:
        """Send what has gathered and end the connection, as the behaviour has it."""
        writer = self._writer
        writer.write(self._replies)
        if self._leave is Leave.CLOSE:
            writer.close()
            return
        await writer.drain()
        if self._leave is Leave.RESET:
            at_once = struct.pack("ii", 1, 0)  # do not linger: what TCP does then is a reset
            connection: socket.socket = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        writer.transport.abort()
