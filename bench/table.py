"""The one table that a run ends in, and the file of results that outlives it."""

import json
import os
import platform
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from bench.measure import Series

HEADINGS = ("", "what", "measured", "CPU s", "peak MB", "asked", "met")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    bench: str
    what: str
    measured: str
    cpu_s: float | None = None
    peak_bytes: int | None = None
    asked: str = ""
    met: bool | None = None
    """None where nothing is asked, or where the run was too small to judge by."""
    walls_s: tuple[float, ...] = ()
    """The wall time of every run, for those who want more than the median."""

    def cells(self) -> tuple[str, ...]:
        return (
            self.bench,
            self.what,
            self.measured,
            "" if self.cpu_s is None else f"{self.cpu_s:.2f}",
            "" if self.peak_bytes is None else f"{self.peak_bytes / 1e6:.0f}",
            self.asked,
            {True: "yes", False: "NO", None: ""}[self.met],
        )


class Table:
    """Collects rows, says each as it comes, and appends it to the file of results.

    ``judged`` is false for runs on too little mail: what is asked stands there, but nothing is met
    or missed.
    """

    def __init__(self, results: Path, screen: TextIO, *, judged: bool) -> None:
        self.rows: list[Row] = []
        self.failed = False
        self._results = results
        self._screen = screen
        self._judged = judged

    def begin(self, facts: Mapping[str, Any]) -> None:
        self._keep({"kind": "run", **facts})

    def say(self, text: str) -> None:
        print(f"    {text}", file=self._screen, flush=True)

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self.say(" | ".join(cell for cell in row.cells() if cell))
        self._keep({"kind": "row", **asdict(row)})

    def series(self, bench: str, what: str, series: Series) -> None:
        """A row for a contestant's runs."""
        self.add(
            Row(
                bench,
                what,
                seconds(series),
                cpu_s=series.cpu_s,
                peak_bytes=series.peak_bytes,
                walls_s=tuple(run.wall_s for run in series.runs),
            )
        )

    def at_most(self, bench: str, what: str, value: float, limit: float, unit: str = "") -> None:
        """A row for a figure that should not exceed a limit."""
        self._judge(bench, what, value, f"≤ {limit:g}{unit}", value <= limit, unit)

    def at_least(self, bench: str, what: str, value: float, limit: float, unit: str = "") -> None:
        """A row for a figure that should reach a limit."""
        self._judge(bench, what, value, f"≥ {limit:g}{unit}", value >= limit, unit)

    def plain(self, bench: str, what: str, value: float, unit: str = "") -> None:
        """A row for a figure of which nothing is asked."""
        self.add(Row(bench, what, f"{number(value)}{unit}"))

    def skipped(self, bench: str, what: str, why: str) -> None:
        self.add(Row(bench, what, f"skipped: {why}"))

    def failure(self, bench: str, what: str, why: str) -> None:
        self.failed = True
        for line in why.splitlines():
            self.say(f"{what}: {line}")
        # The last line of what a program says is mostly the one that says it.
        self.add(Row(bench, what, f"failed: {shortened(why)}", met=False))

    def text(self) -> str:
        return aligned([HEADINGS, *(row.cells() for row in self.rows)])

    def _judge(
        self, bench: str, what: str, value: float, asked: str, holds: bool, unit: str
    ) -> None:
        met = holds if self._judged else None
        self.add(Row(bench, what, f"{number(value)}{unit}", asked=asked, met=met))

    def _keep(self, record: Mapping[str, Any]) -> None:
        with self._results.open("a") as file:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def seconds(series: Series) -> str:
    text = f"{number(series.wall_s)} s"
    if len(series.runs) > 1:
        text += f" ({number(series.least_s)}-{number(series.most_s)})"
    return text


def shortened(text: str, length: int = 70) -> str:
    last = (text.strip().splitlines() or ["?"])[-1]
    return last if len(last) <= length else "..." + last[3 - length :]


def number(value: float) -> str:
    """Three significant digits, never as a power of ten."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join([rows[0], "-" * (sum(widths) + 2 * (len(widths) - 1)), *rows[1:]])


def machine(work: Path) -> dict[str, str]:
    """The class of machine this is; nothing that names it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    release = ".".join(platform.release().split(".")[:2])
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": (
            f"{len(os.sched_getaffinity(0))} cores, {memory / 2**30:.0f} GiB, {platform.machine()},"
            f" {platform.system()} {release}, {file_system(work)}"
        ),
        "load": f"{os.getloadavg()[0]:.1f} runnable processes when it began",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
    }


def file_system(path: Path) -> str:
    """The kind of file system that holds the path."""
    best, kind = "", "unknown file system"
    try:
        mounts = Path("/proc/mounts").read_text()
    except OSError:
        return kind
    for line in mounts.splitlines():
        _, mount_point, type_, *_ = line.split()
        if path.is_relative_to(mount_point) and len(mount_point) >= len(best):
            best, kind = mount_point, type_
    return kind
