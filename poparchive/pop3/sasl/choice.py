"""Which way to log in: what the account wishes and has, against what the server offers.

A pure function, so that all of the policy is here: the strongest first, and no secret in the clear.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from poparchive.pop3.errors import AuthError
from poparchive.pop3.replies import parse_stamp, visible
from poparchive.pop3.sasl.table import SCRAMS, WAYS, Auth, Need, sasl_name

BINDING_OTHERWISE = ("cyrus", "dovecot")
"""Cyrus knows ``tls-unique`` alone, Dovecot 2.4 ``tls-exporter`` too."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What is known of a server before the log-in."""

    capabilities: Mapping[str, tuple[str, ...]]
    """As CAPA has them; none at all from a server that refused it."""
    greeting: bytes = b""

    @property
    def stamp(self) -> bytes:
        """For APOP."""
        return parse_stamp(self.greeting)

    @property
    def binds_otherwise(self) -> bool:
        """It is known to tie SCRAM to other things than its certificate.

        Neither CAPA nor SASL says to which, and Cyrus refuses only when all was said, in the same
        words as it does a wrong password.
        """
        names = " ".join((visible(self.greeting), *self.capabilities.get("IMPLEMENTATION", ())))
        return any(name in names.lower() for name in BINDING_OTHERWISE)

    @property
    def mechanisms(self) -> frozenset[str]:
        return frozenset(name.upper() for name in self.capabilities.get("SASL", ()))

    @property
    def told(self) -> bool:
        """The server answered CAPA, so that what it does not list is not there."""
        return bool(self.capabilities)

    def has(self, way: Auth) -> bool:
        if way is Auth.APOP:
            return bool(self.stamp)
        if way is Auth.USER:
            return not self.told or "USER" in self.capabilities
        return sasl_name(way) in self.mechanisms

    def __str__(self) -> str:
        names = sorted(self.mechanisms)
        names += [sasl_name(way) for way in (Auth.USER, Auth.APOP) if self.has(way)]
        return "the server offers " + (", ".join(names) or "no way to log in that we know")


@dataclass(frozen=True, slots=True)
class Means:
    """What we have to log in with."""

    needs: frozenset[Need]
    secure: bool
    """Under TLS."""
    allow_clear: bool = False
    """Secrets may go out without TLS."""
    can_bind: Callable[[], bool] = lambda: False
    """There is channel binding data; asked only where the server offers to use it."""

    def may_send(self, way: Auth) -> bool:
        return self.secure or self.allow_clear or not WAYS[way].bare

    def can(self, way: Auth) -> bool:
        return self.may_send(way) and (not WAYS[way].plus or (self.secure and self.can_bind()))


def choose(wish: Auth, offer: Offer, means: Means) -> list[Auth]:
    """The ways to log in, never ``AUTO``, the best one first; at least one.

    The others are for a name or password that the first cannot carry, not for trying after a
    refusal. Raises ``AuthError`` that says what is missing and what the server offers.
    """
    if wish is not Auth.AUTO:
        _demand(wish, offer, means)
        return [wish]
    if Need.TOKEN in means.needs:
        order = [Auth.OAUTHBEARER, Auth.XOAUTH2]
    elif Need.PASSWORD not in means.needs:
        order = [Auth.EXTERNAL] if means.secure else []
    elif means.secure:
        order = [*SCRAMS, Auth.PLAIN, Auth.LOGIN, Auth.USER, Auth.CRAM_MD5, Auth.APOP]
    else:
        order = [*SCRAMS, Auth.CRAM_MD5, Auth.APOP, Auth.PLAIN, Auth.LOGIN, Auth.USER]
    offered = [way for way in order if offer.has(way)]
    if not offered and Auth.USER in order:
        offered = [Auth.USER]  # some servers have it and do not say so
    if offer.binds_otherwise:
        offered = [way for way in offered if not WAYS[way].plus]
    ways = [way for way in offered if means.can(way)]
    if not ways:
        if any(not means.may_send(way) for way in offered):
            raise AuthError(f"the password would be sent in the clear; use TLS ({offer})")
        raise AuthError(f"{_missing(means)}; {offer}")
    return ways


def _missing(means: Means) -> str:
    if Need.TOKEN in means.needs:
        return "the account has tokens, and the server takes neither OAUTHBEARER nor XOAUTH2"
    if Need.PASSWORD in means.needs:
        return "the server has no way to log in that we have"
    return (
        "the account has no password, and there is no log-in with a client certificate (EXTERNAL)"
    )


def _demand(wish: Auth, offer: Offer, means: Means) -> None:
    """Raise unless exactly this way can be taken."""
    way = WAYS[wish]
    if way.need is not Need.CERTIFICATE and way.need not in means.needs:
        raise AuthError(f'auth = "{wish}" needs {way.need.value}, which the account does not have')
    if wish is Auth.APOP and not offer.stamp:
        raise AuthError(
            f"the server's greeting has no time stamp, so it does not offer APOP; {offer}"
        )
    if way.make and offer.told and not offer.has(wish):
        raise AuthError(f'auth = "{wish}" is not to be had here: {offer}')
    if not means.may_send(wish):
        secret = "token" if way.need is Need.TOKEN else "password"
        raise AuthError(f"the {secret} would be sent in the clear; use TLS")
    if (way.plus or way.need is Need.CERTIFICATE) and not means.secure:
        raise AuthError(f'auth = "{wish}" needs TLS')
    if way.plus and not means.can_bind():
        raise AuthError(
            f'auth = "{wish}" needs a server certificate whose signature has a hash of its own,'
            " and this one's has none"
        )
