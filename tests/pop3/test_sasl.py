"""What each mechanism says, against the examples of its RFC, and the lines that carry it."""

import base64
import json

import pytest

from poparchive.pop3 import AuthError, CommandError, ProtocolError
from poparchive.pop3.sasl import lines
from poparchive.pop3.sasl.bearer import OAuthBearer, XOAuth2
from poparchive.pop3.sasl.mechanism import Identity, Mechanism
from poparchive.pop3.sasl.password import CramMd5, External, Login, Plain
from poparchive.pop3.sasl.table import WAYS, Auth, parse_auth, sasl_name

STAMP = b"<1896.697170952@dbc.mtview.ca.us>"
TOKEN = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="


def who(user: str = "ann", secret: str = "secret") -> Identity:
    return Identity(user, secret, "server.example.com", 995)


def test_names() -> None:
    """An unknown way is named with those that are known; capitals make no difference."""
    with pytest.raises(AuthError, match='auth = "kerberos" is not known; there are auto, scram'):
        parse_auth("kerberos")
    assert parse_auth("Plain") is Auth.PLAIN
    assert set(WAYS) == set(Auth) - {Auth.AUTO}
    assert sasl_name(Auth.SCRAM_SHA_256_PLUS) == "SCRAM-SHA-256-PLUS"


def test_apop() -> None:
    """The example of RFC 1939 section 7."""
    asked = lines.apop("mrose", "tanstaaf", STAMP)
    assert asked.line == b"APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n"
    with pytest.raises(CommandError, match="blank"):
        lines.apop("m rose", "tanstaaf", STAMP)


def test_cram_md5() -> None:
    """The example of RFC 2195 section 2, and an end after it."""
    mechanism = CramMd5(who("tim", "tanstaaftanstaaf"))
    assert mechanism.initial() is None
    assert (
        mechanism.respond(b"<1896.697170952@postoffice.reston.mci.net>")
        == b"tim b913a602c7eda7a495b4e6e7334d3890"
    )
    with pytest.raises(ProtocolError, match="asks again"):
        mechanism.respond(b"<1@again>")


def test_plain() -> None:
    """The first example of RFC 4616 section 4; no NUL can be in it."""
    assert Plain(who("tim", "tanstaaftanstaaf")).initial() == b"\0tim\0tanstaaftanstaaf"
    with pytest.raises(CommandError, match="NUL"):
        Plain(who("a\0b"))


def test_login() -> None:
    """Name and password in this order, however they are asked for, and no third thing."""
    mechanism = Login(who())
    assert mechanism.initial() is None
    said = [mechanism.respond(asked) for asked in (b"User Name\0", b"what?")]
    assert said == [b"ann", b"secret"]
    with pytest.raises(ProtocolError, match="asks again"):
        mechanism.respond(b"Password:")


def test_external() -> None:
    """Whom the certificate names: an empty initial response, written "=" (RFC 5034 section 4)."""
    initial = External(who()).initial()
    asked, carried = lines.opening("EXTERNAL", initial)
    assert (asked.line, carried) == (b"AUTH EXTERNAL =\r\n", True)
    assert lines.response("EXTERNAL", initial).line == b"\r\n"


def test_oauthbearer() -> None:
    """The example of RFC 7628 section 4.1, with the names of our server; GS2 escapes in the user."""
    said = OAuthBearer(Identity("user@example.com", TOKEN, "server.example.com", 143)).initial()
    assert said == (
        b"n,a=user@example.com,\1host=server.example.com\1port=143\1"
        b"auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\1\1"
    )
    assert OAuthBearer(who("a=b,c", "t")).initial().startswith(b"n,a=a=3Db=2Cc,\1")


def test_xoauth2() -> None:
    """The example of Google's page on it."""
    said = XOAuth2(Identity("someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29t"))
    assert base64.b64encode(said.initial()) == (
        b"dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNr"
        b"QmhkSFJoZG1semRHRXVZMjl0AQE="
    )


@pytest.mark.parametrize(("kind", "answer"), [(OAuthBearer, b"\1"), (XOAuth2, b"")])
def test_reasons_for_refusing_a_token(kind: type[OAuthBearer | XOAuth2], answer: bytes) -> None:
    """They are acknowledged once, read as far as they can be, and never bring the token with them."""
    fields = {"status": f"bad {TOKEN}\x1b", "scope": 7, "secret": TOKEN, "schemes": "x" * 9000}
    mechanism = kind(who("ann", TOKEN))
    assert mechanism.respond(json.dumps(fields).encode()) == answer
    assert mechanism.remark.startswith(r"status bad ***\x1b, schemes xxx")
    assert mechanism.remark.endswith("xxx, scope 7")
    assert len(mechanism.remark) < 500
    for call in (lambda: mechanism.respond(b"{}"), mechanism.finish):
        with pytest.raises(ProtocolError):
            call()
    for odd in (b"", b"[1]", b"\xff", b"[" * 100_000, b'{"status": null}'):
        mechanism = kind(who("ann", TOKEN))
        assert mechanism.respond(odd) == answer
        assert mechanism.remark == ""


@pytest.mark.parametrize("token", ["", "a b", "a\1b", "a\r\nDELE 1", "\u00e9"])
def test_what_is_no_token(token: str) -> None:
    """It is refused before it is sent, and not repeated."""
    for kind in (OAuthBearer, XOAuth2):
        with pytest.raises(CommandError, match="is no token") as caught:
            kind(who("ann", token))
        assert "DELE" not in str(caught.value)
        with pytest.raises(CommandError, match="user name"):
            kind(who("a\1b", "t"))


def test_one_word_is_enough() -> None:
    """Where the client has said all at first, any challenge is one too many."""
    mechanisms: list[Mechanism] = [Plain(who()), External(who())]
    for mechanism in mechanisms:
        with pytest.raises(ProtocolError, match="asks again"):
            mechanism.respond(b"")


def test_any_octets_in_a_secret() -> None:
    """UTF-8, blanks at the ends, and octets that were no UTF-8 when they were read."""
    user, word = lines.user_pass("jos\u00e9", " pass \udcff")
    assert (user.line, word.line) == (b"USER jos\xc3\xa9\r\n", b"PASS  pass \xff\r\n")
    assert Plain(who("jos\u00e9", "\udcff")).initial() == b"\0jos\xc3\xa9\0\xff"


@pytest.mark.parametrize("secret", ["a\0b", "a\r\nDELE 1"])
def test_no_line_breaks_in_secrets(secret: str) -> None:
    """What would end the command early is refused, and not repeated in the error."""
    with pytest.raises(CommandError) as caught:
        lines.user_pass("u", secret)
    assert "DELE" not in str(caught.value)


def test_no_secret_in_a_repr() -> None:
    """Neither of who logs in nor of what is sent."""
    shown = repr(who()) + repr(Identity("u", "secret", binding=b"secret"))
    shown += repr(lines.response("PLAIN", b"\0ann\0secret")) + repr(lines.opening("X", b"secret"))
    assert "secret" not in shown
    assert base64.b64encode(b"secret").decode() not in shown
