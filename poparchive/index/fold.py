"""Folding: text and query alike are made alike before FTS5's tokenizer sees them.

FTS5's ``unicode61 remove_diacritics 2`` drops accents that Unicode can take off a letter. It leaves
letters that have no decomposition, such as ł and ø, and it knows no words in text without spaces: Chinese,
Japanese and Korean become overlapping pairs of characters.
"""

import functools
import re
import unicodedata

_LETTERS = tuple(
    {
        "ł": "l", "Ł": "l", "ø": "o", "Ø": "o", "đ": "d", "Đ": "d", "ð": "d", "Ð": "d",
        "þ": "th", "Þ": "th", "ß": "ss", "ẞ": "ss", "æ": "ae", "Æ": "ae", "œ": "oe", "Œ": "oe",
        "ı": "i", "İ": "i", "ħ": "h", "Ħ": "h", "ŧ": "t", "Ŧ": "t", "ŋ": "n", "Ŋ": "n", "ĸ": "k",
        "\0": " ", "\ue000": " ", "\u00ad": "", "\u200b": "", "\u200c": "", "\u200d": "", "\ufeff": "",
    }.items()
)  # fmt: skip

_CJK = "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3100-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
_CJK += "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"


@functools.cache
def _run() -> re.Pattern[str]:
    """A run of characters in a script without spaces. Most queries do not need it."""
    return re.compile(f"[{_CJK}]+")


_PIECE_CHARACTERS = 2000


def fold(text: str) -> str:
    """Return text for the tokenizer. Text in ASCII comes back as it is."""
    if text.isascii():
        return text.replace("\0", " ") if "\0" in text else text
    text = _normalized(text)
    # One search for each letter is faster than one table for all: most texts have none of them.
    for letter, plain in _LETTERS:
        if letter in text:
            text = text.replace(letter, plain)
    return _run().sub(_pairs, text)


def _normalized(text: str) -> str:
    """Normalize in pieces: a run of combining marks takes quadratic time."""
    if len(text) <= _PIECE_CHARACTERS:
        return unicodedata.normalize("NFKC", text)
    pieces = []
    at = 0
    while at < len(text):
        stop = at + _PIECE_CHARACTERS
        if stop < len(text):
            stop = max(text.rfind(" ", at, stop), text.rfind("\n", at, stop)) + 1 or stop
        pieces.append(unicodedata.normalize("NFKC", text[at:stop]))
        at = stop
    return "".join(pieces)


def fold_query(text: str) -> str:
    """Return a query's words for the tokenizer; ends in ``*`` if only their beginning is meant.

    A run of one character is the beginning of a pair; longer ones are their pairs in a row.
    """
    folded = fold(text)
    if folded.isascii():
        return folded
    words = folded.split(" ")
    # Text ends a run with its last character alone; in a query that would ask for the run's end.
    kept = [
        word
        for before, word in zip(["", *words], words, strict=False)
        if not (_run().fullmatch(word) and len(word) == 1 and _run().fullmatch(before))
    ]
    last = kept[-1] or (kept[-2] if len(kept) > 1 else "")
    single = bool(_run().fullmatch(last)) and len(last) == 1
    return " ".join(kept).rstrip() + ("*" if single else "")


def _pairs(match: re.Match[str]) -> str:
    run = match[0]
    if len(run) == 1:
        return f" {run} "
    # The last character stands alone besides, so that it can be found by itself.
    return " " + " ".join([run[i : i + 2] for i in range(len(run))]) + " "
