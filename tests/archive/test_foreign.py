"""A catalog that is another archive's is told as that, and nobody goes by it."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from poparchive.archive.opening import caring
from poparchive.archive.rebuild import rebuild
from poparchive.archive.verify import Kind
from poparchive.archive.writer import Writer
from poparchive.index.lookup import ForeignCatalogError
from poparchive.store import layout
from poparchive.store.errors import DamageError
from tests.support.archives import damages, fill, octets_of, rows
from tests.support.damage import mails
from tests.support.product import Product, product

OURS, THEIRS = mails(0, 5), mails(10, 19)


@pytest.fixture
def made(tmp_path: Path) -> Product:
    """An archive, and another beside it that has more mail."""
    here = product(tmp_path, {})
    fill(here.archive, OURS)
    fill(tmp_path / "other", THEIRS[:4])
    fill(tmp_path / "other", THEIRS[4:])
    return here


def exchange(root: Path) -> Path:
    """Put the other archive's catalog under this one's name; return it."""
    path = root / "catalog.sqlite"
    shutil.copy(root.with_name("other") / "catalog.sqlite", path)
    return path


def owner(path: Path) -> list[object]:
    with closing(sqlite3.connect(path)) as catalog:
        return [row[0] for row in catalog.execute("SELECT value FROM state WHERE key = 'archive'")]


def forget(path: Path) -> None:
    """Make it one of a version that did not write whose it is."""
    with closing(sqlite3.connect(path)) as catalog, catalog:
        catalog.execute("DELETE FROM state WHERE key = 'archive'")


def test_every_command_refuses_it(made: Product) -> None:
    """By the file's name and with what to do, which works; the journal is not to blame."""
    path = exchange(made.archive)
    before = path.read_bytes()
    for command in (
        ["status"],
        ["search", "zebra"],
        ["export", str(made.directory / "mails")],
        ["show", "deadbeef"],
        ["thread", "deadbeef"],
        ["rebuild", "--search-only"],
        ["optimize"],
    ):
        said = made.said(*command, code=1)
        assert f"{path}: is the catalog of another archive" in said.replace("\n", " "), command
        assert "`poparchive rebuild`" in said
    with pytest.raises(ForeignCatalogError):
        Writer(made.archive)
    (row,) = made.json("verify", code=1)
    assert row["kind"] == "catalog"
    assert f"{path}: is the catalog of another archive" in str(row["damage"])
    assert path.read_bytes() == before
    made.said("rebuild", code=0)
    assert damages(made.archive) == []
    assert sorted(octets_of(made.archive)) == sorted(OURS)
    fill(made.archive, THEIRS)
    assert damages(made.archive) == []


def test_a_repair_makes_it_anew(made: Product) -> None:
    exchange(made.archive)
    made.said("verify", "--repair", code=0)
    assert damages(made.archive) == []
    assert sorted(octets_of(made.archive)) == sorted(OURS)


def test_a_repair_does_without_that_of_the_second_copy(made: Product, tmp_path: Path) -> None:
    """Which has no catalog of use then: its packs are looked through."""
    fill(tmp_path / "twin", OURS)
    exchange(tmp_path / "twin")
    pack = layout.open_layout(made.archive).pack(1)
    octets = bytearray(pack.read_bytes())
    octets[-20] ^= 1
    pack.write_bytes(octets)
    said = made.said("verify", "--repair", "--from", str(tmp_path / "twin"), code=0)
    assert "no catalog of use there; its packs are looked through" in said
    assert sorted(octets_of(made.archive)) == sorted(OURS)


def test_it_is_told_of_an_empty_archive_too(made: Product, tmp_path: Path) -> None:
    root = tmp_path / "empty"
    layout.create(root)
    shutil.copy(tmp_path / "other" / "catalog.sqlite", root / "catalog.sqlite")
    assert Kind.CATALOG in {one.kind for one in damages(root)}
    rebuild(layout.open_layout(root))
    assert damages(root) == []


def test_whose_it_is_stands_in_it_from_the_first_entry(made: Product) -> None:
    path = made.archive / "catalog.sqlite"
    assert owner(path) == [layout.open_layout(made.archive).id.hex()]
    live = rows(path)
    rebuild(layout.open_layout(made.archive))
    assert rows(path) == live


def test_one_of_an_older_version_opens_and_learns_it(made: Product) -> None:
    """With the next entry, which goes on from what was proved, and with nothing before."""
    path = made.archive / "catalog.sqlite"
    forget(path)
    assert damages(made.archive) == []
    with caring(layout.open_layout(made.archive), wait_s=0):
        pass
    assert owner(path) == []
    fill(made.archive, THEIRS)
    assert owner(path) == [layout.open_layout(made.archive).id.hex()]
    assert damages(made.archive) == []


def test_one_that_does_not_say_learns_nothing_that_is_not_proved(made: Product) -> None:
    """Where it is another archive's, its position is not in this journal."""
    path = exchange(made.archive)
    forget(path)
    with pytest.raises(DamageError):
        Writer(made.archive)
    assert owner(path) == []
    assert damages(made.archive)
