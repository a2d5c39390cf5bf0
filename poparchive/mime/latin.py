"""Which charset Latin letters beyond ASCII are in, by the languages that have them.

Promise: nothing here raises; work is linear in what is given, which callers keep short.

For each language and charset it is counted how rare the letters are that the octets would be, in bits: š
beside ł is in no language, ą beside ł is Polish. A letter that a language lacks says much against it, and
so does a sign where none stands, such as a plus-minus within a word; a language's commonest words speak
for it. Text is Western but where another language is better by a margin.
"""

import functools
from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

from .late import late

_WESTERN: Final = {
    "de": ("üäöß", "1234"),
    "fr": ("éàèêôîçâùûëïœæÿ", "044466799999999"),
    "es": ("óáíúéñü", "1234459"),
    "pt": ("ãçáíéóõúêâàôü", "2233445557759"),
    "it": ("èàòùéìíóú", "124448999"),
    "sv": ("äöåéüàè", "1226999"),
    "da": ("æøåéöüä", "1125888"),
    "no": ("åøæéòôöüä", "114799888"),
    "fi": ("äöåéšž", "039999"),
    "is": ("ðáíþóöæéýú", "2334444455"),
    "ca": ("óàéíèòçúïü", "2233444456"),
    "nl": ("ïéëóåçœèöðêüáí", "15579999999999"),
    "et": ("õäüöšž", "122478"),
    "ga": ("áéíóú", "22222"),
    "sq": ("ëç", "04"),
    "en": ("éèáóöüñçäïêàíåøúãâôë", "23444444455666666666"),
}
"""The letters beyond ASCII of Western languages, and how rare they are among these: binary digits of their
shares. In English text there are names of many languages."""
_CENTRAL: Final = {
    "pl": ("łżąęśćóńź", "233333356"),
    "cs": ("íářéčýžěšůúóňťď", "222444445578899"),
    "sk": ("áíúýčéťžšľôóäňďĺŕ", "23333334447777899"),
    "hu": ("áéíóöőüúű", "223444556"),
    "hr": ("čšćžđ", "22234"),
    "sl": ("čšž", "123"),
    "ro": ("ăţşîâ", "12235"),
}
_BOTH_CENTRAL: Final = dict.fromkeys(("cp1250", "iso8859-2"), _CENTRAL)
_OTHERS: Final = {
    **_BOTH_CENTRAL,
    "cp1254": {"tr": ("ışçüğöİâîû", "1333444999")},
    "cp1257": {
        "lt": ("šėųįąžūčę", "233333455"),
        "lv": ("āīēšūņļķžģč", "22234556779"),
    },
}

_MAX_OCTETS: Final = 120
_BEYOND_ASCII: Final = late(rb"[\x80-\xff]")
_WITHIN, _BEFORE, _BEHIND, _ALONE = range(4)
_SIGNS: Final = (
    dict.fromkeys("’´·\u00ad", 1)
    | dict.fromkeys("–—…\u00a0", 3)
    | dict.fromkeys("ºª", 5)
    | dict.fromkeys("‘“”«»", 8),
    dict.fromkeys("“„‘‚’–—…\u00a0·•", 1)
    | dict.fromkeys("«»¿¡§€£¥±´", 4)
    | dict.fromkeys("©®°¤¢", 8),
    dict.fromkeys("”“’‘–—…™\u00a0·•‰€\u00ad", 1) | dict.fromkeys("«»®©°ªº²³¹§´", 4),
)
"""Signs that stand within a word, before one and behind one, and how rare they are."""
_PLAIN_SIGNS: Final = "“”‘’–—…•™\u00a0·°§"
_COMMON_BITS: Final = 4
_ASCII: Final = bytes(range(128))
_FOREIGN: Final = 10
_STRANGE: Final = 13
"""What a letter is worth that a language does not have, and a sign where none stands."""
_MARGIN: Final = 8
"""Text is Western but for so much that speaks against it."""
_WORD: Final = 5
"""What a common word of a language is worth; one with a letter beyond ASCII twice that."""
_WORDS_CHARS: Final = 1_000
_WORDS_BITS: Final = 24
"""No more is made up for by words."""
_MOST_BITS: Final = 5

_WORDS: Final = late(r"\w+")

_HIGH_LETTERS: Final = (
    b"\x8a\x8c\x8d\x8e\x8f\x9a\x9c\x9d\x9e\x9f\xa3\xa5\xaa\xaf\xb1\xb3\xb6\xb9\xba\xbc\xbe\xbf"
)
_IS_LETTER: Final = [
    chr(o).isalpha() if o < 128 else o >= 0xC0 or o in _HIGH_LETTERS for o in range(256)
]
"""Octets that are letters in some of the charsets, less those that are quotes in others."""

_Charsets = dict[str, dict[str, tuple[str, str]]]
_Places = Counter[tuple[int, int]]


