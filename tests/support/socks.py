"""A SOCKS5 proxy on loopback (RFC 1928, and names and passwords of RFC 1929)."""

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from socket import inet_ntoa

from poparchive.pop3 import Proxy

NO_METHOD = 0xFF
REFUSED = 0x05


@dataclass
class Socks5:
    """What ``socks5`` gives: where it is, whom it knows, what it was asked."""

    proxy: Proxy
    hosts: Mapping[str, str]
    asked: list[tuple[str, int]] = field(default_factory=list)
    """Hosts and ports, as the client named them."""
    users: list[tuple[str, str]] = field(default_factory=list)
    """Names and passwords."""


@asynccontextmanager
async def socks5(
    hosts: Mapping[str, str], *, wants_user: bool = False, user: str = ""
) -> AsyncIterator[Socks5]:
    """A proxy that knows these hosts, each with its address, and refuses all others."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        try:
            await _serve(server, wants_user, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # one of both sides is gone
        finally:
            writer.transport.abort()
            tasks.discard(task)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    server = Socks5(Proxy("127.0.0.1", listener.sockets[0].getsockname()[1], user), hosts)
    try:
        yield server
    finally:
        listener.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listener.wait_closed()


async def _serve(
    server: Socks5, wants_user: bool, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    _, methods = await reader.readexactly(2)
    method = 2 if wants_user else 0
    if method not in await reader.readexactly(methods):
        writer.write(bytes([5, NO_METHOD]))
        await writer.drain()
        return
    writer.write(bytes([5, method]))
    if wants_user:
        await reader.readexactly(1)
        name, password = [(await _counted(reader)).decode() for _ in range(2)]
        server.users.append((name, password))
        writer.write(b"\1\0")
    *_, kind = await reader.readexactly(4)
    named = kind == 3
    host = (await _counted(reader)).decode() if named else inet_ntoa(await reader.readexactly(4))
    (port,) = struct.unpack("!H", await reader.readexactly(2))
    server.asked.append((host, port))
    nowhere = b"\1\0\0\0\0\0\0"
    if host not in server.hosts:
        writer.write(bytes([5, REFUSED, 0]) + nowhere)
        await writer.drain()
        return
    there, back = await asyncio.open_connection(server.hosts[host], port)
    writer.write(b"\5\0\0" + nowhere)
    await asyncio.gather(_copy(reader, back), _copy(there, writer))


async def _counted(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly((await reader.readexactly(1))[0])


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while octets := await reader.read(1 << 16):
            writer.write(octets)
            await writer.drain()
    finally:
        writer.close()
