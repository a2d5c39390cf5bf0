"""Figures of an archive of a million messages: showing one of them, and memory whatever is done with all."""

import json
import sys
from pathlib import Path

from bench.archives import copied, made_small, ready, with_this_index
from bench.context import Context
from bench.measure import Command, Run, Series, percentile, run, text_of
from bench.million import MESSAGES, Made
from bench.product import (
    PROJECT,
    Poparchive,
    archive,
    catalog,
    command,
    optimizer,
)
from bench.restoring import EXPORT, Optimizer, target, warm_up

LIMIT_S = 4 * 3600
SHOWN = 300
SHOW_MS = 15.0
PEAK_MB = 200.0


def large(context: Context, optimized: Optimizer) -> None:
    """Show, optimize, export, rebuild and verify with a million messages in the archive."""
    count = context.scaled(MESSAGES)
    made = ready(context, count)
    bench = f"store, {made.messages:,} messages"
    made = with_this_index(context, bench, made)
    before, after = f"{bench}, as taken in", f"{bench}, optimized"
    with context.attempt(bench, Poparchive.name), context.place() as place:
        copied(made, place)
        shows(context, before, place)
        with context.attempt(bench, "poparchive optimize"):
            optimizer(place)
            small, taken = made_small(context, after, place, made, optimized)
            judged(context, after, "poparchive optimize", taken)
            copied(small, place)
            before = after
            shows(context, after, place)
        commands(context, before, place, made)


def shows(context: Context, bench: str, place: Path) -> None:
    """Milliseconds for one of all messages, any one, with the pages of the files in memory."""
    warm_up(place)
    argv = [sys.executable, "-m", "bench.reading", "random", str(archive(place)), str(SHOWN)]
    answer = json.loads(text_of(Command(argv, env={"PYTHONPATH": str(PROJECT)})))
    for kind, pairs in answer.items():
        times_ms, cpu_ms = zip(*pairs, strict=True)
        p50, p95 = percentile(times_ms, 0.50), percentile(times_ms, 0.95)
        cpu_p95 = percentile(cpu_ms, 0.95)
        rest = f"(p50 {p50:.2f} ms, max {max(times_ms):.2f} ms, CPU p95 {cpu_p95:.2f} ms)"
        what = f"inside the process, show, {kind}: p95 {rest}"
        context.table.at_most(bench, what, p95, SHOW_MS, " ms")


def commands(context: Context, bench: str, place: Path, made: Made) -> None:
    """Peak memory of every command that has to do with much of the archive, or with one message of it."""
    with catalog(place) as database:
        query = "SELECT sha256 FROM messages ORDER BY id LIMIT 1 OFFSET ?"
        (identity,) = database.execute(query, (made.messages // 2,)).fetchone()
    with target(place, made.octets / 1e6) as (path, where):
        words = {
            "poparchive show --raw": ("show", identity.hex(), "--raw"),
            f"{EXPORT}, to {where}": ("export", "--format", "mbox", "--output", str(path)),
            "poparchive rebuild": ("rebuild",),
            # Behind it, and so a proof of every row and word that it made.
            "poparchive verify": ("verify",),
        }
        for what, arguments in words.items():
            with context.attempt(bench, what):
                taken = run(command(place, *arguments), limit_s=LIMIT_S)
                # Memory is what is measured next, and tmpfs takes of it.
                path.unlink(missing_ok=True)
                judged(context, bench, what, taken)
                if arguments[0] == "show":
                    continue
                rate = made.messages / taken.wall_s
                context.table.plain(bench, f"{what}, messages", rate, " a second")


def judged(context: Context, bench: str, what: str, taken: Run) -> None:
    """A row for a command, and one for its memory."""
    context.table.series(bench, what, Series((taken,)))
    context.table.at_most(bench, f"{what}, peak", taken.peak_bytes / 1e6, PEAK_MB, " MB")
