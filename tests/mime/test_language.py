"""Which language a text is in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poparchive.mime.commonwords import LETTERS, WORDS
from poparchive.mime.language import language
from poparchive.mime.text import extract


@pytest.mark.parametrize(
    ("text", "hint", "code"),
    [
        ("", "", ""),
        ("12345 -- 678", "", ""),
        ("ok", "", ""),
        ("ok", "de", ""),
        ("Der Termin ist am Montag und nicht am Dienstag", "", "de"),
        ("Wir kommen und bringen alles mit, was ihr für die Feier braucht.", "en-US", "de"),
        ("Det er godt at have jer med ud af byen efter mødet, hvad siger du", "", "da"),
        ("jeg har det og du er her", "", ""),
        ("jeg har det og du er her", "nb-NO", "no"),
        ("jeg har det og du er her", "da", "da"),
        ("jeg har det og du er her", "no", "no"),
        ("これは日本語の文です", "", "ja"),
        ("这是中文的句子", "", "zh"),
        ("이것은 한국어입니다", "", "ko"),
        ("Αυτό είναι ελληνικό κείμενο", "", "el"),
        ("זה טקסט בעברית", "", "he"),
        ("นี่คือข้อความภาษาไทย", "", "th"),
        ("Русский и русская, что это за слово", "", "ru"),
        ("Це українська мова, як і має бути", "", "uk"),
        ("این یک متن فارسی است که", "", "fa"),
        ("هذا النص باللغة العربية من أجل", "", "ar"),
        ("यह हिन्दी में है और इसका", "", "hi"),
        ("The report about 日本 is attached to this mail, and you can read it.", "", "en"),
        ("-----\n> > >\nhttp://example.de/die/und/der/das", "", ""),
    ],
)
def test_languages(text: str, hint: str, code: str) -> None:
    """By script, by words, by letters; where two are alike, by what the header says; else not at all."""
    assert language(text, "", hint) == code


def test_the_subject_counts() -> None:
    """A message whose text is short is in the language of its subject."""
    assert language("ok\n", "Dzień dobry, proszę o fakturę") == "pl"


def test_a_message_has_a_language() -> None:
    """It is read out of a message's text, with Content-Language for a hint."""
    raw = b"Subject: x\r\nContent-Language: no\r\n\r\njeg har det og du er her\r\n"
    assert extract(raw).language == "no"


@given(st.text(max_size=300), st.text(max_size=30), st.text(max_size=8))
def test_any_text(text: str, subject: str, hint: str) -> None:
    """Any text is in a language of two letters, or in none that is known."""
    code = language(text, subject, hint)
    assert not code or (len(code) == 2 and code.isascii() and code.islower())


def test_no_sum_runs_over() -> None:
    """With every word there is a sum still fits beside its neighbours."""
    everything = " ".join(word for words in WORDS.values() for word in words.split())
    assert 240 * max(len(words.split()) for words in WORDS.values()) < 1 << 16
    assert LETTERS.keys() <= WORDS.keys()
    language(everything[:1000])
