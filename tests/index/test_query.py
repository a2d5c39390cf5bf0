"""The search language: its page's examples, its errors, and any text a user could type."""

import base64
import contextlib
import datetime
import email.utils
import random
import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poparchive.demo.samples import accounts
from poparchive.index.fold import fold, fold_query
from poparchive.index.search import Searcher
from poparchive.index.snippet import snippet
from poparchive.index.stems import StemmerMissingError
from poparchive.query import QuerySyntaxError, parse
from poparchive.query.tree import Words
from tests.support.archives import fill

PAGE = (Path(__file__).parents[2] / "docs" / "search.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)
PUT_RIGHT = [
    re.split(r"  +", line)
    for line in PAGE.partition("Among what is put right so are")[2].split("```")[1].split("\n")
    if line
]
SAVED = {"paid": "invoice -reminder"}


def now() -> int:
    return int(time.time())


def special() -> list[bytes]:
    """What the sample mails have not: labels, a PDF, a signature, encryption, mail of this moment."""
    head = "From: Ewa <ewa@example.org>\r\nTo: anna@example.com\r\nSubject: %s\r\n%s\r\n"
    date = email.utils.formatdate(now())
    pdf = base64.encodebytes(b"%PDF-1.4 quarterly figures").decode()
    texts = [
        head
        % (
            "Figures",
            "X-Gmail-Labels: Work,Important\r\nContent-Type: multipart/mixed; boundary=b\r\n",
        )
        + "--b\r\n\r\nSee below.\r\n--b\r\nContent-Type: application/pdf; name=figures.pdf\r\n"
        + "Content-Disposition: attachment; filename=figures.pdf\r\n"
        + f"Content-Transfer-Encoding: base64\r\n\r\n{pdf}\r\n--b--\r\n",
        head
        % (
            "Signed",
            "Content-Type: multipart/signed; micalg=pgp-sha256;"
            ' protocol="application/pgp-signature"; boundary=b\r\n',
        )
        + "--b\r\n\r\nI say so.\r\n--b\r\nContent-Type: application/pgp-signature; name=s.asc\r\n\r\n"
        + "-----BEGIN PGP SIGNATURE-----\r\n\r\nAAAA\r\n-----END PGP SIGNATURE-----\r\n--b--\r\n",
        head
        % (
            "Secret",
            'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted";'
            " boundary=b\r\n",
        )
        + "--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--b\r\n"
        + "Content-Type: application/octet-stream\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nAAAA\r\n"
        + "-----END PGP MESSAGE-----\r\n--b--\r\n",
        head % ("Only now", f"Date: {date}\r\n") + "It has just been invoiced.\r\n",
        head % ("Twelfth, early", "Date: Mon, 12 Feb 2024 08:30:00 +0000\r\n") + "Hello.\r\n",
    ]
    return [text.encode() for text in texts]


@pytest.fixture(scope="module")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searcher]:
    """The sample mails, two accounts, and a few others."""
    root = tmp_path_factory.mktemp("search") / "archive"
    for name, mails in accounts().items():
        fill(root, mails + special(), account=name)
    search = root / "search.sqlite"
    with contextlib.closing(sqlite3.connect(search)) as index, index:
        if any(row[1] == "contents" for row in index.execute("PRAGMA table_info(mail)")):
            # As if the text had been taken out of the attachments of one message.
            key = index.execute("SELECT max(id) FROM mail_docsize").fetchone()[0]
            index.execute(
                "INSERT INTO mail(rowid, contents) VALUES (?, 'quarterly figures')", (key,)
            )
    with Searcher(root / "catalog.sqlite", search, saved=lambda: SAVED) as one:
        yield one


def subjects(searcher: Searcher, query: str) -> list[str]:
    return [hit.subject for hit in searcher.search(query, limit=100)]


@pytest.mark.parametrize("query", EXAMPLES)
def test_examples_of_the_page_find_something(searcher: Searcher, query: str) -> None:
    """Every example of docs/search.md works, finds mail, and not all mail."""
    if "~" in query:
        pytest.importorskip("snowballstemmer", reason="knows the forms of words")
    if missing := searcher.missing(query):
        pytest.skip(f"the index that this version makes has no {', '.join(missing)} yet")
    found = searcher.count(query)
    assert 0 < found < searcher.count("")
    assert len(searcher.search(query, limit=1000)) == found
    assert len(list(searcher.keys(query))) == found


@pytest.mark.parametrize(("wrong", "right"), PUT_RIGHT)
def test_what_the_page_says_is_put_right(wrong: str, right: str) -> None:
    """The nearest valid form of a wrong query is the one that docs/search.md has, and is valid."""
    with pytest.raises(QuerySyntaxError) as caught:
        parse(wrong, now=0, saved=lambda: SAVED)
    assert caught.value.nearest == right
    parse(right, now=0, saved=lambda: SAVED)


