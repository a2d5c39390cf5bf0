"""Figure 6: finding the newest of many messages, inside the process and as a whole command."""

import json
import random
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.compose import NOTES
from bench.context import Context, ratio
from bench.mailbox import Mailboxes, Plan
from bench.measure import Command, Run, Series, percentile, run, text_of
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
)
from bench.prose import COMMON
from bench.samples import OPERATORS, sampled

MESSAGES = 100_000
NEWEST = 20
P95_MS = 20.0
OF_MU = 1.0
QUERIES_OF_A_KIND = 200
COMMANDS_COMMON = ("the", "meeting", "report")
COMMAND_MS = 80.0
"""What mu is said to take as a process; on short mail and for 20 messages it takes far less."""

MU_ALL = "mu, all that it finds"


def search(context: Context) -> None:
    """The newest 20 among 100,000 messages, for any word, phrase, prefix or field."""
    mail = context.mail(Plan(NOTES.name, messages=context.scaled(MESSAGES)))
    bench = f"search, {mail.messages:,} messages"
    with context.place() as place:
        make_archive(place, configuration(place, None))
        taken = run(ingest(place, mail.root))
        context.table.series(bench, "taking them in", Series((taken,)))
        check_contents(place, mail, from_files=True)
        with context.attempt(bench, "inside the process"):
            inside(context, bench, place, mail)
        as_commands(context, bench, place, mail)


def queries(mail: Mailboxes) -> dict[str, list[str]]:
    """Queries of each kind, with the commonest words among them."""
    rng = random.Random(11)
    samples = list(sampled(mail, QUERIES_OF_A_KIND, seed=11))
    words = [rng.choice(sample.words) for sample in samples]
    common = [word for word in COMMON if word not in OPERATORS][:60]
    return {
        "words": common + words,
        "two words": [f"{one} {two}" for one, two in zip(common, reversed(common), strict=True)]
        + [" ".join(rng.sample(sample.words, 2)) for sample in samples],
        "phrases": [f'"{sample.phrase}"' for sample in samples],
        "prefixes": [f"{word[: rng.randint(2, 4)]}*" for word in common + words],
        "fields": [
            query
            for sample in samples
            for query in (
                f"from:{sample.sender}",
                f"subject:{sample.subject_word}",
                f"from:{sample.sender.partition('.')[0]} {rng.choice(sample.words)}",
                f"has:attachment {rng.choice(common)}",
                f"after:2020-12-01 before:2021-02-01 {rng.choice(common)}",
            )
        ],
    }


def inside(context: Context, bench: str, place: Path, mail: Mailboxes) -> None:
    asked = place / "queries.json"
    asked.write_text(json.dumps(queries(mail)))
    searcher = Path(__file__).with_name("searcher.py")
    argv = [sys.executable, str(searcher), str(archive(place)), str(asked), str(NEWEST)]
    answer = text_of(Command(argv, env={"PYTHONPATH": str(PROJECT)}))
    for kind, times_ms in json.loads(answer).items():
        p50, p95 = percentile(times_ms, 0.50), percentile(times_ms, 0.95)
        what = f"inside the process, {kind}: p95 (p50 {p50:.2f} ms)"
        context.table.at_most(bench, what, p95, P95_MS, " ms")


def as_commands(context: Context, bench: str, place: Path, mail: Mailboxes) -> None:
    """The newest 20 from each program; mu also as it is called mostly, with all that it finds."""
    words = [*COMMANDS_COMMON, *(sample.words[0] for sample in sampled(mail, 6, seed=5))]
    limit = ("--limit", str(NEWEST))
    ours = [command(place, "search", word, *limit) for word in words]
    contestants: dict[str, Callable[[], Run]] = {Poparchive.name: partial(middle, ours)}
    for indexer in (Mu(), Notmuch()):
        with context.attempt(bench, indexer.name):
            indexer.check()
            home = indexed(context, indexer, mail)
            commands = [indexer.search(home, word, NEWEST) for word in words]
            contestants[indexer.name] = partial(middle, commands)
            if isinstance(indexer, Mu):
                unlimited = [indexer.search(home, word, mail.messages) for word in words]
                contestants[MU_ALL] = partial(middle, unlimited)
    name = f"{bench}, as a command"
    taken = context.contest(name, contestants)
    if Poparchive.name in taken:
        wall_ms = taken[Poparchive.name].wall_s * 1000
        context.table.at_most(name, "poparchive search, wall time", wall_ms, COMMAND_MS, " ms")
    ratio(context, name, taken, (Poparchive.name, Mu.name), OF_MU)
    if Poparchive.name in taken and MU_ALL in taken:
        of_all = taken[Poparchive.name].wall_s / taken[MU_ALL].wall_s
        context.table.plain(name, f"poparchive / {MU_ALL}, wall time", of_all)


def middle(commands: list[Command]) -> Run:
    """The run of the median wall time among the commands'."""
    runs = sorted((run(command) for command in commands), key=lambda taken: taken.wall_s)
    return runs[len(runs) // 2]


def indexed(context: Context, indexer: Mu | Notmuch, mail: Mailboxes) -> Path:
    """The indexer's home with this mail indexed: minutes of work that a later run uses again."""
    home = context.work / "indexes" / f"{indexer.name}-{mail.root.name}"
    done = home / "done"
    if not done.exists():
        context.table.say(f"{indexer.name} indexes {mail.messages:,} messages")
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        run(indexer.index(mail.root, home))
        done.touch()
    return home
