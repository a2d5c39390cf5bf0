"""AUTH of the demo server, by a client that is not ours."""

import base64
import hmac
from collections.abc import Iterator

import pytest

from poparchive.demo.auth import MECHANISMS, Sasl
from poparchive.demo.behaviour import Behaviour
from poparchive.demo.mailbox import Mailbox
from poparchive.demo.server import Pop3Server, running
from tests.support.rawclient import RawClient


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def server() -> Iterator[Pop3Server]:
    with running(Pop3Server({"anna": Mailbox([b"a\r\n"], password="pw", token="tk")})) as server:
        yield server


@pytest.fixture
def client(server: Pop3Server) -> Iterator[RawClient]:
    with RawClient(server.host, server.port) as client:
        yield client


def test_login(client: RawClient, server: Pop3Server) -> None:
    """Two questions; none of the answers is in the log."""
    assert client.ask("AUTH LOGIN") == f"+ {encoded('Username:')}"
    assert client.ask(encoded("anna")) == f"+ {encoded('Password:')}"
    assert client.ask(encoded("pw")).startswith("+OK")
    assert [entry[1:] for entry in server.log] == [("AUTH", "LOGIN")]


def test_cram_md5(client: RawClient) -> None:
    """The digest is keyed with the password; a challenge is never given twice."""
    first = client.ask("AUTH CRAM-MD5")
    assert client.ask("*") == "-ERR cancelled"
    challenge = client.ask("auth cram-md5")
    assert challenge != first
    digest = hmac.new(b"pw", base64.b64decode(challenge[2:]), "md5").hexdigest()
    assert client.ask(encoded(f"anna {digest}")).startswith("+OK")


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (f"AUTH XOAUTH2 {encoded('user=anna' + chr(1) + 'auth=Bearer xx' + chr(1) * 2)}", "401"),
        (f"AUTH OAUTHBEARER {encoded('n,a=anna,' + chr(1) + 'auth=Bearer x' + chr(1) * 2)}", "inv"),
    ],
)
def test_bad_tokens(client: RawClient, command: str, status: str) -> None:
    """The reasons come as a challenge, and the refusal when that was acknowledged."""
    challenge = client.ask(command)
    assert f'"status": "{status}'.encode() in base64.b64decode(challenge[2:])
    assert client.ask("").startswith("-ERR [AUTH]")
    assert client.ask("CAPA").startswith("+OK")


@pytest.mark.parametrize("name", [name for name in MECHANISMS if "PLUS" not in name])
@pytest.mark.parametrize("said", ["=", "AAAA", "!!", encoded("n,,n=anna,r=x"), encoded("é" * 99)])
def test_nonsense_is_refused(client: RawClient, name: str, said: str) -> None:
    """Whatever is said with the command: the session goes on, and nobody is let in."""
    answer = client.ask(f"AUTH {name} {said}")
    while answer.startswith("+ "):
        answer = client.ask("*")
    assert answer.startswith("-ERR")
    client.log_in("anna", "pw")


def test_only_some() -> None:
    """A behaviour says which mechanisms there are; the others are unknown."""
    behaviour = Behaviour(mechanisms=frozenset({"LOGIN"}), sasl=Sasl.ENDLESS)
    with (
        running(Pop3Server({}, behaviour=behaviour)) as server,
        RawClient(server.host, server.port) as client,
    ):
        assert b"\r\nSASL LOGIN\r\n" in client.ask_body("CAPA")
        assert client.ask("AUTH PLAIN") == "-ERR unknown mechanism"
        client.ask("AUTH LOGIN")
        assert {client.ask("AAAA") for _ in range(5)} == {f"+ {encoded('go on')}"}
