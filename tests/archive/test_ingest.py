"""Two threads and their errors: nothing hangs, nothing is swallowed, nothing is kept twice."""

import asyncio
import base64
import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from poparchive.archive.describe import Stored
from poparchive.archive.indexer import Indexer
from poparchive.archive.storer import Batch, Received, Storer
from poparchive.archive.tally import Tally
from poparchive.archive.texts import Texts
from poparchive.archive.writer import Writer
from poparchive.errors import PoparchiveError
from poparchive.index.catalog import Catalog
from poparchive.index.fulltext import FulltextWriter
from poparchive.store import layout
from poparchive.store.journal import START, JournalEntry, JournalWriter
from poparchive.store.pack import PackWriter
from poparchive.store.packread import PackReader
from tests.support.archives import damages, octets_of, rows

WAIT_S = 60


@pytest.fixture
def archive(tmp_path: Path) -> layout.Layout:
    return layout.create(tmp_path / "archive")


class Stages:
    """The storing and the indexing stage without threads, so that a test decides the order."""

    def __init__(self, archive: layout.Layout) -> None:
        self.catalog = Catalog(archive.catalog)
        self._parts = (
            PackReader(archive),
            PackWriter(archive, None),
            JournalWriter(archive, START),
        )
        reader, packs, journal = self._parts
        self.storer = Storer(self.catalog, packs, journal, reader)
        self.texts = Texts(
            FulltextWriter.open(archive.search, archive.catalog), archive.search, archive.catalog
        )
        self.indexer = Indexer(self.catalog, self.texts)
        self.tally = Tally()

    def take(self, *messages: bytes) -> None:
        self.storer.take([Received(1 + n, one, self.tally) for n, one in enumerate(messages)])

    def apply(self, batch: Batch | None) -> None:
        assert batch
        self.indexer.apply(batch.entry, batch.messages, batch.blobs)
        self.storer.applied(batch)

    def close(self) -> None:
        for one in (self.storer, *self._parts, self.texts, self.catalog):
            one.close()


@pytest.fixture
def stages(archive: layout.Layout) -> Iterator[Stages]:
    one = Stages(archive)
    yield one
    one.close()


