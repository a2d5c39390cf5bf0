"""Reading mail in a process of its own: the same rows as without, and no harm when it ends too early."""

import hashlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from poparchive.archive.describe import Stored
from poparchive.archive.helper import Helper, HelperError
from poparchive.archive.indexer import Indexer
from poparchive.archive.ingest import Ingest
from poparchive.archive.texts import Texts
from poparchive.archive.writer import Writer
from poparchive.errors import PoparchiveError
from poparchive.index.catalog import Catalog, Changes
from poparchive.index.engine import CatalogError
from poparchive.index.fulltext import FulltextWriter
from poparchive.model import Location, MessageId
from poparchive.store import layout
from poparchive.store.errors import LockedError
from poparchive.store.fsio import Lock
from poparchive.store.journal import JournalEntry
from tests.support.archives import damages, fill, octets_of, put, rows
from tests.support.edge_mails import EDGE_MAILS

MAILS = [
    b"From: anna@example.com\r\nSubject: number %d\r\nDate: Mon, 1 Jan 2024 00:00:%02d +0000\r\n"
    b"\r\nHello word%d\r\n" % (n, n % 60, n)
    for n in range(60)
] + [octets for _, octets in EDGE_MAILS]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every batch counts as large, and there are many."""
    monkeypatch.setattr("poparchive.archive.texts.MANY_MESSAGES", 1)
    monkeypatch.setattr("poparchive.archive.texts.cores", lambda: 2)
    monkeypatch.setattr("poparchive.archive.ingest.GROUP_MESSAGES", 5)
    monkeypatch.setattr("poparchive.archive.storer.BATCH_MESSAGES", 10)


def dump(path: Path) -> list[tuple[object, ...]]:
    """The index's rowids for every word."""
    connection = sqlite3.connect(path)
    connection.execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, mail, instance)")
    found = connection.execute("SELECT term, doc, col, offset FROM words ORDER BY 1, 2, 3, 4")
    try:
        return found.fetchall()
    finally:
        connection.close()


def test_the_same_rows_with_and_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads the messages makes no difference to catalog and index."""
    monkeypatch.setattr("time.time", lambda: 1_704_067_200.0)
    fill(tmp_path / "with", MAILS)
    monkeypatch.setattr("poparchive.archive.texts.cores", lambda: 1)
    fill(tmp_path / "without", MAILS)
    tables = [rows(tmp_path / name / "catalog.sqlite") for name in ("with", "without")]
    assert tables[0].keys() == tables[1].keys()
    for name in set(tables[0]) - {"state", "packs"}:
        # Where a batch ends, and so where a frame is, depends on the moment.
        places = {"messages": slice(0, 7), "blobs": slice(0, 2)}.get(name, slice(None))
        assert [r[places] for r in tables[0][name]] == [r[places] for r in tables[1][name]], name
    assert dump(tmp_path / "with" / "search.sqlite") == dump(tmp_path / "without" / "search.sqlite")
    assert damages(tmp_path / "with") == []


def helper_of(writer: Writer) -> Helper:
    at_work = writer._texts._at_work
    assert isinstance(at_work, Helper)
    return at_work


def test_a_helper_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    """The pull ends with a sentence; the next start indexes what is missing, without a rebuild."""
    root = tmp_path / "archive"
    layout.create(root)
    writer = Writer(root)
    put(writer, MAILS[:20], account="anna")
    os.kill(helper_of(writer)._process.pid, signal.SIGKILL)
    with pytest.raises(
        PoparchiveError, match=r"search index was killed by signal 9.*run the command"
    ):
        put(writer, MAILS[20:40], account="berta")
    with pytest.raises(PoparchiveError):
        writer.close()
    Writer(root).close()
    kept = octets_of(root)
    assert set(MAILS[:20]) <= set(kept)
    assert damages(root) == []
    assert len(indexed(root)) == len(kept)


def indexed(root: Path) -> list[int]:
    connection = sqlite3.connect(root / "search.sqlite")
    found = [row[0] for row in connection.execute("SELECT id FROM mail_docsize ORDER BY 1")]
    connection.close()
    return found


@pytest.mark.parametrize("cores", [1, 2])
def test_an_index_that_is_lost_or_behind_is_caught_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    """The catalog stays as it is; the messages behind the index's watermark are read from the packs."""
    monkeypatch.setattr("poparchive.archive.texts.cores", lambda: cores)
    monkeypatch.setattr("poparchive.archive.opening.rebuild", None)
    root = tmp_path / "archive"
    fill(root, MAILS[:30])
    (root / "search.sqlite").rename(tmp_path / "behind")
    fill(root, MAILS[30:])
    whole = dump(root / "search.sqlite")
    before = rows(root / "catalog.sqlite")
    for lost in (False, True):
        (root / "search.sqlite").unlink()
        if not lost:
            (tmp_path / "behind").rename(root / "search.sqlite")
        Writer(root).close()
        assert dump(root / "search.sqlite") == whole
        assert rows(root / "catalog.sqlite") == before
    assert damages(root) == []


