"""Snippets: what was found is marked where it stands in the text as it was written."""

import sqlite3
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poparchive.index.fold import fold
from poparchive.index.fulltext import OPTIONS
from poparchive.index.snippet import _densest, plain_words, snippet
from poparchive.query.letters import has_word
from poparchive.query.tree import Words


def marked(text: str, *terms: str, width: int = 160) -> list[str]:
    words = [Words(term.rstrip("*"), prefix=term.endswith("*")) for term in terms]
    shown, marks = snippet(text, words, width=width)
    return [shown[start:end] for start, end in marks]


@pytest.mark.parametrize(
    ("text", "terms", "found"),
    [
        ("a Żółty dom", ["zolty"], ["Żółty"]),
        ("A\u030angstro\u0308m here", ["angstrom"], ["A\u030angstro\u0308m"]),
        ("Straße and strasse", ["strasse"], ["Straße", "strasse"]),
        ("ΟΔΟΣ οδός", ["οδος"], ["ΟΔΟΣ", "οδός"]),
        ("ПРИВЕТ, привет", ["привет"], ["ПРИВЕТ", "привет"]),
        ("これは日本語です", ["日本"], ["日本"]),
        ("これは日本語です abc", ["日本語です", "abc"], ["日本語です", "abc"]),
        ("これは日本語です", ["語"], ["語"]),
        ("Paper, Order! and paper of order", ["paper order"], ["Paper, Order"]),
        ("zażółć gęślą jaźń", ["gesla jazn"], ["gęślą jaźń"]),
        ("invoice, invoices, invo", ["invoi*"], ["invoice", "invoices"]),
        ("żółty, żółtych", ["zolt*"], ["żółty", "żółtych"]),
        ("anna@example.com", ["anna@example.com"], ["anna@example.com"]),
        ("cat catalog concat", ["cat"], ["cat"]),
        ("½… ß the\u0301se… ĳ the… œuvre", ["the", "oeuvre"], ["the", "œuvre"]),
        ("e\u0301 e\u0301tat… e\u0301tat", ["etat"], ["e\u0301tat", "e\u0301tat"]),
        ("ba a a, a a", ["a a"], ["a a", "a a"]),
        ("Report.REPORT report_ reports", ["report"], ["Report", "REPORT", "report"]),
        ("a ™ b ① ½", ["tm", "1", "2"], ["™", "①", "½"]),
        ("①Outlook②Teams", ["outlook", "teams"], ["Outlook", "Teams"]),
        ("①Outlook②дом™ ㊀日本", ["outlook", "дом", "日本"], ["Outlook", "дом", "日本"]),
        ("我们明天开 \n会，请准时", ["开会"], ["开 会"]),
        ("a\n> お問い合\n> わせくだ\n>さい。", ["問い合わせ", "さい"], ["問い合 > わせ", "さい"]),
        ("開\n\n会 하나\n둘 語\nы会", ["開会", "하나둘", "會"], []),
        ("वे हिन्दी, हिंदी", ["हिंदी"], ["हिन्दी", "हिंदी"]),
        ("वे हिन्\u200dदी, हिंदीभाषी", ["हिन्दी*"], ["हिन्\u200dदी", "हिंदी"]),
        ("nothing of that kind", ["absent"], []),
    ],
)
def test_what_is_marked(text: str, terms: list[str], found: list[str]) -> None:
    """Words, phrases and beginnings, however they are written."""
    assert marked(text, *terms) == found
    assert marked("x " * 500 + text + " y" * 500, *terms) == found


def test_a_star_in_quotes_marks_no_beginning() -> None:
    """What is marked is what the index is asked."""
    assert snippet("invoice inv", [Words("inv*")])[1] == [(8, 11)]


def test_the_window_has_most_of_what_is_wanted() -> None:
    """Where both words stand together says more than where the first one stands alone."""
    text = "alpha " + "x " * 300 + "alpha and beta " + "y " * 300
    assert marked(text, "alpha", "beta") == ["alpha", "beta"]


def test_without_a_hit_it_is_the_beginning() -> None:
    """Cut at a word, with a sign that there is more."""
    shown, marks = snippet("word " * 100, [Words("absent")], width=42)
    assert (shown, marks) == ("word word word word word word word word…", [])


@given(
    st.text(alphabet="abżó日本語ΣςЙ\u0301 .,-_\n>\u200d", max_size=80),
    st.lists(st.text(alphabet="abżó日本語σ .", max_size=5), max_size=3),
    st.integers(10, 60),
)
def test_marks_lie_in_the_text(text: str, terms: list[str], width: int) -> None:
    """Whatever the text: marks are in order, apart from each other, inside, and hold something."""
    shown, marks = snippet(text, [Words(term) for term in terms], width=width)
    assert len(shown) <= width + 2
    ends = [0, *[at for mark in marks for at in mark], len(shown)]
    assert ends == sorted(ends)
    assert all(start < end for start, end in marks)


