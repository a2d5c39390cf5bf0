"""The lines that carry a log-in: USER, PASS, APOP and the frame of AUTH.

RFC 1939 section 7 (USER, PASS, APOP), RFC 5034 sections 4 and 5 (AUTH). What a mechanism says is
none of this module's business.
"""

import base64
import binascii
import hashlib

from poparchive.pop3.commands import APOP, AUTH, PASS, RESPONSE, USER, Command, command
from poparchive.pop3.errors import CommandError, ProtocolError

COMMAND_LINE_MAX_BYTES = 255
"""With CRLF; RFC 2449 section 4. A longer initial response is sent on a line of its own."""


def octets(text: str) -> bytes:
    """UTF-8; what Python could not decode when it read ``text`` becomes the octets it was."""
    return text.encode("utf-8", "surrogateescape")


def apop(user: str, secret: str, stamp: bytes) -> Command:
    """APOP; MD5 is what the protocol has."""
    if " " in user:
        raise CommandError("APOP cannot carry a user name with a blank in it", command="APOP")
    digest = hashlib.md5(stamp + octets(secret), usedforsecurity=False).hexdigest()
    return command(APOP, octets(user), digest.encode("ascii"))


def user_pass(user: str, secret: str) -> tuple[Command, Command]:
    return command(USER, octets(user)), command(PASS, octets(secret))


def opening(mechanism: str, initial: bytes | None) -> tuple[Command, bool]:
    """AUTH, and whether it carries ``initial``: only if the whole line fits in 255 octets.

    An initial response that is empty is written ``=``, so as not to be taken for none.
    """
    words = [mechanism.encode("ascii")]
    whole = command(AUTH, *words, base64.b64encode(initial or b"") or b"=")
    carries = initial is not None and len(whole.line) <= COMMAND_LINE_MAX_BYTES
    asked = whole if carries else command(AUTH, *words)
    return asked._replace(mechanism=mechanism), carries


def response(mechanism: str, said: bytes) -> Command:
    """The answer to a challenge; an empty one is an empty line."""
    return Command(RESPONSE, base64.b64encode(said) + b"\r\n", mechanism=mechanism)


def cancel(mechanism: str) -> Command:
    """What ends an exchange that must not go on; the server answers -ERR."""
    return Command(RESPONSE, b"*\r\n", mechanism=mechanism)


def read_challenge(line: bytes) -> bytes:
    """What stands in base64 behind ``+``."""
    try:
        return base64.b64decode(line.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolError("the server's challenge is not base64") from None
