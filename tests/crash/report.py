"""Tries every fault at every write of every command, and writes the table into ``docs/durability.md``.

    python -m tests.crash.report [EVERY [DONE]]

With EVERY, only at every so many writes; the table then says so. Takes an hour or two of both cores for
all. What is done is noted in the file DONE, if one is named, and not tried again by a run that finds it
there: one that was cut goes on. Another program's, or another EVERY's, is to be removed first. Exits with 1
if anything was lost, doubled or not clean; the table then says how much, and standard error what.
"""

import gc
import json
import os
import sqlite3
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from itertools import product
from multiprocessing import get_context
from pathlib import Path

from tests.support import tables
from tests.support.faults.runner import Runner
from tests.support.faults.scenes import SCENES
from tests.support.faults.shim import missing
from tests.support.faults.stage import staged
from tests.support.faults.table import FAULTS, all_outcomes, points

PAGE, MAKER = tables.DOCS / "durability.md", "tests.crash.report"
PIECES = 4
"""So many work on one row, one after the other or at once: no core waits long for the last."""
HEAD = ("command", "fault", "writes", "states tried", "lost", "doubled", "not clean", "ill told")


@dataclass(frozen=True, slots=True)
class Row:
    """One fault at all writes of a command, and in how many states something was wrong."""

    scene: str
    fault: str
    writes: int
    states: int
    lost: int
    doubled: int
    unclean: int
    ill_told: int
    said: tuple[str, ...]


def main(arguments: Sequence[str]) -> int:
    if reason := missing():
        sys.stderr.write(f"no table was written: {reason}\n")
        return 1
    every = int(arguments[0]) if arguments else 1
    done = Path(arguments[1]) if len(arguments) > 1 else None
    pieces = tried_before(done)
    cores = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
        wanted = {
            pool.submit(tried, scene, fault, every, at): (scene, fault, at)
            for scene, fault, at in product(SCENES, FAULTS, range(PIECES))
            if (scene, fault, at) not in pieces
        }
        for future in as_completed(wanted):
            row, at = future.result(), wanted[future][2]
            pieces[row.scene, row.fault, at] = row
            if done:
                with done.open("a") as file:
                    file.write(json.dumps([at, asdict(row)]) + "\n")
            sys.stderr.write(f"{row.scene}, {row.fault}, {at}: {row.states} states\n")
            sys.stderr.writelines(f"    {line}\n" for line in row.said)
    rows = [
        joined([pieces[scene, fault, at] for at in range(PIECES)])
        for scene, fault in product(SCENES, FAULTS)
    ]
    write(rows, every)
    return int(any(row.said for row in rows))


def tried_before(done: Path | None) -> dict[tuple[str, str, int], Row]:
    """Return the pieces that a run before noted; one that was cut while it was noted is not among them."""
    pieces: dict[tuple[str, str, int], Row] = {}
    if done and done.exists():
        text = done.read_text()
        whole = text[: text.rfind("\n") + 1]
        done.write_text(whole)
        for line in whole.splitlines():
            at, values = json.loads(line)
            row = Row(**values | {"said": tuple(values["said"])})
            pieces[row.scene, row.fault, at] = row
    return pieces


def joined(pieces: Sequence[Row]) -> Row:
    """Return the row that pieces of it make. The writes are those of the longest run: which threads come
    first decides a few."""
    first = pieces[0]
    return Row(
        first.scene,
        first.fault,
        max(one.writes for one in pieces),
        sum(one.states for one in pieces),
        sum(one.lost for one in pieces),
        sum(one.doubled for one in pieces),
        sum(one.unclean for one in pieces),
        sum(one.ill_told for one in pieces),
        tuple(line for one in pieces for line in one.said),
    )


def tried(scene: str, fault: str, every: int, at: int = 0, pieces: int = PIECES) -> Row:
    """Try one fault along a piece of one scene, in a process of its own."""
    # What was imported lives on, and a state leaves little garbage: to look for it seldom is enough.
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    with Runner() as runner, staged(SCENES[scene], runner) as stage:
        played = stage.play()
        outcomes = list(all_outcomes(stage, played, fault, every=every, piece=(at, pieces)))
    return Row(
        scene,
        fault,
        len(points(played.operations)),
        len(outcomes),
        sum(bool(one.verdict.lost) for one in outcomes),
        sum(bool(one.verdict.doubled) for one in outcomes),
        sum(bool(one.verdict.unclean) for one in outcomes),
        sum(bool(one.words) for one in outcomes),
        tuple(
            f"{one.where}: {one.verdict} {one.words}"
            for one in outcomes
            if one.verdict or one.words
        ),
    )


def write(rows: Sequence[Row], every: int) -> None:
    """Put the table into the page."""
    lines = [tables.row(*HEAD), tables.row(*["---"] * len(HEAD))]
    for row in rows:
        counts = (row.writes, row.states, row.lost, row.doubled, row.unclean, row.ill_told)
        lines.append(tables.row(row.scene, row.fault, *map(str, counts)))
    states = sum(row.states for row in rows)
    at = "every write" if every == 1 else f"one write in {every}"
    lines += ["", f"{states} states, with faults at {at}, SQLite {sqlite3.sqlite_version}."]
    tables.put(PAGE, MAKER, "\n".join(lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
