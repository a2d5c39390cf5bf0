"""People find what they wrote, in the way they type it: twenty queries for each language.

The table is ``languages/queries.txt``; its head says how to read it. All goes through the index as it is:
documents are added by its writer, and queries are folded as the planner folds them.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from poparchive.index.fold import fold_query
from poparchive.index.fulltext import Document, FulltextWriter, Mark
from poparchive.mime.commonwords import WORDS
from poparchive.mime.language import language

TABLE = Path(__file__).parent / "languages" / "queries.txt"
PAGE = Path(__file__).parents[2] / "docs" / "languages.md"


class Language(NamedTuple):
    code: str
    name: str
    text: str
    found: list[str]
    not_found: list[str]


def table() -> list[Language]:
    languages: list[Language] = []
    for block in TABLE.read_text(encoding="utf-8").split("\n== ")[1:]:
        head, text, found, not_found = block.strip().split("\n")
        code, name = head.split(" ", 1)
        assert (text[:2], found[:2], not_found[:2]) == ("> ", "+ ", "- ")
        queries = found[2:].split(" | "), not_found[2:].split(" | ")
        languages.append(Language(code, name, text[2:], *queries))
    return languages


LANGUAGES = table()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """All texts as messages of one index, by their place in the table from 1."""
    path = tmp_path_factory.mktemp("languages") / "search.sqlite"
    with contextlib.closing(FulltextWriter.open(path)) as writer:
        documents = [Document(id=n, body=one.text) for n, one in enumerate(LANGUAGES, 1)]
        writer.add(documents, Mark(1, None))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        yield connection


def match(query: str) -> str:
    """What FTS5 is asked for a word or a phrase."""
    folded = fold_query(query).strip()
    star = "*" if folded.endswith("*") else ""
    quoted = folded.removesuffix("*").replace('"', '""')
    return f'"{quoted}"{star}'


def finds(index: sqlite3.Connection, query: str) -> set[int]:
    expression = " OR ".join(match(one) for one in query.split(" OR "))
    return {
        key for (key,) in index.execute("SELECT rowid FROM mail WHERE mail MATCH ?", (expression,))
    }


def test_the_table_is_large_enough() -> None:
    """Twenty queries for each of at least twenty languages, some of which must find nothing."""
    assert len({one.code for one in LANGUAGES}) == len(LANGUAGES) >= 20
    for one in LANGUAGES:
        assert len(one.found) + len(one.not_found) >= 20, one.name
        assert len(one.not_found) >= 5, one.name


@pytest.mark.parametrize(
    "number", range(1, len(LANGUAGES) + 1), ids=[one.code for one in LANGUAGES]
)
def test_speakers_find_what_they_look_for(index: sqlite3.Connection, number: int) -> None:
    """Each query of a language finds its text, or does not."""
    one = LANGUAGES[number - 1]
    missed = [query for query in one.found if number not in finds(index, query)]
    surplus = [query for query in one.not_found if number in finds(index, query)]
    assert (missed, surplus) == ([], [])


def test_languages_are_told_apart() -> None:
    """The texts of the table, of a line each, are in their language or in none; in most it is known."""
    told = {one.code: language(one.text) for one in LANGUAGES}
    assert {code: guess for code, guess in told.items() if guess not in (code, "")} == {}
    assert sum(map(bool, told.values())) >= len(told) * 0.7


def test_the_page_has_every_language() -> None:
    """docs/languages.md names each language of the table and each that messages are marked with."""
    page = PAGE.read_text(encoding="utf-8")
    for one in LANGUAGES:
        assert f"| {one.name} |" in page, one.name
    for code in WORDS:
        assert f"`{code}`" in page, code
