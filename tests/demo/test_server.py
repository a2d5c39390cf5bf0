"""The demo server does what the RFCs say, as seen by poplib and by a client that adds nothing."""

import asyncio
import base64
import poplib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from poparchive.demo.mailbox import Mailbox, Repeated
from poparchive.demo.server import Pop3Server, ServerError, running
from tests.support.certificate import Certificate, certificate_missing
from tests.support.edge_mails import EDGE_MAILS
from tests.support.rawclient import RawClient

PASSWORD = "correct horse"
MAILS = [b"Subject: one\r\n\r\n.\r\n..\r\ntext\r\n", b"Subject: two\r\n\r\nshort\r\n", b"x\r\n"]

needs_tls = pytest.mark.skipif(bool(certificate_missing()), reason=str(certificate_missing()))


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox(MAILS, password=PASSWORD)


@pytest.fixture
def server(mailbox: Mailbox) -> Iterator[Pop3Server]:
    with running(Pop3Server({"anna": mailbox})) as server:
        yield server


@pytest.fixture
def client(server: Pop3Server) -> Iterator[RawClient]:
    with RawClient(server.host, server.port) as client:
        yield client


def test_poplib_gets_everything(server: Pop3Server) -> None:
    """A client that is not ours logs in, lists, reads and quits."""
    client = poplib.POP3(server.host, server.port)
    assert client.capa() == {
        "TOP": [],
        "UIDL": [],
        "RESP-CODES": [],
        "AUTH-RESP-CODE": [],
        "PIPELINING": [],
        "USER": [],
        "SASL": [
            "PLAIN",
            "LOGIN",
            "CRAM-MD5",
            "SCRAM-SHA-1",
            "SCRAM-SHA-256",
            "XOAUTH2",
            "OAUTHBEARER",
        ],
        "IMPLEMENTATION": ["poparchive-demo"],
    }
    client.user("anna")
    client.pass_(PASSWORD)
    assert "STLS" not in client.capa()
    assert client.stat() == (3, sum(map(len, MAILS)))
    assert client.list()[1] == [b"1 %d" % len(MAILS[0]), b"2 %d" % len(MAILS[1]), b"3 3"]
    assert client.uidl()[1] == [b"1 00000001", b"2 00000002", b"3 00000003"]
    assert client.retr(1)[1] == [b"Subject: one", b"", b".", b"..", b"text"]
    assert client.top(2, 0)[1] == [b"Subject: two", b""]
    assert client.noop().startswith(b"+OK")
    assert client.quit().startswith(b"+OK")


def test_apop(server: Pop3Server) -> None:
    """The digest of timestamp and password logs in; that of a wrong one does not."""
    client = poplib.POP3(server.host, server.port)
    with pytest.raises(poplib.error_proto, match=r"\[AUTH\]"):
        client.apop("anna", "wrong")
    client.apop("anna", PASSWORD)
    client.quit()
    assert server.asked("APOP") == ["anna", "anna"]


@pytest.mark.parametrize("initial", [True, False])
def test_sasl_plain(client: RawClient, server: Pop3Server, initial: bool) -> None:
    """AUTH PLAIN takes its response with the command or after it (RFC 5034)."""
    token = base64.b64encode(f"\0anna\0{PASSWORD}".encode()).decode()
    if initial:
        assert client.ask(f"AUTH PLAIN {token}").startswith("+OK")
    else:
        assert client.ask("AUTH PLAIN") == "+ "
        assert client.ask(token).startswith("+OK")
    assert client.ask("STAT").startswith("+OK 3 ")
    assert token not in str(server.log)


@pytest.mark.parametrize("response", ["*", "=", "????", "AAAA", "AGFubmEAd3Jvbmc="])
def test_sasl_plain_refused(client: RawClient, response: str) -> None:
    """Cancelled, malformed and wrong responses end in -ERR, and another login may follow."""
    assert client.ask("AUTH PLAIN") == "+ "
    assert client.ask(response).startswith("-ERR")
    client.log_in("anna", PASSWORD)


def test_the_log_has_no_password(client: RawClient, server: Pop3Server) -> None:
    """Commands are logged with their arguments, except for secrets."""
    client.ask("USER anna")
    client.ask("PASS wrong")
    client.ask("APOP anna 0123456789abcdef0123456789abcdef")
    client.ask("AUTH CRAM-MD5 c2VjcmV0")
    client.ask("c2VjcmV0 c2VjcmV0")
    client.ask("noop")
    assert [entry[1:] for entry in server.log] == [
        ("USER", "anna"),
        ("PASS", ""),
        ("APOP", "anna"),
        ("AUTH", "CRAM-MD5"),
        ("?", ""),
        ("NOOP", ""),
    ]


def test_wrong_logins_say_why(client: RawClient) -> None:
    """Unknown users and wrong passwords get the same answer, with the response code of RFC 3206."""
    assert client.ask("USER nobody").startswith("+OK")
    refused = client.ask("PASS x")
    assert refused.startswith("-ERR [AUTH] ")
    client.ask("USER anna")
    assert client.ask("PASS x") == refused


