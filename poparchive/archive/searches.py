"""Saved searches: queries with a name, in ``searches.toml`` of the archive.

A small file that people may edit, one ``name = "query"`` a line. It is written whole and durably. Reading it
needs the standard library only, for a search does so.
"""

import re
from pathlib import Path

from poparchive.errors import UsageError, quoted

FILE = "searches.toml"

_HEAD = '# Saved searches: name = "query". `poparchive search @name` runs one.\n'
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def load(root: Path) -> dict[str, str]:
    """Return the saved queries by name; none if there is no file. Raises ``UsageError``."""
    # Here, because most searches name none.
    import tomllib

    path = root / FILE
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path}: cannot be read: {error}. Correct it, or take it away."
        ) from error
    for name, query in table.items():
        if not isinstance(query, str) or not _NAME.fullmatch(name):
            raise UsageError(
                f"{path}: {name!a} is no saved search: a name of letters, digits, - and _, and a query"
                " in quotes were expected. Correct it, or take it out."
            )
    return table


def save(root: Path, name: str, query: str, *, now: int) -> None:
    """Keep a query under a name, in the place of one that had it.

    Refuses one that means nothing, be it only because it names itself. Raises ``UsageError``.
    """
    from poparchive.query import parse

    if not _NAME.fullmatch(name):
        raise UsageError(f"{quoted(name)!a} cannot name a search: letters, digits, - and _ can")
    if not query.strip():
        raise UsageError("there is no query to save: --save NAME QUERY")
    searches = load(root) | {name: query}
    parse(f"@{name}", now=now, saved=lambda: searches)
    _write(root, searches)


def forget(root: Path, name: str) -> None:
    """Remove a saved search. Raises ``UsageError`` if there is none of that name."""
    searches = load(root)
    if name not in searches:
        known = ", ".join(sorted(searches)) or "none"
        raise UsageError(f"no search is saved as {quoted(name)!a}; there are: {known}")
    del searches[name]
    _write(root, searches)


def _write(root: Path, searches: dict[str, str]) -> None:
    from poparchive.store.fsio import write_durably

    lines = [f"{name} = {_quoted(query)}\n" for name, query in sorted(searches.items())]
    try:
        octets = (_HEAD + "".join(lines)).encode()
    except UnicodeEncodeError as error:
        raise UsageError("the query is not in the terminal's encoding; it was not saved") from error
    write_durably(root / FILE, octets)


def _quoted(text: str) -> str:
    """Return a basic string of TOML."""
    return '"' + "".join(_character(c) for c in text) + '"'


def _character(c: str) -> str:
    if c in '"\\':
        return "\\" + c
    return c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}"
