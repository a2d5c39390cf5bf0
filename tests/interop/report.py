"""Runs the whole interop matrix and writes its table into ``docs/servers.md``.

    python -m tests.interop.report

Every server has to be there (``tests/interop/install.sh``): a table with holes would claim too much.
Exits with 1 if something was not as it has to be; the table then says what.
"""

import sys
import tempfile
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from tests.interop.matrix import CASES, Outcome, hard_mails, live, refusals
from tests.interop.rules import RULES
from tests.support import tables
from tests.support.servers import KINDS, kind_missing, version

PAGE, MAKER = tables.DOCS / "servers.md", "tests.interop.report"
SAID_MAX = 200
"""What went wrong is told at this length; the tests tell it whole."""


def main() -> int:
    missing = [reason for reason in map(kind_missing, KINDS) if reason]
    if missing:
        sys.stderr.write("\n".join(["no table was written:", *missing]) + "\n")
        return 1
    outcomes: list[Outcome] = []
    refused: list[Outcome] = []
    for name, kind in KINDS.items():
        sys.stderr.write(f"{name} ...\n")
        with tempfile.TemporaryDirectory() as scratch:
            outcomes += live(name, Path(scratch))
        if not kind.twin:
            with tempfile.TemporaryDirectory() as scratch:
                refused += refusals(name, Path(scratch))
    tables.put(PAGE, MAKER, _text(outcomes, refused))
    wrong = [one for one in [*outcomes, *refused] if one.said]
    sys.stderr.write(f"{len(outcomes) + len(refused)} cases, {len(wrong)} not as they have to be\n")
    return 1 if wrong else 0


def _text(outcomes: Sequence[Outcome], refused: Sequence[Outcome]) -> str:
    lines = [
        tables.row("server", "TLS", "log-ins", *CASES),
        tables.row(*["---"] * (3 + len(CASES))),
    ]
    for name, of_kind in groupby(outcomes, key=lambda one: one.way.kind):
        cells: dict[tuple[str, str], dict[str, str]] = {}
        for one in of_kind:
            cells.setdefault((one.way.tls, one.way.auth), {})[one.case] = _cell(one)
        # Log-ins with the same outcomes share a row.
        rows: dict[tuple[str, ...], list[str]] = {}
        for (tls, auth), said in cells.items():
            rows.setdefault((tls, *(said[case] for case in CASES)), []).append(auth)
        for (tls, *said_of), auths in rows.items():
            lines.append(tables.row(name, tls, ", ".join(auths), *said_of))
    told = {
        name: "; ".join(f"{one.note}: {_cell(one, note=False)}" for one in of_kind)
        for name, of_kind in groupby(refused, key=lambda one: one.way.kind)
    }
    lines += ["", tables.row("server", "Debian's version", "messages", "refused log-in")]
    lines.append(tables.row(*["---"] * 4))
    mails = hard_mails()
    for name, kind in KINDS.items():
        held = sum(map(RULES[name].fits, mails))
        lines.append(tables.row(name, version(kind), f"{held} of {len(mails)}", told.get(name, "")))
    return "\n".join(lines)


def _cell(one: Outcome, *, note: bool = True) -> str:
    if one.said:
        return one.said[:SAID_MAX].replace("|", "\\|").replace("\n", " ")
    return f"ok ({one.note})" if note and one.note else "ok"


if __name__ == "__main__":
    sys.exit(main())
