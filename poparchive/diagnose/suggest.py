"""Which way to connect is best, and the keys of an account that takes it."""

from collections.abc import Sequence
from dataclasses import dataclass

from poparchive.diagnose.values import Look
from poparchive.pop3 import Endpoint, TlsMode

DEFAULT_PORTS = {TlsMode.IMPLICIT: 995, TlsMode.STARTTLS: 110, TlsMode.NONE: 110}

_RANK = [TlsMode.IMPLICIT, TlsMode.STARTTLS, TlsMode.NONE]
"""RFC 8314 section 3 prefers TLS from the first octet."""


def endpoints(host: str, port: int | None, trust: Endpoint | None = None) -> tuple[Endpoint, ...]:
    """All ways to try: on ``port``, or on the usual ones. ``trust`` says what to trust."""
    return tuple(
        Endpoint(
            host,
            port or DEFAULT_PORTS[mode],
            mode,
            allow_insecure=mode is TlsMode.NONE,
            ca_file=trust.ca_file if trust else None,
            fingerprint=trust.fingerprint if trust else None,
        )
        for mode in _RANK
    )


def best(looks: Sequence[Look]) -> Look | None:
    """The way to take: private and trusted; else private after a pin; else what there is."""
    ranked = sorted(looks, key=lambda look: _RANK.index(look.mode))
    private = [look for look in ranked if look.mode is not TlsMode.NONE]
    candidates = [
        *(look for look in private if look.works),
        *(look for look in private if look.needs_pin),
        *(look for look in ranked if look.works),
    ]
    return candidates[0] if candidates else None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Keys of ``[accounts.NAME]`` that follow from what was found."""

    host: str
    tls: TlsMode
    port: int | None
    """None: the usual one."""
    allow_insecure: bool
    tls_fingerprint: str | None
    """To be confirmed by the server's operator."""


def suggest(host: str, looks: Sequence[Look]) -> Suggestion | None:
    """What to configure; None if no way works."""
    look = best(looks)
    if look is None:
        return None
    pin = look.certificate.fingerprint if look.needs_pin and look.certificate else None
    port = None if look.port == DEFAULT_PORTS[look.mode] else look.port
    return Suggestion(host, look.mode, port, look.mode is TlsMode.NONE, pin)
