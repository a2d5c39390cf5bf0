"""Servers, and whoever sits between, that break connections or tamper with TLS."""

import hashlib
import itertools
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from poparchive.demo.behaviour import Behaviour, Leave, Quit
from poparchive.demo.mailbox import Mailbox
from poparchive.demo.server import Pop3Server, running
from poparchive.model import Fate
from poparchive.pop3 import TlsMode
from poparchive.sync.memory import Memory
from poparchive.sync.plan import Policy
from tests.support.certificate import Certificate, make_certificate
from tests.support.victim import IMPATIENT, PATIENT, SECRET, Victim, mails, serving

MAILS = mails(3)
WIRE_BYTES = len(b"+OK 71 octets\r\n") + len(MAILS[1]) + len(b".\r\n")
"""Of one reply to RETR."""
DELETING = Policy(leave_s=0)


def fingerprint(certificate: Certificate) -> str:
    der = ssl.PEM_cert_to_DER_cert(certificate.cert.read_text())
    return f"sha256:{hashlib.sha256(der).hexdigest()}"


@pytest.mark.parametrize("after_bytes", [0, 3, 20, WIRE_BYTES - 3, WIRE_BYTES - 1])
@pytest.mark.parametrize("leave", [Leave.CUT, Leave.RESET])
def test_tls_that_is_cut_in_a_message(
    leave: Leave, after_bytes: int, certificate: Certificate, victim: Victim
) -> None:
    """Without its end a message is never taken for whole, however the connection is cut."""
    cut = Behaviour(hang_up_at_retr=2, hang_up_retr_bytes=after_bytes, leave=leave)
    tls, trust = certificate.server_context(), certificate.client_context()
    with serving(MAILS, cut, Behaviour(), tls=tls, implicit_tls=True) as server:
        result = victim.pull(server, tls=TlsMode.IMPLICIT, context=trust)
        assert not result.error
        assert result.tally.archived == 3
    victim.holds(*MAILS)


def test_a_message_that_is_always_cut(certificate: Certificate, victim: Victim) -> None:
    """It is left on the server, and half of it is nowhere."""
    cut = Behaviour(hang_up_at_retr=3, hang_up_retr_bytes=WIRE_BYTES - 3, leave=Leave.CUT)
    only_last = Behaviour(hang_up_at_retr=1, hang_up_retr_bytes=WIRE_BYTES - 3, leave=Leave.CUT)
    tls, trust = certificate.server_context(), certificate.client_context()
    with serving(MAILS, cut, only_last, Behaviour(), tls=tls, implicit_tls=True) as server:
        how = {"tls": TlsMode.IMPLICIT, "context": trust}
        victim.fails(server, "message 3 was left on the server", "answered RETR 3", **how)
    victim.holds(*MAILS[:2])
    assert victim.fates()[2] is Fate.QUARANTINED


@pytest.mark.parametrize("after_bytes", [0, 20, WIRE_BYTES])
def test_a_reset_in_a_message(after_bytes: int, victim: Victim) -> None:
    """A new session goes on where the old one was."""
    reset = Behaviour(hang_up_at_retr=2, hang_up_retr_bytes=after_bytes, leave=Leave.RESET)
    with serving(MAILS, reset, Behaviour()) as server:
        assert not victim.pull(server).error
    victim.holds(*MAILS)


@pytest.mark.parametrize("leave", list(Leave))
@pytest.mark.parametrize("at", ["UIDL", "DELE 2", "QUIT"])
def test_a_connection_lost_before_the_end(at: str, leave: Leave, victim: Victim) -> None:
    """Nothing counts as deleted before QUIT is granted, and all that came is kept."""
    box = Mailbox(MAILS, password=SECRET)
    lost = Behaviour(hang_up_at=frozenset({at}), leave=leave)
    with running(Pop3Server({"anna": box}, behaviour=lost)) as server:
        result = victim.pull(server, policy=DELETING)
        if at in ("UIDL", "QUIT"):  # the others are behind us in the second session
            assert f"before it had answered {at}" in result.error
        assert len(box.messages) == 3
    assert Fate.DELETED not in victim.fates()
    victim.holds(*(MAILS if at != "UIDL" else []))


