"""Folding: what stands in the index for a text, and that it is the same for whoever looks for it."""

import sqlite3
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poparchive.index.fold import fold, fold_query, is_joined, letter
from poparchive.index.fulltext import OPTIONS
from poparchive.query.letters import APOSTROPHES


def words(text: str) -> list[str]:
    """What the tokenizer makes of a folded text."""
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE VIRTUAL TABLE mail USING fts5({OPTIONS})")
    connection.execute("CREATE VIRTUAL TABLE words USING fts5vocab(mail, instance)")
    connection.execute("INSERT INTO mail(rowid, body) VALUES (1, ?)", (fold(text),))
    found = [term for (term,) in connection.execute('SELECT term FROM words ORDER BY "offset"')]
    connection.close()
    return found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ŁØĐÐÞßÆŒıİĦŦŊſĿ", "loddthssaeoeiihtnsl"),
        ("ɓ ƙ ɗ ƴ ǥ ƀ ɨ ʉ ȼ", "b k d y g b i u c"),
        ("ﬁ ﬀ ĳ ǆ ŉ", "fi ff ij dz n"),
        ("l·l L·L a·b coŀlegi", "ll ll a b collegi"),
        ("L·Ĺ l\u0387l ł·l", "ll ll ll"),
        ("e\u0301 o\u0328\u0304 и\u0306 и\u0301", "e o й и"),
        ("Ѓ Ќ Ў Ї Й ѐ ё", "ѓ ќ ў ї й е е"),
        ("ᾳ ΐ ΌΣ ός µ Ω", "α ι οσ οσ μ ω"),
        ("m² 5½ Linux™ №5 ①", "m2 5 1 2 linux tm no 5 1"),
        ("①Outlook②Teams ㉑x ㊀日本 x²", "1 outlook 2 teams 21 x 一 日本 本 x2"),
        ("٢٠ २५ ๓", "20 25 3"),
        ("a\u00adb\u200bc\u200d\u2060d\ufe0f", "abcd"),
        ("\ue000attachment x\uf8ffy", "attachment x y"),
        ("𝔊𝐀", "ga"),
        ("nul\0l", "nul l"),
        ("żnul\0l", "znul l"),
        ("हिन्दी हिंदी अङ्क अञ्चल अण्डा सम्बन्ध", "हिंदी हिंदी अंक अंचल अंडा संबंध"),
        ("हिन्\u200dदी खण्ड़ सन्\u093cत", "हिंदी खंड संत"),
        ("अन्न जन्म पुण्य अम्ल उन्ही तान् दान", "अन्न जन्म पुण्य अम्ल उन्ही तान् दान"),
        ("ｶﾞｷﾞ\u3000々", "ガギ ギ 々"),
        ("\u1112\u1161\u11ab ㅋㅋ \uffbb", "한 ㅋㅋ ㅋ ㅋ"),
        ("日a本", "日 a 本"),
        ("我们开\n会，好 \n\t> >吗", "我们 们开 开会 会 好吗 吗"),
        ("開\n\n会\n a\n本\n\u3000語\n한\n국\n日", "開 会 a 本 語 한 국 日"),
        ("か\u3099\nｶﾞ\nｷ ไท\nย", "がガ ガキ キ ไท ทย ย"),
    ],
)
def test_words_of_the_index(text: str, found: str) -> None:
    """What the index has for a text."""
    assert words(text) == found.split()


def test_capitals_are_their_small_letters() -> None:
    """Of each letter that has both, the index has one."""
    letters = {chr(code) for code in range(0x80, 0x20000)} - set(APOSTROPHES)
    pairs = [
        (one, one.lower())
        for one in sorted(letters)
        if one.lower() != one and len(one.lower()) == 1
    ]
    capitals, small = (
        " ".join(words(" between ".join(column))).split(" between ")
        for column in zip(*pairs, strict=True)
    )
    assert len(capitals) == len(pairs)
    assert [p for p, a, b in zip(pairs, capitals, small, strict=True) if a != b] == []


