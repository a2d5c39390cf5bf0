"""Every mechanism against the demo server, which checks what it is told, and misbehaves on request."""

import asyncio
import base64
import ssl
from collections.abc import Coroutine
from pathlib import Path

import pytest

from poparchive.demo.auth import MECHANISMS, Sasl
from poparchive.demo.behaviour import Behaviour
from poparchive.demo.mailbox import Mailbox
from poparchive.demo.server import Pop3Server
from poparchive.pop3 import (
    AuthError,
    BusyError,
    CommandError,
    Endpoint,
    Login,
    Pop3Error,
    ProtocolError,
    Timeouts,
    TlsMode,
    connect,
)
from tests.support.certificate import Certificate, make_certificate
from tests.support.conversation import Script, Server, Step, scripted

PASSWORD = "caf\u00e9 s3cret=,"
TOKEN = "a-t0ken-that-is-long-enough-to-need-a-line-of-its-own." * 5
SCRAM = ["scram-sha-1", "scram-sha-256"]
PLUS = ["scram-sha-1-plus", "scram-sha-256-plus"]
HIDING = [*SCRAM, "cram-md5", "apop"]
BARE = ["plain", "login", "user"]
BEARER = ["oauthbearer", "xoauth2"]


class Tokens:
    """A source of tokens that says what it was asked."""

    def __init__(self, *tokens: str) -> None:
        self.asked: list[bool] = []
        self._tokens = list(tokens)

    def __call__(self, fresh: bool) -> str:
        self.asked.append(fresh)
        return self._tokens.pop(0)


def server(
    behaviour: Behaviour | None = None,
    certificate: Certificate | None = None,
    *,
    implicit: bool = False,
    client: Certificate | None = None,
) -> Pop3Server:
    tls = certificate.server_context() if certificate else None
    if tls and client:
        tls.verify_mode = ssl.CERT_OPTIONAL
        tls.load_verify_locations(client.cert)
    return Pop3Server(
        {"a=n,n": Mailbox([b"a\r\n"], password=PASSWORD, token=TOKEN)},
        behaviour=behaviour or Behaviour(),
        tls=tls,
        implicit_tls=implicit,
        certificate=ssl.PEM_cert_to_DER_cert(certificate.cert.read_text()) if certificate else None,
    )


async def log_in(
    at: Pop3Server | Server,
    auth: str = "auto",
    tls: TlsMode = TlsMode.NONE,
    context: ssl.SSLContext | None = None,
    *,
    password: str | None = PASSWORD,
    token: Tokens | None = None,
) -> str:
    """Log in and list; the way that was taken."""
    login = Login("a=n,n", None if password is None else lambda: password, auth, token)
    endpoint = Endpoint(at.host, at.port, tls, allow_insecure=tls is TlsMode.NONE)
    times = Timeouts(20, 20, 20)
    async with connect(endpoint, login, context=context, timeouts=times) as session:
        assert len(await session.listing()) == 1
        await session.quit()
    return session.auth


async def refused(attempt: Coroutine[None, None, str]) -> Pop3Error:
    """What a log-in ends with; no secret is in it, however it is looked at."""
    with pytest.raises(Pop3Error) as caught:
        await attempt
    error = caught.value
    shown = f"{error} {error!r} {error.reply!r} {error.args}"
    for secret in (PASSWORD, "s3cret", TOKEN[:20], base64.b64encode(TOKEN.encode()).decode()[:20]):
        assert secret not in shown
    return error


@pytest.mark.parametrize("auth", [*HIDING, *BARE])
def test_passwords_in_the_clear(auth: str) -> None:
    """Every mechanism without TLS, where it was allowed; the log-in says which one it was."""

    async def main() -> None:
        async with server() as at:
            assert await log_in(at, auth) == auth

    asyncio.run(main())


@pytest.mark.parametrize("tls", [TlsMode.STARTTLS, TlsMode.IMPLICIT])
def test_passwords_under_tls(certificate: Certificate, tls: TlsMode) -> None:
    """The same under TLS, and tied to it."""

    async def main() -> None:
        async with server(None, certificate, implicit=tls is TlsMode.IMPLICIT) as at:
            context = certificate.client_context()
            for auth in (*SCRAM, *PLUS, "cram-md5", "apop", *BARE):
                assert await log_in(at, auth, tls, context) == auth
            assert await log_in(at, "auto", tls, context) == "scram-sha-256-plus"

    asyncio.run(main())


