"""Servers that send messages wrongly: odd octets, wrong ends, wrong counts, no end at all."""

import pytest

from poparchive.demo.behaviour import CONNECT, Behaviour, Flood
from poparchive.demo.mailbox import Mailbox
from poparchive.demo.server import Pop3Server, running
from poparchive.model import Fate
from poparchive.sync.plan import Policy
from tests.support.conversation import as_sent
from tests.support.victim import IMPATIENT, SECRET, Victim, mails, serving

MAILS = mails(3)
UNPIPELINED = frozenset({"PIPELINING"})


def sends(number: int, wire: bytes, **more: object) -> Behaviour:
    """One message as these octets, with all that belongs behind its status line."""
    replies = {f"RETR {number}": b"+OK\r\n" + wire}
    return Behaviour(replies=replies, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "octets",
    [
        b"Subject: a\rb\r\n\r\nlone\rCR\r\r\n\r",
        b"Subject: a\n\nbare\nLF\n.\n..\n\r\n",
        b"Subject: a\0b\r\n\r\n\0\0\0\r\n",
        b"Subject: caf\xe9 \xff\xfe\r\n\xc3\xa9: x\r\n\r\n\x80\r\n",
        b"\xef\xbb\xbfSubject: bom\r\n\r\nx\r\n",
        b".\r\n..\r\n...\r\n.x\r\n\r\n.\r\n",
        b".",
        b"",
        b"\r\n",
        b"\r\n\r\n",
        b"+OK not a reply\r\n-ERR nor this\r\n.\r\n",
        b"no header at all",
        b"X: " + b"x" * 1_500_000 + b"\r\n\r\n" + b"y" * 1_500_000,
        b"." * 1_100_000 + b"\r\n.",
    ],
    ids=[
        *("CR", "LF", "NUL", "8 bit", "BOM", "dots", "a dot", "nothing", "an empty line"),
        *("two empty lines", "like replies", "no header", "huge lines", "many dots"),
    ],
)
def test_odd_octets(octets: bytes, victim: Victim) -> None:
    """A message is its octets, whatever they are; the server alone completes the last line."""
    with serving([MAILS[0], octets, MAILS[2]], Behaviour()) as server:
        assert not victim.pull(server).error
    victim.holds(MAILS[0], as_sent(octets), MAILS[2])


def test_dots_that_were_not_stuffed(victim: Victim) -> None:
    """A dot before other octets of its line is the mail's own, doubled or not."""
    wire = b"Subject: x\r\n\r\n.hidden\r\n..stuffed\r\n.\r\n"
    with serving(MAILS, sends(2, wire)) as server:
        assert not victim.pull(server).error
    victim.holds(MAILS[0], b"Subject: x\r\n\r\n.hidden\r\n.stuffed\r\n", MAILS[2])


@pytest.mark.parametrize("size", [100, 2_000_000], ids=["small", "large"])
@pytest.mark.parametrize("unannounced", [frozenset[str](), UNPIPELINED], ids=["many", "one"])
def test_a_lone_dot_that_was_not_stuffed(
    size: int, unannounced: frozenset[str], victim: Victim
) -> None:
    """Half a message is not kept; it is set aside with the reason, and those behind it are fetched."""
    wire = b"Subject: x\r\n\r\n" + b"y" * size + b"\r\n.\r\nmore of it\r\n.\r\n"
    with serving(MAILS, sends(2, wire, unannounced=unannounced)) as server:
        victim.fails(server, "message 2 was left on the server", "more of it")
        assert server.sessions == 3
    assert victim.fates() == [Fate.ARCHIVED, Fate.QUARANTINED, Fate.ARCHIVED]
    assert "more of it" in victim.reasons()[1]
    victim.holds(MAILS[0], MAILS[2])


