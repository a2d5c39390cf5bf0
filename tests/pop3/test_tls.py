"""TLS with real servers on loopback: what is taken by default, what only by exception, resumption."""

import asyncio
import hashlib
import socket
import ssl
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from poparchive.demo.mailbox import Mailbox
from poparchive.demo.server import Pop3Server
from poparchive.pop3 import (
    Contexts,
    Endpoint,
    Login,
    Pop3Error,
    Proxy,
    TlsError,
    TlsMode,
    connect,
    make_context,
)
from poparchive.pop3.endpoint import Timeouts
from poparchive.pop3.errors import Where
from poparchive.pop3.tls import CONTEXT_MAX_S
from poparchive.pop3.transport import open_connection
from tests.support.certificate import SHORT_RSA, Certificate, encrypted_key, make_certificate

PATIENT = Timeouts(10, 10, 10)


class Turning(ssl.SSLContext):
    """A server's context in whose place another can be put while it listens."""

    def __new__(cls, now: ssl.SSLContext) -> "Turning":
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(self, now: ssl.SSLContext) -> None:
        self.now = now

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        return self.now.wrap_bio(incoming, outgoing, server_side, server_hostname, session)


class Watched(Pop3Server):
    """Serves one mailbox under TLS, and keeps the server's end of each connection."""

    def __init__(self, tls: ssl.SSLContext, mode: TlsMode = TlsMode.IMPLICIT) -> None:
        mailbox = Mailbox([b"Subject: a\r\n\r\nx\r\n"], password="secret")
        super().__init__({"ann": mailbox}, tls=tls, implicit_tls=mode is TlsMode.IMPLICIT)
        self.mode = mode
        self.ends: list[ssl.SSLObject] = []
        self._context = tls
        self.turn(tls.now if isinstance(tls, Turning) else tls)

    def turn(self, context: ssl.SSLContext) -> None:
        """Watch this context, and use it from now on where the first one is ``Turning``."""
        context.sni_callback = self._hello
        if isinstance(self._context, Turning):
            self._context.now = context

    def _hello(self, end: ssl.SSLObject, _name: str, _context: ssl.SSLContext) -> None:
        self.ends.append(end)

    def endpoint(self, certificate: Certificate | None = None) -> Endpoint:
        ca_file = certificate.cert if certificate else None
        return Endpoint("127.0.0.1", self.port, self.mode, ca_file=ca_file)

    @property
    def resumed(self) -> list[bool]:
        """Of each connection, whether the server resumed a session."""
        return [bool(end.session_reused) for end in self.ends]


async def look(endpoint: Endpoint, context: ssl.SSLContext | None = None) -> str:
    """Log in, look and leave in good order; returns the version of TLS."""
    login = Login("ann", lambda: "secret")
    async with connect(endpoint, login, timeouts=PATIENT, context=context) as session:
        await session.listing()
        await session.quit()
    return session.tls_version or ""


async def refusal(endpoint: Endpoint, context: ssl.SSLContext | None = None) -> str:
    """What a visit says that must not come about."""
    with pytest.raises(TlsError) as caught:
        await look(endpoint, context)
    assert str(endpoint.port) in str(caught.value)
    assert not caught.value.temporary
    return str(caught.value)


