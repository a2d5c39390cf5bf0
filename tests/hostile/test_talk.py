"""Servers that are wrong in what they say: greetings, status lines, refusals, floods."""

import pytest

from poparchive.demo.behaviour import CONNECT, Behaviour, Flood
from tests.support.victim import IMPATIENT, Victim, mails, serving

MAILS = mails(3)


ONE_BY_ONE = frozenset({"PIPELINING"})
"""Not announced: then nothing comes behind an answer that has no end."""


def says(**replies: bytes) -> Behaviour:
    return Behaviour(replies=replies)


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (says(CONNECT=b""), "did not send its greeting within 0.3 s"),
        (says(CONNECT=b"+OK"), "did not send its greeting within 0.3 s; it last said: +OK"),
        (
            Behaviour(replies={CONNECT: b""}, floods={CONNECT: Flood(b"+", 0.05)}),
            "did not send its greeting within 0.3 s; it last said: ++",
        ),
        (says(PASS=b""), "did not answer PASS within 0.3 s"),
        (says(PASS=b"well\r\nnow\r\n"), "did not answer PASS within 0.3 s; it last said: now"),
        (
            Behaviour(replies={"UIDL": b"+OK\r\n1 a\r\n"}, unannounced=ONE_BY_ONE),
            "sent nothing for 0.3 s in the middle of its answer to UIDL",
        ),
        (
            Behaviour(replies={"UIDL": b"+OK\r\n"}, floods={"UIDL": Flood(b"1", 0.05)}),
            "octets for 0.3 s in the middle of its answer to UIDL",
        ),
        (
            Behaviour(replies={"UIDL": b"+OK\n1 a\n.\n"}, unannounced=ONE_BY_ONE),
            "sent nothing for 0.3 s in the middle of its answer to UIDL",
        ),
    ],
    ids=[
        "no greeting",
        "half a greeting",
        "greeting by drips",
        "silence",
        "no answer",
        "listing without end",
        "listing by drips",
        "listing in bare LF",
    ],
)
def test_servers_that_keep_us_waiting(behaviour: Behaviour, words: str, victim: Victim) -> None:
    """Silence, halves and drips end by a timeout that says what was awaited and what came."""
    with serving(MAILS, behaviour) as server:
        assert victim.fails(server, words, timeouts=IMPATIENT).retry_after_s
    victim.holds()


def test_a_message_that_drips(victim: Victim) -> None:
    """An octet now and then is no progress; after two tries the others are fetched without it."""
    drips = Behaviour(replies={"RETR 2": b"+OK\r\n"}, floods={"RETR 2": Flood(b"x", 0.05)})
    with serving(MAILS, drips) as server:
        victim.fails(server, "message 2 was left on the server", timeouts=IMPATIENT)
    victim.holds(MAILS[0], MAILS[2])


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (says(CONNECT=b"+ERR busy\r\n"), "it greets with: +ERR busy"),
        (says(CONNECT=b"\xef\xbb\xbf+OK hi\r\n"), "it greets with: \\ufeff+OK hi"),
        (says(CONNECT=b"HTTP/1.1 400 Bad\r\n"), "this is no POP3 server"),
        (says(CONNECT=b"-ERR \x1b[31m\0\x07 go away\r\n"), "\\x1b[31m\\x00\\x07 go away"),
        (says(CONNECT=b"+OK" + b"x" * 9000), "a line of more than 8192 octets"),
        (says(USER=b"+ERR who?\r\n"), "instead of an answer to USER came: +ERR who?"),
        (says(PASS=b"+OKAY\r\n"), "instead of an answer to PASS came: +OKAY"),
        (says(PASS=b"\xef\xbb\xbf-ERR\r\n" * 9), "instead of an answer to PASS came: \\ufeff-ERR"),
        (says(LIST=b"+ERR\r\n"), "instead of an answer to LIST came: +ERR"),
        (
            says(UIDL=b"+OK\r\n1 a\r\n"),
            "UIDL has a line that cannot be read: +OK capabilities follow",
        ),
        (says(PASS=b"-ERR \xff\xfe no\r\n"), "PASS was refused: -ERR \\xff\\xfe no"),
        (Behaviour(hang_up_at=frozenset({"CAPA"})), "before it had answered CAPA"),
        (Behaviour(hang_up_at=frozenset({"PASS"})), "before it had answered PASS"),
        (says(CAPA=b"+OK\r\n" + b"A b\r\n" * 300_000), "CAPA was answered with more than"),
    ],
    ids=lambda value: None if isinstance(value, Behaviour) else value[:40],
)
def test_servers_that_make_no_sense(behaviour: Behaviour, words: str, victim: Victim) -> None:
    """What is no POP3 is refused, and the error shows the server's own words without controls."""
    with serving(MAILS, behaviour) as server:
        victim.fails(server, words)
    victim.holds()


