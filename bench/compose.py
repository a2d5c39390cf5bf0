"""Mail made from a seed: the same arguments give the same octets, on every machine.

A composer writes letters (what all recipients get alike) and delivers them (what the way to one
account adds). The text follows Zipf's law over a made-up vocabulary, so that an index meets common
and rare words as it would in life. Letters quote earlier ones, have HTML alternatives and carry
base64 files of which some repeat: these are what deduplication and compression live on, so their
shares are named in ``Profile``. Lines end in CRLF, and each message ends in one.
"""

import binascii
import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from email.header import Header
from email.utils import formatdate

from bench.prose import Prose, words

EPOCH = 1_600_000_000
"""The date of the first message; the others follow at even distances."""

GENERATION = 2
"""Counts up when the same arguments give other octets, so that cached mailboxes are made anew."""

BASE64_LINE_OCTETS = 57
MAX_QUOTED_OCTETS = 1_600
REMEMBERED_LETTERS = 500

FOREIGN = words(
    "żółw gęślą jaźń łódź śnieg Größe Straße über façade déjà niño Århus smörgås Ελλάδα λόγος "
    "письмо встреча отчёт 会議 資料 請求書 報告 한국어 회의 שלום"
)
GIVEN = words(
    "Ada Bruno Cleo Dario Edda Felix Greta Henri Ida Jan Karin Leo Mila Noah Olga Piotr Rita Sami "
    "Tove Urs Vera Wim Yuki Zofia"
)
FAMILY = words(
    "Arendt Brandt Costa Dvorak Eriksen Fontaine Gallo Horvat Ivanova Jansen Kowalska Lindqvist "
    "Moreau Nagy Okafor Pereira Rossi Sato Tamm Ueda Virtanen Weiss Yilmaz Zeman"
)
DOMAINS = words(
    "example.com example.net example.org mail.example.org office.example.com lists.example.net "
    "shop.example.com science.example.org"
)
MAILERS = ("Sample Mailer 3.1", "Desk/2.0 (en)", "WebPost 11.4", "pigeon 0.9.2")
BINARY_FILES = (
    ("pdf", "application/pdf", b"%PDF-1.7\n"),
    ("jpg", "image/jpeg", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"),
    ("zip", "application/zip", b"PK\x03\x04\x14\x00"),
)
TEXT_FILES = (("csv", "text/csv"), ("log", "text/plain"))


@dataclass(frozen=True, slots=True)
class Profile:
    """What a mailbox is made of. Shares are of all messages, between 0 and 1."""

    name: str
    text_median_octets: int
    text_spread: float
    reply: float = 0.33
    html: float = 0.12
    eight_bit: float = 0.10
    quoted_printable: float = 0.10
    foreign_subject: float = 0.08
    attachment: float = 0.07
    attachment_repeated: float = 0.60
    attachment_least_octets: int = 14_000
    attachment_most_octets: int = 290_000
    dotted: float = 1 / 60
    signed: float = 0.70
    hops: tuple[int, int] = (2, 4)


MAIL = Profile("mail", text_median_octets=520, text_spread=0.9)
"""Mail as it lies in an office's mailboxes; 6 KB in the mean, most of it far smaller."""

NOTES = Profile(
    "notes",
    text_median_octets=560,
    text_spread=0.7,
    html=0.04,
    attachment=0.01,
    attachment_least_octets=2_000,
    attachment_most_octets=20_000,
    signed=0.0,
    hops=(1, 1),
)
"""Mostly text, about 2 KB: made fast, for mailboxes of 100,000 in which something is sought."""

TINY = Profile(
    "tiny",
    text_median_octets=30,
    text_spread=0.3,
    reply=0.0,
    html=0.0,
    attachment=0.0,
    signed=0.0,
    hops=(0, 0),
)
"""Hardly more than a header: for mailboxes where the number of messages is the point."""

PROFILES = {profile.name: profile for profile in (MAIL, NOTES, TINY)}


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    address: str
    signature: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>"


@dataclass(frozen=True, slots=True)
class File:
    name: str
    type: str
    encoded: bytes
    """Base64 in lines of 76, each ended by CRLF."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What all recipients of one mail get alike."""

    number: int
    sender: Person
    message_id: str
    subject: str
    head: bytes
    body: bytes
    quotable: tuple[str, ...]


class Composer:
    """Writes letters and delivers them. One composer's calls in one order give one result."""

    PEOPLE = 400
    POOL = 120

    def __init__(self, seed: int, profile: Profile = MAIL) -> None:
        self.profile = profile
        self._rng = random.Random(f"{GENERATION}/{seed}/{profile.name}")
        self.prose = Prose(self._rng)
        self.people = [self._person() for _ in range(self.PEOPLE)]
        self._fame = list(itertools.accumulate(1 / (rank + 4) for rank in range(self.PEOPLE)))
        self._relays = [f"mx{number}.{domain}" for domain in DOMAINS for number in (1, 2, 3)]
        self._pool = [self._file() for _ in range(self.POOL)] if profile.attachment else []
        self._pool_fame = list(itertools.accumulate(1 / (rank + 3) for rank in range(self.POOL)))
        self._earlier: list[Letter] = []

    def letter(self, number: int) -> Letter:
        """A letter that nobody wrote before; the number gives its date."""
        rng, profile = self._rng, self.profile
        sender, recipient = rng.choices(self.people, cum_weights=self._fame, k=2)
        message_id = f"<{self._token(20)}.{number}@{sender.address.partition('@')[2]}>"
        subject = self.prose.sentence(2, 8)[:-1]
        if rng.random() < profile.foreign_subject:
            subject += " " + " ".join(rng.choices(FOREIGN, k=2))
        spread = profile.text_spread
        wanted = int(rng.lognormvariate(math.log(profile.text_median_octets), spread))
        own = self.prose.paragraphs(wanted)
        answered = None
        lines = own
        if self._earlier and rng.random() < profile.reply:
            answered = rng.choice(self._earlier)
            subject = "Re: " + answered.subject
            lines = [*own, "", f"{answered.sender.name} wrote:"]
            lines += ["> " + line for line in answered.quotable]
        lines = [*lines, "", *sender.signature]
        if rng.random() < profile.dotted:
            lines += ["", ".", "..", ".hidden", "... and so on"]
        type_lines, body = self._body(lines)
        head = [
            f"Date: {formatdate(EPOCH + number * 600)}",
            f"From: {sender}",
            f"To: {recipient}",
            *self._optional_fields(sender),
            "Subject: " + encoded_word(subject),
            f"Message-ID: {message_id}",
        ]
        if answered:
            head += [f"In-Reply-To: {answered.message_id}", f"References: {answered.message_id}"]
        head += ["MIME-Version: 1.0", *type_lines]
        letter = Letter(
            number=number,
            sender=sender,
            message_id=message_id,
            subject=subject.removeprefix("Re: "),
            head=joined(head),
            body=body,
            quotable=tuple(cut(own, MAX_QUOTED_OCTETS)),
        )
        self._remember(letter)
        return letter

    def deliver(self, letter: Letter, account: str) -> bytes:
        """The message as it lies in the account's mailbox: trace fields, then the letter."""
        rng = self._rng
        date = formatdate(EPOCH + letter.number * 600 + rng.randrange(90))
        trace = [
            f"Return-Path: <{letter.sender.address}>",
            f"Delivered-To: {account}@pop.example.net",
        ]
        for _ in range(rng.randint(*self.profile.hops)):
            here, there = rng.choices(self._relays, k=2)
            trace += [
                f"Received: from {there} ({there} [198.51.100.{rng.randrange(256)}])",
                f"\tby {here} (Postfix) with ESMTPS id {self._token(11)}",
                "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))",
                f"\tfor <{account}@pop.example.net>; {date}",
            ]
        if rng.random() < self.profile.signed:
            trace += self._signature_field(letter.sender)
        return joined(trace) + letter.head + b"\r\n" + letter.body

    def _person(self) -> Person:
        rng = self._rng
        given, family, domain = rng.choice(GIVEN), rng.choice(FAMILY), rng.choice(DOMAINS)
        signature = (
            "-- ",
            f"{given} {family}, {self.prose.sentence(2, 4)[:-1]}",
            f"{domain}, telephone +1 555 {rng.randrange(10**6):06d}",
        )
        address = f"{given}.{family}{rng.randrange(1000)}@{domain}".lower()
        return Person(f"{given} {family}", address, signature)

    def _file(self) -> File:
        """A file with a Pareto-distributed size, two thirds of them incompressible."""
        rng, profile = self._rng, self.profile
        size = profile.attachment_most_octets + 1
        while size > profile.attachment_most_octets:
            size = int(profile.attachment_least_octets * rng.paretovariate(2.2))
        if rng.random() < 0.67:
            ending, type_, magic = rng.choice(BINARY_FILES)
            content = magic + rng.randbytes(size)
        else:
            ending, type_ = rng.choice(TEXT_FILES)
            rows = []
            for number in range(size // 40):
                word, other = self.prose.take(2)
                rows.append(f"{number},{rng.randrange(10**9)},{word},{other},{rng.random():.5f}")
            content = "\n".join(rows).encode()
        name = f"{self.prose.take(1)[0]}-{rng.randrange(10_000)}.{ending}"
        return File(name, type_, base64_lines(content))

    def _body(self, lines: list[str]) -> tuple[list[str], bytes]:
        """The type fields of the head, and the body they describe."""
        rng, profile = self._rng, self.profile
        encoding, charset, text = self._encode(lines)
        types = [
            f"Content-Type: text/plain; charset={charset}",
            f"Content-Transfer-Encoding: {encoding}",
        ]
        body = text
        if rng.random() < profile.html:
            html = [
                "Content-Type: text/html; charset=us-ascii",
                "Content-Transfer-Encoding: 7bit",
            ]
            types, body = self._multipart("alternative", [(types, body), (html, self._html())])
        if rng.random() < profile.attachment:
            if rng.random() < profile.attachment_repeated:
                file = rng.choices(self._pool, cum_weights=self._pool_fame)[0]
            else:
                file = self._file()
            attached = [
                f'Content-Type: {file.type}; name="{file.name}"',
                "Content-Transfer-Encoding: base64",
                f'Content-Disposition: attachment; filename="{file.name}"',
            ]
            types, body = self._multipart("mixed", [(types, body), (attached, file.encoded)])
        return types, body

    def _encode(self, lines: list[str]) -> tuple[str, str, bytes]:
        rng, profile = self._rng, self.profile
        kind = rng.random() - profile.eight_bit - profile.quoted_printable
        if kind >= 0:
            return "7bit", "us-ascii", joined(lines)
        for at in range(0, len(lines), 2):
            lines[at] += " " + rng.choice(FOREIGN)
        if kind + profile.quoted_printable < 0:
            return "8bit", "utf-8", joined(lines)
        quoted = binascii.b2a_qp(joined(lines), istext=True)
        return "quoted-printable", "utf-8", quoted

    def _html(self) -> bytes:
        rng = self._rng
        lines = ["<!DOCTYPE html>", "<html><head><style>p { margin: 0 0 1em }</style></head><body>"]
        for _ in range(rng.randint(4, 28)):
            lines += [
                f'<p style="font-family:Helvetica,sans-serif">{self.prose.sentence()}</p>',
                f'<td class="k{rng.randrange(8)}"><a href="https://www.example.org/r/'
                f'{self._token(22)}">{self.prose.sentence(2, 5)}</a></td>',
            ]
        return joined([*lines, "</body></html>"])

    def _multipart(
        self, kind: str, parts: list[tuple[list[str], bytes]]
    ) -> tuple[list[str], bytes]:
        boundary = "=_" + self._token(24)
        body = b"".join(
            f"--{boundary}\r\n".encode() + joined(head) + b"\r\n" + content + b"\r\n"
            for head, content in parts
        )
        types = [f'Content-Type: multipart/{kind}; boundary="{boundary}"']
        return types, body + f"--{boundary}--\r\n".encode()

    def _optional_fields(self, sender: Person) -> list[str]:
        rng = self._rng
        fields = []
        if rng.random() < 0.25:
            copies = rng.choices(self.people, k=rng.randint(1, 4))
            fields.append("Cc: " + ",\r\n\t".join(map(str, copies)))
        if rng.random() < 0.5:
            fields.append("User-Agent: " + rng.choice(MAILERS))
        if rng.random() < 0.2:
            lists = f"{self.prose.take(1)[0]}.lists.example.net"
            fields += [
                f"List-Id: <{lists}>",
                f"List-Unsubscribe: <mailto:leave-{self._token(10)}@{lists}>",
                f"X-Original-Sender: {sender.address}",
            ]
        return fields

    def _signature_field(self, sender: Person) -> list[str]:
        signature = self._token(342)
        return [
            "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; q=dns/txt;",
            f"\td={sender.address.partition('@')[2]}; s=mail; h=Date:From:To:Subject:Message-ID;",
            f"\tbh={self._token(43)}=;",
            "\tb=" + "\r\n\t ".join(signature[at : at + 68] for at in range(0, 342, 68)),
        ]

    def _token(self, length: int) -> str:
        octets = binascii.b2a_base64(self._rng.randbytes(length * 3 // 4 + 3), newline=False)
        return octets[:length].decode().replace("/", "-").replace("+", "_")

    def _remember(self, letter: Letter) -> None:
        if len(self._earlier) < REMEMBERED_LETTERS:
            self._earlier.append(letter)
        else:
            self._earlier[self._rng.randrange(REMEMBERED_LETTERS)] = letter


def joined(lines: list[str]) -> bytes:
    return ("\r\n".join(lines) + "\r\n").encode()


def cut(lines: list[str], octets: int) -> Iterator[str]:
    for line in lines:
        octets -= len(line)
        if octets < 0:
            return
        yield line


def encoded_word(text: str) -> str:
    return text if text.isascii() else Header(text, "utf-8").encode(linesep="\r\n")


def base64_lines(content: bytes) -> bytes:
    return b"".join(
        binascii.b2a_base64(content[at : at + BASE64_LINE_OCTETS], newline=False) + b"\r\n"
        for at in range(0, len(content), BASE64_LINE_OCTETS)
    )