@contextmanager
def terse(certificate: Certificate, context: ssl.SSLContext) -> Iterator[Endpoint]:
    """A server with blocking sockets and an empty mailbox. Other than asyncio's, it says in an
    alert why it refuses a handshake, as most servers do."""
    answers = {b"CAPA": b"-ERR\r\n", b"LIST": b"+OK\r\n.\r\n", b"UIDL": b"+OK\r\n.\r\n"}

    def serve(sock: socket.socket) -> None:
        with sock, suppress(OSError), context.wrap_socket(sock, server_side=True) as end:
            end.sendall(b"+OK\r\n")
            for line in end.makefile("rb"):
                end.sendall(answers.get(line[:4], b"+OK\r\n"))

    def accept() -> None:
        with suppress(OSError):
            while True:
                serve(listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        port = listener.getsockname()[1]
        yield Endpoint("127.0.0.1", port, TlsMode.IMPLICIT, ca_file=certificate.cert)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def old_context(certificate: Certificate, version: ssl.TLSVersion) -> ssl.SSLContext:
    """A server that speaks this version and no other."""
    if not ssl.HAS_TLSv1_1:
        pytest.skip("OpenSSL here has no TLS 1.1")
    context = certificate.server_context()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    return context


def test_a_server_with_old_tls(certificate: Certificate) -> None:
    """TLS 1.1 is refused by default, with the key that would allow it, and taken with that key."""

    async def main(endpoint: Endpoint) -> None:
        text = await refusal(endpoint)
        assert "only TLS 1.2 and later" in text
        assert "tls_minimum" in text
        assert "only TLS 1.2 and later" in await refusal(replace(endpoint, tls_legacy=True))
        assert await look(replace(endpoint, tls_minimum="1.1")) == "TLSv1.1"
        assert await look(replace(endpoint, tls_minimum="1.0")) == "TLSv1.1"

    with terse(certificate, old_context(certificate, ssl.TLSVersion.TLSv1_1)) as endpoint:
        asyncio.run(main(endpoint))


def test_a_server_with_old_tls_after_stls(certificate: Certificate) -> None:
    """STLS has the same limits, and nothing of the log-in is sent."""

    async def main() -> None:
        context = old_context(certificate, ssl.TLSVersion.TLSv1_1)
        async with Watched(context, TlsMode.STARTTLS) as server:
            endpoint = server.endpoint(certificate)
            with pytest.raises(Pop3Error, match="handshake"):
                await look(endpoint)
            assert not server.asked("USER") + server.asked("AUTH") + server.asked("PASS")
            assert await look(replace(endpoint, tls_minimum="1.1")) == "TLSv1.1"

    asyncio.run(main())


def test_the_minimum_may_be_higher(certificate: Certificate) -> None:
    """With a minimum of 1.3 a server that stops at 1.2 is refused."""
    context = certificate.server_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    async def main(endpoint: Endpoint) -> None:
        assert await look(endpoint) == "TLSv1.2"
        assert "only TLS 1.3 and later" in await refusal(replace(endpoint, tls_minimum="1.3"))

    with terse(certificate, context) as endpoint:
        asyncio.run(main(endpoint))


def test_an_exception_lowers_nothing_by_itself(certificate: Certificate) -> None:
    """With every exception there is, a good server is spoken to as without."""

    async def main() -> None:
        async with Watched(certificate.server_context()) as server:
            endpoint = replace(server.endpoint(certificate), tls_minimum="1.0", tls_legacy=True)
            assert await look(endpoint) == await look(server.endpoint(certificate))

    asyncio.run(main())


def test_short_keys(tmp_path: Path, certificate: Certificate) -> None:
    """A certificate with a key that OpenSSL calls too short is taken with ``tls_legacy`` alone."""
    weak = make_certificate(tmp_path, key=SHORT_RSA)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(weak.cert, weak.key)

    async def main() -> None:
        async with Watched(context) as server:
            endpoint = server.endpoint(weak)
            text = await refusal(endpoint)
            assert "too" in text
            assert "tls_legacy = true" in text
            assert await look(replace(endpoint, tls_legacy=True))

    asyncio.run(main())


def test_names_are_checked(tmp_path: Path, certificate: Certificate) -> None:
    """A certificate of a trusted authority for another name is refused, also by exception."""
    other = make_certificate(tmp_path, names="DNS:other.example")

    async def main() -> None:
        async with Watched(other.server_context()) as server:
            endpoint = replace(server.endpoint(other), host="localhost")
            legacy = replace(endpoint, tls_minimum="1.0", tls_legacy=True)
            for each in (endpoint, legacy):
                text = await refusal(each)
                assert "mismatch" in text
                assert "tls_fingerprint" in text
            assert "not trusted" in await refusal(server.endpoint(certificate))

    asyncio.run(main())


def test_a_pin_and_a_changed_certificate(tmp_path: Path, certificate: Certificate) -> None:
    """A pinned certificate is taken; any other is refused before a word is said, though there is a
    session to resume."""
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.cert.read_text())).hexdigest()
    changed = make_certificate(tmp_path)

    async def main() -> None:
        contexts = Contexts()
        async with Watched(Turning(certificate.server_context())) as server:
            endpoint = replace(server.endpoint(), fingerprint=f"sha256:{digest}")
            for _ in range(2):
                await look(endpoint, contexts(endpoint))
            server.turn(changed.server_context())
            asked = len(server.log)
            for _ in range(2):
                assert "not the pinned one" in await refusal(endpoint, contexts(endpoint))
            await server.idle()
            assert server.resumed == [False, True, False, False]
            assert len(server.log) == asked

    asyncio.run(main())


