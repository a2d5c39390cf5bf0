"""Connecting and logging in over loopback: what is sent, in which order, in how many writes."""

import asyncio
import base64
import threading

import pytest

from poparchive.errors import TryLaterError
from poparchive.pop3 import (
    AuthError,
    BusyError,
    Capabilities,
    ClosedError,
    CommandError,
    ConnectError,
    Endpoint,
    InUseError,
    Login,
    LoginDelayError,
    Pop3Error,
    ProtocolError,
    ReplyError,
    SystemBusyError,
    SystemFailedError,
    TimedOutError,
    Timeouts,
    TlsError,
    TlsMode,
    connect,
)
from tests.support.certificate import Certificate
from tests.support.conversation import Script, Server, Step, scripted

GREETING = b"+OK ready <1.2@test>\r\n"
CAPA = b"+OK\r\nSASL PLAIN LOGIN\r\nUSER\r\nUIDL\r\nPIPELINING\r\n.\r\n"
CAPA_BARE = b"+OK\r\nUSER\r\nUIDL\r\n.\r\n"
PLAIN = "AUTH PLAIN " + base64.b64encode(b"\0ann\0secret").decode()
OK = b"+OK\r\n"


def ann(auth: str = "auto", known: Capabilities | None = None) -> Login:
    return Login("ann", lambda: "secret", auth, known=known)


KNOWN: Capabilities = {"USER": (), "UIDL": (), "PIPELINING": ()}


async def log_in(
    server: Server,
    login: Login,
    tls: TlsMode = TlsMode.NONE,
    certificate: Certificate | None = None,
    fingerprint: str | None = None,
) -> tuple[str, str | None, set[str]]:
    """Log in and hang up: the way taken, the TLS version, the capabilities."""
    async with connect(
        server.endpoint(tls, fingerprint),
        login,
        account="office",
        context=certificate.client_context() if certificate else None,
        timeouts=Timeouts(5, 5, 5),
    ) as session:
        return session.auth, session.tls_version, set(session.capabilities)


def test_apop_in_the_clear() -> None:
    """Without TLS, with a stamp: APOP, and the password stays secret."""

    async def main() -> None:
        apop = "APOP ann f1437a36dc291fad22ad12536db03b19"
        async with scripted(GREETING, "CAPA", CAPA, apop, OK) as server:
            assert (await log_in(server, ann()))[:2] == ("apop", None)

    asyncio.run(main())


def test_user_in_the_clear() -> None:
    """Without TLS and stamp USER and PASS, one by one: no password for a server that does not take
    the name. After the log-in CAPA is asked for again, at once where nothing is pipelined."""

    async def main() -> None:
        after = b"+OK\r\nUIDL\r\nTOP\r\n.\r\n"
        steps: Script = ["CAPA", CAPA_BARE, "USER ann", OK, "PASS secret", OK, "CAPA", after]
        async with scripted(OK, *steps) as server:
            assert await log_in(server, ann()) == ("user", None, {"UIDL", "TOP"})
            assert server.reads == [b"CAPA\r\n", b"USER ann\r\n", b"PASS secret\r\n", b"CAPA\r\n"]

    asyncio.run(main())


def test_a_server_without_capa() -> None:
    """It is not asked again, and logs in with USER and PASS."""

    async def main() -> None:
        steps: Script = ["CAPA", b"-ERR what?\r\n", "USER ann", OK, "PASS secret", OK]
        async with scripted(OK, *steps) as server:
            assert await log_in(server, ann()) == ("user", None, set())

    asyncio.run(main())


def test_two_step_plain() -> None:
    """A response that does not fit in 255 octets is sent when the server asks for it."""

    async def main() -> None:
        secret = "s" * 200
        response = base64.b64encode(b"\0ann\0" + secret.encode()).decode()
        steps: Script = ["CAPA", CAPA, "AUTH PLAIN", b"+ \r\n", response, OK]
        async with scripted(GREETING, *steps) as server:
            assert (await log_in(server, Login("ann", lambda: secret, "plain")))[0] == "plain"

    asyncio.run(main())


