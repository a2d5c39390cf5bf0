"""What commands say of packs that are damaged, missing or in each other's place: which message, and where."""

import errno
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from poparchive.archive.opening import caring
from poparchive.archive.status import status
from poparchive.archive.verify import Counts, verify
from poparchive.archive.writer import Writer
from poparchive.cli.main import main
from poparchive.errors import PoparchiveError
from poparchive.store import layout
from poparchive.store.digest import sha256
from tests.support import forks
from tests.support.archives import fill
from tests.support.damage import mails

RED = b"From: eve@example.com\r\nSubject: \x1b[31mred\r\nDate: Mon, 01 Jan 2024 08:00:00 +0000\r\n\r\n"
FIRST = [*mails(0, 8), RED]
LATER = [*mails(100, 102), *mails(103, 105)]
"""Without the attachments of those."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A sealed pack of one account, and one that is open."""
    path = tmp_path / "archive"
    fill(path, FIRST, account="anna")
    with caring(layout.open_layout(path), wait_s=0) as care, care.packs() as packs:
        packs.begin()
    fill(path, LATER, account="ben")
    return path


def export(root: Path, *arguments: str) -> list[str]:
    """Export, which does not get all; return what was said, a line each."""
    given = ["--archive", str(root), "export", *arguments]
    done: subprocess.CompletedProcess[bytes] = forks.run(given, root.parent / "said", timeout_s=240)
    assert done.returncode == 1
    return done.stderr.decode().splitlines()


def named(lines: list[str]) -> set[str]:
    return {found[0] for line in lines if (found := re.search(r"\b[0-9a-f]{64}\b", line))}


@pytest.mark.parametrize("query", [(), ("from:anna OR from:eve",)])
def test_export_names_each_damaged_message(root: Path, query: tuple[str, ...]) -> None:
    """Once, by account, date, id and subject, which no terminal obeys, and says where the damage is."""
    pack = layout.open_layout(root).pack(1)
    octets = bytearray(pack.read_bytes())
    for found in list(re.finditer(b"PAFR", octets)):
        octets[found.end() + 60] ^= 1
    pack.write_bytes(octets)
    *lines, last = export(root, *query)
    assert len(lines) == len(FIRST)
    assert named(lines) == {sha256(one).hex() for one in FIRST}
    assert all(line.startswith("anna, 2024-01-") for line in lines)
    assert all(str(pack) in line for line in lines)
    (red,) = [line for line in lines if sha256(RED).hex() in line]
    assert "\x1b" not in red
    assert "eve@example.com: " in red
    assert f"{len(FIRST)} damaged" in last


def test_a_pack_without_octets_has_none(root: Path) -> None:
    """What is said of its length is its length."""
    layout.open_layout(root).pack(1).write_bytes(b"")
    lines = export(root)
    assert named(lines) == {sha256(one).hex() for one in FIRST}
    assert all("has 0 octets" in line for line in lines[:-1])
    assert not [line for line in lines if "ends at" in line]


def test_packs_in_each_others_place_are_told(root: Path) -> None:
    """Each by what it is; that is no newer version, nor a catalog to be made anew."""
    there = layout.open_layout(root)
    first, second = there.pack(1), there.pack(2)
    aside = first.with_suffix(".aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)
    lines = export(root)
    text = "\n".join(lines)
    assert len(named(lines)) == len(FIRST) + len(LATER)
    assert f"{first}: is pack 2 of this archive" in text
    assert f"{second}: is pack 1 of this archive" in text
    assert "newer version" not in text
    assert "poparchive rebuild" not in text


def test_a_damaged_header_costs_no_message(root: Path) -> None:
    """Whatever it says then: messages are read by their own hashes."""
    pack = layout.open_layout(root).pack(1)
    octets = bytearray(pack.read_bytes())
    octets[30] ^= 1
    pack.write_bytes(octets)
    given = ["--archive", str(root), "export"]
    assert forks.run(given, root.parent / "said", timeout_s=240).returncode == 0


def test_what_stands_behind_a_sealed_pack(root: Path) -> None:
    """Nothing cuts it off, and the note does not say so; for the open pack a pull does."""
    there = layout.open_layout(root)
    length = there.pack(1).stat().st_size
    for number in (1, 2):
        with there.pack(number).open("ab") as pack:
            pack.write(b"stray")
    before = notes(root)
    fill(root, mails(200, 202), account="ben")
    after = notes(root)
    (sealed,) = [one for one in before if str(there.pack(1)) in one]
    (opened,) = [one for one in before if str(there.pack(2)) in one]
    assert after == [sealed]
    assert "no reader looks there" in sealed
    assert f"truncate --size {length} " in sealed
    assert "pull" not in sealed
    assert "pull that goes on in it" in opened


def test_export_of_an_old_catalog(root: Path, tmp_path: Path) -> None:
    """It says what the catalog does not know yet; by a query nobody can tell."""
    old = tmp_path / "old.sqlite"
    shutil.copy(root / "catalog.sqlite", old)
    fill(root, mails(200, 202))
    shutil.copy(old, root / "catalog.sqlite")
    assert "is 1 entry behind the journal" in export(root)[0]
    given = ["--archive", str(root), "export", "from:anna"]
    assert forks.run(given, root.parent / "said", timeout_s=240).returncode == 0


def test_export_beside_a_journal_that_is_lost(root: Path) -> None:
    """All that can be read comes out, and that there may be more is said, as ``status`` says it."""
    layout.open_layout(root).journal(1).unlink()
    said, last = export(root)
    assert "cannot be told" in said
    assert status(root).problems[0] in said
    assert last.startswith(f"{len(FIRST) + len(LATER)} messages exported")


def test_status_gives_no_ratio_of_what_is_gone(root: Path) -> None:
    given = ["--archive", str(root), "status"]
    whole = forks.run(given, root.parent / "said", timeout_s=240)
    assert (whole.returncode, b"ratio" in whole.stdout) == (0, True)
    layout.open_layout(root).pack(1).unlink()
    cut = forks.run(given, root.parent / "said", timeout_s=240)
    assert (cut.returncode, b"ratio" in cut.stdout) == (1, False)
    assert b"00000001.pack" in cut.stderr


@pytest.mark.parametrize("kind", ["mbox", "eml"])
def test_an_export_onto_a_full_disk_says_where(
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    """And what to do."""
    target = tmp_path / "exported"

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(f"poparchive.transfer.{kind.title()}Target.write", full)
    given = ["--archive", str(root), "export", "--format", kind, "--output", str(target)]
    with pytest.raises(SystemExit) as ended:
        main(given)
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert f"{target}: the disk is full" in said
    assert "Make room" in said


def notes(root: Path) -> list[str]:
    counts = Counts()
    assert list(verify(root, counts, lambda *_: None)) == []
    return [one for one in counts.notes if "committed length" in one]


@pytest.mark.parametrize("what", ["open pack", "journal", "pack to catch up with"])
def test_a_pull_that_cannot_begin_says_what_to_do(root: Path, what: str) -> None:
    """Which file is missing, and the next step."""
    there = layout.open_layout(root)
    if what == "pack to catch up with":
        for database in root.glob("*.sqlite*"):
            database.unlink()
    path = {"open pack": there.pack(2), "journal": there.journal(1)}.get(what, there.pack(1))
    path.unlink()
    with pytest.raises(PoparchiveError) as caught, Writer(root):
        pass
    said = str(caught.value)
    assert str(path) in said
    assert "missing" in said
    assert "poparchive verify --repair" in said
    assert "backup" in said
