"""The forms of a word that the index has: words whose stem is the same. Asked only for ``~word``.

The index holds words as they are written, and exact search costs nothing for this. A stemmer (Snowball) says
what the stem of a word is; the index's vocabulary is read where its words begin like that stem.
"""

import sqlite3

from poparchive.errors import PoparchiveError
from poparchive.index.columns import LANGUAGE
from poparchive.index.fold import fold
from poparchive.index.fulltext import OPTIONS
from poparchive.index.vocabulary import words

STEMMERS = {
    "ar": "arabic", "hy": "armenian", "eu": "basque", "ca": "catalan", "cs": "czech",
    "da": "danish", "nl": "dutch", "en": "english", "eo": "esperanto", "et": "estonian",
    "fi": "finnish", "fr": "french", "de": "german", "el": "greek", "hi": "hindi",
    "hu": "hungarian", "id": "indonesian", "ga": "irish", "it": "italian", "lt": "lithuanian",
    "ne": "nepali", "no": "norwegian", "fa": "persian", "pl": "polish", "pt": "portuguese",
    "ro": "romanian", "ru": "russian", "sr": "serbian", "es": "spanish", "sv": "swedish",
    "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
"""Languages that Snowball has a stemmer for, by ISO 639-1. Older versions of it lack some."""

LANGUAGES = 3
"""Without ``lang:`` a word may be of any of so many languages: those of most of the archive's mail."""

_COUNTED = 5_000
_DEFAULT = ("en",)
"""For an archive whose mail is in no language that is known."""

VOCABULARY = 2_000
"""Words of the index that are looked at for one stem: 40 us each, for finding and stemming it."""

_ENDING = 12
"""A form is at most so much longer than the stem: `initializations` has ten letters more."""


class StemmerMissingError(PoparchiveError):
    """The library that knows stems is not installed."""


def forms(
    connection: sqlite3.Connection, word: str, languages: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Return the index's words with the same stem as ``word`` in one of the languages, or of the archive's.

    Empty for what is not one word in a language with stems. Raises ``StemmerMissingError``.
    """
    token = _token(word)
    if token is None:
        return ()
    try:
        import snowballstemmer
    except ImportError as error:
        raise StemmerMissingError(
            "~word needs the library snowballstemmer: `pip install snowballstemmer`"
        ) from error
    found = {token}
    there = snowballstemmer.algorithms()
    for code in languages or _spoken(connection):
        if STEMMERS.get(code) not in there:
            continue
        stem_of = snowballstemmer.stemmer(STEMMERS[code]).stemWord
        stem = stem_of(token)
        # "copies" and "copy" have the stem "copi": the last letter of a stem is no letter of all its forms.
        beginning = stem[: max(len(stem) - 1, min(len(stem), 3))]
        if not token.startswith(beginning):
            continue
        for term in words(connection, beginning, VOCABULARY):
            if len(term) <= len(stem) + _ENDING and stem_of(term) == stem:
                found.add(term)
    return tuple(sorted(found))


def _token(word: str) -> str | None:
    """Return the word as the index's tokenizer has it, or None if it makes several of it."""
    memory = sqlite3.connect(":memory:")
    try:
        memory.execute(f"CREATE VIRTUAL TABLE mail USING fts5({OPTIONS})")
        memory.execute("INSERT INTO mail(rowid, body) VALUES (1, ?)", (fold(word),))
        memory.execute("CREATE VIRTUAL TABLE words USING fts5vocab('mail', 'row')")
        terms = memory.execute("SELECT term FROM words LIMIT 2").fetchall()
    finally:
        memory.close()
    return str(terms[0][0]) if len(terms) == 1 else None


def _spoken(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Return the languages of most of the archive's mail, by the marks of its messages."""
    query = f"SELECT count(*) FROM (SELECT 1 FROM mail WHERE mail MATCH ? LIMIT {_COUNTED})"  # noqa: S608
    counted = []
    for term in words(connection, LANGUAGE, len(STEMMERS) * 10):
        code = term[len(LANGUAGE) :]
        if code in STEMMERS:
            count = connection.execute(query, (f'flags : "{term}"',)).fetchone()[0]
            counted.append((-count, code))
    return tuple(code for _, code in sorted(counted)[:LANGUAGES]) or _DEFAULT
