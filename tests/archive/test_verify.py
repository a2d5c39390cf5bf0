"""Verification: what is found, how it is named, and how far a share comes."""

import errno
import hashlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from poparchive.archive import scrub
from poparchive.archive.optimize import optimize
from poparchive.archive.pace import Limits
from poparchive.archive.rebuild import rebuild
from poparchive.archive.scrub import DAY_S, Scrub
from poparchive.archive.verify import Counts, Damage, Kind, Share, StoppedError, verify
from poparchive.archive.writer import Writer
from poparchive.errors import PoparchiveError, TryLaterError
from poparchive.index import failures, versions
from poparchive.index.engine import CatalogError, _explaining
from poparchive.index.lookup import Lookup
from poparchive.index.search import Searcher
from poparchive.index.shadow import Shadow
from poparchive.store import layout, parity
from poparchive.store.frame import HEADER_BYTES
from poparchive.store.pack import PACK_HEADER_BYTES
from poparchive.store.packread import PackReader
from tests.support.archives import damages, fill, put
from tests.support.damage import mails
from tests.support.locked import locked


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two accounts in several small packs of small frames."""
    monkeypatch.setattr("poparchive.archive.storer.BATCH_MESSAGES", 4)
    monkeypatch.setattr("poparchive.archive.framing.FRAME_BYTES", 4000)
    path = tmp_path / "archive"
    layout.create(path)
    with Writer(path, pack_bytes=6000) as writer:
        for first in range(0, 24, 3):
            put(writer, mails(first, first + 3), account="office" if first < 12 else "anna")
    return path


def change(path: Path, at: int, octets: bytes | None = None) -> None:
    """Put octets into a file, or change one."""
    held = bytearray(path.read_bytes())
    if octets is None:
        held[at] ^= 0x10
    else:
        held[at : at + len(octets)] = octets
    path.write_bytes(held)


def frames(root: Path, number: int) -> list[tuple[int, int]]:
    reader = PackReader(layout.open_layout(root))
    length = layout.open_layout(root).pack(number).stat().st_size
    found = [(f.start, f.end) for f in reader.frames(number, 0, length)]
    reader.close()
    return found


def needed(root: Path, number: int, start: int) -> set[bytes]:
    """The messages that need the frame at an octet of a pack."""
    lookup = Lookup(root / "catalog.sqlite")
    found = {lookup.by_key(key).id for key in lookup.needing(number, start, start + 1)}
    lookup.close()
    return found


def named(found: list[Damage]) -> list[bytes]:
    return [d.identity for d in found if d.kind is Kind.MESSAGE and d.identity]


@pytest.mark.parametrize("where", ["header", "payload"])
def test_it_goes_on_behind_a_damaged_frame(root: Path, where: str) -> None:
    """Two damaged frames of one pack are both found, with exactly the messages that need them."""
    pack = layout.open_layout(root).pack(1)
    (first, _), *_, (second, _), _ = frames(root, 1)
    expected = needed(root, 1, first) | needed(root, 1, second)
    for start in (first, second):
        change(pack, start + (6 if where == "header" else HEADER_BYTES + 40))
    found = damages(root)
    assert [d.start for d in found if d.kind is Kind.PACK] == [first, second]
    assert set(named(found)) == expected
    assert len(named(found)) == len(expected)
    lines = [(d.accounts, d.message.date) for d in found if d.message]
    assert lines == sorted(lines)
    assert {d.kind for d in found} == {Kind.PACK, Kind.MESSAGE}


def test_without_a_catalog_messages_are_named_by_the_journal(root: Path) -> None:
    """When the catalog is gone too, journal and packs say which messages are lost, and whose they were."""
    pack = layout.open_layout(root).pack(1)
    start, _ = frames(root, 1)[1]
    expected = needed(root, 1, start)
    assert expected
    change(pack, start + 6)
    for path in root.glob("catalog.sqlite*"):
        path.unlink()
    found = damages(root)
    assert set(named(found)) == expected
    lost = [d for d in found if d.kind is Kind.MESSAGE]
    assert all("UIDL" in d.what and d.accounts for d in lost)


def test_a_missing_pack_names_all_its_messages(root: Path) -> None:
    """Every message in it or with a blob in it is named, once."""
    path = layout.open_layout(root).pack(2)
    expected: set[bytes] = set()
    for start, _ in frames(root, 2):
        expected |= needed(root, 2, start)
    path.unlink()
    found = damages(root)
    assert set(named(found)) == expected
    assert sum(d.kind is Kind.PACK for d in found) == 1


def test_a_pack_of_packs_is_no_trap(tmp_path: Path) -> None:
    """A message that holds a whole pack does not lead the search behind damage astray."""
    inner = tmp_path / "inner"
    fill(inner, mails(0, 3))
    attached = b"Subject: a pack\r\n\r\n" + layout.open_layout(inner).pack(1).read_bytes()
    root = tmp_path / "archive"
    for one in ([attached], mails(5, 8)):
        fill(root, one)
    (start, _), *rest = frames(root, 1)
    expected = needed(root, 1, start)
    change(layout.open_layout(root).pack(1), start + 6)
    found = damages(root)
    assert set(named(found)) == expected
    (bad,) = [d for d in found if d.kind is Kind.PACK]
    assert bad.end == rest[0][0]


def test_what_no_message_needs_says_so(root: Path) -> None:
    """A pack's header and its seal are damage, but no message's."""
    pack = layout.open_layout(root).pack(1)
    for at in (20, frames(root, 1)[-1][0] + HEADER_BYTES + 3):
        before = pack.read_bytes()
        change(pack, at)
        found = damages(root)
        assert len(found) == 1
        assert "no message needs it" in found[0].what
        pack.write_bytes(before)


def test_leftovers_of_a_crash_are_notes(root: Path) -> None:
    """Octets behind the committed length, a torn entry and a pack that nothing names are no damage."""
    there = layout.open_layout(root)
    last = there.packs()[-1]
    with there.pack(last).open("ab") as handle:
        handle.write(b"torn")
    with there.journal(1).open("ab") as handle:
        handle.write(b"PAJE torn")
    stray = there.pack(last + 1)
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"POPAPACK")
    counts = Counts()
    assert list(verify(root, counts, lambda *_: None)) == []
    notes = " ".join(counts.notes)
    assert "4 octets behind" in notes
    assert "cuts it off" in notes
    assert str(stray) in notes


def test_a_damaged_entry_does_not_hide_the_others(root: Path) -> None:
    """The journal is read on behind it, and the messages that it names are told."""
    path = layout.open_layout(root).journal(1)
    octets = path.read_bytes()
    second = octets.index(b"PAJE", octets.index(b"PAJE") + 4)
    change(path, second + 90)
    counts = Counts()
    found = list(verify(root, counts, lambda *_: None))
    assert {d.kind for d in found} == {Kind.JOURNAL}
    assert counts.entries > 3
    lookup = Lookup(root / "catalog.sqlite")
    expected = {one.id for one, _ in lookup.of_entries(2, 2)}
    lookup.close()
    assert {d.identity for d in found if d.message} == expected
    assert len(expected) > 0


def test_a_journal_that_was_cut_between_entries(root: Path) -> None:
    """The catalog knows that there was more."""
    path = layout.open_layout(root).journal(1)
    octets = path.read_bytes()
    path.write_bytes(octets[: octets.rindex(b"PAJE")])
    assert "was cut" in damages(root)[0].what


CHANGES = [
    "UPDATE messages SET date = date + 1 WHERE id = (SELECT max(id) FROM messages)",
    "UPDATE messages SET subject = 'Ahem' WHERE id = (SELECT min(id) FROM messages)",
    "UPDATE messages SET sender = 'x' WHERE id = (SELECT max(id) FROM messages)",
    "UPDATE messages SET size_bytes = size_bytes + 1 WHERE id = (SELECT max(id) FROM messages)",
    "UPDATE messages SET entry = entry + 1 WHERE id = (SELECT max(id) FROM messages)",
    "UPDATE messages SET parsed = 2 WHERE id = (SELECT max(id) FROM messages)",
    "UPDATE messages SET message_id_hash = 5 WHERE id = (SELECT max(id) FROM messages)",
    'UPDATE messages SET "offset" = 1 WHERE id = (SELECT max(id) FROM messages)',
    "UPDATE messages SET frame = frame + 1 WHERE id = (SELECT max(id) FROM messages)",
    "UPDATE messages SET pack = 77 WHERE id = (SELECT max(id) FROM messages)",
    "UPDATE messages SET date = 'soon' WHERE id = (SELECT max(id) FROM messages)",
    "UPDATE blobs SET frame = frame + 1 WHERE id = 2",
    "INSERT INTO blobs VALUES (999, x'00', 1, 44, 0, 1)",
    "UPDATE parts SET name = 'other.pdf' WHERE name IS NOT NULL",
    "UPDATE parts SET size_bytes = 0 WHERE name IS NOT NULL",
    "DELETE FROM parts WHERE name IS NOT NULL",
    "UPDATE uidls SET fate = 5 WHERE id = 3",
    "UPDATE uidls SET uidl = 'x' WHERE id = 3",
    "UPDATE uidls SET account = 1 WHERE id = 20",
    "UPDATE uidls SET account = 2 WHERE id = 2",
    "UPDATE uidls SET message = NULL WHERE id = 3",
    "UPDATE uidls SET settled = settled + 1 WHERE id = 3",
    "UPDATE uidls SET listed = 1 WHERE id = 3",
    "UPDATE uidls SET reason = 'x' WHERE id = 3",
    "UPDATE uidls SET size_bytes = 1 WHERE id = 3",
    "DELETE FROM uidls WHERE id = 3",
    "INSERT INTO uidls VALUES (99, 1, 'u', 1, 0, NULL, 1, NULL, NULL)",
    "UPDATE accounts SET name = 'nobody' WHERE id = 1",
    "UPDATE packs SET length = length + 1 WHERE id = 1",
    "UPDATE packs SET sealed = 0 WHERE id = 1",
    "UPDATE state SET value = replace(value, '\"entry\": ', '\"entry\": 9')",
    "DROP INDEX ix_uidls_message",
]


@pytest.mark.parametrize("name", ["catalog.sqlite", "search.sqlite"])
def test_what_is_locked_is_not_damaged(
    root: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is known of a database that another program has locked, and nothing replaces it."""
    monkeypatch.setattr(failures, "LOCKED_S", 0)
    with locked(root / name):
        for looked_at in (damages, lambda one: optimize(one, Limits(), lambda *_: None)):
            with pytest.raises(TryLaterError, match=f"{name}: another program"):
                looked_at(root)
    assert damages(root) == []


