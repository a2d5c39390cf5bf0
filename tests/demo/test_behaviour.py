"""The demo server misbehaves exactly as told."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from poparchive.demo.behaviour import CONNECT, Behaviour, Flood, Gate, Leave, Quit
from poparchive.demo.mailbox import Mailbox
from poparchive.demo.server import Pop3Server, running
from tests.support.certificate import certificate_missing, make_certificate
from tests.support.rawclient import RawClient

MAILS = [b"Subject: %d\r\n\r\nbody of %d\r\n" % (number, number) for number in range(1, 4)]


@contextmanager
def served(*behaviour: Behaviour) -> Iterator[tuple[Pop3Server, Mailbox]]:
    mailbox = Mailbox(MAILS, password="pw")
    with running(Pop3Server({"anna": mailbox}, behaviour=behaviour)) as server:
        yield server, mailbox


@contextmanager
def connected(behaviour: Behaviour, *, log_in: bool = True) -> Iterator[RawClient]:
    with served(behaviour) as (server, _), RawClient(server.host, server.port) as client:
        if log_in:
            client.log_in("anna", "pw")
        yield client


def test_unannounced() -> None:
    """A capability can be left out of CAPA and work."""
    with connected(Behaviour(unannounced=frozenset({"PIPELINING", "UIDL"}))) as client:
        capabilities = client.ask_body("CAPA").split(b"\r\n")
        assert b"TOP" in capabilities
        assert not {b"PIPELINING", b"UIDL"} & set(capabilities)
        assert client.ask("UIDL 1") == "+OK 1 00000001"


def test_unknown() -> None:
    """A command can be missing, and then it is not announced either."""
    behaviour = Behaviour(unknown=frozenset({"UIDL", "APOP", "AUTH"}))
    with connected(behaviour, log_in=False) as client:
        assert b"<" not in client.greeting
        assert client.ask("AUTH PLAIN").startswith("-ERR")
        capabilities = client.ask_body("CAPA")
        assert b"SASL" not in capabilities
        assert b"UIDL" not in capabilities
        client.log_in("anna", "pw")
        assert client.ask("UIDL").startswith("-ERR")
    with connected(Behaviour(unknown=frozenset({"CAPA"}))) as client:
        assert client.ask("CAPA").startswith("-ERR")


def test_uidls() -> None:
    """UIDLs may repeat, be of any length and have blanks; a mailbox's own may be as odd."""
    odd = (b"same", b"same", b"  " + b"x" * 100 + b" ")
    with connected(Behaviour(uidls=odd)) as client:
        listing = client.ask_body("UIDL")
        assert listing == b"1 same\r\n2 same\r\n3   " + b"x" * 100 + b" \r\n"
    with connected(Behaviour(uidls=odd[:1])) as client:
        assert client.ask_body("UIDL") == b"1 same\r\n2 00000002\r\n3 00000003\r\n"


def test_uidl_of_another_message() -> None:
    """A UIDL that is free again may be given to another message."""
    with served(Behaviour()) as (server, mailbox):
        mailbox.remove(b"00000001", b"00000002", b"00000003")
        mailbox.deliver(b"another\r\n", uidl=b"00000001")
        with RawClient(server.host, server.port) as client:
            client.log_in("anna", "pw")
            assert client.ask_body("UIDL") == b"1 00000001\r\n"
            assert client.ask_body("RETR 1") == b"another\r\n"


def test_sizes() -> None:
    """Listing and STAT are wrong by the same number of octets for each message."""
    with connected(Behaviour(size_error_bytes=-2)) as client:
        size = len(MAILS[0])
        assert client.ask("LIST 2") == f"+OK 2 {size - 2}"
        assert client.ask("STAT") == f"+OK 3 {3 * (size - 2)}"
        assert client.ask_body("RETR 1") == MAILS[0]


def test_refuse_login() -> None:
    """Every kind of login gets the same line, whatever the password."""
    refusal = b"-ERR [IN-USE] mailbox is locked"
    with connected(Behaviour(refuse_login=refusal), log_in=False) as client:
        client.ask("USER anna")
        assert client.ask("PASS pw").encode() == refusal
        assert client.ask("AUTH PLAIN AGFubmEAcHc=").encode() == refusal
        assert client.ask("APOP anna 0").encode() == refusal
        assert client.ask("STAT").startswith("-ERR")