def test_a_context_that_checks_nothing_is_not_taken(certificate: Certificate) -> None:
    """A context made for a pin is not used for an endpoint without one, nor the other way round."""

    async def main() -> None:
        async with Watched(certificate.server_context()) as server:
            unchecked = make_context(replace(server.endpoint(), fingerprint="sha256:" + "0" * 64))
            assert "not trusted" in await refusal(server.endpoint(), unchecked)
            assert await look(server.endpoint(certificate), unchecked)
            pinned = replace(server.endpoint(), fingerprint="sha256:" + "0" * 64)
            checking = make_context(server.endpoint(certificate))
            assert "not the pinned one" in await refusal(pinned, checking)

    asyncio.run(main())


# ---- client certificates -------------------------------------------------------------------------


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Certificate:
    """Another certificate, for the client; depends on ``certificate`` to be skipped like it."""
    return make_certificate(tmp_path_factory.mktemp("client"))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_asks_for_our_certificate(
    certificate: Certificate, ours: Certificate, version: ssl.TLSVersion
) -> None:
    """It is shown where it is configured; without it, or with a wrong one, the error is about it."""
    context = certificate.server_context()
    context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(ours.cert)

    async def main(endpoint: Endpoint) -> None:
        shown = replace(endpoint, client_certificate=ours.cert, client_key=ours.key)
        assert await look(shown)
        wrong = replace(endpoint, client_certificate=certificate.cert, client_key=certificate.key)
        assert f"refuses the client certificate {certificate.cert}" in await refusal(wrong)
        if version is ssl.TLSVersion.TLSv1_3:  # before, the alert does not say why
            assert "client_certificate is not set" in await refusal(endpoint)
        else:
            assert "handshake failure" in await refusal(endpoint)

    with terse(certificate, context) as endpoint:
        asyncio.run(main(endpoint))


def test_a_connection_knows_of_our_certificate(
    tmp_path: Path, certificate: Certificate, ours: Certificate
) -> None:
    """EXTERNAL makes sense only under TLS and with a certificate; both may be in one file."""
    both = tmp_path / "both.pem"
    both.write_text(ours.cert.read_text() + ours.key.read_text())

    async def main() -> None:
        async with Watched(certificate.server_context()) as server:
            plain = server.endpoint(certificate)
            for endpoint, expected in (
                (plain, False),
                (replace(plain, client_certificate=both), True),
            ):
                where = Where(endpoint.host, endpoint.port)
                connection = await open_connection(endpoint, where, PATIENT)
                assert connection.client_certificate is expected
                await connection.hang_up()

    asyncio.run(main())


def test_client_certificates_that_are_none(tmp_path: Path, ours: Certificate) -> None:
    """A missing file, an encrypted key, another's key and no PEM at all are said with the file,
    and nobody is asked on the terminal."""
    other = make_certificate(tmp_path)
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    cases: Iterable[tuple[Path, Path | None, str]] = (
        (tmp_path / "none.pem", ours.key, "none.pem: No such file"),
        (ours.cert, tmp_path / "none.key", "none.key: No such file"),
        (ours.cert, encrypted_key(ours), "encrypted.pem is encrypted"),
        (ours.cert, other.key, "key.pem is not that of the client certificate"),
        (nonsense, ours.key, "nonsense.pem and "),
        (ours.cert, None, "are not a client certificate and its key"),
    )
    for certificate, key, text in cases:
        endpoint = Endpoint(
            "h", 995, TlsMode.IMPLICIT, client_certificate=certificate, client_key=key
        )
        with pytest.raises(TlsError) as caught:
            make_context(endpoint)
        assert text in str(caught.value)
        assert "secret" not in str(caught.value)


# ---- contexts and sessions -----------------------------------------------------------------------


