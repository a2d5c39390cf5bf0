"""The least that a pull can take: ``rawpop.py HOST PORT ACCOUNTS WINDOW CONNECTIONS``.

Asks for every message of the accounts (a file of ``USER PASSWORD`` lines) with a deep pipeline,
counts the ends of messages in what arrives and throws it away. What it takes is the server's share
of every pull; nothing that keeps mail can be faster. It looks at nothing and trusts the server.
"""

import argparse
import selectors
import socket
from pathlib import Path

END = b"\r\n.\r\n"
RECEIVE_OCTETS = 1 << 18
STALL_S = 120
GREETING_LINES = 4
"""Greeting, and the answers to USER, PASS and STAT, which are sent without waiting."""


class Account:
    """One connection: logs in, keeps the window full, counts."""

    def __init__(self, host: str, port: int, user: str, password: str, window: int) -> None:
        self.user = user
        self.messages = self.asked = self.arrived = self.octets = 0
        self.finished = False
        self._window = window
        self._greeted = False
        self._leaving = False
        self._seen = self.last = b""
        self.unsent = f"USER {user}\r\nPASS {password}\r\nSTAT\r\n".encode()
        self.socket = socket.socket()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.socket.connect_ex((host, port))

    def send(self) -> None:
        try:
            sent = self.socket.send(self.unsent)
        except BlockingIOError:
            return
        self.unsent = self.unsent[sent:]

    def receive(self) -> None:
        octets = self.socket.recv(RECEIVE_OCTETS)
        self.last = octets[-80:]
        if self._leaving:
            self.socket.close()
            self.finished = True
            return
        if not octets:
            raise SystemExit(f"{self.user}: the server hung up at {self.arrived}/{self.messages}")
        if self._greeted:
            self._count(octets)
        else:
            self._greet(octets)

    def _greet(self, octets: bytes) -> None:
        self._seen += octets
        if self._seen.count(b"\n") < GREETING_LINES:
            return
        lines = self._seen.splitlines()
        if not all(line.startswith(b"+OK") for line in lines):
            raise SystemExit(f"{self.user}: {lines!r}")
        self.messages = int(lines[-1].split()[1])
        self._greeted = True
        self._seen = b""
        self._ask()

    def _count(self, octets: bytes) -> None:
        self.octets += len(octets)
        seen = self._seen + octets
        # Four octets are too few to hold an end, so none is counted twice.
        self._seen = seen[-4:]
        self.arrived += seen.count(END)
        self._ask()

    def _ask(self) -> None:
        if self.arrived == self.messages:
            self._leaving = True
            self.unsent += b"QUIT\r\n"
            return
        free = self._window - (self.asked - self.arrived)
        if free > self._window // 10 or self._window < 10:
            last = min(self.messages, self.asked + free)
            numbers = range(self.asked + 1, last + 1)
            self.unsent += b"".join(b"RETR %d\r\n" % number for number in numbers)
            self.asked = last


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("accounts", type=Path)
    parser.add_argument("window", type=int)
    parser.add_argument("connections", type=int)
    given = parser.parse_args()
    waiting = [line.split() for line in given.accounts.read_text().splitlines()]
    messages = octets = live = 0
    with selectors.DefaultSelector() as selector:
        while waiting or live:
            while waiting and live < given.connections:
                user, password = waiting.pop(0)
                account = Account(given.host, given.port, user, password, given.window)
                both = selectors.EVENT_READ | selectors.EVENT_WRITE
                selector.register(account.socket, both, account)
                live += 1
            ready = selector.select(STALL_S)
            if not ready:
                stalled = next(iter(selector.get_map().values())).data
                raise SystemExit(f"{stalled.user}: nothing for {STALL_S} s after {stalled.last!r}")
            for key, events in ready:
                account = key.data
                if events & selectors.EVENT_READ:
                    descriptor = key.fd
                    account.receive()
                    if account.finished:
                        selector.unregister(descriptor)
                        live -= 1
                        messages += account.messages
                        octets += account.octets
                        continue
                if account.unsent:
                    account.send()
                wanted = selectors.EVENT_READ
                if account.unsent:
                    wanted |= selectors.EVENT_WRITE
                selector.modify(account.socket, wanted, account)
    print(messages, octets)


if __name__ == "__main__":
    main()