@pytest.mark.parametrize("auth", BEARER)
def test_tokens(certificate: Certificate, auth: str) -> None:
    """A token that is taken is asked for once, and is not a fresh one."""

    async def main() -> None:
        async with server(None, certificate, implicit=True) as at:
            context, tokens = certificate.client_context(), Tokens(TOKEN, TOKEN)
            assert await log_in(at, auth, TlsMode.IMPLICIT, context, token=tokens) == auth
            way = await log_in(at, "auto", TlsMode.IMPLICIT, context, password=None, token=tokens)
            assert way == "oauthbearer"
            assert tokens.asked == [False, False]

    asyncio.run(main())


@pytest.mark.parametrize("auth", BEARER)
def test_a_token_that_is_not_fresh(auth: str) -> None:
    """It is refused, and the fresh one is taken, on the same connection."""

    async def main() -> None:
        async with server() as at:
            tokens = Tokens("stale", TOKEN)
            assert await log_in(at, auth, token=tokens) == auth
            assert tokens.asked == [False, True]
            assert (at.sessions, len(at.asked("AUTH"))) == (1, 2)

    asyncio.run(main())


@pytest.mark.parametrize(("auth", "status"), [("oauthbearer", "invalid_token"), ("xoauth2", "401")])
def test_two_tokens_are_enough(auth: str, status: str) -> None:
    """The second refusal ends it, with the server's reasons in the error."""

    async def main() -> None:
        async with server() as at:
            tokens = Tokens(f"{TOKEN}x", f"{TOKEN}y", TOKEN)
            error = await refused(log_in(at, auth, token=tokens))
            assert isinstance(error, AuthError)
            assert str(error).endswith(
                f"AUTH {auth.upper()} was refused: -ERR [AUTH] the token is not accepted"
                f" (in state AUTHORIZATION) (status {status}, schemes bearer, scope mail.pop)"
                "; `poparchive account login` asks for access again"
            )
            assert tokens.asked == [False, True]

    asyncio.run(main())


def test_a_busy_server_does_not_spoil_a_token() -> None:
    """What is not about the token does not ask for a fresh one."""

    async def main() -> None:
        tokens = Tokens(TOKEN)
        async with server(Behaviour(refuse_login=b"-ERR [IN-USE] locked")) as at:
            error = await refused(log_in(at, "xoauth2", token=tokens))
            assert isinstance(error, BusyError)

    asyncio.run(main())


def test_a_server_that_hangs_up_behind_its_refusal() -> None:
    """The refusal is what is reported."""

    async def main() -> None:
        said = base64.b64encode(b"user=a=n,n\1auth=Bearer t\1\1").decode()
        capa = b"+OK\r\nSASL XOAUTH2\r\n.\r\n"
        steps: Script = ["CAPA", capa, f"AUTH XOAUTH2 {said}", b"-ERR no\r\n", Step.HANG_UP]
        async with scripted(b"+OK\r\n", *steps) as at:
            error = await refused(log_in(at, "xoauth2", token=Tokens("t", "u")))
            assert isinstance(error, AuthError)

    asyncio.run(main())


def test_external(certificate: Certificate, tmp_path: Path) -> None:
    """The client's certificate logs in, by name or where there is no password; without it the
    server does not offer that."""

    async def main() -> None:
        client = make_certificate(tmp_path, "a=n,n")
        async with server(None, certificate, implicit=True, client=client) as at:
            context = certificate.client_context()
            error = await refused(log_in(at, "external", TlsMode.IMPLICIT, context))
            assert "is not to be had here: the server offers CRAM-MD5, LOGIN," in str(error)
            context.load_cert_chain(client.cert, client.key)
            for auth in ("external", "auto"):
                way = await log_in(at, auth, TlsMode.IMPLICIT, context, password=None)
                assert way == "external"
            assert await log_in(at, "auto", TlsMode.IMPLICIT, context) == "scram-sha-256-plus"

    asyncio.run(main())


