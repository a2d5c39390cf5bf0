"""Files under odd names, as copies and syncing programs leave them, are none of the archive's."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from poparchive.archive.verify import Counts, verify
from poparchive.store import layout
from tests.support.archives import damages, fill, octets_of
from tests.support.damage import mails


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "archive"
    fill(path, mails(0, 3))
    return path


ODD = [
    "journal/00000001.bak.journal",
    "journal/1.journal",
    "journal/000000001.journal",
    "packs/01/00000001.sync-conflict.pack",
    "packs/01/1.pack",
    "packs/01/²1.pack",
    "packs/01/٠٠٠٠٠٠٠١.pack",
    "packs/02/00000001.pack",
    "packs/00000001.pack",
    "packs/ff/4294967295.pack",
    "packs/00/4294967296.pack",
    "packs/01/1.parity",
]


@pytest.mark.parametrize("name", ODD)
def test_odd_names_stop_nothing(root: Path, name: str) -> None:
    """They are noted, stay, and no pull or repair takes them for its own."""
    there = layout.open_layout(root)
    copy = root / name
    copy.parent.mkdir(exist_ok=True)
    shutil.copy(there.journal(1) if name.startswith("journal") else there.pack(1), copy)
    assert (there.packs(), there.journals(), there.parities()) == ([1], [1], [])
    counts = Counts()
    assert list(verify(root, counts, lambda *_: None)) == []
    (note,) = [one for one in counts.notes if str(copy) in one]
    assert "has not the name of a file of the archive" in note
    fill(root, mails(3, 6))
    assert damages(root) == []
    assert len(octets_of(root)) == 6
    assert copy.exists()


def copied(root: Path) -> None:
    there = layout.open_layout(root)
    shutil.copy(there.journal(1), there.journal(2))


def of_another(root: Path) -> None:
    there = layout.open_layout(root)
    other = root.with_name("other")
    fill(other, mails(0, 1))
    shutil.copy(layout.open_layout(other).journal(1), there.journal(2))


@pytest.mark.parametrize(
    ("put", "what"), [(copied, "is journal file 1"), (of_another, "belongs to another archive")]
)
def test_a_journal_file_that_is_another(root: Path, put: Callable[[Path], None], what: str) -> None:
    """It is named, with what to do."""
    put(root)
    (found, *_) = damages(root)
    assert found.what.startswith(f"{layout.open_layout(root).journal(2)}: {what}")
    assert "may be moved aside" in found.what
