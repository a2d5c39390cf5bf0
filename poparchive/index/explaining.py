"""``--explain``: how a query was understood, and how it is run."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from poparchive.index.plan import Statement, described
from poparchive.query.explain import explain
from poparchive.query.printing import query
from poparchive.query.tree import Node

LONGEST = 1_000
"""So many characters of a line are shown, and how many more there are."""

Run = Callable[[str, tuple[object, ...]], list[tuple[object, ...]]]


class How(NamedTuple):
    """In which order a statement is read, the SQL where it is not that of the newest first, and how what is
    found is ranked."""

    order: str = "is read newest first from"
    sql: str = ""
    ranked: Sequence[str] = ()


_NEWEST = How()


def explained(tree: Node, statement: Statement, run: Run, how: How = _NEWEST) -> str:
    """Return it as text of several lines. ``run`` executes SQL; nothing is searched for."""
    lines = [_cut(f"query: {query(tree)}"), "", "finds messages:"]
    lines += map(_cut, _indented(explain(tree)))
    if statement.missing:
        lines += ["", f"not in the index yet, finds nothing: {', '.join(statement.missing)}"]
    lines += ["", f"{how.order}:", *map(_cut, _described(statement))]
    if how.ranked:
        lines += ["", "is ranked (--sort relevance):", *(_cut(f"  {line}") for line in how.ranked)]
    sql = how.sql or statement.newest()
    lines += ["", "SQL:", *_indented(sql)]
    values = statement.parameters
    lines += [_cut(f"  ?{n} = {_shown(value)}") for n, value in enumerate(values, 1)]
    # It prepares the statement and reads no row.
    steps = run(f"EXPLAIN QUERY PLAN {sql}", values)
    lines += ["", "steps of SQLite:", *(_cut(f"  {step[-1]}") for step in steps)]
    return "\n".join(lines)


def _described(statement: Statement) -> list[str]:
    return _indented("\n".join(described(statement)))


def _cut(line: str) -> str:
    """A beginning may be asked as thousands of words, and a word be of any length."""
    if len(line) <= LONGEST:
        return line
    return f"{line[:LONGEST]}… ({len(line) - LONGEST:,} characters more)"


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.split("\n")]


def _shown(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
