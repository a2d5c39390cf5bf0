"""Which way to log in, and what goes over the line for it."""

import base64

import pytest

from poparchive.pop3 import AuthError, CommandError, ProtocolError
from poparchive.pop3.sasl import (
    COMMAND_LINE_MAX_BYTES,
    Auth,
    apop,
    choose,
    parse_auth,
    plain,
    user_pass,
)

STAMP = b"<1896.697170952@dbc.mtview.ca.us>"


@pytest.mark.parametrize(
    ("secure", "mechanisms", "stamp", "way"),
    [
        (True, ["LOGIN", "plain"], STAMP, Auth.PLAIN),
        (True, ["LOGIN"], STAMP, Auth.USER),
        (True, [], b"", Auth.USER),
        (False, ["PLAIN"], STAMP, Auth.APOP),
        (False, ["PLAIN"], b"", Auth.PLAIN),
        (False, [], b"", Auth.USER),
    ],
)
def test_auto(secure: bool, mechanisms: list[str], stamp: bytes, way: Auth) -> None:
    """PLAIN or USER under TLS; without it APOP where it can be, since that hides the password."""
    chosen = choose(Auth.AUTO, secure=secure, allow_clear=True, mechanisms=mechanisms, stamp=stamp)
    assert chosen is way


@pytest.mark.parametrize("wish", [Auth.AUTO, Auth.PLAIN, Auth.USER])
def test_no_password_in_the_clear(wish: Auth) -> None:
    """Without TLS and without permission no password is sent, whatever was wished for."""
    with pytest.raises(AuthError, match="in the clear"):
        choose(wish, secure=False, allow_clear=False, mechanisms=["PLAIN"], stamp=b"")


def test_wishes_that_cannot_be() -> None:
    """APOP needs a stamp; an unknown way is named with those that are known."""
    with pytest.raises(AuthError, match="no time stamp"):
        choose(Auth.APOP, secure=True, allow_clear=True, mechanisms=[], stamp=b"")
    with pytest.raises(AuthError, match='auth = "kerberos" is not known; there are auto, plain'):
        parse_auth("kerberos")
    assert parse_auth("Plain") is Auth.PLAIN


def test_apop() -> None:
    """The example of RFC 1939 section 7."""
    asked = apop("mrose", "tanstaaf", STAMP)
    assert asked.line == b"APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n"
    with pytest.raises(CommandError, match="blank"):
        apop("m rose", "tanstaaf", STAMP)


def test_plain() -> None:
    """On one line where it fits in 255 octets with its CRLF, else in two steps (RFC 5034)."""
    fits = (COMMAND_LINE_MAX_BYTES - len("AUTH PLAIN \r\n")) // 4 * 3 - len("\0u\0")
    short, long = plain("u", "p" * fits), plain("u", "p" * (fits + 1))
    assert short.line.startswith(b"AUTH PLAIN ")
    assert len(short.line) in range(COMMAND_LINE_MAX_BYTES - 3, COMMAND_LINE_MAX_BYTES + 1)
    assert base64.b64decode(short.line.split()[2]) == b"\0u\0" + b"p" * fits
    assert long.line == b"AUTH PLAIN\r\n"
    for asked in (short, long):
        assert asked.respond
        assert base64.b64decode(asked.respond(b"")).startswith(b"\0u\0ppp")
        with pytest.raises(ProtocolError, match="asks again"):
            asked.respond(b"")


def test_any_octets_in_a_secret() -> None:
    """UTF-8, blanks at the ends, and octets that were no UTF-8 when they were read."""
    user, word = user_pass("jos\u00e9", " pass \udcff")
    assert (user.line, word.line) == (b"USER jos\xc3\xa9\r\n", b"PASS  pass \xff\r\n")


@pytest.mark.parametrize("secret", ["a\0b", "a\r\nDELE 1"])
def test_no_line_breaks_in_secrets(secret: str) -> None:
    """What would end the command early is refused, and not repeated in the error."""
    with pytest.raises(CommandError) as caught:
        user_pass("u", secret)
    assert "DELE" not in str(caught.value)
    if "\0" in secret:
        with pytest.raises(CommandError):
            plain("u", secret)
