"""What each program takes for a word, and whether a text has what an atom asks."""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import snowballstemmer

from poparchive.index.fold import fold, fold_query
from tests.interop.agreement.queries import Atom

LONGEST_OCTETS = 64
"""Longer words notmuch leaves out."""

ENGLISH = ("english", "porter")
"""English by two stemmers: what Xapian and a newer Snowball say is the one or the other."""

_THEIR_WORD = re.compile(
    r"[\w\u0300-\u036f]+(?:(?:['’&·‧]|(?<=\d)[.,;](?=\d))[\w\u0300-\u036f]+)*(?:[+#]{1,3}(?!\w))?"
)
_ACRONYM = re.compile(r"\b(?:[A-Z]\.)+[A-Z]?(?!\w)")


@lru_cache(4096)
def our_words(text: str) -> list[str]:
    return _tokens(fold(text))


def _tokens(folded: str) -> list[str]:
    lower = folded.lower()
    if lower.isascii():
        return re.findall(r"[a-z0-9]+", lower)
    spaced = [
        one if one.isalnum() or unicodedata.category(one) in ("Mn", "Mc", "Nl", "No") else " "
        for one in lower
    ]
    return "".join(spaced).split()


@lru_cache(4096)
def their_words(text: str) -> list[str]:
    text = _ACRONYM.sub(lambda found: found[0].replace(".", ""), text)
    found = [word.lower().replace("’", "'") for word in _THEIR_WORD.findall(text)]
    return [word for word in found if len(word.encode("utf-8", "replace")) <= LONGEST_OCTETS]


@cache
def stem(word: str, language: str = "english") -> str:
    return str(_stemmer(language).stemWord(word))


@cache
def _stemmer(language: str) -> Any:
    return snowballstemmer.stemmer(language)


def we_find(atom: Atom, text: str) -> bool:
    """Whether a text has what our side asks of it, stems left aside."""
    asked = fold_query(atom.text)
    beginning = atom.form == "prefix" or asked.endswith("*")
    return _has(our_words(text), _tokens(asked), beginning=beginning)


def they_find(atom: Atom, text: str) -> bool:
    """The same for notmuch, stems left aside."""
    asked = their_words(atom.text)
    return bool(asked) and _has(their_words(text), asked, beginning=atom.form == "prefix")


def we_find_form(atom: Atom, text: str, languages: Sequence[str] = ENGLISH[:1]) -> bool:
    """Whether a text has a word with the same stem, for us."""
    asked = fold(atom.text)
    return _has_form(asked, our_words(text), languages)


def they_find_form(atom: Atom, text: str, stemmers: Sequence[str]) -> bool:
    """The same for notmuch."""
    return _has_form(atom.text, their_words(text), stemmers)


def _has_form(asked: str, words: Sequence[str], languages: Sequence[str]) -> bool:
    # No stemmer changes how a word begins.
    alike = {word for word in words if word[:1] == asked[:1]}
    return any(
        stem(word, language) == stem(asked, language) for language in languages for word in alike
    )


def _has(words: Sequence[str], asked: Sequence[str], *, beginning: bool) -> bool:
    if not asked:
        return False
    if len(asked) == 1:
        if beginning:
            return any(word.startswith(asked[0]) for word in words)
        return asked[0] in words
    if any(word not in words for word in asked[:-1]):
        return False
    for start in range(len(words) - len(asked) + 1):
        some = words[start : start + len(asked)]
        if some[:-1] == list(asked[:-1]) and (
            some[-1] == asked[-1] or (beginning and some[-1].startswith(asked[-1]))
        ):
            return True
    return False