def test_replies_in_lower_case(victim: Victim) -> None:
    """`+ok` and `-err` are meant well."""
    bodies = {f"RETR {n}": b"+ok\r\n" + mail + b".\r\n" for n, mail in enumerate(MAILS[:2], 1)}
    replies = {
        **dict.fromkeys((CONNECT, "USER", "PASS", "NOOP", "QUIT"), b"+ok\r\n"),
        "CAPA": b"-err what?\r\n",
        "UIDL": b"+ok\r\n1 a\r\n2 b\r\n3 c\r\n.\r\n",
        "LIST": b"+ok\r\n1 9\r\n2 9\r\n3 9\r\n.\r\n",
        "RETR 3": b"-err gone\r\n",
        **bodies,
    }
    with serving(MAILS, Behaviour(replies=replies, unknown=frozenset({"APOP"}))) as server:
        assert "message 3 was refused: -ERR gone" in victim.pull(server).error
    victim.holds(*MAILS[:2])


@pytest.mark.parametrize("code", ["IN-USE", "LOGIN-DELAY"])
@pytest.mark.parametrize(
    ("state", "auth"),
    [
        *((CONNECT, "user"), ("USER", "user"), ("PASS", "user"), ("AUTH", "plain")),
        *(("APOP", "apop"), ("LIST", "user"), ("UIDL", "user")),
    ],
)
def test_busy_at_each_state(state: str, auth: str, code: str, victim: Victim) -> None:
    """[IN-USE] and [LOGIN-DELAY] mean later, wherever they come."""
    refusal = f"-ERR [{code}] not now"
    with serving(MAILS, Behaviour(replies={state: refusal.encode() + b"\r\n"})) as server:
        assert victim.fails(server, refusal, auth=auth).retry_after_s
        assert not victim.pull(server, auth=auth).tally.archived
    victim.holds()


def test_busy_for_one_message(victim: Victim) -> None:
    """A message that is busy is asked for again in the next pull; the others come now."""
    busy = says(**{"RETR 2": b"-ERR [IN-USE] being written\r\n"})
    with serving(MAILS, busy, Behaviour()) as server:
        assert "[IN-USE] being written" in victim.pull(server).error
        victim.holds(MAILS[0], MAILS[2])
        assert not victim.pull(server).error
    victim.holds(*MAILS)


@pytest.mark.parametrize("at", [CONNECT, "CAPA", "USER", "PASS", "UIDL", "LIST", "RETR 3", "NOOP"])
@pytest.mark.parametrize(
    "octets",
    [b"+OK again\r\n" * 1000, b"noise\r\n", b"\0" * 60_000],
    ids=["lines", "noise", "NUL"],
)
def test_floods_that_nobody_asked_for(at: str, octets: bytes, victim: Victim) -> None:
    """Octets without end, wherever they begin, end the session with an error, and no mail is lost."""
    with serving(MAILS, Behaviour(floods={at: Flood(octets)})) as server:
        victim.fails(server)
    victim.holds(perhaps=MAILS)


def test_challenges_without_end(victim: Victim) -> None:
    """A log-in that goes on for ever is given up."""
    endless = Behaviour(replies={"AUTH": b"+ \r\n"}, floods={"AUTH": Flood(b"+ \r\n" * 100)})
    with serving(MAILS, endless) as server:
        victim.fails(server, auth="plain")
    victim.holds()
