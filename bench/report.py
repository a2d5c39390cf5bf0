"""The last results of each bench as Markdown, for ``docs/benchmarks.md``.

``python -m bench.report [--work DIR] [--write PAGE]`` prints it, or puts it into the page between
its two marks.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

from bench.servers import open_to_all
from bench.table import HEADINGS, Row

RESULTS = "results.jsonl"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def default_work() -> Path:
    """``bench/work``, unless nobody but root can go there: servers and some peers are not root."""
    here = Path(__file__).parent / "work"
    if os.geteuid() != 0 or open_to_all(here):
        return here
    return Path("/var/tmp/poparchive-bench")


def last_results(results: Path) -> tuple[dict[str, Any], list[Row]]:
    """The rows of each bench from the last run that it was part of, and the facts of these runs.

    Facts are the last run's; the command and the date are those of all runs that rows are from.
    """
    runs: list[dict[str, Any]] = []
    latest: dict[str, tuple[int, list[Row]]] = {}
    for line in results.read_text().splitlines():
        record = json.loads(line)
        kind = record.pop("kind")
        if kind == "run":
            runs.append(record)
            continue
        row = Row(**{**record, "walls_s": tuple(record["walls_s"])})
        number, rows = latest.get(row.bench, (0, []))
        if number != len(runs):
            rows = []
        rows.append(row)
        latest[row.bench] = (len(runs), rows)
    used = sorted({number - 1 for number, _ in latest.values()})
    facts = dict(runs[-1])
    for name in ("date", "load", "command"):
        facts[name] = "; ".join(dict.fromkeys(str(runs[number][name]) for number in used))
    return facts, [row for _, rows in latest.values() for row in rows]


def markdown(facts: dict[str, Any], rows: list[Row]) -> str:
    lines = [f"- {name}: {value}" for name, value in facts.items()]
    lines += ["", line_of(HEADINGS), line_of(["---"] * len(HEADINGS))]
    lines += [line_of(row.cells()) for row in rows]
    return "\n".join(lines) + "\n"


def line_of(cells: list[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.report", description=__doc__)
    parser.add_argument("--work", type=Path, default=default_work())
    parser.add_argument("--write", type=Path, metavar="PAGE")
    given = parser.parse_args()
    try:
        text = markdown(*last_results(given.work / RESULTS))
    except FileNotFoundError:
        raise SystemExit("there are no results yet: run python -m bench first") from None
    if not given.write:
        print(text, end="")
        return
    before, begin, rest = given.write.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{given.write} does not have the marks {BEGIN} and {END}")
    given.write.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")


if __name__ == "__main__":
    main()
