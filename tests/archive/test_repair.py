"""Repair: what each source of truth gives back, and that nothing is dropped on the way."""

import binascii
import contextlib
import errno
import json
import os
import random
import shutil
import sqlite3
import tracemalloc
import uuid
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from poparchive.archive import searches
from poparchive.archive.opening import caring
from poparchive.archive.optimize import optimize
from poparchive.archive.pace import Limits
from poparchive.archive.read import Reader
from poparchive.archive.rebuild import rebuild
from poparchive.archive.repair import Lost, Needs, Repair, journalfiles
from poparchive.archive.repair.restore import Restorer
from poparchive.archive.spool import Spooled, SpoolWriter
from poparchive.archive.verify import Counts, Damage, Kind, verify
from poparchive.archive.writer import Writer
from poparchive.errors import PoparchiveError
from poparchive.store import fsio, journal, layout, parity
from poparchive.store.digest import sha256
from poparchive.store.errors import DamageError, WriteError
from poparchive.store.fsio import Lock
from poparchive.store.journal import JournalWriter
from poparchive.store.pack import PACK_HEADER_BYTES, highest_given
from poparchive.store.records import ListedRecord
from tests.archive.test_verify import change, frames
from tests.store.escape_hatch import Archive
from tests.support.archives import damages, fill, octets_of, put, rows
from tests.support.damage import mails


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Several small packs of small frames; all but the last are sealed."""
    monkeypatch.setattr("poparchive.archive.framing.FRAME_BYTES", 4000)
    path = tmp_path / "archive"
    layout.create(path)
    with Writer(path, pack_bytes=6000) as writer:
        for first in range(0, 24, 3):
            put(writer, mails(first, first + 3), account="office" if first < 12 else "anna")
    for sidecar in path.glob("packs/*/*.parity"):
        # Each test says what there is to repair from.
        sidecar.unlink()
    return path


def copied(root: Path) -> Path:
    return Path(shutil.copytree(root, root.with_name("copy")))


def repair(
    root: Path,
    source: Path | None = None,
    has: Iterable[bytes | Spooled] | None = None,
    left: list[Damage] | None = None,
) -> tuple[list[str], list[Lost]]:
    """Repair; ``has`` is what servers have. Return what was said, and what servers were asked for. What is
    left and only the second copy tells is put into ``left``."""
    said: list[str] = []
    asked: list[Lost] = []

    def fetch(lost: Sequence[Lost]) -> Iterable[bytes | Spooled]:
        asked.extend(lost)
        return has or ()

    needs = Needs.of(damages(root))
    there = layout.open_layout(root)
    other = layout.open_layout(source) if source else None
    with Lock(there.lock) as lock:
        mending = Repair(there, lock, other, fetch if has is not None else None, said.append)
        mending.run(needs)
    if left is not None:
        left += mending.left
    return said, asked


def learned(root: Path) -> Path:
    """A pack that is not sealed, whose frames need its dictionary; return its path."""
    there = layout.open_layout(root)
    with caring(there, wait_s=0) as care, care.packs() as packs:
        packs.begin(b" ".join(mails(0, 8)))
    fill(root, mails(30, 40))
    fill(root, mails(40, 43))
    return there.pack(there.packs()[-1])


def test_a_dictionary_heals_itself(root: Path) -> None:
    """Bad octets in the dictionary of a pack that has no parity yet: all comes out, is told, and healed."""
    pack = learned(root)
    before = sorted(octets_of(root))
    whole = pack.read_bytes()
    for at in (PACK_HEADER_BYTES + 10, PACK_HEADER_BYTES + 400):
        change(pack, at)
        assert sorted(octets_of(root)) == before
        (damage,) = damages(root)
        assert "no message needs it" in damage.what
        repair(root)
        assert pack.read_bytes() == whole
        assert damages(root) == []
    change(pack, PACK_HEADER_BYTES + 400)
    rebuild(layout.open_layout(root))
    assert sorted(octets_of(root)) == before
    fill(root, mails(50, 52))
    assert sorted(octets_of(root)) == sorted([*before, *mails(50, 52)])


def aside(root: Path) -> list[Path]:
    return sorted(root.glob("**/*.damaged-*"))


def test_parity_heals_a_pack_and_the_bad_one_stays(root: Path) -> None:
    """The healed pack has the octets that were there; the damaged file lies beside it."""
    there = layout.open_layout(root)
    parity.make(there, 1)
    pack = there.pack(1)
    whole = pack.read_bytes()
    for at in (10, 600, 2000):
        change(pack, at)
    bad = pack.read_bytes()
    repair(root)
    assert pack.read_bytes() == whole
    assert [path.read_bytes() for path in aside(root)] == [bad]
    assert damages(root) == []


@pytest.mark.parametrize("left", [0, 30, 3000])
def test_parity_heals_what_was_cut(root: Path, left: int) -> None:
    """Two blocks of a stripe may be lost, which are all that this pack has."""
    there = layout.open_layout(root)
    parity.make(there, 1)
    pack = there.pack(1)
    whole = pack.read_bytes()
    pack.write_bytes(whole[:left])
    repair(root)
    assert pack.read_bytes() == whole


def test_a_missing_pack_comes_from_a_second_copy(root: Path) -> None:
    """Sealed or not."""
    copy = copied(root)
    there = layout.open_layout(root)
    before = {n: there.pack(n).read_bytes() for n in (1, there.packs()[-1])}
    for number in before:
        there.pack(number).unlink()
    repair(root, copy)
    assert {n: there.pack(n).read_bytes() for n in before} == before
    assert damages(root) == []


def test_two_damaged_copies_make_one_whole(root: Path) -> None:
    """Where each has other bad octets, each gives what the other needs."""
    copy = copied(root)
    there, other = layout.open_layout(root), layout.open_layout(copy)
    (first, _), (second, _), *_ = frames(root, 1)
    whole = there.pack(1).read_bytes()
    change(there.pack(1), first + 6)
    change(other.pack(1), second + 100)
    repair(root, copy)
    assert there.pack(1).read_bytes() == whole


def test_another_archive_gives_messages(root: Path, tmp_path: Path) -> None:
    """Its packs are not believed, but what has the hash of a lost message is that message."""
    fill(tmp_path / "other", mails(0, 24), account="x")
    before = sorted(octets_of(root))
    there = layout.open_layout(root)
    for start, _ in frames(root, 1)[:-1]:
        change(there.pack(1), start + 100)
    repair(root, tmp_path / "other")
    assert sorted(octets_of(root)) == before
    assert damages(root) == []


@pytest.mark.parametrize("how", ["missing", "damaged"])
@pytest.mark.parametrize("tight", [True, False])
def test_a_copy_needs_no_catalog(root: Path, tmp_path: Path, how: str, tight: bool) -> None:
    """Another archive whose databases were left out, as in a backup: its packs are looked through, and
    damage in them hides no more than what it met."""
    other = tmp_path / "other"
    fill(other, mails(0, 24), account="x")
    if tight:
        optimize(other, Limits(), lambda *_: None, frame_bytes=6000)
    if how == "missing":
        for path in other.glob("*.sqlite*"):
            path.unlink()
    else:
        (other / "catalog.sqlite").write_bytes(b"no database" * 1000)
    number = layout.open_layout(other).packs()[-1]
    spoilt(other, number, -2)
    before = sorted(octets_of(root))
    for start, _ in frames(root, 1)[:-1]:
        change(layout.open_layout(root).pack(1), start + 100)
    said, _ = repair(root, other)
    assert any("looked through" in one for one in said)
    assert sorted(octets_of_readable(root)) == before
    assert damages(root) == []


def test_a_catalog_that_was_lost_with_a_pack(root: Path, tmp_path: Path) -> None:
    """One repair gives both back: the catalog, and then the messages that were not in what came out."""
    fill(tmp_path / "other", mails(0, 24), account="x")
    before = sorted(octets_of(root))
    pack = spoilt(root, 1)
    for path in root.glob("*.sqlite*"):
        path.unlink()
    repair(root, tmp_path / "other")
    assert not pack.exists()
    assert damages(root) == []
    assert sorted(octets_of(root)) == before


def spoilt(root: Path, number: int, which: int = 1) -> Path:
    """Damage one frame of a pack; return the pack's path."""
    start, _ = frames(root, number)[which]
    pack = layout.open_layout(root).pack(number)
    change(pack, start + 100)
    return pack


