"""The archive as a whole: what goes in comes out, and both databases can be made again."""

import hashlib
import random
import shutil
import sqlite3
from pathlib import Path

import pytest
from alembic.config import Config

from alembic import command
from poparchive.archive.read import Reader
from poparchive.archive.rebuild import rebuild
from poparchive.archive.spool import Spooled, SpoolWriter
from poparchive.archive.storer import Received, Storer
from poparchive.archive.tally import Tally
from poparchive.archive.writer import Writer
from poparchive.index.catalog import Catalog
from poparchive.index.engine import HEAD, migrate, migrations, open_catalog
from poparchive.index.keys import rowid_of
from poparchive.index.lookup import NotFoundError
from poparchive.model import Fate
from poparchive.store import layout
from poparchive.store.errors import LockedError
from poparchive.store.fsio import Lock
from poparchive.store.journal import START, JournalWriter
from poparchive.store.pack import PackWriter
from poparchive.store.packread import PackReader
from poparchive.store.recipe import encode_base64
from tests.support.archives import damages, fill, octets_of, put, rows
from tests.support.edge_mails import EDGE_MAILS as MAILS


def sample(number: int, *, body_bytes: int = 3000) -> bytes:
    """A mail with a text and an attachment that others share."""
    chance = random.Random(number % 5)
    attachment = encode_base64(chance.randbytes(body_bytes), 76, b"\r\n", closed=True)
    return (
        b"From: Anna <anna@example.com>\r\nTo: office@example.org\r\nSubject: Number %d\r\n"
        b"Date: Mon, 01 Jan 2024 00:00:%02d +0000\r\nMessage-ID: <%d@example.com>\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello %d\r\n--b\r\n"
        b'Content-Type: application/pdf; name="file-%d.pdf"\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\n"
        % (number, number % 3, number, number, number % 5)
        + attachment
        + b"--b--\r\n"
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    layout.create(tmp_path / "archive")
    return tmp_path / "archive"


def test_odd_mails_come_back_octet_for_octet(root: Path) -> None:
    """Every message that is known to trouble other programs comes back as it went in."""
    mails = [octets for _, octets in MAILS]
    fill(root, mails)
    assert sorted(octets_of(root)) == sorted(set(mails))
    assert damages(root) == []


def test_a_message_is_stored_once_for_all_accounts(root: Path) -> None:
    """The same mail in two accounts is one message with two UIDLs, and the second a duplicate."""
    fill(root, [sample(1), sample(2)], account="anna")
    fill(root, [sample(2), sample(3)], account="office")
    with Reader(root) as reader:
        assert reader.lookup.count_messages() == 3
        located = reader.lookup.message(hashlib.sha256(sample(2)).hexdigest()[:10])
        assert reader.lookup.accounts_of(located.key) == ["anna", "office"]
        assert reader.lookup.message("<2@example.com>") == located
    fates = [row[4] for row in rows(root / "catalog.sqlite")["uidls"]]
    assert fates == [Fate.ARCHIVED, Fate.ARCHIVED, Fate.DUPLICATE, Fate.ARCHIVED]


def test_attachments_are_stored_once(root: Path) -> None:
    """Mails that carry the same attachment share its blob."""
    fill(root, [sample(n) for n in range(40)])
    names = {row[5] for row in rows(root / "catalog.sqlite")["parts"] if row[5]}
    assert names == {f"file-{n}.pdf" for n in range(5)}
    assert len(rows(root / "catalog.sqlite")["blobs"]) == 5


def test_a_rebuild_gives_equal_rows(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catalog and search index made from packs and journal are equal to those that were lost."""
    monkeypatch.setattr("poparchive.archive.storer.BATCH_MESSAGES", 7)
    monkeypatch.setattr("poparchive.archive.framing.FRAME_BYTES", 5000)
    fill(root, [sample(n) for n in range(30)], account="anna")
    fill(root, [sample(n) for n in range(20, 50)] + [m for _, m in MAILS], account="office")
    with Writer(root, pack_bytes=20_000) as writer:
        account = writer.account("anna", "pop.example.com:995", "someone else")
        (first, second) = writer.listed(account, [(b"gone", 5), (b"large", 1 << 30)])
        writer.settle(first, Fate.VANISHED, "no longer listed")
        writer.settle(second, Fate.SKIPPED, "too large")
        put(writer, [sample(n) for n in range(60, 80)])
    before = rows(root / "catalog.sqlite")
    index = rows(root / "search.sqlite")
    found = _search(root, "hello")
    archive = layout.open_layout(root)
    rebuild(archive)
    assert rows(root / "catalog.sqlite") == before
    assert rows(root / "search.sqlite") == index
    assert _search(root, "hello") == found
    (root / "catalog.sqlite").unlink()
    (root / "search.sqlite").unlink()
    Writer(root).close()
    assert rows(root / "catalog.sqlite") == before
    assert _search(root, "hello") == found
    assert damages(root) == []


def _search(root: Path, word: str) -> list[int]:
    connection = sqlite3.connect(root / "search.sqlite")
    query = "SELECT rowid FROM mail WHERE mail MATCH ? ORDER BY rowid"
    found = [row[0] for row in connection.execute(query, (word,))]
    connection.close()
    return found


def test_ids_are_dates(root: Path) -> None:
    """The row id is the date's, or the next free one: thirty mails of one minute stand in a row."""
    fill(root, [sample(n, body_bytes=10) for n in range(20)])
    fill(root, [sample(n, body_bytes=10) for n in range(20, 30)])
    found = sorted(int(str(row[0])) for row in rows(root / "catalog.sqlite")["messages"])
    first = rowid_of(1704067200)
    assert found == list(range(first, first + 30))


def test_the_second_writer_learns_who_is_first(root: Path) -> None:
    """A locked archive is an error that names the holder, and reading goes on."""
    fill(root, [sample(1)])
    with Lock(layout.open_layout(root).lock):
        with pytest.raises(LockedError, match="process"):
            Writer(root)
        assert octets_of(root) == [sample(1)]


def test_a_directory_in_the_spool_is_in_nobodys_way(root: Path) -> None:
    """What a repair that was cut has left there goes with the rest."""
    left = root / "spool" / "journal-repair" / "journal"
    left.mkdir(parents=True)
    (left / "00000001.journal").write_bytes(b"left over")
    fill(root, [sample(1)])
    assert octets_of(root) == [sample(1)]
    assert list((root / "spool").iterdir()) == []


def spooled(writer: Writer, message: bytes) -> Spooled:
    spool = writer.spool()
    for at in range(0, len(message), 65_536):
        spool.write(message[at : at + 65_536])
    return spool.finish()


def test_large_messages_go_through_a_file(root: Path) -> None:
    """A spooled message is stored in segments, proved from the pack, and comes back exactly."""
    message = sample(7, body_bytes=9 << 20)
    with Writer(root) as writer:
        account = writer.account("anna", "pop.example.com:995", "anna")
        for _ in range(2):
            (ledger,) = writer.listed(account, [(b"u", len(message))])
            writer.keep(ledger, spooled(writer, message))
        writer.flush().result()
        assert list((root / "spool").iterdir()) == []
        ((key, *_),) = rows(root / "catalog.sqlite")["messages"]
        assert writer.prove([int(str(key))]) == ({key}, [])
    assert len([r for r in rows(root / "catalog.sqlite")["parts"] if r[1] == 2]) == 4
    assert octets_of(root) == [message]
    assert damages(root) == []


def test_large_messages_keep_their_place_among_small_ones(root: Path) -> None:
    """Messages of one minute get their ids in the order in which they came, large or not."""
    mails = [sample(n, body_bytes=10 if n % 2 else 50_000) for n in range(6)]
    with Writer(root) as writer:
        account = writer.account("anna", "pop.example.com:995", "anna")
        numbers = writer.listed(account, [(b"%d" % n, 1) for n in range(6)])
        for ledger, mail in zip(numbers, mails, strict=True):
            writer.keep(ledger, spooled(writer, mail) if len(mail) > 50_000 else mail)
    before = rows(root / "catalog.sqlite")
    in_order = [row[1] for row in before["messages"]]
    assert in_order == [hashlib.sha256(mail).digest() for mail in mails]
    rebuild(layout.open_layout(root))
    assert rows(root / "catalog.sqlite") == before


def test_a_large_message_shares_what_is_on_its_way(root: Path) -> None:
    """Its proof finds a blob of the batch before it, which the catalog does not know yet."""
    archive = layout.open_layout(root)
    catalog = Catalog(archive.catalog)
    reader = PackReader(archive)
    journal = JournalWriter(archive, START)
    storer = Storer(catalog, PackWriter(archive, None), journal, reader)
    tally = Tally()
    storer.take([Received(1, sample(1), tally)])
    assert storer.commit()
    spool = SpoolWriter(tmp := archive.spool / "large")
    tmp.parent.mkdir(exist_ok=True)
    spool.write(sample(6))
    storer.take([Received(2, spool.finish(), tally)])
    batch = storer.commit()
    assert batch
    assert batch.blobs == {}
    assert tally.archived == 2
    for one in (storer, reader, journal, catalog):
        one.close()


def test_base64_that_cannot_be_made_again_is_kept_as_it_is(root: Path) -> None:
    """Padding bits that are not zero are lost in decoding: such a message is kept whole."""
    mail = sample(1, body_bytes=3001)
    assert b"==\r\n--b--" in mail
    at = mail.index(b"==\r\n--b--") - 1
    odd = mail[:at] + bytes([mail[at] + 1]) + mail[at + 1 :]
    fill(root, [odd, mail])
    assert sorted(octets_of(root)) == sorted([odd, mail])
    assert damages(root) == []


def test_an_unknown_id_is_a_sentence(root: Path) -> None:
    """What names no message, or too many, is an error for people."""
    fill(root, [sample(1)])
    with Reader(root) as reader:
        for name in ("0" * 64, "zz", "1234567", "<nobody@example.com>"):
            with pytest.raises(NotFoundError):
                reader.lookup.message(name)


def schema_of(path: Path) -> dict[str, object]:
    """Return what SQLite knows of each table: columns, foreign keys, indexes, how it is stored."""
    connection = sqlite3.connect(path)
    found: dict[str, object] = {}
    for name, sql in connection.execute("SELECT name, sql FROM sqlite_master").fetchall():
        facts = [
            sorted(row[skip:] for row in connection.execute(f"PRAGMA {pragma}({name})"))
            for pragma, skip in (("table_xinfo", 0), ("index_xinfo", 0), ("index_list", 1))
        ]
        keys = connection.execute(f"PRAGMA foreign_key_list({name})")
        found[name] = (
            facts,
            sorted(row[2:] for row in keys),
            (sql or "").endswith("WITHOUT ROWID"),
        )
    connection.close()
    return found


def test_migrations_and_tables_agree(tmp_path: Path) -> None:
    """`alembic check` finds nothing to do, and HEAD is the newest migration."""
    path = tmp_path / "catalog.sqlite"
    open_catalog(path).dispose()
    config = Config()
    config.set_main_option("script_location", str(migrations()))
    config.attributes["url"] = f"sqlite:///{path}"
    command.check(config)
    migrated = tmp_path / "migrated.sqlite"
    migrate(migrated)
    assert schema_of(path) == schema_of(migrated)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (HEAD,)
    connection.close()


def test_a_migration_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is cut leaves the catalog as it was, so that the next start can migrate it."""
    scripts = tmp_path / "alembic"
    shutil.copytree(migrations(), scripts)
    first = scripts / "versions" / "0001_the_first_catalog.py"
    text = first.read_text()
    assert "\ndef downgrade" in text
    first.write_text(text.replace("\ndef downgrade", "    raise MemoryError\n\n\ndef downgrade"))
    path = tmp_path / "catalog.sqlite"
    with monkeypatch.context() as patched:
        patched.setattr("poparchive.index.engine.migrations", lambda: scripts)
        with pytest.raises(MemoryError):
            migrate(path)
    assert schema_of(path) == {}
    migrate(path)
    assert "uidls" in schema_of(path)


@pytest.mark.parametrize("name", ["catalog.sqlite", "search.sqlite"])
def test_every_lost_page_of_a_database_is_named(root: Path, name: str) -> None:
    """Whichever page of a database reads as zeros: verify says which database it is."""
    fill(root, [sample(n, body_bytes=3000) for n in range(6)])
    path = root / name
    whole = path.read_bytes()
    assert damages(root) == []
    for at in range(0, len(whole), 4096):
        path.write_bytes(whole[:at] + bytes(4096) + whole[at + 4096 :])
        assert [one for one in damages(root) if name in one.what], at


def test_every_flip_in_the_archive_is_named(root: Path) -> None:
    """A changed octet anywhere in pack or journal is found by verify."""
    fill(root, [sample(n, body_bytes=200) for n in range(3)])
    archive = layout.open_layout(root)
    for path in (archive.pack(1), archive.journal(1)):
        whole = path.read_bytes()
        for at in range(0, len(whole), 61):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            assert damages(root), (path, at)
        path.write_bytes(whole)
    assert damages(root) == []


def test_the_next_pull_makes_the_parity_that_a_killed_one_left_out(root: Path) -> None:
    """Of the last pack, if it is whole: what its seal does not prove gets none, and ends no pull."""
    with Writer(root, pack_bytes=6_000) as writer:
        for number in range(0, 40, 4):
            put(writer, [sample(one) for one in range(number, number + 4)])
    archive = layout.open_layout(root)
    *_, before, last = archive.parities()
    sidecars = {number: archive.parity(number).read_bytes() for number in (before, last)}
    archive.parity(last).unlink()
    Writer(root).close()
    assert archive.parity(last).read_bytes() == sidecars[last]

    # What cannot be written ends no pull that brings nothing of its own.
    archive.parity(last).unlink()
    in_the_way = archive.parity(last).with_suffix(".parity.new")
    in_the_way.mkdir()
    Writer(root).close()
    assert last not in archive.parities()
    in_the_way.rmdir()

    # Nor does a damaged one keep those before it from theirs.
    archive.parity(before).unlink()
    octets = bytearray(archive.pack(last).read_bytes())
    octets[len(octets) // 2] ^= 1
    archive.pack(last).write_bytes(octets)
    Writer(root).close()
    assert last not in archive.parities()
    assert archive.pack(last).read_bytes() == octets
    assert archive.parity(before).read_bytes() == sidecars[before]


@pytest.mark.parametrize("large", [False, True])
def test_new_mail_does_without_a_blob_that_cannot_be_read(root: Path, *, large: bool) -> None:
    """Its octets are at hand: it is stored whole, and the mail that needs the damaged copy is told alone."""
    body_bytes = 2 << 20 if large else 3000
    fill(root, [sample(1, body_bytes=body_bytes)])
    path = layout.open_layout(root).pack(1)
    octets = bytearray(path.read_bytes())
    octets[-200] ^= 1
    path.write_bytes(octets)
    later = sample(6, body_bytes=body_bytes)
    assert later[-1000:] == sample(1, body_bytes=body_bytes)[-1000:]
    with Writer(root) as writer:
        account = writer.account("anna", "pop.example.com:995", "anna")
        (ledger,) = writer.listed(account, [(b"later", len(later))])
        if large:
            spool = writer.spool()
            spool.write(later)
            writer.keep(ledger, spool.finish())
        else:
            writer.keep(ledger, later)
        writer.flush().result()
    with Reader(root) as reader:
        (kept,) = (one for one in reader.lookup.stored_order() if one.subject == "Number 6")
        assert b"".join(reader.octets(kept)) == later
    assert {damage.message.subject for damage in damages(root) if damage.message} == {"Number 1"}


def test_a_lock_that_was_removed_lets_nobody_in(root: Path) -> None:
    """People remove a lock that they take for stale: who writes holds the directory too."""
    with Writer(root) as writer:
        put(writer, [sample(1)])
        (root / "lock").unlink()
        with pytest.raises(LockedError, match="locked by another process"):
            Writer(root)
        put(writer, [sample(2)])
    fill(root, [sample(3)])
    assert sorted(octets_of(root)) == sorted(map(sample, (1, 2, 3)))
    assert damages(root) == []
