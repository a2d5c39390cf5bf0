"""Folding: text and query alike are made alike before FTS5's tokenizer sees them.

Case is the tokenizer's; all else is decided here. Letters that people drop become those that they type
(``docs/languages.md`` has them by language), and text without spaces between words, as in Chinese,
Japanese, Korean, Thai, Lao, Khmer and Burmese, becomes overlapping pairs of characters.

Text in ASCII is left alone. For other text it is found out first which characters it has at all: few of
them need a change, and each of these is one fast pass.
"""

import functools
import re
import unicodedata

from poparchive.query.letters import APOSTROPHES, DROPPED, is_loose, is_new_sign

_LETTERS = {
    "ß": "ss", "ẞ": "ss", "æ": "ae", "Æ": "ae", "œ": "oe", "Œ": "oe", "þ": "th", "Þ": "th",
    "ð": "d", "Ð": "d", "đ": "d", "Đ": "d", "ı": "i", "ŋ": "n", "Ŋ": "n", "ĸ": "k", "ŀ": "l", "Ŀ": "l",
    "ə": "e", "Ə": "e", "ɛ": "e", "Ɛ": "e", "ɔ": "o", "Ɔ": "o", "ɩ": "i", "Ɩ": "i", "ƒ": "f", "ʋ": "v",
    "ɣ": "g", "Ɣ": "g", "ƣ": "g", "Ƣ": "g", "ƞ": "n", "ȣ": "ou", "Ȣ": "ou", "Ɖ": "d",
    "ɵ": "o", "Ɋ": "q", "ŉ": "'n", "ʒ": "z", "Ʒ": "z", "ȷ": "j",
    # Greek, Cyrillic
    "ς": "σ", "ё": "е", "Ё": "е", "ґ": "г", "Ґ": "г",
    # Arabic and Persian: the forms of alef and ya, ta marbuta; kaf and ya of either keyboard
    "أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ی": "ي", "ې": "ي", "ة": "ه", "ە": "ه", "ہ": "ه",
    "ھ": "ه", "ۀ": "ه", "ۂ": "ه", "ک": "ك",
    # Devanagari: one sign for a nasal vowel
    "\u0901": "\u0902", **dict.fromkeys(DROPPED, ""),
    **dict.fromkeys(APOSTROPHES, "'"),
    "\0": " ", "⁄": "/",
}  # fmt: skip
"""Letters that no decomposition makes plain. What is not here follows from Unicode's data."""

_KEPT = frozenset("йЙўЎїЇѓЃќЌ")
"""Letters of their own in Cyrillic alphabets, although Unicode takes them apart: every keyboard has them."""

_NAMED = re.compile(r"LATIN (?:SMALL|CAPITAL) LETTER ([A-Z])(?: BAR| WITH .*)?")
_UNSTABLE = (
    "\u0300-\u036f\u0653-\u0655\u093c\u09bc\u09be\u09d7\u0a3c\u0b3c\u0b3e\u0b56\u0b57\u0bbe\u0bd7"
)
_UNSTABLE += (
    "\u0c56\u0cc2\u0cd5\u0cd6\u0d3e\u0d57\u0dca\u0dcf\u0ddf\u102e\u1100-\u11ff\u1b35\u3099\u309a"
)
_UNSTABLE += "\uff66-\uff9f"
"""What may become one character with its neighbour: marks, single Hangul letters, half-width kana."""
_HALF_WIDTH = "[\uff66-\uff9f]+"

_HANGUL = "\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff"
_UNPARTED = (
    "\u2e80-\u2fdf\u3005-\u3007\u3041-\u3096\u309d\u309e\u30a1-\u30fa\u30fc-\u30ff"
    "\u3100-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ebd\u0ec0-\u0ecd\u0edc-\u0edf\u1780-\u17d3\u17dd"
    "\u1000-\u103f\u1050-\u108f\ua9e0-\ua9ef\ua9fa-\ua9fe\uaa60-\uaa7f"
)
_JOINED = _HANGUL + _UNPARTED
"""Scripts that do not part their words: Chinese, Japanese, Korean; Thai, Lao, Khmer, Burmese."""

