"""What a list shows: copies as one, threads, facets; and the order by relevance."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from poparchive.archive.rebuild import rebuild
from poparchive.archive.writer import Writer
from poparchive.index import relevance, results
from poparchive.index.facets import address_of
from poparchive.index.search import Searcher
from poparchive.store import layout
from tests.support.archives import damages, fill, put


@contextlib.contextmanager
def searching(root: Path) -> Iterator[Searcher]:
    with Searcher(root / "catalog.sqlite", root / "search.sqlite") as searcher:
        yield searcher


def mail(
    day: int, subject: str, body: str, *fields: str, sender: str = "Anna <anna@example.com>"
) -> bytes:
    head = [f"Date: {day % 28 + 1} Jan {2000 + day // 28} 12:00:00 +0000", f"Subject: {subject}"]
    head += [f"From: {sender}", "To: me@example.com", *fields]
    return ("\r\n".join(head) + f"\r\n\r\n{body}\r\n").encode()


def test_copies_are_one_line(tmp_path: Path) -> None:
    """Copies with other transport headers are one hit with the accounts of all, unless each is asked for.
    Pages of such hits follow each other, and counts count messages."""
    root = tmp_path / "a"
    for account in ("anna", "office", "info"):
        mails = [
            mail(n, f"news {n}", "word", f"Message-ID: <{n}@x>", f"Delivered-To: {account}")
            for n in range(9)
        ]
        fill(root, mails, account=account)
    fill(root, [mail(4, "news 4", "word other", "Message-ID: <4@x>", sender="Eve <eve@x>")])
    with searching(root) as searcher:
        hits = searcher.search("word")
        assert [hit.subject for hit in hits] == [
            *[f"news {n}" for n in range(8, 3, -1)],
            *["news 4", "news 3", "news 2", "news 1", "news 0"],
        ]
        one = hits[0]
        assert one.accounts == ("anna", "info", "office")
        assert len(one.copies) == 2
        assert one.id not in one.copies
        assert {len(hit.copies) for hit in hits if "Eve" in hit.sender} == {0}
        paged = [h for at in range(0, 12, 3) for h in searcher.search("word", limit=3, offset=at)]
        assert paged == hits
        assert searcher.count("word") == len(searcher.search("word", fold=False, limit=99)) == 28
        assert {hit.copies for hit in searcher.search("word", fold=False, limit=99)} == {()}
        assert len(searcher.search("word", sort="relevance")) == 10
        assert len(searcher.search("word", sort="size")) == 10


def test_messages_without_an_id_are_no_copies(tmp_path: Path) -> None:
    """Nothing says that two messages without a Message-ID are the same."""
    fill(tmp_path / "a", [mail(1, "s", "word", f"X-N: {n}") for n in range(3)])
    with searching(tmp_path / "a") as searcher:
        assert len(searcher.search("word")) == 3


def test_threads_of_hits(tmp_path: Path) -> None:
    """A hit tells its thread by the oldest message of it, and thread: finds them all; a rebuild, which
    takes the messages in other batches, tells the same."""
    root = tmp_path / "a"
    layout.create(root)
    mails = [
        mail(3, "Re: plan", "word", "Message-ID: <c@x>", "In-Reply-To: <b@x>"),
        mail(1, "plan", "word", "Message-ID: <a@x>"),
        mail(9, "other", "word", "Message-ID: <o@x>"),
        mail(2, "Re: plan", "word", "Message-ID: <b@x>", "References: <a@x>"),
        mail(4, "Odp: plan", "word", "Message-ID: <d@x>", sender="Bo <bo@x>"),
    ]
    mails[4] = mails[4].replace(b"me@example.com", b"anna@example.com")
    with Writer(root) as writer:
        for one in mails:
            put(writer, [one])
    for _ in range(2):
        with searching(root) as searcher:
            hits = searcher.search("word")
            assert [hit.subject for hit in hits] == [
                *("other", "Odp: plan", "Re: plan", "Re: plan", "plan")
            ]
            first = hits[-1]
            assert [hit.thread for hit in hits[1:]] == [first.id] * 4
            assert [hit.together for hit in hits] == [1, 4, 4, 4, 4]
            assert hits[0].thread == hits[0].id
            for hit in hits:
                found = searcher.search(f"thread:{hit.id.hex()}")
                assert [one.thread for one in found] == [hit.thread] * hit.together
                assert len(searcher.thread(hit.key)) == hit.together
        assert damages(root) == []
        rebuild(layout.open_layout(root))


def test_copies_are_no_conversation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a conversation that is not long each message counts once; so do messages without a Message-ID."""
    plan = [mail(1, "plan", "word", "Message-ID: <a@x>", f"X-N: {n}") for n in range(3)]
    answer = mail(2, "Re: plan", "word", "In-Reply-To: <a@x>")
    alone = [mail(5, "other", "word", "Message-ID: <o@x>", f"X-N: {n}") for n in range(2)]
    fill(tmp_path / "a", [*plan, answer, mail(3, "Re: plan", "word", "In-Reply-To: <a@x>"), *alone])
    with searching(tmp_path / "a") as searcher:
        assert [hit.together for hit in searcher.search("word")] == [1, 3, 3, 3]
        assert {hit.together for hit in searcher.search("subject:plan", fold=False)} == {5}
        monkeypatch.setattr(results, "_LONG_THREAD", 4)
        assert [hit.together for hit in searcher.search("word")] == [1, 5, 5, 5]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE threads SET thread = message WHERE message = (SELECT max(message) FROM threads)",
        "DELETE FROM threads WHERE message = (SELECT max(message) FROM threads)",
        "INSERT INTO threads SELECT 1, thread FROM threads LIMIT 1",
        "DELETE FROM thread_ids",
        "UPDATE thread_ids SET message = message + 1",
        "DELETE FROM thread_replies WHERE message = (SELECT max(message) FROM thread_replies)",
        "DELETE FROM thread_offers WHERE message = (SELECT min(message) FROM thread_offers)",
    ],
)
def test_verify_proves_the_threads(tmp_path: Path, statement: str) -> None:
    """A row of the threads' tables that is not what the messages say is damage to the index."""
    root = tmp_path / "a"
    mails = [
        mail(1, "plan", "word", "Message-ID: <a@x>"),
        mail(2, "Re: plan", "word", "Message-ID: <b@x>", "References: <a@x> <gone@x>"),
        mail(3, "Re: plan", "word", "Message-ID: <c@x>", "References: <a@x>"),
        mail(4, "Re: something", "word", "Message-ID: <d@x>"),
    ]
    fill(root, mails)
    assert damages(root) == []
    with contextlib.closing(sqlite3.connect(root / "search.sqlite")) as connection:
        assert connection.execute(statement).rowcount
        connection.commit()
    (damage,) = damages(root)
    assert "search.sqlite" in str(damage)


