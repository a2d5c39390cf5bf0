"""The usual command lines of ``search``, read without typer.

Typer takes longer to import and to build a command than a search takes to run, so what is asked most is read
here. Only lines that cannot be misunderstood are: an option in full, with a value that is right. All else,
such as ``--help``, a mistake and its message, is left to typer. A test has both read the same lines.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from poparchive.cli.paths import Settings

COMMAND = "search"
MOST = 1_000_000_000
"""More than an archive holds, and far from what SQLite can count."""

FLAGS = {
    "--count": "count",
    "--json": "as_json",
    "--ids": "ids",
    "--all-copies": "all_copies",
    "--explain": "explain",
    "--saved": "saved",
}
TEXTS = {"--sort": "sort", "--facets": "facets", "--save": "save", "--forget": "forget"}
NUMBERS = {"--limit": ("limit", 1), "--offset": ("offset", 0)}
"""With the least that each may be; the most is ``MOST``."""

PLACES = {"--config": "config_file", "--archive": "archive"}
"""Options before the command."""

_COMPLETING = "_POPARCHIVE_COMPLETE"
"""Set by a shell that wants to know how a line may go on."""


class Search(NamedTuple):
    """A search as it was asked for; ``options`` are those of ``find`` that were given."""

    settings: Settings
    query: list[str]
    options: dict[str, Any]


def read(arguments: Sequence[str]) -> Search | None:
    """Return the search that a command line asks for; None where typer has to read it."""
    if COMMAND not in arguments or _COMPLETING in os.environ:
        return None
    words = iter(arguments)
    places: dict[str, Path] = {}
    for word in words:
        if word == COMMAND:
            break
        name, value = _option(word, words)
        if name not in PLACES or value is None:
            return None
        places[PLACES[name]] = Path(value)
    query: list[str] = []
    options: dict[str, Any] = {}
    for word in words:
        if not word.startswith("-"):
            query.append(word)
        elif word in FLAGS:
            options[FLAGS[word]] = True
        elif not _valued(options, *_option(word, words)):
            return None
    return Search(Settings(**places), query, options)  # type: ignore[arg-type]


def _option(word: str, words: Iterator[str]) -> tuple[str, str | None]:
    """Return an option and its value, which is in the same word or the next one; None for what looks like an
    option in its place."""
    name, equals, value = word.partition("=")
    found = value if equals else next(words, None)
    return name, None if found is None or found.startswith("-") else found


def _valued(options: dict[str, Any], name: str, value: str | None) -> bool:
    """Note an option with its value, if it is known and right."""
    if value is None:
        return False
    if name in TEXTS:
        options[TEXTS[name]] = value
        return True
    if name not in NUMBERS or not (value.isascii() and value.isdigit() and len(value) < 12):
        return False
    key, least = NUMBERS[name]
    number = options[key] = int(value)
    return least <= number <= MOST