_NEW_CAPITALS = (0x037F, 0x0528, 0x052A, 0x052C, 0x052E)
"""Their small letters FTS5's tables do not have; nor those of Cherokee and what is behind it."""

_ASCII = bytes(range(128))
_ASCII_TABLE = {code: chr(code) for code in range(128)}
"""For ``str.translate``, which takes ten times as long for a character that its table has not."""
_FEW = 24
"""So many passes take as long as one over a table of all characters."""

_PIECE_CHARACTERS = 2000


@functools.cache
def _run() -> re.Pattern[str]:
    """A run of characters in a script without spaces. Most queries do not need it."""
    return re.compile(f"[{_JOINED}]+")


_VIRAMA = "\u094d"


@functools.cache
def _nasal() -> re.Pattern[str]:
    """In Devanagari, a nasal consonant without its vowel before a consonant of its class: where others write
    an anusvara."""
    classes = ("ङ[क-घ]", "ञ[च-झ]", "ण[ट-ढ]", "न[त-ध]", "म[प-भ]")
    return re.compile("|".join(f"{one[0]}{_VIRAMA}(?={one[1:]})" for one in classes))


@functools.cache
def _unstable() -> re.Pattern[str]:
    return re.compile(f"[{_UNSTABLE}]")


@functools.cache
def _broken() -> re.Pattern[str]:
    """The end of a line, and what quotes the next one, within a text without spaces, whose lines are broken
    anywhere. Not in Korean, which has a space in such a place."""
    around = f"{_UNPARTED}\uff66-\uff9f"  # and half-width kana
    return re.compile(f"(?<=[{around}\u3099\u309a])[ \\t]*\\n[ \\t>]*(?=[{around}])")


def broken(text: str) -> list[tuple[int, int]]:
    """Where a text in a script without spaces goes on behind a line's end as if there was none: what stands
    between, as ranges."""
    if text.isascii() or "\n" not in text:
        return []
    return [one.span() for one in _broken().finditer(text)]


def without_breaks(text: str) -> str:
    """Return a text without the ranges that ``broken`` gives."""
    return text if text.isascii() or "\n" not in text else _broken().sub("", text)


def is_joined(character: str) -> bool:
    """Whether it is of a script that does not part its words, or becomes one in folding."""
    return _run().match(character) is not None or _run().fullmatch(_PLAIN[character]) is not None


class _Plain(dict[str, str]):
    """What stands for a character, found out when it is first met."""

    def __missing__(self, character: str) -> str:
        if "\u4e00" <= character <= "\u9fff" or "\uac00" <= character <= "\ud7a3":
            return character
        if "\u3131" <= character <= "\u318e":
            return character  # letters of Hangul, which Unicode would make parts of syllables
        plain = self[character] = _plain(character)
        return plain


_PLAIN = _Plain(_LETTERS)


def fold(text: str) -> str:
    """Return text for the tokenizer. Text in ASCII comes back as it is."""
    if text.isascii():
        return text.replace("\0", " ") if "\0" in text else text
    beyond = beyond_ascii(text)
    if _unstable().search(beyond):
        text = _normalized(text)
        beyond = beyond_ascii(text)
    joined = _run().search(beyond)
    if joined:
        text = without_breaks(text)
    if "\0" in text:
        text = text.replace("\0", " ")
    characters = set(beyond)
    changed = [(one, plain) for one in characters if (plain := _PLAIN[one]) != one]
    if len(changed) > _FEW:
        table = dict(zip(map(ord, characters), characters, strict=True))
        table.update((ord(one), plain) for one, plain in changed)
        text = text.translate(_ASCII_TABLE | table)
    else:
        for character, plain in changed:
            text = text.replace(character, plain)
    if "·" in text and "l·l" in text.lower():
        text = re.sub(
            "([lL])·(?=[lL])", r"\1", text
        )  # Catalan; behind the rest, which makes l of ŀ and Ĺ
    if _VIRAMA in text:
        text = _nasal().sub("\u0902", text)  # behind the rest, which leaves out nukta and joiners
    if joined or _run().search("".join([plain for _, plain in changed])):
        text = _run().sub(_pairs, text)
    return text


