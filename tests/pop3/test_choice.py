"""Which way to log in, for every wish, every offer and everything that an account may have."""

import itertools

import pytest

from poparchive.config.values import AUTH
from poparchive.pop3 import AuthError
from poparchive.pop3.sasl.choice import Means, Offer, choose
from poparchive.pop3.sasl.table import WAYS, Auth, Need

STAMP = b"<1896.697170952@dbc.mtview.ca.us>"
PASSWORD = frozenset({Need.PASSWORD})
TOKEN = frozenset({Need.TOKEN})
ALL = "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-256-PLUS XOAUTH2"


def offer(mechanisms: str = "", *, user: bool = True, stamp: bytes = b"") -> Offer:
    capabilities: dict[str, tuple[str, ...]] = {"UIDL": ()}
    if mechanisms:
        capabilities["SASL"] = tuple(mechanisms.split())
    if user:
        capabilities["USER"] = ()
    return Offer(capabilities, stamp)


SILENT = Offer({})
"""Of a server that refused CAPA."""


def auto(offer: Offer, means: Means) -> str:
    return str(choose(Auth.AUTO, offer, means)[0])


@pytest.mark.parametrize(
    ("mechanisms", "stamp", "way"),
    [
        (ALL, STAMP, "scram-sha-256-plus"),
        (ALL.replace("SCRAM-SHA-256-PLUS", "x"), b"", "scram-sha-256"),
        ("PLAIN scram-sha-1 SCRAM-SHA-1-PLUS", b"", "scram-sha-1-plus"),
        ("PLAIN SCRAM-SHA-1", b"", "scram-sha-1"),
        ("CRAM-MD5 LOGIN plain", STAMP, "plain"),
        ("CRAM-MD5 LOGIN", STAMP, "login"),
        ("CRAM-MD5", STAMP, "user"),
        ("", b"", "user"),
    ],
)
def test_auto_under_tls(mechanisms: str, stamp: bytes, way: str) -> None:
    """SCRAM, bound where it can be; else the password itself, which TLS hides."""
    assert auto(offer(mechanisms, stamp=stamp), Means(PASSWORD, True, can_bind=lambda: True)) == way


def test_auto_without_binding() -> None:
    """Where there is no data to bind to, -PLUS is not taken, nor asked for where nobody offers it."""
    assert auto(offer(ALL), Means(PASSWORD, True)) == "scram-sha-256"

    def asked() -> bool:
        raise AssertionError("nobody needs it")

    assert auto(offer("PLAIN SCRAM-SHA-1"), Means(PASSWORD, True, can_bind=asked)) == "scram-sha-1"


def test_auto_where_something_else_is_bound_to() -> None:
    """Cyrus and Dovecot, by their own words: auto leaves -PLUS, who wishes for it gets it."""
    means = Means(PASSWORD, True, can_bind=lambda: True)
    implementation = {**offer(ALL).capabilities, "IMPLEMENTATION": ("Cyrus", "POP3", "server")}
    for other in (offer(ALL, stamp=b"Dovecot (Debian) ready."), Offer(implementation)):
        assert auto(other, means) == "scram-sha-256"
        assert choose(Auth.SCRAM_SHA_1_PLUS, other, means) == [Auth.SCRAM_SHA_1_PLUS]


def test_auto_where_user_is_not_to_be_had() -> None:
    """A server under TLS that announces neither USER nor PLAIN is taken at its word."""
    means = Means(PASSWORD, True)
    assert auto(offer("CRAM-MD5", user=False), means) == "cram-md5"
    assert auto(offer(user=False, stamp=STAMP), means) == "apop"
    assert auto(offer("GSSAPI", user=False), means) == "user"
    assert auto(SILENT, means) == "user"


@pytest.mark.parametrize(
    ("mechanisms", "stamp", "way"),
    [
        (ALL, STAMP, "scram-sha-256"),
        ("PLAIN CRAM-MD5", STAMP, "cram-md5"),
        ("PLAIN LOGIN", STAMP, "apop"),
        ("LOGIN PLAIN", b"", "plain"),
        ("LOGIN", b"", "login"),
        ("", b"", "user"),
    ],
)
def test_auto_in_the_clear(mechanisms: str, stamp: bytes, way: str) -> None:
    """What hides the password comes first, and what does not needs permission."""
    offered = offer(mechanisms, stamp=stamp)
    assert auto(offered, Means(PASSWORD, False, True, can_bind=lambda: True)) == way
    if WAYS[Auth(way)].bare:
        with pytest.raises(AuthError, match="in the clear; use TLS"):
            auto(offered, Means(PASSWORD, False))
    else:
        assert auto(offered, Means(PASSWORD, False)) == way


