"""One mailing list in many mailboxes: the same mail to everybody, on its own way to each.

A copy is the list's message behind what the way to one subscriber put in front of it, as Postfix writes
it: the envelope's addresses (with a return path of each subscriber's own, by which list servers know who
bounced), and two hops with their queue ids and times. All of it is made from a seed.
"""

import calendar
import random
from collections.abc import Iterable
from email.utils import formatdate, parsedate_tz
from pathlib import Path

from bench.compose import EPOCH, FAMILY, GIVEN, joined
from bench.mailbox import Mailboxes, MaildirWriter, account_name, cached

GENERATION = 2
LIST = "list"
LIST_HOST = "lists.example.net"
DOMAIN = "example.org"
EXCHANGERS = (("mx1.example.org", "203.0.113.25"), ("mx2.example.org", "203.0.113.26"))
STORE = "store.example.org"
HEAD_OCTETS = 1 << 16
DIGITS52 = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"
"""Postfix's digits of long queue ids: no vowels, so that they spell nothing."""


def fanned_out(source: Mailboxes, user: str, count: int, accounts: int, below: Path) -> Mailboxes:
    """The first messages of a user's mailbox in so many mailboxes, from an earlier run if they are there."""
    root = below / f"fanout-{user}-{accounts}x{count}-g{GENERATION}"
    found = cached(root)
    if found:
        return found
    writer = MaildirWriter(root)
    files = source.only(user).files()[:count]
    subscribers = people(accounts)
    for number, path in enumerate(files):
        octets = path.read_bytes()
        rng = random.Random(f"fanout/{GENERATION}/{number}")
        for account, subscriber in enumerate(subscribers):
            front = way(subscriber, sent(octets, number), rng)
            writer.add_as_it_is(account_name(account), (front, octets), len(front) + len(octets))
    return writer.finish()


def people(count: int) -> list[str]:
    """Names of subscribers, as they stand before the @."""
    rng = random.Random(f"subscribers/{GENERATION}")
    names: dict[str, None] = {}
    while len(names) < count:
        names[f"{rng.choice(GIVEN)}.{rng.choice(FAMILY)}".lower()] = None
    return list(names)


def way(subscriber: str, sent_s: int, rng: random.Random) -> bytes:
    """The fields that one copy has in front of the message."""
    address = f"{subscriber}@{DOMAIN}"
    exchanger, ip = rng.choice(EXCHANGERS)
    arrived_s = sent_s + rng.randrange(3, 45)
    stored_s = arrived_s + rng.choice((0, 0, 0, 1, 1, 2))
    return joined(
        [
            f"Return-Path: <{LIST}-bounces+{subscriber}={DOMAIN}@{LIST_HOST}>",
            f"X-Original-To: {address}",
            f"Delivered-To: {address}",
            f"Received: from {exchanger} ({exchanger} [{ip}])",
            f"\tby {STORE} (Postfix) with ESMTP id {short_id(rng)}",
            f"\tfor <{address}>; {postfix_date(stored_s)}",
            f"Received: from {LIST_HOST} ({LIST_HOST} [198.51.100.117])",
            "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)",
            "\t key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)",
            "\t(No client certificate requested)",
            f"\tby {exchanger} (Postfix) with ESMTPS id {long_id(arrived_s, rng)}",
            f"\tfor <{address}>; {postfix_date(arrived_s)}",
        ]
    )


def short_id(rng: random.Random) -> str:
    """A queue id: microseconds and the queue file's inode, in hexadecimal digits."""
    return f"{rng.randrange(1_000_000):05X}{0x20000 + rng.randrange(0x60000):X}"


def long_id(time_s: int, rng: random.Random) -> str:
    """A queue id where ``enable_long_queue_ids`` is set: seconds, microseconds, z, inode."""
    inode = in_base(51, 400_000 + rng.randrange(200_000), 1)
    return in_base(52, time_s, 6) + in_base(52, rng.randrange(1_000_000), 4) + "z" + inode


def in_base(base: int, value: int, least: int) -> str:
    digits = ""
    while value or len(digits) < least:
        value, digit = divmod(value, base)
        digits = DIGITS52[digit] + digits
    return digits


def postfix_date(time_s: int) -> str:
    """A date with Postfix's day of the month: a blank stands where it has one digit."""
    weekday, day, rest = formatdate(time_s).split(" ", 2)
    return f"{weekday} {int(day):2d} {rest}".replace("-0000", "+0000 (UTC)")


def sent(octets: bytes, number: int) -> int:
    """When a message was sent, by its Date field; where it has none, somewhere in a row."""
    date = parsedate_tz(field(octets[:HEAD_OCTETS].splitlines(), b"date:"))
    if date is None or not 1990 < date[0] < 2038:
        return EPOCH + number * 600
    return calendar.timegm(date[:6]) - (date[9] or 0)


def field(lines: Iterable[bytes], name: bytes) -> str:
    for line in lines:
        if line.lower().startswith(name):
            return line[len(name) :].decode("latin-1").strip()
        if not line:
            break
    return ""
