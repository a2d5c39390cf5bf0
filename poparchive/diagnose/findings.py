"""What the values of a look mean for archiving, in sentences: ``explain`` a report.

Each topic has a function that says nothing where nothing is known. Numbers in sentences are worked
out from what was measured; what was not looked at is not judged.
"""

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from poparchive.diagnose.values import (
    OLD_TLS,
    Again,
    Alphabet,
    Capabilities,
    Certificate,
    Finding,
    Look,
    Mailbox,
    Report,
    SizeCheck,
    TopResult,
    Verdict,
)
from poparchive.pop3 import TlsMode
from poparchive.pop3.profiles import profile_of

SOON = timedelta(days=21)
"""Certificates are mostly renewed 30 days before they end; one with less left was forgotten."""

WINDOW = 500
"""Commands that poparchive sends ahead at the most (``pop3.pipeline.Window``)."""

EXAMPLE_MESSAGES = 10_000

GOOD, NOTE, BAD = Verdict.GOOD, Verdict.NOTE, Verdict.BAD

Found = Iterator[tuple[Verdict, str]]

_NAMES = {
    TlsMode.IMPLICIT: "TLS from the first octet",
    TlsMode.STARTTLS: "STLS",
    TlsMode.NONE: "A connection in the clear",
}


def explain(report: Report, now: datetime | None = None) -> list[Finding]:
    """All sentences about a report, in the order in which to read them."""
    now = now or datetime.now(UTC)
    found = [
        Finding(f"connect {look.mode}", verdict, text)
        for look in report.looks
        for verdict, text in _connection(look, report.looks)
    ]
    found += [Finding("tls", *said) for said in _privacy(report.looks)]
    certificates = {look.certificate: None for look in report.looks if look.certificate}
    for certificate in certificates:
        found += [Finding("certificate", *said) for said in _certificate(certificate, now)]
    found += [Finding("server", *said) for said in _server(report)]
    found += [Finding("capabilities", *said) for said in _capabilities(report)]
    if mailbox := report.mailbox:
        for topic, say in _MAILBOX.items():
            found += [Finding(topic, *said) for said in say(mailbox)]
    return found


# ---- from outside --------------------------------------------------------------------------------


def _connection(look: Look, looks: tuple[Look, ...]) -> Found:
    name = f"{_NAMES[look.mode]} on port {look.port}"
    if look.works and look.mode is TlsMode.NONE:
        yield NOTE, f"{name} works, but passwords and mail could be read on the way."
    elif look.works:
        yield GOOD, f"{name} works ({look.tls_version}): nobody on the way can read the mail."
    else:
        missed = look.mode is not TlsMode.NONE and not any(
            other.works for other in looks if other.mode is not TlsMode.NONE
        )
        yield BAD if missed else NOTE, f"{name} cannot be used: {_sentence(look.problem)}"


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
    elif any(look.works for look in looks):
        yield BAD, "There is no TLS: the password would go over the line for everybody to read."
    old = {look.tls_version for look in private if look.tls_version in OLD_TLS}
    if old:
        yield (
            BAD,
            f"The server speaks {' and '.join(sorted(map(str, old)))} only; TLS 1.2 is needed.",
        )