def test_the_secret_is_fetched_late_and_once() -> None:
    """In a worker thread, when the server has said how to log in, and only then."""
    calls = list[threading.Thread]()

    def secret() -> str:
        calls.append(threading.current_thread())
        return "secret"

    async def main() -> None:
        login = Login("ann", secret, "plain")
        assert "secret" not in repr(login)
        async with scripted(GREETING, "CAPA", CAPA, PLAIN, OK) as server:
            await log_in(server, login)
        assert len(calls) == 1
        assert calls[0] is not threading.main_thread()
        async with scripted(b"-ERR [IN-USE] no\r\n") as server:
            with pytest.raises(BusyError):
                await log_in(server, login)
        assert len(calls) == 1

    asyncio.run(main())


def test_what_the_secret_raises_comes_through() -> None:
    """The error of whoever keeps the secret is not dressed up, and the connection is closed."""

    def secret() -> str:
        raise LookupError("no such key")

    async def main() -> None:
        async with scripted(GREETING, "CAPA", CAPA) as server:
            with pytest.raises(LookupError, match="no such key"):
                await log_in(server, Login("ann", secret))

    asyncio.run(main())


def test_implicit_tls(certificate: Certificate) -> None:
    """Under TLS PLAIN where it is announced; CAPA waits for the listing where it can travel with it."""

    async def main() -> None:
        script: Script = (GREETING, "CAPA", CAPA, PLAIN, OK)
        tls = certificate.server_context()
        async with scripted(*script, tls=tls, implicit=True) as server:
            way, version, _ = await log_in(server, ann(), TlsMode.IMPLICIT, certificate)
            assert way == "plain"
            assert version
            assert version.startswith("TLS")

    asyncio.run(main())


def test_one_write_under_tls(certificate: Certificate) -> None:
    """What a server offered at the last log-in lets CAPA share a write with the log-in, under TLS."""

    async def main() -> None:
        script: Script = (GREETING, "CAPA", "USER ann", "PASS secret", CAPA, OK, OK)
        tls = certificate.server_context()
        async with scripted(*script, tls=tls, implicit=True) as server:
            login = ann(known=KNOWN)
            assert (await log_in(server, login, TlsMode.IMPLICIT, certificate))[0] == "user"
            assert server.reads == [b"CAPA\r\nUSER ann\r\nPASS secret\r\n"]
        # In the clear the answer is waited for: somebody may have made it.
        async with scripted(OK, "CAPA", CAPA, PLAIN, OK) as server:
            await log_in(server, ann(known=KNOWN))
            assert server.reads[0] == b"CAPA\r\n"

    asyncio.run(main())


def test_an_offer_that_is_gone(certificate: Certificate) -> None:
    """A mechanism that the server had the last time and has not now: it is asked for what it has."""

    async def main() -> None:
        known = {"SASL": ("SCRAM-SHA-256",), "PIPELINING": ()}
        refused = b"-ERR unknown mechanism\r\n"
        script: Script = (GREETING, "CAPA", Step.ANYTHING, CAPA, refused, PLAIN, OK)
        tls = certificate.server_context()
        async with scripted(*script, tls=tls, implicit=True) as server:
            login = ann(known=known)
            assert (await log_in(server, login, TlsMode.IMPLICIT, certificate))[0] == "plain"

    asyncio.run(main())


def test_what_is_remembered_forbids_nothing(certificate: Certificate) -> None:
    """A way that the server did not offer the last time: it is asked, and the way taken."""

    async def main() -> None:
        script: Script = (GREETING, "CAPA", CAPA, PLAIN, OK)
        tls = certificate.server_context()
        async with scripted(*script, tls=tls, implicit=True) as server:
            login = ann("plain", known=KNOWN)
            assert (await log_in(server, login, TlsMode.IMPLICIT, certificate))[0] == "plain"

    asyncio.run(main())


