"""Archives of a million messages that benches work on copies of: as taken in, with this version's search
index, and optimized. Each takes long to make, and stays in the work directory for later runs."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from bench.context import Context
from bench.measure import BenchError, Run, Series, run
from bench.million import Made, archive_of, cached, facts_file, maker
from bench.product import (
    Poparchive,
    archive,
    command,
    configuration,
    make_archive,
    store_sizes,
)
from bench.restoring import Optimizer
from poparchive.index.versions import SEARCH

LIMIT_S = 4 * 3600


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


def with_this_index(context: Context, bench: str, made: Made) -> Made:
    """The archive with a search index of this version, which a command would make first: made once, and kept
    beside it."""
    root = made.root.with_name(f"{made.root.name}-index{SEARCH}")
    if not cached(root):
        context.table.say("making the search index anew, for this run and later ones")
        with context.place() as place:
            copied(made, place)
            taken = run(command(place, "rebuild", "--search-only"), limit_s=LIMIT_S)
            what = "poparchive rebuild --search-only"
            context.table.series(bench, what, Series((taken,)))
            rate = made.messages / taken.wall_s
            context.table.plain(bench, f"{what}, messages", rate, " a second")
            index = sum(file.stat().st_size for file in archive(place).glob("search.sqlite*"))
            context.table.plain(bench, "search.sqlite", 100 * index / made.octets, "% of raw")
            shutil.rmtree(root, ignore_errors=True)
            archive(place).rename(root)
        shutil.copyfile(facts_file(made.root), facts_file(root))
    found = cached(root)
    assert found
    return found


def copied(made: Made, place: Path) -> None:
    """Set a place up with a copy of the archive: what is done to it is done to the copy."""
    if not (place / "config.toml").exists():
        make_archive(place, configuration(place, None))
    shutil.rmtree(archive(place))
    shutil.copytree(made.root, archive(place))
    kept = Poparchive().kept(place)
    if kept != made.messages:
        raise BenchError(f"the archive has {kept} of {made.messages} messages")


def made_small(
    context: Context, bench: str, place: Path, made: Made, optimized: Optimizer
) -> tuple[Made, Run]:
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
    context.table.plain(bench, "poparchive: raw / stored", told["ratio"])
    small = cached(root)
    assert small
    return small, Run(**told["run"])
