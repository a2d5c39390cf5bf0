"""What the values of a look mean for archiving, in sentences: ``explain`` a report.

Each topic has a function that says nothing where nothing is known. Numbers in sentences are worked
out from what was measured; what was not looked at is not judged.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from poparchive.diagnose.inside import BAD, GOOD, MAILBOX, NOTE, Found, sentence
from poparchive.diagnose.suggest import superfluous
from poparchive.diagnose.values import (
    OLD_TLS,
    TLS_NAMES,
    Capabilities,
    Certificate,
    Finding,
    Look,
    Report,
)
from poparchive.pop3 import Endpoint, TlsMode
from poparchive.pop3.profiles import profile_of

SOON = timedelta(days=21)
"""Certificates are mostly renewed 30 days before they end; one with less left was forgotten."""

_NAMES = {
    TlsMode.IMPLICIT: "TLS from the first octet",
    TlsMode.STARTTLS: "STLS",
    TlsMode.NONE: "A connection in the clear",
}


_BROKEN = (
    "It is broken (RFC 8996): who is on the way may read passwords and mail. Ask the server's"
    " operator for TLS 1.2."
)


def explain(
    report: Report, now: datetime | None = None, trust: Endpoint | None = None
) -> list[Finding]:
    """All sentences about a report, in the order in which to read them.

    ``trust`` is what the looks were made with, where an account has exceptions of its own.
    """
    now = now or datetime.now(UTC)
    found = list(_connections(report, trust))
    found += [Finding("tls", *said) for said in _privacy(report.looks)]
    found += [Finding("tls", *said) for said in _superfluous(report.looks, trust)]
    certificates = {look.certificate: None for look in report.looks if look.certificate}
    for certificate in certificates:
        found += [Finding("certificate", *said) for said in _certificate(certificate, now)]
    found += [Finding("server", *said) for said in _server(report)]
    found += [Finding("capabilities", *said) for said in _capabilities(report)]
    if mailbox := report.mailbox:
        for topic, say in MAILBOX.items():
            found += [Finding(topic, *said) for said in say(mailbox)]
    return found


# ---- from outside --------------------------------------------------------------------------------


def _connections(report: Report, trust: Endpoint | None) -> Iterator[Finding]:
    """Each way; but what is wrong with all of them alike is said once."""
    looks = report.looks
    problems = {look.problem for look in looks}
    nothing = bool(looks) and not any(look.works or look.remedy for look in looks)
    if nothing and len(looks) > len(problems) == 1:
        yield Finding("connect", BAD, f"No way to {report.host} works: {sentence(problems.pop())}")
    else:
        for look in looks:
            for verdict, text in _connection(look, looks, bool(trust and trust.tls_legacy)):
                yield Finding(f"connect {look.mode}", verdict, text)
    if nothing:
        yield Finding(
            "connect",
            BAD,
            "So there is no account to suggest. Is that the server's name, and the port of its POP3?"
            " It is 995 or 110 as a rule; poparchive account add without --host asks the domain of the"
            " user's address.",
        )


def _connection(look: Look, looks: tuple[Look, ...], legacy: bool) -> Found:
    name = f"{_NAMES[look.mode]} on port {look.port}"
    if look.works and look.mode is TlsMode.NONE:
        yield NOTE, f"{name} works, but passwords and mail could be read on the way."
    elif look.works and look.tls_version in OLD_TLS:
        yield (
            BAD,
            f"{name} works, by TLS {TLS_NAMES[look.tls_version]}, which the account permits with"
            f" tls_minimum. {_BROKEN}",
        )
    elif look.works and legacy:
        yield (
            NOTE,
            f"{name} works ({look.tls_version}), with all that tls_legacy permits: who is on the way"
            " and takes pains may read the mail.",
        )
    elif look.works:
        yield GOOD, f"{name} works ({look.tls_version}): nobody on the way can read the mail."
    else:
        missed = look.mode is not TlsMode.NONE and not any(
            other.works or (other.remedy and not look.remedy)
            for other in looks
            if other.mode is not TlsMode.NONE
        )
        yield BAD if missed else NOTE, f"{name} cannot be used: {sentence(look.problem)}"


def _server(report: Report) -> Found:
    """What is known of such servers that they do not say themselves (``pop3.profiles``)."""
    for look in report.looks:
        if look.greeting is not None:
            capabilities = look.capa_tls or look.capa_clear or {}
            profile = profile_of(report.host, look.greeting.encode(), capabilities)
            for text in profile.notes:
                yield NOTE, text
            return


def _privacy(looks: tuple[Look, ...]) -> Found:
    private = [look for look in looks if look.mode is not TlsMode.NONE]
    if any(look.works for look in private):
        return
    if any(look.needs_pin for look in private):
        yield (
            BAD,
            "The certificate is not trusted, so nothing was logged in to over TLS. Name the"
            " authority with ca_file, or pin the certificate with tls_fingerprint after its"
            " operator has confirmed the fingerprint: one that is only read here could be anybody's.",
        )
    elif any(look.works for look in looks) and not any(look.remedy for look in private):
        yield BAD, "There is no TLS: the password would go over the line for everybody to read."
    remedies = [look.remedy for look in private if look.remedy]
    for minimum in dict.fromkeys(remedy.tls_minimum for remedy in remedies):
        if minimum in ("1.0", "1.1"):
            yield (
                BAD,
                f"The server speaks TLS {minimum} and nothing newer. {_BROKEN} An account that has"
                f' to use it all the same permits it with tls_minimum = "{minimum}".',
            )
        elif minimum:
            yield BAD, f"tls_minimum asks for more than the server has, which is TLS {minimum}."
    if any(remedy.tls_legacy for remedy in remedies):
        yield (
            BAD,
            "The server's TLS is weaker than OpenSSL takes by itself: ask its operator for better"
            " ciphers and keys. An account that has to use it all the same permits it with"
            " tls_legacy = true.",
        )


def _superfluous(looks: tuple[Look, ...], trust: Endpoint | None) -> Found:
    for look in looks:
        if trust and look.works and superfluous(look, trust):
            yield (
                NOTE,
                f"The server speaks TLS {TLS_NAMES[look.tls_version or '']} by now: tls_minimum ="
                f' "{trust.tls_minimum}" can be taken out of the account.',
            )
            return


def _certificate(certificate: Certificate, now: datetime) -> Found:
    if not certificate.trusted:
        yield (
            NOTE,
            "What is shown of the certificate was read over a connection that trusts anybody, on"
            " which no password was sent.",
        )
    ends = certificate.not_after
    if not certificate.subject and ends is None:
        yield NOTE, "Nothing of the certificate but its fingerprint could be read."
    if ends is None:
        return
    day = f"{ends:%Y-%m-%d}"
    if ends < now:
        yield BAD, f"The certificate ended on {day}; its operator has to renew it."
    elif ends - now < SOON:
        yield NOTE, f"The certificate ends on {day}; if it is not renewed, pulls stop then."
    elif certificate.trusted:
        yield GOOD, f"The certificate is trusted, and lasts until {day}."


def _capabilities(report: Report) -> Found:
    answering = [look for look in report.looks if look.works]
    if not answering:
        return
    if all(look.capa_refused for look in answering):
        yield (
            NOTE,
            "The server has no CAPA: what it can do has to be tried, log-in is by USER and PASS, and"
            " without announced pipelining each message costs a round trip.",
        )
    for look in answering:
        clear, under_tls = look.capa_clear, look.capa_tls
        if clear is None or under_tls is None:
            continue
        changed = sorted(
            name for name in clear.keys() | under_tls.keys() if _differ(clear, under_tls, name)
        )
        if changed:
            yield (
                NOTE,
                f"CAPA changes with STLS on port {look.port} ({', '.join(changed)}): only what is"
                " said under TLS counts.",
            )
    exposed = [
        look for look in answering if look.mode is TlsMode.NONE and "PLAIN" in look.mechanisms
    ]
    private = any(look.mode is not TlsMode.NONE for look in answering)
    if exposed and private:
        yield (
            NOTE,
            "The server takes passwords in the clear; whoever is on the way could make a client"
            " that does not insist on TLS send one.",
        )


def _differ(one: Capabilities, other: Capabilities, name: str) -> bool:
    """STLS itself goes away by right (RFC 2595 section 4)."""
    return name != "STLS" and one.get(name) != other.get(name)