def test_refuse_retr() -> None:
    """A message may be listed and not be handed out."""
    with connected(Behaviour(refuse_retr=frozenset({2}))) as client:
        assert client.ask("LIST 2").startswith("+OK")
        assert client.ask("RETR 2").startswith("-ERR")
        assert client.ask("TOP 2 0").startswith("-ERR")
        assert client.ask_body("RETR 3") == MAILS[2]


@pytest.mark.parametrize(
    ("kind", "answer", "left"),
    [
        (Quit.REMOVE, b"+OK bye\r\n", 2),
        (Quit.REFUSE, b"-ERR some deleted messages not removed\r\n", 3),
        (Quit.HANG_UP, b"", 3),
        (Quit.REMOVE_AND_HANG_UP, b"", 2),
    ],
)
def test_quit(kind: Quit, answer: bytes, left: int) -> None:
    """QUIT removes or not, and says so or not, in every combination."""
    with (
        served(Behaviour(quit=kind)) as (server, mailbox),
        RawClient(server.host, server.port) as client,
    ):
        client.log_in("anna", "pw")
        client.ask("DELE 1")
        client.send(b"QUIT\r\n")
        assert client.rest() == answer
        assert len(mailbox.messages) == left


def test_replies() -> None:
    """Any octets may stand for a reply, to one command or to all of a kind, and nothing is done."""
    replies = {
        CONNECT: b"+OK odd greeting\r\n",
        "RETR 2": b"+OK\r\nnot the message\r\n.\r\n",
        "LIST": b"-ERR [SYS/TEMP] later\r\n",
        "DELE": b"",
    }
    with connected(Behaviour(replies=replies)) as client:
        assert client.greeting == b"+OK odd greeting\r\n"
        assert client.ask_body("RETR 2") == b"not the message\r\n"
        assert client.ask_body("RETR 3") == MAILS[2]
        assert client.ask("LIST") == "-ERR [SYS/TEMP] later"
        client.send(b"DELE 1\r\n")
        assert client.ask("STAT").startswith("+OK 3 ")


def test_swallow_after() -> None:
    """What comes in one write with PASS is lost, what comes later is not."""
    with connected(Behaviour(swallow_after=frozenset({"PASS"})), log_in=False) as client:
        client.send(b"USER anna\r\nPASS pw\r\nSTAT\r\n")
        assert client.line().startswith(b"+OK")
        assert client.line().startswith(b"+OK")
        assert client.ask("UIDL 2") == "+OK 2 00000002"


def test_hang_up_at() -> None:
    """The connection ends at a command, without an answer but with all before it."""
    with connected(Behaviour(hang_up_at=frozenset({"RETR 2"}))) as client:
        client.send(b"NOOP\r\nRETR 2\r\nNOOP\r\n")
        assert client.rest() == b"+OK\r\n"
    with (
        served(Behaviour(hang_up_at=frozenset({CONNECT})), Behaviour()) as (server, _),
        RawClient(server.host, server.port) as refused,
        RawClient(server.host, server.port) as client,
    ):
        assert refused.greeting == b""
        assert client.greeting.startswith(b"+OK")


@pytest.mark.parametrize("octets", [0, 1, 40, 67, 68, 69, 100])
def test_hang_up_after_bytes(octets: int) -> None:
    """A session ends after exactly so many octets of the server, wherever that is."""
    with connected(Behaviour(hang_up_after_bytes=octets), log_in=False) as client:
        client.send(b"USER anna\r\nPASS pw\r\n" + b"RETR 1\r\n" * 5)
        assert len(client.greeting + client.rest()) == octets


@pytest.mark.parametrize("octets", [0, 10, len(b"+OK 27 octets\r\n") + len(MAILS[1])])
def test_hang_up_at_retr(octets: int) -> None:
    """A session ends in the K-th message, so many octets into its reply."""
    behaviour = Behaviour(hang_up_at_retr=2, hang_up_retr_bytes=octets)
    with connected(behaviour) as client:
        client.send(b"RETR 3\r\nRETR 1\r\nRETR 2\r\n")
        assert client.line().startswith(b"+OK")
        assert client.body() == MAILS[2]
        reply = b"+OK %d octets\r\n%s.\r\n" % (len(MAILS[0]), MAILS[0])
        assert client.rest() == reply[:octets]


