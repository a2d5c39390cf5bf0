"""What makes a word, as far as a query has to know before it is folded: ``index.fold`` goes by the same."""

import functools
import re
import unicodedata

LOOSE_MARKS = (
    *((0x0300, 0x036F), (0x0483, 0x0489), (0x0591, 0x05BD), (0x05BF, 0x05BF), (0x05C1, 0x05C2)),
    *((0x05C4, 0x05C5), (0x05C7, 0x05C7), (0x0610, 0x061A), (0x064B, 0x065F), (0x0670, 0x0670)),
    *((0x06D6, 0x06DC), (0x06DF, 0x06E4), (0x06E7, 0x06E8), (0x06EA, 0x06ED), (0x1AB0, 0x1AFF)),
    *((0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE00, 0xFE0F), (0xFE20, 0xFE2F)),
)
"""Marks that are left out: accents, stress, vowel points of Arabic and Hebrew, variation selectors. The
vowels of Indian and other scripts are marks too, and belong to their words."""

APOSTROPHES = "ʹʻʼʽʾʿˈˊꞌꞋ"
"""Those that count as letters, which other writers' do not."""

DROPPED = "ـ\u093c"
"""Stretched Arabic, and Devanagari's nukta."""

_SIGNS = (
    *((0x058D, 0x058E), (0x061D, 0x061D), (0x07FE, 0x07FF), (0x0888, 0x0888), (0x09FD, 0x0A76)),
    *((0x0C77, 0x0C77), (0x0C84, 0x0D4F), (0x1B7D, 0x1B7E), (0x20BA, 0x20C0), (0x218A, 0x218B)),
    *((0x23F4, 0x23FF), (0x2700, 0x2700), (0x2B4D, 0x2BFF), (0x2E3C, 0x2E5D), (0x32FF, 0x32FF)),
    *((0xA8FC, 0xA8FC), (0xAB5B, 0xAB6B), (0xFBC2, 0xFBC2), (0xFD40, 0xFDCF), (0xFDFE, 0xFDFF)),
    (0x10000, 0x10FFFF),
)
_PICTURES = (0x1F000, 0x1FBFF)


def is_loose(character: str) -> bool:
    """Whether it is a mark that is left out."""
    code = ord(character)
    return any(first <= code <= last for first, last in LOOSE_MARKS)


def is_new_sign(character: str, category: str) -> bool:
    """Whether it is a sign that FTS5 takes for a letter, for want of newer tables than Unicode 6's: most
    pictures that people end a sentence with, and the signs of some currencies."""
    code = ord(character)
    if category == "Cn":
        return _PICTURES[0] <= code <= _PICTURES[1]
    return category[0] in "PS" and any(first <= code <= last for first, last in _SIGNS)


def has_word(text: str) -> bool:
    """Whether the index's tokenizer finds a word in a text."""
    if text.isascii():
        return any(map(str.isalnum, text))
    return any(map(_is_of_a_word, unicodedata.normalize("NFKC", text)))


def _is_of_a_word(character: str) -> bool:
    category = unicodedata.category(character)
    if category[0] in "LN":
        return character not in APOSTROPHES and character not in DROPPED
    if category in ("Mn", "Mc"):
        return not is_loose(character) and character not in DROPPED
    if category != "Cn" or is_loose(character) or character in "\ufffe\uffff":
        return False
    # What this Python's tables do not have is a letter to FTS5.
    return not is_new_sign(character, category)


ONE_WORD = re.compile(r"[^\W_]+")


def words_in(text: str) -> int:
    """Count words; a character of a script without blanks is one."""
    return len((ONE_WORD if text.isascii() else _word_or_character()).findall(text))


@functools.cache
def _word_or_character() -> re.Pattern[str]:
    """Compiled for the first query that is not plain: it takes 5 ms."""
    return re.compile(r"[^\W_\u0e00-\U0003ffff]+|[\u0e00-\U0003ffff]")
