"""What every mechanism of SASL is to whoever carries its words."""

from dataclasses import dataclass, field

from poparchive.pop3.errors import ProtocolError


@dataclass(frozen=True, slots=True)
class Identity:
    """Who wants in, and what there is to prove it with."""

    user: str
    secret: str = field(default="", repr=False)
    """The password, or the token."""
    host: str = ""
    port: int = 0
    """Of the server; OAUTHBEARER says whom its token is meant for."""
    binding: bytes | None = field(default=None, repr=False)
    """``tls-server-end-point`` of the connection, if SCRAM is to be tied to it or to say that it
    could be (RFC 5802 section 6)."""


class Mechanism:
    """One exchange, to be used once. What it says and hears is not in base64 yet or any more.

    Its methods may take a while (SCRAM computes for some milliseconds) and run in any thread.
    """

    remark = ""
    """What the server gave as its reason in a challenge, made fit to be shown."""
    proving = True
    """What it said so far is enough for the server to call a password wrong."""

    def initial(self) -> bytes | None:
        """What the client says first, or None where the server begins."""
        return None

    def respond(self, challenge: bytes) -> bytes:
        """Raises ``ProtocolError`` for a challenge that must not be answered: cancel then."""
        raise ProtocolError("the server asks again after all was said")

    def finish(self) -> None:
        """The server said +OK. Raises ``ProtocolError`` unless it is to be believed."""