def test_the_page_shows_an_error_as_it_is() -> None:
    """The page's error is what is printed."""
    with pytest.raises(QuerySyntaxError) as caught:
        parse("invoice has:attachement", now=0)
    assert f"```\npoparchive: {caught.value}\n```" in PAGE


def test_explain_says_what_is_asked_and_how(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain words, the index's expression, SQL and its values; an older index's gaps."""
    monkeypatch.setattr("poparchive.index.plan.FEW", 0)
    text = searcher.explain("subject:invoice -(paper OR larger:1k) after:2024-02")
    for line in (
        '"invoice" in Subject',
        "none of:",
        "larger than 1,024 octets",
        "dated 2024-02-01 or later (UTC)",
        'search index: ((subject : "invoice") NOT "paper")',
        "SELECT mail.rowid FROM mail WHERE mail MATCH ?",
        "SCAN mail VIRTUAL TABLE",
    ):
        assert line in text


@pytest.mark.parametrize(
    ("query", "lines"),
    [
        (
            "invoice inv* -paper",
            [
                "the newest 2,000 of all that is found",
                "the newest 500 with all of the words in subject or addresses, however old",
                'bm25, of: "invoice" (some ',
                'in subject and addresses alone, as too common or a beginning: ("inv',
                "subject 8, sender 5",
                "new: up to times 1.5, half of that more after 365 days",
            ],
        ),
        ('"paper order" OR invoice', ["the newest 500 with one of the words", '"paper order"']),
        (
            "invoice",
            ['the newest 50 whose subject is "invoice", however old', "first of all: a subject"],
        ),
        ("larger:1k", ["there are no words to rank by"]),
    ],
)
def test_explain_says_how_it_is_ranked(searcher: Searcher, query: str, lines: list[str]) -> None:
    """Candidates, what bm25 is asked of, weights and what counts more."""
    text = searcher.explain(query, sort="relevance")
    assert "is ranked (--sort relevance):" in text
    for line in lines:
        assert line in text
    assert "is ranked" not in searcher.explain(query)


def test_explain_has_the_sql_of_the_largest_first(searcher: Searcher) -> None:
    text = searcher.explain("invoice", sort="size")
    assert "all is read, and sorted by size, from:" in text
    assert "ORDER BY size_bytes DESC" in text


def test_explain_cuts_what_is_very_long(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A beginning may be asked as thousands of words: their number of characters is said."""
    monkeypatch.setattr("poparchive.index.explaining.LONGEST", 60)
    text = searcher.explain(" ".join(f"word{n}" for n in range(100)))
    assert " characters more)" in text
    assert 'word99" AND' not in text


def test_explain_of_a_word_of_a_megabyte_can_be_read(searcher: Searcher) -> None:
    """Wherever the word stands: in the query, in plain words, in what is asked, among the values."""
    text = searcher.explain(f"{'x' * 1_000_000} OR msgid:{'y' * 1_000_000} OR ~{'z' * 1_000_000}")
    assert max(map(len, text.split("\n"))) < 1_100
    assert text.count(" characters more)") >= 5


def test_beginnings_of_few_and_of_many_words(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They find the same, as words of their own or as FTS5 looks for them."""
    for query in ("i*", "INV*", "subject:p*", "a* -has:attachment", "zzz*", "pap* OR larger:1k"):
        found = []
        for most in (0, 10_000):
            monkeypatch.setattr("poparchive.index.search.BEGINNINGS", most)
            found.append([hit.key for hit in searcher.search(query, limit=1000)])
        assert found[0] == found[1]
        assert len(found[0]) == searcher.count(query)


@pytest.mark.parametrize(
    "form", ['"{}"', 'subject:"{}"', 'NEAR("{}" paper)', '"{}" AROUND 5 paper']
)
def test_in_quotes_a_star_is_inert(searcher: Searcher, form: str) -> None:
    """It finds what the words without it find; a beginning is meant outside of quotes alone."""
    assert searcher.count(form.format("inv*")) == searcher.count(form.format("inv")) == 0
    assert searcher.count(form.format("invoice*")) == searcher.count(form.format("invoice")) > 0
    assert '"inv*"' not in searcher.explain(form.format("inv*")).partition("search index:")[2]


def test_operators_are_set_algebra(searcher: Searcher) -> None:
    """AND, OR and NOT give what the sets of their operands give."""

    def keys(query: str) -> set[int]:
        return {hit.key for hit in searcher.search(query, limit=1000)}

    everything = keys("")
    operands = [
        "invoice",
        "from:anna",
        "has:attachment",
        "larger:800",
        "after:2024-02",
        "account:anna",
    ]
    for a in operands:
        assert keys(f"-{a}") == everything - keys(a)
        for b in operands:
            assert keys(f"{a} {b}") == keys(a) & keys(b)
            assert keys(f"{a} OR {b}") == keys(a) | keys(b)
            assert keys(f"{a} -{b}") == keys(a) - keys(b)
            assert keys(f"-({a} OR {b})") == everything - keys(a) - keys(b)
            assert keys(f"-({a} -{b})") == everything - (keys(a) - keys(b))


def test_newest_come_first_and_pages_follow(searcher: Searcher) -> None:
    """Results are in descending order of date, and pages continue each other."""
    whole = searcher.search("", limit=1000)
    assert [h.date for h in whole] == sorted((h.date for h in whole), reverse=True)
    paged = [h for at in range(0, len(whole), 7) for h in searcher.search("", limit=7, offset=at)]
    assert paged == whole


def test_a_large_pull_leaves_one_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After much was added the index is merged and its room given back; it finds the same."""
    mails = [
        b"Subject: %d\r\n\r\nword%d and %s\r\n" % (n, n, b"abcdefghij"[n % 10 :]) for n in range(60)
    ]
    monkeypatch.setattr("poparchive.archive.ingest.GROUP_MESSAGES", 5)
    monkeypatch.setattr("poparchive.archive.storer.BATCH_MESSAGES", 5)
    found, segments = [], []
    for many in (1_000, 10):
        monkeypatch.setattr("poparchive.index.fulltext._MANY_DOCUMENTS", many)
        root = tmp_path / str(many)
        fill(root, mails)
        with Searcher(root / "catalog.sqlite", root / "search.sqlite") as one:
            found.append([one.count(f"word{n}") for n in range(60)] + [one.count("c*")])
        connection = sqlite3.connect(root / "search.sqlite")
        ((count,),) = connection.execute("SELECT count(DISTINCT segid) FROM mail_idx")
        ((free,),) = connection.execute("PRAGMA freelist_count")
        connection.close()
        segments.append((count, free))
    assert found[0] == found[1]
    assert segments[0][0] > 1
    assert segments[1] == (1, 0)


def test_limits_of_dates_are_exact(tmp_path: Path) -> None:
    """A day ends at its last second, though messages of one minute push each other's ids away."""
    mails = [
        b"Subject: %d\r\nDate: Sun, 31 Dec 2023 23:59:%02d +0000\r\n\r\n%d\r\n" % (n, n % 60, n)
        for n in range(90)
    ]
    mails += [
        b"Subject: new\r\nDate: Mon, 1 Jan 2024 00:00:%02d +0000\r\n\r\n%d\r\n" % (n % 60, n)
        for n in range(70)
    ]
    random.Random(1).shuffle(mails)
    fill(tmp_path / "archive", mails)
    with Searcher(tmp_path / "archive/catalog.sqlite", tmp_path / "archive/search.sqlite") as one:
        assert one.count("before:2024") == 90
        assert one.count("after:2024") == one.count("subject:new after:2024") == 70
        assert one.count("before:2023-12-31") == one.count("after:2024-01-02") == 0
        assert one.count("after:2023-12-31 before:2024-01-02") == 160
        assert {hit.subject for hit in one.search("after:2024", limit=500)} == {"new"}


def test_other_orders(searcher: Searcher) -> None:
    """By size the largest is first; by relevance a subject counts more than a body."""
    sizes = [h.size_bytes for h in searcher.search("", sort="size")]
    assert sizes == sorted(sizes, reverse=True)
    best = searcher.search("invoice", sort="relevance")
    assert "nvoice" in best[0].subject
    assert {h.key for h in best} == {h.key for h in searcher.search("invoice")}


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("zolty", "żółty"),
        ("zolta lodka", "ŻÓŁTA ŁÓDKA"),
        ("strasse", "Straße"),
        ("orsted", "Ørsted"),
        ("oeuvre", "œuvre"),
        ("ångström", "A\u030angstro\u0308m"),
        ("日本", "日本語の文"),
        ("本語", "これは日本語です"),
        ("語", "日本語"),
        ("한국", "한국어"),
        ("pärt", "ＰＡＲＴ"),
    ],
)
def test_people_type_less_than_was_written(tmp_path: Path, typed: str, written: str) -> None:
    """Accents, letters without a decomposition, widths and missing spaces do not matter."""
    mail = f"Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{written}\r\n".encode()
    fill(tmp_path / "a", [mail, b"Subject: other\r\n\r\nnothing\r\n"])
    with Searcher(tmp_path / "a" / "catalog.sqlite", tmp_path / "a" / "search.sqlite") as one:
        assert subjects(one, typed) == ["x"]
        assert subjects(one, f'"{written}"') == ["x"]


