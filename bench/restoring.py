"""Figures of giving back: a whole archive exported, and the databases made again after they were lost."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.context import Context
from bench.dumps import different, dumped, lose
from bench.mailbox import Mailboxes, Plan
from bench.measure import BenchError, Command, Run, Series, run
from bench.product import (
    PROJECT,
    Poparchive,
    archive,
    check_contents,
    command,
    configuration,
    ingest,
    kept_octets,
    make_archive,
)

MESSAGES = 20_000
EXPORT_MB_A_SECOND = 300.0
REBUILT_A_SECOND = 3_000.0

Optimizer = Callable[[Context, str, Path], Run]
"""Runs ``optimize`` on the archive of a place and says what it took; raises ``Skipped`` without one."""

TMPFS = Path("/dev/shm")
"""Where Linux has memory for files, if it has."""

EXPORT = "poparchive export --format mbox"
IN_PROCESS = "Reader in stored order"
DECODER = "zstandard alone, the same frames"


def restoring(context: Context, optimized: Optimizer) -> None:
    """Made mail and the corpus: exported and rebuilt, as pulled and after optimize."""
    made = context.mail(Plan(messages=context.scaled(MESSAGES)))
    of_mail(context, f"store, {made.messages:,} made messages", made, optimized)
    with context.attempt("store", "real mail"):
        real = context.corpus()
        of_mail(context, f"store, the corpus ({real.messages:,})", real, optimized)


def of_mail(context: Context, bench: str, mail: Mailboxes, optimized: Optimizer) -> None:
    with context.attempt(bench, Poparchive.name), context.place() as place:
        make_archive(place, configuration(place, None))
        run(ingest(place, mail.root))
        export(context, f"{bench}, as taken in", place)
        rebuild(context, f"{bench}, as taken in", place, mail)
        after = f"{bench}, optimized"
        with context.attempt(after, "poparchive optimize"):
            optimized(context, after, place)
            export(context, after, place)
            rebuild(context, after, place, mail)


def export(context: Context, bench: str, place: Path) -> None:
    """All messages in stored order: the command, the reader in one process, and zstd by itself."""
    raw_mb = kept_octets(place) / 1e6
    warm_up(place)
    with target(place, raw_mb) as (path, where):
        context.table.say(f"export: {raw_mb:.0f} MB from a warm page cache to {where}")
        words = ("export", "--format", "mbox", "--output", str(path))
        taken = context.contest(
            bench,
            {
                f"{EXPORT}, to {where}": partial(run, command(place, *words)),
                IN_PROCESS: partial(timed, place, "bench.reading", "stored", str(archive(place))),
                DECODER: partial(timed, place, "bench.frames", str(archive(place))),
            },
        )
        # An mbox has LF where the message had CRLF.
        if path.exists() and path.stat().st_size < raw_mb * 1e6 * 0.9:
            raise BenchError("poparchive exported less than the archive has")
    for name, series in taken.items():
        what, speed = f"{name}, raw", raw_mb / series.wall_s
        if name == DECODER:
            context.table.plain(bench, what, speed, " MB/s")
        else:
            context.table.at_least(bench, what, speed, EXPORT_MB_A_SECOND, " MB/s")


def warm_up(place: Path) -> None:
    """Have packs and databases in the page cache."""
    for path in archive(place).rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                while file.read(1 << 20):
                    pass


@contextmanager
def target(place: Path, raw_mb: float) -> Iterator[tuple[Path, str]]:
    """Where to export to: memory if there is room for it, and what to call it."""
    if TMPFS.is_dir() and shutil.disk_usage(TMPFS).free > 3e6 * raw_mb:
        with TemporaryDirectory(prefix="poparchive-bench-", dir=TMPFS) as directory:
            yield Path(directory) / "exported.mbox", "tmpfs"
    else:
        path = place / "exported.mbox"
        yield path, "disk"
        path.unlink(missing_ok=True)


def timed(place: Path, *words: str) -> Run:
    """The run of something that takes its own time, without Python's start, in a process of its own."""
    told = place / "told.json"
    argv = [sys.executable, "-m", *words]
    whole = run(Command(argv, env={"PYTHONPATH": str(PROJECT)}), output=told)
    answer = json.loads(told.read_text())
    return replace(whole, wall_s=answer["wall_s"], cpu_s=answer["cpu_s"])


def rebuild(context: Context, bench: str, place: Path, mail: Mailboxes) -> None:
    """Lose both databases and make them again; they must be the same, row for row."""
    before = dumped(archive(place))
    lose(archive(place))
    taken = run(command(place, "rebuild"))
    context.table.series(bench, "poparchive rebuild", Series((taken,)))
    if changed := different(before, dumped(archive(place))):
        raise BenchError(f"rebuild made other rows: {', '.join(changed)}")
    check_contents(place, mail, from_files=True)
    rate = mail.messages / taken.wall_s
    what = "poparchive rebuild to the same rows, messages"
    context.table.at_least(bench, what, rate, REBUILT_A_SECOND, " a second")
