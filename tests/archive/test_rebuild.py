"""Rebuild over damaged packs: what is told, and when the old catalog stays."""

import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from poparchive.archive.opening import caring
from poparchive.archive.rebuild import rebuild
from poparchive.archive.verify import Counts, Kind, Share, verify
from poparchive.store import journal, layout, parity
from poparchive.store.digest import sha256
from tests.archive.test_repair import repair
from tests.support import forks
from tests.support.archives import damages, fill, octets_of, rows
from tests.support.damage import mails

LOST = 30
"""So many messages, and another, are in the damaged pack: more than a list that is cut short names."""

RED = b"Subject: \x1b[31mred\r\n\r\n"
LATER = [one for number in (100, 101, 103, 104, 106) for one in mails(number, number + 1)]
"""Behind it, without the attachments that others have."""
LEFT = len(LATER)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two accounts in a pack without parity, one message in both, and some mail in the pack behind it."""
    path = tmp_path / "archive"
    fill(path, mails(0, 20), account="anna")
    fill(path, [*mails(19, LOST), RED], account="ben")
    with caring(layout.open_layout(path), wait_s=0) as care, care.packs() as packs:
        packs.begin()
    fill(path, LATER, account="anna")
    layout.open_layout(path).parity(1).unlink(missing_ok=True)
    return path


def spoil(root: Path) -> None:
    """Change an octet in each frame of the first pack, so that no message of it can be read."""
    pack = layout.open_layout(root).pack(1)
    octets = bytearray(pack.read_bytes())
    for found in list(re.finditer(b"PAFR", octets)):
        octets[found.end() + 60] ^= 1
    pack.write_bytes(octets)


def without_databases(root: Path) -> None:
    for path in root.glob("*.sqlite*"):
        path.unlink()


def run(root: Path, *arguments: str, code: int) -> "subprocess.CompletedProcess[str]":
    done = forks.run(["--archive", str(root), *arguments], root.parent / "said", timeout_s=240)
    said = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    assert done.returncode == code, said
    return subprocess.CompletedProcess(done.args, done.returncode, *said)


def new_files(root: Path) -> list[Path]:
    return [*root.glob("*.new"), *root.glob("*.new-*")]


def test_a_catalog_that_names_what_is_lost_stays(root: Path) -> None:
    """Its names are worth more than a new catalog that lacks them: nothing is switched, and that is told."""
    before = rows(root / "catalog.sqlite"), rows(root / "search.sqlite")
    spoil(root)
    said = run(root, "rebuild", code=1).stderr
    assert (rows(root / "catalog.sqlite"), rows(root / "search.sqlite")) == before
    assert not new_files(root)
    assert f"{LOST + 1} messages" in said
    assert "anna 20" in said
    assert "ben 12" in said
    assert "verify --repair" in said
    assert "--leave-out-unreadable" in said
    assert "are in the catalog and searchable" not in said
    assert run(root, "search", "number25", "--count", code=0).stdout.strip() == "1"


def test_a_new_one_is_taken_if_that_is_asked_for(root: Path) -> None:
    """What is counted is what is in it, and each command that follows knows that it lacks messages."""
    spoil(root)
    said = run(root, "rebuild", "--leave-out-unreadable", code=1).stderr
    assert f"{LEFT} messages are in the catalog and searchable" in said
    assert f"{LOST + 1} messages" in said
    assert "anna 20" in said
    assert "verify --repair" in said
    status = run(root, "status", code=1)
    assert "anna: the catalog lacks the messages of 20 UIDLs" in status.stderr
    assert "ben: the catalog lacks the messages of 12 UIDLs" in status.stderr
    assert '"lacking": 12' in run(root, "status", "--json", code=1).stdout
    exported = run(root, "export", code=1).stderr
    assert f"{LEFT} messages exported" in exported
    assert "anna: the catalog lacks the messages of 20 UIDLs" in exported
    assert "20" not in run(root, "export", "--account", "ben", code=1).stderr.split("exported")[0]


def test_what_the_catalog_lacks_is_named_in_full(root: Path) -> None:
    """Each message that no pack makes, once, by account, UIDL and day; a repair looks for these."""
    lost = {sha256(one) for one in [*mails(0, LOST), RED]}
    spoil(root)
    rebuild(layout.open_layout(root), leave_out=True)
    found = damages(root)
    named = [one for one in found if one.identity]
    assert {one.identity for one in named} == lost
    assert len(named) == len(lost)
    assert {one.kind for one in named} == {Kind.MESSAGE}
    assert all(re.search(r"of account (anna|ben), kept \d{4}-\d\d-\d\d", one.what) for one in named)
    assert not [one for one in found if "stands otherwise" in one.what]
    assert not [one for one in found if "no message needs it" in one.what]
    accounts = [one.accounts for one in named]
    assert [one[0] for one in accounts] == sorted(one[0] for one in accounts)
    assert ("anna", "ben") in accounts


def test_what_a_pack_still_has_is_not_called_lost(root: Path) -> None:
    """A catalog that lacks rows while the packs are whole: a rebuild mends it, and verify says that."""
    pack = layout.open_layout(root).pack(1)
    whole = pack.read_bytes()
    spoil(root)
    rebuild(layout.open_layout(root), leave_out=True)
    pack.write_bytes(whole)
    named = [one for one in damages(root) if one.identity]
    assert len(named) == LOST + 1
    assert {one.kind for one in named} == {Kind.CATALOG}
    assert all("poparchive rebuild" in one.what for one in named)
    said = run(root, "rebuild", code=0).stderr
    assert f"{LOST + 1 + LEFT} messages are in the catalog and searchable" in said
    assert damages(root) == []
    assert "lack" not in run(root, "status", code=0).stderr


def test_without_an_old_catalog_the_new_one_is_taken(root: Path) -> None:
    """What can be read can be found, and what cannot is told."""
    spoil(root)
    without_databases(root)
    said = run(root, "rebuild", code=1).stderr
    assert f"{LEFT} messages are in the catalog and searchable" in said
    assert "anna 20" in said


@pytest.mark.parametrize("how", ["cut", "rotten", "ahead"])
def test_an_old_catalog_of_no_use_is_replaced(root: Path, how: str) -> None:
    """One that is damaged, or knows a journal that is not there, gives way, and what is lost is told."""
    catalog = root / "catalog.sqlite"
    if how == "ahead":
        journal = layout.open_layout(root).journal(1)
        before = journal.read_bytes()
        fill(root, mails(200, 202))
        journal.write_bytes(before)
    elif how == "cut":
        os.truncate(catalog, 3000)
    else:
        with contextlib.closing(sqlite3.connect(catalog)) as database, database:
            database.execute("PRAGMA writable_schema = 1")
            database.execute(
                "UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name ="
                " 'ix_messages_size_bytes') WHERE name = 'ix_messages_message_id_hash'"
            )
    spoil(root)
    made = rebuild(layout.open_layout(root), to_journal=True)
    assert not made.kept
    assert bool(made.aside) == (how == "ahead")
    assert (made.messages, made.lacking.messages) == (LEFT, LOST + 1)
    assert len(octets_of(root)) == LEFT


def test_a_pack_that_is_gone_costs_no_names(root: Path) -> None:
    """Nor does it keep the search index from being made of what there is."""
    layout.open_layout(root).pack(1).unlink()
    before = rows(root / "catalog.sqlite")
    assert "packs" in run(root, "rebuild", code=1).stderr
    assert rows(root / "catalog.sqlite") == before
    said = run(root, "rebuild", "--search-only", code=1).stderr
    assert rows(root / "catalog.sqlite") == before
    assert f"{LOST + 1 + LEFT} messages are in the catalog, {LEFT} of them are searchable" in said
    assert "anna 20" in said
    assert run(root, "search", "number101", "--count", code=0).stdout.strip() == "1"


def test_messages_that_were_fetched_again_count_once(root: Path) -> None:
    """The journal names them twice; catalog and index have them once, however they were made."""
    spoil(root)
    without_databases(root)
    rebuild(layout.open_layout(root))
    fill(root, mails(0, LOST), account="anna")
    for arguments in ("rebuild",), ("rebuild", "--search-only"):
        said = run(root, *arguments, code=1).stderr
        assert f"{LOST + LEFT} messages are in the catalog and searchable" in said
        assert "ben 1" in said
    assert [one.kind for one in damages(root) if one.kind is Kind.SEARCH] == []
    assert [one.identity for one in damages(root) if one.identity] == [sha256(RED)]


def test_a_repair_keeps_the_names(root: Path, tmp_path: Path) -> None:
    """A row of the catalog is wrong and a pack is lost: what it names stays until the messages are there,
    and then it is made anew in the same repair."""
    before = sorted(octets_of(root))
    spoil(root)
    with contextlib.closing(sqlite3.connect(root / "catalog.sqlite")) as database, database:
        database.execute("UPDATE uidls SET size_bytes = size_bytes + 1 WHERE id = 1")
        count = database.execute("SELECT count(*) FROM messages").fetchone()
    said, asked = repair(root, has=[])
    assert any("stays as it is" in one and "catalog" in one for one in said)
    assert len({one.id for one in asked}) == LOST + 1
    with contextlib.closing(sqlite3.connect(root / "catalog.sqlite")) as database:
        assert database.execute("SELECT count(*) FROM messages").fetchone() == count
    fill(tmp_path / "other", [*mails(0, LOST), RED])
    repair(root, tmp_path / "other")
    assert damages(root) == []
    assert sorted(octets_of(root)) == before


def test_a_repair_gives_back_what_the_catalog_lacks(root: Path, tmp_path: Path) -> None:
    """Also what no catalog names any more: by the journal, from another archive."""
    before = sorted(octets_of(root))
    spoil(root)
    rebuild(layout.open_layout(root), leave_out=True)
    fill(tmp_path / "other", [*mails(0, LOST), RED])
    repair(root, tmp_path / "other")
    assert damages(root) == []
    assert sorted(octets_of(root)) == before


def test_a_healed_pack_gives_the_names_back(root: Path) -> None:
    """A rebuild had left them out; the repair heals the pack and makes the catalog again."""
    before = rows(root / "catalog.sqlite")
    there = layout.open_layout(root)
    parity.make(there, 1, percent=100)
    spoil(root)
    rebuild(there, leave_out=True)
    repair(root)
    assert damages(root) == []
    assert rows(root / "catalog.sqlite") == before


def lose_journal(root: Path, how: str) -> None:
    """Lose what the catalog has applied of the journal."""
    there = layout.open_layout(root)
    if how == "gone":
        shutil.rmtree(root / "journal")
    else:
        path = there.journal(1)
        first = next(iter(journal.read(there)))
        os.truncate(path, first.after.offset)


@pytest.mark.parametrize("how", ["gone", "cut"])
@pytest.mark.parametrize(
    "command", [("verify", "--repair"), ("rebuild", "--search-only")], ids=["repair", "search-only"]
)
def test_a_catalog_that_knows_more_than_the_journal_stays(
    root: Path, how: str, command: tuple[str, ...]
) -> None:
    """Nothing else knows accounts, UIDLs and fates then, and no command makes it anew by the way."""
    before = rows(root / "catalog.sqlite")
    with contextlib.closing(sqlite3.connect(root / "search.sqlite")) as index, index:
        index.execute("PRAGMA user_version = 1")
    lose_journal(root, how)
    for _ in range(2):
        said = run(root, *command, code=1).stderr
        assert "journal" in said
        assert rows(root / "catalog.sqlite") == before


def test_a_rebuild_to_a_journal_that_lost_entries_keeps_the_old_catalog_aside(root: Path) -> None:
    """Whoever asks for databases as the journal is gets them, and is told where the old catalog is."""
    before = rows(root / "catalog.sqlite")
    lose_journal(root, "cut")
    said = run(root, "rebuild", code=1).stderr
    (aside,) = root.glob("catalog.sqlite.ahead-*")
    assert str(aside) in said
    assert rows(aside) == before
    assert rows(root / "catalog.sqlite") != before
    run(root, "rebuild", code=0)


def test_a_catalog_that_may_not_be_read_is_not_replaced(root: Path) -> None:
    """What cannot be read is not known to be of no use."""
    without_databases(root)
    (root / "catalog.sqlite").symlink_to(root / "catalog.sqlite")
    for command in ("rebuild", "verify"):
        done = run(root, command, code=1)
        assert "catalog.sqlite" in done.stdout + done.stderr
    assert (root / "catalog.sqlite").is_symlink()


def test_what_is_not_searchable_is_told(root: Path) -> None:
    """A search index that was made while a pack was away: `status` says so, and what helps does."""
    there = layout.open_layout(root)
    away = root.parent / "away.pack"
    there.pack(1).rename(away)
    run(root, "rebuild", "--search-only", code=1)
    away.rename(there.pack(1))
    said = run(root, "status", code=1).stderr
    assert f"{LOST + 1} messages cannot be searched" in said
    run(root, "rebuild", "--search-only", code=0)
    assert "cannot be searched" not in run(root, "status", code=0).stderr


def test_a_share_does_not_call_lost_what_it_did_not_look_for(root: Path) -> None:
    """It knows only its own damage: what the packs cannot make it leaves to a run over everything."""
    pack = layout.open_layout(root).pack(1)
    whole = pack.read_bytes()
    spoil(root)
    rebuild(layout.open_layout(root), leave_out=True)
    pack.write_bytes(whole[:-40] + bytes(40))
    found = list(verify(root, Counts(), lambda *_: None, Share(percent=100)))
    named = [one for one in found if one.identity]
    assert len(named) == LOST + 1
    assert {one.kind for one in named} == {Kind.CATALOG}
