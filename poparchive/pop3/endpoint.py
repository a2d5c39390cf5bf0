"""What is said beforehand of a server: where it is, how far it must prove it, how long it may take."""

import enum
from dataclasses import dataclass
from pathlib import Path


class TlsMode(enum.StrEnum):
    IMPLICIT = "implicit"
    STARTTLS = "starttls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A SOCKS5 proxy (RFC 1928), which is given the server's name and looks it up itself."""

    host: str
    port: int
    user: str = ""
    """For proxies that want a name; the password sent with it (RFC 1929) is the name once more."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"socks5://{self.user}{'@' * bool(self.user)}{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the server is and how far it must prove it."""

    host: str
    port: int
    tls: TlsMode
    allow_insecure: bool = False
    """Without it ``TlsMode.NONE`` is refused."""
    ca_file: Path | None = None
    """PEM file of the authorities to trust instead of the system's."""
    fingerprint: str | None = None
    """``sha256:`` and the hex digest of the DER certificate; then nothing else is asked of it."""
    tls_minimum: str = "1.2"
    """The oldest version of TLS that is taken: ``1.0``, ``1.1``, ``1.2`` or ``1.3``."""
    tls_legacy: bool = False
    """Take old ciphers, short keys and renegotiation without RFC 5746 as well."""
    client_certificate: Path | None = None
    """PEM file with the certificate that we show, if the server asks, and those above it."""
    client_key: Path | None = None
    """PEM file with its key, not encrypted; else it is in the same file."""
    proxy: Proxy | None = None


@dataclass(frozen=True, slots=True)
class Timeouts:
    connect_s: float = 30
    """Name look-up, TCP and TLS together; once more for the handshake after STLS."""
    reply_s: float = 90
    """For each status line, from the reply before it or from the command."""
    stall_s: float = 90
    """While a multi-line reply is under way: the time in which 100 octets for each second must come."""
    lost_s: float = 20
    """For the first answer behind that to CAPA where all went out in one write: then it counts as lost.
    Dovecot needs 12 s to report a locked mailbox, and 17 s to refuse a password for the tenth time."""