@pytest.mark.parametrize("sealed", [True, False])
def test_a_pack_goes_when_all_that_it_held_is_elsewhere(root: Path, sealed: bool) -> None:
    """What was lost comes from a server, what can be read is moved; then nothing is damaged any more."""
    there = layout.open_layout(root)
    number = 1 if sealed else there.packs()[-1]
    before = sorted(octets_of(root))
    pack = spoilt(root, number, 0)
    said, asked = repair(root, has=mails(0, 24))
    assert asked
    assert any(str(pack) in one and "removed" in one for one in said)
    assert not pack.exists()
    assert not there.parity(number).exists()
    assert damages(root) == []
    assert sorted(octets_of(root)) == before
    fill(root, mails(40, 43))
    assert number not in there.packs()
    for path in root.glob("*.sqlite*"):
        path.unlink()
    fill(root, mails(43, 45))
    assert sorted(octets_of(root)) == sorted([*before, *mails(40, 45)])
    assert damages(root) == []
    assert sorted(octets for _, octets in Archive(root).messages()) == sorted(octets_of(root))
    optimize(root, Limits(), lambda *_: None)
    rebuild(there)
    assert sorted(octets_of(root)) == sorted([*before, *mails(40, 45)])
    assert damages(root) == []


def test_a_pack_stays_while_anything_is_lost(root: Path) -> None:
    """Two packs are damaged and servers have what the first lost: both stay until the rest comes too."""
    before = sorted(octets_of(root))
    packs = [spoilt(root, 1), spoilt(root, 3)]
    octets = [pack.read_bytes() for pack in packs]
    lost = [damage.identity for damage in damages(root) if damage.message]
    has = [one for one in mails(0, 24) if sha256(one) in lost]
    last = next(one for one in has if b"multipart" not in one)
    said, _ = repair(root, has=[one for one in has if one != last])
    assert [pack.read_bytes() for pack in packs] == octets
    assert sum("stays as it is: 1 messages" in one for one in said) == 2
    assert [d.identity for d in damages(root) if d.message] == [sha256(last)]
    repair(root, has=has)
    assert not any(pack.exists() for pack in packs)
    assert damages(root) == []
    assert sorted(octets_of(root)) == before