@pytest.mark.parametrize(
    "command",
    [
        *("RETR 0", "RETR 4", "RETR", "RETR 1 2", "RETR -1", "RETR ²", "TOP 1", "TOP 1 x"),
        *("DELE 9", "LIST 9", "UIDL x", "USER anna", "STLS", "AUTH PLAIN", "XYZZY", ""),
        "NOOP " + "x" * 250,
    ],
)
def test_wrong_commands_are_refused(client: RawClient, command: str) -> None:
    """What makes no sense, or not now, is answered with -ERR, and the session goes on."""
    client.log_in("anna", PASSWORD)
    assert client.ask(command).startswith("-ERR")
    assert client.ask("STAT").startswith("+OK 3 ")


def test_nothing_but_login_before_login(client: RawClient) -> None:
    """A mailbox is closed to those who have not logged in."""
    for command in ("STAT", "LIST", "UIDL", "RETR 1", "TOP 1 0", "DELE 1", "RSET", "NOOP"):
        assert client.ask(command).startswith("-ERR")
    assert client.ask("QUIT").startswith("+OK")
    assert client.rest() == b""


def test_endless_line(client: RawClient) -> None:
    """A client that never ends its line is told so and sent away."""
    client.send(b"x" * 100_000)
    assert client.line() == b"-ERR line too long\r\n"


def test_dele_takes_effect_at_quit(server: Pop3Server, mailbox: Mailbox) -> None:
    """Marked messages leave the listing at once and the mailbox at QUIT; RSET takes marks back."""
    first, second, third = mailbox.messages
    with RawClient(server.host, server.port) as client:
        client.log_in("anna", PASSWORD)
        client.ask("DELE 1")
        assert client.ask("RSET") == "+OK"
        client.ask("DELE 2")
        assert client.ask("DELE 2").startswith("-ERR")
        assert client.ask("RETR 2").startswith("-ERR")
        assert client.ask("STAT") == f"+OK 2 {len(MAILS[0]) + len(MAILS[2])}"
        assert client.ask_body("UIDL") == b"1 00000001\r\n3 00000003\r\n"
        assert list(mailbox.messages) == [first, second, third]
        client.ask("QUIT")
    assert list(mailbox.messages) == [first, third]


def test_hanging_up_deletes_nothing(server: Pop3Server, mailbox: Mailbox) -> None:
    """RFC 1939 section 6: without QUIT there is no update."""
    with RawClient(server.host, server.port) as client:
        client.log_in("anna", PASSWORD)
        client.ask("DELE 1")
    server.wait_idle(10)
    assert len(mailbox.messages) == 3


def test_a_session_keeps_its_listing(client: RawClient, mailbox: Mailbox) -> None:
    """What is delivered or removed during a session shows in the next one."""
    client.log_in("anna", PASSWORD)
    mailbox.deliver(b"new\r\n")
    mailbox.remove(b"00000001")
    assert client.ask("STAT").startswith("+OK 3 ")
    assert client.ask_body("RETR 1") == MAILS[0]


def test_everything_at_once(client: RawClient, server: Pop3Server) -> None:
    """Commands that come in one write, or in pieces, are answered in order."""
    commands = f"CAPA\r\nUSER anna\r\nPASS {PASSWORD}\r\n" + "RETR 1\r\nNOOP\nretr 2\r\n" * 300
    client.send(commands.encode() + b"QU")
    assert client.line().startswith(b"+OK")
    client.body()
    assert client.line().startswith(b"+OK")
    assert client.line().startswith(b"+OK")
    for _ in range(300):
        assert client.line() == b"+OK %d octets\r\n" % len(MAILS[0])
        assert client.body() == MAILS[0]
        assert client.line() == b"+OK\r\n"
        assert client.line() == b"+OK %d octets\r\n" % len(MAILS[1])
        assert client.body() == MAILS[1]
    client.send(b"IT\r\n")
    assert client.rest() == b"+OK bye\r\n"
    assert len(server.asked("RETR")) == 600
    assert server.asked("RETR", session=2) == []


def test_odd_messages_come_octet_for_octet() -> None:
    """Whatever a message holds is sent; only a missing line end is added."""
    odd = [octets for _, octets in EDGE_MAILS]
    with (
        running(Pop3Server({"odd": Mailbox(odd)})) as server,
        RawClient(server.host, server.port) as client,
    ):
        client.log_in("odd", "")
        client.send(b"".join(b"RETR %d\r\n" % number for number in range(1, len(odd) + 1)))
        for octets in odd:
            assert client.line() == b"+OK %d octets\r\n" % len(octets)
            complete = not octets or octets.endswith(b"\r\n")
            assert client.body() == (octets if complete else octets + b"\r\n")


