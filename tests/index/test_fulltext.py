"""The search index's file: documents are put in, changed, taken out for good, and proved."""

import contextlib
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poparchive.index.fulltext import (
    COLUMNS,
    Document,
    FulltextWriter,
    IndexWriteError,
    Mark,
)
from poparchive.index.terms import Expected, IndexProof, Sum

WORDS = [f"{first}{n}word" for n in range(40) for first in "abcdefgh"]


def document(key: int, *words: str) -> Document:
    """A document with some of the words in every column."""
    chosen = random.Random(key)
    texts = {name: " ".join(chosen.choices(WORDS, k=9)) for name in COLUMNS}
    texts["body"] += " " + " ".join(words)
    texts["contents"] += " " + " ".join(words)
    return Document(id=key, **texts)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[FulltextWriter]:
    with contextlib.closing(FulltextWriter.open(path)) as writer:
        yield writer


def expected(documents: list[Document]) -> Sum:
    with contextlib.closing(Expected()) as sums:
        for one in documents:
            sums.add(one)
        return sums.sum()


def differs(path: Path, documents: list[Document]) -> str | None:
    """What the proof of an index says of these documents."""
    with contextlib.closing(IndexProof(path)) as proof:
        return next(proof.problems(), None) or proof.differs(expected(documents))


def vocabulary(path: Path) -> set[str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab('main', 'mail', 'row')")
        return {term for (term,) in connection.execute("SELECT term FROM temp.words")}


def octets(path: Path) -> bytes:
    """All that the database's files hold."""
    return b"".join(one.read_bytes() for one in path.parent.glob(path.name + "*"))


def test_the_proof_tells_columns_apart(tmp_path: Path) -> None:
    """A word that is in another column than it should be is a difference, for every pair of columns."""
    for index, column in enumerate(COLUMNS):
        path = tmp_path / f"{index}.sqlite"
        with opened(path) as writer:
            writer.add([Document(id=1, **{column: "word"})], Mark(1, None))
        for other in COLUMNS:
            found = differs(path, [Document(id=1, **{other: "word"})])
            assert (found is None) == (other == column)


def test_the_proof_tells_places_apart(tmp_path: Path) -> None:
    """Two words that changed places are a difference."""
    path = tmp_path / "search.sqlite"
    with opened(path) as writer:
        writer.add([Document(id=1, contents="one two")], Mark(1, None))
    assert differs(path, [Document(id=1, contents="one two")]) is None
    assert differs(path, [Document(id=1, contents="two one")])


def test_replacing_is_as_if_it_had_been_so_from_the_start(tmp_path: Path) -> None:
    """After documents were replaced the index holds the new words only, whatever was merged before."""
    path = tmp_path / "search.sqlite"
    old = [document(key, "before") for key in range(1, 90)]
    new = [document(key + 1000, "after")._replace(id=key) for key in range(1, 90)]
    with opened(path) as writer:
        for at in range(0, len(old), 10):
            writer.add(old[at : at + 10], Mark(at, None))
        writer.merge(0.01)
        writer.replace(list(zip(old[:50], new[:50], strict=True)))
        # What is not there is left alone, twice the same counts once.
        writer.replace([(document(5000), document(5001))])
        writer.replace([(new[0], new[0])] * 2)
        assert writer.watermark == Mark(80, None)
    assert differs(path, new[:50] + old[50:]) is None


def test_a_replacement_that_fails_changes_nothing(tmp_path: Path) -> None:
    """It is one transaction."""
    path = tmp_path / "search.sqlite"
    old = [document(key) for key in range(1, 9)]
    with opened(path) as writer:
        writer.add(old, Mark(1, None))
        with pytest.raises(UnicodeEncodeError):
            writer.replace([(old[0], old[0]._replace(body="x")), (old[2], Document(3, "\ud800"))])
    assert differs(path, old) is None


@pytest.mark.parametrize("batches", [1, 7])
def test_erased_messages_leave_no_word_behind(tmp_path: Path, batches: int) -> None:
    """Neither the vocabulary nor any octet of the files has a word that only erased documents had."""
    path = tmp_path / "search.sqlite"
    kept = [document(key) for key in range(1, 200)]
    gone = [document(key, "zzsecretword", "Ążółty") for key in range(300, 330)]
    everything = sorted(kept + gone, key=lambda one: one.id % 17)
    with opened(path) as writer:
        for start in range(batches):
            writer.add(everything[start::batches], Mark(start, None))
        assert b"zzsecretword" in octets(path)
        writer.erase(gone)
        assert b"zzsecretword" not in octets(path)
        assert b"secretword" not in octets(path)
        writer.erase(gone)
        assert {"zzsecretword", "azolty"}.isdisjoint(vocabulary(path))
    assert b"secretword" not in octets(path)
    assert vocabulary(path) == {word for one in kept for text in one[1:] for word in text.split()}
    assert differs(path, kept) is None


def test_a_search_that_reads_on_is_named(tmp_path: Path) -> None:
    """While a reader holds the old state the words are still there: an error says so, and once it has
    ended the same call takes them out."""
    path = tmp_path / "search.sqlite"
    gone = document(1, "zzsecretword")
    with opened(path) as writer, contextlib.closing(sqlite3.connect(path)) as reader:
        writer.add([gone, document(2)], Mark(1, None))
        writer._connection.execute("PRAGMA busy_timeout=1")
        reader.execute("BEGIN")
        assert reader.execute(
            "SELECT count(*) FROM mail WHERE mail MATCH 'zzsecretword'"
        ).fetchone()
        with pytest.raises(IndexWriteError, match="still in the file"):
            writer.erase([gone])
        assert b"secretword" in octets(path)
        reader.execute("ROLLBACK")
        writer.erase([])
        assert b"secretword" not in octets(path)
    assert differs(path, [document(2)]) is None


texts = st.text(alphabet=st.sampled_from(list("abżłß語 日\ue000")), max_size=12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=8), st.randoms())
def test_any_history_of_changes_proves(
    tmp_path_factory: pytest.TempPathFactory,
    told: list[tuple[str, str, str]],
    chance: random.Random,
) -> None:
    """Whatever is added, replaced and erased, the index is what its documents say."""
    path = tmp_path_factory.mktemp("index") / "search.sqlite"
    now = {
        key: Document(id=key, body=body, subject=subject, contents=contents)
        for key, (body, subject, contents) in enumerate(told, 1)
    }
    with opened(path) as writer:
        for key, one in now.items():
            writer.add([one], Mark(key, None))
        for key in list(now):
            changed = now[key]._replace(contents=now[key].body, body=chance.choice(told)[0])
            if chance.random() < 0.5:
                writer.replace([(now[key], changed)])
                now[key] = changed
            elif chance.random() < 0.3:
                writer.erase([now.pop(key)])
    assert differs(path, list(now.values())) is None
