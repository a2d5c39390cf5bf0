"""TLS: the context for an endpoint, the sessions it resumes, the certificate that is pinned.

By default TLS 1.2 or later, with a certificate for this host from an authority of the system, and
no cipher or key that OpenSSL calls weak. Each exception is a field of ``Endpoint``: what is taken
never depends on what a server offers.
"""

import hashlib
import hmac
import ssl
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace

from poparchive.pop3.endpoint import Endpoint, TlsMode
from poparchive.pop3.errors import TlsError, UntrustedError

VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}
# The hashes of TLS before 1.2, SHA-1 and MD5, are below every other security level of OpenSSL 3.
OLD_CIPHERS = "DEFAULT:@SECLEVEL=0"
LEGACY_CIPHERS = "ALL:!aNULL:!eNULL:@SECLEVEL=0"
# Python names it from 3.12 on. Without it OpenSSL 3 refuses servers that do not know RFC 5746.
OP_LEGACY_SERVER_CONNECT: int = getattr(ssl, "OP_LEGACY_SERVER_CONNECT", 0x4)

SESSIONS_MAX = 10
"""Kept for one endpoint: as many as it usually has connections at a time."""
CONTEXT_MAX_S = 3600
"""Age at which authorities are read anew; nor does a resumed session keep a certificate longer."""

_connecting: ContextVar[Endpoint | None] = ContextVar("connecting", default=None)


class Context(ssl.SSLContext):
    """Resumes TLS sessions with endpoints it has talked to (RFC 5077, RFC 8446 section 2.2).

    asyncio makes the TLS object of a connection, without a session and knowing of the server only
    the name, so the endpoint comes by ``connecting_to``. A session is used once, as RFC 8446
    appendix C.4 asks: if the server does not like it, the next connection goes without.
    """

    def __init__(self, protocol: int) -> None:
        self._sessions: dict[Endpoint, deque[ssl.SSLSession]] = {}

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        endpoint = _connecting.get()
        if session is None and endpoint in self._sessions:
            with suppress(IndexError):  # all of them are in use
                session = self._sessions[endpoint].pop()
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)

    def keep(self, endpoint: Endpoint, tls: ssl.SSLObject) -> None:
        """Remember the session of a connection that is about to end.

        Not earlier: with TLS 1.3 what makes it resumable comes some time after the handshake.
        """
        session = tls.session
        if session and (session.has_ticket or tls.version() != "TLSv1.3"):
            self._sessions.setdefault(endpoint, deque(maxlen=SESSIONS_MAX)).append(session)


@contextmanager
def connecting_to(endpoint: Endpoint) -> Iterator[None]:
    """TLS objects that this task makes are for connections to ``endpoint``."""
    token = _connecting.set(endpoint)
    try:
        yield
    finally:
        _connecting.reset(token)


def keep_session(endpoint: Endpoint, tls: ssl.SSLObject) -> None:
    """``Context.keep``, where the context can."""
    if isinstance(tls.context, Context):
        tls.context.keep(endpoint, tls)


def make_context(endpoint: Endpoint) -> ssl.SSLContext:
    """A context for this endpoint's settings. Raises ``TlsError`` if they cannot be had.

    It takes some 20 ms, because of the authorities: ``Contexts`` shares them.
    """
    context = Context(ssl.PROTOCOL_TLS_CLIENT)
    try:
        with warnings.catch_warnings():
            # Python, too, advises against TLS 1.0 and 1.1.
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = VERSIONS[endpoint.tls_minimum]
        if endpoint.tls_legacy:
            context.set_ciphers(LEGACY_CIPHERS)
            context.options |= OP_LEGACY_SERVER_CONNECT
        elif context.minimum_version < ssl.TLSVersion.TLSv1_2:
            context.set_ciphers(OLD_CIPHERS)
    except (ValueError, ssl.SSLError) as error:
        text = f"OpenSSL here cannot do TLS {endpoint.tls_minimum}, which tls_minimum asks for"
        raise TlsError(text) from error
    if endpoint.client_certificate:
        _load_client_certificate(context, endpoint)
    if endpoint.fingerprint:  # it alone is checked, after the handshake
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif endpoint.ca_file:
        try:
            context.load_verify_locations(endpoint.ca_file)
        except (OSError, ssl.SSLError) as error:
            text = f"no certificates can be read from {endpoint.ca_file}: {error}"
            raise TlsError(text) from error
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context


def _load_client_certificate(context: ssl.SSLContext, endpoint: Endpoint) -> None:
    certificate, key = endpoint.client_certificate, endpoint.client_key
    assert certificate
    holder = key or certificate

    def encrypted() -> str:
        # Without this OpenSSL would ask on the terminal.
        raise TlsError(
            f"the key in {holder} is encrypted, and there is no way to give its password here; "
            "write it out decrypted (openssl pkey -in FILE -out FILE) for this user alone to read"
        )

    try:
        for path in (certificate, holder):
            path.open("rb").close()  # OpenSSL does not say which of them it could not read
        context.load_cert_chain(certificate, key, encrypted)
    except ssl.SSLError as error:
        if "MISMATCH" in (error.reason or ""):
            text = f"the key in {holder} is not that of the client certificate {certificate}"
        else:
            text = f"{certificate} and {holder} are not a client certificate and its key, as PEM"
        raise TlsError(text) from error
    except OSError as error:
        text = f"the client certificate cannot be read: {error.filename}: {error.strerror}"
        raise TlsError(text) from error