def test_utf8_and_lang(certificate: Certificate) -> None:
    """Where they are offered they are asked for before the log-in, in its write if the server pipelines;
    a refusal changes nothing (RFC 6856)."""

    async def main() -> None:
        offer = b"+OK\r\nUTF8 USER\r\nLANG\r\nUSER\r\n%b.\r\n"
        answers = (b"-ERR no\r\n", b"+OK en\r\n", OK, OK)
        for more, known in (
            (b"PIPELINING\r\n", None),
            (b"", {"UTF8": (), "LANG": (), "USER": (), "PIPELINING": ()}),
        ):
            words = ("UTF8", "LANG en", "USER ann", "PASS secret", *answers)
            if known:
                script: Script = (
                    GREETING,
                    "CAPA",
                    *words[:4],
                    offer % more,
                    *answers,
                    "CAPA",
                    CAPA,
                )
            else:
                script = (GREETING, "CAPA", offer % more, *words)
            tls = certificate.server_context()
            async with scripted(*script, tls=tls, implicit=True) as server:
                await log_in(server, ann(known=known), TlsMode.IMPLICIT, certificate)
        async with scripted(
            OK, "CAPA", offer % b"", "UTF8", OK, "LANG en", OK, "USER ann", OK,
            "PASS secret", OK, "CAPA", CAPA,
        ) as server:  # fmt: skip
            await log_in(server, ann())

    asyncio.run(main())


def test_stls(certificate: Certificate) -> None:
    """What the server said in the clear is forgotten; it is asked again under TLS."""

    async def main() -> None:
        clear = b"+OK\r\nSTLS\r\nSASL EVIL\r\n.\r\n"
        script: Script = (GREETING, "CAPA", clear, "STLS", OK, Step.TLS, "CAPA", CAPA, PLAIN, OK)
        async with scripted(*script, tls=certificate.server_context()) as server:
            way, version, names = await log_in(server, ann(), TlsMode.STARTTLS, certificate)
            assert (way, "STLS" in names) == ("plain", False)
            assert version

    asyncio.run(main())


def test_stls_without_capa(certificate: Certificate) -> None:
    """A server that does not know CAPA may know STLS."""

    async def main() -> None:
        no = b"-ERR\r\n"
        login: Script = ("CAPA", no, "USER ann", OK, "PASS secret", OK)
        script: Script = (OK, "CAPA", no, "STLS", OK, Step.TLS, *login)
        async with scripted(*script, tls=certificate.server_context()) as server:
            assert (await log_in(server, ann(), TlsMode.STARTTLS, certificate))[0] == "user"

    asyncio.run(main())


@pytest.mark.parametrize(
    "script",
    [
        (OK, "CAPA", CAPA),
        (OK, "CAPA", b"-ERR\r\n", "STLS", b"-ERR no\r\n"),
        (OK, "CAPA", b"+OK\r\nSTLS\r\n.\r\n", "STLS", b"-ERR [SYS/TEMP] no\r\n"),
    ],
)
def test_stls_is_never_done_without(script: tuple[str | bytes, ...]) -> None:
    """A server that does not offer STLS, or refuses it, learns neither name nor password."""

    async def main() -> None:
        async with scripted(*script) as server:
            with pytest.raises(TlsError, match="STLS"):
                await log_in(server, ann(), TlsMode.STARTTLS)

    asyncio.run(main())


def test_octets_in_the_clear_before_tls(certificate: Certificate) -> None:
    """What somebody puts behind the answer to STLS is not taken for the server's word."""

    async def main() -> None:
        script: Script = (OK, "CAPA", b"+OK\r\nSTLS\r\n.\r\n", "STLS", b"+OK\r\n+OK\r\n+OK in\r\n")
        async with scripted(*script) as server:
            with pytest.raises(ProtocolError, match="in the clear"):
                await log_in(server, ann(), TlsMode.STARTTLS, certificate)

    asyncio.run(main())


def test_stls_that_comes_to_nothing(certificate: Certificate) -> None:
    """A server that grants STLS and then speaks in the clear, or hangs up, is a clear error."""

    async def main() -> None:
        start = (OK, "CAPA", b"+OK\r\nSTLS\r\n.\r\n", "STLS", OK)
        async with scripted(*start, Step.HANG_UP) as server:
            with pytest.raises(Pop3Error, match=f"account office, server 127.0.0.1:{server.port}"):
                await log_in(server, ann(), TlsMode.STARTTLS, certificate)

    asyncio.run(main())


