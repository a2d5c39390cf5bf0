"""What goes out when, and what becomes of a message that may have been cut."""

import pytest

from poparchive.pop3 import ProtocolError, Reply, TooLargeError
from poparchive.pop3 import commands as c
from poparchive.pop3 import pipeline as pipeline_module
from poparchive.pop3.commands import command
from poparchive.pop3.pipeline import ONE_AT_A_TIME, Pipeline, Questions, Refusals, Retrieval, Window
from poparchive.pop3.protocol import Conversation
from tests.support.conversation import Collector, feed, feeding, logged_in

NOOP = command(c.NOOP)


def numbers(commands: list[c.Command]) -> list[int]:
    return [command.number for command in commands]


def test_the_window_is_filled_in_large_steps() -> None:
    """Full at first; again when a fifth of it was answered, not before."""
    pipeline = Pipeline((c.retr(n, 1) for n in range(1, 100)), Window(commands=10, octets=10**6))
    assert numbers(pipeline.more(0, 0)) == list(range(1, 11))
    assert pipeline.more(10, 10) == pipeline.more(9, 9) == []
    assert numbers(pipeline.more(8, 8)) == [11, 12]
    assert numbers(pipeline.more(0, 0)) == list(range(13, 23))


def test_the_window_has_octets() -> None:
    """The sizes that LIST gave bound it too; a message over the bound goes alone."""
    sizes = [60, 30, 30, 500, 5]
    pipeline = Pipeline([c.retr(n, size) for n, size in enumerate(sizes, 1)], Window(10, 100))
    assert numbers(pipeline.more(0, 0)) == [1, 2]
    assert pipeline.more(2, 90) == []
    assert numbers(pipeline.more(1, 30)) == [3]
    assert pipeline.more(1, 30) == []
    assert numbers(pipeline.more(0, 0)) == [4]
    assert numbers(pipeline.more(0, 0)) == [5]
    assert pipeline.exhausted


def test_one_at_a_time() -> None:
    """For servers that do not pipeline: a command goes out when nothing is unanswered."""
    pipeline = Pipeline([NOOP, NOOP], ONE_AT_A_TIME)
    assert pipeline.more(0, 0) == [NOOP]
    assert pipeline.more(1, 0) == []
    assert pipeline.more(0, 0) == [NOOP]
    assert pipeline.more(0, 0) == []


def retrieve(
    octets: bytes, spool: int, *, last: bool = True, size: int = 3
) -> tuple[Collector, Retrieval, bool]:
    """Feed ``octets`` in answer to two RETR and a NOOP; the last says whether still in step."""
    conversation, sink = logged_in(spool), Collector()
    retrieval = Retrieval(sink)
    conversation.send([c.retr(1, 3), c.retr(2, size)])
    if last:
        conversation.send([NOOP])
    try:
        for event in feeding(conversation, octets):
            retrieval.take(event)
    except ProtocolError:
        retrieval.cut(in_step=False)
        return sink, retrieval, False
    return sink, retrieval, conversation.in_step


@pytest.mark.parametrize("spool", [1000, 0])
class TestProof:
    """A message counts only when what follows it proves that it ended there. Whole and large."""

    def test_a_reply_proves(self, spool: int) -> None:
        """Any status line behind a message proves it, +OK or -ERR."""
        sink, _, _ = retrieve(b"+OK\r\na\r\n.\r\n-ERR no\r\n+OK\r\n", spool)
        assert sink.messages == [(1, b"a\r\n")]
        assert sink.refusals == [(2, Reply(False, b"no"))]
        assert not sink.aborted

    def test_garbage_disproves(self, spool: int) -> None:
        """A message with text behind it was cut by a dot that was not stuffed: not handed on."""
        sink, _, _ = retrieve(b"+OK\r\na\r\n.\r\n+OK\r\nb\r\n.\r\nrest of b\r\n.\r\n", spool)
        assert sink.messages == [(1, b"a\r\n")]
        assert sink.aborted == ([] if spool else [2])

    def test_the_last_message(self, spool: int) -> None:
        """Nothing behind it yet: it waits. If the connection then ends, it is taken as whole."""
        octets = b"+OK\r\na\r\n.\r\n+OK\r\nb\r\n.\r\n"
        sink, retrieval, in_step = retrieve(octets, spool)
        assert sink.messages == [(1, b"a\r\n")]
        assert in_step
        retrieval.cut(in_step=in_step)
        assert sink.messages == [(1, b"a\r\n"), (2, b"b\r\n")]
        assert not sink.aborted

    @pytest.mark.parametrize("size", [0, 4])
    def test_a_last_message_that_is_too_short(self, spool: int, size: int) -> None:
        """If LIST promised more, or nothing, it is not taken as whole: its rest may never have been sent."""
        octets = b"+OK\r\na\r\n.\r\n+OK\r\nb\r\n.\r\n"
        sink, retrieval, in_step = retrieve(octets, spool, size=size)
        retrieval.cut(in_step=in_step)
        assert sink.messages == [(1, b"a\r\n")]
        assert sink.aborted == ([] if spool else [2])

    def test_half_a_line_behind_it(self, spool: int) -> None:
        """If the connection ends after a piece of something, the message is not proved."""
        octets = b"+OK\r\na\r\n.\r\n+OK\r\nb\r\n.\r\nres"
        sink, retrieval, in_step = retrieve(octets, spool)
        assert not in_step
        retrieval.cut(in_step=in_step)
        assert sink.messages == [(1, b"a\r\n")]
        assert sink.aborted == ([] if spool else [2])

    def test_half_a_message(self, spool: int) -> None:
        """If the connection ends inside a message, that one is forgotten and the one before kept."""
        octets = b"+OK\r\na\r\n.\r\n+OK\r\nhalf of b\r\n"
        sink, retrieval, in_step = retrieve(octets, spool)
        retrieval.cut(in_step=in_step, begun=True)
        assert sink.messages == [(1, b"a\r\n")]
        assert sink.aborted == ([] if spool else [2])