def test_equal_settings_share_a_context(tmp_path: Path, ours: Certificate) -> None:
    """Host, port, proxy and way into TLS are no settings of it; all else is."""
    contexts = Contexts()
    one = Endpoint("a", 995, TlsMode.IMPLICIT)
    same = Endpoint("b", 110, TlsMode.STARTTLS, True, proxy=Proxy("p", 1080))
    assert contexts(one) is contexts(same)
    assert contexts(replace(one, tls=TlsMode.NONE)) is None
    others = [
        replace(one, ca_file=ours.cert),
        replace(one, fingerprint="sha256:" + "0" * 64),
        replace(one, fingerprint="sha256:" + "1" * 64),
        replace(one, tls_minimum="1.1"),
        replace(one, tls_legacy=True),
        replace(one, client_certificate=ours.cert, client_key=ours.key),
    ]
    made = [contexts(each) for each in (one, *others)]
    assert len(set(map(id, made))) == len(made)
    assert [contexts(each) for each in (one, *others)] == made


def test_contexts_grow_old() -> None:
    """After an hour a context is made anew, and with it goes what was resumed."""
    now = [0.0]
    contexts = Contexts(lambda: now[0])
    endpoint = Endpoint("a", 995, TlsMode.IMPLICIT, fingerprint="sha256:" + "0" * 64)
    made = contexts(endpoint)
    now[0] = CONTEXT_MAX_S
    assert contexts(endpoint) is made
    now[0] += 1
    assert contexts(endpoint) is not made


@pytest.mark.parametrize("mode", [TlsMode.IMPLICIT, TlsMode.STARTTLS])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed(
    certificate: Certificate, mode: TlsMode, version: ssl.TLSVersion
) -> None:
    """The second connection to an endpoint resumes the first one's session, as the server sees it;
    one to another port, or with another context, does not."""

    def context() -> ssl.SSLContext:
        made = certificate.server_context()
        made.maximum_version = version
        return made

    async def main() -> None:
        contexts = Contexts()
        async with Watched(context(), mode) as server, Watched(context(), mode) as other:
            endpoint = server.endpoint(certificate)
            for _ in range(3):
                await look(endpoint, contexts(endpoint))
            await look(other.endpoint(certificate), contexts(endpoint))
            await look(endpoint, Contexts()(endpoint))
            assert server.resumed == [False, True, True, False]
            assert other.resumed == [False]

    asyncio.run(main())


def test_a_session_is_used_once(certificate: Certificate) -> None:
    """Of connections at the same time each has a session of its own, or none."""

    async def main() -> None:
        contexts = Contexts()
        async with Watched(certificate.server_context()) as server:
            endpoint = server.endpoint(certificate)
            context = contexts(endpoint)
            await look(endpoint, context)
            login = Login("ann", lambda: "secret")
            async with AsyncExitStack() as stack:
                for _ in range(2):
                    await stack.enter_async_context(connect(endpoint, login, context=context))
            for _ in range(2):
                await look(endpoint, context)
            assert server.resumed == [False, True, False, True, True]

    asyncio.run(main())


def test_a_session_that_the_server_forgot(certificate: Certificate, tmp_path: Path) -> None:
    """A server with new keys for its tickets makes a whole handshake; one that has another
    certificate then, on the same port, is refused."""

    async def main() -> None:
        async with Watched(Turning(certificate.server_context())) as server:
            endpoint = server.endpoint(certificate)
            context = make_context(endpoint)
            for _ in range(2):
                await look(endpoint, context)
            server.turn(certificate.server_context())
            for _ in range(2):
                await look(endpoint, context)
            server.turn(make_certificate(tmp_path).server_context())
            for _ in range(2):
                assert "not trusted" in await refusal(endpoint, context)
            await server.idle()
            assert server.resumed == [False, True, False, True, False, False]

    asyncio.run(main())


def test_nothing_is_kept_of_a_server_that_is_refused(certificate: Certificate) -> None:
    """A session with a server that is not the pinned one is not resumed."""

    async def main() -> None:
        async with Watched(certificate.server_context(), TlsMode.STARTTLS) as server:
            endpoint = replace(server.endpoint(), fingerprint="sha256:" + "0" * 64)
            context = make_context(endpoint)
            for _ in range(2):
                with pytest.raises(Pop3Error, match="not the pinned one"):
                    await look(endpoint, context)
            await server.idle()
            assert not any(server.resumed)

    asyncio.run(main())