def _certificate(certificate: Certificate, now: datetime) -> Found:
    if not certificate.trusted:
        yield (
            BAD,
            f"The certificate is not trusted: {certificate.distrust}. It was read over a connection"
            " that trusts anybody, on which no password was sent.",
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


# ---- from inside ---------------------------------------------------------------------------------


def _login(mailbox: Mailbox) -> Found:
    if not mailbox.auth:
        yield BAD, f"The log-in failed: {_sentence(mailbox.problem)}"
        return
    yield GOOD, f"The log-in works, by {mailbox.auth} ({mailbox.mode}, port {mailbox.port})."
    if mailbox.problem:
        yield BAD, f"The first session ended early: {_sentence(mailbox.problem)}"
    if mailbox.second_problem and mailbox.again is None:
        yield (
            NOTE,
            "A second session was not to be had, so listings were not compared and nothing was"
            f" fetched: {_sentence(mailbox.second_problem)}",
        )
    elif mailbox.second_problem:
        yield BAD, f"The second session ended early: {_sentence(mailbox.second_problem)}"
    if wait := (mailbox.capabilities or {}).get("LOGIN-DELAY", ())[:1]:
        yield (
            NOTE,
            f"The server wants {wait[0]} seconds between log-ins: set schedule to no less.",
        )


def _mail(mailbox: Mailbox) -> Found:
    if mailbox.messages is None or mailbox.stat is None:
        return
    said, counted = mailbox.stat, (mailbox.messages, mailbox.octets)
    if said == counted:
        yield GOOD, f"STAT and LIST agree: {_count(said[0], 'message')}, {said[1]} octets."
    else:
        yield (
            NOTE,
            f"STAT says {said[0]} messages and {said[1]} octets, LIST {counted[0]} and {counted[1]};"
            " what LIST and UIDL name is fetched.",
        )


def _uidl(mailbox: Mailbox) -> Found:
    if mailbox.uidl_refused:
        yield (
            BAD,
            "The server has no UIDL: nothing tells old mail from new, so mail cannot be archived"
            " without fetching all of it each time.",
        )
    uidl = mailbox.uidl
    if uidl is None or not (uidl.count or uidl.missing):
        return
    if uidl.missing:
        yield BAD, f"UIDL leaves out {_count(uidl.missing, 'message')} that LIST names."
    if uidl.repeated:
        yield (
            BAD,
            f"{_count(uidl.repeated, 'message')} share a UIDL with another: they are told apart by"
            ' their sizes as far as these differ; leave_on_server = "forever" is the safe choice.',
        )
    if uidl.are_numbers:
        yield (
            BAD,
            "UIDLs are the message numbers, which change when mail is deleted: they identify"
            ' nothing. Use leave_on_server = "forever" and pull --full now and then.',
        )
    if uidl.too_long or uidl.alphabet is Alphabet.OTHER:
        yield NOTE, "Some UIDLs are not as RFC 1939 has them; they are kept as they are sent."
    if not uidl.ascending:
        yield NOTE, "The listing does not go by message number, which does no harm."
    if not (uidl.missing or uidl.repeated or uidl.are_numbers):
        between = f"{uidl.shortest_bytes} to {uidl.longest_bytes}"
        length = f"{uidl.longest_bytes}" if uidl.shortest_bytes == uidl.longest_bytes else between
        yield GOOD, f"Each message has a UIDL of its own ({length} octets, {uidl.alphabet})."


def _stability(mailbox: Mailbox) -> Found:
    again = mailbox.again
    if again is None or not (again.kept or again.gone or again.new):
        return
    moved = f"{_count(again.gone, 'UIDL')} went and {again.new} came"
    if not again.kept and again.gone:
        yield (
            BAD,
            "A second session had other UIDLs throughout: the server makes them anew each time, so"
            " every pull would fetch everything.",
        )
    elif again.gone:
        yield (
            NOTE,
            f"Between two sessions {moved}: look again while no other program uses the mailbox.",
        )
    elif not again.order_kept:
        yield NOTE, "A second session listed the same messages in another order; that does no harm."
    else:
        more = f" ({moved}: new mail)" if again.new else ""
        yield GOOD, f"A second session had the same UIDLs in the same order{more}."


def _retr(mailbox: Mailbox) -> Found:
    if mailbox.spared:
        yield (
            BAD,
            "EXPIRE 0: the server says that it deletes mail once it was fetched, so none was"
            " fetched here. Mail that is archived from it will be there only.",
        )
    if mailbox.refused:
        yield (
            BAD,
            f"The server lists {_count(len(mailbox.refused), 'message')} that it does not hand out;"
            " pulls ask for such messages again each time.",
        )


def _sizes(mailbox: Mailbox) -> Found:
    wrong = [check for check in mailbox.sizes if check.came_bytes != check.listed_bytes]
    if not mailbox.sizes:
        return
    of = f"{len(wrong)} of {_count(len(mailbox.sizes), 'message')}"
    if not wrong:
        yield (
            GOOD,
            f"LIST was right to the octet for all of {_count(len(mailbox.sizes), 'message')}.",
        )
    elif all(_counts_line_ends_once(check) for check in wrong):
        yield NOTE, f"LIST counts line ends as one octet ({of}): its sizes are a hint, no proof."
    elif all(check.came_bytes - check.listed_bytes == 2 for check in wrong):
        yield NOTE, f"LIST is two octets short ({of}): it does not count the last line end."
    else:
        off = ", ".join(f"{check.came_bytes - check.listed_bytes:+d}" for check in wrong)
        yield (
            NOTE,
            f"LIST is wrong for {of} (what came against it: {off} octets). What came is archived;"
            " sizes are a hint only, and a message that was cut on the server would not show.",
        )


def _counts_line_ends_once(check: SizeCheck) -> bool:
    return check.came_bytes - check.listed_bytes == check.line_ends > 1


def _top(mailbox: Mailbox) -> Found:
    results = [top.result for top in mailbox.tops]
    bad = [result for result in dict.fromkeys(results) if result is not TopResult.EXACT]
    if not results:
        return
    harmless = "poparchive fetches whole messages, so archiving does not suffer"
    if bad == [TopResult.REFUSED] and TopResult.EXACT not in results:
        yield NOTE, f"TOP is refused; {harmless}."
    elif bad:
        yield NOTE, f"TOP is not honest ({', '.join(bad)}); {harmless}."
    else:
        yield GOOD, "TOP gives exactly the beginning of what RETR gives."


def _pipelining(mailbox: Mailbox) -> Found:
    found = mailbox.pipelining
    if found is None:
        return
    if found.announced and found.works:
        yield GOOD, "PIPELINING is announced and works: messages come without waiting."
    elif found.announced:
        yield (
            BAD,
            f"PIPELINING is announced but does not work: {found.problem}. Pulls would fail or lose"
            " step; its operator should know.",
        )
    elif found.works:
        yield (
            NOTE,
            "Commands sent together were answered in order, but PIPELINING is not announced, so it"
            " is not used: each message costs a round trip.",
        )
    else:
        yield NOTE, "There is no pipelining: each message costs a round trip."


def _round_trip(mailbox: Mailbox) -> Found:
    if mailbox.rtt_s is None:
        return
    piped = mailbox.pipelining and mailbox.pipelining.announced and mailbox.pipelining.works
    trips = math.ceil(EXAMPLE_MESSAGES / (WINDOW if piped else 1))
    yield (
        GOOD if piped or mailbox.rtt_s * trips < 60 else NOTE,
        f"An answer takes {mailbox.rtt_s * 1000:.1f} ms; {EXAMPLE_MESSAGES:,} messages wait"
        f" {_seconds(mailbox.rtt_s * trips)} for round trips, besides the time for their octets.",
    )


_MAILBOX: dict[str, Callable[[Mailbox], Found]] = {
    "login": _login,
    "mailbox": _mail,
    "uidl": _uidl,
    "uidl again": _stability,
    "retr": _retr,
    "sizes": _sizes,
    "top": _top,
    "pipelining": _pipelining,
    "round trip": _round_trip,
}


def doubtful(mailbox: Mailbox | None) -> bool:
    """UIDLs are such that deleting by them would be rash."""
    if mailbox is None:
        return False
    uidl: bool = mailbox.uidl_refused or bool(
        mailbox.uidl and (mailbox.uidl.repeated or mailbox.uidl.missing or mailbox.uidl.are_numbers)
    )
    again: Again | None = mailbox.again
    return uidl or bool(again and again.gone)


def _sentence(text: str) -> str:
    """Text that ends as a sentence does."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