def test_an_index_that_is_not_this_journals_is_begun_anew(tmp_path: Path) -> None:
    """When packs, journal and catalog come back from a backup, an index that stayed is not believed."""
    root = tmp_path / "archive"
    fill(root, MAILS[:10])
    shutil.copytree(root, tmp_path / "backup")
    fill(root, MAILS[10:30])
    fill(root, MAILS[30:40])
    ahead = tmp_path / "ahead"
    shutil.copy(root / "search.sqlite", ahead)
    shutil.rmtree(root)
    shutil.copytree(tmp_path / "backup", root)
    shutil.copy(ahead, root / "search.sqlite")
    brand_new = b"Subject: brandnew\r\n\r\nx\r\n"
    fill(root, [brand_new])
    assert len(indexed(root)) == 11
    # As many entries as the index knows, and others.
    shutil.copy(ahead, root / "search.sqlite")
    fill(root, MAILS[40:50])
    assert len(indexed(root)) == 21
    assert any(row[0] == "brandnew" for row in dump(root / "search.sqlite"))


def test_whoever_waits_behind_a_failing_batch_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error in one batch while the next one, that is waited for, is being read already."""
    root = tmp_path / "archive"
    layout.create(root)
    writer = Writer(root)
    number = writer.account("anna", "h", "anna")
    ledger = list(writer.listed(number, [(b"%d" % n, 1) for n in range(30)]))
    put(writer, MAILS[:10])
    applying, go = threading.Event(), threading.Event()

    def fail(self: Catalog, changes: Changes) -> list[int]:
        applying.set()
        go.wait(60)
        raise CatalogError("no room")

    # The batch that fails waits until the one behind it, with the flush, is at hand.
    begun = threading.Event()
    finish = Indexer.finish

    def finishing(self: Indexer, entry: JournalEntry, *rest: Any) -> None:
        begun.wait(60)
        finish(self, entry, *rest)

    monkeypatch.setattr(Catalog, "apply", fail)
    take = Ingest._take

    def taking(self: Ingest, *, blocking: bool) -> bool:
        if not blocking:
            go.wait(60)
            begun.set()
        return take(self, blocking=blocking)

    monkeypatch.setattr(Indexer, "finish", finishing)
    monkeypatch.setattr(Ingest, "_take", taking)
    for one, octets in zip(ledger, MAILS[10:40], strict=True):
        writer.keep(one, octets)
    done = writer.flush()
    go.set()
    with pytest.raises(PoparchiveError, match="no room"):
        done.result(60)
    with pytest.raises(PoparchiveError, match="no room"):
        writer.close()


def lose(lock: Lock) -> None:
    """Let go of it as when the process is killed: its name stays there."""
    lock._close()


def test_the_lock_outlives_a_killed_writer_until_its_helper_has_ended(tmp_path: Path) -> None:
    """Two never write to one archive: the helper holds the lock too, and the next start waits for it."""
    root = tmp_path / "archive"
    fill(root, MAILS[:1])
    lock = Lock(root / "lock")
    helper = Helper.start(root / "search.sqlite", root / "catalog.sqlite", lock.filenos())
    assert helper
    lose(lock)
    with pytest.raises(LockedError):
        Lock(root / "lock")
    helper.close()
    Lock(root / "lock").release()


def test_a_holder_that_is_dead_is_waited_for(tmp_path: Path) -> None:
    """A lock with the name of a process that is no more is given back soon."""
    lock = Lock(tmp_path / "lock")
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()
    who = {"pid": gone.pid, "host": socket.gethostname(), "since": 0}
    (tmp_path / "lock").write_text(json.dumps(who))
    threading.Timer(0.1, lose, [lock]).start()
    Lock(tmp_path / "lock").release()


def stored(octets: bytes) -> Stored:
    digest = MessageId(hashlib.sha256(octets).digest())
    return Stored(digest, octets, [], Location(1, 0, 0, len(octets)))


def test_an_error_of_the_helper_is_told(tmp_path: Path) -> None:
    """What the index says when it cannot be written comes through in its own words, at the next question."""
    path = tmp_path / "search.sqlite"
    path.write_bytes(b"this is no database" * 100)
    helper = Helper.start(path, tmp_path / "catalog.sqlite")
    assert helper
    helper.begin([stored(MAILS[0])], 0)
    with pytest.raises(PoparchiveError, match=r"search\.sqlite.*not a database") as caught:
        helper.facts()
    with pytest.raises(HelperError, match="ended with code 0"):
        helper.flush()
    assert "Traceback" in caught.value.__notes__[0]
    helper.close()


def test_the_helper_ends_with_its_writer(tmp_path: Path) -> None:
    """When the pipes close in the middle of an answer nobody waits for anybody."""
    helper = Helper.start(tmp_path / "search.sqlite", tmp_path / "catalog.sqlite")
    assert helper
    helper.begin([stored(b"Subject: %d %s\r\n\r\n" % (n, b"x" * 2000)) for n in range(2000)], 0)
    helper.close()
    assert helper._process.returncode is not None


@pytest.mark.parametrize("program", ["", "/nonexistent/python", "/bin/false"])
def test_no_process_where_there_can_be_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    """Then the thread that asks reads the messages."""
    monkeypatch.setattr("sys.executable", program)
    search, catalog = tmp_path / "search.sqlite", tmp_path / "catalog.sqlite"
    made = Texts(FulltextWriter.open(search, catalog), search, catalog)
    made.begin([stored(mail) for mail in MAILS], 0)
    assert not made.reads_ahead
    assert [facts.size_bytes for facts in made.facts()] == [len(mail) for mail in MAILS]
    made.close()