def test_a_pack_that_was_left_behind_goes(root: Path) -> None:
    """All its messages were stored again before, and its bad octets are all that is wrong."""
    before = sorted(octets_of(root))
    pack = spoilt(root, 2)
    there = layout.open_layout(root)
    lost = {damage.identity for damage in damages(root) if damage.message}
    with Lock(there.lock), contextlib.closing(Restorer(there, {2})) as restorer:
        for one in mails(0, 24):
            if sha256(one) in lost:
                restorer.add(sha256(one), one, 1)
        restorer.commit(1)
    fill(root, [])
    (damage,) = damages(root)
    assert "no message needs it" in damage.what
    repair(root)
    assert not pack.exists()
    assert damages(root) == []
    assert sorted(octets_of(root)) == before


def test_a_server_gives_what_it_still_has(root: Path) -> None:
    """Servers are asked for the lost messages alone; what does not have the hash is not believed."""
    before = sorted(octets_of(root))
    there = layout.open_layout(root)
    start, _ = frames(root, 2)[0]
    change(there.pack(2), start + 100)
    lost = [d.identity for d in damages(root) if d.message]
    said, asked = repair(root, has=[b"Subject: no\r\n\r\n", *mails(0, 24)])
    assert {one.id for one in asked} == set(lost)
    assert all(one.uidl and one.account for one in asked)
    assert f"{len(lost)} messages were stored again" in " ".join(said)
    assert sorted(octets_of(root)) == before
    assert damages(root) == []


