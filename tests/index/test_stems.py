"""Forms of a word: those that the index has, by the stemmers of the languages that are meant."""

import sqlite3
from collections.abc import Iterator

import pytest

from poparchive.index import stems
from poparchive.index.fold import fold

snowball = pytest.importorskip("snowballstemmer", reason="knows the forms of words")

WORDS = (
    "invoice invoices invoiced invoicing invoke involve copy copies copied cop faktura faktury fakturze"
    " initial initializations fakturą facture factures Rechnung Rechnungen żółw żółwie 日本語 x1 the"
)


def make(marks: tuple[str, ...] = ()) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    options = "content='', tokenize='unicode61 remove_diacritics 2'"
    connection.execute(f"CREATE VIRTUAL TABLE mail USING fts5(body, flags, {options})")
    connection.execute("INSERT INTO mail(rowid, body) VALUES (1, ?)", (fold(WORDS),))
    for key, mark in enumerate(marks, 2):
        flag = f"\ue000lang{mark}"
        connection.execute("INSERT INTO mail(rowid, flags) VALUES (?, ?)", (key, flag))
    # What a transaction under way has written is in no page yet; a search reads what is committed.
    connection.commit()
    return connection


@pytest.fixture
def index() -> Iterator[sqlite3.Connection]:
    connection = make()
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("word", "language", "forms"),
    [
        ("invoices", "en", "invoice invoiced invoices invoicing"),
        ("initial", "en", "initial initializations"),
        ("Copy", "en", "copied copies copy"),
        ("Rechnungen", "de", "rechnung rechnungen"),
        ("facture", "fr", "facture factures"),
        ("unknowns", "en", "unknowns"),
        ("faktura", "xx", "faktura"),
        ("日本語", "en", ""),
        ("x1", "en", "x1"),
    ],
)
def test_forms_of_a_language(
    index: sqlite3.Connection, word: str, language: str, forms: str
) -> None:
    """What has the same stem and is in the index, and the word itself; nothing for what has no stem."""
    assert " ".join(stems.forms(index, word, (language,))) == forms


def test_polish_forms_without_accents(index: sqlite3.Connection) -> None:
    """The index has no accents; forms are found all the same."""
    if "polish" not in snowball.algorithms():
        pytest.skip("this version of snowballstemmer has no Polish")
    assert {"faktura", "faktury"} <= set(stems.forms(index, "fakturą", ("pl",)))


def test_without_a_language_it_is_the_archives() -> None:
    """The three of most of its mail, else English."""
    english = make()
    assert "invoiced" in stems.forms(english, "invoice")
    english.close()
    mixed = make(("fr", "fr", "fr", "de", "de", "en", "en", "it"))
    assert "factures" in stems.forms(mixed, "facture")
    assert "invoiced" in stems.forms(mixed, "invoice")
    mixed.close()
    french = make(("fr", "de", "it", "xx", "ja"))
    assert "invoiced" not in stems.forms(french, "invoice")
    french.close()


def test_few_words_of_a_large_vocabulary_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short stem ends after a bounded number of words."""
    monkeypatch.setattr(stems, "VOCABULARY", 3)
    connection = make()
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    stems.forms(connection, "invoices", ("en",))
    assert len([one for one in asked if "temp.vocabulary WHERE" in one]) <= 3
    connection.close()
