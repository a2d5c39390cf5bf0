"""The launcher gives a real Dovecot that keeps octets, and takes it away again."""

import poplib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.dovecot import Dovecot, as_sent, dovecot, dovecot_missing
from tests.support.edge_mails import EDGE_MAILS
from tests.support.rawclient import RawClient

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(bool(dovecot_missing()), reason=str(dovecot_missing())),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    with dovecot(tmp_path_factory.mktemp("dovecot")) as server:
        yield server


def uidls(server: Dovecot, user: str) -> list[bytes]:
    with RawClient(server.host, server.port) as client:
        client.log_in(user, "pw")
        listing = client.ask_body("UIDL")
        client.ask("QUIT")
    return [line.split(b" ", 1)[1] for line in listing.splitlines()]


def test_odd_messages_octet_for_octet(server: Dovecot) -> None:
    """Every odd message is on disk as delivered, and is sent as ``as_sent`` foretells."""
    odd = [octets for _, octets in EDGE_MAILS]
    server.add_user("odd", "pw")
    server.deliver("odd", odd)
    assert server.read_maildir("odd") == odd
    with RawClient(server.host, server.port) as client:
        client.log_in("odd", "pw")
        client.send(b"".join(b"RETR %d\r\n" % number for number in range(1, len(odd) + 1)))
        for name, octets in EDGE_MAILS:
            assert client.line().startswith(b"+OK"), name
            assert client.body() == as_sent(octets), name
        assert client.ask("QUIT").startswith("+OK")
    assert server.read_maildir("odd") == odd


def test_three_ways_in(server: Dovecot) -> None:
    """Plain, STLS and implicit TLS reach the same mailbox, and the certificate is trusted."""
    server.add_user("ways", "pw: with blanks".replace(":", ""))
    server.deliver("ways", [b"Subject: x\n\ntext\n"])
    context = ssl.create_default_context(cafile=str(server.ca_file))
    plain = poplib.POP3(server.host, server.port)
    upgraded = poplib.POP3("localhost", server.port)
    upgraded.stls(context)
    clients = [plain, upgraded, poplib.POP3_SSL(server.host, server.tls_port, context=context)]
    for client in clients:
        client.user("ways")
        client.pass_("pw with blanks")
        assert client.retr(1)[1] == [b"Subject: x", b"", b"text"]
        client.quit()


def test_apop_and_a_user_added_later(server: Dovecot) -> None:
    """A user may be added right after somebody else has logged in."""
    for number in range(3):
        server.add_user(f"late{number}", f"pw{number}")
        client = poplib.POP3(server.host, server.port)
        client.apop(f"late{number}", f"pw{number}")
        assert client.stat() == (0, 0)
        client.quit()


def test_wrong_password(server: Dovecot) -> None:
    """A refusal is a refusal, and is told without a long delay."""
    server.add_user("refused", "pw")
    client = poplib.POP3(server.host, server.port)
    client.user("refused")
    with pytest.raises(poplib.error_proto, match=r"\[AUTH\]"):
        client.pass_("wrong")
    client.close()


def test_mail_comes_and_goes(server: Dovecot) -> None:
    """Deliveries come last in the next session, removals by others leave the rest as it was."""
    server.add_user("flow", "pw")
    server.deliver("flow", [b"one\n", b"two\n"])
    first = uidls(server, "flow")
    server.deliver("flow", [b"three\n"])
    second = uidls(server, "flow")
    assert second[:2] == first
    server.remove("flow", 1)
    assert server.read_maildir("flow") == [b"two\n", b"three\n"]
    assert uidls(server, "flow") == second[1:]


def test_deletion_by_pop3(server: Dovecot) -> None:
    """What a client deletes is gone from the Maildir after QUIT."""
    server.add_user("dele", "pw")
    server.deliver("dele", [b"one\n", b"two\n"])
    with RawClient(server.host, server.port) as client:
        client.log_in("dele", "pw")
        client.ask("DELE 1")
        client.ask("QUIT")
    assert server.read_maildir("dele") == [b"two\n"]


def test_renewed_uidls(server: Dovecot) -> None:
    """Every message gets a UIDL that it never had, twice within a second."""
    server.add_user("renew", "pw")
    server.deliver("renew", [b"one\n", b"two\n"])
    seen = uidls(server, "renew")
    for _ in range(2):
        server.renew_uidls("renew")
        now = uidls(server, "renew")
        assert len(now) == 2
        assert not set(now) & set(seen)
        seen += now


def test_names_that_cannot_be(server: Dovecot) -> None:
    """A name that would leave the scratch directory or break a line is refused."""
    for user, password in (("../x", "pw"), ("", "pw"), ("a:b", "pw"), ("ok", "p\nw")):
        with pytest.raises(ValueError, match="passwd-file"):
            server.add_user(user, password)


def test_side_by_side_with_settings(server: Dovecot, tmp_path: Path) -> None:
    """A second instance has its own port, users, UIDL format and settings, and ends alone."""
    with dovecot(
        tmp_path,
        uidl_format="%v-%u",
        mechanisms=("plain",),
        settings={"pop3_no_flag_updates": "yes"},
    ) as other:
        assert len({server.port, server.tls_port, other.port, other.tls_port}) == 4
        other.add_user("anna", "pw")
        other.deliver("anna", [b"x\n"])
        (uidl,) = uidls(other, "anna")
        assert uidl.endswith(b"-1")
        scratch = other.maildir("anna").parents[1]
        assert scratch.exists()
    assert not scratch.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((other.host, other.port))
    server.add_user("still", "pw")
    assert uidls(server, "still") == []


def test_what_cannot_start_says_why(tmp_path: Path) -> None:
    """A setting that Dovecot does not know ends in an error with Dovecot's own words."""
    with (
        pytest.raises(RuntimeError, match="no_such_setting"),
        dovecot(tmp_path, settings={"no_such_setting": "yes"}),
    ):
        pass
