"""Figures of search: how fast mail is indexed, what the index takes, and how fast it answers.

``find`` is all of them, with ``find-attachments`` (``bench/attaching.py``); ``find-index``, ``find-inside``,
``find-command``, ``find-load`` and ``find-agreement`` are its other parts.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from bench.archives import ready, with_this_index
from bench.attaching import find_attachments
from bench.compose import NOTES
from bench.context import Context, ratio
from bench.disk import octets_below
from bench.finding import COMMANDS_COMMON, MU_ALL, NEWEST, indexed, middle
from bench.mailbox import Mailboxes, Plan
from bench.measure import (
    BenchError,
    Command,
    Run,
    Series,
    Skipped,
    octets_of,
    percentile,
    run,
    text_of,
)
from bench.million import MESSAGES as MILLION
from bench.peers import Mu, Notmuch
from bench.product import (
    PROJECT,
    Poparchive,
    archive,
    check_contents,
    command,
    configuration,
    ingest,
    make_archive,
    optimizer,
)
from bench.restoring import warm_up
from bench.samples import sampled
from bench.servers import serving

LIMIT_S = 4 * 3600
MESSAGES = 100_000
TIMES_NOTMUCH = 5.0
INDEX_PERCENT = 12.0
INDEX_WITH_CONTENTS_PERCENT = 15.0

NEWEST_P50_MS, NEWEST_P95_MS = 5.0, 30.0
RELEVANCE_P95_MS = 250.0
COUNT_P95_MS = 150.0
OF_MU = 1.0
OF_IDLE = 2.0
PULLED_MESSAGES = 20_000
IDLE_S = 10

CORPUS_MESSAGES_COMPARED = 1_500
"""Of a quick run; a whole one compares all."""


def find(context: Context) -> None:
    """Search: indexing, answers inside the process, as a command and under load, agreement, attachments."""
    parts = (find_index, find_inside, find_command, find_load, find_agreement, find_attachments)
    for part in parts:
        with context.attempt(part.__name__, ""):
            part(context)


# Indexing


def find_index(context: Context) -> None:
    """Messages a second into an index, and its size, beside notmuch and mu."""
    with context.attempt("find-index", "real mail"):
        real = context.corpus()
        indexing(context, f"find-index, the corpus ({real.messages:,})", real, judge_size=True)
    made = context.mail(Plan(NOTES.name, messages=context.scaled(MESSAGES)))
    indexing(context, f"find-index, {made.messages:,} made messages", made, judge_size=False)


def indexing(context: Context, bench: str, mail: Mailboxes, *, judge_size: bool) -> None:
    with context.place() as place:
        make_archive(place, configuration(place, None))
        run(ingest(place, mail.root), limit_s=LIMIT_S)
        check_contents(place, mail, from_files=True)
        index_sizes(context, bench, place, mail, judge=judge_size)
        theirs: dict[str, float] = {}
        contestants: dict[str, Callable[[], Run]] = {
            "poparchive, keeping and indexing": partial(kept_anew, context, mail),
            "poparchive rebuild --search-only": lambda: run(
                command(place, "rebuild", "--search-only"), limit_s=LIMIT_S
            ),
        }
        for indexer in (Notmuch(), Mu()):
            with context.attempt(bench, indexer.name):
                indexer.check()
                contestants[indexer.name] = partial(indexed_anew, context, indexer, mail, theirs)
        taken = context.contest(bench, contestants)
        rates(context, bench, mail, taken)
        for name, size in theirs.items():
            context.table.plain(bench, f"{name}: index", size, "% of raw")
        after_rebuild = percent_of(place, "search.sqlite", mail)
        context.table.plain(bench, "search.sqlite, made anew", after_rebuild, "% of raw")
        with context.attempt(bench, "with attachments' text"):
            with_contents(context, bench, place, mail, judge=judge_size)


def kept_anew(context: Context, mail: Mailboxes) -> Run:
    with context.place() as place:
        make_archive(place, configuration(place, None))
        taken = run(ingest(place, mail.root), limit_s=LIMIT_S)
        if Poparchive().kept(place) != mail.messages:
            raise BenchError("poparchive did not keep all messages")
        return taken


def indexed_anew(
    context: Context, indexer: Notmuch | Mu, mail: Mailboxes, sizes: dict[str, float]
) -> Run:
    with context.place() as place:
        taken = run(indexer.index(mail.root, place), limit_s=LIMIT_S)
        sizes[indexer.name] = 100 * octets_below(place) / mail.octets
        return taken


def rates(context: Context, bench: str, mail: Mailboxes, taken: Mapping[str, Series]) -> None:
    for name, series in taken.items():
        context.table.plain(bench, f"{name}, messages", mail.messages / series.wall_s, " a second")
    if Notmuch.name in taken:
        theirs = taken[Notmuch.name].wall_s
        for name, series in taken.items():
            if name.startswith(Poparchive.name):
                what = f"{name}: speed / notmuch's"
                context.table.at_least(bench, what, theirs / series.wall_s, TIMES_NOTMUCH)


def index_sizes(context: Context, bench: str, place: Path, mail: Mailboxes, *, judge: bool) -> None:
    size = percent_of(place, "search.sqlite", mail)
    if judge:
        context.table.at_most(bench, "search.sqlite", size, INDEX_PERCENT, "% of raw")
    else:
        context.table.plain(bench, "search.sqlite", size, "% of raw")
    context.table.plain(
        bench, "catalog.sqlite", percent_of(place, "catalog.sqlite", mail), "% of raw"
    )


def percent_of(place: Path, name: str, mail: Mailboxes) -> float:
    """What a database takes, with what is not in the file itself yet."""
    files = archive(place).glob(f"{name}*")
    return 100 * sum(file.stat().st_size for file in files) / mail.octets


def with_contents(
    context: Context, bench: str, place: Path, mail: Mailboxes, *, judge: bool
) -> None:
    """The index once the text of attachments is in it."""
    taken = run(command(place, "attachments"), limit_s=LIMIT_S)
    context.table.series(bench, "poparchive attachments", Series((taken,)))
    size = percent_of(place, "search.sqlite", mail)
    what = "search.sqlite with attachments' text"
    if judge:
        context.table.at_most(bench, what, size, INDEX_WITH_CONTENTS_PERCENT, "% of raw")
    else:
        context.table.plain(bench, what, size, "% of raw")
    texts = percent_of(place, "attachments.sqlite", mail)
    context.table.plain(bench, "attachments.sqlite", texts, "% of raw")


# Inside the process


def find_inside(context: Context) -> None:
    """300 queries of all forms among a million messages: newest, by relevance, counted, facets."""
    made = ready(context, context.scaled(MILLION))
    bench = f"find-inside, {made.messages:,} messages"
    with context.attempt(bench, Poparchive.name):
        root = with_this_index(context, bench, made).root
        warm(root)
        answer = text_of(asking(root, "newest", "relevance", "count", "facets"))
        for kind, taken in json.loads(answer).items():
            told(context, bench, kind, [(form, query, ms) for form, query, ms in taken])


def asking(root: Path, *words: str) -> Command:
    argv = [sys.executable, "-m", "bench.asking", str(root), *words]
    return Command(argv, env={"PYTHONPATH": str(PROJECT)})


def told(context: Context, bench: str, kind: str, taken: list[tuple[str, str, float]]) -> None:
    times = [ms for _, _, ms in taken]
    p50, p95 = percentile(times, 0.50), percentile(times, 0.95)
    _, slowest, most = max(taken, key=lambda one: one[2])
    context.table.say(f"{kind}: slowest {most:.1f} ms: {slowest}")
    if kind == "newest":
        context.table.at_most(bench, f"{kind}: p50", p50, NEWEST_P50_MS, " ms")
    else:
        context.table.plain(bench, f"{kind}: p50", p50, " ms")
    limits = {"newest": NEWEST_P95_MS, "relevance": RELEVANCE_P95_MS, "count": COUNT_P95_MS}
    if kind in limits:
        context.table.at_most(bench, f"{kind}: p95", p95, limits[kind], " ms")
    else:
        context.table.plain(bench, f"{kind}: p95", p95, " ms")
    context.table.plain(bench, f"{kind}: longest", most, " ms")
    if kind == "newest":
        for form in dict.fromkeys(form for form, _, _ in taken):
            some = [ms for one, _, ms in taken if one == form]
            context.table.plain(
                bench, f"{kind}, {form} ({len(some)}): p95", percentile(some, 0.95), " ms"
            )


def warm(root: Path) -> None:
    """Have the databases in the page cache, as they are for who searches often."""
    for path in root.glob("*.sqlite"):
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass


# As a command


def find_command(context: Context) -> None:
    """The newest 20 as a process, piped and as JSON, beside mu (20, and all that it finds) and notmuch."""
    mail = context.mail(Plan(NOTES.name, messages=context.scaled(MESSAGES)))
    commands(context, f"find-command, {mail.messages:,} made messages", mail)
    with context.attempt("find-command", "real mail"):
        real = context.corpus()
        commands(context, f"find-command, the corpus ({real.messages:,})", real)


def commands(context: Context, bench: str, mail: Mailboxes) -> None:
    words = [*COMMANDS_COMMON, *(sample.words[0] for sample in sampled(mail, 6, seed=5))]
    with context.place() as place:
        make_archive(place, configuration(place, None))
        run(ingest(place, mail.root), limit_s=LIMIT_S)
        warm_up(place)
        limit = ("--limit", str(NEWEST))
        piped = [command(place, "search", word, *limit) for word in words]
        as_json = [command(place, "search", word, "--json", *limit) for word in words]
        for one in (piped, as_json):
            found = len(octets_of(one[0]).splitlines())
            if found != NEWEST:
                raise BenchError(f"poparchive shows {found} messages with {words[0]!r}")
        json_name = f"{Poparchive.name} --json"
        contestants: dict[str, Callable[[], Run]] = {
            Poparchive.name: partial(middle, piped),
            json_name: partial(middle, as_json),
        }
        for indexer in (Mu(), Notmuch()):
            with context.attempt(bench, indexer.name):
                indexer.check()
                home = indexed(context, indexer, mail)
                for name, most in ((indexer.name, NEWEST), (MU_ALL, mail.messages)):
                    if name == indexer.name or isinstance(indexer, Mu):
                        theirs = [indexer.search(home, word, most) for word in words]
                        contestants[name] = partial(middle, theirs)
        taken = context.contest(bench, contestants)
        for name in (Poparchive.name, json_name):
            for other in (Mu.name, MU_ALL):
                ratio(context, bench, taken, (name, other), OF_MU)


# Under load


def find_load(context: Context) -> None:
    """The newest first, while a pull, an optimize and a rebuild run."""
    mail = context.mail(Plan(NOTES.name, messages=context.scaled(MESSAGES)))
    bench = f"find-load, {mail.messages:,} messages"
    more = context.mail(Plan(NOTES.name, seed=2, messages=context.scaled(PULLED_MESSAGES)))
    with (
        context.attempt(bench, Poparchive.name),
        context.place() as place,
        serving(more, context.dovecot_state) as endpoint,
    ):
        make_archive(place, configuration(place, endpoint))
        run(ingest(place, mail.root), limit_s=LIMIT_S)
        warm(archive(place))
        _, times = during(Command(["sleep", str(IDLE_S)]), archive(place))
        idle = percentile(times, 0.95)
        context.table.plain(bench, f"idle: p95 of {len(times):,}", idle, " ms")
        loads: dict[str, Callable[[], Command]] = {
            "pull": lambda: command(place, "pull"),
            "optimize": lambda: optimizer(place),
            "rebuild": lambda: command(place, "rebuild"),
        }
        for name, load in loads.items():
            with context.attempt(bench, f"during {name}"):
                loaded(context, bench, name, load(), archive(place), idle)


def loaded(context: Context, bench: str, name: str, load: Command, root: Path, idle: float) -> None:
    """Rows for what a load takes, and what the searches beside it do."""
    taken, times = during(load, root)
    context.table.series(bench, f"poparchive {name}", Series((taken,)))
    p95 = percentile(times, 0.95)
    context.table.plain(bench, f"during {name}: p95 of {len(times):,}", p95, " ms")
    context.table.plain(bench, f"during {name}: longest", max(times), " ms")
    context.table.at_most(bench, f"during {name}: p95 / idle", p95 / idle, OF_IDLE)


def during(load: Command, root: Path) -> tuple[Run, list[float]]:
    """Ask from a program's beginning to its end; milliseconds of each query."""
    asker = asking(root, "--until-closed")
    with subprocess.Popen(
        asker.full_argv(),
        env=asker.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        try:
            taken = run(load, limit_s=LIMIT_S)
        finally:
            process.stdin.close()
        said, error = process.stdout.read(), process.stderr.read()
    if process.returncode:
        raise BenchError(f"a search failed beside {load.argv[0]}: {error[-600:].strip()}")
    return taken, [ms for one in json.loads(said) for ms in one]


# Agreement


def find_agreement(context: Context) -> None:
    """The same 500 queries find the same in notmuch, but for what rules explain."""
    bench = "find-agreement"
    Notmuch().check()
    if not context.corpus_source.exists():
        raise Skipped("the shared corpus is missing")
    words = [str(CORPUS_MESSAGES_COMPARED)] if context.quick else []
    argv = [sys.executable, "-m", "tests.interop.agreement", *words]
    said = json.loads(text_of(Command(argv, env={"PYTHONPATH": str(PROJECT)}, cwd=PROJECT)))
    bench = f"{bench}, {said['messages']:,} messages of the corpus"
    context.table.plain(bench, "result sets that are identical", 100 * said["identical_share"], "%")
    context.table.plain(bench, "messages found by both", 100 * said["agreeing_share"], "%")
    context.table.plain(bench, "only by poparchive", said["only poparchive"])
    context.table.plain(bench, "only by notmuch", said["only notmuch"])
    context.table.at_most(bench, "explained by no rule", len(said["unexplained"]), 0)
    for one in said["unexplained"]:
        context.table.say(one)