WRONG = {
    "(invoice": 8,
    "invoice)": 7,
    'say "hello': 10,
    "foo:bar": 0,
    "after:soon": 6,
    "after:2024-13": 6,
    "larger:big": 7,
    "has:fun": 4,
    "from:": 5,
    "OR invoice": 0,
    "invoice OR": 10,
    "()": 1,
}


@pytest.mark.parametrize("query", WRONG)
def test_a_wrong_query_says_where(query: str) -> None:
    """An error has the position and a line that points at it."""
    with pytest.raises(QuerySyntaxError) as caught:
        parse(query, now=0)
    assert caught.value.position == WRONG[query]
    lines = str(caught.value).split("\n")
    assert lines[1] == f"  {query}"
    assert lines[2] == " " * (WRONG[query] + 2) + "^"


@given(
    st.text(alphabet=st.sampled_from(list('ab:"()-* ORNTAD.@/\\ź語{}^+#\0\x1bfrom')), max_size=30)
)
def test_whatever_is_typed_gives_a_tree_or_our_error(query: str) -> None:
    """No text makes the parser fail in another way."""
    with contextlib.suppress(QuerySyntaxError):
        parse(query, now=0)


@given(query=st.text(max_size=20) | st.lists(st.sampled_from(EXAMPLES), max_size=4).map(" ".join))
def test_no_tree_is_an_fts_syntax_error(searcher: Searcher, query: str) -> None:
    """What parses can be run."""
    with contextlib.suppress(QuerySyntaxError, StemmerMissingError):
        searcher.search(query, limit=3)
        searcher.count(query)


