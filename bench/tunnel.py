"""``tunnel.py NEAR FAR DELAY_S``: two network namespaces with a long line between them.

Makes the namespaces and a TUN device in each, carries the IP packets between the two, each later
by the delay, in order, none lost, and prints "ready". Unlike a relay this leaves TCP as it is: its
handshake, its slow start, its windows. Ends when its standard input does, and takes the namespaces
away. The machine's own network is not touched. Linux and root only.
"""

import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections import deque

TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000
PACKET_OCTETS = 65_535
BURST = 64
"""Packets read from one device before the other is looked at again."""

# TEST-NET-1 (RFC 5737): it cannot be anybody's address.
NEAR_ADDRESS, FAR_ADDRESS, PREFIX_BITS = "192.0.2.1", "192.0.2.2", 30


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def device(namespace: str, address: str) -> int:
    """A TUN device with this address in a new namespace; its descriptor gives and takes packets."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    name = f"tun{namespace[-12:]}"
    request = struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI)
    fcntl.ioctl(descriptor, TUNSETIFF, request)
    ip("link", "set", name, "netns", namespace)
    inside = ("-n", namespace)
    ip(*inside, "link", "set", "lo", "up")
    ip(*inside, "address", "add", f"{address}/{PREFIX_BITS}", "dev", name)
    # A short queue would lose packets whenever this process has to wait for a processor.
    ip(*inside, "link", "set", name, "txqueuelen", "20000", "up")
    return descriptor


def carry(devices: tuple[int, int], delay_s: float) -> None:
    """Carry packets between the devices until the standard input ends."""
    under_way: tuple[deque[tuple[float, bytes]], ...] = (deque(), deque())
    stop = sys.stdin.fileno()
    while True:
        now = time.monotonic()
        wait_s = None
        for queue, target in zip(under_way, reversed(devices), strict=True):
            while queue and queue[0][0] <= now:
                os.write(target, queue.popleft()[1])
            if queue:
                left_s = queue[0][0] - now
                wait_s = left_s if wait_s is None else min(wait_s, left_s)
        # select counts in microseconds where epoll counts in milliseconds.
        readable, _, _ = select.select([stop, *devices], [], [], wait_s)
        if stop in readable:
            return
        for queue, source in zip(under_way, devices, strict=True):
            if source in readable:
                receive(source, queue, delay_s)


def receive(source: int, queue: deque[tuple[float, bytes]], delay_s: float) -> None:
    for _ in range(BURST):
        try:
            packet = os.read(source, PACKET_OCTETS)
        except BlockingIOError:
            return
        queue.append((time.monotonic() + delay_s, packet))


def main() -> None:
    near, far, delay_s = sys.argv[1], sys.argv[2], float(sys.argv[3])
    # An interrupt at the terminal is for the bench, which then closes the standard input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        ip("netns", "add", near)
        ip("netns", "add", far)
        devices = device(near, NEAR_ADDRESS), device(far, FAR_ADDRESS)
        print("ready", flush=True)
        carry(devices, delay_s)
    finally:
        for namespace in (near, far):
            subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, check=False)


if __name__ == "__main__":
    main()
