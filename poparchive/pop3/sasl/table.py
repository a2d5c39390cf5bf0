"""The table of ways to log in: what each is called, what it needs, what it gives away."""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from poparchive.pop3.errors import AuthError
from poparchive.pop3.sasl.bearer import OAuthBearer, XOAuth2
from poparchive.pop3.sasl.mechanism import Identity, Mechanism
from poparchive.pop3.sasl.password import CramMd5, External, Login, Plain


class Auth(enum.StrEnum):
    """What ``auth`` of an account may be."""

    AUTO = "auto"
    SCRAM_SHA_256_PLUS = "scram-sha-256-plus"
    SCRAM_SHA_256 = "scram-sha-256"
    SCRAM_SHA_1_PLUS = "scram-sha-1-plus"
    SCRAM_SHA_1 = "scram-sha-1"
    CRAM_MD5 = "cram-md5"
    APOP = "apop"
    PLAIN = "plain"
    LOGIN = "login"
    USER = "user"
    OAUTHBEARER = "oauthbearer"
    XOAUTH2 = "xoauth2"
    EXTERNAL = "external"


def parse_auth(name: str) -> Auth:
    try:
        return Auth(name.lower())
    except ValueError:
        known = ", ".join(Auth)
        raise AuthError(f'auth = "{name}" is not known; there are {known}') from None


class Need(enum.Enum):
    PASSWORD = "a password"  # noqa: S105
    TOKEN = "a source of tokens"  # noqa: S105
    CERTIFICATE = "a client certificate"


@dataclass(frozen=True, slots=True)
class Way:
    """One row of the table."""

    make: Callable[[Identity], Mechanism] | None
    """A mechanism of SASL; None for what has commands of its own."""
    need: Need = Need.PASSWORD
    bare: bool = False
    """What goes over the line is the secret itself: not without TLS."""
    plus: bool = False
    """Tied to the TLS connection."""
    unbound: Auth | None = None
    """The same without being tied."""


def _scram(name: str) -> Callable[[Identity], Mechanism]:
    def make(who: Identity) -> Mechanism:
        from poparchive.pop3.sasl.scram import Scram

        return Scram(name, who)

    return make


WAYS: Mapping[Auth, Way] = {
    Auth.SCRAM_SHA_256_PLUS: Way(
        _scram("SCRAM-SHA-256-PLUS"), plus=True, unbound=Auth.SCRAM_SHA_256
    ),
    Auth.SCRAM_SHA_256: Way(_scram("SCRAM-SHA-256")),
    Auth.SCRAM_SHA_1_PLUS: Way(_scram("SCRAM-SHA-1-PLUS"), plus=True, unbound=Auth.SCRAM_SHA_1),
    Auth.SCRAM_SHA_1: Way(_scram("SCRAM-SHA-1")),
    Auth.CRAM_MD5: Way(CramMd5),
    Auth.APOP: Way(None),
    Auth.PLAIN: Way(Plain, bare=True),
    Auth.LOGIN: Way(Login, bare=True),
    Auth.USER: Way(None, bare=True),
    Auth.OAUTHBEARER: Way(OAuthBearer, Need.TOKEN, bare=True),
    Auth.XOAUTH2: Way(XOAuth2, Need.TOKEN, bare=True),
    Auth.EXTERNAL: Way(External, Need.CERTIFICATE),
}

SCRAMS = (Auth.SCRAM_SHA_256_PLUS, Auth.SCRAM_SHA_256, Auth.SCRAM_SHA_1_PLUS, Auth.SCRAM_SHA_1)
"""The strongest first."""


def sasl_name(way: Auth) -> str:
    """As CAPA and AUTH write it."""
    return way.value.upper()