def test_a_batch_applied_between_two_looks(stages: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message is known even if it moves from the pending ones into the catalog meanwhile."""
    mail = b"Subject: s\r\n\r\nhello\r\n"
    stages.take(mail)
    batch = stages.storer.commit()
    known = stages.catalog.known_messages

    def slow(ids: Sequence[bytes]) -> set[bytes]:
        found = known(ids)
        stages.apply(batch)
        return found

    monkeypatch.setattr(stages.catalog, "known_messages", slow)
    stages.take(mail)
    assert (stages.tally.archived, stages.tally.duplicates) == (1, 1)


def attached(subject: bytes, body: bytes) -> bytes:
    head = b"Subject: " + subject + b"\r\nContent-Type: image/png\r\n"
    return head + b"Content-Transfer-Encoding: base64\r\n\r\n" + body


def test_no_blob_is_left_that_no_recipe_names(stages: Stages) -> None:
    """Base64 that cannot be made again leaves nothing for a later message to refer to."""
    content = hashlib.shake_128(b"picture").digest(3001)
    body = base64.encodebytes(content).replace(b"\n", b"\r\n")
    at = body.index(b"==") - 1
    odd = body[:at] + bytes([body[at] + 1]) + body[at + 1 :]
    assert base64.b64decode(odd) == content
    stages.take(attached(b"odd", odd))
    first = stages.storer.commit()
    stages.take(attached(b"good", body))
    second = stages.storer.commit()
    stages.apply(first)
    stages.apply(second)


def writing(archive: layout.Layout) -> tuple[Writer, Callable[[bytes], object]]:
    writer = Writer(archive.root)
    account = writer.account("anna", "pop.example.com:995", "anna")

    def keep(mail: bytes) -> None:
        (number,) = writer.listed(account, [(mail[:20], len(mail))])
        writer.keep(number, mail)

    return writer, keep


def test_a_cancelled_wait_stops_nothing(archive: layout.Layout) -> None:
    """Whoever waits for a flush may go away; what was queued is kept all the same."""
    writer, keep = writing(archive)
    keep(b"Subject: s\r\n\r\nx\r\n")

    async def wait() -> None:
        task = asyncio.ensure_future(asyncio.wrap_future(writer.flush()))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(wait())
    writer.flush().result(WAIT_S)
    writer.close()
    assert len(octets_of(archive.root)) == 1


def failing(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let the indexing thread fail at the first message, when the event is set."""
    go = threading.Event()
    begin = Indexer.begin

    def fail(self: Indexer, entry: JournalEntry, messages: Sequence[Stored]) -> None:
        if messages:
            go.wait(WAIT_S)
            raise OSError(28, "No space left on device")
        begin(self, entry, messages)

    monkeypatch.setattr(Indexer, "begin", fail)
    return go


def test_whoever_waits_is_told_of_an_error(
    archive: layout.Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flush that stands behind the batch that failed ends with the error, and so does closing."""
    go = failing(monkeypatch)
    writer, keep = writing(archive)
    waiting = []
    for n in range(3):
        keep(b"Subject: %d\r\n\r\nx\r\n" % n)
        waiting.append(writer.flush())
    go.set()
    for done in waiting:
        with pytest.raises((OSError, PoparchiveError), match="No space"):
            done.result(WAIT_S)
    closing: list[BaseException] = []

    def close() -> None:
        try:
            writer.close()
        except BaseException as error:
            closing.append(error)

    thread = threading.Thread(target=close, daemon=True)
    thread.start()
    thread.join(WAIT_S)
    assert not thread.is_alive()
    assert "No space" in str(closing[0])
    monkeypatch.undo()
    Writer(archive.root).close()
    assert len(octets_of(archive.root)) >= 1
    assert damages(archive.root) == []


def test_nobody_waits_for_room_any_more(
    archive: layout.Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room may come when the event loop that waited for it is closed."""
    monkeypatch.setattr("poparchive.archive.ingest.IN_FLIGHT_BYTES", 0)
    go = threading.Event()
    begin = Indexer.begin

    def slow(self: Indexer, entry: JournalEntry, messages: Sequence[Stored]) -> None:
        go.wait(WAIT_S)
        begin(self, entry, messages)

    monkeypatch.setattr(Indexer, "begin", slow)
    writer, keep = writing(archive)
    keep(b"Subject: s\r\n\r\nx\r\n")

    async def wait() -> None:
        free = asyncio.Event()
        loop = asyncio.get_running_loop()
        writer.when_room(partial(loop.call_soon_threadsafe, free.set))

    asyncio.run(wait())
    go.set()
    writer.flush().result(WAIT_S)
    writer.close()


def test_one_rotten_message_hinders_no_other_proof(archive: layout.Layout) -> None:
    """What cannot be proved is named; the others are proved."""
    mails = [b"Subject: %d\r\n\r\n" % n + hashlib.shake_128(b"%d" % n).digest(3000) for n in (1, 2)]
    writer, keep = writing(archive)
    keep(mails[0])
    writer.flush().result(WAIT_S)
    end = archive.pack(1).stat().st_size
    keep(mails[1])
    writer.flush().result(WAIT_S)
    with archive.pack(1).open("r+b") as pack:
        pack.seek(end - 100)
        pack.write(b"!!!!")
    keys = {row[1]: int(str(row[0])) for row in rows(archive.catalog)["messages"]}
    rotten, sound = (keys[hashlib.sha256(mail).digest()] for mail in mails)
    proved, damaged = writer.prove([rotten, sound])
    writer.close()
    assert proved == {sound}
    assert [type(one).__name__ for one in damaged] == ["DamageError"]
