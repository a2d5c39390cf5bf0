"""How to log in: which way to take, and the lines that carry the secret.

RFC 1939 section 7 (APOP), RFC 5034 (AUTH), RFC 4616 (PLAIN). Pure functions: who calls them decides
when a secret is fetched and sent.
"""

import base64
import enum
import hashlib
from collections.abc import Callable, Collection

from poparchive.pop3.commands import APOP, AUTH, PASS, USER, Command, command
from poparchive.pop3.errors import AuthError, CommandError, ProtocolError

COMMAND_LINE_MAX_BYTES = 255
"""With CRLF; RFC 2449 section 4. A longer initial response is sent on a line of its own."""


class Auth(enum.StrEnum):
    """What ``auth`` of an account may be."""

    AUTO = "auto"
    PLAIN = "plain"
    USER = "user"
    APOP = "apop"


def parse_auth(name: str) -> Auth:
    try:
        return Auth(name.lower())
    except ValueError:
        known = ", ".join(Auth)
        raise AuthError(f'auth = "{name}" is not known; there are {known}') from None


def choose(
    wish: Auth, *, secure: bool, allow_clear: bool, mechanisms: Collection[str], stamp: bytes
) -> Auth:
    """The way to log in, never ``AUTO``.

    ``secure``: under TLS. ``mechanisms``: what CAPA lists behind SASL. Raises ``AuthError`` where a
    password would go out in the clear and ``allow_clear`` does not say that it may.
    """
    way = wish
    if wish is Auth.AUTO:
        if not secure and stamp:
            way = Auth.APOP
        else:
            way = Auth.PLAIN if "PLAIN" in (m.upper() for m in mechanisms) else Auth.USER
    if way is Auth.APOP and not stamp:
        raise AuthError("the server's greeting has no time stamp, so it does not offer APOP")
    if way is not Auth.APOP and not secure and not allow_clear:
        raise AuthError("the password would be sent in the clear; use TLS")
    return way


def apop(user: str, secret: str, stamp: bytes) -> Command:
    """APOP; MD5 is what the protocol has."""
    if " " in user:
        raise CommandError("APOP cannot carry a user name with a blank in it", command="APOP")
    digest = hashlib.md5(stamp + octets(secret), usedforsecurity=False).hexdigest()
    return command(APOP, octets(user), digest.encode("ascii"))


def user_pass(user: str, secret: str) -> tuple[Command, Command]:
    return command(USER, octets(user)), command(PASS, octets(secret))


def plain(user: str, secret: str) -> Command:
    """AUTH PLAIN with its initial response if the line is not too long, else in two steps."""
    if "\0" in user or "\0" in secret:
        raise CommandError("PLAIN cannot carry a NUL in user name or password", command="AUTH")
    response = base64.b64encode(b"\0%b\0%b" % (octets(user), octets(secret)))
    asked = command(AUTH, b"PLAIN", response)
    if len(asked.line) > COMMAND_LINE_MAX_BYTES:
        asked = command(AUTH, b"PLAIN")
    # Servers that do not look for an initial response ask for it all the same.
    return asked._replace(respond=_once(response))


def octets(text: str) -> bytes:
    """UTF-8; what Python could not decode when it read ``text`` becomes the octets it was."""
    return text.encode("utf-8", "surrogateescape")


def _once(response: bytes) -> Callable[[bytes], bytes]:
    responses = [response]

    def respond(challenge: bytes) -> bytes:
        if not responses:
            raise ProtocolError("the server asks again after PLAIN was complete", command="AUTH")
        return responses.pop()

    return respond
