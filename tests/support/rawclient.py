"""A POP3 client that adds nothing of its own: sends lines as given, reads octets as they come.

It is here to test servers, so it shares no code with them nor with ``poparchive.pop3``.
"""

import socket
import ssl
from types import TracebackType
from typing import Self

TIMEOUT_S = 20
"""Only a test that fails waits so long."""


class RawClient:
    def __init__(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        self._host = host
        self._socket = socket.create_connection((host, port), TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._secured = False
        if tls:
            self.secure(tls)
        else:
            self._file = self._socket.makefile("rb")
        self.greeting = self.line()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self._socket.close()

    def secure(self, tls: ssl.SSLContext) -> None:
        self._socket = tls.wrap_socket(self._socket, server_hostname=self._host)
        self._file = self._socket.makefile("rb")

    def send(self, octets: bytes) -> None:
        self._socket.sendall(octets)

    def line(self) -> bytes:
        """The next line with its end; empty if the server has closed the connection."""
        return self._file.readline()

    def body(self) -> bytes:
        """A multi-line reply after its status line, dots undone, without the final dot."""
        lines: list[bytes] = []
        at_start = True
        while True:
            line = self.line()
            if not line:
                raise EOFError(f"the server hung up after {len(b''.join(lines))} octets")
            if at_start and line == b".\r\n":
                return b"".join(lines)
            lines.append(line[1:] if at_start and line.startswith(b".") else line)
            at_start = line.endswith(b"\r\n")

    def rest(self) -> bytes:
        """Everything until the server closes the connection."""
        return self._file.read()

    def ask(self, command: str) -> str:
        """A command's status line, without its end."""
        self.send(command.encode() + b"\r\n")
        return self.line().decode().removesuffix("\r\n")

    def ask_body(self, command: str) -> bytes:
        """The body of a reply that must be positive."""
        status = self.ask(command)
        if not status.startswith("+OK"):
            raise AssertionError(f"{command}: {status}")
        return self.body()

    def log_in(self, user: str, password: str) -> None:
        for command in (f"USER {user}", f"PASS {password}"):
            status = self.ask(command)
            if not status.startswith("+OK"):
                raise AssertionError(status)
