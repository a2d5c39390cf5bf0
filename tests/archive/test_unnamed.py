"""Packs that the journal does not name: none goes that holds what is nowhere else; what a crash left does."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from poparchive.archive.optimize import Outcome, optimize
from poparchive.archive.pace import Limits
from poparchive.archive.rebuild import rebuild
from poparchive.archive.verify import Counts, Kind, verify
from poparchive.archive.verify.unnamed import Unnamed, told
from poparchive.archive.writer import Writer
from poparchive.store import layout
from poparchive.store.errors import DamageError
from poparchive.store.journal import JournalEntry, JournalWriter
from poparchive.store.records import PackRecord, Record
from tests.archive.test_repair import learned, repair
from tests.archive.test_verify import change, frames
from tests.support.archives import damages, fill, octets_of, put
from tests.support.damage import mails

SMALL = 200
"""Each frame has a pack of its own."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "archive"
    layout.create(path)
    pull(path, mails(0, 6))
    return path


def pull(root: Path, messages: Sequence[bytes]) -> None:
    with Writer(root, pack_bytes=SMALL) as writer:
        put(writer, messages)


def run(root: Path) -> Outcome:
    return optimize(root, Limits(), lambda *_: None)


def packs(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.glob("packs/*/*.pack")}


def lose_databases(root: Path) -> None:
    for path in root.glob("*.sqlite*"):
        path.unlink()


def notes(root: Path) -> str:
    counts = Counts()
    assert list(verify(root, counts, lambda *_: None)) == []
    return " ".join(counts.notes)


@pytest.mark.parametrize("emptied", [False, True])
def test_neither_journal_nor_databases(root: Path, *, emptied: bool) -> None:
    """It is told; nothing is written until the journal is there again, or a rebuild was asked for, after
    which the old packs stay beside the new ones."""
    copy = Path(shutil.copytree(root, root.with_name("copy")))
    before = sorted(octets_of(root))
    held = packs(root)
    lose_databases(root)
    path = layout.open_layout(root).journal(1)
    path.write_bytes(b"") if emptied else path.unlink()
    assert Kind.JOURNAL in {one.kind for one in damages(root)}
    for begin in (lambda: pull(root, mails(30, 31)), lambda: run(root)):
        with pytest.raises(DamageError, match="no entry of a journal"):
            begin()
    repair(root)
    assert packs(root) == held
    assert not (root / "catalog.sqlite").exists()

    anew = Path(shutil.copytree(root, root.with_name("anew")))
    rebuild(layout.open_layout(anew))
    pull(anew, mails(30, 32))
    run(anew)
    assert packs(anew).items() >= held.items()
    assert {one.kind for one in damages(anew)} == {Kind.PACK}
    assert sorted(octets_of(anew)) == sorted(mails(30, 32))

    repair(root, copy)
    repair(root)
    assert damages(root) == []
    assert sorted(octets_of(root)) == before


def test_an_older_journal_and_newer_packs(root: Path) -> None:
    """Journal and databases came back from a backup. The packs that they do not name are told by verify and
    optimize, and stay; with the newer journal all is whole again."""
    there = layout.open_layout(root)
    backup = Path(shutil.copytree(root, root.with_name("backup")))
    pull(root, mails(6, 20))
    before = sorted(octets_of(root))
    newer = there.journal(1).read_bytes()
    named = set(layout.open_layout(backup).packs())
    held = {name: octets for name, octets in packs(root).items() if int(name[:8]) not in named}
    assert len(held) > 1
    lose_databases(root)
    shutil.copy(layout.open_layout(backup).journal(1), there.journal(1))
    for path in backup.glob("*.sqlite"):
        shutil.copy(path, root)

    found = damages(root)
    assert {one.kind for one in found} == {Kind.PACK}
    assert len(found) == len(held)
    assert all("it was kept" in one.what for one in found)
    said = run(root).damages
    assert [name for name in sorted(held) if any(name in what for what in said)] == sorted(held)
    assert packs(root).items() >= held.items()

    shutil.rmtree(root / "packs")
    shutil.copytree(backup / "packs", root / "packs")
    for name, octets in held.items():
        path = there.pack(int(name[:8]))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(octets)
    there.journal(1).write_bytes(newer)
    lose_databases(root)
    rebuild(there)
    assert sorted(octets_of(root)) == before


def retired(root: Path) -> tuple[int, bytes]:
    """Let an optimize retire a pack; return its number, and what it held."""
    there = layout.open_layout(root)
    fill(root, mails(6, 20))
    number = there.packs()[0]
    octets = there.pack(number).read_bytes()
    run(root)
    assert number not in there.packs()
    return number, octets