def test_a_catalog_that_another_version_described(root: Path) -> None:
    """What a parser that read otherwise said of a message is no damage; what a message is, is compared."""
    path = root / "catalog.sqlite"
    with closing(sqlite3.connect(path)) as catalog, catalog:
        catalog.execute("PRAGMA user_version = 0")
        catalog.execute(
            "UPDATE messages SET subject = 'as it was read then' WHERE id = (SELECT max(id) FROM messages)"
        )
    counts = Counts()
    assert list(verify(root, counts, lambda *_: None)) == []
    assert [note for note in counts.notes if "described 1 messages otherwise" in note]
    with closing(sqlite3.connect(path)) as catalog, catalog:
        catalog.execute(
            "UPDATE messages SET size_bytes = size_bytes + 1 WHERE id = (SELECT max(id) FROM messages)"
        )
    assert {one.kind for one in damages(root)} == {Kind.CATALOG}
    rebuild(layout.open_layout(root))
    counts = Counts()
    assert list(verify(root, counts, lambda *_: None)) == []
    assert not [note for note in counts.notes if "another version" in note]


def test_a_catalog_whose_version_is_forgotten(root: Path) -> None:
    """Zeros where the disk had the version: verify tells of damage, and a rebuild ends it."""
    path = root / "catalog.sqlite"
    octets = path.read_bytes()
    row = b"\x15" + versions.CATALOG.encode()  # The kind of a text of four octets, and the text.
    assert octets.count(row) == 1
    path.write_bytes(octets.replace(row, bytes(len(row))))
    assert {one.kind for one in damages(root)} == {Kind.CATALOG}
    with pytest.raises(CatalogError, match="rebuild"):
        Writer(root)
    path.unlink()
    rebuild(layout.open_layout(root))
    assert damages(root) == []


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM alembic_version",
        "UPDATE alembic_version SET version_num = '0000'",
        "UPDATE alembic_version SET version_num = x'ff'",
        "INSERT INTO alembic_version VALUES ('0001')",
    ],
)
def test_a_catalog_of_no_version_is_damage(root: Path, statement: str) -> None:
    """A pull refuses what no migration leads on from, and so verify must not call it whole."""
    with closing(sqlite3.connect(root / "catalog.sqlite")) as catalog, catalog:
        catalog.execute(statement)
    (found,) = damages(root)
    assert found.kind is Kind.CATALOG
    assert "does not say that it has version" in found.what
    assert "`poparchive rebuild`" in found.what
    rebuild(layout.open_layout(root))
    assert damages(root) == []
    Writer(root).close()


