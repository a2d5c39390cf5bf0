"""What lies behind the committed length of the open pack: never destroyed while it may be all there is."""

import contextlib
import errno
import hashlib
import os
import re
import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from poparchive.archive.optimize import optimize
from poparchive.archive.pace import Limits
from poparchive.archive.read import Reader
from poparchive.archive.rebuild import rebuild
from poparchive.archive.repair import Needs, Repair
from poparchive.archive.verify import Counts, Kind, unnamed, verify
from poparchive.archive.writer import Writer
from poparchive.model import Fate
from poparchive.store import layout, parity, tail
from poparchive.store.errors import StoreError
from poparchive.store.frame import HEADER_BYTES, NEWEST, encode_seal
from poparchive.store.fsio import Lock
from poparchive.store.journal import JournalEntry, JournalWriter
from poparchive.store.pack import PACK_HEADER_BYTES, cut_tail
from poparchive.store.records import PackRecord, Record, Sealed
from tests.archive.test_repair import repair
from tests.archive.test_verify import change, frames
from tests.support.archives import damages, fill, octets_of, put, rows
from tests.support.damage import mails

A, B, C = mails(0, 6), mails(6, 18), mails(30, 33)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive with A, and a backup of its journal and databases beside it."""
    monkeypatch.setattr("poparchive.archive.framing.FRAME_BYTES", 3000)
    path = tmp_path / "archive"
    fill(path, A)
    shutil.copytree(path, tmp_path / "backup")
    return path


def put_back(root: Path, *, databases: bool) -> None:
    """Put the journal of the backup back, with its databases or without any."""
    backup = root.with_name("backup")
    for path in root.glob("*.sqlite*"):
        path.unlink()
    if databases:
        for path in backup.glob("*.sqlite*"):
            shutil.copy(path, root)
    shutil.rmtree(root / "journal")
    shutil.copytree(backup / "journal", root / "journal")


def notes(root: Path) -> str:
    counts = Counts()
    assert list(verify(root, counts, lambda *_: None)) == []
    return " ".join(counts.notes)


def origins(root: Path) -> dict[str, int]:
    """How many messages each account has."""
    held = rows(root / "catalog.sqlite")
    names = {row[0]: str(row[1]) for row in held["accounts"]}
    found: dict[str, int] = {}
    for row in held["uidls"]:
        assert row[4] == Fate.ARCHIVED
        found[names[row[1]]] = found.get(names[row[1]], 0) + 1
    return found


@pytest.mark.parametrize("pulled", [False, True])
@pytest.mark.parametrize("databases", [False, True])
def test_an_older_journal(root: Path, *, databases: bool, pulled: bool) -> None:
    """Its pack has more than it says. Verify tells it, pulls go on and destroy nothing of it, and one command
    gets the mail back, of which no server has anything left."""
    fill(root, B)
    put_back(root, databases=databases)
    if not databases:
        rebuild(layout.open_layout(root))
    assert f"{len(B)} messages" in notes(root)
    assert "verify --repair" in notes(root)
    if pulled:
        fill(root, C)
        assert sorted(octets_of(root)) == sorted([*A, *C])
        assert f"{len(B)} messages" in notes(root)
        optimize(root, Limits(), lambda *_: None)
        fill(root, mails(33, 34))
        assert f"{len(B)} messages" in notes(root)
    said, _ = repair(root)
    assert f"{len(B)} messages that the journal does not name" in " ".join(said)
    more = [*C, *mails(33, 34)] if pulled else []
    assert sorted(octets_of(root)) == sorted([*A, *B, *more])
    assert origins(root) == {"anna": len([*A, *more]), "recovered": len(B)}
    assert notes(root) == ""
    assert repair(root)[0] == []
    rebuild(layout.open_layout(root))
    assert sorted(octets_of(root)) == sorted([*A, *B, *more])
    assert damages(root) == []


def test_an_older_journal_alone(root: Path) -> None:
    """Databases that know more keep pulls out; when a rebuild has made them fit, a repair has all mail."""
    fill(root, B)
    shutil.rmtree(root / "journal")
    shutil.copytree(root.with_name("backup") / "journal", root / "journal")
    octets = layout.open_layout(root).pack(1).read_bytes()
    with pytest.raises(StoreError, match="were synced"):
        fill(root, C)
    repair(root)
    assert {one.kind for one in damages(root)} == {Kind.JOURNAL}
    assert layout.open_layout(root).pack(1).read_bytes() == octets
    rebuild(layout.open_layout(root), to_journal=True)
    repair(root)
    assert sorted(octets_of(root)) == sorted([*A, *B])
    assert notes(root) == ""


def test_more_than_a_batch_is_damage(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No pull that was cut leaves so much: it is told as what it is, before the next pull and after."""
    fill(root, B)
    put_back(root, databases=True)
    monkeypatch.setattr("poparchive.archive.verify.unnamed._AT_MOST", len(B) - 1)
    for _ in range(2):
        (found,) = damages(root)
        assert found.kind is Kind.PACK
        assert "put one back that has all of it" in found.what
        fill(root, C)
    repair(root)
    assert damages(root) == []
    assert sorted(octets_of(root)) == sorted([*A, *B, *C])


