"""The conversation without a socket: states, order, and what is no POP3."""

import pytest

from poparchive.pop3 import CommandError, ProtocolError, Reply
from poparchive.pop3 import commands as c
from poparchive.pop3.commands import State, command
from poparchive.pop3.protocol import (
    STATUS_LINE_MAX_BYTES,
    STRAY_LINES_MAX,
    Answer,
    Begin,
    Challenge,
    Conversation,
    End,
    Event,
    Part,
    Whole,
)
from poparchive.pop3.sasl import lines
from tests.support.conversation import cuts, feed, feeding, logged_in

STLS, CAPA, PASS, NOOP, QUIT = map(command, (c.STLS, c.CAPA, c.PASS, c.NOOP, c.QUIT))
OK = Reply(True, b"")


def greeted() -> Conversation:
    conversation = Conversation()
    feed(conversation, b"+OK\r\n")
    return conversation


def state(conversation: Conversation) -> State:
    return conversation.state


def test_replies_are_matched_in_order() -> None:
    """Replies of all kinds, whole and octet by octet: each belongs to the command it answers."""
    asked = [c.retr(1, 10), c.dele(1), c.retr(2, 20), c.top(3, 0), NOOP]
    octets = b"+OK\r\nhi\r\n.\r\n-ERR no\r\n-ERR [X] gone\r\n+OK top\r\n.\r\n+OK done\r\n"
    for positions in (range(0), range(len(octets))):
        conversation, events = logged_in(), list[Event]()
        conversation.send(asked)
        assert conversation.outgoing() == b"RETR 1\r\nDELE 1\r\nRETR 2\r\nTOP 3 0\r\nNOOP\r\n"
        assert conversation.outgoing() == b""
        assert (conversation.unanswered, conversation.expected_bytes) == (5, 30)
        for piece in cuts(octets, positions):
            events += feed(conversation, piece)
        assert events == [
            Whole(asked[0], b"hi\r\n"),
            Answer(asked[1], Reply(False, b"no")),
            Answer(asked[2], Reply(False, b"[X] gone", "X")),
            Whole(asked[3], b""),
            Answer(asked[4], Reply(True, b"done")),
        ]
        assert (conversation.unanswered, conversation.expected_bytes) == (0, 0)


def test_large_replies_come_in_pieces() -> None:
    """Over the threshold: a beginning, pieces as they come, an end."""
    conversation, asked = logged_in(spool_bytes=4), c.retr(1, 0)
    conversation.send([asked, NOOP])
    assert feed(conversation, b"+OK\r\n12\r\n") == []
    assert feed(conversation, b"34") == []
    assert feed(conversation, b"5") == [Begin(asked), Part(asked, b"12\r\n345")]
    assert conversation.in_body
    assert feed(conversation, b"6\r\n.") == [Part(asked, b"6")]
    assert feed(conversation, b"\r\n+OK\r\n") == [
        Part(asked, b"\r\n"),
        End(asked),
        Answer(NOOP, OK),
    ]
    assert not conversation.in_body


def test_states() -> None:
    """Greeting, log-in, mail, QUIT; each command only where it belongs."""
    conversation = Conversation()
    with pytest.raises(CommandError, match="CAPA is not possible in state GREETING"):
        conversation.send([CAPA])
    feed(conversation, b"+OK hello\r\n")
    with pytest.raises(CommandError, match="RETR is not possible in state AUTHORIZATION"):
        conversation.send([c.retr(1, 0)])
    conversation.send([PASS])
    feed(conversation, b"-ERR wrong\r\n")
    assert state(conversation) is State.AUTHORIZATION
    conversation.send([PASS])
    feed(conversation, b"+OK\r\n")
    assert state(conversation) is State.TRANSACTION
    with pytest.raises(CommandError, match="PASS is not possible in state TRANSACTION"):
        conversation.send([PASS])
    conversation.send([QUIT])
    feed(conversation, b"+OK bye\r\nanything")
    assert state(conversation) is State.CLOSED
    with pytest.raises(CommandError, match="CLOSED"):
        conversation.send([NOOP])


@pytest.mark.parametrize("last", [c.PASS, c.APOP, c.AUTH, c.STLS, c.QUIT])
def test_nothing_follows_unanswered(last: c.Verb) -> None:
    """Behind a log-in, STLS or QUIT nothing is sent before its answer: servers lose it."""
    for before, then in (([], [command(last), CAPA]), ([command(last)], [CAPA])):
        conversation = greeted()
        conversation.send(before)
        with pytest.raises(CommandError, match=f"CAPA cannot be sent before {last.name} is ans"):
            conversation.send(then)