@pytest.mark.parametrize("statement", CHANGES, ids=range(len(CHANGES)))
def test_every_column_of_the_catalog_is_compared(root: Path, statement: str) -> None:
    """A row that SQLite finds nothing wrong with, and that is not what journal and packs say, is damage."""
    connection = sqlite3.connect(root / "catalog.sqlite")
    connection.execute(statement)
    connection.commit()
    connection.close()
    found = damages(root)
    assert Kind.CATALOG in {d.kind for d in found} or "was cut" in found[0].what or named(found)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO mail(rowid, body) VALUES (7, 'word')",
        "UPDATE watermark SET entry = entry - 1",
        "UPDATE watermark SET entry = entry + 1",
        "UPDATE mail_docsize SET sz = x'010101010101' WHERE id = (SELECT max(id) FROM mail_docsize)",
        "UPDATE mail_docsize SET sz = NULL WHERE id = (SELECT max(id) FROM mail_docsize)",
        "DELETE FROM mail_docsize WHERE id = (SELECT max(id) FROM mail_docsize)",
        "PRAGMA user_version = 1",
    ],
)
def test_the_search_index_is_compared(root: Path, statement: str) -> None:
    """What it holds otherwise than the messages say is damage of the index."""
    connection = sqlite3.connect(root / "search.sqlite")
    connection.execute(statement)
    connection.commit()
    connection.close()
    assert {d.kind for d in damages(root)} == {Kind.SEARCH}