def test_the_newer_journal_after_all(root: Path) -> None:
    """A pull has gone on behind the older journal; then the newer one is put back. What its pack has no more
    is found where the pull put it, and what came by that pull stays too."""
    fill(root, B)
    newer = shutil.copytree(root / "journal", root.with_name("newer"))
    put_back(root, databases=True)
    fill(root, C)
    shutil.rmtree(root / "journal")
    shutil.copytree(newer, root / "journal")
    # The catalog has applied an entry that is not in it, and gives way only where that is asked for.
    said, _ = repair(root)
    assert any("It stays" in one for one in said)
    rebuild(layout.open_layout(root), to_journal=True)
    repair(root)
    assert sorted(octets_of(root)) == sorted([*A, *B, *C])
    assert origins(root) == {"anna": len([*A, *B]), "recovered": len(C)}
    assert notes(root) == ""


def test_a_lost_journal(root: Path) -> None:
    """Where there is no other copy, a rebuild and a repair get all mail back."""
    fill(root, B)
    for path in (*root.glob("*.sqlite*"), *root.glob("journal/*")):
        path.unlink()
    rebuild(layout.open_layout(root))
    repair(root)
    assert sorted(octets_of(root)) == sorted([*A, *B])
    assert origins(root) == {"recovered": len([*A, *B])}
    assert notes(root) == ""


@pytest.mark.parametrize("databases", [False, True])
def test_damage_in_it(root: Path, *, databases: bool) -> None:
    """A frame that cannot be read costs none of the others, and its octets stay."""
    there = layout.open_layout(root)
    before = there.pack(1).stat().st_size
    fill(root, B)
    tail = [one for one in frames(root, 1) if one[0] >= before]
    assert len(tail) > 2
    change(there.pack(1), tail[1][0] + 150)
    octets = there.pack(1).read_bytes()[before:]
    put_back(root, databases=databases)
    fill(root, C)
    (aside,) = (number for number in there.packs() if number != 1)
    assert there.pack(aside).read_bytes().endswith(octets)
    repair(root)
    held = octets_of(root)
    assert set(held) < {*A, *B, *C}
    assert set(held) > {*A, *C}
    assert aside in there.packs()
    assert there.pack(aside).read_bytes().endswith(octets)
    assert damages(root) == []
    fill(root, B)
    assert sorted(octets_of(root)) == sorted([*A, *B, *C])
    assert "may be removed by hand" in notes(root)


@pytest.mark.parametrize(("which", "lacks"), [(0, True), (1, True), (2, False)])
def test_no_more_is_promised_than_a_repair_does(root: Path, which: int, *, lacks: bool) -> None:
    """Whatever frame is damaged: as many messages as verify says are stored again, and what lacks its other
    half is told as such, before the repair, by it and after it."""
    there = layout.open_layout(root)
    before = there.pack(1).stat().st_size
    fill(root, B)
    tail = [one for one in frames(root, 1) if one[0] >= before]
    put_back(root, databases=True)
    cut_tail(there, PackRecord(1, before, Sealed.NO))
    (number,) = (one for one in there.packs() if one != 1)
    shift = PACK_HEADER_BYTES - before
    change(there.pack(number), tail[which][0] + shift + 150)
    said = notes(root)
    match = re.search(r"(\d+) messages; it was kept", said)
    promised = int(match[1]) if match else 0
    told, _ = repair(root)
    got = sorted(octets_of(root))
    assert len(got) == len(A) + promised
    assert 0 < promised < len(B)
    assert set(got) < {*A, *B}
    left = notes(root)
    assert "verify --repair` stores this mail" not in left
    for text in (said, told[-1], left):
        assert ("lack their message" in text) == lacks
    assert ("It may be removed by hand" in told[-1]) != lacks


