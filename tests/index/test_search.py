"""The searcher: questions of any size, one moment for each of them, and errors that say what to do."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from poparchive.errors import TryLaterError
from poparchive.index import failures
from poparchive.index.columns import MARK
from poparchive.index.fulltext import Document, FulltextWriter, Mark
from poparchive.index.results import SearchError
from poparchive.index.search import Searcher
from poparchive.mime.filetypes import SAME
from poparchive.query import QuerySyntaxError
from poparchive.query.fields import SAME_ENDINGS
from tests.support.archives import fill
from tests.support.locked import locked


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "archive"
    texts = ["one apple", "two apples", "three pears"]
    fill(made, [f"Subject: {t}\r\nMessage-ID: <{t[:3]}@x>\r\n\r\n{t}\r\n".encode() for t in texts])
    return made


@contextlib.contextmanager
def searching(root: Path) -> Iterator[Searcher]:
    with Searcher(root / "catalog.sqlite", root / "search.sqlite") as searcher:
        yield searcher


@pytest.mark.parametrize(
    ("one", "operator", "count"),
    [
        ("account:a{}", " OR ", 0),
        ("larger:{}g", " OR ", 0),
        ("-account:a{}", " ", 3),
        ("smaller:{}g", " ", 3),
        ("(account:anna smaller:{}g)", " OR ", 3),
        ("account:anna", " ", 3),
        ("apple larger:{}", " ", 0),
        ("word{}", " OR ", 0),
        ("-word{}", " ", 3),
    ],
)
def test_as_many_conditions_as_a_query_may_have(
    root: Path, one: str, operator: str, count: int
) -> None:
    """Whatever the language allows can be asked: SQLite's limits are not met."""
    many = 495 if " " in one else 995
    query = operator.join(one.format(n) for n in range(1, many))
    with contextlib.closing(sqlite3.connect(root / "catalog.sqlite")) as catalog, catalog:
        names = [(100 + n, f"a{n}") for n in range(1, 1000)]
        catalog.executemany("INSERT INTO accounts VALUES (?, ?, 'host', 'user')", names)
    with searching(root) as searcher:
        assert searcher.count(query) == len(searcher.search(query)) == count
        assert len(searcher.search(f"({query}) apple OR pears")) >= 1


@pytest.mark.parametrize("size", ["999999999999999g", "999999999999999.999999m"])
def test_the_largest_sizes(root: Path, size: str) -> None:
    """A size that SQLite cannot count is larger than any message."""
    with searching(root) as searcher:
        assert searcher.count(f"larger:{size}") == 0
        assert searcher.count(f"smaller:{size}") == 3
        assert searcher.count(f"-larger:{size}") == 3


def test_a_search_sees_one_moment(root: Path) -> None:
    """A message that is taken out while a search is under way is shown as it was found; the next search
    sees what is there by then, and between searches nothing is held."""
    with (
        searching(root) as searcher,
        contextlib.closing(sqlite3.connect(root / "catalog.sqlite")) as other,
    ):

        def meanwhile(statement: str) -> None:
            if statement.startswith("SELECT id, sha256"):
                other.execute("DELETE FROM messages WHERE subject = 'two apples'")
                other.commit()

        searcher._connection.set_trace_callback(meanwhile)
        assert len(searcher.search("two")) == 1
        searcher._connection.set_trace_callback(None)
        assert not searcher._connection.in_transaction
        assert searcher.count("-zzz") == 2
        for _ in searcher.keys("apple*"):
            break
        list(searcher.keys("apple*"))
        assert not searcher._connection.in_transaction


@pytest.mark.parametrize("query", ["apple", "app*", "~apples", "apple OR smaller:1k"])
def test_damage_is_an_error_that_says_what_to_do(root: Path, query: str) -> None:
    """Whatever part of the index cannot be read, by whatever way it is asked."""
    with contextlib.closing(sqlite3.connect(root / "search.sqlite")) as run:
        run.execute("UPDATE mail_data SET block = x'00' WHERE id > 10")
        run.execute("UPDATE mail_idx SET term = x'ff', pgno = 99999")
        run.commit()
    with searching(root) as searcher, pytest.raises(SearchError, match="rebuild --search-only"):
        searcher.search(query)


@pytest.mark.parametrize(("one", "other"), [("jpeg", "jpg"), ("tif", "tiff"), ("htm", "html")])
def test_a_kind_of_file_has_one_name(tmp_path: Path, one: str, other: str) -> None:
    """Files with any ending of a kind are found by each, and counted under one."""
    part = "--b\r\nContent-Disposition: attachment; filename=a.{}\r\n\r\nx\r\n--b--"
    head = "Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    fill(tmp_path / "a", [(head + part.format(ending)).encode() for ending in (one, other)])
    with searching(tmp_path / "a") as searcher:
        assert searcher.count(f"filetype:{one}") == searcher.count(f"filetype:{other}") == 2
        assert [n for _, n in searcher.facets("", ["filetype"]).counts["filetype"]] == [2]
    assert SAME == SAME_ENDINGS