@pytest.mark.parametrize("auth", [*HIDING, *BARE])
def test_a_wrong_password(auth: str) -> None:
    """An AuthError that names the mechanism; nothing else is tried."""

    async def main() -> None:
        async with server() as at:
            error = await refused(log_in(at, auth, password="wrong"))
            assert isinstance(error, AuthError)
            name = {"user": "PASS", "apop": "APOP"}.get(auth, f"AUTH {auth.upper()}")
            assert f"{name} was refused: -ERR [AUTH] " in str(error)
            assert at.sessions == 1
            assert len(at.asked("AUTH")) <= 1

    asyncio.run(main())


def test_advice(certificate: Certificate) -> None:
    """Where auto took a mechanism that a server with hashed passwords cannot do, the error says
    what else there is."""

    async def main() -> None:
        async with server(None, certificate, implicit=True) as at:
            context = certificate.client_context()
            error = await refused(log_in(at, "auto", TlsMode.IMPLICIT, context, password="wrong"))
            assert str(error).endswith(
                '; if the password is right, try auth = "scram-sha-256" or "plain" in place of "auto"'
            )
            assert at.asked("AUTH") == ["SCRAM-SHA-256-PLUS"]
        locked = Behaviour(refuse_login=b"-ERR [IN-USE] locked")
        async with server(locked, certificate, implicit=True) as at:
            error = await refused(log_in(at, "auto", TlsMode.IMPLICIT, context))
            assert isinstance(error, BusyError)
            assert "[IN-USE] locked (in state" in str(error)
            assert "try auth" not in str(error)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("unknown", "mechanisms", "asked", "other"),
    [
        ({"AUTH"}, None, "APOP", "user"),  # GNU mailutils
        ({"CAPA", "AUTH"}, None, "APOP", "user"),  # solid-pop3d
        ({"USER"}, {"PLAIN", "LOGIN"}, "APOP", "plain"),
        (set[str](), {"CRAM-MD5"}, "AUTH CRAM-MD5", "user"),
    ],
)
def test_a_refusal_in_the_clear_sends_no_password(
    unknown: set[str], mechanisms: set[str] | None, asked: str, other: str
) -> None:
    """Some servers show a stamp and have no secret for APOP. Whoever is on the line could refuse it too, to
    be given the password: so it is not sent, though the account allows it, and the error says what to set."""

    async def main() -> None:
        behaviour = Behaviour(
            unknown=frozenset(unknown),
            mechanisms=None if mechanisms is None else frozenset(mechanisms),
            refuse_login=b"-ERR Bad login",
        )
        async with server(behaviour) as at:
            error = await refused(log_in(at))
            assert isinstance(error, AuthError)
            assert str(error).endswith(
                f"{asked} was refused: -ERR Bad login (in state AUTHORIZATION); if the password is right,"
                f' the server cannot check it by {asked.split()[-1]}: set auth = "{other}", which sends it'
                " in the clear to whoever is on the line"
            )
            assert at.sessions == 1
            assert not {"USER", "PASS"} & {entry.command for entry in at.log}
            assert len(at.asked("APOP") + at.asked("AUTH")) == 1

    asyncio.run(main())


def test_a_server_that_binds_to_something_else(certificate: Certificate) -> None:
    """auto goes on without binding on the same connection; who asked for it does not."""

    async def main() -> None:
        behaviour = Behaviour(sasl=Sasl.NO_BINDING)
        async with server(behaviour, certificate, implicit=True) as at:
            context = certificate.client_context()
            error = await refused(log_in(at, PLUS[1], TlsMode.IMPLICIT, context))
            assert "SCRAM-SHA-256-PLUS was refused" in str(error)
            assert await log_in(at, "auto", TlsMode.IMPLICIT, context) == "scram-sha-256"
            assert at.asked("AUTH", session=2) == ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]

    asyncio.run(main())


