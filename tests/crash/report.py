"""Tries every fault at every write of every command, and writes the table into ``docs/durability.md``.

    python -m tests.crash.report [EVERY]

With EVERY, only at every so many writes; the table then says so. Takes an hour or two of both cores for
all. Exits with 1 if anything was lost, doubled or not clean; the table then says how much, and standard
error what.
"""

import os
import sqlite3
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product, repeat
from multiprocessing import get_context
from pathlib import Path

from tests.support.faults.runner import Runner
from tests.support.faults.scenes import SCENES
from tests.support.faults.shim import missing
from tests.support.faults.stage import staged
from tests.support.faults.table import FAULTS, all_outcomes, points

PAGE = Path(__file__).resolve().parents[2] / "docs" / "durability.md"
BEGIN, END = "<!-- made by tests.crash.report -->\n", "<!-- end -->\n"
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
    wanted = list(product(SCENES, FAULTS))
    cores = len(os.sched_getaffinity(0))
    rows = []
    with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
        for row in pool.map(tried, *zip(*wanted, strict=True), repeat(every)):
            rows.append(row)
            sys.stderr.write(f"{row.scene}, {row.fault}: {row.states} states\n")
            sys.stderr.writelines(f"    {line}\n" for line in row.said)
    write(rows, every)
    return int(any(row.said for row in rows))


def tried(scene: str, fault: str, every: int) -> Row:
    """Try one fault along one scene, in a process of its own."""
    with Runner() as runner, staged(SCENES[scene], runner) as stage:
        played = stage.play()
        outcomes = list(all_outcomes(stage, played, fault, every=every))
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
    lines = [_line(*HEAD), _line(*["---"] * len(HEAD))]
    for row in rows:
        counts = (row.writes, row.states, row.lost, row.doubled, row.unclean, row.ill_told)
        lines.append(_line(row.scene, row.fault, *map(str, counts)))
    states = sum(row.states for row in rows)
    at = "every write" if every == 1 else f"one write in {every}"
    lines += ["", f"{states} states, with faults at {at}, SQLite {sqlite3.sqlite_version}."]
    before, rest = PAGE.read_text().split(BEGIN)
    after = rest.split(END)[1]
    text = "\n".join(lines)
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n\n{END}{after}")


def cells(page: str) -> list[list[str]]:
    """The rows of the table in the page, its head left out."""
    text = page.split(BEGIN)[1].split(END)[0].strip().split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
