"""One whole conversation of the core with a server made of any octets: what every fuzzer calls."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from poparchive.pop3 import Pop3Error
from poparchive.pop3 import commands as c
from poparchive.pop3.commands import Command, State, Verb, command
from poparchive.pop3.pipeline import Questions, Reader, Retrieval, Taker
from poparchive.pop3.protocol import Conversation
from poparchive.pop3.replies import Sizes, Uidls, parse_capabilities, parse_stamp, parse_stat
from tests.support.conversation import Collector, feeding

LIMIT_BYTES = 3000

Step = tuple[Sequence[Command], Taker]


def converse(says: Iterable[bytes], cuts: Sequence[int], spool_bytes: int) -> Collector:
    """A client logs in, lists, retrieves, deletes and quits, while the server says these things: the next
    when all is answered or when it has said the last. Each comes in pieces of these lengths by turns.

    Fails with anything but our own errors, and where a promise is broken. Returns what was taken for
    messages.
    """
    conversation, sink = Conversation(spool_bytes), Collector()
    steps = _steps(sink)
    taker: Taker = next(steps)[1]
    try:
        for said in says:
            if not conversation.unanswered:
                if conversation.state is State.CLOSED or (step := next(steps, None)) is None:
                    return sink
                taker = step[1]
                _send(conversation, step[0])
            for piece in _pieces(said, cuts):
                for event in feeding(conversation, piece):
                    taker.take(event)
    except Pop3Error as error:
        _shown(error)
        taker.cut(in_step=False)
        return sink
    _shown(conversation.closed())
    taker.cut(in_step=conversation.in_step, begun=conversation.in_body)
    return sink


def _shown(error: Pop3Error) -> None:
    assert str(error).isprintable()


def _send(conversation: Conversation, asked: Sequence[Command]) -> None:
    # What the state forbids is an error before anything is sent: then the server has not let us in.
    conversation.send(asked)
    assert conversation.outgoing() == b"".join(one.line for one in asked)


def _steps(sink: Collector) -> Iterator[Step]:
    greeting = Questions()
    yield (), greeting
    parse_stamp(greeting.replies[c.GREETING].text)
    capabilities = Questions()
    yield (command(c.CAPA), command(c.USER, b"anna")), capabilities
    parse_capabilities(capabilities.bodies.get(c.CAPA, b""))
    yield (command(c.PASS, b"secret"),), Questions()
    sizes = Sizes()
    uidls = Uidls(sizes)
    readers: Mapping[Verb, Reader] = {c.LIST: sizes, c.UIDL: uidls}
    yield (command(c.STAT), command(c.LIST), command(c.UIDL)), (listing := Questions(readers))
    if listing.replies[c.STAT].ok:
        parse_stat(listing.replies[c.STAT])
    listed = uidls.listed[:5]
    assert len({entry.number for entry in uidls.listed}) == len(uidls.listed)
    retrs = [c.retr(entry.number, entry.size_bytes) for entry in listed]
    yield (*retrs, command(c.NOOP)), Retrieval(sink, LIMIT_BYTES)
    assert len(sink.messages) + len(sink.refusals) == len(listed)
    assert all(len(message) <= LIMIT_BYTES for _, message in sink.messages)
    yield [c.dele(entry.number) for entry in listed], Questions()
    yield (command(c.QUIT),), Questions()


def _pieces(octets: bytes, cuts: Sequence[int]) -> Iterator[bytes]:
    lengths = [max(1, cut) for cut in cuts] or [len(octets) or 1]
    start = turn = 0
    while start < len(octets):
        end = start + lengths[turn % len(lengths)]
        yield octets[start:end]
        start, turn = end, turn + 1