def test_challenges() -> None:
    """AUTH may be answered by a challenge: then a response is all that can be sent, one at a time,
    until the server has said +OK or -ERR."""
    asked, response = lines.opening("LOGIN", None)[0], lines.response("LOGIN", b"x")
    for end, after in ((b"+OK\r\n", State.TRANSACTION), (b"-ERR\r\n", State.AUTHORIZATION)):
        for answers in ((end,), (b"+ eA==\r\n", end), (b"+\r\n", b"+ \r\n", end)):
            conversation = greeted()
            conversation.send([asked])
            for answer in answers[:-1]:
                (challenge,) = feed(conversation, answer)
                assert challenge == Challenge(challenge.command, answer[2:-2])
                assert state(conversation) is State.EXCHANGE
                for wrong in (CAPA, asked):
                    with pytest.raises(CommandError, match="not possible in state EXCHANGE"):
                        conversation.send([wrong])
                conversation.send([response])
                with pytest.raises(CommandError, match="before AUTH LOGIN is answered"):
                    conversation.send([response])
            (last,) = feed(conversation, answers[-1])
            assert isinstance(last, Answer)
            assert state(conversation) is after


@pytest.mark.parametrize("asked", [PASS, STLS, command(c.USER, b"ann")])
def test_unasked_challenges(asked: c.Command) -> None:
    """Nothing but AUTH is answered by a challenge."""
    conversation = greeted()
    conversation.send([asked])
    with pytest.raises(ProtocolError, match="instead of an answer"):
        feed(conversation, b"+ eA==\r\n+OK\r\n")


@pytest.mark.parametrize(
    ("asked", "said", "shown"),
    [
        (command(c.PASS, b"a b secret"), b"no a b secret", "no ***"),
        (command(c.AUTH, b"PLAIN", b"c2VjcmV0"), b"AUTH PLAIN c2VjcmV0?", "AUTH PLAIN ***?"),
        (command(c.AUTH, b"PLAIN"), b"AUTH PLAIN?", "AUTH PLAIN?"),
        (command(c.APOP, b"ann", b"0123456789"), b"APOP ann 0123456789", "APOP ann ***"),
        (command(c.PASS, b"a"), b"a bad password", "a bad password"),
        (command(c.USER, b"anne"), b"no anne", "no anne"),
    ],
)
def test_repeated_secrets(asked: c.Command, said: bytes, shown: str) -> None:
    """What a server sends back of a password is not shown, whether it is an answer or none."""
    conversation = greeted()
    conversation.send([asked])
    (answer,) = feed(conversation, b"-ERR " + said + b"\r\n")
    assert isinstance(answer, Answer)
    assert str(answer.reply) == f"-ERR {shown}"
    conversation.send([asked])
    feed(conversation, said)
    assert str(conversation.closed()).endswith(f"it last said: {shown}")


@pytest.mark.parametrize("bad", [b"a\r\nDELE 1", b"a\n", b"\r", b"a\0b"])
def test_arguments_stay_arguments(bad: bytes) -> None:
    """No line break and no NUL in an argument; the error does not repeat what may be a secret."""
    with pytest.raises(CommandError) as caught:
        command(c.PASS, bad)
    assert "PASS" in str(caught.value)
    assert repr(bad)[2:-1] not in str(caught.value)


def test_secrets_are_not_shown() -> None:
    """A command shows its name and number, nothing else."""
    assert f"{command(c.PASS, b'secret')!r} {command(c.PASS, b'secret')}" == "<PASS> PASS"
    assert str(c.retr(7, 0)) == "RETR 7"


@pytest.mark.parametrize(
    "junk", [b"220 mail ESMTP\r\n", b"HTTP/1.1 400 Bad Request\r\n", b"\r\n", b"\x15\x03\x01\n"]
)
def test_not_a_pop3_server(junk: bytes) -> None:
    """A greeting that is none is an error that shows it."""
    conversation = Conversation()
    with pytest.raises(ProtocolError, match="this is no POP3 server; it greets with:"):
        feed(conversation, junk)
    assert state(conversation) is State.CLOSED


@pytest.mark.parametrize("octets", [b"+OK again\r\n", b"-ERR autologout\r\n", b"x"])
def test_unasked_octets(octets: bytes) -> None:
    """What comes without being asked, with the last answer or later, is an error that shows it."""
    for before in (b"", b"+OK\r\n"):
        conversation = logged_in()
        if before:
            conversation.send([NOOP])
        with pytest.raises(ProtocolError, match=r"the server sent unasked: \S"):
            feed(conversation, before + octets)
        assert state(conversation) is State.CLOSED