def test_tls_is_needed() -> None:
    """Without TLS only on purpose."""
    endpoint = Endpoint("127.0.0.1", 9, TlsMode.NONE)

    async def main() -> None:
        with pytest.raises(TlsError, match="allow_insecure"):
            async with connect(endpoint, ann()):
                pass

    asyncio.run(main())


def refused_tls(server_certificate: Certificate, fingerprint: str | None, host: str) -> str:
    """What connecting says when the system's authorities are to be trusted."""

    async def main() -> str:
        tls = server_certificate.server_context()
        async with scripted(tls=tls, implicit=True, host=host) as server:
            trusting = None if fingerprint or host == "127.0.0.1" else server_certificate
            with pytest.raises(TlsError) as caught:
                await log_in(server, ann(), TlsMode.IMPLICIT, trusting, fingerprint)
        assert caught.value.where
        return str(caught.value)

    return asyncio.run(main())


def test_certificates_are_checked(certificate: Certificate) -> None:
    """By authority and by name; the error says what to do."""
    text = refused_tls(certificate, None, "127.0.0.1")
    assert "the certificate is not trusted: self-signed certificate" in text.replace(
        "self s", "self-s"
    )
    assert "tls_fingerprint" in text
    assert "mismatch" in refused_tls(certificate, None, "127.0.0.2")


def test_fingerprints(certificate: Certificate) -> None:
    """The pinned certificate is taken whatever else it is; any other is refused, and named."""
    text = refused_tls(certificate, "sha256:" + "00" * 32, "127.0.0.1")
    found = text.rpartition("sha256:")[2]
    pretty = ":".join(found[n : n + 2] for n in range(0, 64, 2)).upper()
    assert "does not begin with sha256:" in refused_tls(certificate, "md5:00", "127.0.0.1")

    async def main(fingerprint: str) -> None:
        script: Script = (GREETING, "CAPA", CAPA, PLAIN, OK)
        tls = certificate.server_context()
        async with scripted(*script, tls=tls, implicit=True, host="127.0.0.2") as server:
            await log_in(server, ann(), TlsMode.IMPLICIT, None, fingerprint)

    for fingerprint in (f"sha256:{found}", f"SHA256:{pretty}"):
        asyncio.run(main(fingerprint))


def test_tls_on_a_clear_port() -> None:
    """A server that does not speak TLS there: the error asks whether the port is right."""

    async def main() -> None:
        async with scripted(GREETING, Step.SILENCE) as server:
            with pytest.raises(TlsError, match="is this the port for tls = implicit"):
                await log_in(server, ann(), TlsMode.IMPLICIT)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "kind", "later_s", "advice"),
    [
        (b"-ERR [AUTH] wrong.\x1b\r\n", AuthError, None, "check user name and password"),
        (b"-ERR wrong\r\n", AuthError, None, "check user name and password"),
        (b"-ERR [IN-USE] locked\r\n", InUseError, 120, "another session"),
        (b"-ERR [LOGIN-DELAY] wait\r\n", LoginDelayError, 600, "more time between log-ins"),
        (b"-ERR [SYS/TEMP] later\r\n", SystemBusyError, 600, "expects to pass"),
        (b"-ERR [SYS/TEMP/DISK] full\r\n", SystemBusyError, 600, "expects to pass"),
        (b"-ERR [SYS/PERM] never\r\n", SystemFailedError, None, "whoever runs it"),
        (b"-ERR [SYS/ODD] what\r\n", ReplyError, None, ""),
    ],
)
def test_refused_logins(
    answer: bytes, kind: type[ReplyError], later_s: int | None, advice: str
) -> None:
    """The error says who was refused by which server and what it said, and never the password.
    Nothing else is tried."""

    async def main() -> None:
        steps: Script = ["CAPA", CAPA_BARE, "USER ann", OK, "PASS secret", answer]
        async with scripted(OK, *steps) as server:
            with pytest.raises(ReplyError) as caught:
                await log_in(server, ann())
        error = caught.value
        assert type(error) is kind
        assert error.retry_after_s == later_s
        assert error.temporary is isinstance(error, TryLaterError) is (later_s is not None)
        said = str(error.reply)
        assert str(error).startswith(
            f"account office, server 127.0.0.1:{server.port}: PASS was refused: {said}"
            " (in state AUTHORIZATION)"
        )
        assert advice in str(error)
        assert "\x1b" not in said
        assert error.command == "PASS"

    asyncio.run(main())