@functools.cache
def letter(character: str) -> str:
    """Return what ``fold`` makes of one character that stands alone: a blank if it is of a script without
    spaces, nothing if it is left out. Without the patterns of ``fold``, which take as long to compile as a
    search."""
    plain = _PLAIN[character]
    joined = any(low <= one <= high for one in plain for low, high in _joined())
    return " " if joined else plain


@functools.cache
def _joined() -> list[tuple[str, str]]:
    """The ranges in ``_JOINED``."""
    found = re.findall("(.)(?:-(.))?", _JOINED)
    return [(low, high or low) for low, high in found]


def beyond_ascii(text: str) -> str:
    """Return the characters of a text that are none of ASCII, in order."""
    octets = text.encode("utf-8", "surrogatepass").translate(None, _ASCII)
    return octets.decode("utf-8", "surrogatepass")


def _plain(character: str) -> str:
    """What stands for a character whose neighbours do not matter."""
    if character in _KEPT:
        return character
    category = unicodedata.category(character)
    if category == "Cf" or is_loose(character):
        return ""  # soft hyphens, joiners and directions stand inside words
    if category == "Co":
        return " "  # an index's own marks begin so; in mail they are icons
    if category == "Nd":
        return str(unicodedata.decimal(character))
    narrow = unicodedata.decomposition(character)
    if narrow.startswith("<narrow>"):
        return _PLAIN[chr(int(narrow[9:], 16))]
    parts = unicodedata.normalize("NFKD", character)
    if parts != character and unicodedata.normalize("NFC", parts) not in _KEPT:
        plain = "".join([part if part.isascii() else _PLAIN[part] for part in parts])
        # Signs such as ™ and ½ are written behind a word without being part of it, and ① before one.
        apart = category[0] == "S" or "/" in plain or narrow.startswith("<circle>")
        return unicodedata.normalize("NFC", f" {plain} " if apart else plain)
    named = _NAMED.fullmatch(unicodedata.name(character, ""))
    if named:
        return named[1].lower()
    if is_new_sign(character, category):
        return " "
    code = ord(character)
    lower = character.lower() if code >= 0x13A0 or code in _NEW_CAPITALS else character
    return lower if len(lower) == 1 else character


def _normalized(text: str) -> str:
    """Compose, in pieces: a run of combining marks takes quadratic time."""
    text = re.sub(_HALF_WIDTH, lambda run: unicodedata.normalize("NFKC", run[0]), text)
    if len(text) <= _PIECE_CHARACTERS:
        return unicodedata.normalize("NFC", text)
    pieces = []
    at = 0
    while at < len(text):
        stop = at + _PIECE_CHARACTERS
        if stop < len(text):
            stop = max(text.rfind(" ", at, stop), text.rfind("\n", at, stop)) + 1 or stop
        pieces.append(unicodedata.normalize("NFC", text[at:stop]))
        at = stop
    return "".join(pieces)


def fold_query(text: str) -> str:
    """Return a query's words for the tokenizer; ends in ``*`` if only their beginning is meant.

    A run of one character is the beginning of a pair; longer ones are their pairs in a row. A star of the
    text is a sign like any other.
    """
    folded = fold(text).replace("*", " ")
    if folded.isascii():
        return folded
    end = len(folded)
    while end and unicodedata.category(folded[end - 1])[0] in "PSZC":
        end -= 1
    folded = folded[:end]
    last = folded[-1:]
    if not _run().fullmatch(last) or folded[-2:-1] not in ("", " "):
        return folded
    # Text ends a run with its last character alone; in a query that would ask for the run's end.
    before = folded[-4:-1]
    if len(before) == 3 and before[1] == last and _run().match(before):
        return folded[:-2]
    return folded + "*"


def _pairs(match: re.Match[str]) -> str:
    run = match[0]
    if len(run) == 1:
        return f" {run} "
    # The last character stands alone besides, so that it can be found by itself.
    return " " + " ".join([run[i : i + 2] for i in range(len(run))]) + " "
