"""A catalog that is behind the journal, and files that are gone, are told of."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from poparchive.archive import scrub
from poparchive.archive.position import unapplied
from poparchive.archive.repair import Needs, Repair
from poparchive.archive.status import status
from poparchive.archive.verify import Counts, Damage, Kind, Share, verify
from poparchive.archive.writer import Writer
from poparchive.store import layout
from poparchive.store.fsio import Lock
from tests.support.archives import damages, fill, octets_of
from tests.support.damage import mails


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An archive of three pulls, of which an old catalog knows the first."""
    path = tmp_path / "archive"
    fill(path, mails(0, 3))
    shutil.copy(path / "catalog.sqlite", tmp_path / "old.sqlite")
    fill(path, mails(3, 6))
    fill(path, mails(6, 9))
    return path


def put_back(root: Path) -> None:
    shutil.copy(root.parent / "old.sqlite", root / "catalog.sqlite")


def empty(root: Path) -> None:
    """A catalog that has applied nothing, as a first start that was cut leaves it."""
    other = root.with_name("other")
    layout.create(other)
    with Writer(other):
        pass
    shutil.copy(other / "catalog.sqlite", root / "catalog.sqlite")


@pytest.mark.parametrize(("old", "entries"), [(put_back, 2), (empty, 3)])
def test_verify_tells(root: Path, old: Callable[[Path], None], entries: int) -> None:
    """Also where it has come to the beginning; once the next start has brought it up nothing remembers."""
    old(root)
    (found,) = damages(root)
    assert found.kind is Kind.CATALOG
    assert f"is {entries} entries behind the journal" in found.what
    (found,) = verify(root, Counts(), lambda *_: None, Share(percent=50))
    assert found.behind
    with Writer(root):
        pass
    assert damages(root) == []
    assert scrub.read(root).damages == []


def test_rows_before_the_first_entry_are_compared(root: Path) -> None:
    with closing(sqlite3.connect(root / "catalog.sqlite")) as catalog, catalog:
        catalog.execute("DELETE FROM state WHERE key = 'position'")
    found = [one for one in damages(root) if not one.behind]
    assert found
    assert {one.kind for one in found} == {Kind.CATALOG}


def test_a_writer_that_is_at_work_brings_it_up(root: Path) -> None:
    """Nothing false is said beside it."""
    put_back(root)
    with Lock(layout.open_layout(root).lock):
        assert damages(root) == []
        assert unapplied(layout.open_layout(root)) == 0
        assert status(root).problems == ()
        (found,) = verify(root, Counts(), lambda *_: None, held=True)
        assert found.behind


def test_what_was_brought_up_meanwhile_is_not_told(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer has ended while the journal was read: the catalog is asked again."""
    newest = root.with_name("newest.sqlite")
    shutil.copy(root / "catalog.sqlite", newest)
    put_back(root)

    def ended(_: Path) -> bool:
        newest.replace(root / "catalog.sqlite")
        return False

    monkeypatch.setattr("poparchive.archive.position.is_locked", ended)
    assert unapplied(layout.open_layout(root)) == 0


def mended(root: Path) -> list[Damage]:
    needs = Needs()
    for damage in damages(root):
        needs.add(damage)
    there = layout.open_layout(root)
    with Lock(there.lock) as lock:
        Repair(there, lock, None, None, lambda _: None).run(needs)
        return list(verify(root, Counts(), lambda *_: None, held=True))


@pytest.mark.parametrize("old", [put_back, empty])
def test_a_repair_brings_it_up(root: Path, old: Callable[[Path], None]) -> None:
    old(root)
    assert mended(root) == []
    assert sorted(octets_of(root)) == sorted(mails(0, 9))


def test_damage_that_it_does_not_know_is_not_called_needless(root: Path) -> None:
    """Which messages need bad octets nobody knows then."""
    pack = layout.open_layout(root).pack(1)
    octets = bytearray(pack.read_bytes())
    octets[-20] ^= 1
    pack.write_bytes(octets)
    put_back(root)
    (bad,) = [one for one in damages(root) if one.kind is Kind.PACK]
    assert "the catalog lacks the messages that may need it" in bad.what


def test_status_counts_what_it_lacks(root: Path) -> None:
    put_back(root)
    found = status(root)
    assert found.behind == 2
    assert "2 entries behind the journal" in found.problems[0]


def remove_pack(root: Path) -> Path:
    path = layout.open_layout(root).pack(1)
    path.unlink()
    return path


def cut_pack(root: Path) -> Path:
    path = layout.open_layout(root).pack(1)
    os.truncate(path, 100)
    return path


def remove_journal(root: Path) -> Path:
    path = layout.open_layout(root).journal(1)
    shutil.rmtree(path.parent)
    return path


def cut_journal(root: Path) -> Path:
    path = layout.open_layout(root).journal(1)
    os.truncate(path, 300)
    return path


@pytest.mark.parametrize("lose", [remove_pack, cut_pack, remove_journal, cut_journal])
def test_status_looks_whether_files_are_there(root: Path, lose: Callable[[Path], Path]) -> None:
    assert status(root).problems == ()
    path = lose(root)
    (problem,) = status(root).problems
    assert str(path) in problem
    assert "`poparchive verify` says more" in problem


def test_a_position_that_is_none(root: Path) -> None:
    """What stands there instead of one is a problem of the catalog."""
    with closing(sqlite3.connect(root / "catalog.sqlite")) as catalog, catalog:
        catalog.execute("UPDATE state SET value = '{}' WHERE key = 'position'")
    (problem,) = status(root).problems
    assert "does not say how far it has come" in problem
