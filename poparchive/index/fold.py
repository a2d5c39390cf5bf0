"""Folding: text and query alike are made alike before FTS5's tokenizer sees them.

FTS5's ``unicode61 remove_diacritics 2`` drops accents that Unicode can take off a letter. It leaves
letters that have no decomposition, such as ł and ø, and it knows no words in text without spaces: Chinese,
Japanese and Korean become overlapping pairs of characters.
"""

import re
import unicodedata

_LETTERS = str.maketrans(
    {
        "ł": "l", "Ł": "l", "ø": "o", "Ø": "o", "đ": "d", "Đ": "d", "ð": "d", "Ð": "d",
        "þ": "th", "Þ": "th", "ß": "ss", "ẞ": "ss", "æ": "ae", "Æ": "ae", "œ": "oe", "Œ": "oe",
        "ı": "i", "İ": "i", "ħ": "h", "Ħ": "h", "ŧ": "t", "Ŧ": "t", "ŋ": "n", "Ŋ": "n", "ĸ": "k",
        "\0": " ", "\u00ad": None, "\u200b": None, "\u200c": None, "\u200d": None, "\ufeff": None,
    }
)  # fmt: skip

_CJK = "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3100-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
_CJK += "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
_RUN = re.compile(f"[{_CJK}]+")


def fold(text: str) -> str:
    """Return text for the tokenizer. Text in ASCII comes back as it is."""
    if text.isascii():
        return text.replace("\0", " ") if "\0" in text else text
    text = unicodedata.normalize("NFKC", text).translate(_LETTERS)
    return _RUN.sub(_pairs, text)


def _pairs(match: re.Match[str]) -> str:
    run = match[0]
    if len(run) < 3:
        return f" {run} "
    return " " + " ".join([run[i : i + 2] for i in range(len(run) - 1)]) + " "
