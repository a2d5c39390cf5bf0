"""Where the keys of a TOML text stand: found on the right line however the text is written."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poparchive.config.lines import key_lines, statements
from poparchive.config.load import toml_string

KEYS = st.text(alphabet="ab\"\\. #=[]'é\n", min_size=1, max_size=4) | st.sampled_from("abcdef")
TEXTS = st.text(alphabet="a\"'\\#\n[]{}=,. é\t\r", max_size=8)


@st.composite
def a_value(draw: st.DrawFn, depth: int = 2) -> str:
    """A TOML value of any kind, written in one of the ways TOML has."""
    kind = draw(st.integers(0, 9 if depth else 7))
    text = draw(TEXTS)
    if kind == 0:
        return str(draw(st.integers(-9, 99)))
    if kind == 1:
        return draw(st.sampled_from(["true", "1979-05-27 07:32:00Z", "1.5e3", "0xff", "-inf"]))
    if kind in {2, 3}:
        return toml_string(text)
    if kind == 4:
        return "'" + "".join(c for c in text if c not in "'\r\n") + "'"
    if kind == 5:
        safe = text.replace("\\", "\\\\").replace('"""', '""\\"').replace("\r", "\\r")
        return '"""' + safe.removesuffix('"') + '"""'
    if kind == 6:
        return (
            "'''"
            + text.replace("'", "").replace("\r", "")
            + draw(st.sampled_from(["", "'"]))
            + "'''"
        )
    if kind == 7:
        return '"""a\\\n   b"""'
    if kind == 8:
        items = draw(st.lists(a_value(depth - 1), max_size=3))
        gap = draw(st.sampled_from(["", " ", "\n", " # a ] comment\n "]))
        return "[" + gap + ("," + gap).join(items) + gap + "]"
    keys = draw(st.lists(KEYS, max_size=3, unique=True))
    return "{ " + ", ".join(f"{toml_string(k)} = {draw(a_value(depth - 1))}" for k in keys) + " }"


@st.composite
def a_document(draw: st.DrawFn) -> tuple[str, dict[tuple[str, ...], int]]:
    """A TOML text, and the line of every key outside inline tables."""
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    pieces: list[str] = []
    lines: dict[tuple[str, ...], int] = {}

    def add(text: str, key: tuple[str, ...] | None = None) -> None:
        if key is not None:
            lines[key] = "".join(pieces).count("\n") + 1
        end = draw(st.sampled_from(["", "  ", " # x = 'y"]))
        pieces.append(text.replace("\r\n", "\n").replace("\n", newline) + end + newline)

    tables = draw(st.lists(KEYS, max_size=3, unique=True))
    for table in [None, *tables]:
        place: tuple[str, ...] = ()
        for _ in range(draw(st.integers(0, 1))):
            add(draw(st.sampled_from(["", "# [not] = a table", "   "])))
        if table is not None:
            # In a table of their own, so that they do not meet the keys at the top.
            place = ("t", table)
            add(f"[t . {toml_string(table)}]", place)
        for key in draw(st.lists(KEYS.filter(lambda k: k != "t"), max_size=3, unique=True)):
            space = draw(st.sampled_from(["", " "]))
            add(f"{space}{toml_string(key)}{space}= {draw(a_value())}", (*place, key))
    return "".join(pieces), lines


@settings(max_examples=150)
@given(a_document())
def test_lines_of_keys(made: tuple[str, dict[tuple[str, ...], int]]) -> None:
    """Every key is found on its line, however values around it are written."""
    text, lines = made
    tree = tomllib.loads(text)
    found = key_lines(text)
    assert {key: found.get(key) for key in lines} == lines
    # And nothing is taken for a key that is none.
    for key in found:
        node: object = tree
        for part in key:
            while isinstance(node, list):
                node = next(each for each in node if isinstance(each, dict) and part in each)
            assert isinstance(node, dict)
            node = node.get(part, {})
    for statement in statements(text):
        assert (
            text[statement.start : statement.end] == text[statement.start : statement.end].strip()
        )


def test_lines_of_dotted_and_inline_keys() -> None:
    """Dotted keys, inline tables and arrays of tables are found part by part."""
    text = 'a.b."c d" = 1\n\nx = { y = 1, z.w = [\n  { q = 2 } ] }\n[[m]]\nn = 1\n[[m]]\nn = 2\n'
    assert key_lines(text) == {
        ("a",): 1,
        ("a", "b"): 1,
        ("a", "b", "c d"): 1,
        ("x",): 3,
        ("x", "y"): 3,
        ("x", "z"): 3,
        ("x", "z", "w"): 3,
        ("x", "z", "w", "q"): 4,
        ("m",): 5,
        ("m", "n"): 6,
    }


@settings(max_examples=100)
@given(st.text(max_size=30))
def test_toml_strings(text: str) -> None:
    """A text written as TOML reads back equal; what UTF-8 cannot carry, TOML cannot either."""
    written = toml_string(text)
    if any("\ud800" <= c <= "\udfff" for c in text):
        with pytest.raises(tomllib.TOMLDecodeError):
            tomllib.loads(f"k = {written}")
    else:
        assert tomllib.loads(f"k = {written}")["k"] == text
    assert written.isprintable()
