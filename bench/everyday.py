"""``python -m bench.everyday ARCHIVE MAILDIR HOST SIZES``: everyday pulls in one process.

``SIZES`` is a JSON list: how many of the Maildir's messages each pull brings. A thousand commands would be
a thousand starts of Python, so what a pull does with the archive is done here without a server: it is
opened, told what is listed, given the messages, flushed, told how the pull ended, and closed, so that
frames, entries and records are those of as many pulls. ``storing.py`` proves that against real ones.
"""

import json
import random
import sys
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from bench.mailbox import account_name
from bench.million import uidl
from poparchive.archive.writer import Writer
from poparchive.sync.result import Result

LEAST, MOST = 1, 20
USUALLY_MOST = 11


def sizes_of_pulls(messages: int, pulls: int) -> list[int]:
    """How many messages each pull brings, from a seed: all of them in all, 1 to 20 at a time."""
    rng = random.Random(f"everyday/{messages}/{pulls}")
    sizes = [rng.randint(LEAST, USUALLY_MOST) for _ in range(pulls)]
    while missing := messages - sum(sizes):
        at = rng.randrange(pulls)
        size = sizes[at] + (1 if missing > 0 else -1)
        if LEAST <= size <= MOST:
            sizes[at] = size
    return sizes


def pull_all(archive: Path, paths: Sequence[Path], host: str, sizes: Sequence[int]) -> None:
    """Pull the first messages, then the next, as many as ``sizes`` says."""
    coming = iter(paths)
    listed = 0
    for size in sizes:
        mails = [path.read_bytes() for path in islice(coming, size)]
        pull(archive, host, mails, listed)
        listed += size


def pull(archive: Path, host: str, mails: Sequence[bytes], listed_before: int) -> None:
    """What ``sync.pull`` does with the archive when a mailbox lists some new messages behind old ones."""
    name = account_name(0)
    result = Result(name, int(time.time()), listed=listed_before + len(mails))
    with Writer(archive) as writer:
        account = writer.account(name, host, name)
        writer.ledger(account)
        pairs = [(uidl(uid), len(raw)) for uid, raw in enumerate(mails, listed_before + 1)]
        for number, raw in zip(writer.listed(account, pairs), mails, strict=True):
            writer.keep(number, raw, result.tally)
            result.octets += len(raw)
        writer.flush().result()
        result.ended = int(time.time())
        writer.ended(account, result)


if __name__ == "__main__":
    files = sorted(Path(sys.argv[2]).glob("cur/*"))
    pull_all(Path(sys.argv[1]), files, sys.argv[3], json.loads(sys.argv[4]))
