"""The words of the index, read from FTS5's own pages, are those that FTS5's table of them names."""

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poparchive.index import vocabulary
from poparchive.index.vocabulary import pages, words

_letters = st.text("aābй漢z0", min_size=1, max_size=4)
_words = _letters | st.builds(lambda text, n: text * n, _letters, st.sampled_from([40, 90]))
_documents = st.lists(st.lists(_words, max_size=30), min_size=1, max_size=30)


def index(documents: list[list[str]], page: int, merged: int) -> sqlite3.Connection:
    """An index whose segments are merged in steps of so many pages; 0: all in one, -1: not at all."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    run = connection.execute
    run("CREATE VIRTUAL TABLE mail USING fts5(body, content='', tokenize='unicode61')")
    run("INSERT INTO mail(mail, rank) VALUES ('pgsz', ?)", (page,))
    run("INSERT INTO mail(mail, rank) VALUES ('automerge', 0)")
    for key, document in enumerate(documents, 1):
        run("INSERT INTO mail(rowid, body) VALUES (?, ?)", (key, " ".join(document)))
    if merged == 0:
        run("INSERT INTO mail(mail) VALUES ('optimize')")
    elif merged > 0:
        # The first step of a merge of all, which leaves segments that have lost their first pages.
        run("INSERT INTO mail(mail, rank) VALUES ('merge', ?)", (-merged,))
    return connection


@settings(max_examples=150, deadline=None)
@given(
    documents=_documents,
    page=st.sampled_from([64, 200, 4050]),
    merged=st.sampled_from([-1, 0, 1, 3, 20]),
    limit=st.sampled_from([1, 3, 10_000]),
    data=st.data(),
)
def test_the_words_are_those_of_fts5s_vocabulary(
    documents: list[list[str]], page: int, merged: int, limit: int, data: st.DataObject
) -> None:
    """In every arrangement of segments and pages, from any beginning, in order, no more than asked for."""
    connection = index(documents, page, merged)
    there = [word for document in documents for word in document] or ["a"]
    word = data.draw(st.sampled_from(there))
    beginning = word[: data.draw(st.integers(0, len(word)))]
    connection.execute("CREATE VIRTUAL TABLE temp.v USING fts5vocab('main', 'mail', 'row')")
    rows = connection.execute("SELECT term FROM v ORDER BY term").fetchall()
    expected = [term for (term,) in rows if term.startswith(beginning)]
    with pytest.MonkeyPatch.context() as patch:
        # It is the pages that are read: else the table would be compared with itself.
        patch.setattr(vocabulary, "_asked", None)
        assert list(words(connection, beginning, limit)) == expected[:limit]
    if expected:
        assert pages(connection, beginning) > 0
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE mail_config SET v = 5 WHERE k = 'version'",
        "UPDATE mail_data SET block = x'00000001ff000001000000' WHERE id = 10",
        "UPDATE mail_data SET block = x'00000001' WHERE id = 10",
        "UPDATE mail_data SET block = x'0004' WHERE id > 10",
    ],
)
def test_a_format_that_is_not_known_is_left_to_fts5(
    statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later SQLite's index, or a damaged page, is not guessed at: FTS5 is asked, or says what is wrong."""
    connection = index([["anna", "and"], ["ant"]], 64, 0)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(statement)
    asked = []

    def instead(connection: sqlite3.Connection, beginning: str, limit: int) -> list[str]:
        asked.append(beginning)
        return ["asked"]

    monkeypatch.setattr(vocabulary, "_asked", instead)
    assert list(words(connection, "an", 10)) == ["asked"]
    assert asked == ["an"]
    assert pages(connection, "an") >= 0
    connection.close()


def test_fts5s_table_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked where the pages are not known finds the same words."""
    connection = index([["anna", "and", "b"], ["ant", "and"]], 64, -1)
    read = list(words(connection, "an", 10))
    monkeypatch.setattr(vocabulary, "_FORMAT", 0)
    assert list(words(connection, "an", 10)) == read == ["and", "anna", "ant"]
    assert list(words(connection, "an", 2)) == ["and", "anna"]
    assert pages(connection, "an") == 0
    connection.close()