def test_sorts_of_files_are_counted_as_they_are_found(tmp_path: Path) -> None:
    """What the facet names can be asked for, and is found as often: files in enclosed mail, files known by
    their media type alone, and files of two sorts too."""
    part = "--b\r\nContent-Type: {}\r\nContent-Disposition: attachment{}\r\n\r\nx\r\n"
    head = "Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    word = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    parts = [
        part.format(word, ""),
        part.format("application/pdf", "; filename=a.exe"),
        part.format("application/octet-stream", ""),
        "--b\r\nContent-Type: message/rfc822\r\n\r\n"
        + (head + part.format("image/gif", "; filename=x.gif"))
        .replace("=b", "=c")
        .replace("--b", "--c")
        + "--c--\r\n",
    ]
    fill(tmp_path / "a", [(head + one + "--b--").encode() for one in [*parts, "".join(parts)]])
    with searching(tmp_path / "a") as searcher:
        found = searcher.facets("", ["filetype"]).counts["filetype"]
        assert dict(found).keys() >= {"docx", "pdf", "exe", "gif"}
        assert {one: searcher.count(f"filetype:{one}") for one, _ in found} == dict(found)
        assert searcher.facets("nothing", ["filetype"]).counts["filetype"] == []


def test_a_signature_is_no_attachment_and_is_found_by_its_name(tmp_path: Path) -> None:
    """What mail programs add of themselves counts for names and types alone."""
    head = "Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: "
    kinds = ("application/pkcs7-signature; name=smime.p7s", "application/pdf; name=plan.pdf")
    fill(tmp_path / "a", [f"{head}{kind}\r\n\r\nx\r\n--b--".encode() for kind in kinds])
    with searching(tmp_path / "a") as searcher:
        assert searcher.count("has:attachment") == searcher.count("-has:attachment") == 1
        assert searcher.count("has:attachment filename:plan") == 1
        assert searcher.count("filename:smime filetype:p7s") == 1
        assert searcher.search("filename:smime")[0].attachments[0][0] == "smime.p7s"


def test_an_account_that_is_not_there_is_refused(root: Path) -> None:
    """Nothing could be found by it, and all by its opposite; the error names those that are there."""
    with searching(root) as searcher:
        for query in ("account:ana", "-account:ana"):
            with pytest.raises(QuerySyntaxError, match='there are "anna"'):
                searcher.count(query)
        assert searcher.count("account:anna") == 3


def test_what_no_message_has_is_said(tmp_path: Path) -> None:
    """A type of attachment or a language that nothing has is named, with those that there are."""
    head = "Subject: x\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\n%d\r\n"
    fill(tmp_path / "archive", [(head % n).encode() for n in range(2)])
    with searching(tmp_path / "archive") as searcher:
        assert searcher.absent("filetype:pdf x filetypes") == []
        assert searcher.absent("x -FILETYPE:(pdx OR pdf) @y.z") == [
            "no message has filetype:pdx; there is pdf. Nearest: filetype:pdf"
        ]
        assert searcher.absent("lang:pl") == ["no message has lang:pl"]


def test_a_damaged_catalog_is_not_taken_for_the_index(tmp_path: Path) -> None:
    """To make the index anew would not help, and what is said does not claim it."""
    fill(tmp_path / "a", [b"Subject: needle\r\n\r\nneedle\r\n"])
    catalog = tmp_path / "a" / "catalog.sqlite"
    octets = bytearray(catalog.read_bytes())
    octets[3 * 4096 :] = b"\xff" * (len(octets) - 3 * 4096)
    catalog.write_bytes(octets)
    with (
        Searcher(catalog, tmp_path / "a" / "search.sqlite") as searcher,
        pytest.raises(SearchError, match="says so if it is the catalog"),
    ):
        searcher.search("needle")


@pytest.mark.parametrize("name", ["search.sqlite", "catalog.sqlite"])
def test_what_another_program_has_locked_is_for_later(
    root: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told which file, and nobody is advised to make it anew; whenever it is locked."""
    monkeypatch.setattr(failures, "LOCKED_S", 0)
    with contextlib.closing(sqlite3.connect(root / name, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=DELETE")  # else nobody can lock what somebody has open
    with (
        locked(root / name, wholly=False),
        pytest.raises(TryLaterError, match=f"{name}: another program"),
    ):
        Searcher(root / "catalog.sqlite", root / "search.sqlite")
    with searching(root) as searcher:
        with (
            locked(root / name, wholly=False),
            pytest.raises(TryLaterError, match=f"{name}: another program"),
        ):
            searcher.search("apple")
        assert len(searcher.search("apple OR apples")) == 2


def test_kinds_that_no_message_has_any_more_are_not_named(tmp_path: Path) -> None:
    """Their words stand in the index until it is merged."""
    fill(tmp_path / "a", [b"Subject: x\r\n\r\nx\r\n"])
    catalog, index = tmp_path / "a" / "catalog.sqlite", tmp_path / "search.sqlite"
    writer = FulltextWriter.open(index, catalog)
    before = Document(1, flags=f"{MARK}typepdf")
    writer.add([before, Document(2, flags=f"{MARK}typezip")], Mark(1, None))
    writer.replace([(before, Document(1))])
    with Searcher(catalog, index) as searcher:
        assert searcher.absent("filetype:pdf") == ["no message has filetype:pdf; there is zip"]
    writer.close()