def test_an_index_of_an_earlier_version_is_no_damage(root: Path) -> None:
    """It has other columns: it is left alone, and told; the next pull makes it anew, and searches go on."""
    path = root / "search.sqlite"
    of_an_earlier_version(path)
    counts = Counts()
    assert list(verify(root, counts, lambda *_: None)) == []
    assert any("earlier version" in note for note in counts.notes)
    with Searcher(root / "catalog.sqlite", path) as before:
        assert before.count("oldword") == 1
        Writer(root).close()
        assert before.count("oldword") == 1
    with Searcher(root / "catalog.sqlite", path) as after:
        assert after.count("oldword") == 0
        assert after.count("") == 24
        assert after.count("zebra")
    assert damages(root) == []


def of_an_earlier_version(path: Path) -> None:
    """Put an index with other columns in the place of one."""
    with closing(sqlite3.connect(path)) as connection:
        mark = connection.execute("SELECT entry, position FROM watermark").fetchone()
        (key,) = connection.execute("SELECT max(id) FROM mail_docsize").fetchone()
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE VIRTUAL TABLE mail USING fts5(body, subject, content='');"
            " CREATE TABLE watermark(entry INTEGER, position TEXT); PRAGMA user_version = 1;"
        )
        connection.execute("INSERT INTO watermark VALUES (?, ?)", mark)
        connection.execute("INSERT INTO mail(rowid, body) VALUES (?, 'oldword')", (key,))
        connection.commit()


def test_a_word_that_changed_by_itself_is_found(root: Path) -> None:
    """A letter in a term of the index, still in its place in the order, is found by the sum."""
    path = root / "search.sqlite"
    octets = path.read_bytes()
    at = octets.index(b"zebra")
    change(path, at, b"zebrb")
    (found,) = damages(root)
    assert found.kind is Kind.SEARCH
    assert "words" in found.what