def test_a_retired_pack_that_was_not_removed(root: Path) -> None:
    """A crash between its retirement and its removal: the next optimize removes it, even damaged."""
    there = layout.open_layout(root)
    number, octets = retired(root)
    there.pack(number).write_bytes(octets[:60] + b"?" + octets[61:])
    assert str(there.pack(number)) in notes(root)
    assert run(root).damages == []
    assert number not in there.packs()


def test_a_retired_pack_is_left_to_optimize(root: Path) -> None:
    """No pull looks at it, which may be long: what it holds counted once, and is elsewhere."""
    there = layout.open_layout(root)
    number, octets = retired(root)
    there.pack(number).write_bytes(octets)
    fill(root, mails(20, 22))
    assert number in there.packs()
    assert run(root).damages == []
    assert number not in there.packs()


def test_a_retired_pack_that_holds_what_was_lost_since(root: Path) -> None:
    """It came back from a backup, and the pack that had its mail from then on is destroyed: nobody removes
    it, and a repair takes the mail from it."""
    there = layout.open_layout(root)
    before, held = sorted(octets_of(root)), packs(root)
    run(root)
    (new,) = there.packs()
    there.pack(new).write_bytes(there.pack(new).read_bytes()[:60])
    there.parity(new).unlink()
    for name, octets in held.items():
        path = there.pack(int(name[:8]))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(octets)
    assert run(root).damages
    assert packs(root).items() > held.items()
    repair(root)
    assert sorted(octets_of(root)) == before
    run(root)
    assert not packs(root).keys() & held.keys()
    assert sorted(octets_of(root)) == before
    assert damages(root) == []


@pytest.mark.parametrize("parity", [True, False])
def test_a_retired_pack_with_a_damaged_dictionary(root: Path, *, parity: bool) -> None:
    """What its closed frames hold cannot be compared, so it stays, and each command says why and what to do:
    once no message lacks it, it may be removed by hand. A whole copy goes by itself."""
    there = layout.open_layout(root)
    pack = learned(root)
    number = int(pack.stem)
    begins = [at for at, _ in frames(root, number)]
    octets = pack.read_bytes()
    before = sorted(octets_of(root))
    run(root)
    assert number not in there.packs()
    pack.parent.mkdir(exist_ok=True)
    pack.write_bytes(octets)
    for at in begins[:2]:
        change(pack, at + 100)
    if parity:
        there.parity(number).write_bytes(b"none that heals")
    damaged = pack.read_bytes()
    for all_said in (run(root).damages, [one.what for one in damages(root)]):
        (said,) = (one for one in all_said if str(pack) in one)
        assert "the journal has retired it" in said
        assert "dictionary" in said
        assert "may be removed by hand" in said
        assert "pull that was cut" not in said
    said = " ".join(repair(root)[0])
    assert "stays as it is: " in said
    assert "may be removed by hand" in said
    assert pack.read_bytes() == damaged
    pack.write_bytes(octets)
    assert run(root).damages == []
    assert not pack.exists()
    assert sorted(octets_of(root)) == before
    assert damages(root) == []


def test_what_is_told_as_what() -> None:
    """A pack with parity makes damage of what stands beside it, for the journal is older than the packs then;
    one that was retired does not."""
    cut = Unnamed(7, unknown=2, some={b"a", b"b"})
    nothing = Unnamed(8)
    retired = Unnamed(3, unknown=1, retired=True, has_parity=True)
    newer = Unnamed(9, unknown=1, has_parity=True)
    assert told([cut, nothing]) == ([cut, nothing], [])
    assert told([cut, nothing, retired]) == ([cut, nothing], [retired])
    assert told([cut, nothing, retired, newer]) == ([nothing], [cut, retired, newer])


@pytest.mark.parametrize("first", [True, False])
def test_a_pull_cut_before_its_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, first: bool
) -> None:
    """What it left is no damage, and in nobody's way, also if it was the first; once its mail was fetched
    again, optimize removes it, and not before."""
    root = tmp_path / "archive"
    layout.create(root)
    there = layout.open_layout(root)
    if not first:
        pull(root, mails(20, 23))
    kept = [] if first else mails(20, 23)

    def cut(_: JournalWriter, batch: Sequence[Record], __: int) -> JournalEntry:
        assert any(isinstance(one, PackRecord) for one in batch)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(JournalWriter, "append", cut)
        with pytest.raises(BaseException), Writer(root) as writer:  # noqa: B017, PT011 - as it comes
            put(writer, mails(0, 2))
    left = max(there.packs())
    assert "it was kept" in notes(root) or not first
    fill(root, mails(30, 31))
    assert damages(root) == []
    if first:
        run(root)
        assert left in there.packs()
        assert damages(root) == []
    fill(root, mails(0, 2))
    assert damages(root) == []
    assert run(root).damages == []
    assert left not in there.packs()
    assert sorted(octets_of(root)) == sorted([*kept, *mails(30, 31), *mails(0, 2)])
    assert damages(root) == []