@pytest.mark.parametrize("size", [100, 2_000_000], ids=["small", "large"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_last_line_that_is_not_completed(size: int, number: int, victim: Victim) -> None:
    """Then the final dot is none, and the next message runs into this one: neither is kept wrongly."""
    raw = b"Subject: x\r\n\r\n" + b"y" * size
    contents = [*MAILS]
    contents[number - 1] = raw
    with serving(contents, sends(number, raw + b".\r\n")) as server:
        result = victim.pull(server, timeouts=IMPATIENT)
    assert f"message {number} was left on the server" in result.error
    others = [m for m in contents if m is not raw]
    victim.holds(*others)
    assert victim.fates().count(Fate.QUARANTINED) == 1


def test_a_last_line_that_is_not_completed_alone(victim: Victim) -> None:
    """Without pipelining the end never comes, and that is what the error says."""
    raw = b"Subject: x\r\n\r\nyyy"
    contents = [MAILS[0], raw, MAILS[2]]
    with serving(contents, sends(2, raw + b".\r\n", unannounced=UNPIPELINED)) as server:
        victim.fails(server, "middle of its answer to RETR 2", timeouts=IMPATIENT)
    victim.holds(MAILS[0], MAILS[2])


@pytest.mark.parametrize("error_bytes", [-40, -1, 1, 5000, 10**15])
def test_wrong_octet_counts(error_bytes: int, victim: Victim) -> None:
    """What LIST says of sizes decides nothing about what is kept."""
    with serving(MAILS, Behaviour(size_error_bytes=error_bytes)) as server:
        assert not victim.pull(server).error
        assert not victim.pull(server).error
        assert len(server.asked("RETR")) == 3
    victim.holds(*MAILS)


def test_a_refusal_in_the_middle_of_a_pipeline(victim: Victim) -> None:
    """The answers behind it still belong to their questions."""
    with serving(MAILS, Behaviour(refuse_retr=frozenset({2})), Behaviour()) as server:
        assert "message 2 was refused" in victim.pull(server).error
        victim.holds(MAILS[0], MAILS[2])
        assert not victim.pull(server).error
    victim.holds(*MAILS)


ENDLESS = Behaviour(replies={"RETR 2": b"+OK\r\n"}, floods={"RETR 2": Flood(b"x" * 65_536)})
LIMIT = 3_000_000


def test_a_message_without_end(victim: Victim) -> None:
    """It ends by max_message_bytes, which the ledger names; the others are fetched, and it is not
    asked for again before the rule changes."""
    policy = Policy(max_message_bytes=LIMIT)
    with serving(MAILS, ENDLESS, ENDLESS, Behaviour()) as server:
        victim.fails(server, "message 2 is larger than the 3000000 octets", policy=policy)
        victim.holds(MAILS[0], MAILS[2])
        assert victim.fates() == [Fate.ARCHIVED, Fate.SKIPPED, Fate.ARCHIVED]
        assert victim.reasons()[1] == "larger than max_message_bytes = 3000000"
        asked = len(server.asked("RETR"))
        assert not victim.pull(server, policy=policy).error
        assert len(server.asked("RETR")) == asked
        assert not victim.pull(server, policy=Policy(max_message_bytes=LIMIT + 1)).error
    victim.holds(*MAILS)
    assert not list((victim.root / "spool").iterdir())


def test_a_small_message_that_is_larger_than_listed(victim: Victim) -> None:
    """The limit holds for what comes whole as well."""
    large = b"Subject: x\r\n\r\n" + b"x" * 5000 + b"\r\n"
    contents = [MAILS[0], large, MAILS[2]]
    listing = Behaviour(replies={"LIST": b"+OK\r\n1 90\r\n2 90\r\n3 90\r\n.\r\n"})
    with serving(contents, listing) as server:
        victim.pull(server, policy=Policy(max_message_bytes=1000))
    victim.holds(MAILS[0], MAILS[2])
    assert victim.fates()[1] is Fate.SKIPPED


def test_a_status_line_without_end(victim: Victim) -> None:
    """It is given up after 8 KiB; the messages before and behind it are fetched."""
    endless = Behaviour(replies={"RETR 2": b"+OK "}, floods={"RETR 2": Flood(b"x" * 65_536)})
    with serving(MAILS, endless) as server:
        victim.fails(server, "a line of more than 8192 octets came: +OK xxx")
    victim.holds(MAILS[0], MAILS[2])


@pytest.mark.parametrize("unannounced", [frozenset[str](), UNPIPELINED], ids=["many", "one"])
def test_a_message_at_which_the_server_hangs_up(
    unannounced: frozenset[str], victim: Victim
) -> None:
    """Twice, and it is set aside; in the next pull it comes last, behind all that is new."""
    bad = Behaviour(hang_up_at=frozenset({"RETR 1"}), unannounced=unannounced)
    box = Mailbox(MAILS, password=SECRET)
    with running(Pop3Server({"anna": box}, behaviour=bad)) as server:
        victim.fails(server, "message 1 was left on the server", "before it had answered RETR 1")
        assert server.sessions == 3
        victim.holds(*MAILS[1:])
        (new,) = mails(1, 50)
        box.deliver(new)
        victim.pull(server)
        assert server.asked("RETR", session=4)[:1] == ["4"]
    victim.holds(*MAILS[1:], new)
    assert victim.fates()[0] is Fate.QUARANTINED


def test_a_message_set_aside_whose_number_changes(victim: Victim) -> None:
    """A session that deleted the others has given it another number: it is not asked for a third time."""
    box = Mailbox(mails(4), password=SECRET)
    gmail, bad = {CONNECT: b"+OK Gpop ready\r\n"}, frozenset({"RETR 2"})
    shown = list(enumerate(box.messages, 1))[1:3]
    listing = b"".join(b"%d %d\r\n" % (n, message.size_bytes) for n, message in shown)
    uidls = b"".join(b"%d %b\r\n" % (n, message.uidl) for n, message in shown)
    part = {"LIST": b"+OK\r\n" + listing + b".\r\n", "UIDL": b"+OK\r\n" + uidls + b".\r\n"}
    sessions = [
        Behaviour(replies=gmail | part, hang_up_at=bad),
        Behaviour(replies=gmail | part, hang_up_at=bad),
        Behaviour(replies=gmail, hang_up_at=bad),
        Behaviour(replies=gmail, hang_up_at=frozenset({"RETR 1"})),
    ]
    with running(Pop3Server({"anna": box}, behaviour=sessions)) as server:
        victim.fails(server, "message 2 was left on the server", policy=Policy(leave_s=0))
        server.wait_idle(5)
        assert server.sessions == 4
        assert server.asked("RETR", session=4) == []
    # The third session deleted what it fetched, the first and the fourth.
    assert box.messages[0].content == MAILS[1]
    assert victim.fates()[0] is Fate.QUARANTINED
    victim.holds(MAILS[0], MAILS[2], *mails(1, 4))


def test_a_server_that_is_wrong_with_every_message(victim: Victim) -> None:
    """It is asked a bounded number of times, and the error of the last one is reported."""
    count = 40
    wrong = {f"RETR {n}": b"+OK\r\nhalf\r\n.\r\nrest\r\n.\r\n" for n in range(1, count + 1)}
    with serving(mails(count), Behaviour(replies=wrong, unannounced=UNPIPELINED)) as server:
        victim.fails(server)
        assert server.sessions == 21
    victim.holds()
