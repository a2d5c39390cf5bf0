"""The server's side of every mechanism of SASL, as generators, and what goes wrong on request.

A mechanism yields its challenges, is sent the responses, and returns who is in; it raises
``Denied`` for who is not. PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195), SCRAM (RFC 5802, 7677, by
scramp, also with channel binding), OAUTHBEARER (RFC 7628), XOAUTH2, EXTERNAL (RFC 4422).
"""

import base64
import binascii
import enum
import hashlib
import hmac
import json
import re
import secrets
import ssl
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

from poparchive.demo.mailbox import Mailbox

Steps = Generator[bytes, bytes, str]


class Denied(Exception):  # noqa: N818 -- an answer, not a failure
    """Not let in; the text goes behind -ERR."""


class Sasl(enum.Enum):
    """What a server does in an exchange of SCRAM, or of any mechanism."""

    RIGHT = enum.auto()
    WRONG_NONCE = enum.auto()
    """Of SCRAM: it does not go on from the client's."""
    WRONG_SIGNATURE = enum.auto()
    """Of SCRAM: a proof that it knows another password."""
    NO_SIGNATURE = enum.auto()
    """Of SCRAM: +OK in place of the proof."""
    MANY_ROUNDS = enum.auto()
    """Of SCRAM: more work than anybody would want to do."""
    NO_BINDING = enum.auto()
    """SCRAM with -PLUS is offered, and refused for the binding that the client names."""
    ENDLESS = enum.auto()
    """One challenge after another until the client cancels, whatever the mechanism."""
    GARBAGE = enum.auto()
    """A challenge that is not base64."""
    DEAF = enum.auto()
    """An initial response with the command is not seen, and asked for."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a mechanism may know of the session."""

    mailboxes: Mapping[str, Mailbox]
    sasl: Sasl
    binding: tuple[str, bytes] | None
    """Name and data of the channel binding that is offered."""
    certified: str
    """Whom the client's certificate names; empty without one."""

    def password(self, user: str) -> str:
        mailbox = self.mailboxes.get(user)
        if mailbox is None:
            raise _wrong()
        return mailbox.password


def desk(
    mailboxes: Mapping[str, Mailbox],
    tls: ssl.SSLObject | None,
    certificate: bytes | None,
    sasl: Sasl,
) -> Desk:
    """What there is to know under ``tls``; ``certificate`` is one that SHA-256 has signed."""
    binding, names = None, dict[str, str]()
    if tls:
        if certificate:
            binding = ("tls-server-end-point", hashlib.sha256(certificate).digest())
        shown: Mapping[str, Any] = tls.getpeercert() or {}
        names = dict(pair for group in shown.get("subject", ()) for pair in group)
    return Desk(mailboxes, sasl, binding, names.get("commonName", ""))


async def exchange(
    name: str, initial: bytes, desk: Desk, ask: Callable[[bytes], Awaitable[bytes]]
) -> str:
    """Carry challenges and responses, all in base64, until the mechanism says who is in."""
    steps = _endless() if desk.sasl is Sasl.ENDLESS else MECHANISMS[name](desk)
    challenge = next(steps)
    if initial and challenge:
        raise Denied("in this mechanism the server begins")
    said = b"" if desk.sasl is Sasl.DEAF else initial
    while True:
        if not said:
            said = await ask(b"!" if desk.sasl is Sasl.GARBAGE else base64.b64encode(challenge))
        if said == b"*":
            raise Denied("cancelled")
        try:
            challenge = steps.send(b"" if said == b"=" else _read(said))
        except StopIteration as end:
            user: str = end.value
            return user
        said = b""


def _read(line: bytes) -> bytes:
    try:
        return base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        raise Denied("this is not base64") from None


def same(secret: str, given: str) -> bool:
    return hmac.compare_digest(secret.encode(), given.encode())


def offered(desk: Desk) -> list[str]:
    """What CAPA lists behind SASL."""
    return [
        name
        for name in MECHANISMS
        if (desk.binding or not name.endswith("-PLUS")) and (desk.certified or name != "EXTERNAL")
    ]


def _wrong() -> Denied:
    return Denied("[AUTH] wrong user name or password")


def _plain(desk: Desk) -> Steps:
    try:
        _, user, password = (yield b"").decode().split("\0")
    except ValueError:
        raise Denied("not a PLAIN response (RFC 4616)") from None
    if not same(desk.password(user), password):
        raise _wrong()
    return user


