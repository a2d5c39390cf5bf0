"""Mailboxes made from a seed, as Maildirs that a run leaves for the next one.

What a mailbox holds is a ``Plan``; equal plans give equal octets. Messages are counted and hashed
as POP3 delivers them, with CRLF. On disk their lines end in LF, as Dovecot stores what it takes in,
so that the server has the work with them that servers have.
"""

import hashlib
import json
import os
import random
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

from bench.compose import (
    BASE64_LINE_OCTETS,
    EPOCH,
    GENERATION,
    MAIL,
    PROFILES,
    Composer,
    base64_lines,
    joined,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """Which mail to make. Equal plans make equal octets."""

    profile: str = MAIL.name
    seed: int = 1
    accounts: int = 1
    messages: int = 20_000
    """Of each account."""
    broadcast: float = 0.15
    """The share of each account's messages that other accounts got too (newsletters, if alone)."""

    @property
    def name(self) -> str:
        kind = f"{self.profile}-{self.accounts}x{self.messages}"
        return f"{kind}-b{round(self.broadcast * 100)}-s{self.seed}-g{GENERATION}"

    def users(self) -> list[str]:
        return [account_name(number) for number in range(self.accounts)]


def account_name(number: int) -> str:
    return f"u{number:03d}"


def messages(plan: Plan) -> Iterator[tuple[str, int, bytes]]:
    """Account, number within it and octets of every message, one account after the other."""
    composer = Composer(plan.seed, PROFILES[plan.profile])
    rng = random.Random(f"broadcast/{plan.seed}")
    copies = int(plan.messages * plan.broadcast)
    # Alone in the mailbox, a newsletter comes several times; among accounts, most get each of them.
    kinds = max(1, copies if plan.accounts > 1 else copies // 4)
    common = [composer.letter(number * plan.messages // kinds) for number in range(kinds)]
    for account in plan.users():
        places = set(rng.sample(range(plan.messages), copies))
        received = iter(sorted(rng.choices(common, k=copies), key=lambda letter: letter.number))
        for number in range(plan.messages):
            letter = next(received) if number in places else composer.letter(number)
            yield account, number, composer.deliver(letter, account)


def big_message(total_octets: int, seed: int = 1) -> Iterator[bytes]:
    """One message of exactly so many octets, in pieces: a short text and a huge base64 file."""
    rng = random.Random(seed)
    boundary = "=_big_file"
    head = joined(
        [
            "Return-Path: <camera@example.com>",
            f"Date: {formatdate(EPOCH)}",
            "From: Camera <camera@example.com>",
            "To: Keeper <keeper@example.org>",
            "Subject: The whole recording",
            f"Message-ID: <big.{total_octets}.{seed}@example.com>",
            "MIME-Version: 1.0",
            f'Content-Type: multipart/mixed; boundary="{boundary}"',
            "",
            f"--{boundary}",
            "Content-Type: text/plain; charset=us-ascii",
            "",
            "The recording is attached in one piece.",
            "",
            f"--{boundary}",
            'Content-Type: application/octet-stream; name="recording.bin"',
            "Content-Transfer-Encoding: base64",
            'Content-Disposition: attachment; filename="recording.bin"',
            "",
        ]
    )
    tail = f"--{boundary}--\r\n".encode()
    yield head
    line_octets = 78
    lines, rest = divmod(total_octets - len(head) - len(tail) - len(b"\r\n"), line_octets)
    while lines > 0:
        count = min(lines, 8192)
        yield base64_lines(rng.randbytes(count * BASE64_LINE_OCTETS))
        lines -= count
    yield tail
    # What is left over after whole lines goes behind the last boundary, where nothing decodes it.
    yield b"-" * rest + b"\r\n"


@dataclass(frozen=True, slots=True)
class Mailboxes:
    """Maildirs on disk, one for each user: ``root/USER/{cur,new,tmp}``."""

    root: Path
    counts: Mapping[str, tuple[int, int]]
    """For each user, how many messages, and octets as they are delivered."""

    @property
    def users(self) -> tuple[str, ...]:
        return tuple(self.counts)

    @property
    def messages(self) -> int:
        return sum(messages for messages, _ in self.counts.values())

    @property
    def octets(self) -> int:
        return sum(octets for _, octets in self.counts.values())

    def maildir(self, user: str) -> Path:
        return self.root / user

    def only(self, *users: str) -> "Mailboxes":
        """The same directory with none but these users served from it."""
        return Mailboxes(self.root, {user: self.counts[user] for user in users})

    def files(self) -> list[Path]:
        """Every message's file, in the order of delivery."""
        return [
            Path(entry.path)
            for user in self.users
            for entry in sorted(os.scandir(self.root / user / "cur"), key=lambda e: e.name)
        ]


class MaildirWriter:
    """Writes messages into ``root/USER/cur``, seen, with their sizes in the name as Dovecot does.

    ``root`` appears whole or not at all: what was written is renamed to it at the end, and a file
    beside it then says what it holds, so that a later run can use it again.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._draft = root.with_name(root.name + ".part")
        self._counts: dict[str, tuple[int, int]] = {}
        facts_file(root).unlink(missing_ok=True)
        for path in (root, self._draft):
            shutil.rmtree(path, ignore_errors=True)

    def add(self, user: str, octets: bytes) -> None:
        """Write a message whose lines end in CRLF, all of them."""
        stored = octets.replace(b"\r\n", b"\n")
        self._path(user, len(stored), len(octets)).write_bytes(stored)

    def add_as_it_is(self, user: str, pieces: Iterable[bytes], size: int) -> str:
        """Write a message in pieces, in the octets that are delivered; its SHA-256 in hex."""
        digest = hashlib.sha256()
        with self._path(user, size, size).open("wb") as file:
            for piece in pieces:
                file.write(piece)
                digest.update(piece)
        return digest.hexdigest()

    def _path(self, user: str, stored_size: int, delivered_size: int) -> Path:
        """Where the next message goes; from here on it counts."""
        if user not in self._counts:
            for name in ("cur", "new", "tmp"):
                (self._draft / user / name).mkdir(parents=True)
            self._counts[user] = (0, 0)
        messages, octets = self._counts[user]
        self._counts[user] = (messages + 1, octets + delivered_size)
        sizes = f"S={stored_size},W={delivered_size}"
        name = f"{EPOCH + messages}.M{messages + 1:07d}P1.bench,{sizes}:2,S"
        return self._draft / user / "cur" / name

    def finish(self) -> Mailboxes:
        self._draft.rename(self._root)
        facts_file(self._root).write_text(json.dumps(self._counts))
        return Mailboxes(self._root, self._counts)


def facts_file(root: Path) -> Path:
    return root.with_name(root.name + ".json")


def cached(root: Path) -> Mailboxes | None:
    """The mailboxes that an earlier run finished at ``root``."""
    try:
        counts = json.loads(facts_file(root).read_text())
    except FileNotFoundError:
        return None
    return Mailboxes(
        root, {user: (messages, octets) for user, (messages, octets) in counts.items()}
    )


def maildirs(plan: Plan, below: Path) -> Mailboxes:
    """The plan's mail as Maildirs, from an earlier run if it is there."""
    root = below / plan.name
    found = cached(root)
    if found:
        return found
    root.parent.mkdir(parents=True, exist_ok=True)
    writer = MaildirWriter(root)
    for account, _, octets in messages(plan):
        writer.add(account, octets)
    return writer.finish()


def big_maildir(total_octets: int, below: Path) -> tuple[Mailboxes, str]:
    """A mailbox with one huge message, and that message's SHA-256 in hex."""
    root = below / f"big-{total_octets}-g{GENERATION}"
    digest_file = root.with_name(root.name + ".sha256")
    found = cached(root)
    if found:
        return found, digest_file.read_text()
    root.parent.mkdir(parents=True, exist_ok=True)
    writer = MaildirWriter(root)
    digest = writer.add_as_it_is(account_name(0), big_message(total_octets), total_octets)
    digest_file.write_text(digest)
    return writer.finish(), digest
