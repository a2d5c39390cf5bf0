"""Reading mail in a process of its own: the same rows as without, and no harm when it ends too early."""

import hashlib
import os
import signal
import sqlite3
from pathlib import Path

import pytest

from poparchive.archive.describe import Stored
from poparchive.archive.helper import Helper, HelperError
from poparchive.archive.texts import Texts
from poparchive.archive.writer import Writer
from poparchive.errors import PoparchiveError
from poparchive.index.fulltext import Document, FulltextWriter, Mark
from poparchive.model import Location, MessageId
from poparchive.store import layout
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
    monkeypatch.setattr("poparchive.archive.writer.rebuild", None)
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


def test_an_entry_is_indexed_once(tmp_path: Path) -> None:
    """An index that is ahead of a catalog from a backup takes nothing in twice."""
    writer = FulltextWriter.open(tmp_path / "search.sqlite")
    for mark in (Mark(1, None), Mark(1, None), Mark(2, None)):
        writer.add([Document(mark.entry, "subject", "", "", "body", "", "")], mark)
    writer.close()
    assert len(dump(tmp_path / "search.sqlite")) == 4


def stored(octets: bytes) -> Stored:
    digest = MessageId(hashlib.sha256(octets).digest())
    return Stored(digest, octets, [], Location(1, 0, 0, len(octets)))


def test_an_error_of_the_helper_is_told(tmp_path: Path) -> None:
    """What the index says when it cannot be written comes through in its own words, at the next question."""
    path = tmp_path / "search.sqlite"
    path.write_bytes(b"this is no database" * 100)
    helper = Helper.start(path)
    assert helper
    helper.begin([stored(MAILS[0])], 0)
    with pytest.raises(PoparchiveError, match=r"search\.sqlite.*not a database"):
        helper.facts()
    with pytest.raises(HelperError, match="ended with code 0"):
        helper.flush()
    helper.close()


def test_the_helper_ends_with_its_writer(tmp_path: Path) -> None:
    """When the pipes close in the middle of an answer nobody waits for anybody."""
    helper = Helper.start(tmp_path / "search.sqlite")
    assert helper
    helper.begin([stored(b"Subject: %d %s\r\n\r\n" % (n, b"x" * 2000)) for n in range(2000)], 0)
    helper.close()
    assert helper._process.returncode is not None


def test_no_process_where_there_can_be_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the thread that asks reads the messages."""
    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    made = Texts(FulltextWriter.open(tmp_path / "search.sqlite"), tmp_path / "search.sqlite")
    made.begin([stored(mail) for mail in MAILS], 0)
    assert not made.reads_ahead
    assert [facts.size_bytes for facts in made.facts()] == [len(mail) for mail in MAILS]
    made.close()
