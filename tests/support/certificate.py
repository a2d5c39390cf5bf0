"""Self-signed certificates for servers on loopback, made by the openssl program."""

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificate:
    """By default for ``localhost`` and 127.0.0.1; it is its own authority."""

    cert: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        return context

    def client_context(self) -> ssl.SSLContext:
        """One that trusts this certificate alone, and checks names."""
        return ssl.create_default_context(cafile=str(self.cert))


@cache
def certificate_missing() -> str | None:
    """Why none can be made here."""
    return None if shutil.which("openssl") else "openssl is missing (Debian: openssl)"


ELLIPTIC = ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
SHORT_RSA = ("rsa:1024",)
"""Shorter than OpenSSL takes at its usual security level."""


def make_certificate(
    directory: Path,
    name: str = "localhost",
    *,
    names: str = "DNS:localhost,IP:127.0.0.1",
    key: tuple[str, ...] = ELLIPTIC,
) -> Certificate:
    """``name`` is its common name: for a client's certificate, who that is."""
    made = Certificate(directory / "cert.pem", directory / "key.pem")
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName={names}"]
    files = ["-keyout", str(made.key), "-out", str(made.cert)]
    subprocess.run(
        ["openssl", "req", "-x509", "-nodes", "-days", "3650", "-newkey", *key, *subject, *files],
        check=True,
        capture_output=True,
    )
    return made


def encrypted_key(made: Certificate) -> Path:
    """A copy of the key that only a password opens."""
    path = made.key.with_name("encrypted.pem")
    arguments = ["-in", str(made.key), "-aes128", "-passout", "pass:secret", "-out", str(path)]
    subprocess.run(["openssl", "pkey", *arguments], check=True, capture_output=True)
    return path
