"""Figures of attachments' text: how fast it is read, whether all that is readable is found, and what
hostile files cost."""

import json
import sys

from bench.context import Context
from bench.measure import Command, Series, octets_of, run
from bench.product import PROJECT, archive, command, configuration, ingest, make_archive

LIMIT_S = 4 * 3600
HOSTILE_FILES = 200
QUICK_EVERY = 10


def find_attachments(context: Context) -> None:
    """Text inside attachments: MB/s, all readable ones of the corpus found, hostile files."""
    with context.attempt("find-attachments", "real mail"):
        reading(context)
    with context.attempt("find-attachments, hostile files", "poparchive"):
        hostile(context)


def reading(context: Context) -> None:
    """Read all attachments of the corpus, and look for each by words that other programs find in it."""
    real = context.corpus()
    bench = f"find-attachments, the corpus ({real.messages:,})"
    with context.place() as place:
        make_archive(place, configuration(place, None))
        run(ingest(place, real.root), limit_s=LIMIT_S)
        told = place / "told.json"
        taken = run(command(place, "attachments", "--json"), output=told, limit_s=LIMIT_S)
        report = json.loads(told.read_text())
        context.table.series(bench, "poparchive attachments", Series((taken,)))
        rate = report["octets"] / 1e6 / report["seconds"]
        context.table.plain(bench, "poparchive attachments, contents", rate, " MB/s")
        context.table.plain(bench, "contents read", report["contents"])
        for status, count in report["statuses"].items():
            context.table.plain(bench, f"contents: {status}", count)
        compared = json.loads(octets_of(tests("tests.interop.readable", str(archive(place)))))
        context.table.plain(bench, "readable by other programs", compared["readable"])
        context.table.at_most(
            bench, "of these not found by a word in it", len(compared["missed"]), 0
        )
        for one in compared["missed"]:
            context.table.say(f"not found: {one}")


def hostile(context: Context) -> None:
    """Bombs, nests, cut and mislabelled files, documents that would read files or networks."""
    every = QUICK_EVERY if context.quick else 1
    said = json.loads(octets_of(tests("tests.hostile.attachments.run", "--every", str(every))))
    bench = f"find-attachments, {said['files']} hostile files"
    context.table.at_least(bench, "files", said["files"], HOSTILE_FILES)
    for status, count in said["statuses"].items():
        context.table.plain(bench, status.lower(), count)
    context.table.plain(bench, "read in", said["seconds"], " s")
    wrong, heard = len(said["wrong"]), len(said["heard"])
    context.table.at_most(bench, "of another status than expected, or with a secret", wrong, 0)
    context.table.at_most(bench, "that reached the network", heard, 0)
    context.table.at_least(bench, "documents still read behind them", said["sane"], 1)


def tests(module: str, *words: str) -> Command:
    """A program of the tests, which see what other programs find."""
    argv = [sys.executable, "-W", "ignore", "-m", module, *words]
    return Command(argv, env={"PYTHONPATH": str(PROJECT)}, cwd=PROJECT)
