"""The text inside attachments comes into the search index, once per content, and can be proved there."""

import contextlib
import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from poparchive.archive import contents
from poparchive.archive.contents import Report, Wish, read_contents
from poparchive.archive.describe import Stored, describe, document
from poparchive.archive.rebuild import rebuild
from poparchive.archive.status import status
from poparchive.attachments import Abilities, Limits, Outcome, Status
from poparchive.index.contents import ContentsError, ContentStore
from poparchive.index.fulltext import FulltextWriter
from poparchive.model import Location, MessageId
from poparchive.store.errors import LockedError
from poparchive.store.fsio import Lock
from poparchive.store.layout import open_layout
from tests.support.archives import damages, fill, octets_of

ROOT = Path(__file__).parents[2]


def mail(subject: str, *files: tuple[str, bytes]) -> bytes:
    message = EmailMessage()
    message["From"] = "Anna <anna@example.org>"
    message["Subject"] = subject
    message["Date"] = "Mon, 01 Jan 2024 12:00:00 +0000"
    message.set_content(f"See the attachments of {subject}.\n")
    for name, content in files:
        message.add_attachment(
            content, maintype="application", subtype="octet-stream", filename=name
        )
    return message.as_bytes()


def numbered(word: str, count: int = 200) -> bytes:
    """A file of some size with a word of its own."""
    return b"".join(b"%s line %d\n" % (word.encode(), n) for n in range(count))


MAILS = [
    mail("one", ("a.txt", numbered("wombat"))),
    mail("two", ("a.txt", numbered("wombat")), ("b.html", b"<p>numbat " * 500)),
    mail("three"),
    mail("four", ("small.txt", b"quokka")),
    mail("five", ("noise.bin", bytes(range(256)) * 20)),
]


def go(root: Path, limits: Limits | None = None, **wish: object) -> Report:
    return read_contents(root, Wish(limits or Limits(), **wish), silent)  # type: ignore[arg-type]


def silent(*_: int) -> None:
    """Nobody looks."""


def stopped_after(root: Path, wish: Wish, most: int) -> tuple[int, Report]:
    """Stop behind the first ``most`` messages; return how many were looked at."""
    seen: list[int] = []

    def see(done: int, *_: int) -> None:
        seen.append(done)

    report = read_contents(root, wish, see, lambda: len(seen) >= most)
    return len(seen), report


def found(root: Path, word: str, column: str = "contents") -> set[str]:
    """The subjects of the messages that have a word in a column."""
    connection = sqlite3.connect(root / "catalog.sqlite")
    connection.execute("ATTACH ? AS search", (str(root / "search.sqlite"),))
    rows = connection.execute(
        "SELECT m.subject FROM search.mail f JOIN messages m ON m.id = f.rowid WHERE f.mail MATCH ?",
        (f'{column} : "{word}"',),
    ).fetchall()
    connection.close()
    return {subject for (subject,) in rows}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    root = tmp_path / "archive"
    fill(root, MAILS)
    return root


def test_attachments_are_found_by_their_words(archive: Path) -> None:
    """Those of messages before them are not, until they are read; bodies stay as they were."""
    assert found(archive, "wombat") == set()
    report = go(archive)
    assert (report.contents, report.messages, report.left) == (4, 4, 0)
    assert found(archive, "wombat") == {"one", "two"}
    assert found(archive, "numbat") == {"two"}
    assert found(archive, "quokka") == {"four"}
    assert found(archive, "attachments", "body") == {"one", "two", "three", "four", "five"}
    assert damages(archive) == []


def test_a_content_is_read_once(archive: Path) -> None:
    """A second run reads nothing and changes nothing, however many messages carry a content."""
    go(archive)
    before = (archive / "search.sqlite").read_bytes()
    report = go(archive)
    assert (report.contents, report.messages) == (0, 0)
    assert (archive / "search.sqlite").read_bytes() == before