def test_questions() -> None:
    """Answers by command: lines, refusals, bodies, whole or in pieces."""
    for spool in (1000, 0):
        conversation, questions = logged_in(spool), Questions()
        conversation.send([command(c.CAPA), command(c.STAT), c.top(1, 0)])
        for event in feed(conversation, b"+OK\r\nTOP\r\n.\r\n+OK 1 2\r\n-ERR no\r\n"):
            questions.take(event)
        assert questions.bodies == {c.CAPA: b"TOP\r\n"}
        assert questions.replies == {c.STAT: Reply(True, b"1 2"), c.TOP: Reply(False, b"no")}
        assert [str(refusal.command) for refusal in questions.refusals] == ["TOP 1"]


def test_what_is_held_in_memory_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply that is to be held and does not end is an error."""
    monkeypatch.setattr(pipeline_module, "COLLECTED_MAX_BYTES", 10)
    conversation, questions = logged_in(), Questions()
    conversation.send([c.top(1, 0)])
    (event,) = feed(conversation, b"+OK\r\n12345678901\r\n.\r\n")
    with pytest.raises(ProtocolError, match="TOP 1 was answered with more than 10 octets"):
        questions.take(event)


def test_refusals() -> None:
    """Only the numbers that were refused are kept."""
    conversation, refusals = logged_in(), Refusals()
    conversation.send(map(c.dele, (3, 4, 5)))
    for event in feed(conversation, b"+OK\r\n-ERR\r\n+OK\r\n"):
        refusals.take(event)
    assert refusals.numbers == [4]


def take_all(retrieval: Retrieval, conversation: Conversation, *pieces: bytes) -> None:
    for piece in pieces:
        for event in feeding(conversation, piece):
            retrieval.take(event)


@pytest.mark.parametrize("spool", [10_000, 20], ids=["whole", "pieces"])
@pytest.mark.parametrize("behind", [b"+OK next\r\n", b"-ERR gone\r\n+OK\r\n"])
def test_a_reply_that_runs_into_a_message(spool: int, behind: bytes) -> None:
    """A message without a last line end swallows what follows; that shows where LIST said it ends."""
    raw = b"Subject: x\r\n\r\n" + b"y" * 60
    wire = b"+OK\r\n" + raw + b".\r\n" + behind + b"Subject: z\r\n.\r\n"
    for cut in range(len(wire)):
        conversation, sink = logged_in(spool), Collector()
        retrieval = Retrieval(sink)
        conversation.send([c.retr(1, len(raw)), NOOP])
        with pytest.raises(ProtocolError, match="message 1 has no line end at its end"):
            take_all(retrieval, conversation, wire[:cut], wire[cut:])
        retrieval.cut(in_step=False)
        assert not sink.messages


def test_what_looks_like_a_reply_in_a_message() -> None:
    """Where LIST says something else, or nothing, it is the message's own."""
    raw = b"y.\r\n+OK next\r\n"
    for size in (0, len(raw), len(raw) - 2, 3):
        conversation, sink = logged_in(), Collector()
        retrieval = Retrieval(sink)
        conversation.send([c.retr(1, size), NOOP])
        take_all(retrieval, conversation, b"+OK\r\n" + raw + b".\r\n+OK\r\n")
        assert sink.messages == [(1, raw)]


@pytest.mark.parametrize("spool", [10_000, 20], ids=["whole", "pieces"])
def test_a_message_that_is_too_large(spool: int) -> None:
    """It is given up as soon as it is; one that is just as large as allowed is not."""
    for size, large in ((100, False), (101, True)):
        conversation, sink = logged_in(spool), Collector()
        retrieval = Retrieval(sink, limit_bytes=100)
        conversation.send([c.retr(1, 7), NOOP])
        octets = b"+OK\r\n" + b"y" * (size - 2) + b"\r\n.\r\n+OK\r\n"
        if large:
            with pytest.raises(TooLargeError, match=r"message 1 is larger .* LIST gives it 7"):
                take_all(retrieval, conversation, octets)
            retrieval.cut(in_step=False)
        else:
            take_all(retrieval, conversation, octets)
        assert len(sink.messages) == (not large)