@pytest.mark.parametrize("quit_", [Quit.REFUSE, Quit.HANG_UP, Quit.REMOVE_AND_HANG_UP])
def test_a_quit_that_is_not_granted(quit_: Quit, victim: Victim) -> None:
    """It is an error, and what the server then does is found out by the next listing."""
    with serving(MAILS, Behaviour(quit=quit_), Behaviour()) as server:
        first = victim.pull(server, policy=DELETING)
        if quit_ is Quit.REFUSE:
            assert "QUIT was refused: -ERR some deleted messages not removed" in first.error
        victim.pull(server, policy=DELETING)
        assert not victim.pull(server, policy=DELETING).error
    victim.holds(*MAILS)


def test_a_quit_without_answer(victim: Victim) -> None:
    """All that came is kept, nothing counts as deleted."""
    with serving(MAILS, Behaviour(replies={"QUIT": b""})) as server:
        victim.fails(server, "did not answer QUIT", policy=DELETING, timeouts=IMPATIENT)
    victim.holds(*MAILS)
    assert victim.fates() == [Fate.ARCHIVED] * 3


@pytest.mark.parametrize(
    "injected", [b"+OK\r\n", b"+OK\r\n.\r\n", b"-ERR\r\n", b"\x16\x03\x01", b"+"]
)
def test_octets_injected_behind_stls(
    injected: bytes, certificate: Certificate, victim: Victim
) -> None:
    """What comes in the clear behind +OK to STLS is nobody's answer; nothing secret is sent."""
    bad = Behaviour(replies={"STLS": b"+OK begin\r\n" + injected})
    with serving(MAILS, bad, tls=certificate.server_context()) as server:
        how = {"tls": TlsMode.STARTTLS, "context": certificate.client_context()}
        victim.fails(server, "octets came in the clear behind the answer to STLS", **how)
        assert not {"USER", "PASS", "AUTH", "APOP"} & {entry.command for entry in server.log}
    victim.holds()


def test_a_server_that_takes_stls_back(certificate: Certificate, victim: Victim) -> None:
    """Without TLS there is no log-in, whoever took STLS out of the answer."""
    for behaviour in (
        Behaviour(unannounced=frozenset({"STLS"})),
        Behaviour(replies={"STLS": b"-ERR not today\r\n"}),
    ):
        with serving(MAILS, behaviour, tls=certificate.server_context()) as server:
            how = {"tls": TlsMode.STARTTLS, "context": certificate.client_context()}
            victim.fails(server, "STLS", **how)
            assert not {"USER", "PASS", "AUTH", "APOP"} & {entry.command for entry in server.log}
    victim.holds()


@pytest.mark.parametrize("auth", ["user", "plain"])
def test_a_server_that_loses_what_comes_with_capa(
    auth: str, certificate: Certificate, victim: Victim, tmp_path: Path
) -> None:
    """Though it announces PIPELINING. It is met once: in the pull that meets it the log-in is made anew,
    with CAPA alone, and after that CAPA has a write for itself, in other processes too."""
    loses = Behaviour(swallow_after=frozenset({"CAPA"}))
    tls, trust = certificate.server_context(), certificate.client_context()
    times = replace(PATIENT, lost_s=0.1)
    sessions = [0]
    with serving(MAILS, loses, tls=tls, implicit_tls=True) as server:
        for _ in range(4):
            memory = Memory(tmp_path)
            how = {"tls": TlsMode.IMPLICIT, "context": trust, "memory": memory}
            assert not victim.pull(server, auth=auth, timeouts=times, **how).error  # type: ignore[arg-type]
            memory.save()
            sessions.append(server.sessions)
    assert [after - before for before, after in itertools.pairwise(sessions)] == [1, 2, 1, 1]
    victim.holds(*MAILS)


@pytest.mark.parametrize("mode", [TlsMode.IMPLICIT, TlsMode.STARTTLS])
def test_a_certificate_that_changes(
    mode: TlsMode, certificate: Certificate, victim: Victim, tmp_path: Path
) -> None:
    """A pinned certificate is the only one; with another the log-in is not even tried."""
    pin, implicit = fingerprint(certificate), mode is TlsMode.IMPLICIT
    tls = certificate.server_context()
    with serving(MAILS, Behaviour(), tls=tls, implicit_tls=implicit) as server:
        assert not victim.pull(server, tls=mode, fingerprint=pin).error
    other = make_certificate(tmp_path)
    tls = other.server_context()
    with serving(mails(5), Behaviour(), tls=tls, implicit_tls=implicit) as server:
        words = ("is not the pinned one", fingerprint(other))
        victim.fails(server, *words, tls=mode, fingerprint=pin)
        assert not {"USER", "PASS", "AUTH", "APOP"} & {entry.command for entry in server.log}
    victim.holds(*MAILS)
