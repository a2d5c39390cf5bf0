"""The archive's description, read with and without a parser of TOML."""

from pathlib import Path

import pytest

from poparchive.store.errors import FormatError
from poparchive.store.format import check_format
from poparchive.store.layout import create, open_layout


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """As it was made, and as somebody may have edited it."""
    made = create(tmp_path / "a")
    path = tmp_path / "a" / "archive.toml"
    assert open_layout(made.root) == made
    text = path.read_text()
    for edited in (text.replace(" = ", "="), f"{text}# a note\n", text.replace("Z\n", "+00:00\n")):
        assert edited != text
        path.write_text(edited)
        assert open_layout(made.root) == made


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("format = 1", "format = 2"),
        ("format = 1", "format = one"),
        ('id = "', 'id = "0'),
        ("-", "x"),
        ("T", "T9"),
        ("created = 2", "created = 2026-13-01T00:00:00Z #"),
    ],
)
def test_what_is_not_right_is_refused(tmp_path: Path, before: str, after: str) -> None:
    """A newer format, or values that are none: the error names the file."""
    made = create(tmp_path / "a")
    path = tmp_path / "a" / "archive.toml"
    path.write_text(path.read_text().replace(before, after))
    with pytest.raises(FormatError, match=str(tmp_path)):
        open_layout(made.root)


def test_the_look_at_the_format_gives_the_id(tmp_path: Path) -> None:
    """As it is written; where it stands otherwise, or is none, there is none to compare with."""
    there = create(tmp_path / "archive")
    path = there.root / "archive.toml"
    text = path.read_text()
    assert check_format(there.root) == there.id
    at = text.index('id = "') + 6
    for other in (text[:at] + "x" + text[at + 1 :], text[:at] + text[at + 1 :], "format = 1\n"):
        path.write_text(other)
        assert check_format(there.root) is None


def test_a_pack_that_goes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An optimize that runs beside removes packs; what is counted then is what is left."""
    made = create(tmp_path / "a")
    (made.root / "journal" / "00000001.journal").write_bytes(b"123")
    monkeypatch.setattr(type(made), "packs", lambda _: [5])
    assert made.stored_bytes() == 3