def test_octets_without_a_meaning_are_found_too(root: Path) -> None:
    """What rots in a part of a database that SQLite does not use is found by the last run's hash."""
    assert damages(root) == []
    path = root / "catalog.sqlite"
    about = path.stat()
    change(path, 72)  # reserved for expansion, says the file format
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    (found,) = damages(root)
    assert found.kind is Kind.CATALOG
    assert "without being written" in found.what


def test_parity_is_looked_at(root: Path) -> None:
    """A damaged sidecar is damage of its own kind; a pack without one is a note."""
    there = layout.open_layout(root)
    counts = Counts()
    there.parity(1).unlink()
    assert list(verify(root, counts, lambda *_: None)) == []
    assert "pack 1 has no parity" in " ".join(counts.notes)
    path = parity.make(there, 1)
    assert damages(root) == []
    change(path, 30)
    (found,) = damages(root)
    assert found.kind is Kind.PARITY
    assert found.pack == 1


# ---- shares --------------------------------------------------------------------------------------


def run(root: Path, share: Share | None, progress: Callable[[str, int, int], None]) -> Counts:
    counts = Counts()
    assert list(verify(root, counts, progress, share)) == []
    return counts


def test_shares_come_round(root: Path) -> None:
    """Runs of 20% go on where the last ended, meet all messages once, and then a full round is noted."""
    seen = []
    for _ in range(12):
        seen.append(run(root, Share(percent=20), lambda *_: None))
        if scrub.read(root).full:
            break
    assert 3 < len(seen) <= 6
    assert sum(one.messages for one in seen) == 24
    state = scrub.read(root)
    assert (state.began, state.done) == (0, 0)
    assert len(state.runs) == len(seen)


def test_a_stopped_run_goes_on_where_it_was(root: Path) -> None:
    """What was done until a stop counts."""

    def stop(what: str, done: int, total: int) -> None:
        if what == "packs" and done > total // 2:
            raise StoppedError

    run(root, Share(percent=100), stop)
    done = scrub.read(root).done
    assert done > 0
    run(root, Share(percent=100), lambda *_: None)
    assert scrub.read(root).full


def test_known_damage_stays_known_until_it_is_read_again(root: Path) -> None:
    """A share that meets damage notes it; the next full round without it forgets it."""
    pack = layout.open_layout(root).pack(1)
    whole = pack.read_bytes()
    change(pack, PACK_HEADER_BYTES + 200)
    found = list(verify(root, Counts(), lambda *_: None, Share(percent=10)))
    assert found
    pack.write_bytes(whole)
    list(verify(root, Counts(), lambda *_: None, Share(percent=10)))
    assert scrub.read(root).damages
    for _ in range(12):
        list(verify(root, Counts(), lambda *_: None, Share(percent=30)))
    assert scrub.read(root).damages == []


def test_a_share_for_a_time_is_what_is_left_over_the_runs_that_are_left() -> None:
    """By how often it ran lately; less time left makes larger shares."""
    now = 100 * DAY_S
    daily = [now - n * DAY_S for n in range(5, 0, -1)]
    state = Scrub(began=now, runs=daily)
    assert state.share(29_000, None, 30 * DAY_S, now) == 1000
    late = Scrub(began=now - 20 * DAY_S, done=2000, runs=daily)
    assert late.share(29_000, None, 30 * DAY_S, now) == 3000
    hourly = Scrub(began=now, runs=[now - n * 3600 for n in range(5, 0, -1)])
    assert hourly.share(719_000, None, 30 * DAY_S, now) == 1000
    over = Scrub(began=now - 40 * DAY_S, runs=daily)
    assert over.share(500, None, 30 * DAY_S, now) == 500