@given(st.text(alphabet="abcß日本語żóÅΣ\u0301 ,.", min_size=1, max_size=30))
def test_a_word_of_the_text_is_found_in_it(text: str) -> None:
    """Any word of a text, as a person would type it, is marked in it."""
    for word in text.split():
        if plain_words(fold(word)):
            assert marked(text, word)


@given(
    st.text(alphabet="abcżółÉя日ß…½ ,._-\u0301", max_size=60),
    st.lists(st.text(alphabet="abcz ", max_size=5), min_size=1, max_size=2),
)
def test_the_quick_way_finds_the_same(text: str, terms: list[str]) -> None:
    """A text that can be compared letter by letter gives what one with a soft hyphen does, which cannot."""
    text = " ".join(text.split())
    given = [Words(term) for term in terms] + [Words("abc", prefix=True)]
    _, quick = snippet(text, given, width=500)
    _, slow = snippet(f"{text} \u00ad", given, width=500)
    assert quick == slow


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 4)), min_size=1, max_size=30))
def test_the_piece_with_most_different_terms(places: list[tuple[int, int]]) -> None:
    """The first of the windows that have most of them, as counting each anew gives it."""
    hits = sorted((start, start + 1, number) for start, number in places)
    width = 15
    counts = [
        len({number for other, _, number in hits[at:] if other < start + width * 2 // 3})
        for at, (start, _, _) in enumerate(hits)
    ]
    assert _densest(hits, width) == counts.index(max(counts))


def test_many_hits_of_few_places_are_looked_at_once() -> None:
    """What is counted is each hit as it comes into the window and leaves it, not the window for each."""

    class Seen(list[tuple[int, int, int]]):
        looks = 0

        def __getitem__(self, at):  # type: ignore[no-untyped-def]
            self.looks += len(range(*at.indices(len(self)))) if isinstance(at, slice) else 1
            return super().__getitem__(at)

    hits = Seen((n, n + 1, n % 3) for n in range(2_000))
    _densest(hits, 3_000)
    assert hits.looks <= 5 * len(hits)


Tokens = Callable[[str], list[str]]


@pytest.fixture(scope="module")
def indexed() -> Iterator[Tokens]:
    """Gives the words that the index has of a text, in their order."""
    memory = sqlite3.connect(":memory:")
    memory.execute(f"CREATE VIRTUAL TABLE mail USING fts5({OPTIONS})")
    memory.execute("CREATE VIRTUAL TABLE words USING fts5vocab('mail', 'instance')")

    def tokens(text: str) -> list[str]:
        memory.execute("INSERT INTO mail(mail) VALUES ('delete-all')")
        memory.execute("INSERT INTO mail(rowid, body) VALUES (1, ?)", (fold(text),))
        return [term for (term,) in memory.execute("SELECT term FROM words ORDER BY offset")]

    yield tokens
    memory.close()


# Vowels of Hangul and sound marks alone, which are part of what is before them, are nobody's words.
_ANY = st.characters(exclude_categories=["Cs"]).filter(
    lambda c: c not in "\u3099\u309a\uff9e\uff9f" and not "\u1160" <= c <= "\u11ff"
)
_RARE = st.sampled_from(
    "abLŀĹ \u0301\u0306\u00ad\u200bиИйьⲀꭰᎠՀ१कषनदंि्\u093cมาก็ดี日本語ｶがか한국㌔™½ŉ₽🙂🚀👍🏽ـعَرَביְ˙ʼꞋﳲﬁ"
)
_TEXTS = st.lists(_RARE | st.sampled_from(["l·l", "日\n本", "語 \n> か"]), max_size=20).map("".join)


@given(st.text(_ANY, max_size=20).filter(lambda text: "·" not in text) | _TEXTS)
def test_words_are_those_of_the_index(indexed: Tokens, text: str) -> None:
    """A text's words, and whether there are any, are what the tokenizer makes of it, whatever is in it."""
    assert plain_words(text) == indexed(text)
    assert has_word(text) == bool(indexed(text))


@given(st.lists(_TEXTS.filter(bool), min_size=1, max_size=5), st.data())
def test_a_hit_is_marked_where_the_index_found_it(
    indexed: Tokens, words: list[str], data: st.DataObject
) -> None:
    """Whatever word of a text is looked for, what is marked has it."""
    text = " ".join(words)
    wanted = data.draw(st.sampled_from(words))
    if indexed(wanted):
        assert any(set(indexed(wanted)) & set(indexed(one)) for one in marked(text, wanted))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nice🙂", ["nice"]),
        ("hmm🤔so", ["hmm", "so"]),
        ("👍🏽", []),
        ("5₽", ["5"]),
        ("Ꭰ Ԩ", ["ꭰ", "ԩ"]),
    ],
)
def test_signs_are_no_letters(indexed: Tokens, text: str, words: list[str]) -> None:
    """Pictures and signs of currencies separate words, those too that FTS5's tables are too old for."""
    assert indexed(text) == words
