"""``probe.py HOST PORT``: wait until a POP3 server greets, print the seconds an answer takes.

A script of its own, because it has to run at one or the other end of a line.
"""

import socket
import statistics
import sys
import time

START_S = 20
PROBES = 20


def greeted(host: str, port: int) -> socket.socket:
    end = time.monotonic() + START_S
    while True:
        try:
            sock = socket.create_connection((host, port), timeout=START_S)
            if sock.recv(4096).startswith(b"+OK"):
                return sock
        except OSError as error:
            if time.monotonic() > end:
                raise SystemExit(f"no greeting: {error}") from error
            time.sleep(0.05)


def answer_s(host: str, port: int) -> float:
    """The median time for a command before the login."""
    taken = []
    with greeted(host, port) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(PROBES):
            began = time.perf_counter()
            sock.sendall(b"CAPA\r\n")
            answer = b""
            while not answer.endswith(b".\r\n"):
                answer += sock.recv(4096)
            taken.append(time.perf_counter() - began)
        sock.sendall(b"QUIT\r\n")
        sock.recv(4096)
    return statistics.median(taken)


if __name__ == "__main__":
    print(answer_s(sys.argv[1], int(sys.argv[2])))