def test_an_offer_without_plus_is_found_out(certificate: Certificate) -> None:
    """A server that can bind, and whose -PLUS was taken out of its offer, refuses: we said that we
    could have."""

    async def main() -> None:
        stripped = Behaviour(mechanisms=frozenset({"SCRAM-SHA-256"}))
        async with server(stripped, certificate, implicit=True) as at:
            context = certificate.client_context()
            error = await refused(log_in(at, "auto", TlsMode.IMPLICIT, context))
            assert "server-does-support-channel-binding" in str(error)

    asyncio.run(main())


@pytest.mark.parametrize("auth", SCRAM)
@pytest.mark.parametrize(
    ("sasl", "text"),
    [
        (Sasl.WRONG_NONCE, "nonce doesn't match"),
        (Sasl.WRONG_SIGNATURE, "signature doesn't match"),
        (
            Sasl.NO_SIGNATURE,
            "it does not know the password, so it is not the server it claims to be",
        ),
        (Sasl.MANY_ROUNDS, "asks for 9999999 rounds"),
        (Sasl.ENDLESS, "is wrong"),
        (Sasl.GARBAGE, "not base64"),
    ],
)
def test_servers_that_are_not_to_be_trusted(auth: str, sasl: Sasl, text: str) -> None:
    """They are cancelled or left, whatever they say afterwards, and not asked for anything more."""

    async def main() -> None:
        async with server(Behaviour(sasl=sasl)) as at:
            error = await refused(log_in(at, auth))
            assert isinstance(error, ProtocolError)
            assert text in str(error)
            assert error.command == f"AUTH {auth.upper()}"
            assert [entry.command for entry in at.log] == ["CAPA", "AUTH"]

    asyncio.run(main())


@pytest.mark.parametrize("auth", ["plain", "login", "cram-md5", *BEARER])
def test_endless_challenges(auth: str) -> None:
    """Each mechanism knows when all is said, and cancels."""

    async def main() -> None:
        async with server(Behaviour(sasl=Sasl.ENDLESS)) as at:
            error = await refused(log_in(at, auth, token=Tokens(TOKEN)))
            assert isinstance(error, ProtocolError)
            assert "asks again after all was said" in str(error)

    asyncio.run(main())


def test_a_server_that_is_deaf_to_initial_responses() -> None:
    """It asks, and gets the response then."""

    async def main() -> None:
        async with server(Behaviour(sasl=Sasl.DEAF)) as at:
            for auth in ("plain", *SCRAM):
                assert await log_in(at, auth) == auth

    asyncio.run(main())


def test_a_password_that_scram_cannot_carry(certificate: Certificate) -> None:
    """auto takes the next best mechanism for it; SCRAM by name is an error of ours."""

    async def main() -> None:
        odd = "\U0001f511 odd"  # newer than the Unicode that SASLprep knows
        async with server(None, certificate, implicit=True) as at:
            context = certificate.client_context()
            error = await refused(log_in(at, SCRAM[1], TlsMode.IMPLICIT, context, password=odd))
            assert isinstance(error, CommandError)
            await refused(log_in(at, "auto", TlsMode.IMPLICIT, context, password=odd))
            assert at.asked("AUTH") == ["PLAIN"]

    asyncio.run(main())


@pytest.mark.parametrize("auth", ["user", "plain"])
@pytest.mark.parametrize(("before", "times"), [(b"-ERR ", 1), (b"", 9)])
def test_a_server_that_repeats_what_it_refuses(auth: str, before: bytes, times: int) -> None:
    """Its words are shown without the secret, in base64 or not, even where they are no answer."""

    async def main() -> None:
        sent = PASSWORD
        if auth == "plain":
            sent = base64.b64encode(f"\0a=n,n\0{PASSWORD}".encode()).decode()
        said = before + f"what is {sent}, or {PASSWORD}?\r\n".encode() * times
        async with server(Behaviour(replies={"PASS": said, "AUTH": said})) as at:
            error = await refused(log_in(at, auth))
            assert "what is ***, or ***?" in str(error)

    asyncio.run(main())


def test_all_mechanisms_are_tested() -> None:
    """The demo server's table has no row that no test above logs in by."""
    tested = {*SCRAM, *PLUS, "cram-md5", *BARE, *BEARER, "external"} - {"user"}
    assert {name.lower() for name in MECHANISMS} == tested
