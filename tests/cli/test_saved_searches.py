"""``search --save``, ``--saved``, ``--forget`` and ``@name``, as users meet them."""

from pathlib import Path

import pytest

from poparchive.archive import searches
from tests.support.archives import fill
from tests.support.product import Product, product

MAILS = [f"From: {who}@example.com\r\nSubject: {what}\r\n\r\n{what}\r\n".encode() for who, what in
         (("anna", "invoice"), ("anna", "paper"), ("bob", "invoice"))]  # fmt: skip


@pytest.fixture
def here(tmp_path: Path) -> Product:
    made = product(tmp_path, {"anna": {"host": "pop.example.com"}})
    fill(made.archive, MAILS)
    return made


def test_a_search_is_saved_used_listed_and_forgotten(here: Product) -> None:
    """Wherever a query is taken the name stands for it."""
    assert b"@annas" in here.run("search", "--save", "annas", "from:anna").stderr
    here.run("search", "--save", "bills", "@annas", "invoice")
    assert here.run("search", "--saved").stdout == b"@annas\tfrom:anna\n@bills\t@annas invoice\n"
    assert here.run("search", "--count", "@bills").stdout == b"1\n"
    assert here.run("search", "--count", "invoice", "-@annas").stdout == b"1\n"
    assert len(here.json("search", "@annas")) == 2
    assert here.run("export", "@annas").stdout.count(b"From: anna") == 2
    assert b'"anna" in From' in here.run("search", "--explain", "@bills").stdout
    here.run("search", "--forget", "bills")
    assert list(searches.load(here.archive)) == ["annas"]


def test_mistakes_are_explained(here: Product) -> None:
    """Exit code 2, the place, and what would do."""
    here.run("search", "--save", "annas", "from:anna")
    said = here.run("search", "@anas", code=2).stderr.decode()
    assert "nearest valid form: @annas" in said
    assert "@annas" in here.run("export", "@anas", code=2).stderr.decode()
    assert (
        "nearest valid form: from:anna" in here.run("search", "form:anna", code=2).stderr.decode()
    )
    assert "circle" in here.run("search", "--save", "annas", "@annas", code=2).stderr.decode()
    assert "there are: annas" in here.run("search", "--forget", "x", code=2).stderr.decode()
    assert searches.load(here.archive) == {"annas": "from:anna"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--save", "x", "--forget", "y", "word"),
        ("--explain", "--json", "word"),
        ("--limit", "99999999999999999999", "word"),
        ("--offset", "99999999999999999999", "word"),
    ],
)
def test_options_that_mean_nothing_are_refused(here: Product, arguments: tuple[str, ...]) -> None:
    """Exit code 2 and a word that names the option; nothing is done by halves."""
    said = here.run("search", *arguments, code=2).stderr.decode()
    assert arguments[0] in said
    assert "bug" not in said
    assert searches.load(here.archive) == {}


def test_nothing_of_a_query_reaches_the_terminal_raw(here: Product) -> None:
    """A file that somebody else edited shows no escape sequences."""
    (here.archive / "searches.toml").write_text('a = "x \\u001b[31m (y"\n')
    assert b"\x1b" not in here.run("search", "--saved").stdout
    done = here.run("search", "@a", code=2)
    assert b"\x1b" not in done.stderr
    assert b'a ")" is missing' in done.stderr


def test_what_a_dash_begins_is_left_out(here: Product) -> None:
    """Whatever follows the dash, if it is no option of one letter."""
    fill(here.archive, ["Subject: 語\r\n\r\n語\r\n".encode()])
    assert here.run("search", "--count", "-語").stdout == b"3\n"
    assert here.run("search", "--count", "-invoice").stdout == b"2\n"
    assert "expected here" in here.run("search", "-(", code=2).stderr.decode()


def test_what_no_message_has_is_noted(here: Product) -> None:
    """On standard error; the search goes on."""
    ran = here.run("search", "--count", "invoice", "-filetype:xyz")
    assert ran.stdout == b"2\n"
    assert b"no message has filetype:xyz" in ran.stderr
    assert 'there are "anna"' in here.run("search", "account:bob", code=2).stderr.decode()
