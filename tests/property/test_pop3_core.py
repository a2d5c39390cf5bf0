"""Properties of the POP3 core: any octets, cut anywhere, come out as they were meant."""

from hypothesis import given, settings
from hypothesis import strategies as st

from poparchive.model import Listed
from poparchive.pop3 import Pop3Error
from poparchive.pop3 import commands as c
from poparchive.pop3.pipeline import Pipeline, Retrieval, Window
from poparchive.pop3.replies import Sizes, Uidls, parse_reply, visible
from tests.support.conversation import Collector, as_sent, cuts, feed, logged_in, stuffed

# Made of what matters to the framing, so that boundaries are met all the time.
TRICKY = st.lists(
    st.sampled_from(
        [b"\r\n", b".", b"..", b"\r", b"\n", b"\r\n.", b"\r\n.\r", b"x", b"\0", b"\xff"]
    ),
    max_size=30,
).map(b"".join)
OCTETS = TRICKY | st.binary(max_size=60)


def wire(messages: list[bytes]) -> bytes:
    return b"".join(b"+OK here it is\r\n" + stuffed(m) for m in messages) + b"+OK\r\n"


@settings(max_examples=150, deadline=None)
@given(
    messages=st.lists(OCTETS, min_size=1, max_size=4),
    spool=st.integers(0, 80),
    positions=st.lists(st.integers(0, 10_000), max_size=30),
    everywhere=st.booleans(),
)
def test_octets_in_octets_out(
    messages: list[bytes], spool: int, positions: list[int], everywhere: bool
) -> None:
    """Whatever a message is, however it is cut and wherever it becomes a large one: exact octets."""
    conversation, sink = logged_in(spool), Collector()
    retrieval = Retrieval(sink)
    conversation.send([c.retr(n, 0) for n in range(1, len(messages) + 1)])
    conversation.send([c.command(c.NOOP)])
    octets = wire(messages)
    for piece in cuts(octets, range(len(octets)) if everywhere else positions):
        for event in feed(conversation, piece):
            retrieval.take(event)
    assert sink.messages == [(n, as_sent(m)) for n, m in enumerate(messages, 1)]
    # What is handed on whole depends on the size on the wire alone, not on the cuts.
    assert sink.large == [
        n for n, m in enumerate(messages, 1) if len(stuffed(m)) - len(b".\r\n") > spool
    ]
    assert conversation.unanswered == 0


@settings(max_examples=150, deadline=None)
@given(
    octets=st.binary(max_size=200) | TRICKY,
    positions=st.lists(st.integers(0, 10_000), max_size=10),
    spool=st.integers(0, 50),
)
def test_only_our_own_errors(octets: bytes, positions: list[int], spool: int) -> None:
    """Whatever a server sends, it is understood or refused with our own error."""
    conversation, sink = logged_in(spool), Collector()
    retrieval = Retrieval(sink)
    conversation.send([c.retr(1, 0), c.dele(1), c.command(c.NOOP)])
    try:
        for piece in cuts(b"+OK\r\n" + octets, positions):
            for event in feed(conversation, piece):
                retrieval.take(event)
    except Pop3Error:
        assert conversation.state is c.State.CLOSED
    assert len(sink.messages) <= 1


@settings(max_examples=100, deadline=None)
@given(
    octets=st.binary(max_size=80)
    | st.sampled_from([b"+OK", b"-ERR [IN-USE] x", b"+ok\t", b"+OKAY"])
)
def test_any_line_is_a_reply_or_none(octets: bytes) -> None:
    """Status lines are parsed without failing, and shown without control characters."""
    line = octets.replace(b"\n", b"")
    reply = parse_reply(line)
    assert reply is None or line.upper().startswith(b"+OK" if reply.ok else b"-ERR")
    assert visible(octets).isprintable()


UIDL = st.binary(min_size=1, max_size=90).map(
    lambda b: bytes(x if x > 32 else 120 for x in b)  # no controls, no blanks
)


@settings(max_examples=100, deadline=None)
@given(
    entries=st.lists(
        st.tuples(UIDL, st.integers(0, 10**12), st.sampled_from([b" ", b"   ", b"\t"]))
    ),
    positions=st.lists(st.integers(0, 10_000), max_size=10),
)
def test_listings(entries: list[tuple[bytes, int, bytes]], positions: list[int]) -> None:
    """UIDL and LIST are joined whatever the UIDLs are, however the listings are cut."""
    sizes = Sizes()
    uidls = Uidls(sizes)
    numbered = list(enumerate(entries, 1))
    for piece in cuts(b"".join(b"%d%b%d\r\n" % (n, b, s) for n, (_, s, b) in numbered), positions):
        sizes.feed(piece)
    sizes.close()
    for piece in cuts(b"".join(b"%d%b%b\r\n" % (n, b, u) for n, (u, _, b) in numbered), positions):
        uidls.feed(piece)
    uidls.close()
    assert list(uidls.listed) == [Listed(n, u, s) for n, (u, s, _) in numbered]


@settings(max_examples=100, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 50), max_size=60),
    commands=st.integers(1, 20),
    octets=st.integers(1, 100),
    answers=st.lists(st.integers(1, 5), max_size=60),
)
def test_the_window_is_kept(
    sizes: list[int], commands: int, octets: int, answers: list[int]
) -> None:
    """Never more than the window allows is unanswered, but for one command that is always let out;
    nothing is left unsent, and nothing changes its order."""
    pipeline = Pipeline([c.retr(n, size) for n, size in enumerate(sizes)], Window(commands, octets))
    sent, open_ = list[int](), list[int]()
    turns = iter([*answers, *[1] * (len(sizes) + 1)])
    while open_ or not pipeline.exhausted:
        more = pipeline.more(len(open_), sum(open_))
        assert more or open_
        sent += [command.number for command in more]
        open_ += [command.size_bytes for command in more]
        assert len(open_) <= commands
        assert len(open_) == 1 or sum(open_) <= octets
        del open_[: next(turns)]
    assert sent == list(range(len(sizes)))
