"""What a newer version wrote is told as that, and stays as it is, whatever is run."""

import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from poparchive.archive.optimize import optimize
from poparchive.archive.pace import Limits
from poparchive.archive.writer import Writer
from poparchive.store import layout, parity
from tests.archive.test_verify import change
from tests.support.archives import put
from tests.support.damage import mails
from tests.support.product import Product, product

TOLD = (
    "was written by a newer version of poparchive: found version 2, flags 0; this one reads up to"
)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Product:
    """A pack that optimize made, two that pulls have sealed, and an open one. What is sealed has parity."""
    here = product(tmp_path, {})
    monkeypatch.setattr("poparchive.archive.framing.FRAME_BYTES", 4000)
    with Writer(here.archive, pack_bytes=6000) as writer:
        put(writer, mails(0, 8))
    optimize(here.archive, Limits(), lambda *_: None)
    with Writer(here.archive, pack_bytes=6000) as writer:
        for first in range(8, 20, 3):
            put(writer, mails(first, first + 3))
    there = layout.open_layout(here.archive)
    for number in parity.missing(there, there.packs()[:-1]):
        parity.make(there, number)
    return here


def _raise_version(path: Path, head_bytes: int = 40) -> None:
    """Set the version of a header to 2, with the checksum to match."""
    octets = bytearray(path.read_bytes())
    octets[8] = 2
    octets[head_bytes : head_bytes + 4] = struct.pack("<I", zlib.crc32(octets[:head_bytes]))
    path.write_bytes(octets)


def _pack(root: Path, which: int) -> Path:
    there = layout.open_layout(root)
    return there.pack(there.packs()[which])


NEWER: dict[str, Callable[[Path], Path]] = {
    "optimized pack": lambda root: _pack(root, 0),
    "sealed pack": lambda root: _pack(root, 1),
    "open pack": lambda root: _pack(root, -1),
    "journal": lambda root: layout.open_layout(root).journal(1),
}


@pytest.mark.parametrize("what", NEWER)
@pytest.mark.parametrize("copy", [False, True])
def test_nothing_touches_it(made: Product, tmp_path: Path, what: str, *, copy: bool) -> None:
    """A repair, with and without a second copy, an optimize, a rebuild and a pull leave the file as it is;
    the repair and verify name it, what was found and what is read, and speak of no repair."""
    source = shutil.copytree(made.archive, tmp_path / "copy")
    path = NEWER[what](made.archive)
    _raise_version(path)
    before = path.read_bytes(), path.stat().st_ino
    options = ["--from", str(source)] if copy else []
    verified = made.said("verify")
    assert f"{path}: {TOLD}" in verified
    assert "--repair" not in verified
    repaired = made.said("verify", "--repair", *options)
    assert f"{path}: {TOLD}" in repaired
    for command in ("optimize", "rebuild", "pull"):
        made.said(command, code=None)
        assert (path.read_bytes(), path.stat().st_ino) == before, command
    assert not list(made.archive.glob("**/*.damaged-*"))
    assert f"{path}: {TOLD}" in made.said("verify")


@pytest.mark.parametrize("copy", [False, True])
def test_its_messages_are_refused_and_named(made: Product, tmp_path: Path, *, copy: bool) -> None:
    """verify names each message of such a pack; show refuses it with the same words; a repair does not take
    it for lost."""
    source = shutil.copytree(made.archive, tmp_path / "copy")
    path = NEWER["sealed pack"](made.archive)
    before = {one: one.read_bytes() for one in made.archive.glob("packs/*/*")}
    _raise_version(path)
    named = [row for row in made.json("verify", code=1) if "id" in row]
    assert named
    assert {row["kind"] for row in named} == {"newer"}
    for row in named:
        assert TOLD in made.said("show", "--raw", str(row["id"]))
    options = ["--from", str(source)] if copy else []
    assert "stored again" not in made.said("verify", "--repair", *options)
    after = {one: one.read_bytes() for one in made.archive.glob("packs/*/*")}
    assert {one for one in before if before[one] != after.get(one)} == {path}
    assert after.keys() == before.keys()


def test_what_is_damaged_beside_it_is_mended(made: Product) -> None:
    """A damaged pack is healed by its parity all the same."""
    _raise_version(NEWER["sealed pack"](made.archive))
    pack = NEWER["optimized pack"](made.archive)
    whole = pack.read_bytes()
    change(pack, 500)
    assert f"{pack}: healed by its parity" in made.said("verify", "--repair")
    assert pack.read_bytes() == whole


def test_newer_parity_stays_with_its_pack(made: Product) -> None:
    """optimize does not make a pack anew whose parity a newer version wrote: it would remove that."""
    path = NEWER["sealed pack"](made.archive).with_suffix(".parity")
    _raise_version(path, 84)
    before = path.read_bytes()
    assert f"{path}: {TOLD}" in made.said("optimize")
    assert f"{path}: {TOLD}" in made.said("verify", code=0)
    made.said("verify", "--repair", code=0)
    assert path.read_bytes() == before
    assert path.with_suffix(".pack").exists()


def test_a_newer_pack_that_no_entry_names_stays(made: Product) -> None:
    """Nothing is known of what it holds; verify and the repair say why it stays."""
    there = layout.open_layout(made.archive)
    path = there.pack(99)
    path.parent.mkdir(exist_ok=True)
    octets = bytearray(_pack(made.archive, 0).read_bytes())
    octets[28:32] = struct.pack("<I", 99)
    path.write_bytes(octets)
    _raise_version(path)
    before = path.read_bytes()
    for command in (["verify"], ["verify", "--repair"], ["optimize"]):
        said = made.said(*command, code=None)
        assert command == ["optimize"] or f"{path}: {TOLD}" in said
        assert path.read_bytes() == before


def test_a_journal_file_is_told_once(made: Product) -> None:
    """However many entries stand behind its header."""
    path = NEWER["journal"](made.archive)
    _raise_version(path)
    rows = made.json("verify", code=1)
    assert [row["kind"] for row in rows].count("newer") == 1


def test_a_changed_octet_is_no_newer_version(made: Product) -> None:
    """Without the checksum to match it is damage, and mended."""
    pack = NEWER["sealed pack"](made.archive)
    whole = pack.read_bytes()
    change(pack, 8, b"\2")
    assert "newer version" not in made.said("verify")
    made.said("verify", "--repair", code=0)
    assert pack.read_bytes() == whole