def test_events_before_an_error_count() -> None:
    """What was right before the two sides lost step is given out first."""
    conversation = logged_in()
    conversation.send([NOOP, c.retr(1, 0)])
    octets = b"+OK\r\n+OK\r\nhi\r\n.\r\nwhat?\r\n"
    events = feeding(conversation, octets)
    assert next(events) == Answer(NOOP, OK)
    assert next(events) == Whole(c.retr(1, 0), b"hi\r\n")
    with pytest.raises(ProtocolError, match=r"unasked: what\?"):
        next(events)


def test_a_dot_that_was_not_stuffed() -> None:
    """The rest of a message where a reply must stand is an error, even if -ERR follows."""
    conversation = logged_in()
    conversation.send([c.retr(1, 0), NOOP])
    with pytest.raises(
        ProtocolError, match="instead of an answer to NOOP came: the rest"
    ) as caught:
        feed(conversation, b"+OK\r\nhi\r\n.\r\nthe rest\r\n-ERR\r\n")
    assert caught.value.command == "NOOP"


def test_stray_lines_before_a_refusal() -> None:
    """Lines before -ERR that are no answer are passed over (GNU mailutils), before +OK they are
    an error, and so are many."""
    conversation = logged_in()
    conversation.send([NOOP, NOOP])
    assert feed(conversation, b"NO\r\nOP\r\n-ERR Invalid command\r\n+OK\r\n") == [
        Answer(NOOP, Reply(False, b"Invalid command")),
        Answer(NOOP, OK),
    ]
    for junk in (b"junk\r\n+OK\r\n", b"junk\r\n" * (STRAY_LINES_MAX + 1)):
        conversation = logged_in()
        conversation.send([NOOP])
        with pytest.raises(ProtocolError, match="instead of an answer to NOOP came"):
            feed(conversation, junk)


def test_long_status_lines() -> None:
    """A status line has a limit; the error names the command."""
    conversation = logged_in()
    conversation.send([c.retr(1, 0)])
    with pytest.raises(ProtocolError, match="a line of more than") as caught:
        feed(conversation, b"+OK " + b"x" * STATUS_LINE_MAX_BYTES)
    assert caught.value.command == "RETR 1"
    assert state(conversation) is State.CLOSED


def test_stls() -> None:
    """After +OK nothing may come in the clear; then the server does not greet again."""
    conversation = greeted()
    conversation.send([STLS])
    assert feed(conversation, b"+OK\r\n") == [Answer(STLS, OK)]
    assert state(conversation) is State.HANDSHAKE
    with pytest.raises(CommandError, match="HANDSHAKE"):
        conversation.send([CAPA])
    conversation.secured()
    assert state(conversation) is State.AUTHORIZATION
    conversation.send([STLS])
    feed(conversation, b"-ERR\r\n")
    assert state(conversation) is State.AUTHORIZATION


@pytest.mark.parametrize("octets", [b"+OK\r\n+OK injected\r\n", b"+OK\r\nx"])
def test_octets_in_the_clear_behind_stls(octets: bytes) -> None:
    """Octets that an attacker puts behind the answer to STLS are an error, with it or later."""
    for cut in (len(octets), 5):
        conversation = greeted()
        conversation.send([STLS])
        *before, last = cuts(octets, [cut])
        for piece in before:
            feed(conversation, piece)
        with pytest.raises(ProtocolError, match=r"in the clear|unasked"):
            feed(conversation, last)
        assert state(conversation) is State.CLOSED


def test_a_lost_connection_is_described() -> None:
    """What was asked and not answered, and what the server said last."""
    conversation = logged_in()
    conversation.send([c.retr(3, 0)])
    assert str(conversation.closed()) == (
        "the server closed the connection before it had answered RETR 3"
    )
    conversation = logged_in()
    conversation.send([NOOP])
    feed(conversation, b"-ERR out\x07")
    assert str(conversation.closed()).endswith("answered NOOP; it last said: -ERR out\\x07")


def test_a_line_with_a_plus_is_no_command_sent_back() -> None:
    """Lines before -ERR are passed over only if they may be a command that the server sends back."""
    conversation = logged_in()
    conversation.send([NOOP])
    with pytest.raises(ProtocolError, match=r"instead of an answer to NOOP came: \+ERR no"):
        feed(conversation, b"+ERR no\r\n")


def test_what_was_last_said() -> None:
    """Errors repeat what came that is no answer, until one comes."""
    conversation = logged_in()
    conversation.send([NOOP, NOOP])
    assert not conversation.last_said()
    feed(conversation, b"well\r\n")
    assert conversation.last_said() == "; it last said: well"
    feed(conversation, b"-ERR")
    assert conversation.last_said() == "; it last said: -ERR"
    feed(conversation, b"\r\n")
    assert not conversation.last_said()