class Reading(NamedTuple):
    """How rare octets are as a language's letters in a charset, in bits."""

    codec: str
    language: str
    bits: float


def is_western(high: bytes) -> bool:
    """Whether these octets beyond ASCII are signs and common letters of one Western language, as most are."""
    distinct = frozenset(high)
    return any(distinct <= one for one in _plain("cp1252"))


@functools.cache
def _plain(codec: str) -> list[frozenset[int]]:
    """For each of a charset's languages the octets that are its common letters, and signs that all have."""
    languages = _WESTERN if codec == "cp1252" else _CENTRAL
    signs = set(_PLAIN_SIGNS.encode("cp1252"))
    made = []
    for letters, digits in languages.values():
        common = "".join(
            [
                letter
                for letter, bits in zip(letters, digits, strict=True)
                if int(bits) <= _COMMON_BITS or codec != "cp1252"
            ]
        )
        octets = set((common + common.upper()).encode(codec, "ignore"))
        made.append(frozenset(octets | (signs if codec != "iso8859-2" else {0xA0})))
    return made


def of_unlabelled(octets: bytes) -> str | None:
    """The charset in which these octets are a language's letters; None for windows-1252."""
    places = _places(octets)
    if not places:
        return None
    western = _best(octets, _readings(places, {"cp1252": _WESTERN}))
    other = _best(octets, _readings(places, _OTHERS))
    if other.bits > _MOST_BITS * places.total() or western.bits - other.bits < _MARGIN:
        return None
    return other.codec


def of_labelled(octets: bytes, codec: str) -> str:
    """``codec``, which is windows-1250 or ISO 8859-2, or the other one where that is clearly better."""
    distinct = frozenset(octets.translate(None, _ASCII))
    if any(distinct <= one for one in _plain(codec)):
        return codec
    places = _places(octets)
    if not places:
        return codec
    best = _best(octets, _readings(places, _BOTH_CENTRAL), codec)
    return best.codec


def _best(octets: bytes, readings: Iterable[Reading], label: str = "") -> Reading:
    """The reading that says most, its language's words counted too."""
    found = list(readings)
    worth = min([one.bits for one in found]) + _WORDS_BITS
    texts: dict[str, frozenset[str]] = {}
    best: Reading | None = None
    for one in found:
        if one.bits > worth:
            continue
        if one.codec not in texts:
            text = octets[:_WORDS_CHARS].decode(one.codec, "replace").lower()
            texts[one.codec] = frozenset(_WORDS.findall(text))
        said = _said(texts[one.codec], one.language)
        if one.codec == label:
            said += _WORD
        if best is None or one.bits - said < best.bits:
            best = one._replace(bits=one.bits - said)
    return best or found[0]


def _places(octets: bytes) -> _Places:
    """How often which octet beyond ASCII stands within a word, before one or behind one."""
    places: _Places = Counter()
    size = len(octets)
    for count, found in enumerate(_BEYOND_ASCII.finditer(octets)):
        if count >= _MAX_OCTETS:
            break
        at = found.start()
        behind = at > 0 and _IS_LETTER[octets[at - 1]]
        before = at + 1 < size and _IS_LETTER[octets[at + 1]]
        if before or behind:
            place = _WITHIN if before and behind else _BEFORE if before else _BEHIND
            places[octets[at], place] += 1
    return places


def _readings(places: _Places, charsets: _Charsets) -> Iterable[Reading]:
    for codec, languages in charsets.items():
        for language, (letters, digits) in languages.items():
            weights = _weights(codec, letters, digits)
            bits = sum([weights[place][octet] * count for (octet, place), count in places.items()])
            yield Reading(codec, language, bits)


@functools.cache
def _weights(codec: str, letters: str, digits: str) -> tuple[list[int], ...]:
    """For each place in a word how many bits each octet is worth there."""
    bits = dict(zip(letters, map(int, digits), strict=True))
    rows = ([0] * 256, [0] * 256, [0] * 256)
    for octet in range(128, 256):
        sign = bytes([octet]).decode(codec, "ignore")
        for place, row in enumerate(rows):
            if sign in bits:
                row[octet] = bits[sign]
            elif sign.lower() in bits:
                row[octet] = bits[sign.lower()] + (1 if place == _BEFORE else 2)
            elif sign.isalpha() and sign not in "ªº":
                row[octet] = _FOREIGN
            else:
                row[octet] = _SIGNS[place].get(sign, _STRANGE)
    return rows


def _said(words: frozenset[str], language: str) -> int:
    """What the common words of a language among these are worth."""
    said = 0
    for word in _common_words(language) & words:
        said += 1 if len(word) == 1 else _WORD if word.isascii() else 2 * _WORD
    return said


@functools.cache
def _common_words(language: str) -> frozenset[str]:
    from .commonwords import WORDS

    return frozenset(WORDS[language].split())
