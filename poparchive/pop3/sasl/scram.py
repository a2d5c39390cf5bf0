"""SCRAM (RFC 5802, RFC 7677) and what ties it to TLS (RFC 5929): the home of scramp.

Both sides prove that they know the password and neither sends it. scramp does the arithmetic; its
limits are kept (at least 4,096 rounds, a salt of 12 octets), and here is one for the other end.
Loaded only when SCRAM is wanted, since scramp's X.509 takes a tenth of a second.
"""

import hashlib

from asn1crypto.x509 import Certificate
from scramp import ScramClient, ScramException

from poparchive.pop3.errors import CommandError, ProtocolError
from poparchive.pop3.replies import visible
from poparchive.pop3.sasl.mechanism import Identity, Mechanism

ROUNDS_MAX = 2_000_000
"""Three times what is advised for SHA-256: below a second's work, which a server may make us do."""

BINDING = "tls-server-end-point"

TOO_WEAK = ("md5", "sha1")
"""RFC 5929 section 4.1: SHA-256 stands in for these."""

HASHLESS = ("ed25519", "ed448")


def end_point(certificate: bytes) -> bytes | None:
    """``tls-server-end-point`` of a server's DER certificate.

    None where the certificate's signature has no hash of its own, for which RFC 5929 defines
    nothing.
    """
    try:
        signed = Certificate.load(certificate, strict=True)
        if signed.signature_algo in HASHLESS:
            return None
        name: str = signed.hash_algo
        return hashlib.new("sha256" if name in TOO_WEAK else name, certificate).digest()
    except ValueError:
        return None


class Scram(Mechanism):
    """One exchange of ``name``, which is SCRAM-SHA-1 or SCRAM-SHA-256, or one of them with -PLUS."""

    proving = False

    def __init__(self, name: str, who: Identity, nonce: str | None = None) -> None:
        """``nonce`` is random unless a test must know it. ``CommandError`` for a name or password
        that SASLprep (RFC 4013) does not let pass."""
        self._name = name
        binding = (BINDING, who.binding) if who.binding else None
        try:
            self._client = ScramClient([name], who.user, who.secret, binding, nonce)
        except ScramException as error:
            raise CommandError(
                f"{name} cannot carry this user name or password: {error.args[0]}", command="AUTH"
            ) from None
        self._first: str = self._client.get_client_first()
        self._steps = [self._believe, self._prove]
        self._believed = False

    def initial(self) -> bytes:
        return self._first.encode()

    def respond(self, challenge: bytes) -> bytes:
        if not self._steps:
            return super().respond(challenge)
        if challenge.startswith(b"e="):
            # RFC 5802 section 7: an error in place of the last message; some send it sooner.
            self._steps.clear()
            self.remark = visible(challenge[2:])
            return b""
        try:
            return self._steps.pop()(challenge.decode())
        except (ScramException, ValueError) as error:
            raise ProtocolError(
                f"the server's part of {self._name} is wrong: {error.args[0]}"
            ) from None

    def _prove(self, challenge: str) -> bytes:
        self._client.set_server_first(challenge)
        rounds = int(self._client.iterations)
        if rounds > ROUNDS_MAX:
            raise ProtocolError(
                f"the server asks for {rounds} rounds of {self._name}, above {ROUNDS_MAX}"
            )
        self.proving = True
        final: str = self._client.get_client_final()
        return final.encode()

    def _believe(self, challenge: str) -> bytes:
        self._client.set_server_final(challenge)
        self._believed = True
        return b""

    def finish(self) -> None:
        if not self._believed:
            raise ProtocolError(
                f"the server let us in without the proof that {self._name} asks of it: it does not"
                " know the password, so it is not the server it claims to be"
            )