def test_a_strange_state_is_begun_anew(root: Path) -> None:
    """Whatever is in the file, a run gets on."""
    for text in ("", "[]", '{"pack": "x"}', json.dumps({"began": 1, "pack": 1, "frame": 77})):
        (root / scrub.NAME).write_text(text)
        assert scrub.read(root) == Scrub()
    run(root, Share(percent=50), lambda *_: None)
    state = scrub.read(root)
    state.pack, state.frame = 1, 77
    scrub.write(root, state)
    run(root, Share(percent=100), lambda *_: None)


def test_a_daily_run_is_due_once_a_day(root: Path) -> None:
    """By when the last one ended."""
    assert scrub.due(root, 1000.0)
    scrub.write(root, Scrub(runs=[1000]))
    assert not scrub.due(root, 1000.0 + 20 * 3600)
    assert scrub.due(root, 1000.0 + 24 * 3600)


def test_a_clock_that_was_wrong_puts_nothing_off(root: Path) -> None:
    """What ended in the future did not."""
    scrub.write(root, Scrub(runs=[4_000_000_000], full=4_000_000_000, began=4_000_000_000))
    assert scrub.due(root)
    assert scrub.due(root, 4_000_000_000.0 - 3600)
    state = scrub.read(root)
    assert state.full == 0
    assert state.began < 4_000_000_000


def test_ids_are_those_of_the_octets(root: Path) -> None:
    """What is counted is what went in."""
    counts = run(root, None, lambda *_: None)
    assert counts.messages == 24
    assert counts.message_octets == sum(map(len, mails(0, 24)))
    assert len({hashlib.sha256(one).digest() for one in mails(0, 24)}) == 24


def test_what_optimize_made_is_proved_too(root: Path) -> None:
    """Frames with their own tables and a dictionary; the dictionary damaged, all that need it are named."""
    optimize(root, Limits(), lambda *_: None, frame_bytes=6000)
    assert damages(root) == []
    there = layout.open_layout(root)
    number = there.packs()[-1]
    (start, _), *rest = frames(root, number)
    expected = needed(root, number, start)
    reader = PackReader(there)
    for at, _ in rest:
        if reader.frame(number, at).header.dictionary:
            expected |= needed(root, number, at)
    reader.close()
    assert len(expected) > len(needed(root, number, start))
    change(there.pack(number), start + HEADER_BYTES + 40)
    found = damages(root)
    assert set(named(found)) == expected


def _no_room_for(pages: int) -> Callable[[Shadow, Path], None]:
    """How a shadow is opened whose database cannot grow, as on a full disk."""
    real = Shadow.__init__

    def opened(self: Shadow, path: Path) -> None:
        real(self, path)
        self._db.execute(f"PRAGMA max_page_count={pages}")

    return opened


@pytest.mark.parametrize(
    "what", ["entries", "differences", "tables", "a large message", "nothing at all"]
)
def test_a_full_temporary_directory_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Whatever is noted there: the error names the directory, and nothing is said of the archive."""
    root = tmp_path / "archive"
    fill(root, mails(0, 60))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", tempfile.gettempdir())

    if what == "entries":
        monkeypatch.setattr(Shadow, "__init__", _no_room_for(1))
    elif what == "differences":

        def refused(_: Shadow) -> None:
            with closing(sqlite3.connect("", isolation_level=None)) as database:
                database.execute("PRAGMA max_page_count=1")
                database.execute("CREATE TABLE one(a)")

        monkeypatch.setattr(Shadow, "note_lacking", refused)
    elif what == "tables":

        def cramped(path: Path) -> None:
            with _explaining(path), closing(sqlite3.connect(path)) as database:
                database.execute("PRAGMA max_page_count=1")
                database.execute("CREATE TABLE one(a)")

        monkeypatch.setattr("poparchive.archive.verify.databases.open_catalog", cramped)
    elif what == "a large message":
        monkeypatch.setattr("poparchive.archive.objects.IN_MEMORY_BYTES", 100)
        monkeypatch.setattr("poparchive.archive.spool.write_all", full)
    else:
        monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(PoparchiveError, match=r"temporary directory.*no damage") as caught:
        damages(root)
    assert str(caught.value).startswith(tempfile.gettempdir())
    assert "All mail" not in str(caught.value)
    monkeypatch.undo()
    assert damages(root) == []
    assert scrub.read(root).damages == []