def test_mail_that_comes_later_has_known_contents_at_once(archive: Path) -> None:
    """Before any run, when what it carries was read before."""
    go(archive)
    fill(archive, [mail("later", ("other name.txt", numbered("wombat")))])
    assert found(archive, "wombat") == {"one", "two", "later"}
    assert damages(archive) == []
    assert go(archive).contents == 0


def test_a_message_may_carry_a_content_twice(tmp_path: Path) -> None:
    """Whoever reads two at a time meets the second while the first is being read."""
    root = tmp_path / "archive"
    twice = [(f"{n}.txt", numbered("wombat", 20_000)) for n in range(3)]
    fill(root, [mail("twice", *twice), mail("again", *twice)])
    report = go(root, workers=2)
    assert (report.contents, report.messages, report.left) == (1, 2, 0)
    assert found(root, "wombat") == {"twice", "again"}
    assert damages(root) == []


def test_a_rebuild_keeps_them(archive: Path) -> None:
    """A new index is made with the texts that are there."""
    go(archive)
    layout = open_layout(archive)
    for search_only in (True, False):
        rebuild(layout, search_only=search_only)
        assert found(archive, "wombat") == {"one", "two"}
        assert damages(archive) == []
        assert go(archive).contents == 0


def test_a_run_can_be_stopped_and_gone_on_with(archive: Path) -> None:
    """After so many contents, or when it is told to; what was read counts."""
    report = go(archive, most=1)
    assert report.contents == 1
    assert report.left > 0
    assert damages(archive) == []
    stopped_after(archive, Wish(), 1)
    assert damages(archive) == []
    assert go(archive).left == 0
    assert found(archive, "wombat") == {"one", "two"}


def test_larger_contents_are_read_when_they_may_be(archive: Path) -> None:
    """What was too large is looked at again once the limit is raised, and not before."""
    small = Limits(content_bytes=100)
    assert go(archive, small).statuses == {Status.UNSUPPORTED: 3, Status.DONE: 1}
    assert go(archive, small).contents == 0
    assert found(archive, "wombat") == set()
    report = go(archive)
    assert report.contents == 3
    assert found(archive, "wombat") == {"one", "two"}
    assert damages(archive) == []


def test_an_older_extraction_is_replaced(archive: Path) -> None:
    """Contents that an earlier version read are read again; its texts go when no document is made of them."""
    go(archive)
    with sqlite3.connect(archive / "attachments.sqlite") as run:
        run.execute("UPDATE contents SET version = 0")
    assert go(archive).contents == 4
    assert found(archive, "wombat") == {"one", "two"}
    assert damages(archive) == []
    go(archive)
    with sqlite3.connect(archive / "attachments.sqlite") as run:
        assert run.execute("SELECT count(*) FROM contents").fetchone() == (4,)


