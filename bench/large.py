"""Figures of an archive of a million messages: showing one of them, and memory whatever is done with all."""

import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

from bench.context import Context
from bench.measure import BenchError, Command, Run, Series, percentile, run, text_of
from bench.million import MESSAGES, Made, archive_of, cached, facts_file, maker
from bench.product import (
    PROJECT,
    Poparchive,
    archive,
    catalog,
    command,
    configuration,
    make_archive,
    optimizer,
    store_sizes,
)
from bench.restoring import EXPORT, Optimizer, target, warm_up

LIMIT_S = 4 * 3600
SHOWN = 300
SHOW_MS = 15.0
PEAK_MB = 200.0


def large(context: Context, optimized: Optimizer) -> None:
    """Show, optimize, verify, export and rebuild with a million messages in the archive."""
    count = context.scaled(MESSAGES)
    made = ready(context, count)
    bench = f"store, {made.messages:,} messages"
    before, after = f"{bench}, as taken in", f"{bench}, optimized"
    with context.attempt(bench, Poparchive.name), context.place() as place:
        copied(made, place)
        shows(context, before, place)
        with context.attempt(bench, "poparchive optimize"):
            optimizer(place)
            small = made_small(context, after, place, made, optimized)
            copied(small, place)
            before = after
            shows(context, after, place)
        commands(context, before, place, made)


def made_small(context: Context, bench: str, place: Path, made: Made, optimized: Optimizer) -> Made:
    """The archive after ``optimize``, which takes an hour: from an earlier run if it is there,
    with what that run took."""
    root = made.root.with_name(f"{made.root.name}-optimized")
    took = root.with_name(f"{root.name}-took.json")
    if cached(root):
        context.table.say("optimize ran earlier: its figures are of that run")
    else:
        context.table.say("optimizing, for this run and later ones")
        taken = optimized(context, bench, place)
        ratio = made.octets / store_sizes(place)[0]
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(archive(place), root)
        took.write_text(json.dumps({"run": asdict(taken), "ratio": ratio}))
        shutil.copyfile(facts_file(made.root), facts_file(root))
    told = json.loads(took.read_text())
    judged(context, bench, "poparchive optimize", Run(**told["run"]))
    context.table.plain(bench, "poparchive: raw / stored", told["ratio"])
    small = cached(root)
    assert small
    return small


def ready(context: Context, count: int) -> Made:
    """The archive, from an earlier run if it is there."""
    root = archive_of(count, context.work)
    if not cached(root):
        context.table.say(f"making an archive of {count:,} messages, for this run and later ones")
        making = run(maker(root, count), limit_s=LIMIT_S)
        context.table.series(f"store, {count:,} messages", "taking them in", Series((making,)))
    made = cached(root)
    assert made
    return made


def copied(made: Made, place: Path) -> None:
    """Set a place up with a copy of the archive: what is done to it is done to the copy."""
    if not (place / "config.toml").exists():
        make_archive(place, configuration(place, None))
    shutil.rmtree(archive(place))
    shutil.copytree(made.root, archive(place))
    kept = Poparchive().kept(place)
    if kept != made.messages:
        raise BenchError(f"the archive has {kept} of {made.messages} messages")


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
            "poparchive verify": ("verify",),
            "poparchive rebuild": ("rebuild",),
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
