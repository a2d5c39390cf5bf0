"""Saved searches: what is saved is read back, and nothing else is believed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poparchive.archive import searches
from poparchive.errors import UsageError
from poparchive.query import QuerySyntaxError, parse


def test_saved_listed_replaced_and_forgotten(tmp_path: Path) -> None:
    """A name has one query, the last one; without any there is no file."""
    assert searches.load(tmp_path) == {}
    searches.save(tmp_path, "paid", "invoice -reminder", now=0)
    searches.save(tmp_path, "Anna_2-b", 'from:"anna \\ w"', now=0)
    searches.save(tmp_path, "paid", "@Anna_2-b invoice", now=0)
    assert searches.load(tmp_path) == {"paid": "@Anna_2-b invoice", "Anna_2-b": 'from:"anna \\ w"'}
    searches.forget(tmp_path, "paid")
    assert list(searches.load(tmp_path)) == ["Anna_2-b"]
    with pytest.raises(UsageError, match="there are: Anna_2-b"):
        searches.forget(tmp_path, "paid")
    assert [path.name for path in tmp_path.iterdir()] == ["searches.toml"]
    assert (tmp_path / "searches.toml").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("name", "query", "error"),
    [
        ("a b", "x", "cannot name"),
        ("", "x", "cannot name"),
        ("a", " ", "no query"),
        ("a", "befor:2024", "nearest valid form: before:2024"),
        ("a", "x @a", "in a circle: @a -> @a"),
        ("a", "@none", "no search is saved as @none"),
        ("a", "\udcff", "not in the terminal's encoding"),
    ],
)
def test_what_means_nothing_is_not_saved(tmp_path: Path, name: str, query: str, error: str) -> None:
    """A wrong query, a circle, an unknown name: refused, and what was saved stays."""
    searches.save(tmp_path, "good", "word", now=0)
    before = (tmp_path / "searches.toml").read_bytes()
    with pytest.raises(UsageError, match=error.replace("(", r"\(")):
        searches.save(tmp_path, name, query if query != "\udcff" else "x\udcff", now=0)
    assert (tmp_path / "searches.toml").read_bytes() == before


@pytest.mark.parametrize("text", ["a = 1", "a = [", "[a]\nb = 'c'", '"a b" = "c"', "\xff"])
def test_a_file_that_was_edited_wrongly_is_named(tmp_path: Path, text: str) -> None:
    """The error says which file, and what to do."""
    (tmp_path / "searches.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=r"searches\.toml: .*Correct it"):
        searches.load(tmp_path)


def test_a_circle_in_an_edited_file_is_refused_when_it_is_used(tmp_path: Path) -> None:
    """Nothing runs for ever, and other searches work."""
    (tmp_path / "searches.toml").write_text('a = "@b"\nb = "@a"\nc = "word"\n')
    saved = searches.load(tmp_path)
    parse("@c", now=0, saved=lambda: saved)
    with pytest.raises(QuerySyntaxError, match="circle"):
        parse("@a", now=0, saved=lambda: saved)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_query_is_read_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    """Quotes, backslashes and control characters are written as TOML has them."""
    root = tmp_path_factory.mktemp("saved")
    query = "word " + text
    try:
        searches.save(root, "it", query, now=0)
    except QuerySyntaxError:
        return
    assert searches.load(root) == {"it": query}