def test_a_message_that_is_not_in_memory() -> None:
    """A generated message is sent as its chunks come, and may be larger than any buffer."""
    big = Repeated(b"Subject: big\r\n\r\n", b".0123456789\r\n", 300_000)
    with (
        running(Pop3Server({"anna": Mailbox([big])})) as server,
        RawClient(server.host, server.port) as client,
    ):
        client.log_in("anna", "")
        assert client.ask("LIST 1") == f"+OK 1 {big.size_bytes}"
        assert client.ask_body("RETR 1") == b"".join(big.chunks())
        assert client.ask_body("TOP 1 1") == b"Subject: big\r\n\r\n.0123456789\r\n"


def test_a_message_that_cannot_be_read() -> None:
    """What fails inside the server is raised when the server is left, and not kept quiet."""

    class Broken:
        size_bytes = 1

        def chunks(self) -> Iterator[bytes]:
            raise RuntimeError("no chunks today")

    def be_hung_up_on() -> None:
        with (
            running(Pop3Server({"anna": Mailbox([Broken()])})) as server,
            RawClient(server.host, server.port) as client,
        ):
            client.log_in("anna", "")
            client.ask("RETR 1")
            assert client.rest() == b""

    with pytest.raises(RuntimeError, match="no chunks today"):
        be_hung_up_on()


@needs_tls
def test_stls(mailbox: Mailbox, certificate: Certificate) -> None:
    """STLS is offered in the clear only; after it the session is as before, and encrypted."""
    with running(Pop3Server({"anna": mailbox}, tls=certificate.server_context())) as server:
        client = poplib.POP3(server.host, server.port)
        assert "STLS" in client.capa()
        client.stls(certificate.client_context())
        assert "STLS" not in client.capa()
        client.user("anna")
        client.pass_(PASSWORD)
        assert client.retr(2)[1] == [b"Subject: two", b"", b"short"]
        client.quit()


@needs_tls
def test_stls_drops_what_came_with_it(mailbox: Mailbox, certificate: Certificate) -> None:
    """Commands that somebody put in before the handshake are never carried out."""
    with (
        running(Pop3Server({"anna": mailbox}, tls=certificate.server_context())) as server,
        RawClient(server.host, server.port) as client,
    ):
        client.send(b"STLS\r\nNOOP injected\r\n")
        assert client.line() == b"+OK begin TLS\r\n"
        client.secure(certificate.client_context())
        assert client.ask("STLS").startswith("-ERR")
        client.log_in("anna", PASSWORD)
        assert server.asked("NOOP") == []


@needs_tls
def test_implicit_tls(mailbox: Mailbox, certificate: Certificate) -> None:
    """TLS from the first octet, by either name of the certificate, with large messages too."""
    big = b"Subject: big\r\n\r\n" + b"z" * 3_000_000 + b"\r\n"
    mailbox.deliver(big)
    context = certificate.server_context()
    server = Pop3Server({"anna": mailbox}, tls=context, implicit_tls=True)
    with running(server):
        for host in ("127.0.0.1", "localhost"):
            with RawClient(host, server.port, tls=certificate.client_context()) as client:
                client.log_in("anna", PASSWORD)
                assert client.ask_body("RETR 4") == big
        with pytest.raises(ssl.SSLError):
            RawClient(server.host, server.port, tls=ssl.create_default_context())
        with RawClient(server.host, server.port, tls=certificate.client_context()) as client:
            assert client.greeting.startswith(b"+OK")


async def _two_sessions(mailbox: Mailbox) -> Pop3Server:
    async with Pop3Server({"anna": mailbox}) as server:
        for _ in range(2):
            reader, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(f"USER anna\r\nPASS {PASSWORD}\r\nQUIT\r\n".encode())
            assert (await reader.read()).count(b"+OK") == 4
            writer.close()
        await server.idle()
    return server


def test_from_an_event_loop(mailbox: Mailbox) -> None:
    """The server is an asynchronous context manager too, and counts its sessions."""
    server = asyncio.run(_two_sessions(mailbox))
    assert server.sessions == 2
    assert server.most_at_once == 1
    assert [entry.session for entry in server.log] == [1, 1, 1, 2, 2, 2]


def test_leaving_ends_open_sessions(mailbox: Mailbox) -> None:
    """Nothing waits for clients that stay connected."""
    with running(Pop3Server({"anna": mailbox})) as server:
        clients = [RawClient(server.host, server.port) for _ in range(3)]
        assert server.most_at_once == 3
    for client in clients:
        with client:
            assert client.rest() == b""


def test_a_port_that_is_taken(server: Pop3Server) -> None:
    """Where the server cannot listen, the error says so."""
    with (
        pytest.raises(ServerError, match=str(server.port)),
        running(Pop3Server({}, port=server.port)),
    ):
        pass


def test_tls_needs_a_context() -> None:
    """Implicit TLS without a certificate is a mistake in the program."""
    with pytest.raises(ValueError, match="context"):
        Pop3Server({}, implicit_tls=True)


@needs_tls
def test_certificate_is_of_its_directory(certificate: Certificate) -> None:
    """Both files lie side by side and the key is no part of the certificate."""
    assert certificate.cert.parent == certificate.key.parent != Path.cwd()
    assert b"PRIVATE" not in certificate.cert.read_bytes()
