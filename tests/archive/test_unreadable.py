"""What cannot be opened or listed is told by its name and why, its messages are named, and all goes on."""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from poparchive.archive.writer import Writer
from poparchive.store import layout, parity
from tests.archive.test_verify import change
from tests.support.archives import octets_of, put
from tests.support.damage import mails
from tests.support.product import Product, product


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Product:
    """Several sealed packs with parity, and an open one."""
    here = product(tmp_path, {})
    monkeypatch.setattr("poparchive.archive.framing.FRAME_BYTES", 4000)
    with Writer(here.archive, pack_bytes=6000) as writer:
        for first in range(0, 15, 3):
            put(writer, mails(first, first + 3))
    there = layout.open_layout(here.archive)
    for number in parity.missing(there, there.packs()[:-1]):
        parity.make(there, number)
    return here


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "in the way").touch()


def _loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


SPOILT: dict[str, tuple[Callable[[Path], None], str]] = {
    "a directory": (_directory, "Is a directory"),
    "a loop of links": (_loop, "Too many levels of symbolic links"),
}


def _said(made: Product, *command: str, code: int | None = 1) -> str:
    said = made.said(*command, code=code)
    assert "bug" not in said
    return said


@pytest.mark.parametrize("how", SPOILT)
@pytest.mark.parametrize("what", ["pack", "open pack", "parity", "journal"])
def test_verify_and_repair_go_on(made: Product, tmp_path: Path, what: str, how: str) -> None:
    """With something else in the place of a file: it is named with the system's words; what is behind it is
    looked at, and mended; a second copy gives it back, and what was in the way stays beside it."""
    source = shutil.copytree(made.archive, tmp_path / "copy")
    there = layout.open_layout(made.archive)
    first, second, *_, last = there.packs()
    path = {
        "pack": there.pack(first),
        "open pack": there.pack(last),
        "parity": there.parity(first),
        "journal": there.journal(1),
    }[what]
    other = there.pack(second)
    before, whole = sorted(octets_of(made.archive)), other.read_bytes()
    change(other, 600)
    spoil, words = SPOILT[how]
    spoil(path)
    rows = made.json("verify", code=1)
    assert any(str(path) in str(row["damage"]) and words in str(row["damage"]) for row in rows)
    assert any(row.get("pack") == second for row in rows)
    if what.endswith("pack"):
        lost = {
            row["id"] for row in rows if row["kind"] == "message" and words in str(row["damage"])
        }
        assert lost
    said = _said(made, "verify", "--repair", code=None)
    assert f"{other}: healed by its parity" in said
    assert other.read_bytes() == whole
    if what == "open pack":
        assert f"{path}: cannot be opened ({words}" in said or words in said
    _said(made, "verify", "--repair", "--from", str(source), code=0)
    assert sorted(octets_of(made.archive)) == before
    if what != "parity":
        assert path.is_file()
        assert [
            one.name for one in path.parent.glob(f"{path.name}.damaged-*")
        ] or how != "a directory"


_DROPPED = (1, 2)
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH of linux/capability.h: root may read all by them."""


def _without_privilege() -> None:
    """Let a process that is root's be refused as others are (prctl(2), PR_CAPBSET_DROP)."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in _DROPPED:
            if libc.prctl(24, capability, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "prctl")


def _refused(made: Product, *command: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "poparchive", "--archive", str(made.archive), *command],
        preexec_fn=_without_privilege,  # no threads here
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert "bug" not in said
    return done.returncode, said


@pytest.mark.parametrize("what", ["a pack", "packs", "a directory of packs", "journal", "all"])
def test_what_this_user_may_not_read(made: Product, what: str) -> None:
    """verify names it and goes on; the advice is who should run the command. A repair says what it could not
    do, and has done what it could."""
    there = layout.open_layout(made.archive)
    first, second, *_ = there.packs()
    path = {
        "a pack": there.pack(first),
        "packs": made.archive / "packs",
        "a directory of packs": there.pack(first).parent,
        "journal": made.archive / "journal",
        "all": made.archive,
    }[what]
    change(there.pack(second), 600)
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        verified = _refused(made, "verify")
        repaired = _refused(made, "verify", "--repair")
    finally:
        if what != "a pack":
            path.chmod(mode)
    for code, said in (verified, repaired):
        if what == "a pack" and said == repaired[1]:
            # Its parity gives all of it back, in a file that can be read.
            assert code == 0
            assert f"{path}: healed by its parity" in said
            continue
        assert code == 1
        assert "Permission denied" in said
        assert "the user who owns the archive" in said
    if what != "all":
        assert str(path) in verified[1]
    if what in ("a pack", "a directory of packs"):
        assert there.pack(second).name in verified[1]
    if what in ("a pack", "packs", "a directory of packs"):
        assert verified[1].count("Subject") + verified[1].count("cannot open") > 2


def test_an_archive_on_a_medium_that_is_read_only(made: Product) -> None:
    """An intact one is read as any other, also where the log is there and empty; one whose log holds
    something is not read without it."""
    (made.archive / "catalog.sqlite-wal").touch()
    for command in ("verify", "status", "export"):
        code, said = _read_only(made, command)
        assert (code, "unable to open" in said) == (0, False), said
    (made.archive / "catalog.sqlite-wal").write_bytes(b"x" * 4096)
    code, _ = _read_only(made, "status")
    assert code


def _read_only(made: Product, command: str) -> tuple[int, str]:
    """Run a command where the archive is mounted so that nothing can be written."""
    words = " ".join(f"'{word}'" for word in made.command(command))
    root = f"'{made.archive}'"
    script = f"mount --bind {root} {root} && mount -o remount,bind,ro {root} && exec {words}"
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, timeout=60)
    said = done.stderr.decode(errors="replace")
    if "mount:" in said or "unshare:" in said:
        pytest.skip("nothing can be mounted here: " + said[:100])
    return done.returncode, said
