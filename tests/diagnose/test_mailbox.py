"""A look into a mailbox: honest servers, and one for each way to be dishonest."""

import asyncio

import pytest

from poparchive.demo.behaviour import Behaviour
from poparchive.demo.mailbox import Mailbox, Repeated
from poparchive.demo.server import Pop3Server, running
from poparchive.diagnose import Mailbox as Found
from poparchive.diagnose import Transcript, Verdict, Visitor, check, doubtful, endpoints
from poparchive.diagnose.findings import explain
from poparchive.diagnose.mailbox import FETCHED_MAX_BYTES, Access, examine
from poparchive.diagnose.values import Report, TopResult
from poparchive.pop3 import Endpoint, Login, Timeouts, TlsMode, make_context

PATIENT = Timeouts(20, 20, 20)
HASTY = Timeouts(20, 0.2, 0.2)

MAILS = [
    b"Subject: %d\r\n\r\n" % n + b"line\r\n" * n + b".dot\r\n" + b"more\r\n" * 6
    for n in range(1, 8)
]

CAPA = b"+OK\r\nUIDL\r\nTOP\r\nUSER\r\nPIPELINING\r\n%b\r\n.\r\n"


def asked_of(
    server: Pop3Server,
    *,
    password: str = "secret",
    auth: str = "auto",
    timeouts: Timeouts = PATIENT,
) -> Found:
    with running(server):
        endpoint = Endpoint(server.host, server.port, TlsMode.NONE, allow_insecure=True)
        login = Login("anna", lambda: password, auth)
        access = Access(endpoint, login, timeouts, make_context(endpoint))
        found = asyncio.run(examine(access, Transcript()))
        server.wait_idle(20)
    return found


def server_with(
    *behaviours: Behaviour, mails: list[bytes] | None = None, more: tuple[Repeated, ...] = ()
) -> Pop3Server:
    box = Mailbox([*(MAILS if mails is None else mails), *more], password="secret")
    return Pop3Server({"anna": box}, behaviour=behaviours or Behaviour())


def verdicts(found: Found) -> dict[str, set[Verdict]]:
    result: dict[str, set[Verdict]] = {}
    for finding in explain(Report("pop.example.com", (), found)):
        result.setdefault(finding.topic, set()).add(finding.verdict)
    return result


def test_an_honest_server() -> None:
    """All is found to be good; five messages are fetched; nothing is deleted, by QUIT neither."""
    server = server_with()
    found = asked_of(server)
    assert not found.problem
    assert not found.second_problem
    assert found.auth == "scram-sha-256"
    assert found.messages == len(MAILS)
    assert found.stat == (len(MAILS), sum(map(len, MAILS)))
    assert found.uidl
    assert found.uidl.count == len(MAILS)
    assert found.again
    assert (found.again.kept, found.again.order_kept) == (len(MAILS), True)
    assert [check.number for check in found.sizes] == [1, 2, 3, 4, 5]
    assert {top.result for top in found.tops} == {TopResult.EXACT}
    assert found.pipelining
    assert found.pipelining.works
    assert found.rtt_s is not None
    assert not doubtful(found)
    said = verdicts(found)
    assert set().union(*said.values()) == {Verdict.GOOD}
    assert server.sessions == 2
    assert server.asked("DELE") == []
    assert server.asked("QUIT", session=2) == []
    assert server.asked("RETR", session=1) == []


