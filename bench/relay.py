"""``relay.py PORT DELAY_S [LISTENER]``: relays TCP connections to a port of this machine, later.

``LISTENER`` is the descriptor of a socket that listens already, perhaps in another network
namespace. Prints the port it listens on, and ends when its standard input does. Each direction is delayed;
bandwidth is not limited and nothing is lost. A connection to the relay is there at once, where a
real one takes a round trip and the server hears of it half a round trip later: the relay waits as
long before it connects on, so that the greeting arrives two round trips after the connect began,
as it would.
"""

import asyncio
import signal
import socket
import sys

HOST = "127.0.0.1"

EVENT_LOOP_LATENESS_S = 0.0005
"""The event loop's waits end up to a millisecond late; half of it is taken off each wait."""


class Direction(asyncio.Protocol):
    """One end of one relayed connection; what arrives here leaves at the other end, later."""

    def __init__(self, delay_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._delay_s = max(0.0, delay_s - EVENT_LOOP_LATENESS_S)
        self._transport: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self.other: Direction | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        for octets in self._early:
            transport.write(octets)
        self._early.clear()

    def data_received(self, octets: bytes) -> None:
        assert self.other
        if self._delay_s:
            self._loop.call_later(self._delay_s, self.other.send, octets)
        else:
            self.other.send(octets)

    def eof_received(self) -> bool:
        assert self.other
        self._loop.call_later(self._delay_s, self.other.send_end)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other:
            self._loop.call_later(self._delay_s, self.other.close)

    def pause_writing(self) -> None:
        if self.other and self.other._transport:
            self.other._transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other and self.other._transport and not self.other._transport.is_closing():
            self.other._transport.resume_reading()

    def send(self, octets: bytes) -> None:
        if self._transport:
            self._transport.write(octets)
        else:
            self._early.append(octets)

    def send_end(self) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write_eof()

    def close(self) -> None:
        if self._transport:
            self._transport.close()


async def relay(target_port: int, delay_s: float, listener: socket.socket) -> None:
    """Relay connections until the standard input ends."""
    loop = asyncio.get_running_loop()
    connecting: set[asyncio.Task[None]] = set()

    async def connect_on(near: Direction, far: Direction) -> None:
        await asyncio.sleep(max(0.0, 3 * delay_s - EVENT_LOOP_LATENESS_S))
        try:
            await loop.create_connection(lambda: far, HOST, target_port)
        except OSError:
            near.close()

    def accept() -> Direction:
        near, far = Direction(delay_s), Direction(delay_s)
        near.other, far.other = far, near
        task = loop.create_task(connect_on(near, far))
        connecting.add(task)
        task.add_done_callback(connecting.discard)
        return near

    server = await loop.create_server(accept, sock=listener, backlog=1024)
    stop = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), stop.set)
    print(listener.getsockname()[1], flush=True)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    # An interrupt at the terminal is for the bench, which then closes the standard input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    given = [socket.socket(fileno=int(number)) for number in sys.argv[3:]]
    own = given[0] if given else socket.create_server((HOST, 0))
    asyncio.run(relay(int(sys.argv[1]), float(sys.argv[2]), own))
