"""The whole look at a server: from outside by every way, then from inside by the best of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from poparchive.diagnose.look import look_by_all
from poparchive.diagnose.mailbox import Access, examine
from poparchive.diagnose.suggest import best
from poparchive.diagnose.transcript import Transcript
from poparchive.diagnose.values import Look, Mailbox, Report
from poparchive.pop3 import Endpoint, Login, Timeouts, TlsMode, make_context

SHORT = Timeouts(connect_s=10, reply_s=10, stall_s=10)
"""Somebody waits for the answer, and a way that does not answer is one that is not there."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who logs in, if somebody does."""

    login: Login
    account: str = ""
    prefer: TlsMode | None = None
    """The way to take if it works."""
    allow_insecure: bool = False
    """Without it nobody logs in where there is no TLS."""


async def check(
    endpoints: Sequence[Endpoint],
    transcript: Transcript,
    *,
    visitor: Visitor | None = None,
    timeouts: Timeouts = SHORT,
) -> Report:
    """Look at a server; all ``endpoints`` are of one host and trust the same.

    What goes wrong is in the report. Raises ``TlsError`` only where ``ca_file`` cannot be read.
    """
    host = endpoints[0].host
    context = make_context(endpoints[0])
    looks = await look_by_all(endpoints, timeouts, context, transcript)
    if visitor is None:
        return Report(host, looks)
    look = _way_in(looks, visitor)
    if look is None:
        return Report(host, looks, _locked_out(looks, visitor))
    way = next(e for e in endpoints if (e.tls, e.port) == (look.mode, look.port))
    access = Access(way, visitor.login, timeouts, context, visitor.account)
    return Report(host, looks, await examine(access, transcript))


def _way_in(looks: Sequence[Look], visitor: Visitor) -> Look | None:
    """The best way that may carry a password."""
    usable = [
        look
        for look in looks
        if look.works and (look.mode is not TlsMode.NONE or visitor.allow_insecure)
    ]
    preferred = [look for look in usable if look.mode is visitor.prefer]
    return best(preferred or usable)


def _locked_out(looks: Sequence[Look], visitor: Visitor) -> Mailbox:
    """No password was sent, and why."""
    if any(look.needs_pin for look in looks):
        problem = "the server's certificate is not trusted, so no password was sent"
    elif any(look.remedy for look in looks):
        problem = "TLS is too old or too weak, so no password was sent"
    elif any(look.works for look in looks):
        problem = "there is no TLS, so no password was sent; --allow-insecure permits it"
    else:
        problem = "there is no connection to log in over"
    look = best(looks) or looks[0]
    return Mailbox(look.mode, look.port, visitor.login.user, problem=problem)
