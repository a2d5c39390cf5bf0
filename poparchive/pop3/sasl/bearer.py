"""Mechanisms that carry a token: OAUTHBEARER (RFC 7628) and XOAUTH2, which came before it.

A server that does not take the token says why in JSON, as a challenge, and refuses when the client
has acknowledged that.
"""

import json
import re
from typing import ClassVar

from poparchive.pop3.errors import CommandError, ProtocolError
from poparchive.pop3.replies import visible
from poparchive.pop3.sasl.lines import octets
from poparchive.pop3.sasl.mechanism import Identity, Mechanism

REASONS = ("status", "schemes", "scope")
"""The fields of RFC 7628 section 3.2.2 that tell whoever reads the error something."""

REASON_MAX_BYTES = 200

_TOKEN = re.compile(r"[!-~]+")


class _Bearer(Mechanism):
    name: ClassVar[str]
    acknowledgement: ClassVar[bytes]

    def __init__(self, who: Identity) -> None:
        if "\1" in who.user or "\0" in who.user:
            raise CommandError(f"{self.name} cannot carry this user name", command="AUTH")
        if not _TOKEN.fullmatch(who.secret):
            raise CommandError(
                f"what the token source gave is no token that {self.name} can carry: it is empty,"
                " or has other characters than visible ASCII ones",
                command="AUTH",
            )
        self._who = who
        self._reasons_given = False

    def initial(self) -> bytes:
        raise NotImplementedError

    def respond(self, challenge: bytes) -> bytes:
        if self._reasons_given:
            return super().respond(challenge)
        self._reasons_given = True
        self.remark = self._reasons(challenge)
        return self.acknowledgement

    def finish(self) -> None:
        if self._reasons_given:
            raise ProtocolError(f"the server let us in after it had refused {self.name}")

    def _reasons(self, challenge: bytes) -> str:
        try:
            fields = json.loads(challenge)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            return ""
        given = ((name, fields.get(name)) for name in REASONS)
        words = (f"{name} {self._shown(value)}" for name, value in given if value is not None)
        return ", ".join(words)

    def _shown(self, value: object) -> str:
        # A server that sends the token back must not bring it into an error message.
        text = str(value).replace(self._who.secret, "***")
        return visible(octets(text)[:REASON_MAX_BYTES])


class OAuthBearer(_Bearer):
    """RFC 7628; the name is one of GS2, where "=" and "," are escaped."""

    name = "OAUTHBEARER"
    acknowledgement = b"\1"

    def initial(self) -> bytes:
        user = self._who.user.replace("=", "=3D").replace(",", "=2C")
        fields = (
            f"n,a={user},",
            f"host={self._who.host}",
            f"port={self._who.port}",
            f"auth=Bearer {self._who.secret}",
        )
        return b"".join(octets(field) + b"\1" for field in fields) + b"\1"


class XOAuth2(_Bearer):
    """As Google and Microsoft describe it."""

    name = "XOAUTH2"
    acknowledgement = b""

    def initial(self) -> bytes:
        return octets(f"user={self._who.user}\1auth=Bearer {self._who.secret}\1\1")
