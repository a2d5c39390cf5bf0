"""Figures of the store: how small it becomes, what many copies and many small pulls cost.

``optimize`` is a command like the others; where this version has none, its rows say so.
"""

import contextlib
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.compose import EPOCH
from bench.context import Context, check_kept
from bench.disk import backups
from bench.everyday import sizes_of_pulls
from bench.fanout import fanned_out
from bench.large import large
from bench.mailbox import Mailboxes, account_name
from bench.measure import BenchError, Command, Run, Series, run
from bench.product import (
    PROJECT,
    Poparchive,
    archive,
    command,
    configuration,
    kept_octets,
    make_archive,
    optimizer,
    store_sizes,
)
from bench.restoring import restoring
from bench.servers import serving
from bench.table import Row

OPTIMIZE_LIMIT_S = 4 * 3600

RATIO = {"spamassassin": 6.2, "list_openbmc": 2.45}
OF_BACKUPS = {"spamassassin": 2.5, "list_openbmc": 1.35}

FANNED_OUT = "list_openbmc"
FANNED_OUT_MESSAGES = 1_433
SUBSCRIBERS = 20
OF_ONE_COPY = 1.12

EVERYDAY = "spamassassin"
EVERYDAY_PULLS = 1_000
EVERYDAY_MESSAGES = 6_046
EVERYDAY_RATIO = 3.3
OF_THE_BEST = 0.95
REAL_PULLS = 5
ALIKE = 0.01
"""How far apart real pulls and those in one process may be, in octets: times and ports differ."""


def store(context: Context) -> None:
    """The store before and after optimize: ratios, copies, small pulls, export, rebuild, a million mails."""
    for part in (sizes, giving_back, large_archive):
        part(context)


def sizes(context: Context) -> None:
    """Ratios before and after optimize, beside backups; everyday pulls; a list in many mailboxes."""
    best: dict[str, float] = {}
    with context.attempt("store", "real mail"):
        real = context.corpus()
        for name in RATIO:
            with context.attempt(f"store, {name}", Poparchive.name):
                smallest(context, real.only(name), name, best)
        with context.attempt("store, everyday pulls", Poparchive.name):
            everyday(context, real.only(EVERYDAY), best.get(EVERYDAY))
        with context.attempt("store, a list in many mailboxes", Poparchive.name):
            copies(context, real)


def giving_back(context: Context) -> None:
    """Export and rebuild, as pulled and after optimize."""
    with context.attempt("store", "giving back"):
        restoring(context, optimized)


def large_archive(context: Context) -> None:
    """An archive of a million messages: showing one, and memory of each command."""
    with context.attempt("store", "a large archive"):
        large(context, optimized)


def optimized(context: Context, bench: str, place: Path) -> Run:
    """Run ``optimize``, prove that nothing was lost, and say what it took."""
    optimize = optimizer(place)
    before, _ = store_sizes(place)
    taken = run(optimize, limit_s=OPTIMIZE_LIMIT_S)
    after, parity = store_sizes(place)
    context.table.series(bench, "poparchive optimize", Series((taken,)))
    context.table.plain(bench, "poparchive optimize: octets after / before", after / before)
    if parity:
        context.table.plain(bench, "parity", 100 * parity / after, "% of packs and journal")
    return taken


def verified(place: Path) -> None:
    """Raise unless every message of the archive comes back."""
    run(command(place, "verify"), limit_s=OPTIMIZE_LIMIT_S)


def smallest(context: Context, mail: Mailboxes, name: str, best: dict[str, float]) -> None:
    """Raw over stored of one set of real mail, beside backup programs on the same files."""
    bench = f"store, {name}"
    theirs = backups(context, bench, mail.maildir(name) / "cur", mail.octets)
    with pulled(context, mail) as place:
        context.table.plain(bench, "poparchive, before: raw / stored", ratio_of(place))
        with context.attempt(bench, "poparchive optimize"):
            optimized(context, bench, place)
            verified(place)
            best[name] = ratio_of(place)
            what = "poparchive, after: raw / stored"
            context.table.at_least(bench, what, best[name], RATIO[name])
            for backup, ratio in theirs.items():
                what = f"poparchive, after / {backup}"
                context.table.at_least(bench, what, best[name] / ratio, OF_BACKUPS[name])


