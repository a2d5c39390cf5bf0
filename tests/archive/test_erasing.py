"""What is erased leaves no word behind: not in the index's tables, nor in any octet of its files."""

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import pytest

from poparchive.archive.contents import Wish, read_contents
from poparchive.archive.describe import Stored, describe, document
from poparchive.archive.known import text_of
from poparchive.attachments import Limits
from poparchive.index.contents import ContentStore
from poparchive.index.fulltext import Document, FulltextWriter
from poparchive.index.terms import Expected, IndexProof, Sum
from poparchive.model import Location, MessageId
from poparchive.store.layout import open_layout
from tests.support.archives import fill, octets_of

CONTENT = b"zqcontent zqinside"


def mail(name: str, *, copy: str = "") -> bytes:
    """A message whose every field has a word of its own; ``copy`` is what a server added to it.

    The index writes a word without what it has in common with the one before: so they differ in their ends.
    """
    return (
        f"{copy}From: Zqsender{name} <zqaddress{name}@example.org>\r\nTo: zqto{name}@example.org\r\n"
        f"Subject: zqsubject{name}\r\nMessage-ID: <zqid{name}@example.org>\r\n"
        f"In-Reply-To: <zqref{name}@x>\r\n"
        f"List-Id: <zqlist{name}.example.org>\r\nX-Label: zqlabel{name}\r\n"
        'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
        f"--b\r\n\r\nzqbody{name} żółw{name}\r\n--b\r\nContent-Type: text/plain; name=zqfile{name}.txt\r\n"
        "Content-Disposition: attachment\r\n\r\n"
    ).encode() + CONTENT + b"\r\n--b--\r\n"  # fmt: skip


MAILS = {
    "copied": mail("alpha"),
    "copy": mail("alpha", copy="X-Seen: yes\r\n"),
    "other": mail("beta"),
    "kept": b"Subject: kept\r\n\r\nWhat stays.\r\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "archive"
    fill(made, MAILS.values())
    wish = Wish(Limits(cpu_s=5))
    read_contents(made, wish, lambda *_: None)
    assert wish.most is None
    return made


class Index:
    """The index of an archive, and the documents that are in it by the names of ``MAILS``."""

    def __init__(self, root: Path) -> None:
        self.layout = open_layout(root)
        self.documents: dict[str, Document] = {}
        with contextlib.closing(sqlite3.connect(self.layout.catalog)) as run:
            keys = {
                bytes(sha256): key for key, sha256 in run.execute("SELECT id, sha256 FROM messages")
            }
            dates = dict(run.execute("SELECT id, date FROM messages"))
        assert set(octets_of(root)) == set(MAILS.values())
        store = ContentStore.read(self.layout.contents)
        assert store is not None
        self.writer = FulltextWriter.open(self.layout.search, self.layout.catalog)
        for name, octets in MAILS.items():
            identity = hashlib.sha256(octets).digest()
            key = keys[identity]
            stored = Stored(MessageId(identity), octets, (), Location(0, 0, 0, 0))
            plain = document(key, *describe(stored, dates[key]))
            contents = text_of(store, self.writer.carried_by(key))
            self.documents[name] = plain._replace(contents=contents)
        store.close()
        assert "zqinside" in self.documents["other"].contents

    def erase(self, names: Iterable[str]) -> None:
        self.writer.erase([self.documents.pop(name) for name in names])
        with contextlib.closing(IndexProof(self.layout.search)) as proof:
            assert next(proof.problems(), None) is None
            assert proof.differs(self.expected()) is None

    def expected(self) -> Sum:
        with contextlib.closing(Expected()) as sums:
            for one in self.documents.values():
                sums.add(one)
            return sums.sum()

    def terms(self) -> set[str]:
        """The vocabulary, by FTS5's own table of it."""
        with contextlib.closing(sqlite3.connect(self.layout.search)) as run:
            run.execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab('main', 'mail', 'row')")
            return {term for (term,) in run.execute("SELECT term FROM temp.words")}

    def octets(self) -> bytes:
        """All that the files of the index hold, their logs too."""
        search = self.layout.search
        return b"".join(one.read_bytes() for one in sorted(search.parent.glob(search.name + "*")))


@pytest.mark.parametrize(
    ("names", "gone", "left"),
    [
        (["other"], ["beta"], ["alpha", "inside"]),
        (["copied"], [], ["alpha", "beta", "inside"]),
        (["copy"], [], ["alpha", "beta", "inside"]),
        (["copied", "copy"], ["alpha"], ["beta", "inside"]),
        (["copied", "copy", "other"], ["alpha", "beta", "inside"], ["stays"]),
    ],
)
def test_words_of_what_is_erased(
    root: Path, names: list[str], gone: list[str], left: list[str]
) -> None:
    """A word goes with the last message that has it, be it in an attachment; one that another message, or
    a copy, has stays, and the index proves to be what the other messages say."""
    index = Index(root)
    for part in [*gone, *left]:
        assert part.encode() in index.octets()
    with contextlib.closing(index.writer):
        index.erase(names)
        # While the index is open and its log is there, and once it is closed.
        for _ in range(2):
            octets, terms = index.octets(), index.terms()
            for part in gone:
                assert part.encode() not in octets
                assert not any(part in term for term in terms)
            for part in left:
                assert any(part in term for term in terms)
            index.writer.close()


def test_one_after_the_other(root: Path) -> None:
    """Each leaves the words of those that are still there, until the last one is gone; then nothing of them
    is in either file, nor of the text that was taken out of attachments."""
    index = Index(root)
    with contextlib.closing(index.writer):
        for name in ("copied", "other", "copy"):
            assert any("inside" in term for term in index.terms())
            index.erase([name])
    for part in (b"alpha", b"beta", b"inside"):
        assert part not in index.octets()
    contents = index.layout.contents
    with contextlib.closing(sqlite3.connect(contents)) as run:
        ((text,),) = run.execute("SELECT text FROM contents")
    store = ContentStore.open(contents)
    with contextlib.closing(store):
        store.erase([hashlib.sha256(CONTENT).digest()])
        for one in contents.parent.glob(contents.name + "*"):
            assert bytes(text) not in one.read_bytes()
            assert CONTENT not in one.read_bytes()
        assert store.counts() == {}
