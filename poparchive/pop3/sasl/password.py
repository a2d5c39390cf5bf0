"""Mechanisms that need a password, or no word at all: PLAIN, LOGIN, CRAM-MD5, EXTERNAL.

RFC 4616, draft-murchison-sasl-login, RFC 2195, RFC 4422 appendix A.
"""

import hmac

from poparchive.pop3.errors import CommandError
from poparchive.pop3.sasl.lines import octets
from poparchive.pop3.sasl.mechanism import Identity, Mechanism


class Plain(Mechanism):
    """Name and password in one word, without an identity to act for."""

    def __init__(self, who: Identity) -> None:
        if "\0" in who.user or "\0" in who.secret:
            raise CommandError("PLAIN cannot carry a NUL in user name or password", command="AUTH")
        self._said = b"\0%b\0%b" % (octets(who.user), octets(who.secret))

    def initial(self) -> bytes:
        return self._said


class Login(Mechanism):
    """The name, then the password. Servers word their questions as they like; only the order counts."""

    def __init__(self, who: Identity) -> None:
        self._words = [octets(who.secret), octets(who.user)]

    def respond(self, challenge: bytes) -> bytes:
        return self._words.pop() if self._words else super().respond(challenge)


class CramMd5(Mechanism):
    """The password keys a digest of the challenge; MD5 is what the mechanism has."""

    def __init__(self, who: Identity) -> None:
        self._who = who
        self._answered = False

    def respond(self, challenge: bytes) -> bytes:
        if self._answered:
            return super().respond(challenge)
        self._answered = True
        digest = hmac.new(octets(self._who.secret), challenge, "md5").hexdigest()
        return b"%b %b" % (octets(self._who.user), digest.encode("ascii"))


class External(Mechanism):
    """The client's certificate says who it is; to act for anybody else is not asked for."""

    def __init__(self, who: Identity) -> None:
        pass

    def initial(self) -> bytes:
        return b""