def test_another_text_takes_the_place_of_the_old_one(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No word of the old text is found any more."""
    go(archive)
    with sqlite3.connect(archive / "attachments.sqlite") as run:
        run.execute("UPDATE contents SET version = 0")
    monkeypatch.setattr(
        "poparchive.archive.contents.Pool.read",
        lambda self, jobs: ((tag, _changed()) for tag, _ in jobs),
    )
    monkeypatch.setattr(
        "poparchive.archive.contents.Pool.abilities", lambda self: Abilities("", False, ("limits",))
    )
    go(archive)
    assert found(archive, "wombat") == set()
    assert found(archive, "cassowary") == {"one", "two", "four", "five"}
    assert damages(archive) == []


def _changed() -> Outcome:
    return Outcome(Status.DONE, "cassowary")


# ---- what may be lost or changed -------------------------------------------------------------------------


def test_without_its_texts_the_index_is_made_anew(archive: Path) -> None:
    """It says so, verify says so, and a rebuild is all that is needed."""
    go(archive)
    (archive / "attachments.sqlite").unlink()
    (said,) = damages(archive)
    assert "rebuild --search-only" in said.what
    with pytest.raises(ContentsError, match="rebuild --search-only"):
        go(archive)
    rebuild(open_layout(archive), search_only=True)
    assert damages(archive) == []
    assert go(archive).contents == 4
    assert found(archive, "wombat") == {"one", "two"}
    assert damages(archive) == []


def _texts(run: sqlite3.Connection) -> None:
    run.execute("UPDATE contents SET text = (SELECT text FROM contents ORDER BY length(text) LIMIT 1),"
                " text_bytes = (SELECT text_bytes FROM contents ORDER BY length(text) LIMIT 1)"
                " WHERE text IS NOT NULL")  # fmt: skip


def _hashes(run: sqlite3.Connection) -> None:
    run.execute("UPDATE contents SET sha256 = zeroblob(32) WHERE id = 1")


def _rows(run: sqlite3.Connection) -> None:
    run.execute("DELETE FROM contents WHERE id = 1")


@pytest.mark.parametrize("change", [_texts, _hashes, _rows])
def test_verify_notices_other_texts(
    archive: Path, change: Callable[[sqlite3.Connection], None]
) -> None:
    """Another text, a text of another content, or none, is not what the index is made of."""
    go(archive)
    with sqlite3.connect(archive / "attachments.sqlite") as run:
        change(run)
    assert damages(archive)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM carried WHERE content = 1",
        "UPDATE carried SET content = 3 - content WHERE content IN (1, 2) AND message ="
        " (SELECT message FROM carried GROUP BY message HAVING count(*) > 1)",
    ],
)
def test_verify_notices_what_the_index_says_wrongly(archive: Path, statement: str) -> None:
    """The index's own note of its texts is proved with them."""
    go(archive)
    with sqlite3.connect(archive / "search.sqlite") as run:
        assert run.execute(statement).rowcount
    assert damages(archive)


def test_erasing_a_message_erases_what_it_carries(archive: Path) -> None:
    """With the text that is in its document it can be taken out, and no word of it stays in either file."""
    go(archive)
    layout = open_layout(archive)
    (octets,) = [one for one in octets_of(archive) if b"Subject: four" in one]
    stored = Stored(MessageId(b""), octets, (), Location(0, 0, 0, 0))
    with sqlite3.connect(archive / "catalog.sqlite") as run:
        (key,) = run.execute("SELECT id FROM messages WHERE subject = 'four'").fetchone()
    plain = document(key, *describe(stored, 0))
    index = FulltextWriter.open(layout.search, layout.catalog)
    index.erase([plain._replace(contents="quokka")])
    assert index.carried_by(key) == []
    index.close()
    store = ContentStore.open(layout.contents)
    store.erase([hashlib.sha256(b"quokka").digest()])
    store.close()
    assert found(archive, "quokka") == set()
    assert b"quokka" not in layout.search.read_bytes() + layout.contents.read_bytes()


# ---- beside others, and after crashes --------------------------------------------------------------------


def test_one_run_at_a_time(archive: Path) -> None:
    with Lock(open_layout(archive).contents_lock), pytest.raises(LockedError):
        go(archive)


def test_a_pull_in_the_way_costs_nothing(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody writes for long, contents are read; their messages follow when it has ended."""
    monkeypatch.setattr("poparchive.archive.contents.LOCK_S", 0.05)
    go(archive, most=1)
    held = Lock(open_layout(archive).lock)
    flush = contents._Run._flush
    flushes = []

    def flushed(self: "contents._Run", patience_s: float = 0.05) -> None:
        flush(self, patience_s)
        flushes.append(1)
        if len(flushes) == 1:
            held.release()

    monkeypatch.setattr(contents._Run, "_flush", flushed)
    report = go(archive)
    assert report.left == 0
    assert found(archive, "numbat") == {"two"}
    assert damages(archive) == []


def test_a_pull_that_holds_the_archive_all_the_time(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contents are read from the first moment on; the index follows with the next run."""
    monkeypatch.setattr("poparchive.archive.contents.LOCK_S", 0.01)
    with Lock(open_layout(archive).lock):
        report = go(archive)
    assert (report.contents, report.messages) == (4, 0)
    assert (report.left, report.waiting) == (4, 4)
    report = go(archive)
    assert (report.contents, report.messages, report.left, report.waiting) == (0, 4, 0, 0)
    assert found(archive, "wombat") == {"one", "two"}
    assert damages(archive) == []


@pytest.mark.parametrize("empty", [True, False])
def test_an_index_that_is_not_there_is_not_begun(archive: Path, empty: bool) -> None:
    """One that were begun here would never have the mail that came before; a person is told what to do."""
    search = archive / "search.sqlite"
    search.unlink()
    if empty:
        search.touch()
    with pytest.raises(ContentsError, match="rebuild --search-only"):
        go(archive)
    assert not search.exists() or not search.stat().st_size
    rebuild(open_layout(archive), search_only=True)
    assert go(archive).messages == 4
    assert damages(archive) == []


def test_messages_that_the_index_has_not_yet(archive: Path) -> None:
    """Their contents are read; they are not called brought up to date, and are once the index has them."""
    search = archive / "search.sqlite"
    behind = search.read_bytes()
    fill(archive, [mail("later", ("c.txt", b"potoroo " * 50)), mail("last", ("d.txt", b"bilby"))])
    search.write_bytes(behind)
    report = go(archive)
    assert (report.contents, report.messages) == (6, 4)
    assert (report.left, report.waiting) == (2, 2)
    fill(archive, [mail("more")])
    assert found(archive, "potoroo") == {"later"}
    assert damages(archive) == []
    report = go(archive)
    assert (report.contents, report.left, report.waiting) == (0, 0, 0)


def test_an_index_of_an_earlier_version(archive: Path) -> None:
    """Contents are read once all the same, status says how it stands, and the new index has them."""
    with sqlite3.connect(archive / "search.sqlite") as run:
        run.execute("PRAGMA user_version = 1")
        run.execute("DROP TABLE carried")
    report = go(archive)
    assert (report.contents, report.messages) == (4, 0)
    assert (report.left, report.waiting, report.index_older) == (4, 4, True)
    assert go(archive).contents == 0
    known = status(archive).attachments
    assert (known.messages, known.indexed, known.index_older) == (4, 0, True)
    fill(archive, [mail("more")])
    assert found(archive, "wombat") == {"one", "two"}
    assert damages(archive) == []
    assert not status(archive).attachments.index_older


def test_who_is_stopped_waits_for_no_pull(archive: Path) -> None:
    """What was read counts, and reaches the index with the next run."""
    with Lock(open_layout(archive).lock):
        seen, report = stopped_after(archive, Wish(), len(MAILS) - 1)
    assert seen == len(MAILS) - 1
    assert (report.contents, report.messages, report.left, report.waiting) == (4, 0, 4, 4)
    report = go(archive)
    assert (report.contents, report.messages, report.left, report.waiting) == (0, 4, 0, 0)


def test_beside_an_older_index_it_is_remembered_how_far_it_came(archive: Path) -> None:
    """A run looks only at messages that none has looked at on the same terms, one that is stopped too; a pull
    that makes the index anew has all of it."""
    with sqlite3.connect(archive / "search.sqlite") as run:
        run.execute("PRAGMA user_version = 1")
        run.execute("DROP TABLE carried")

    def looked_at(wish: Wish, most: int = 99) -> tuple[int, Report]:
        return stopped_after(archive, wish, most)

    first, report = looked_at(Wish(), most=1)
    assert (first, report.left, report.index_older) == (1, 4, True)
    rest, report = looked_at(Wish())
    assert rest in (3, 4)
    assert (report.left, report.waiting) == (4, 4)
    nothing, report = looked_at(Wish())
    assert (nothing, report.contents, report.left, report.waiting) == (0, 0, 4, 4)
    assert looked_at(Wish(Limits(content_bytes=1000)))[0] == 4
    assert looked_at(Wish(retry=True))[0] == 4
    fill(archive, [mail("more")])
    assert found(archive, "wombat") == {"one", "two"}
    go(archive)
    with sqlite3.connect(archive / "attachments.sqlite") as run:
        assert not run.execute(
            "SELECT name FROM sqlite_master WHERE name LIKE 'looked%'"
        ).fetchall()
    assert damages(archive) == []


def test_a_retry_that_is_stopped_says_what_is_left(archive: Path) -> None:
    """Messages whose contents were not read again are left, although an earlier text of theirs is there."""
    go(archive)
    with sqlite3.connect(archive / "attachments.sqlite") as run:
        run.execute("UPDATE contents SET status = ?", (Status.TIMEOUT,))
    _, report = stopped_after(archive, Wish(retry=True), 1)
    assert report.left == 3
    assert go(archive, retry=True).left == 0
    assert damages(archive) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from poparchive.archive import contents
contents.BATCH_MESSAGES = 1
at, steps = int(sys.argv[2]), [0]
def step(call):
    def stepped(*arguments, **more):
        steps[0] += 1
        if steps[0] == at:
            os.kill(os.getpid(), signal.SIGKILL)
        result = call(*arguments, **more)
        steps[0] += 1
        if steps[0] == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return stepped
contents.ContentStore.add = step(contents.ContentStore.add)
contents.FulltextWriter.replace = step(contents.FulltextWriter.replace)
contents.read_contents(Path(sys.argv[1]), contents.Wish(), lambda *_: None)
"""


@pytest.mark.parametrize("at", [1, 2, 3, 4, 7, 8])
def test_a_run_that_is_killed_is_gone_on_with(archive: Path, at: int) -> None:
    """Before and after every write: what is there proves, and the next run completes it."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(archive), str(at)], cwd=ROOT, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert damages(archive) == []
    report = go(archive)
    assert report.left == 0
    assert found(archive, "wombat") == {"one", "two"}
    assert found(archive, "quokka") == {"four"}
    assert damages(archive) == []


def test_memory_of_a_large_message_is_bounded(tmp_path: Path) -> None:
    """An attachment that is larger than any that is read is hashed in pieces, and has its status."""
    root = tmp_path / "archive"
    fill(root, [mail("large", ("large.bin", os.urandom(3 << 20)), ("a.txt", b"potoroo"))])
    report = go(root, Limits(content_bytes=1 << 20))
    assert report.statuses == {Status.UNSUPPORTED: 1, Status.DONE: 1}
    assert found(root, "potoroo") == {"large"}
    assert damages(root) == []
    fill(root, [mail("again", ("other.bin", numbered("x", 9)))])
    assert go(root, Limits(content_bytes=1 << 20)).contents == 1


def test_asking_makes_no_index(archive: Path) -> None:
    """Where the index is missing, whoever asks how far it is leaves it missing."""
    (archive / "search.sqlite").unlink()
    assert status(archive).attachments.messages == 4
    with (
        contextlib.closing(ContentStore.open(archive / "attachments.sqlite")) as store,
        pytest.raises(sqlite3.OperationalError),
    ):
        list(store.outdated(archive / "search.sqlite", 1, (), 0, ()))
    assert not (archive / "search.sqlite").exists()


def test_status_says_how_far_it_is(archive: Path) -> None:
    before = status(archive).attachments
    assert (before.messages, before.indexed, before.contents) == (4, 0, {})
    go(archive)
    after = status(archive).attachments
    assert (after.messages, after.indexed) == (4, 4)
    assert sum(count for count, _ in after.contents.values()) == 4
    assert after.layers.startswith("limits")


def test_status_counts_what_is_left_for_ocr(tmp_path: Path) -> None:
    """Pictures that were looked at without it are empty, and may have letters all the same."""
    root = tmp_path / "archive"
    fill(root, [mail("picture", ("a.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 40), ("b.txt", b"x y"))])
    go(root)
    assert status(root).attachments.lacking == {"ocr": 1}


@pytest.fixture(autouse=True)
def _no_worker_is_left() -> Iterator[None]:
    yield
    for path in Path("/proc").glob("[0-9]*/stat") if sys.platform == "linux" else ():
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        assert fields[1] != str(os.getpid()) or fields[0] == "Z" or not _is_worker(path.parent)


def _is_worker(process: Path) -> bool:
    try:
        return b"poparchive.attachments.worker" in (process / "cmdline").read_bytes()
    except OSError:
        return False
