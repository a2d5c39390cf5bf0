"""``python -m bench [NAMES] [--runs 3] [--quick]``: measure, and end in one table."""

import argparse
import compileall
import fcntl
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from bench import attaching, clients, disk, finding, memory, parser, pulling, searching, storing
from bench.context import Context
from bench.corpus import DEFAULT
from bench.peers import Fdm, Getmail, versions
from bench.product import PROJECT
from bench.report import RESULTS, default_work
from bench.servers import dovecot_version
from bench.table import Table, machine
from poparchive import __version__

BENCHES: dict[str, Callable[[Context], None]] = {
    "pull": pulling.pull,
    "delay": pulling.delay,
    "nothing": pulling.nothing_new,
    "size": disk.size,
    "ingest": disk.ingest,
    "search": finding.search,
    "memory": memory.memory,
    "peers": clients.peers,
    "parser": parser.parser,
    "store": storing.store,
    "store-sizes": storing.sizes,
    "store-back": storing.giving_back,
    "store-large": storing.large_archive,
    "find": searching.find,
    "find-index": searching.find_index,
    "find-inside": searching.find_inside,
    "find-command": searching.find_command,
    "find-load": searching.find_load,
    "find-agreement": searching.find_agreement,
    "find-attachments": attaching.find_attachments,
}

ASKED_FOR = {name for name in BENCHES if name.startswith(("store", "find"))}
"""Takes hours with a million messages, so it is done for whoever names it."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure poparchive beside its peers. Without names: all but store and find, for"
        " half an hour.",
        epilog="Benches: "
        + "; ".join(f"{name}: {first_line(bench)}" for name, bench in BENCHES.items()),
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="see below (default: all but store and find)"
    )
    parser.add_argument("--runs", type=int, default=3, help="of each contestant (default: 3)")
    parser.add_argument(
        "--quick", action="store_true", help="on a twentieth of the mail; nothing is judged"
    )
    parser.add_argument("--work", type=Path, default=default_work(), help="scratch directory")
    parser.add_argument("--corpus", type=Path, default=DEFAULT, help="the shared mail corpus")
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        choices=[Fdm.name, Getmail.name],
        help="a slow peer to pull with too, for minutes",
    )
    given = parser.parse_args()
    unknown = set(given.names) - set(BENCHES)
    if unknown:
        parser.error(f"no such bench: {', '.join(sorted(unknown))}")
    return given


def first_line(bench: Callable[[Context], None]) -> str:
    return (bench.__doc__ or "").splitlines()[0].rstrip(".")


def measure(given: argparse.Namespace) -> Table:
    table = Table(given.work / RESULTS, sys.stdout, judged=not given.quick)
    facts = {
        **machine(given.work),
        "poparchive": __version__,
        "dovecot": dovecot_version() or "missing",
        **versions(),
        "command": "python -m bench " + " ".join(without_paths(sys.argv[1:])),
    }
    for name, value in facts.items():
        print(f"{name}: {value}")
    table.begin(facts)
    context = Context(
        work=given.work,
        runs=given.runs,
        quick=given.quick,
        corpus_source=given.corpus,
        more_peers=frozenset(given.peer),
        table=table,
    )
    # An installed package has its bytecode; a checkout gets it here and not in a measured run.
    compileall.compile_dir(PROJECT / "poparchive", quiet=2)
    for name in given.names or [name for name in BENCHES if name not in ASKED_FOR]:
        bench = BENCHES[name]
        print(f"\n{name}: {bench.__doc__}", flush=True)
        with context.attempt(name, ""):
            bench(context)
    return table


def without_paths(words: list[str]) -> list[str]:
    return [re.sub(r"/\S*", "DIR", word) for word in words]


def main() -> None:
    given = arguments()
    given.work = given.work.resolve()
    given.work.mkdir(parents=True, exist_ok=True)
    with (given.work / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit("another bench works in this directory") from None
        shutil.rmtree(given.work / "places", ignore_errors=True)
        try:
            table = measure(given)
        except KeyboardInterrupt:
            raise SystemExit(130) from None
    print(f"\n{table.text()}")
    raise SystemExit(1 if table.failed else 0)


if __name__ == "__main__":
    main()
