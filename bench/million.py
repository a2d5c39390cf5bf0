"""An archive of a million messages, made once and kept in the work directory for later runs.

``python -m bench.million ARCHIVE MESSAGES`` makes one. The mail is the mostly textual one of ``search``,
in ten accounts, and goes from the composer straight into the archive: a million files would take longer
than the archive does, and prove nothing more. Benches that change an archive work on a copy.
"""

import gc
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

from bench.compose import GENERATION, NOTES
from bench.ingest import LISTED_AT_A_TIME, wait_for_room
from bench.mailbox import Plan, messages
from bench.measure import Command
from bench.product import PROJECT
from poparchive.archive import create
from poparchive.archive.writer import Writer
from poparchive.cli.main import COLLECTIONS

MESSAGES = 1_000_000
ACCOUNTS = 10
SAID_EVERY = 20_000


@dataclass(frozen=True, slots=True)
class Made:
    """An archive, and how much went into it."""

    root: Path
    messages: int
    octets: int


def archive_of(count: int, below: Path) -> Path:
    """Where the archive of so many messages lies."""
    return below / "archives" / f"{NOTES.name}-{ACCOUNTS}x{count // ACCOUNTS}-g{GENERATION}"


def facts_file(root: Path) -> Path:
    return root.with_name(root.name + ".json")


def cached(root: Path) -> Made | None:
    """The archive that an earlier run finished."""
    try:
        facts = json.loads(facts_file(root).read_text())
    except FileNotFoundError:
        return None
    return Made(root, facts["messages"], facts["octets"])


def maker(root: Path, count: int) -> Command:
    """The process that makes the archive; it is there whole, or not at all."""
    argv = [sys.executable, "-m", "bench.million", str(root), str(count)]
    return Command(argv, env={"PYTHONPATH": str(PROJECT)})


def make(root: Path, count: int) -> None:
    facts_file(root).unlink(missing_ok=True)
    draft = root.with_name(root.name + ".part")
    for path in (root, draft):
        shutil.rmtree(path, ignore_errors=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    create(draft)
    kept = octets = 0
    with Writer(draft) as writer:
        plan = Plan(NOTES.name, accounts=ACCOUNTS, messages=count // ACCOUNTS)
        for account, mails in by_account(plan):
            number = writer.account(account, "localhost", account)
            numbered = enumerate(mails, 1)
            while some := list(islice(numbered, LISTED_AT_A_TIME)):
                pairs = [(uidl(uid), len(raw)) for uid, raw in some]
                for ledger, (_, raw) in zip(writer.listed(number, pairs), some, strict=True):
                    wait_for_room(writer)
                    writer.keep(ledger, raw)
                    octets += len(raw)
                kept += len(some)
                if not kept % SAID_EVERY:
                    print(f"{kept:,} messages, {octets:,} octets", flush=True)
        writer.flush().result()
    draft.rename(root)
    facts_file(root).write_text(json.dumps({"messages": kept, "octets": octets}))


def by_account(plan: Plan) -> Iterator[tuple[str, Iterator[bytes]]]:
    for account, mails in groupby(messages(plan), key=lambda mail: mail[0]):
        yield account, (raw for _, _, raw in mails)


def uidl(uid: int, validity: int = 0x5F5E1000) -> bytes:
    """What Dovecot says by default: the message's number and its mailbox's, in hexadecimal digits."""
    return b"%08x%08x" % (uid, validity)


if __name__ == "__main__":
    gc.set_threshold(*COLLECTIONS)
    make(Path(sys.argv[1]), int(sys.argv[2]))
