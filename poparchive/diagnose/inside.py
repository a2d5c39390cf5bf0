"""What a log-in showed, in sentences: a function for each topic, called by ``findings.explain``."""

import math
from collections.abc import Callable, Iterator

from poparchive.diagnose.values import (
    Again,
    Alphabet,
    Mailbox,
    SizeCheck,
    TopResult,
    Verdict,
)

WINDOW = 500
"""Commands that poparchive sends ahead at the most (``pop3.pipeline.Window``)."""

EXAMPLE_MESSAGES = 10_000

GOOD, NOTE, BAD = Verdict.GOOD, Verdict.NOTE, Verdict.BAD

Found = Iterator[tuple[Verdict, str]]


def _login(mailbox: Mailbox) -> Found:
    if not mailbox.auth:
        yield BAD, f"The log-in failed: {sentence(mailbox.problem)}"
        if mailbox.problem.startswith("APOP was refused"):
            yield (
                NOTE,
                'Many servers offer APOP and have no secret for it: auth = "user" sends the password'
                " itself, which without TLS everybody on the way can read.",
            )
        return
    yield GOOD, f"The log-in works, by {mailbox.auth} ({mailbox.mode}, port {mailbox.port})."
    if mailbox.problem:
        yield BAD, f"The first session ended early: {sentence(mailbox.problem)}"
    if mailbox.second_problem and mailbox.again is None:
        yield (
            NOTE,
            "A second session was not to be had, so listings were not compared and nothing was"
            f" fetched: {sentence(mailbox.second_problem)}",
        )
    elif mailbox.second_problem:
        yield BAD, f"The second session ended early: {sentence(mailbox.second_problem)}"
    wait = (mailbox.capabilities or {}).get("LOGIN-DELAY", ())[:1]
    if wait and wait != ("0",):
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
        yield GOOD, f"Each message has a UIDL of its own ({uidl.length} octets, {uidl.alphabet})."


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
            f"LIST was right to the octet ({_count(len(mailbox.sizes), 'message')} fetched).",
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


MAILBOX: dict[str, Callable[[Mailbox], Found]] = {
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


def sentence(text: str) -> str:
    """Text that ends as a sentence does."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _seconds(seconds: float) -> str:
    if seconds < 0.1:
        return "less than 0.1 s"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
