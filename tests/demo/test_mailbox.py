"""Messages on the wire, and mailboxes that change between sessions."""

from hypothesis import given, settings
from hypothesis import strategies as st

from poparchive.demo.mailbox import Mailbox, Message, Repeated, top, wire

# Few different octets, so that line ends and dots meet in every way.
octets = st.lists(st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n", b"\r\n."])).map(b"".join)


def unwire(reply: bytes) -> bytes:
    """RFC 1939 section 3 done slowly: split at CR LF, take one dot off each line."""
    assert reply.endswith(b".\r\n")
    lines = reply.removesuffix(b".\r\n").split(b"\r\n")
    return b"\r\n".join(line.removeprefix(b".") for line in lines)


def cut(whole: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(whole) + 1) for place in places} | {len(whole)})
    return [whole[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@settings(max_examples=200, deadline=None)
@given(octets)
def test_what_goes_on_the_wire_comes_off_it(message: bytes) -> None:
    """No octet changes but a line end that is missing, and only the last line is a single dot."""
    reply = b"".join(wire([message]))
    whole = message if not message or message.endswith(b"\r\n") else message + b"\r\n"
    assert unwire(reply) == whole
    assert (b"\r\n" + reply).index(b"\r\n.\r\n") == len(reply) - 3


@settings(max_examples=200, deadline=None)
@given(octets, st.lists(st.integers(0, 1000), max_size=5))
def test_chunks_make_no_difference(message: bytes, places: list[int]) -> None:
    """A message in chunks of any length, empty ones too, is sent like the whole."""
    assert b"".join(wire(cut(message, places))) == b"".join(wire([message]))
    single = [message[at : at + 1] for at in range(len(message))]
    assert b"".join(wire(single)) == b"".join(wire([message]))
    for lines in (0, 1, 3):
        assert b"".join(top(single, lines)) == b"".join(top([message], lines))


def test_top_counts_lines_of_the_body() -> None:
    """TOP gives the header, the empty line, and as many lines as asked, or as there are."""
    message = b"A: 1\r\nB: 2\r\n\r\none\r\ntwo\r\nthree"
    assert b"".join(top([message], 0)) == b"A: 1\r\nB: 2\r\n\r\n"
    assert b"".join(top([message], 2)) == b"A: 1\r\nB: 2\r\n\r\none\r\ntwo\r\n"
    assert b"".join(top([message], 9)) == message
    assert b"".join(top([b"no header end\r\n"], 0)) == b"no header end\r\n"


def test_a_repeated_message_has_the_size_it_says() -> None:
    """The chunks of a generated message add up, whether the block is small or large."""
    for times in (0, 1, 7, 20_000):
        for block in (b"0123456789\r\n", b"x" * 70_000, b""):
            message = Repeated(b"head", block, min(times, 200_000 // max(1, len(block))))
            assert b"".join(message.chunks()) == b"head" + block * message.times
            assert message.size_bytes == len(b"".join(message.chunks()))


def test_uidls_are_never_given_twice() -> None:
    """A mailbox that was emptied goes on counting."""
    mailbox = Mailbox([b"a\r\n", b"b\r\n"])
    first = [message.uidl for message in mailbox.messages]
    mailbox.remove(*first)
    assert list(mailbox.messages) == []
    assert not set(first) & set(mailbox.deliver(b"a\r\n", b"b\r\n"))


def test_equal_messages_are_told_apart() -> None:
    """Of two messages with the same octets and the same UIDL, one can be removed."""
    mailbox = Mailbox()
    mailbox.deliver(b"twin\r\n", uidl=b"same")
    mailbox.deliver(b"twin\r\n", uidl=b"same")
    first, second = mailbox.messages
    mailbox.expunge([first])
    mailbox.expunge([Message(b"twin\r\n", b"same")])
    assert list(mailbox.messages) == [second]
    mailbox.remove(b"same")
    assert list(mailbox.messages) == []