def test_a_refused_name(certificate: Certificate) -> None:
    """Of USER and PASS in one write, the error is about the first that was refused."""

    async def main() -> None:
        known = b"+OK\r\nUSER\r\nUIDL\r\nPIPELINING\r\n.\r\n"
        answers = (known, b"-ERR who?\r\n", b"-ERR USER first\r\n")
        script: Script = (GREETING, "CAPA", "USER ann", "PASS secret", *answers)
        tls = certificate.server_context()
        async with scripted(*script, tls=tls, implicit=True) as server:
            with pytest.raises(AuthError, match=r"USER was refused: -ERR who\?"):
                await log_in(server, ann(known=KNOWN), TlsMode.IMPLICIT, certificate)

    asyncio.run(main())


def test_a_refused_greeting() -> None:
    """A server that greets with -ERR is not asked anything."""

    async def main() -> None:
        async with scripted(b"-ERR [SYS/TEMP] too many connections\r\n") as server:
            with pytest.raises(
                BusyError, match=r"greeting was refused: -ERR \[SYS/TEMP\] too many"
            ):
                await log_in(server, ann())

    asyncio.run(main())


def test_nothing_listens() -> None:
    """No server: an error that may pass."""

    async def main() -> None:
        listener = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        listener.close()
        await listener.wait_closed()
        with pytest.raises(
            ConnectError, match=r"server 127.0.0.1:\d+: cannot connect: connection refused"
        ) as caught:
            await log_in(Server("127.0.0.1", port), ann())
        assert caught.value.temporary

    asyncio.run(main())


def test_names_that_are_none() -> None:
    """A host name that cannot be looked up, or is no name, is a ConnectError."""

    async def main() -> None:
        for host in ("host.invalid", "a" * 70, "\udcff"):
            with pytest.raises(ConnectError):
                async with connect(Endpoint(host, 110, TlsMode.NONE, True), ann()):
                    pass

    asyncio.run(main())


@pytest.mark.parametrize(
    ("tls", "timeouts", "text"),
    [
        (TlsMode.NONE, Timeouts(5, 0.05, 5), "the server did not send its greeting within 0.05 s"),
        (TlsMode.IMPLICIT, Timeouts(0.05, 5, 5), "no connection within 0.05 s"),
    ],
)
def test_silence(tls: TlsMode, timeouts: Timeouts, text: str) -> None:
    """A server that never speaks: no greeting in time, or no TLS in time."""

    async def main() -> None:
        async with scripted(Step.SILENCE) as server:
            with pytest.raises(TimedOutError, match=text) as caught:
                async with connect(server.endpoint(tls), ann(), timeouts=timeouts):
                    pass
            assert caught.value.temporary

    asyncio.run(main())


def test_hung_up_while_logging_in() -> None:
    """The error says at which command."""

    async def main() -> None:
        async with scripted(OK, "CAPA", Step.HANG_UP) as server:
            with pytest.raises(ClosedError, match="before it had answered CAPA") as caught:
                await log_in(server, ann())
            assert caught.value.temporary

    asyncio.run(main())


def test_a_name_that_would_be_a_command() -> None:
    """A line break in the user's name is refused before anything of it is sent."""

    async def main() -> None:
        async with scripted(OK, "CAPA", CAPA_BARE) as server:
            with pytest.raises(CommandError, match=f"{server.port}: what is to be sent with USER"):
                await log_in(server, Login("ann\r\nDELE 1", lambda: "secret"))

    asyncio.run(main())


def test_an_unknown_way() -> None:
    """Found before connecting."""

    async def main() -> None:
        with pytest.raises(AuthError, match=r'server x:1: auth = "kerberos" is not known'):
            async with connect(Endpoint("x", 1, TlsMode.NONE, True), ann("kerberos")):
                pass

    asyncio.run(main())