def test_large_messages_are_left_alone() -> None:
    """Only messages that LIST calls small are asked for, and a lie about that is found out."""
    huge = Repeated(b"Subject: huge\r\n\r\n", b"x" * 62 + b"\r\n", 16 * FETCHED_MAX_BYTES // 64)
    server = server_with(mails=MAILS[:1], more=(huge,))
    assert [check.number for check in asked_of(server).sizes] == [1]
    assert server.asked("RETR") == ["1"]
    lying = Behaviour(size_error_bytes=1000 - huge.size_bytes)
    found = asked_of(server_with(Behaviour(), lying, mails=[], more=(huge,)))
    assert found.second_problem
    assert "LIST calls small" in found.second_problem


def test_repeated_uidls() -> None:
    """UIDLs that two messages share are counted, and deleting by them is advised against."""
    found = asked_of(server_with(Behaviour(uidls=[b"a", b"b", b"a", b"c", b"a"])))
    assert found.uidl
    assert found.uidl.repeated == 3
    assert doubtful(found)
    assert Verdict.BAD in verdicts(found)["uidl"]


def test_uidls_that_change() -> None:
    """A second session with other UIDLs throughout is a server that makes them anew."""
    other = Behaviour(uidls=[b"x%d" % n for n in range(len(MAILS))])
    found = asked_of(server_with(Behaviour(), other))
    assert found.again
    assert (found.again.kept, found.again.gone) == (0, len(MAILS))
    assert doubtful(found)
    assert verdicts(found)["uidl again"] == {Verdict.BAD}


def test_uidls_that_are_numbers() -> None:
    """Message numbers in the place of UIDLs are recognized."""
    found = asked_of(server_with(Behaviour(uidls=[b"%d" % n for n in range(1, len(MAILS) + 1)])))
    assert found.uidl
    assert found.uidl.are_numbers
    assert Verdict.BAD in verdicts(found)["uidl"]


def test_no_uidl() -> None:
    """A server without UIDL is told, and all else is looked at."""
    found = asked_of(server_with(Behaviour(unknown=frozenset({"UIDL"}))))
    assert found.uidl_refused
    assert found.uidl is None
    assert found.messages == len(MAILS)
    assert len(found.sizes) == 5
    assert found.pipelining
    assert found.pipelining.works
    assert doubtful(found)


@pytest.mark.parametrize(("error", "word"), [(-2, "two octets short"), (7, "wrong for 5 of 5")])
def test_lying_list(error: int, word: str) -> None:
    """Sizes that are not those of what comes are found, with the pattern of the error."""
    found = asked_of(server_with(Behaviour(size_error_bytes=error)))
    assert {c.came_bytes - c.listed_bytes for c in found.sizes} == {-error}
    (text,) = (f.text for f in explain(Report("h", (), found)) if f.topic == "sizes")
    assert word in text


def test_cut_top() -> None:
    """TOP that gives less, more or something else than RETR has is found out."""
    answers = {
        "TOP 1 0": b"+OK\r\nSubject: 1\r\n.\r\n",
        "TOP 1 5": b"+OK\r\nSubject: 1\r\n\r\nline\r\n.\r\n",
        "TOP 2 0": b"+OK\r\nSubject: 2\r\n\r\nline\r\n.\r\n",
        "TOP 2 5": b"+OK\r\nSubject: 2\r\n\r\nother\r\n.\r\n",
        "TOP 3 0": b"+OK\r\nStatus: RO\r\nSubject: 3\r\n\r\n.\r\n",
        "TOP 3 5": b"-ERR no\r\n",
    }
    found = asked_of(server_with(Behaviour(replies=answers)))
    assert [top.result for top in found.tops][:6] == [
        TopResult.NO_EMPTY_LINE, TopResult.SHORT, TopResult.LONG,
        TopResult.BODY, TopResult.HEADER, TopResult.REFUSED,
    ]  # fmt: skip
    assert verdicts(found)["top"] == {Verdict.NOTE}


def test_refused_messages() -> None:
    """A message that is listed and not handed out is told, and the others are looked at."""
    found = asked_of(server_with(Behaviour(refuse_retr=frozenset({2}))))
    assert found.refused == (2,)
    assert len(found.sizes) == 4


def test_hanging_in_a_message() -> None:
    """A server that stops in the middle: what was found until then stays."""
    stuck = Behaviour(replies={"RETR 3": b"+OK\r\nSubject: 3\r\n"})
    found = asked_of(server_with(Behaviour(), stuck), timeouts=HASTY)
    assert "RETR 3" in found.second_problem
    assert len(found.sizes) == 2
    assert found.pipelining is None
    assert verdicts(found)["login"] == {Verdict.GOOD, Verdict.BAD}


@pytest.mark.parametrize("announced", [True, False])
def test_commands_that_are_thrown_away(announced: bool) -> None:
    """Pipelining that loses commands is found, and is a fault only where it was announced."""
    left_out = frozenset() if announced else frozenset({"PIPELINING"})
    behaviour = Behaviour(swallow_after=frozenset({"NOOP"}), unannounced=left_out)
    found = asked_of(server_with(behaviour), timeouts=HASTY)
    assert found.pipelining
    assert (found.pipelining.announced, found.pipelining.works) == (announced, False)
    assert verdicts(found)["pipelining"] == {Verdict.BAD if announced else Verdict.NOTE}


def test_mail_that_would_be_deleted() -> None:
    """With EXPIRE 0 nothing is fetched, since the server may delete what was."""
    server = server_with(Behaviour(replies={"CAPA": CAPA % b"EXPIRE 0"}))
    found = asked_of(server)
    assert found.spared
    assert server.asked("RETR") == server.asked("TOP") == []
    assert verdicts(found)["retr"] == {Verdict.BAD}


def test_wrong_password() -> None:
    """The log-in is tried once, and its failure is found, not raised."""
    server = server_with()
    found = asked_of(server, password="another")
    assert found.auth == ""
    assert "was refused: -ERR [AUTH]" in found.problem
    assert server.sessions == 1
    assert verdicts(found) == {"login": {Verdict.BAD}}


def test_apop_without_a_secret() -> None:
    """Where the server refuses APOP, the other way is named, with its price."""
    found = asked_of(server_with(), password="another", auth="apop")
    assert found.problem.startswith("APOP was refused")
    assert verdicts(found) == {"login": {Verdict.BAD, Verdict.NOTE}}


def test_no_wait_between_log_ins() -> None:
    """LOGIN-DELAY 0 is no wish for a pause."""
    found = asked_of(server_with(Behaviour(replies={"CAPA": CAPA % b"LOGIN-DELAY 0"})))
    assert found.capabilities
    assert found.capabilities["LOGIN-DELAY"] == ("0",)
    assert verdicts(found)["login"] == {Verdict.GOOD}


def test_second_session_refused() -> None:
    """A server that wants a pause between log-ins: said so, and no fault."""
    late = Behaviour(refuse_login=b"-ERR [LOGIN-DELAY] wait")
    found = asked_of(server_with(Behaviour(replies={"CAPA": CAPA % b"LOGIN-DELAY 60"}), late))
    assert found.auth
    assert found.again is None
    assert "LOGIN-DELAY" in found.second_problem
    assert verdicts(found)["login"] == {Verdict.GOOD, Verdict.NOTE}


def test_an_echoing_server_gives_no_secret_away() -> None:
    """What a server repeats of a password is not in what was found."""
    bare = {"CAPA": CAPA % b"SASL PLAIN"}
    echo = Behaviour(refuse_login=b"-ERR no such password: hunter2secret", replies=bare)
    found = asked_of(server_with(echo), password="hunter2secret")
    assert "no such password" in found.problem
    assert "hunter2secret" not in found.problem


def test_nobody_logs_in_in_the_clear() -> None:
    """Without TLS and without permission no password is asked for, let alone sent."""

    def secret() -> str:
        raise AssertionError("it was fetched")

    server = server_with()
    with running(server):
        visitor = Visitor(Login("anna", secret))
        ways = endpoints(server.host, server.port)
        report = asyncio.run(check(ways, Transcript(), visitor=visitor, timeouts=PATIENT))
        server.wait_idle(20)
    assert not report.works
    assert report.mailbox
    assert "no TLS" in report.mailbox.problem
    assert not {entry.command for entry in server.log} & {"USER", "PASS", "APOP", "AUTH"}


def test_an_empty_mailbox() -> None:
    """Nothing to judge by is no fault."""
    found = asked_of(server_with(mails=[]))
    assert found.messages == 0
    assert not found.problem
    assert not found.second_problem
    assert not doubtful(found)