def test_vowel_signs_do_not_part_words() -> None:
    """In every script of India a word with signs and viramas is one word."""
    for word in (
        "हिन्दी",
        "বাংলা",
        "ਪੰਜਾਬੀ",
        "ગુજરાતી",
        "ଓଡ଼ିଆ",
        "தமிழ்",
        "తెలుగు",
        "ಕನ್ನಡ",
        "മലയാളം",
        "සිංහල",
    ):
        assert len(words(word)) == 1, word
        assert words(word) == words(unicodedata.normalize("NFD", word)), word


@pytest.mark.parametrize(
    ("query", "folded"),
    [
        ("日本", " 日本"),
        ("日本語", " 日本 本語"),
        ("日", " 日*"),
        ("日本。", " 日本"),
        ("日本abc", " 日本 本 abc"),
        ("abc 日", "abc  日*"),
        ("日 本", " 日   本*"),
        ("日本 本", " 日本 本   本*"),
        ("zolty", "zolty"),
        ("inv*", "inv "),
        ("żinv*", "zinv "),
        ("inv＊", "inv "),
        ("日*", " 日*"),
        ("", ""),
        ("。", ""),
    ],
)
def test_queries(query: str, folded: str) -> None:
    """The end of a run is not asked for, its end within a query is; one character begins a pair."""
    assert fold_query(query) == folded


samples = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40)
odd = st.text(
    alphabet=st.sampled_from(list("aż\u0301\u0327ｶﾞᄒ\u1161\u11ab日ा\u093cनद\u094d™ﷲ·lŀ\ue000\0 ")),
    max_size=30,
)


@given(samples | odd)
def test_composed_and_decomposed_are_the_same(text: str) -> None:
    """However a text is normalized, the index has the same words for it."""
    assert words(unicodedata.normalize("NFC", text)) == words(unicodedata.normalize("NFD", text))


@given(samples | odd)
def test_folding_twice_changes_no_word(text: str) -> None:
    """Folded text has nothing to fold but its pairs."""
    folded = fold(text)
    assert "\ue000" not in folded
    assert "\0" not in folded
    joined = [word for word in words(text) if not any(c >= "\u0e00" for c in word)]
    assert [word for word in words(folded) if not any(c >= "\u0e00" for c in word)] == joined


@given(
    st.lists(
        st.text(alphabet=st.sampled_from(list("日本語한국ไทย")), min_size=2, max_size=6), min_size=1
    )
)
def test_every_piece_of_a_run_is_found(runs: list[str]) -> None:
    """Any two or more characters in a row, and any one, are found wherever they stand."""
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE VIRTUAL TABLE mail USING fts5({OPTIONS})")
    text = " x ".join(runs)
    connection.execute("INSERT INTO mail(rowid, body) VALUES (1, ?)", (fold(text),))
    for run in runs:
        for start in range(len(run)):
            for end in range(start + 1, len(run) + 1):
                folded = fold_query(run[start:end]).strip()
                star = "*" if folded.endswith("*") else ""
                expression = f'"{folded.removesuffix("*")}"{star}'
                found = connection.execute("SELECT 1 FROM mail WHERE mail MATCH ?", (expression,))
                assert found.fetchone(), (run, run[start:end])
    connection.close()


def test_many_different_characters_take_the_other_way() -> None:
    """A text with more letters to change than are replaced one by one comes out the same."""
    letters = "łøđßæœþħŧŋıƀɨʉɓɗƙƴǥȼəɛɔğışçöüżźćńéèêëàâ"
    assert fold(" ".join(letters)) == " ".join(fold(one) for one in letters)


def test_a_character_alone_is_the_same_without_patterns() -> None:
    """Whatever the character: what it becomes, and whether it is one of a script without spaces."""
    for code in (*range(128, 0xD800), *range(0xE000, 0x11000), *range(0x1D400, 0x1FB00)):
        folded = fold(chr(code))
        joined = any(map(is_joined, folded))
        assert letter(chr(code)) == (" " if joined else folded), hex(code)
