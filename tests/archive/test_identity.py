"""``archive.toml``: where it is lost, emptied or changed it is named, and made again of what proves it."""

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from poparchive.store import layout
from poparchive.store.errors import DescriptionError
from poparchive.store.identity import proved
from poparchive.store.layout import open_layout
from tests.support.archives import fill, octets_of
from tests.support.damage import mails
from tests.support.product import Product, product


@pytest.fixture
def made(tmp_path: Path) -> Product:
    here = product(tmp_path, {})
    fill(here.archive, mails(0, 5))
    return here


def _other_id(path: Path) -> None:
    text = path.read_text()
    at = text.index('id = "') + 6
    path.write_text(text[:at] + ("1" if text[at] != "1" else "2") + text[at + 1 :])


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


HOW: dict[str, Callable[[Path], object]] = {
    "lost": Path.unlink,
    "emptied": lambda path: path.write_bytes(b""),
    "of noise": lambda path: path.write_bytes(bytes(range(256))),
    "another id": _other_id,
    "a directory": _directory,
}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("copy", [False, True])
def test_it_is_named_and_written_anew(
    made: Product, tmp_path: Path, how: str, *, copy: bool
) -> None:
    """verify names this file and nothing else; the repair gives it the id that packs and journal have, and
    says so; what was there stays beside it. From a second copy it comes octet for octet."""
    source = shutil.copytree(made.archive, tmp_path / "copy")
    path = made.archive / "archive.toml"
    before, was = octets_of(made.archive), path.read_bytes()
    identity = open_layout(made.archive).id
    HOW[how](path)
    broken = path.read_bytes() if path.is_file() else None
    (row,) = made.json("verify", code=1)
    assert row["kind"] == "description"
    assert str(path) in str(row["damage"])
    assert str(uuid.UUID(bytes=identity)) in str(row["damage"])
    options = ["--from", str(source)] if copy else []
    said = made.said("verify", "--repair", *options, code=0)
    assert f"{path}: was written anew" in said
    assert open_layout(made.archive).id == identity
    assert (path.read_bytes() == was) is copy or not copy
    kept = [
        one.read_bytes() for one in made.archive.glob("archive.toml.damaged-*") if one.is_file()
    ]
    assert kept == ([broken] if broken is not None else [])
    assert made.json("verify") == []
    assert octets_of(made.archive) == before


def test_an_archive_without_it_is_not_made_anew(made: Product) -> None:
    """Whoever opens it is told what to do, which is not to make one; and init makes none over it."""
    (made.archive / "archive.toml").unlink()
    for command in (["status"], ["pull"], ["search", "zebra"], ["init"], ["rebuild"]):
        said = made.said(*command)
        assert "`poparchive verify --repair`" in said
        assert "`poparchive init` makes one" not in said
    assert not (made.archive / "archive.toml").exists()


def test_headers_that_disagree_prove_nothing(made: Product, tmp_path: Path) -> None:
    """With a pack of another archive among them no id is written, and verify says what to do."""
    fill(tmp_path / "other", mails(7, 9))
    there = open_layout(made.archive)
    there.pack(2).parent.mkdir()
    shutil.copy(open_layout(tmp_path / "other").pack(1), there.pack(2))
    path = made.archive / "archive.toml"
    path.unlink()
    assert proved(made.archive) is None
    for command in (["verify"], ["verify", "--repair"]):
        assert "put archive.toml back from a backup" in made.said(*command)
        assert not path.exists()
    with pytest.raises(DescriptionError):
        open_layout(made.archive)


def test_a_foreign_pack_is_not_believed(made: Product, tmp_path: Path) -> None:
    """A description that can be read stands against packs without a journal, and against a single file."""
    fill(tmp_path / "other", mails(7, 9))
    there, other = open_layout(made.archive), open_layout(tmp_path / "other")
    shutil.copy(other.pack(1), there.pack(1))
    path = made.archive / "archive.toml"
    before = path.read_bytes()
    said = made.said("verify", "--repair")
    assert f"{there.pack(1)}: is pack 1 of another archive" in said
    shutil.rmtree(made.archive / "journal")
    made.said("verify", "--repair")
    assert path.read_bytes() == before


def test_a_copy_of_another_archive_does_not_give_it(made: Product, tmp_path: Path) -> None:
    """--from may be an archive that has the same mail: its description is its own."""
    fill(tmp_path / "other", mails(0, 5))
    identity = open_layout(made.archive).id
    (made.archive / "archive.toml").unlink()
    made.said("verify", "--repair", "--from", str(tmp_path / "other"), code=0)
    assert open_layout(made.archive).id == identity


def test_a_second_copy_without_it_is_one(made: Product, tmp_path: Path) -> None:
    """A backup that left it out still gives packs back."""
    source = shutil.copytree(made.archive, tmp_path / "copy")
    (source / "archive.toml").unlink()
    pack = layout.open_layout(made.archive).pack(1)
    whole = pack.read_bytes()
    pack.unlink()
    made.said("verify", "--repair", "--from", str(source), code=0)
    assert pack.read_bytes() == whole


@pytest.mark.parametrize("what", ["nowhere", "a directory", "a file"])
def test_a_second_copy_that_is_none(made: Product, tmp_path: Path, what: str) -> None:
    """Exit code 2, the option and the directory are named, and no archive is to be made there."""
    typo = tmp_path / "typo"
    if what == "a directory":
        typo.mkdir()
    elif what == "a file":
        typo.touch()
    said = made.said("verify", "--repair", "--from", str(typo), code=2)
    assert f"--from {typo}: there is no" in said
    assert "init" not in said