def test_facets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Senders by address under the name they use most, years, accounts, types of files; of the newest
    only, if there are more than are looked at."""
    root = tmp_path / "a"
    names = ["Anna", "Anna K", "Anna K"]
    mails = [mail(n, str(n), "word", sender=f"{names[n]} <ANNA@example.com>") for n in range(3)]
    mails.append(mail(30, "x", "word", sender="eve@x"))
    fill(root, mails)
    fill(root, mails[:1], account="office")
    with searching(root) as searcher:
        found = searcher.facets("word", ["from", "year", "account", "filetype"])
        assert found.counts == {
            "from": [("anna@example.com", 3), ("eve@x", 1)],
            "year": [("2001", 1), ("2000", 3)],
            "account": [("anna", 4), ("office", 1)],
            "filetype": [],
        }
        assert found.names == {"anna@example.com": "Anna K", "eve@x": ""}
        assert (found.looked_at, found.whole) == (4, True)
        monkeypatch.setattr("poparchive.index.facets.COUNTED", 2)
        found = searcher.facets("word", ["year"])
        assert found.counts == {"year": [("2001", 1), ("2000", 1)]}
        assert (found.looked_at, found.whole) == (2, False)


def test_names_of_senders() -> None:
    """What is grouped by."""
    assert address_of("A B <a@B.c>") == address_of("a@b.C") == "a@b.c"
    assert address_of("nobody") == "nobody"


@pytest.fixture(scope="module")
def ranked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An old message whose subject is a query, one with its words in the subject, and
    many newer with them in the text."""
    root = tmp_path_factory.mktemp("ranked") / "a"
    mails = [mail(n, f"note {n}", "the yearly report is due") for n in range(200, 280)]
    mails.append(mail(1, "Re: [list] Yearly report", "see there"))
    mails.append(mail(2, "on the yearly report of ours", "see there"))
    mails.append(mail(150, "note", "report yearly, report, report"))
    fill(root, mails)
    return root


