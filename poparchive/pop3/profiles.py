"""What is known of certain servers that they do not say of themselves, or say wrongly. Data only.

A profile is chosen by what the server calls itself, or by its host where it does not. It never changes
what counts as proof: a wrong guess costs round trips or a wait, never a message. Sources: the servers
themselves, tried with ``tests/interop``; for those of big providers, their own pages.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of server.

    It is recognised by ``greeting`` (a pattern in the text behind +OK), ``implementation`` (a pattern in
    the parameter of that capability) or ``hosts`` (endings of its name).
    """

    name: str
    greeting: str = ""
    implementation: str = ""
    hosts: tuple[str, ...] = ()
    pipelines: bool | None = None
    """Whether commands may be sent ahead, if CAPA does not say it or must not be believed."""
    top: bool = True
    """TOP gives the header as it is. Where it does not, it identifies no message."""
    drain: bool = False
    """It shows a part of the mailbox, and more in the next session once that was retrieved."""
    login_delay_s: int = 0
    """Seconds that it wants between log-ins without announcing them."""
    notes: tuple[str, ...] = ()
    """What its user should know, a sentence each."""


UNKNOWN = Profile("unknown")

PROFILES: tuple[Profile, ...] = (
    Profile(
        "Gmail",
        greeting=r"^Gpop ",
        hosts=("pop.gmail.com", "pop.googlemail.com"),
        drain=True,
        notes=(
            "Gmail shows about the 250 oldest messages in a session, and the next ones when these"
            " were retrieved: a first pull takes many sessions.",
            "It shows a message to one POP3 client only. The user name recent:ADDRESS shows the last"
            " 30 days to every client, whatever was retrieved.",
            "It takes no password of the account itself: an app password, or OAuth2.",
        ),
    ),
    Profile(
        "Microsoft",
        greeting=r"^The Microsoft Exchange POP3 service is ready",
        hosts=("outlook.office365.com", "outlook.office.com", "pop-mail.outlook.com"),
        notes=(
            "Microsoft's own services take OAuth2 alone; a token is longer than an initial response"
            " may be, so it is sent in a second step.",
        ),
    ),
    Profile(
        "web.de",
        hosts=("pop3.web.de",),
        login_delay_s=900,
        notes=("web.de lets free mailboxes log in every 15 minutes.",),
    ),
    Profile(
        "Maillennium",
        greeting=r"Maillennium",
        top=False,
        notes=("Maillennium's TOP is cut short, so it is not used to tell messages apart.",),
    ),
    Profile(
        "Dovecot",
        greeting=r"^Dovecot\b",
        implementation=r"^Dovecot",
    ),
    Profile(
        "Courier",
        greeting=r"^Hello there\.?$",
        implementation=r"^Courier Mail Server",
        notes=(
            "Courier hands out a message with 8-bit header fields as it is only after UTF8 (RFC 6856),"
            " which is sent where it is offered; else wrapped in another, anew in each session.",
        ),
    ),
    Profile(
        "Cyrus",
        greeting=r"\bCyrus POP3\b",
        implementation=r"^Cyrus",
        notes=("Cyrus ends a line at a NUL octet: what follows on that line is not handed out.",),
    ),
    Profile(
        "GNU Mailutils",
        greeting=r"^POP3 Ready <",
        implementation=r"^GNU POP3 Daemon",
        notes=(
            "GNU Mailutils adds an X-UIDL field to each message and keeps it in the mailbox.",
            "It sends a bad command back before it refuses it.",
        ),
    ),
    Profile(
        "solid-pop3d",
        greeting=r"^Solid POP3 server ready",
        pipelines=True,
        notes=(
            "solid-pop3d has no CAPA. It answers commands that come together, but loses what follows"
            " PASS before its answer; that is never sent.",
            "It refuses the whole mailbox if one message in it has no line end at its end.",
        ),
    ),
    Profile(
        "popa3d",
        greeting=r"^$",
        notes=(
            "A server that greets with +OK alone may be popa3d, which gives one UIDL to several"
            " messages with the same header fields: all are kept, each as a message of its own.",
        ),
    ),
    Profile(
        "perdition",
        greeting=r"^POP3 perdi?t",
        notes=(
            "perdition is a proxy: what the server behind it can do shows after the log-in, when CAPA"
            " is asked again.",
        ),
    ),
)


def profile_of(host: str, greeting: bytes, capabilities: Mapping[str, tuple[str, ...]]) -> Profile:
    """The profile of a server; ``greeting`` is the text behind +OK, ``host`` what was connected to."""
    said = greeting.decode("latin-1")
    named = " ".join(capabilities.get("IMPLEMENTATION", ()))
    name = host.lower().rstrip(".")
    for profile in PROFILES:
        if (
            (profile.implementation and re.search(profile.implementation, named))
            or (profile.greeting and re.search(profile.greeting, said))
            or any(name == end or name.endswith(f".{end}") for end in profile.hosts)
        ):
            return profile
    return UNKNOWN