def _login(desk: Desk) -> Steps:
    user = (yield b"Username:").decode("utf-8", "replace")
    password = (yield b"Password:").decode("utf-8", "replace")
    if not same(desk.password(user), password):
        raise _wrong()
    return user


def _cram_md5(desk: Desk) -> Steps:
    challenge = f"<{secrets.token_hex(8)}@localhost>".encode()
    said = (yield challenge).decode("utf-8", "replace")
    user, _, digest = said.rpartition(" ")
    if not same(hmac.new(desk.password(user).encode(), challenge, "md5").hexdigest(), digest):
        raise _wrong()
    return user


def _external(desk: Desk) -> Steps:
    wanted = (yield b"").decode("utf-8", "replace")
    if not desk.certified or wanted not in ("", desk.certified):
        raise _wrong()
    return desk.certified


def _scram(name: str) -> Callable[[Desk], Steps]:
    def steps(desk: Desk) -> Steps:
        from scramp import ScramException, ScramMechanism

        mechanism = ScramMechanism(name)
        users: list[str] = []

        def stored(user: str) -> object:
            users.append(user)
            return mechanism.make_auth_info(desk.password(user))

        server = mechanism.make_server(stored, desk.binding)
        try:
            server.set_client_first((yield b"").decode())
            if name.endswith("-PLUS") and desk.sasl is Sasl.NO_BINDING:
                raise Denied("[AUTH] this channel binding is not supported")
            server.set_client_final((yield _spoilt(desk.sasl, server.get_server_first())).decode())
            if desk.sasl is not Sasl.NO_SIGNATURE:
                yield _spoilt(desk.sasl, server.get_server_final())
        except (ScramException, UnicodeDecodeError) as error:
            raise Denied(f"[AUTH] {error}") from None
        return users[0]

    return steps


def _spoilt(sasl: Sasl, said: str) -> bytes:
    """What SCRAM's server says, with what is to be wrong in it."""
    if sasl is Sasl.WRONG_NONCE:
        said = said.replace("r=", "r=x", 1)
    if sasl is Sasl.MANY_ROUNDS:
        said = re.sub(r",i=\d+", ",i=9999999", said)
    if sasl is Sasl.WRONG_SIGNATURE and said.startswith("v="):
        said = "v=" + base64.b64encode(bytes(20)).decode()
    return said.encode()


def _bearer(pattern: str, reasons: Mapping[str, str]) -> Callable[[Desk], Steps]:
    def steps(desk: Desk) -> Steps:
        found = re.fullmatch(pattern, (yield b"").decode("utf-8", "replace"))
        if found is None:
            raise Denied("this is not how tokens are handed over")
        user = found["user"].replace("=2C", ",").replace("=3D", "=")
        mailbox = desk.mailboxes.get(user)
        if mailbox is None or not mailbox.token or not same(mailbox.token, found["token"]):
            yield json.dumps(reasons).encode()
            raise Denied("[AUTH] the token is not accepted")
        return user

    return steps


_REFUSED = {"schemes": "bearer", "scope": "mail.pop"}

MECHANISMS: Mapping[str, Callable[[Desk], Steps]] = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram_md5,
    "SCRAM-SHA-1": _scram("SCRAM-SHA-1"),
    "SCRAM-SHA-1-PLUS": _scram("SCRAM-SHA-1-PLUS"),
    "SCRAM-SHA-256": _scram("SCRAM-SHA-256"),
    "SCRAM-SHA-256-PLUS": _scram("SCRAM-SHA-256-PLUS"),
    "XOAUTH2": _bearer(
        r"user=(?P<user>[^\x01]*)\x01auth=Bearer (?P<token>[^\x01]*)\x01\x01",
        {"status": "401", **_REFUSED},
    ),
    "OAUTHBEARER": _bearer(
        r"n,a=(?P<user>[^,\x01]*),\x01(?:\w+=[^\x01]*\x01)*auth=Bearer (?P<token>[^\x01]*)\x01\x01",
        {"status": "invalid_token", **_REFUSED},
    ),
    "EXTERNAL": _external,
}
"""Each mechanism by its name; those whose first challenge is empty let the client speak first."""


def _endless() -> Steps:
    """``Sasl.ENDLESS``: nothing is ever enough."""
    yield b""
    while True:
        yield b"go on"