def test_lost_messages_share_a_blob_over_batches(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A blob that came with one batch is found when a message of a later one is proved."""
    monkeypatch.setattr("poparchive.archive.repair.restore._BATCH_BYTES", 3000)
    before = sorted(octets_of(root))
    for number in layout.open_layout(root).packs():
        for start, end in frames(root, number)[:-1]:
            change(layout.open_layout(root).pack(number), (start + end) // 2)
    repair(root, has=before)
    assert sorted(octets_of(root)) == before
    assert damages(root) == []


def test_what_nobody_has_stays_named(root: Path) -> None:
    """The damaged pack stays as it is, octet for octet, and its messages are named again."""
    there = layout.open_layout(root)
    start, _ = frames(root, 1)[0]
    change(there.pack(1), start + 100)
    bad = there.pack(1).read_bytes()
    before = {damage.identity for damage in damages(root) if damage.message}
    repair(root, has=[])
    assert {damage.identity for damage in damages(root) if damage.message} == before
    assert there.pack(1).read_bytes() == bad


@pytest.mark.parametrize("older", [False, True])
def test_the_journal_comes_from_a_second_copy(root: Path, older: bool) -> None:
    """The chain proves it: a copy of today, or an older one, whose end is before ours."""
    copy = copied(root)
    if older:
        fill(root, mails(30, 33))
    path = layout.open_layout(root).journal(1)
    whole = path.read_bytes()
    second = whole.index(b"PAJE", whole.index(b"PAJE") + 4)
    change(path, second + 90)
    repair(root, copy)
    assert path.read_bytes() == whole
    assert len(aside(root)) == 1
    assert damages(root) == []


def test_a_journal_of_another_history_is_refused(root: Path) -> None:
    """A copy that went on by itself does not lead to where the catalog is."""
    copy = copied(root)
    fill(root, mails(30, 33))
    fill(copy, mails(40, 44))
    path = layout.open_layout(root).journal(1)
    octets = path.read_bytes()
    change(path, octets.rindex(b"PAJE") + 90)
    bad = path.read_bytes()
    repair(root, copy)
    assert path.read_bytes() == bad
    assert not aside(root)


@pytest.mark.parametrize("name", ["catalog.sqlite", "search.sqlite"])
@pytest.mark.parametrize("how", ["missing", "changed", "cut"])
def test_databases_are_made_again(root: Path, name: str, how: str) -> None:
    """Equal to what they were."""
    before = rows(root / "catalog.sqlite")
    path = root / name
    octets = path.read_bytes()
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(
            octets[:5000] if how == "cut" else octets[:4096] + bytes(4096) + octets[8192:]
        )
    assert damages(root)
    repair(root)
    assert rows(root / "catalog.sqlite") == before
    assert damages(root) == []


def test_parity_is_made_again(root: Path) -> None:
    """Where it is damaged, and where a sealed pack has none."""
    there = layout.open_layout(root)
    change(parity.make(there, 1), 30)
    repair(root)
    assert damages(root) == []
    assert all(there.parity(n).exists() for n in there.packs()[:-1])
    assert not there.parity(there.packs()[-1]).exists()


def test_a_rebuild_salvages_what_there_is(root: Path) -> None:
    """Damage in a pack does not keep the catalog from being made; what is lost is named by verify."""
    there = layout.open_layout(root)
    start, _ = frames(root, 1)[1]
    change(there.pack(1), start + 100)
    lost = {d.identity for d in damages(root) if d.message}
    whole = sorted(octets_of_readable(root))
    for path in root.glob("*.sqlite*"):
        path.unlink()
    rebuild(there)
    assert sorted(octets_of(root)) == whole
    said = " ".join(damage.what for damage in damages(root))
    assert all(identity.hex() in said for identity in lost if identity)


def test_a_rebuild_finds_what_was_stored_again(root: Path, tmp_path: Path) -> None:
    """After a repair from another archive the catalog can be made again, although a pack stays damaged."""
    fill(tmp_path / "other", mails(0, 24), account="x")
    before = sorted(octets_of(root))
    there = layout.open_layout(root)
    start, _ = frames(root, 1)[1]
    change(there.pack(1), start + 100)
    repair(root, tmp_path / "other")
    for path in root.glob("*.sqlite*"):
        path.unlink()
    rebuild(there)
    assert sorted(octets_of(root)) == before
    assert damages(root) == []


def octets_of_readable(root: Path) -> list[bytes]:
    found = []
    with Reader(root) as reader:
        for located in reader.lookup.stored_order():
            with contextlib.suppress(PoparchiveError):
                found.append(reader.raw(located))
    return found


def test_pulls_go_on_when_the_open_pack_is_lost(root: Path) -> None:
    """What nobody has stays named; the pack stays as it is, and new mail goes into another."""
    there = layout.open_layout(root)
    pack = there.pack(there.packs()[-1])
    pack.write_bytes(pack.read_bytes()[:100])
    before = {damage.identity for damage in damages(root) if damage.message}
    assert before
    repair(root, has=[])
    fill(root, mails(40, 43))
    assert pack.stat().st_size == 100
    assert {damage.identity for damage in damages(root) if damage.message} == before


class _CutError(Exception):
    """Stands for SIGKILL: nothing cleans up behind it."""


@pytest.mark.parametrize("by", ["parity", "copy", "dictionary"])
def test_a_full_disk_is_no_lack_of_parity(
    root: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """What cannot be written now heals as soon as there is room, and nothing is left of the try."""
    there = layout.open_layout(root)
    source = copied(root)
    pack = learned(root) if by == "dictionary" else there.pack(1)
    if by == "parity":
        parity.make(there, 1)
    at = frames(root, int(pack.stem))[0][0]
    change(pack, at + 100)
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", _no_room)
        said, _ = repair(root, source if by == "copy" else None)
    (told,) = [one for one in said if one.startswith(f"{pack}: ") and "mended" in one]
    assert "cannot be mended now" in told
    assert "the disk is full" in told
    assert not list(pack.parent.glob("*.healed"))
    repair(root, source if by == "copy" else None)
    assert damages(root) == []


def _full(path: Path) -> None:
    raise WriteError(f"{path}: the disk is full")


def _no_room(_: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def cut_before(monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    """Let a repair end where a file of this name is about to get its place."""
    real = Path.rename

    def rename(path: Path, target: Path) -> Path:
        if path.name.endswith(ending):
            raise _CutError
        return real(path, target)

    monkeypatch.setattr(Path, "rename", rename)


@pytest.mark.parametrize("links", [True, False])
def test_a_repair_of_a_pack_that_was_cut(
    root: Path, monkeypatch: pytest.MonkeyPatch, *, links: bool
) -> None:
    """The whole copy that it had made is what the next one takes, though the parity is gone meanwhile;
    the damaged pack stays beside it once."""
    there = layout.open_layout(root)
    parity.make(there, 1)
    pack = there.pack(1)
    whole = pack.read_bytes()
    for at in (10, 600, 2000):
        change(pack, at)
    bad = pack.read_bytes()
    if not links:
        monkeypatch.setattr("os.link", _no_links)
    with monkeypatch.context() as patch:
        cut_before(patch, ".pack.healed")
        with pytest.raises(_CutError):
            repair(root)
    assert pack.exists() == links
    there.parity(1).unlink()
    repair(root)
    assert pack.read_bytes() == whole
    assert [path.read_bytes() for path in aside(root)] == [bad]
    assert not list(root.glob("**/*.healed"))
    assert damages(root) == []


def _no_links(*_: object) -> None:
    raise OSError(errno.EPERM, "no links here")


@pytest.mark.parametrize("catalog", [True, False])
@pytest.mark.parametrize("links", [True, False])
def test_a_repair_of_the_journal_that_was_cut(
    root: Path, monkeypatch: pytest.MonkeyPatch, *, links: bool, catalog: bool
) -> None:
    """The whole journal that it had made is what the next one takes, without the second copy; nothing of
    what came after that copy is lost."""
    copy = copied(root)
    fill(root, mails(30, 33))
    before = sorted(octets_of(root))
    path = layout.open_layout(root).journal(1)
    whole = path.read_bytes()
    change(path, 200)
    if not catalog:
        for database in root.glob("*.sqlite*"):
            database.unlink()
    if not links:
        monkeypatch.setattr("os.link", _no_links)
    with monkeypatch.context() as patch:
        cut_before(patch, ".journal.healed")
        with pytest.raises(_CutError):
            repair(root, copy)
    assert path.exists() == links
    repair(root)
    assert path.read_bytes() == whole
    assert len(aside(root)) == 1
    assert not list(root.glob("**/*.healed"))
    repair(root)
    assert damages(root) == []
    assert sorted(octets_of(root)) == before


def test_what_a_cut_repair_left_goes_where_nobody_needs_it(root: Path) -> None:
    """Copies of packs and journal that are whole themselves are removed by the next repair."""
    there = layout.open_layout(root)
    for path in (there.pack(1), there.journal(1)):
        path.with_name(path.name + ".healed").write_bytes(b"left over")
    repair(root)
    assert not list(root.glob("**/*.healed"))
    assert damages(root) == []


@pytest.mark.parametrize("what", ["packs", "journal", "spool", "packs/01"])
def test_a_directory_that_was_lost(root: Path, what: str) -> None:
    """It is named, made again, and what was in it comes from a second copy."""
    copy = copied(root)
    there = layout.open_layout(root)
    before = {path: path.read_bytes() for path in root.glob("*/**/*") if path.is_file()}
    shutil.rmtree(root / what)
    found = damages(root)
    if what != "spool":
        assert any(str(root / what) in damage.what for damage in found)
    said, _ = repair(root, copy)
    if what != "packs/01":
        assert f"{root / what}: was missing; it was made again" in said
    assert {path: path.read_bytes() for path in before if path.exists()} == before
    assert damages(root) == []
    assert (root / what).stat().st_mode & 0o777 == 0o700
    assert there.packs()


def test_a_lost_directory_of_packs_takes_what_servers_have(root: Path) -> None:
    """Without a second copy, too, there is a place for what comes again."""
    before = sorted(octets_of(root))
    shutil.rmtree(root / "packs")
    repair(root, has=before)
    assert sorted(octets_of(root)) == before
    assert damages(root) == []


def test_a_lost_directory_is_durable(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each directory that was made is synced in the one above it before anything is in it."""
    copy = copied(root)
    shutil.rmtree(root / "packs")
    synced: list[Path] = []
    sync = fsio.sync_directory

    def noted(path: Path) -> None:
        synced.append(path)
        sync(path)

    monkeypatch.setattr("poparchive.store.fsio.sync_directory", noted)
    repair(root, copy)
    assert synced.index(root) < synced.index(root / "packs")


def test_a_journal_file_that_was_gone_is_told(root: Path) -> None:
    """Which file it was, and where it came from."""
    copy = copied(root)
    path = layout.open_layout(root).journal(1)
    path.unlink()
    said, _ = repair(root, copy)
    assert f"{path}: made whole with {copy}; it was missing" in said
    assert "the journal is whole again" in said


def emptied(root: Path, what: str) -> None:
    """Lose all that an archive holds but its description, in one of the ways that it can be lost."""
    for path in root.glob("*.sqlite*"):
        if what != "but the catalog" or path.name.startswith("search"):
            path.unlink()
    shutil.rmtree(root / "packs")
    first = layout.open_layout(root).journal(1)
    if what == "an empty journal file":
        first.write_bytes(b"")
    elif what == "a header alone":
        first.write_bytes(first.read_bytes()[:44])
    elif what == "an empty directory":
        first.unlink()
    else:
        shutil.rmtree(root / "journal")


@pytest.mark.parametrize(
    "what",
    ["all", "an empty directory", "an empty journal file", "a header alone", "but the catalog"],
)
def test_all_comes_from_a_second_copy(root: Path, what: str) -> None:
    """Where nothing but the description is left, one repair gives all back, octet for octet."""
    copy = copied(root)
    searches.save(copy, "all", "zebra", now=1)
    before = sorted(octets_of(root))
    files = [path.relative_to(root) for path in root.glob("*/**/*") if path.is_file()]
    emptied(root, what)
    said, _ = repair(root, copy)
    assert f"{layout.open_layout(root).journal(1)}: made whole with {copy}" in " ".join(said)
    assert damages(root) == []
    assert sorted(octets_of(root)) == before
    assert searches.load(root) == {"all": "zebra"}
    for path in files:
        if path.suffix in (".pack", ".journal"):
            assert (root / path).read_bytes() == (copy / path).read_bytes()


@pytest.mark.parametrize("catalog", [True, False])
@pytest.mark.parametrize("journal", ["changed", "missing"])
def test_journal_and_pack_are_mended_at_once(root: Path, journal: str, *, catalog: bool) -> None:
    """What the mended journal says of packs, and needs of them, is mended in the same run."""
    copy = copied(root)
    before = sorted(octets_of(root))
    there = layout.open_layout(root)
    spoilt(root, 1)
    there.pack(2).unlink()
    if journal == "changed":
        change(there.journal(1), 200)
    else:
        there.journal(1).unlink()
    if not catalog:
        for path in root.glob("*.sqlite*"):
            path.unlink()
    repair(root, copy)
    assert damages(root) == []
    assert sorted(octets_of(root)) == before


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive whose journal has several files."""
    monkeypatch.setitem(JournalWriter.__init__.__kwdefaults__ or {}, "file_bytes", 500)
    path = tmp_path / "many"
    for first in range(0, 12, 2):
        fill(path, mails(first, first + 2))
    assert len(layout.open_layout(path).journals()) > 3
    return path


@pytest.mark.parametrize("catalog", [True, False])
@pytest.mark.parametrize("which", [slice(0, 1), slice(0, 2), slice(-1, None), slice(1, None)])
def test_journal_files_that_were_gone(many: Path, which: slice, *, catalog: bool) -> None:
    """At the front, where all say so; and at the end, where without a catalog only the second copy does."""
    copy = copied(many)
    there = layout.open_layout(many)
    before = sorted(octets_of(many))
    whole = {path: path.read_bytes() for path in map(there.journal, there.journals())}
    for number in there.journals()[which]:
        there.journal(number).unlink()
    if not catalog:
        for path in many.glob("*.sqlite*"):
            path.unlink()
    repair(many, copy)
    assert {path: path.read_bytes() for path in whole} == whole
    assert damages(many) == []
    assert sorted(octets_of(many)) == before


def lost(root: Path, *, catalog: bool) -> None:
    """Lose the first journal file, and the databases too if need be."""
    layout.open_layout(root).journal(1).unlink()
    if not catalog:
        for path in root.glob("*.sqlite*"):
            path.unlink()


@pytest.mark.parametrize("catalog", [True, False])
def test_a_copy_gives_only_what_is_missing(many: Path, *, catalog: bool) -> None:
    """The last entry of the copy is damaged and whole here: the file that is missing comes from the copy, and
    no octet of the others is changed."""
    copy = copied(many)
    there = layout.open_layout(many)
    before = sorted(octets_of(many))
    whole = {path: path.read_bytes() for path in map(there.journal, there.journals())}
    last = layout.open_layout(copy).journal(there.journals()[-1])
    change(last, last.stat().st_size - 10)
    lost(many, catalog=catalog)
    repair(many, copy)
    assert {path: path.read_bytes() for path in whole} == whole
    assert damages(many) == []
    assert not aside(many)
    assert sorted(octets_of(many)) == before


def test_a_copy_without_our_last_entry_takes_nothing_away(many: Path) -> None:
    """Neither it nor what is left here proves a whole journal: all stays as it is."""
    copy = copied(many)
    there, other = layout.open_layout(many), layout.open_layout(copy)
    change(other.journal(1), other.journal(1).stat().st_size - 10)
    change(
        other.journal(there.journals()[-1]), other.journal(there.journals()[-1]).stat().st_size - 10
    )
    lost(many, catalog=False)
    left = {path: path.read_bytes() for path in map(there.journal, there.journals())}
    repair(many, copy)
    assert {path: path.read_bytes() for path in map(there.journal, there.journals())} == left


def test_a_large_journal_file_is_mended_in_pieces(tmp_path: Path) -> None:
    """However large it is, and though the damage is at its beginning."""
    there = layout.create(tmp_path / "large")
    writer = JournalWriter(there, journal.START)
    for n in range(160):
        writer.append([ListedRecord(1, n, ((random.Random(n).randbytes(100_000), n),))], n)
    writer.close()
    other = layout.open_layout(copied(there.root))
    whole = there.journal(1).read_bytes()
    change(there.journal(1), 200)
    tracemalloc.start()
    try:
        mended = journalfiles.mend(there, other, None)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert mended
    assert there.journal(1).read_bytes() == whole
    assert peak_bytes < len(whole) / 2


@pytest.mark.parametrize("catalog", [True, False])
def test_a_missing_journal_file_is_told_once(many: Path, *, catalog: bool) -> None:
    """The entries in the others are counted, and say which packs there are."""
    there = layout.open_layout(many)
    entries = [entry.after.file for entry in journal.read(there)]
    highest = highest_given(there)
    lost(many, catalog=catalog)
    counts = Counts()
    found = [one.what for one in verify(many, counts, lambda *_: None)]
    assert sum("journal file is missing" in what for what in found) == 1
    assert counts.entries == len([file for file in entries if file > 1])
    assert not any("no entry of a journal" in what for what in found)
    assert highest_given(there) == highest
    if not catalog:
        with pytest.raises(DamageError, match="journal file is missing"):
            fill(many, mails(40, 41))


def older(root: Path) -> Path:
    """Go on; return a copy of what was before, which is to become the archive."""
    was = Path(shutil.copytree(root, root.with_name("was")))
    fill(root, mails(30, 36))
    return was


def test_an_archive_that_came_back_older_catches_up(root: Path) -> None:
    """It is whole by itself, and what a cut pull left behind its end is not taken for what the copy has."""
    was = older(root)
    there = layout.open_layout(was)
    other = Path(shutil.copytree(was, root.with_name("other")))
    fill(other, mails(50, 54))
    pack = there.pack(there.packs()[-1])
    ours = layout.open_layout(other).pack(there.packs()[-1]).read_bytes()
    assert len(ours) > pack.stat().st_size
    pack.write_bytes(ours)
    left: list[Damage] = []
    repair(was, root, left=left)
    assert not left
    assert damages(was) == []
    # The mail behind the end is mail all the same.
    assert sorted(octets_of(was)) == sorted([*octets_of(root), *mails(50, 54)])


def test_what_lay_behind_the_end_has_no_number_that_the_copy_gave(root: Path) -> None:
    """Our journal is older than our packs, and the copy has gone on to further packs."""
    copy = copied(root)
    before = sorted(octets_of(root))
    there, other = layout.open_layout(root), layout.open_layout(copy)
    fill(root, mails(30, 33))
    assert there.packs() == other.packs()
    shutil.rmtree(root / "journal")
    shutil.copytree(copy / "journal", root / "journal")
    for path in root.glob("*.sqlite*"):
        path.unlink()
    with Writer(copy, pack_bytes=6000) as writer:
        for first in range(50, 80, 3):
            put(writer, mails(first, first + 3))
    taken = other.packs()
    assert len(taken) > len(there.packs())
    said, _ = repair(root, copy)
    # The last one, which is not sealed, takes the mail that was behind the end.
    for number in taken:
        assert there.pack(number).read_bytes().startswith(other.pack(number).read_bytes())
    assert not any("neither parity" in line for line in said)
    assert damages(root) == []
    assert sorted(octets_of(root)) == sorted([*before, *mails(30, 33), *mails(50, 80)])


def test_a_damaged_copy_gives_the_end_of_the_journal(root: Path) -> None:
    """Its beginning is damaged, and whole here."""
    was = older(root)
    before = sorted(octets_of(root))
    path = layout.open_layout(root).journal(1)
    whole = path.read_bytes()
    change(path, 200)
    repair(was, root)
    assert layout.open_layout(was).journal(1).read_bytes() == whole
    assert damages(was) == []
    assert sorted(octets_of(was)) == before


@pytest.mark.parametrize(
    ("key", "value"),
    [("file", 9), ("offset", 101), ("entry", 1), ("entry", 99), ("hash", "ab" * 32)],
)
def test_a_catalog_with_another_place_in_the_journal(root: Path, key: str, value: object) -> None:
    """Its rows are the journal's, so that one made anew lacks nothing. With a row more it stays."""
    catalog = layout.open_layout(root).catalog
    with closing(sqlite3.connect(catalog)) as database:
        (place,) = database.execute("SELECT value FROM state WHERE key = 'position'").fetchone()
        changed = json.dumps(json.loads(place) | {key: value})
        database.execute("UPDATE state SET value = ? WHERE key = 'position'", (changed,))
        database.commit()
    assert {one.kind for one in damages(root)} >= {Kind.CATALOG}
    with closing(sqlite3.connect(catalog)) as database:
        database.execute("UPDATE uidls SET size_bytes = 1 + size_bytes WHERE id = 1")
        database.commit()
    repair(root)
    assert damages(root) != []
    with closing(sqlite3.connect(catalog)) as database:
        database.execute("UPDATE uidls SET size_bytes = size_bytes - 1 WHERE id = 1")
        database.commit()
    repair(root)
    assert damages(root) == []


@pytest.mark.parametrize("at", [100, 1 << 20])
def test_a_journal_file_with_octets_too_many(many: Path, at: int) -> None:
    """In it, or behind its end, where it is not the last."""
    copy = copied(many)
    path = layout.open_layout(many).journal(1)
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + b"twelve more." + whole[at:])
    repair(many, copy)
    assert path.read_bytes() == whole
    assert damages(many) == []


