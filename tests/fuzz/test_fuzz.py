"""The core against servers made of any octets: only our own errors, right messages, linear work."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poparchive.pop3 import buffer as buffer_module
from poparchive.pop3 import commands as c
from poparchive.pop3.pipeline import Retrieval
from tests.fuzz.fuzz_pop3 import MISSING
from tests.fuzz.target import converse
from tests.support.conversation import Collector, as_sent, cuts, feeding, logged_in, stuffed

ROOT = Path(__file__).parents[2]

# What takes a conversation further, so that the later states are met, and what disturbs it.
GOOD = [
    b"+OK\r\n",
    b"+OK hi <1@x>\r\n",
    b"+OK\r\nPIPELINING\r\nUIDL\r\n.\r\n",
    b"+OK 2 300\r\n",
    b"+OK\r\n1 100\r\n2 200\r\n.\r\n",
    b"+OK\r\n1 a\r\n2 b\r\n.\r\n",
    b"+OK\r\nSubject: x\r\n\r\n..y\r\n.\r\n",
    b"-ERR [IN-USE] no\r\n",
]
ODD = [b"\r\n", b".\r\n", b"\r", b"\n", b".", b"+", b"+ \r\n", b"1 ", b"\0", b"\xef\xbb\xbf", b" "]
PLAUSIBLE = st.lists(st.sampled_from(GOOD + ODD) | st.binary(max_size=8), max_size=25)
RIGHT = [GOOD[0], GOOD[2] + GOOD[0], GOOD[0], GOOD[3] + GOOD[4] + GOOD[5]]
"""Until two messages are asked for."""


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    begun=st.integers(0, len(RIGHT)),
    rest=st.lists(PLAUSIBLE.map(b"".join) | st.binary(max_size=300), min_size=1, max_size=3),
    pieces=st.lists(st.integers(1, 40), max_size=5),
    spool=st.sampled_from([0, 10, 100, 10_000]),
)
def test_any_server(begun: int, rest: list[bytes], pieces: list[int], spool: int) -> None:
    """However far a server was right, what it then sends is understood or refused with our own error."""
    converse([*RIGHT[:begun], *rest], pieces, spool)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    first=st.binary(max_size=200),
    second=st.binary(max_size=200),
    pieces=st.lists(st.integers(1, 40), max_size=5),
    spool=st.sampled_from([0, 10, 100, 10_000]),
)
def test_good_input_round_trips(first: bytes, second: bytes, pieces: list[int], spool: int) -> None:
    """A right server's messages come out as they were meant, through the whole conversation."""
    replies = [b"+OK\r\n" + stuffed(message) for message in (first, second)]
    says = [*RIGHT, b"".join(replies) + b"+OK\r\n", b"+OK\r\n" * 2, b"+OK\r\n"]
    sink = converse(says, pieces, spool)
    assert sink.messages == [(1, as_sent(first)), (2, as_sent(second))]


WORK = 20
"""So often an octet is looked at or moved, at the most: three times when reads are large."""


class Counting(bytearray):
    """A bytearray that counts what is looked at and what is moved."""

    work = 0

    def find(self, *arguments: Any) -> int:
        found = super().find(*arguments)
        _, start, end = arguments
        Counting.work += (end if found < 0 else found) - start
        return found

    def __setitem__(self, place: Any, octets: Any) -> None:
        Counting.work += len(octets)
        super().__setitem__(place, octets)


def work(octets: bytes, piece: int, spool: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Octets that the buffer looks at and moves while it takes messages in pieces of that length."""
    monkeypatch.setattr(buffer_module, "bytearray", Counting, raising=False)
    Counting.work = 0
    conversation = logged_in(spool)
    retrieval = Retrieval(Collector())
    conversation.send([c.retr(n, 0) for n in range(1, 1 + octets.count(b"+OK"))])
    for one in cuts(octets, range(0, len(octets), piece)):
        for event in feeding(conversation, one):
            retrieval.take(event)
    return Counting.work


BODIES = {
    "dots": b"..\r\n" * 10_000,
    "crs": b"\r" * 40_000,
    "crlfs": b"\r\n" * 20_000,
    "almost ends": b"\r\n..\r" * 8_000,
    "one line": b"x" * 40_000,
    "bare lf": b"\n.\n" * 13_000,
}


@pytest.mark.parametrize("spool", [1000, 10**6], ids=["pieces", "whole"])
@pytest.mark.parametrize("piece", [1, 3, 1000])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_work_is_linear(
    body: bytes, piece: int, spool: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every octet is looked at and moved a few times, however long the message and small the pieces."""
    octets = b"+OK\r\n" + body + b"\r\n.\r\n"
    assert work(octets, piece, spool, monkeypatch) < WORK * len(octets)


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_work_on_many_messages_is_linear(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many small replies cost no more than one large one."""
    octets = b"+OK\r\nSubject: x\r\n\r\nHello\r\n.\r\n" * 1500
    assert work(octets, piece, 10**6, monkeypatch) < WORK * len(octets)


def test_the_fuzzer_runs() -> None:
    """What ``make fuzz`` runs for longer runs, and finds nothing at once."""
    runs = [sys.executable, "-m", "tests.fuzz.fuzz_pop3", "-runs=500", "-max_len=400"]
    done = subprocess.run(runs, cwd=ROOT, capture_output=True, timeout=240)
    if importlib.util.find_spec("atheris") is None:
        assert done.returncode == MISSING
        pytest.skip("the package atheris is missing")
    assert done.returncode == 0, done.stderr.decode(errors="replace")
