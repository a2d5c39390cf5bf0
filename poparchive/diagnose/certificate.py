"""Reading a server's certificate, also one that is not trusted.

The contexts made here check nothing that protects anybody: no secret may be sent over them. They
are for handshakes that only look.
"""

import hashlib
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime

from poparchive.diagnose.values import Certificate
from poparchive.pop3.tls import OP_LEGACY_SERVER_CONNECT

NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python has no name for."""

_SHORT = {
    "commonName": "CN",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "localityName": "L",
    "stateOrProvinceName": "ST",
}


def trusting_context() -> ssl.SSLContext:
    """Takes any certificate and any version of TLS that OpenSSL still speaks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    # Without this OpenSSL 3 offers nothing below TLS 1.2, whatever the minimum is.
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.options |= OP_LEGACY_SERVER_CONNECT
    return context


def reading_context(der: bytes) -> ssl.SSLContext:
    """Takes exactly this certificate, so that Python tells what is in it.

    ``getpeercert`` has nothing to say of a certificate that was not checked.
    """
    context = trusting_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=der)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(NO_CHECK_TIME)
    return context


def described(der: bytes, fields: Mapping[str, object], *, distrust: str) -> Certificate:
    """The certificate of which ``getpeercert`` gave ``fields``, or nothing."""
    return Certificate(
        f"sha256:{hashlib.sha256(der).hexdigest()}",
        not distrust,
        distrust,
        _name(fields.get("subject")),
        _name(fields.get("issuer")),
        tuple(f"{value}" for _, value in _pairs(fields.get("subjectAltName"))),
        _moment(fields.get("notBefore")),
        _moment(fields.get("notAfter")),
    )


def _pairs(value: object) -> list[tuple[str, str]]:
    return [pair for pair in value if len(pair) == 2] if isinstance(value, tuple) else []


def _name(value: object) -> str:
    """``CN=pop.example.com, O=Example``: a name is a sequence of sets of pairs."""
    sets = value if isinstance(value, tuple) else ()
    pairs = [pair for each in sets for pair in _pairs(each)]
    return ", ".join(f"{_SHORT.get(kind, kind)}={text}" for kind, text in pairs)


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(value), UTC)
    except (ValueError, OverflowError):
        return None
