"""Every mechanism that a real Dovecot has, over every kind of connection."""

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from poparchive.pop3 import AuthError, Endpoint, Login, Timeouts, TlsMode, connect
from tests.support.certificate import Certificate, make_certificate
from tests.support.dovecot import Dovecot, dovecot, dovecot_missing

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(dovecot_missing() is not None, reason=str(dovecot_missing())),
]

PASSWORD = "s3cret"
PASSWORDS = ["plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256"]
MECHANISMS = [*PASSWORDS, "apop", "xoauth2", "oauthbearer", "external"]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("client"), "ann")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, client: Certificate) -> Iterator[Dovecot]:
    place = tmp_path_factory.mktemp("dovecot")
    with dovecot(place, mechanisms=MECHANISMS, client=client) as one:
        one.add_user("ann", PASSWORD)
        one.deliver("ann", [b"Subject: one\n\ntext\n"])
        yield one


async def log_in(
    server: Dovecot, login: Login, tls: TlsMode, client: Certificate | None = None
) -> str:
    """Log in, list the one message and say which way was taken."""
    port = server.tls_port if tls is TlsMode.IMPLICIT else server.port
    context = ssl.create_default_context(cafile=str(server.ca_file))
    if client:
        context.load_cert_chain(client.cert, client.key)
    endpoint = Endpoint(server.host, port, tls, allow_insecure=tls is TlsMode.NONE)
    times = Timeouts(20, 20, 20)
    async with connect(endpoint, login, timeouts=times, context=context) as session:
        assert len(await session.listing()) == 1
        await session.quit()
    return session.auth


@pytest.mark.parametrize("auth", [*PASSWORDS, "apop", "user", "auto"])
@pytest.mark.parametrize("tls", list(TlsMode))
def test_passwords(server: Dovecot, auth: str, tls: TlsMode) -> None:
    """Each lets us in; auto is the strongest."""
    taken = asyncio.run(log_in(server, Login("ann", lambda: PASSWORD, auth), tls))
    assert taken == ("scram-sha-256" if auth == "auto" else auth)


@pytest.mark.parametrize("auth", ["xoauth2", "oauthbearer", "auto"])
@pytest.mark.parametrize("tls", list(TlsMode))
def test_tokens(server: Dovecot, auth: str, tls: TlsMode) -> None:
    """A token lets us in; one that does not is replaced by a fresh one on the same connection."""
    tokens = [server.token("ann"), "no-token"]
    login = Login("ann", None, auth, lambda fresh: tokens.pop())
    assert asyncio.run(log_in(server, login, tls)) == ("oauthbearer" if auth == "auto" else auth)
    assert not tokens


@pytest.mark.parametrize(("auth", "status"), [("xoauth2", "401"), ("oauthbearer", "invalid_token")])
def test_refused_tokens(server: Dovecot, auth: str, status: str) -> None:
    """The error has what the server said in JSON."""
    login = Login("ann", None, auth, lambda fresh: "no-token-at-all")
    with pytest.raises(
        AuthError, match=rf"\(status {status}.*\); `poparchive account login`"
    ) as caught:
        asyncio.run(log_in(server, login, TlsMode.IMPLICIT))
    assert "no-token" not in str(caught.value)


@pytest.mark.parametrize("auth", [*PASSWORDS, "apop", "user"])
def test_refused_passwords(server: Dovecot, auth: str) -> None:
    """A wrong password is an AuthError and is not repeated."""
    with pytest.raises(AuthError, match="refused: -ERR") as caught:
        asyncio.run(log_in(server, Login("ann", lambda: "wr0ng", auth), TlsMode.IMPLICIT))
    assert "wr0ng" not in str(caught.value)


def test_long_passwords(server: Dovecot) -> None:
    """What makes the line longer than 255 octets goes in two steps."""
    server.add_user("long", "p" * 200)
    server.deliver("long", [b"Subject: one\n\ntext\n"])
    for auth in ("plain", "scram-sha-256"):
        login = Login("long", lambda: "p" * 200, auth)
        assert asyncio.run(log_in(server, login, TlsMode.IMPLICIT)) == auth


@pytest.mark.parametrize("auth", ["external", "auto"])
@pytest.mark.parametrize("tls", [TlsMode.STARTTLS, TlsMode.IMPLICIT])
def test_certificates(server: Dovecot, client: Certificate, auth: str, tls: TlsMode) -> None:
    """The client's certificate lets us in."""
    assert asyncio.run(log_in(server, Login("ann", None, auth), tls, client)) == "external"


def test_what_is_not_offered(tmp_path: Path) -> None:
    """A mechanism that this server has not is an error that names those it has."""
    with dovecot(tmp_path) as server:
        login = Login("ann", lambda: PASSWORD, "scram-sha-256")
        with pytest.raises(AuthError, match="the server offers LOGIN, PLAIN, USER, APOP"):
            asyncio.run(log_in(server, login, TlsMode.IMPLICIT))