@given(st.text(max_size=200))
def test_folding_is_total(text: str) -> None:
    """Any text folds, in the index and in a query, to text without NUL."""
    assert "\0" not in fold(text)
    assert "\0" not in fold_query(text)


def test_combining_marks_take_no_quadratic_time() -> None:
    """Half a million marks on one letter are folded at once, and words around them are found."""
    text = "żółw " + "a" + "\u0300\u0316" * 250_000 + " ŻÓŁW"
    assert fold(text).split()[0] == fold("żółw")
    assert fold(text).endswith(fold("ŻÓŁW"))


def test_newest_is_newest_however_dense(tmp_path: Path) -> None:
    """A busy day pushes ids into the next one; the order and the pages are by date all the same."""
    day = datetime.datetime(2024, 3, 1, tzinfo=datetime.UTC)
    moments = [day + datetime.timedelta(seconds=17 * n) for n in range(600)]
    moments += [day + datetime.timedelta(hours=3, minutes=n) for n in range(40)]
    moments += [day] * 30
    mails = [
        f"Subject: {n}\r\nDate: {moment:%a, %d %b %Y %H:%M:%S} +0000\r\n\r\nword\r\n".encode()
        for n, moment in enumerate(moments)
    ]
    fill(tmp_path / "archive", mails)
    expected = sorted((int(moment.timestamp()) for moment in moments), reverse=True)
    with Searcher(tmp_path / "archive/catalog.sqlite", tmp_path / "archive/search.sqlite") as one:
        for query in ("word", ""):
            hits = [h for at in range(0, 700, 70) for h in one.search(query, limit=70, offset=at)]
            assert [hit.date for hit in hits] == expected
            assert len({hit.key for hit in hits}) == len(mails)
        dates = {hit.key: hit.date for hit in one.search("", limit=1000)}
        assert [dates[key] for key in one.keys("word")] == expected[::-1]


def test_ascii_folds_to_itself() -> None:
    """The commonest text costs nothing."""
    text = "Plain text, 100%."
    assert fold(text) is text


def test_urls_and_times_are_words() -> None:
    """What merely looks like a field is searched for."""
    assert parse("http://example.com", now=0) == Words("http://example.com")
    assert parse("12:30", now=0) == Words("12:30")


def test_snippets_mark_what_was_found() -> None:
    """The window is around the hit, and the hit is marked, accents or not."""
    text = "word " * 200 + "a Żółty dom here " + "word " * 200
    shown, marks = snippet(text, [Words("zolty")])
    assert [shown[a:b] for a, b in marks] == ["Żółty"]
    assert shown.startswith("…")
    assert len(shown) < 200
    shown, marks = snippet("short text", [Words("absent")])
    assert (shown, marks) == ("short text", [])