def test_behaviours_by_session() -> None:
    """The first session has the first behaviour, and those after the last have the last."""
    bad = Behaviour(refuse_login=b"-ERR [SYS/TEMP] not now")
    answers = []
    with served(bad, bad, Behaviour()) as (server, _):
        for _ in range(4):
            with RawClient(server.host, server.port) as client:
                client.ask("USER anna")
                answers.append(client.ask("PASS pw")[:3])
    assert answers == ["-ER", "-ER", "+OK", "+OK"]


def test_gate_holds_and_lets_go() -> None:
    """A session waits at a gate with all before it answered, until somebody opens it."""
    gate = Gate()
    with connected(Behaviour(gates={"RETR 2": gate})) as client:
        client.send(b"RETR 1\r\nRETR 2\r\nRETR 2\r\n")
        assert client.line().startswith(b"+OK")
        assert client.body() == MAILS[0]
        gate.wait_reached(10)
        gate.open()
        for _ in range(2):
            assert client.line().startswith(b"+OK")
            assert client.body() == MAILS[1]


def test_gate_that_is_never_opened() -> None:
    """Leaving the server ends sessions before a gate, and the gate may be opened afterwards."""
    gate = Gate()
    with served(Behaviour(gates={"PASS": gate})) as (server, _):
        clients = [RawClient(server.host, server.port) for _ in range(2)]
        for client in clients:
            client.send(b"USER anna\r\nPASS pw\r\n")
        gate.wait_reached(10)
        assert server.most_at_once == 2
    gate.open()
    gate.open()
    for client in clients:
        with client:
            pass


async def _through_a_gate(opened: Callable[[Gate], None]) -> bytes:
    gate = Gate()
    mailbox = Mailbox(MAILS)
    async with Pop3Server({"anna": mailbox}, behaviour=Behaviour(gates={CONNECT: gate})) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        await gate.reached()
        opened(gate)
        greeting = await reader.readline()
        writer.close()
        await server.idle()
        return greeting


def test_gate_in_an_event_loop() -> None:
    """Server and test may share a loop; CONNECT is the moment before the greeting."""
    assert asyncio.run(_through_a_gate(Gate.open)).startswith(b"+OK")


def test_floods() -> None:
    """Octets follow a reply over and over, until the client is gone."""
    flood = Flood(b"+OK more\r\n", 0.001)
    with served(Behaviour(floods={"NOOP": flood})) as (server, _):
        with RawClient(server.host, server.port) as client:
            client.log_in("anna", "pw")
            assert client.ask("NOOP") == "+OK"
            assert {client.line() for _ in range(50)} == {b"+OK more\r\n"}
        server.wait_idle(20)


def test_leaving_by_reset() -> None:
    """What was answered before arrives; then the connection is reset."""
    behaviour = Behaviour(hang_up_at=frozenset({"QUIT"}), leave=Leave.RESET)
    with connected(behaviour) as client:
        assert client.ask("NOOP") == "+OK"
        client.send(b"QUIT\r\n")
        with pytest.raises(ConnectionResetError):
            client.line()


def test_leaving_without_close_notify(tmp_path: Path) -> None:
    """Under TLS the connection can end as if it had been cut."""
    if reason := certificate_missing():
        pytest.skip(reason)
    made = make_certificate(tmp_path)
    for leave, ends_well in ((Leave.CLOSE, True), (Leave.CUT, False)):
        behaviour = Behaviour(hang_up_at=frozenset({"NOOP"}), leave=leave)
        boxes = {"anna": Mailbox(MAILS, password="pw")}
        tls = made.server_context()
        with (
            running(Pop3Server(boxes, behaviour=behaviour, tls=tls, implicit_tls=True)) as server,
            socket.create_connection((server.host, server.port), 20) as line,
            made.client_context().wrap_socket(
                line, server_hostname="localhost", suppress_ragged_eofs=False
            ) as client,
        ):
            assert client.recv(1000).startswith(b"+OK")
            client.sendall(b"NOOP\r\n")
            if ends_well:
                assert client.recv(1000) == b""
            else:
                with pytest.raises(ssl.SSLEOFError):
                    client.recv(1000)
