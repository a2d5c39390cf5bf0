"""How fast the POP3 core takes messages in, by itself: no socket, no archive, one core."""

import statistics
import time

from bench.context import Context
from bench.mailbox import Plan, messages
from bench.measure import BenchError
from poparchive.pop3 import Reply
from poparchive.pop3 import commands as c
from poparchive.pop3.commands import command
from poparchive.pop3.pipeline import LargeSink, Retrieval
from poparchive.pop3.protocol import Conversation

MESSAGES = 20_000
MB_A_SECOND = 300.0
RUNS = 7
"""In one process, and short: so many that one disturbance does not decide."""
READ_OCTETS = 256 * 1024
"""What a read from a socket brings at the most, of a fast line."""


def parser(context: Context) -> None:
    """Ordinary mail through the parser: replies to RETR, un-stuffed and counted, as MB/s of CPU time."""
    mails = [raw for _, _, raw in messages(Plan(messages=context.scaled(MESSAGES)))]
    octets = sum(map(len, mails))
    bench = f"parser, {len(mails):,} messages, {octets / 1e6:,.0f} MB"
    wire = b"".join(b"+OK %d octets\r\n%b" % (len(raw), stuffed(raw)) for raw in mails)
    speeds = [octets / 1e6 / taken_s(mails, wire, octets) for _ in range(RUNS)]
    context.table.say(f"MB/s: {', '.join(f'{speed:.0f}' for speed in speeds)}")
    what = "poparchive's POP3 core"
    median = statistics.median(speeds)
    context.table.at_least(bench, what, median, MB_A_SECOND, " MB/s")
    context.table.plain(bench, f"{what}, messages", median * 1e6 * len(mails) / octets, " a second")


def stuffed(raw: bytes) -> bytes:
    """The message as a server sends it, the final dot included; it ends with CRLF."""
    return (b"\r\n" + raw).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"


def taken_s(mails: list[bytes], wire: bytes, octets: int) -> float:
    """CPU seconds of this thread for taking in the replies to as many RETR, and a NOOP behind them."""
    conversation, sink = logged_in(), Counter()
    retrieval = Retrieval(sink)
    coming = memoryview(wire + b"+OK\r\n")
    asked = [c.retr(number, len(raw)) for number, raw in enumerate(mails, 1)]
    began = time.thread_time()
    conversation.send(asked)
    conversation.send([command(c.NOOP)])
    conversation.outgoing()
    start = 0
    while start < len(coming):
        room = conversation.room()[:READ_OCTETS]
        read = coming[start : start + len(room)]
        room[: len(read)] = read
        conversation.filled(len(read))
        for event in conversation.events():
            retrieval.take(event)
        start += len(read)
    ended = time.thread_time()
    if sink.octets != octets or sink.messages != len(mails):
        raise BenchError(f"the parser made {sink.octets} octets of {octets}")
    return ended - began


def logged_in() -> Conversation:
    conversation = Conversation()
    for step in ((), (command(c.PASS, b"secret"),)):
        conversation.send(step)
        conversation.room()[:5] = b"+OK\r\n"
        conversation.filled(5)
        list(conversation.events())
    conversation.outgoing()
    return conversation


class Counter(LargeSink):
    """A sink that only counts; also for large messages, one at a time."""

    def __init__(self) -> None:
        self.messages = 0
        self.octets = 0

    def message(self, number: int, octets: bytes) -> None:
        self.messages += 1
        self.octets += len(octets)

    def begin(self, number: int) -> LargeSink:
        self.messages += 1
        return self

    def write(self, octets: bytes) -> None:
        self.octets += len(octets)

    def close(self) -> None:
        return

    def abort(self) -> None:
        raise BenchError("a message was cut short")

    def refused(self, number: int, reply: Reply) -> None:
        raise BenchError(f"message {number} was refused: {reply}")

    def full(self) -> bool:
        return False

    async def room(self) -> None:
        return