def test_auto_with_a_token() -> None:
    """The standard before what it came from; a password that there is too is not sent instead."""
    both = frozenset({Need.TOKEN, Need.PASSWORD})
    for needs in (TOKEN, both):
        means = Means(needs, True)
        assert auto(offer("PLAIN XOAUTH2 OAUTHBEARER"), means) == "oauthbearer"
        assert auto(offer("PLAIN XOAUTH2"), means) == "xoauth2"
        with pytest.raises(
            AuthError, match="neither OAUTHBEARER nor XOAUTH2; the server offers PLAIN"
        ):
            auto(offer("PLAIN"), means)
    with pytest.raises(AuthError, match="in the clear"):
        auto(offer("XOAUTH2"), Means(TOKEN, False))


def test_auto_with_a_certificate_alone() -> None:
    """EXTERNAL for an account without a password, and for no other."""
    assert auto(offer("PLAIN EXTERNAL"), Means(frozenset(), True)) == "external"
    assert auto(offer("PLAIN EXTERNAL"), Means(PASSWORD, True)) == "plain"
    for offered, secure in [(offer("PLAIN"), True), (offer("EXTERNAL"), False)]:
        with pytest.raises(
            AuthError, match="no password, and there is no log-in with a client cert"
        ):
            auto(offered, Means(frozenset(), secure))


@pytest.mark.parametrize("wish", [way for way in Auth if way is not Auth.AUTO])
def test_a_wish_is_a_wish(wish: Auth) -> None:
    """It is taken where it is offered, and tried where the server says nothing of itself; where the
    server says that it has others, it is an error that names those."""
    needs = PASSWORD | TOKEN
    means = Means(needs, True, can_bind=lambda: True)
    full = offer(f"{ALL} OAUTHBEARER EXTERNAL", stamp=STAMP)
    assert choose(wish, full, means) == [wish]
    assert choose(wish, Offer({}, STAMP), means) == [wish]
    if wish is not Auth.USER:
        with pytest.raises(AuthError, match=r"the server offers GSSAPI, USER$"):
            choose(wish, offer("GSSAPI"), means)


def test_wishes_without_the_means() -> None:
    """Without password, token, TLS or binding data the error says which."""
    full = offer(f"{ALL} EXTERNAL")
    with pytest.raises(
        AuthError, match='"plain" needs a password, which the account does not have'
    ):
        choose(Auth.PLAIN, full, Means(TOKEN, True))
    with pytest.raises(AuthError, match='"xoauth2" needs a source of tokens, which'):
        choose(Auth.XOAUTH2, full, Means(PASSWORD, True))
    with pytest.raises(AuthError, match="time stamp"):
        choose(Auth.APOP, full, Means(PASSWORD, True))
    for wish in (Auth.EXTERNAL, Auth.SCRAM_SHA_1_PLUS):
        with pytest.raises(AuthError, match="needs TLS"):
            choose(wish, full, Means(PASSWORD, False, True))
    with pytest.raises(AuthError, match="needs a server certificate"):
        choose(Auth.SCRAM_SHA_1_PLUS, full, Means(PASSWORD, True))


def test_no_secret_in_the_clear() -> None:
    """Without TLS and without permission no way is ever chosen that sends the secret itself."""
    offers = [offer(f"{ALL} OAUTHBEARER", stamp=STAMP), offer("PLAIN XOAUTH2"), offer(), SILENT]
    for wish, offered, needs in itertools.product(
        Auth, offers, (PASSWORD, TOKEN, PASSWORD | TOKEN)
    ):
        try:
            ways = choose(wish, offered, Means(needs, False, can_bind=lambda: True))
        except AuthError:
            continue
        assert not any(WAYS[way].bare for way in ways)


def test_the_configuration_knows_the_same_names() -> None:
    """Its list and ours are one."""
    assert tuple(Auth) == AUTH