@pytest.mark.parametrize("bounds", ["wide", "narrow"])
def test_relevance(ranked: Path, monkeypatch: pytest.MonkeyPatch, bounds: str) -> None:
    """A subject that is the query is first, then one that has its words, and then texts, the newer before
    the older; with bounds so narrow that neither is among the newest, these two are first all the same."""
    if bounds == "narrow":
        for name in ("CANDIDATES", "HEADED"):
            monkeypatch.setattr(relevance, name, 10)
    with searching(ranked) as searcher:
        hits = searcher.search("yearly report", sort="relevance", limit=200)
        assert hits[0].subject == "Re: [list] Yearly report"
        assert hits[1].subject == "on the yearly report of ours"
        assert len(hits) == (83 if bounds == "wide" else 12)
        keys = [hit.key for hit in hits if hit.subject.startswith("note 2")]
        assert keys == sorted(keys, reverse=True)


def test_relevance_when_all_words_are_common(ranked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a word that bm25 may read, those of the newest are first that have the words in their
    subject."""
    monkeypatch.setattr(relevance, "OCCURRENCES", 1)
    monkeypatch.setattr(relevance, "_HEAD_OCCURRENCES", 1)
    monkeypatch.setattr(relevance, "CANDIDATES", 83)
    with searching(ranked) as searcher:
        hits = searcher.search("report yearly", sort="relevance", limit=200)
        assert {hits[0].subject, hits[1].subject} == {
            "Re: [list] Yearly report",
            "on the yearly report of ours",
        }
        assert len(hits) == 83


@pytest.mark.parametrize(
    "query", ["", "has:attachment", "-yearly", "yearl*", "larger:1", "NEAR(yearly report, 3)"]
)
def test_any_query_can_be_ranked(ranked: Path, query: str) -> None:
    """Ranking finds what the query finds, where that is no more than is ranked."""
    with searching(ranked) as searcher:
        found = {hit.key for hit in searcher.search(query, limit=200, fold=False)}
        assert {
            hit.key for hit in searcher.search(query, limit=200, sort="relevance", fold=False)
        } == found


# ---- searching beside writers --------------------------------------------------------------------


def test_a_searcher_outlives_a_rebuild(tmp_path: Path) -> None:
    """A search that is open while the index is made anew goes on with what it saw; the next
    one sees the new one."""
    root = tmp_path / "a"
    fill(root, [mail(n, f"s{n}", "word") for n in range(20)])
    with searching(root) as before:
        assert before.count("word") == 20
        rebuild(layout.open_layout(root), search_only=True)
        fill(root, [mail(30, "later", "word")])
        assert before.count("word") == 20
        assert len(before.search("word", limit=50)) == 20
        with searching(root) as after:
            assert after.count("word") == 21


def test_a_search_waits_for_no_writer(tmp_path: Path) -> None:
    """While another process holds both databases in the middle of a transaction, a search answers with
    what was committed; and a search that is under way does not keep a writer from committing."""
    root = tmp_path / "a"
    fill(root, [mail(n, f"s{n}", "word") for n in range(5)])
    writers = [
        sqlite3.connect(root / name, isolation_level=None, timeout=0)
        for name in ("search.sqlite", "catalog.sqlite")
    ]
    tables = ("watermark", "state")
    for writer, table in zip(writers, tables, strict=True):
        writer.execute("BEGIN IMMEDIATE")
        writer.execute(f"DELETE FROM {table}")
    with searching(root) as searcher:
        assert searcher.count("word") == 5
        under_way = searcher.keys("word")
        next(under_way)
        for writer in writers:
            writer.execute("ROLLBACK")
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("CREATE TABLE new(x)")
            writer.execute("COMMIT")
            writer.close()
        assert len(list(under_way)) == 4
