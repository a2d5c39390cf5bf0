"""Reading an archive inside of one process, timed there; the answer is JSON.

``python -m bench.reading stored ARCHIVE`` reads every message in stored order.
``python -m bench.reading random ARCHIVE COUNT`` shows random messages: milliseconds of wall and of
CPU time of each, with the archive opened anew for it ("cold") and with one that stays open ("warm").
"""

import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

from poparchive.archive.read import Reader
from poparchive.mime.text import printable
from poparchive.transfer import Chosen


def stored(root: Path) -> dict[str, float]:
    """Every message's octets, each proved by its hash, in the order in which they lie in the packs."""
    began, began_cpu = time.perf_counter(), time.process_time()
    octets = 0
    with Reader(root) as reader:
        for _, pieces in Chosen(reader, "", None):
            octets += sum(map(len, pieces))
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    return {"octets": octets, "wall_s": wall_s, "cpu_s": cpu_s}


def random_shows(root: Path, count: int) -> dict[str, list[tuple[float, float]]]:
    """``show`` of messages anywhere among all, by their ids."""
    rng = random.Random(17)
    with Reader(root) as reader:
        run = reader.lookup.connection.execute
        lowest, highest = run("SELECT min(id), max(id) FROM messages").fetchone()
        query = "SELECT sha256 FROM messages WHERE id >= ? ORDER BY id LIMIT 1"
        ids = [
            run(query, (rng.randint(lowest, highest),)).fetchone()[0].hex() for _ in range(count)
        ]

    def cold(identity: str) -> None:
        with Reader(root) as reader:
            show(reader, identity)

    with Reader(root) as reader:
        # What Python imports late and the system has not read yet is no part of any of them.
        for identity in ids:
            show(reader, identity)
    with Reader(root) as reader:
        return {
            "cold": [taken_ms(cold, identity) for identity in ids],
            "warm": [taken_ms(lambda one: show(reader, one), identity) for identity in ids],
        }


def show(reader: Reader, identity: str) -> None:
    """What ``poparchive show`` asks for before it prints."""
    located = reader.lookup.message(identity)
    said = printable(reader.text(located), attachments=False)
    reader.lookup.attachments_of(located.key)
    reader.lookup.accounts_of(located.key)
    assert said


def taken_ms(call: Callable[[str], None], identity: str) -> tuple[float, float]:
    """What a call took of wall time and of CPU time."""
    began, began_cpu = time.perf_counter(), time.process_time()
    call(identity)
    return (time.perf_counter() - began) * 1000, (time.process_time() - began_cpu) * 1000


if __name__ == "__main__":
    what, archive = sys.argv[1], Path(sys.argv[2])
    answer = stored(archive) if what == "stored" else random_shows(archive, int(sys.argv[3]))
    print(json.dumps(answer))
