"""Whose position a catalog has: nothing is cut, made or claimed by one that the journal does not prove."""

from pathlib import Path

import pytest

from poparchive.archive.position import unapplied
from poparchive.archive.rebuild import rebuild
from poparchive.archive.status import status
from poparchive.archive.writer import Writer
from poparchive.store import journal, layout
from poparchive.store.errors import DamageError
from tests.support.archives import damages, fill
from tests.support.damage import mails


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "archive"
    fill(path, mails(0, 3))
    return path


def change_last_entry(root: Path) -> None:
    """Change an octet of its records; the hash behind them stays."""
    there = layout.open_layout(root)
    *_, last = journal.read(there)
    path = there.journal(last.after.file)
    octets = bytearray(path.read_bytes())
    octets[last.after.offset - 33] ^= 1
    path.write_bytes(octets)


def test_a_last_entry_that_changed_is_told(root: Path) -> None:
    """It has the hash that the catalog knows written behind it, and is not what it was."""
    there = layout.open_layout(root)
    assert unapplied(there) == 0
    change_last_entry(root)
    with pytest.raises(DamageError, match="does not have the hash written with it"):
        unapplied(there)
    (problem,) = status(root).problems
    assert "ends an entry that is damaged" in problem
    assert damages(root)


def test_no_catalog_is_made_without_it(root: Path) -> None:
    """A rebuild would take it for one that was never acknowledged; the catalog has applied it."""
    change_last_entry(root)
    before = (root / "catalog.sqlite").read_bytes()
    with pytest.raises(DamageError, match="It stays"):
        rebuild(layout.open_layout(root))
    assert (root / "catalog.sqlite").read_bytes() == before


def test_nothing_is_cut_by_a_catalog_that_is_not_proved(root: Path) -> None:
    """Neither of the pack, which is as long as the catalog says, nor of the journal."""
    pack = layout.open_layout(root).pack(1)
    with pack.open("ab") as handle:
        handle.write(b"what a pull that was cut has left")
    change_last_entry(root)
    paths = [path for path in root.rglob("*") if path.suffix in (".pack", ".journal")]
    before = {path: path.read_bytes() for path in paths}
    with pytest.raises(DamageError, match="nothing was written"):
        Writer(root)
    assert {path: path.read_bytes() for path in paths} == before