def copies(context: Context, real: Mailboxes) -> None:
    """A mailing list in the mailboxes of 20 subscribers, and in that of one."""
    count = context.scaled(FANNED_OUT_MESSAGES)
    mail = fanned_out(real, FANNED_OUT, count, SUBSCRIBERS, context.work / "mail")
    bench = f"store, {count:,} messages of a list in {SUBSCRIBERS} mailboxes"
    context.table.plain(bench, "raw, all copies", mail.octets / 1e6, " MB")
    costs: dict[bool, int] = {}
    for some in (mail.only(account_name(0)), mail):
        where = "in all" if some is mail else "in one"
        with pulled(context, some) as place:
            stored, _ = store_sizes(place)
            context.table.plain(bench, f"poparchive, {where}, before", stored / 1e6, " MB")
            with context.attempt(bench, f"poparchive optimize, {where}"):
                optimized(context, bench, place)
                verified(place)
                costs[some is mail] = store_sizes(place)[0]
                stored_mb = costs[some is mail] / 1e6
                context.table.plain(bench, f"poparchive, {where}, after", stored_mb, " MB")
    if len(costs) == 2:
        what = "poparchive, after: in all / in one"
        context.table.at_most(bench, what, costs[True] / costs[False], OF_ONE_COPY)


def everyday(context: Context, mail: Mailboxes, best: float | None) -> None:
    """A thousand pulls of some messages each, as an archive meets them over the years."""
    pulls = context.scaled(EVERYDAY_PULLS)
    files = mail.files()[: context.scaled(EVERYDAY_MESSAGES)]
    sizes = sizes_of_pulls(len(files), pulls)
    bench = f"store, {pulls:,} everyday pulls"
    as_real_pulls(context, bench, files, sizes[:REAL_PULLS])
    with context.place() as place:
        make_archive(place, configuration(place, None))
        taken = run(everyday_pulls(place, mail.maildir(EVERYDAY), "127.0.0.1:110", sizes))
        context.table.series(bench, "the pulls, in one process", Series((taken,)))
        if Poparchive().kept(place) != len(files):
            raise BenchError("the pulls did not keep all messages")
        what = "poparchive, before: raw / stored"
        context.table.at_least(bench, what, ratio_of(place), EVERYDAY_RATIO)
        with context.attempt(bench, "poparchive optimize"):
            optimized(context, bench, place)
            verified(place)
            after = ratio_of(place)
            context.table.plain(bench, "poparchive, after: raw / stored", after)
            if best:
                what = "poparchive, after / optimized after one pull"
                context.table.at_least(bench, what, after / best, OF_THE_BEST)


def everyday_pulls(place: Path, maildir: Path, host: str, sizes: Sequence[int]) -> Command:
    """The process that does such pulls."""
    words = [str(archive(place)), str(maildir), host, json.dumps(sizes)]
    argv = [sys.executable, "-m", "bench.everyday", *words]
    return Command(argv, env={"PYTHONPATH": str(PROJECT)})


def as_real_pulls(
    context: Context, bench: str, files: Sequence[Path], sizes: Sequence[int]
) -> None:
    """Prove that pulls in one process leave what as many commands leave that pull from a server."""
    with context.place() as place:
        host = "127.0.0.1:110"
        user = account_name(0)
        real, driven, maildir = place / "real", place / "driven", place / "mail" / user
        for directory in (real, driven, *(maildir / name for name in ("cur", "new", "tmp"))):
            directory.mkdir(parents=True)
        coming = iter(files)
        some = Mailboxes(maildir.parent, {user: (0, 0)})
        arrived = 0
        with serving(some, place / "dovecot") as endpoint:
            puller = Poparchive()
            pull = puller.prepare(real, endpoint)
            host = f"{endpoint.host}:{endpoint.port}"
            for size in sizes:
                for path in (next(coming) for _ in range(size)):
                    arrived += 1
                    octets = path.stat().st_size
                    name = f"{EPOCH + arrived}.M{arrived:07d}P1.bench,S={octets},W={octets}:2,S"
                    shutil.copyfile(path, maildir / "cur" / name)
                run(pull)
                if puller.kept(real) != arrived:
                    raise BenchError(f"a pull did not bring {size} messages")
        make_archive(driven, configuration(driven, None))
        run(everyday_pulls(driven, maildir, host, sizes))
        octets_real, octets_driven = store_sizes(real)[0], store_sizes(driven)[0]
    what = f"{len(sizes)} real pulls: octets; the same in one process"
    context.table.add(Row(bench, what, f"{octets_real:,}; {octets_driven:,}"))
    if abs(octets_real / octets_driven - 1) > ALIKE:
        raise BenchError(
            f"real pulls leave {octets_real} octets, pulls in one process {octets_driven}"
        )


@contextlib.contextmanager
def pulled(context: Context, mail: Mailboxes) -> Iterator[Path]:
    """A place with an archive that has all of the mail from a server, and nothing done to it since."""
    with context.place() as place:
        with serving(mail, context.dovecot_state) as endpoint:
            puller = Poparchive()
            run(puller.prepare(place, endpoint))
        check_kept(puller, place, mail)
        if kept_octets(place) != mail.octets:
            raise BenchError("poparchive does not keep what the server sent")
        yield place


def ratio_of(place: Path) -> float:
    """Octets as they came over packs and journal."""
    return kept_octets(place) / store_sizes(place)[0]