class Contexts:
    """One TLS context for all endpoints with equal TLS settings, made when it is first needed.

    May be called from any thread. Contexts are made anew once they are an hour old.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._made: dict[Endpoint, tuple[float, ssl.SSLContext]] = {}

    def __call__(self, endpoint: Endpoint) -> ssl.SSLContext | None:
        if endpoint.tls is TlsMode.NONE:
            return None
        # All that is left says how TLS is to be done.
        settings = replace(
            endpoint, host="", port=0, tls=TlsMode.IMPLICIT, allow_insecure=False, proxy=None
        )
        now_s = self._clock()
        made_s, context = self._made.get(settings, (-float("inf"), None))
        if context is None or now_s - made_s > CONTEXT_MAX_S:
            context = make_context(endpoint)
            self._made[settings] = now_s, context
        return context


def context_for(endpoint: Endpoint, given: ssl.SSLContext | None) -> ssl.SSLContext:
    """The ``given`` context, unless it checks what a pin replaces, or was made for another's pin."""
    if given is None:
        return make_context(endpoint)
    unchecked = given.verify_mode is ssl.CERT_NONE
    if endpoint.fingerprint:
        return given if unchecked else make_context(endpoint)
    # Contexts from elsewhere are as whoever made them wants them, to look and no more.
    return make_context(endpoint) if unchecked and isinstance(given, Context) else given


def check_fingerprint(endpoint: Endpoint, tls: ssl.SSLObject) -> None:
    """With a fingerprint, that the server's certificate is the one. Before anything is sent."""
    if not endpoint.fingerprint:
        return
    kind, _, digest = endpoint.fingerprint.partition(":")
    if kind.lower() != "sha256":
        raise TlsError(f'the fingerprint "{endpoint.fingerprint}" does not begin with sha256:')
    found = hashlib.sha256(tls.getpeercert(binary_form=True) or b"").hexdigest()
    if not hmac.compare_digest(found.encode(), digest.replace(":", "").lower().encode()):
        raise UntrustedError(
            f"the server's certificate is not the pinned one; it has the fingerprint sha256:{found}"
        )


# ---- what OpenSSL says ---------------------------------------------------------------------------

_TOO_OLD = {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE"}
_TOO_WEAK = {
    "UNSAFE_LEGACY_RENEGOTIATION_DISABLED", "DH_KEY_TOO_SMALL", "EE_KEY_TOO_SMALL",
    "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "BAD_ECPOINT", "WRONG_SIGNATURE_TYPE",
    "LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED", "SSLV3_ALERT_HANDSHAKE_FAILURE",
    "TLSV1_ALERT_INSUFFICIENT_SECURITY",
}  # fmt: skip
_WEAK_CERTIFICATE = {66, 67, 68}  # X509_V_ERR_EE_KEY_TOO_SMALL, _CA_KEY_TOO_SMALL, _CA_MD_TOO_WEAK
_ABOUT_OURS = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_BAD_CERTIFICATE", "TLSV1_ALERT_UNKNOWN_CA",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED", "SSLV3_ALERT_CERTIFICATE_REVOKED",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN", "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
    "TLSV1_ALERT_ACCESS_DENIED",
}  # fmt: skip
"""Alerts (RFC 8446 section 6.2) with which a server refuses our certificate, or that we have none."""


def reason_of(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).replace("_", " ").lower()


def client_certificate_error(error: BaseException | None, endpoint: Endpoint) -> TlsError | None:
    """The server's refusal of our certificate, which TLS 1.3 tells only after the handshake."""
    if not isinstance(error, ssl.SSLError) or error.reason not in _ABOUT_OURS:
        return None
    if endpoint.client_certificate:
        text = f"the server refuses the client certificate {endpoint.client_certificate}"
    else:
        text = "the server asks for a client certificate, and client_certificate is not set"
    return TlsError(f"{text} ({reason_of(error)})")


def handshake_error(error: ssl.SSLError, endpoint: Endpoint) -> TlsError:
    """Why there is no TLS, and which key would change that."""
    if about_ours := client_certificate_error(error, endpoint):
        return about_ours
    legacy = (
        "" if endpoint.tls_legacy else "tls_legacy = true would take old ciphers and short keys"
    )
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"the certificate is not trusted: {error.verify_message}"
        if legacy and error.verify_code in _WEAK_CERTIFICATE:
            return _advised(TlsError(text), legacy)
        advice = "check host and ca_file, or pin the certificate with tls_fingerprint"
        return _advised(UntrustedError(text), advice)
    text = f"TLS failed: {reason_of(error)}"
    if error.reason in _TOO_OLD:
        return _advised(
            TlsError(text),
            f"only TLS {endpoint.tls_minimum} and later is taken from this server; "
            "a lower tls_minimum would take older ones",
        )
    if legacy and error.reason in _TOO_WEAK:
        # With TLS 1.2 that is also what a server says that misses our certificate.
        ours = "" if endpoint.client_certificate else " or ask for a client certificate"
        return _advised(TlsError(f"{text}; the server may be too old{ours}"), legacy)
    return _advised(TlsError(text), f"is this the port for tls = {endpoint.tls}?")


def _advised(error: TlsError, advice: str) -> TlsError:
    error.advice = advice
    return error