def test_what_a_newer_version_wrote_is_not_promised(root: Path) -> None:
    """No repair of this version reads it: that is said, and what does."""
    there = layout.open_layout(root)
    before = there.pack(1).stat().st_size
    fill(root, B)
    put_back(root, databases=True)
    cut_tail(there, PackRecord(1, before, Sealed.NO))
    number = max(there.packs())
    whole = bytearray(there.pack(number).read_bytes())
    for start, end in frames(root, number):
        whole[start : start + HEADER_BYTES] = newer(bytes(whole[start:end]))
    there.pack(number).write_bytes(whole)
    for text in (notes(root), repair(root)[0][-1], notes(root)):
        assert "run the newest version of poparchive" in text
        assert "stores this mail again" not in text
        assert "messages" not in text.partition("To have it")[0].partition("it was kept")[0]
    assert there.pack(number).read_bytes() == whole


def cut(root: Path, messages: Sequence[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """A pull that ends before the entry of its batch is written."""

    def stop(_: JournalWriter, __: Sequence[Record], ___: int) -> JournalEntry:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(JournalWriter, "append", stop)
        with pytest.raises(BaseException), Writer(root) as writer:  # noqa: B017, PT011 - as it comes
            put(writer, messages)


def test_a_cut_pull_leaves_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As often as it happens: the pull that fetches the same again removes what it left."""
    there = layout.open_layout(root)
    size = there.pack(1).stat().st_size
    for end in (4, 4, 9, 12, 6, 12):
        cut(root, B[:end], monkeypatch)
        assert there.pack(1).stat().st_size > size
        assert len(there.packs()) <= 2
        assert damages(root) == []
    fill(root, B)
    assert there.packs() == [1]
    assert there.new_packs() == []
    assert notes(root) == ""
    assert sorted(octets_of(root)) == sorted([*A, *B])
    # What is no whole frame leaves nothing at all.
    for end in (7, 100):
        with there.pack(1).open("ab") as handle:
            handle.write((there.pack(1).read_bytes()[44:])[:end])
        fill(root, C[: end % 3])
        assert there.packs() == [1]


def test_copies_are_compared_in_bounded_memory(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packs with more objects than that are left alone by the start of a pull; its end is as always."""
    there = layout.open_layout(root)
    monkeypatch.setattr("poparchive.archive.verify.copies._OBJECTS_MOST", 20)
    for count in (1, 2, 3):
        cut(root, B, monkeypatch)
        assert len(there.packs()) == count
    monkeypatch.setattr("poparchive.archive.verify.copies._OBJECTS_MOST", 100)
    cut(root, B, monkeypatch)
    assert len(there.packs()) == 2
    fill(root, B)
    assert there.packs() == [1]
    assert sorted(octets_of(root)) == sorted([*A, *B])


def test_a_leftover_that_cannot_be_looked_at(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Optimize and repair name it and say what to do, and do all else."""
    there = layout.open_layout(root)
    fill(root, B)
    put_back(root, databases=True)
    fill(root, C)
    (number,) = (one for one in there.packs() if one != 1)
    held = there.pack(number).read_bytes()

    def refused(*_: object, **__: object) -> unnamed.Unnamed:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("poparchive.archive.verify.unnamed.look", refused)
        (told,) = optimize(root, Limits(), lambda *_: None).damages
        with Lock(there.lock) as lock:
            said: list[str] = []
            Repair(there, lock, None, None, said.append).run(Needs())
    for text in (told, said[-1]):
        assert f"{there.pack(number)}: " in text
        assert "Permission denied" in text
        assert "run the command again" in text
    assert there.pack(number).read_bytes() == held
    assert set(octets_of(root)) == {*A, *B, *C}


def test_copies_whose_making_is_cut_do_not_add_up(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start that is killed while it copies leaves a file. The next one removes that, unless an optimize
    runs, whose file it may be; no number is given to two packs."""
    there = layout.open_layout(root)
    left = []
    for number in (7, 8):
        left += [there.new_pack(number), there.parity(number)]
        left[-2].parent.mkdir(exist_ok=True)
        for path in left[-2:]:
            path.write_bytes(b"begun")
    cut(root, B, monkeypatch)
    assert all(path.exists() for path in left)
    with Lock(there.optimize_lock):
        cut(root, B[:4], monkeypatch)
    assert all(path.exists() for path in left)
    assert there.packs() == [1, 9]
    cut(root, B[:5], monkeypatch)
    assert not any(path.exists() for path in left)
    assert there.new_packs() == []
    fill(root, B)
    assert there.packs() == [1]
    assert sorted(octets_of(root)) == sorted([*A, *B])
    assert notes(root) == ""


def test_a_device_that_fails(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that cannot be read now is not taken for one that holds nothing."""
    there = layout.open_layout(root)
    cut(root, B, monkeypatch)
    fill(root, C)
    (copy,) = (number for number in there.packs() if number != 1)
    held = there.pack(copy).read_bytes()
    here = os.pread

    def failing(fd: int, length: int, at: int) -> bytes:
        if os.path.samestat(os.fstat(fd), there.pack(copy).stat()):
            raise OSError(errno.EIO, "Input/output error")
        return here(fd, length, at)

    def unreadable(_: layout.Layout, number: int) -> bool:
        return number != copy

    with monkeypatch.context() as patch:
        patch.setattr("os.pread", failing)
        patch.setattr("poparchive.archive.verify.unnamed.is_readable", unreadable)
        patch.setattr("poparchive.archive.verify.copies.is_readable", unreadable)
        cut(root, B, monkeypatch)
        fill(root, mails(50, 51))
        optimize(root, Limits(), lambda *_: None)
        repair(root)
        assert there.pack(copy).read_bytes() == held
    fill(root, B)
    assert not there.pack(copy).exists()


def test_a_cut_pull_before_another(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it left stays while other mail is pulled, and is noted, until its own was fetched."""
    there = layout.open_layout(root)
    cut(root, B, monkeypatch)
    fill(root, C)
    assert len(there.packs()) == 2
    assert "the next one fetches the same" in notes(root)
    fill(root, B[:5])
    assert len(there.packs()) == 2
    fill(root, B[5:])
    assert there.packs() == [1]
    assert notes(root) == ""


def test_its_dictionary_is_damaged(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames that need a dictionary which cannot be read are not cut off; once a repair has mended it they
    are kept like others."""
    there = layout.open_layout(root)
    monkeypatch.setattr("poparchive.archive.writer.due", lambda *_: True)
    monkeypatch.setattr(
        "poparchive.archive.writer.dictionary_for", lambda *_: b"".join(mails(50, 60))
    )
    fill(root, mails(40, 41))
    number = max(there.packs())
    shutil.rmtree(root.with_name("backup"))
    shutil.copytree(root, root.with_name("backup"))
    fill(root, B)
    assert max(there.packs()) == number
    change(there.pack(number), 60)
    size = there.pack(number).stat().st_size
    put_back(root, databases=True)
    with pytest.raises(StoreError, match="the dictionary that it needs is damaged"):
        fill(root, C)
    assert there.pack(number).stat().st_size == size
    repair(root)
    assert sorted(octets_of(root)) == sorted([*A, *B, *mails(40, 41)])
    assert damages(root) == []
    fill(root, C)


@pytest.mark.parametrize("how", ["healed", "cut", "too much", "of another pack"])
def test_parity_heals_a_pack_that_no_entry_names(
    root: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """An optimize has moved all mail since the journal that came back was written, and the only pack of it is
    damaged: one repair makes it whole and takes its mail in. What parity cannot heal stays as it is, and
    parity of a pack that had the number before changes nothing."""
    there = layout.open_layout(root)
    optimize(root, Limits(), lambda *_: None)
    put_back(root, databases=True)
    (number,) = there.packs()
    path = there.pack(number)
    whole = path.read_bytes()
    change(path, 200)
    if how == "too much":
        path.write_bytes(whole[:100] + bytes(len(whole) - 100))
        sidecar = there.parity(number)
        sidecar.write_bytes(sidecar.read_bytes()[:200] + bytes(sidecar.stat().st_size - 200))
    if how == "of another pack":
        # Of one block, which parity makes whatever the pack holds.
        other = whole[: PACK_HEADER_BYTES + 100]
        path.write_bytes(other + encode_seal(hashlib.sha256(other).digest()))
        assert path.stat().st_size < 4096
        parity.make(there, number)
        path.write_bytes(whole)
        change(path, 200)
    if how == "cut":
        # Where the file system has no links, the damaged pack is moved aside first.
        def stop(new: Path, _: Path) -> Path:
            path.rename(path.with_name(path.name + ".damaged-1"))
            raise StoreError(f"{new}: cut")

        with monkeypatch.context() as patch:
            patch.setattr("poparchive.archive.repair.files.put_in_place", stop)
            patch.setattr("poparchive.archive.repair.mend.Repair._messages", lambda *_: None)
            repair(root)
        assert there.packs() == []
    held = path.read_bytes() if path.exists() else b""
    said, _ = repair(root)
    if how in ("healed", "cut"):
        assert f"{path}: no entry of the journal names it; it was healed by its parity" in said
        assert sorted(octets_of(root)) == sorted(A)
        assert damages(root) == []
        assert not path.exists()
    else:
        assert path.read_bytes() == held
        assert list(path.parent.glob("*.healed")) == []


def test_the_dictionary_of_a_pack_that_no_entry_names_heals_itself(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first copy is damaged: the second gives it back, and all mail of the pack is taken in."""
    there = layout.open_layout(root)
    monkeypatch.setattr("poparchive.archive.writer.due", lambda *_: True)
    monkeypatch.setattr(
        "poparchive.archive.writer.dictionary_for", lambda *_: b"".join(mails(50, 60))
    )
    fill(root, mails(40, 41))
    shutil.rmtree(root.with_name("backup"))
    shutil.copytree(root, root.with_name("backup"))
    fill(root, B)
    put_back(root, databases=True)
    fill(root, C)
    number = max(there.packs())
    change(there.pack(number), PACK_HEADER_BYTES + 100)
    said, _ = repair(root)
    assert "healed by the second copy of its dictionary" in " ".join(said)
    assert sorted(octets_of(root)) == sorted([*A, *B, *C, *mails(40, 41)])
    assert damages(root) == []
    assert number not in there.packs()


@pytest.mark.parametrize("damaged", ["first frame", "header", "dictionary", "newer"])
def test_what_cannot_be_read_is_not_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, damaged: str
) -> None:
    """A pack that no entry names goes only if all that is in it is known: not when its first octets are
    damaged, nor when no frame in it can be read, and they are whole."""
    there = layout.open_layout(root)
    monkeypatch.setattr("poparchive.archive.writer.due", lambda *_: damaged == "dictionary")
    monkeypatch.setattr(
        "poparchive.archive.writer.dictionary_for", lambda *_: b"".join(mails(50, 60))
    )
    fill(root, mails(40, 41))
    number = max(there.packs()) if damaged == "dictionary" else 1
    if damaged != "dictionary":
        shutil.rmtree(root.with_name("backup"))
        shutil.copytree(root, root.with_name("backup"))
    before = there.pack(number).stat().st_size
    fill(root, B)
    put_back(root, databases=True)
    if damaged != "dictionary":
        cut_tail(there, PackRecord(number, before, Sealed.NO))
        number = max(there.packs())
    held = frames(root, number)
    if damaged == "first frame":
        change(there.pack(number), held[0][0] + 150)
    elif damaged == "header":
        change(there.pack(number), 30)
    elif damaged == "dictionary":
        for start, _ in held[:2]:
            change(there.pack(number), start + 100)
    else:
        whole = bytearray(there.pack(number).read_bytes())
        for start, end in held:
            whole[start : start + HEADER_BYTES] = newer(bytes(whole[start:end]))
        there.pack(number).write_bytes(whole)
    octets = there.pack(number).read_bytes()
    for _ in range(2):
        fill(root, C)
        cut(root, C, monkeypatch)
        optimize(root, Limits(), lambda *_: None)
        repair(root)
        assert there.pack(number).read_bytes() == octets
    missed = set(B) - set(octets_of(root))
    assert len(missed) < len(B) if damaged in ("first frame", "header") else missed == set(B)


def newer(octets: bytes) -> bytes:
    """The header of a frame as a later version writes it."""
    head = octets[:4] + bytes([NEWEST + 1]) + octets[5 : HEADER_BYTES - 36]
    head += zlib.crc32(head).to_bytes(4, "little")
    return head + hashlib.sha256(head + octets[HEADER_BYTES:]).digest()


def test_a_device_that_fails_behind_the_end(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be read now is not cut off: pulls go on in a new pack, and a repair takes it in when the
    device gives it back."""
    there = layout.open_layout(root)
    before = there.pack(1).stat().st_size
    fill(root, B)
    put_back(root, databases=True)
    octets = there.pack(1).read_bytes()
    here = os.pread

    def failing(fd: int, length: int, at: int) -> bytes:
        if os.path.samestat(os.fstat(fd), there.pack(1).stat()) and at + length > before:
            raise OSError(errno.EIO, "Input/output error")
        return here(fd, length, at)

    with monkeypatch.context() as patch:
        patch.setattr("os.pread", failing)
        fill(root, [])
        fill(root, C[:1])
        optimize(root, Limits(), lambda *_: None)
        repair(root)
        fill(root, C[1:])
        assert there.pack(1).read_bytes() == octets
    assert sorted(octets_of(root)) == sorted([*A, *C])
    repair(root)
    assert sorted(octets_of(root)) == sorted([*A, *B, *C])
    assert notes(root) == ""


def test_a_batch_that_was_cut_twice(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same mail in a copy and behind the end is no more than a batch, and so no damage."""
    monkeypatch.setattr("poparchive.archive.verify.unnamed._AT_MOST", len(B))
    for _ in range(2):
        cut(root, B, monkeypatch)
    assert len(layout.open_layout(root).packs()) == 2
    assert "verify --repair" in notes(root)
    cut(root, mails(18, 20), monkeypatch)
    assert {one.kind for one in damages(root)} == {Kind.PACK}


def test_known_mail_behind_the_end(root: Path) -> None:
    """Where all that can be read behind the end is known and some octets are no frame, nobody is told that
    the pack, which holds the archive's mail, may be removed."""
    path = layout.open_layout(root).pack(1)
    (start, end), *_ = frames(root, 1)
    octets = path.read_bytes()[start:end]
    path.write_bytes(path.read_bytes() + octets + bytes(90) + octets)
    assert "some of the octets are no frame" in notes(root)
    assert "by hand" not in notes(root)
    fill(root, C)
    assert sorted(octets_of(root)) == sorted([*A, *C])


@pytest.mark.parametrize("mend", [False, True])
def test_a_frame_across_the_committed_length_stays(root: Path, *, mend: bool) -> None:
    """The pack is of a copy that pulled other mail, and the journal's length lies within its frame: nobody
    cuts the frame, and new mail goes into a new pack."""
    there, backup = layout.open_layout(root), root.with_name("backup")
    fill(root, C[:1])
    fill(backup, B[:1])
    other = layout.open_layout(backup).pack(1).read_bytes()
    length = there.pack(1).stat().st_size
    assert len(other) != length
    if len(other) < length:
        fill(backup, B[1:])
        other = layout.open_layout(backup).pack(1).read_bytes()
    there.pack(1).write_bytes(other)
    if mend:
        repair(root)
    fill(root, C[1:])
    assert there.pack(1).read_bytes() == other
    assert any("across octet" in line for line in repair(root)[0])
    assert there.pack(1).read_bytes() == other
    held = readable(root)
    assert set(held) >= set(C[1:])


def readable(root: Path) -> list[bytes]:
    """All messages that can be read."""
    found = []
    with Reader(root) as reader:
        for one in reader.lookup.stored_order():
            with contextlib.suppress(StoreError):
                found.append(b"".join(reader.octets(one)))
    return found


def test_optimize_leaves_a_pack_behind_whose_length_something_stands(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pull went on in a new pack, because the device did not give back what stood there: it may be mail."""
    there = layout.open_layout(root)
    fill(root, B)
    held = there.pack(1).read_bytes()
    put_back(root, databases=True)
    with monkeypatch.context() as broken:
        broken.setattr("poparchive.store.tail.is_readable", lambda *_: False)
        fill(root, C)
    told = optimize(root, Limits(), lambda *_: None).damages
    assert any("may be mail that is nowhere else" in one for one in told)
    assert there.pack(1).read_bytes() == held
    assert sorted(octets_of(root)) == sorted([*A, *C])


def test_a_pack_that_is_shorter_has_nothing_across_its_length(root: Path) -> None:
    """It is looked through to its end and no further."""
    path = layout.open_layout(root).pack(1)
    size = path.stat().st_size
    with path.open("rb") as file:
        at = tail.crossing(file.fileno(), PACK_HEADER_BYTES, 2 * size, size, path)
    assert at == 0