@pytest.mark.parametrize("how", ["damaged", "missing", "no room"])
def test_a_journal_that_the_copy_cannot_give_is_told(
    root: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Nothing is left that says so but the copy, whose own journal is damaged, or which cannot be taken: that
    is no success."""
    copy = copied(root)
    emptied(root, "all")
    if how == "damaged":
        change(layout.open_layout(copy).journal(1), 200)
    elif how == "missing":
        layout.open_layout(copy).journal(1).unlink()
    left: list[Damage] = []
    with monkeypatch.context() as patch:
        if how == "no room":
            module = "poparchive.archive.repair.journalfiles"
            patch.setattr(f"{module}.copy_durably", lambda _, path: _full(path))
        repair(root, copy, left=left)
    assert damages(root) == []
    assert "has no entry" in left[0].what
    assert str(copy) in left[0].what


def test_a_copy_that_went_on_by_itself_takes_nothing_away(root: Path) -> None:
    """Not where ours is damaged and no catalog is left to say where it had come to, and not where it is
    whole."""
    copy = copied(root)
    fill(root, mails(30, 33))
    for first in range(40, 46, 2):
        fill(copy, mails(first, first + 2))
    for path in root.glob("*.sqlite*"):
        path.unlink()
    path = layout.open_layout(root).journal(1)
    whole = path.read_bytes()
    left: list[Damage] = []
    repair(root, copy, left=left)
    assert path.read_bytes() == whole
    assert not left
    change(path, 200)
    bad = path.read_bytes()
    repair(root, copy)
    assert path.read_bytes() == bad


def test_a_journal_file_of_another_archive_is_replaced(root: Path, tmp_path: Path) -> None:
    """Its entries are none of ours."""
    copy = copied(root)
    for first in range(0, 24, 2):
        fill(tmp_path / "other", mails(first, first + 2))
    path = layout.open_layout(root).journal(1)
    whole = path.read_bytes()
    shutil.copy(layout.open_layout(tmp_path / "other").journal(1), path)
    repair(root, copy)
    assert path.read_bytes() == whole
    assert damages(root) == []


def pictured(word: str) -> bytes:
    """A mail with a picture, which is the same in all of them."""
    picture = binascii.b2a_base64(random.Random(7).randbytes(3000), newline=False)
    lines = b"\r\n".join(picture[at : at + 76] for at in range(0, len(picture), 76))
    return (
        (
            f"Subject: {word}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
            f"--b\r\nContent-Type: text/plain\r\n\r\n{word}\r\n--b\r\nContent-Type: image/png; name=p.png\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n"
        ).encode()
        + lines
        + b"\r\n--b--\r\n"
    )


def large(directory: Path, octets: bytes) -> Spooled:
    """The same message as one that is too large for memory."""
    spool = SpoolWriter(directory / f"large-{uuid.uuid4().hex}")
    spool.write(octets)
    return spool.finish()


@pytest.mark.parametrize("spooled", [False, True])
@pytest.mark.parametrize("also", ["nothing", "the recipe"])
def test_a_mail_that_came_while_its_blob_was_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, also: str, *, spooled: bool
) -> None:
    """It was stored with the octets that came, or as other blobs, and stays so: its parts are those that the
    catalog has, also when the other is stored again, and where it is itself."""
    root = tmp_path / "archive"
    first, second = pictured("first"), pictured("second")
    fill(root, [first])
    there = layout.open_layout(root)
    (_, end), *_ = reversed(frames(root, 1))
    change(there.pack(1), end - 5)
    came = there.pack(1).stat().st_size
    if spooled:
        monkeypatch.setattr("poparchive.archive.objects.IN_MEMORY_BYTES", 1000)
    with Writer(root) as writer:
        number = writer.account("anna", "pop.example.com:995", "anna")
        (ledger,) = writer.listed(number, [(b"second", len(second))])
        writer.keep(ledger, large(tmp_path, second) if spooled else second)
        writer.flush().result()
    if also == "the recipe":
        change(there.pack(1), came + 100)
    assert damages(root)
    has = [large(tmp_path, one) if spooled else one for one in (first, second)]
    repair(root, has=has)
    assert damages(root) == []
    assert sorted(octets_of(root)) == [first, second]
