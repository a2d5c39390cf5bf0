"""A line with a long round trip between contestants and server, without leaving the machine.

Two kinds. Where this is root on Linux: two network namespaces with a delayed TUN device in each,
which leaves TCP as it is, slow start and all. Elsewhere: a relay on loopback, which makes up for
the handshake and has no slow start: bulk data is faster than on a real line, for all alike.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from bench.measure import BenchError, Command, text_of
from bench.servers import Endpoint
from bench.tunnel import FAR_ADDRESS

ROUND_TRIP_S = 0.050
STOP_S = 20
HERE = Path(__file__).parent


class Line(Protocol):
    """How contestants reach a server over a long round trip."""

    kind: str

    def reach(self, endpoint: Endpoint) -> Endpoint:
        """Where contestants find a server of this machine."""

    def client(self, command: Command) -> Command:
        """The command, run at the contestants' end of the line."""


@dataclass
class Tunnel:
    """The line is between two namespaces; at its far end a relay without delay hands on."""

    processes: list[subprocess.Popen[str]]
    near: str
    far: str
    kind: str = "TUN devices between network namespaces"

    def reach(self, endpoint: Endpoint) -> Endpoint:
        with listener_in(self.far, FAR_ADDRESS) as listener:
            process, port = started("relay.py", str(endpoint.port), "0", listener=listener)
        self.processes.append(process)
        return replace(endpoint, host=FAR_ADDRESS, port=int(port))

    def client(self, command: Command) -> Command:
        inside = ["ip", "netns", "exec", self.near, *command.full_argv()]
        return replace(command, argv=inside, user=None)


@dataclass
class Relay:
    processes: list[subprocess.Popen[str]]
    length_s: float
    kind: str = "a relay on loopback"

    def reach(self, endpoint: Endpoint) -> Endpoint:
        process, port = started("relay.py", str(endpoint.port), str(self.length_s / 2))
        self.processes.append(process)
        return replace(endpoint, port=int(port))

    def client(self, command: Command) -> Command:
        return command


LISTEN_AND_HAND_OVER = """
import socket, sys
listener = socket.create_server((sys.argv[1], 0))
socket.send_fds(socket.socket(fileno=int(sys.argv[2])), [b"!"], [listener.fileno()])
"""


def listener_in(namespace: str, address: str) -> socket.socket:
    """A socket that listens in the namespace, though this process is in another one."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        python = [sys.executable, "-I", "-c", LISTEN_AND_HAND_OVER]
        subprocess.run(
            ["ip", "netns", "exec", namespace, *python, address, str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            check=True,
        )
        _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
    return socket.socket(fileno=descriptors[0])


def started(
    script: str, *arguments: str, listener: socket.socket | None = None
) -> tuple[subprocess.Popen[str], str]:
    """The running script and the line by which it says that it is ready (empty: it failed)."""
    descriptors = [listener.fileno()] if listener else []
    process = subprocess.Popen(
        [sys.executable, HERE / script, *arguments, *map(str, descriptors)],
        pass_fds=descriptors,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},
    )
    assert process.stdout
    return process, process.stdout.readline().strip()


def stop(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.close()
    process.wait(STOP_S)


@contextmanager
def line(length_s: float = ROUND_TRIP_S) -> Iterator[Line]:
    """The best line of this round trip that can be had here."""
    processes: list[subprocess.Popen[str]] = []
    try:
        tunnel = None
        if os.geteuid() == 0 and Path("/dev/net/tun").exists() and shutil.which("ip"):
            near, far = f"bench{os.getpid()}a", f"bench{os.getpid()}b"
            process, ready = started("tunnel.py", near, far, str(length_s / 2))
            processes.append(process)
            if ready and enters(near):
                tunnel = Tunnel(processes, near, far)
        yield tunnel or Relay(processes, length_s)
    finally:
        for process in reversed(processes):
            stop(process)


def enters(namespace: str) -> bool:
    try:
        text_of(Command(["ip", "netns", "exec", namespace, "true"]))
    except BenchError:
        return False
    return True


def round_trip_s(over: Line, endpoint: Endpoint) -> float:
    """The median time that a contestant waits for an answer."""
    probe: list[str | Path] = [sys.executable, HERE / "probe.py", endpoint.host, str(endpoint.port)]
    return float(text_of(over.client(Command(probe))))
