"""Which way to connect is best, and the keys of an account that takes it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from poparchive.diagnose.values import OLD_TLS, Look, Remedy
from poparchive.pop3 import Endpoint, TlsMode

DEFAULT_PORTS = {TlsMode.IMPLICIT: 995, TlsMode.STARTTLS: 110, TlsMode.NONE: 110}

_RANK = [TlsMode.IMPLICIT, TlsMode.STARTTLS, TlsMode.NONE]
"""RFC 8314 section 3 prefers TLS from the first octet."""


def endpoints(host: str, port: int | None, trust: Endpoint | None = None) -> tuple[Endpoint, ...]:
    """All ways to try: on ``port``, or on the usual ones.

    ``trust`` says what to trust, and gives every other setting that is not the way itself.
    """
    given = trust or Endpoint(host, 0, TlsMode.IMPLICIT)
    return tuple(
        replace(
            given,
            host=host,
            port=port or DEFAULT_PORTS[mode],
            tls=mode,
            allow_insecure=mode is TlsMode.NONE,
        )
        for mode in _RANK
    )


def best(looks: Sequence[Look]) -> Look | None:
    """The way to take: private without more; else private by an exception; else what there is."""
    ranked = sorted(looks, key=lambda look: _RANK.index(look.mode))
    private = [look for look in ranked if look.mode is not TlsMode.NONE]
    candidates = [
        *(look for look in private if look.works),
        *(look for look in private if look.remedy),
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
    tls_minimum: str | None = None
    """An exception that the way needs, as ``tls_legacy`` is."""
    tls_legacy: bool = False


def suggest(host: str, looks: Sequence[Look], trust: Endpoint | None = None) -> Suggestion | None:
    """What to configure; None if no way works. ``trust`` is what the looks were made with.

    Its exceptions are kept, but for a ``tls_minimum`` that is lower than the server needs.
    """
    look = best(looks)
    if look is None:
        return None
    pin = look.certificate.fingerprint if look.needs_pin and look.certificate else None
    port = None if look.port == DEFAULT_PORTS[look.mode] else look.port
    clear = look.mode is TlsMode.NONE
    remedy = look.remedy or Remedy()
    minimum = remedy.tls_minimum
    if trust and not (minimum or clear or superfluous(look, trust) or trust.tls_minimum == "1.2"):
        minimum = trust.tls_minimum
    legacy = remedy.tls_legacy or bool(trust and trust.tls_legacy and not clear)
    return Suggestion(host, look.mode, port, clear, pin, minimum, legacy)


def superfluous(look: Look, trust: Endpoint) -> bool:
    """``tls_minimum`` permits what the server no longer needs: the two agreed on something newer."""
    return trust.tls_minimum < "1.2" and bool(look.tls_version) and look.tls_version not in OLD_TLS
