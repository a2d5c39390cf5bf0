"""Which language a text is in, by its script, its commonest words and its letters.

An answer costs some 20 microseconds and is given only where there is enough to tell by: a wrong mark is worse
than none. How often it is right is in ``docs/languages.md``; ``tests/index/languages`` measures it.

It serves instead of a library: those that are fast enough are C++ of 2013 without packages for ARM, and know
no more of mail; those that are kept take ten times as long.
"""

import functools
import struct
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from .commonwords import LETTERS, WORDS

SAMPLE_CHARS: Final = 500
_MAX_SUBJECT_CHARS: Final = 200

_SCRIPTS: Final = (
    (0x0370, "el"), (0x0400, "Cyrl"), (0x0530, "hy"), (0x0590, "he"), (0x0600, "Arab"), (0x0700, ""),
    (0x0900, "Deva"), (0x0980, "bn"), (0x0A00, "pa"), (0x0A80, "gu"), (0x0B00, "or"), (0x0B80, "ta"),
    (0x0C00, "te"), (0x0C80, "kn"), (0x0D00, "ml"), (0x0D80, "si"), (0x0E00, "th"), (0x0E80, "lo"),
    (0x0F00, "bo"), (0x1000, "my"), (0x10A0, "ka"), (0x1100, "ko"), (0x1200, "am"), (0x1380, ""),
    (0x1780, "km"), (0x1800, ""), (0x1C90, "ka"), (0x1CC0, ""), (0x1E00, "Latn"), (0x1F00, "el"),
    (0x2000, ""), (0x3040, "ja"), (0x3100, ""), (0x3400, "zh"), (0xA000, ""), (0xAC00, "ko"), (0xD7B0, ""),
    (0xF900, "zh"), (0xFB00, ""), (0xFB50, "Arab"), (0xFE00, ""), (0xFF66, "ja"), (0xFFA0, ""),
)  # fmt: skip
"""Where scripts begin, and which language one is enough for; others are looked into."""
_STARTS: Final = [start for start, _ in _SCRIPTS]
_MANY: Final = frozenset(["Cyrl", "Arab", "Deva", "Latn"])

_ASCII: Final = bytes(range(128))

_MIN_SCORE: Final = 384
_MARGIN: Final = 140
"""What the best must have, and have more than the next: a word and a half, and half of one, or of a
letter, that only it has."""
_OTHER_CODES: Final = {"nb": "no", "nn": "no", "in": "id"}
_SCRIPT_CHARS: Final = 300
_KANA_SHARE: Final = 20
"""Japanese text has a kana for every few letters; a Chinese one has perhaps a shop's name."""


_CODES: Final = tuple(WORDS)
_SCORES: Final = struct.Struct(f"<{len(_CODES)}H")
_FIELD_BITS: Final = 16
_WHOLE: Final = 240
"""What a word weighs that one language alone has."""


class _Weights:
    """What a word or a letter says for each language: numbers of 16 bits side by side, so that one sum adds
    all. It weighs less, the more languages have it."""

    def __init__(self, lists: Mapping[str, Iterable[str]]) -> None:
        found: dict[str, list[int]] = {}
        for at, words in enumerate(map(lists.get, _CODES)):
            for word in dict.fromkeys(words or ()):
                found.setdefault(word, []).append(at)
        self._said = {
            word: sum(_WHOLE // len(those) << _FIELD_BITS * at for at in those)
            for word, those in found.items()
        }
        self._known = frozenset(found)

    def sum(self, words: Iterable[str]) -> int:
        return sum(map(self._said.__getitem__, self._known.intersection(words)))


@functools.cache
def _tables() -> tuple[_Weights, _Weights]:
    """Those of words and of letters, made when they are first asked for."""
    return _Weights({code: words.split() for code, words in WORDS.items()}), _Weights(LETTERS)


def language(text: str, subject: str = "", hint: str = "") -> str:
    """The language of a text as its code of ISO 639-1; empty where it cannot be told.

    ``hint`` is what Content-Language says. Mailers write the language of their menus there, so that it
    decides only between languages that are alike, and where there is little text.
    """
    sample = text[:SAMPLE_CHARS]
    sample = f"{subject[:_MAX_SUBJECT_CHARS]}\n{sample}".lower()
    if hint:
        hint = hint[:2].lower() if hint[2:3] in ("", "-", ",", " ") else ""
        hint = _OTHER_CODES.get(hint, hint)
    if sample.isascii():
        return _by_words(sample, "", hint)
    beyond = sample.encode("utf-8", "replace").translate(None, _ASCII).decode("utf-8", "replace")
    script, share = _script(beyond)
    if script and share * 3 >= len(sample) - len(beyond):
        if script not in _MANY:
            return script
        return _by_words(sample, beyond, hint)
    return _by_words(sample, beyond, hint)


def _script(beyond: str) -> tuple[str, int]:
    """The script that most characters beyond ASCII are in, and how many: empty for Latin."""
    counts: Counter[str] = Counter()
    looked_at = beyond[:_SCRIPT_CHARS]
    for character, count in Counter(looked_at).items():
        at = bisect_right(_STARTS, ord(character)) - 1
        counts[_SCRIPTS[at][1] if at >= 0 else "Latn"] += count
    counts.pop("", None)
    if counts["ja"] * _KANA_SHARE > counts["zh"] and counts["ja"]:
        counts["ja"] += counts.pop("zh", 0)
    if not counts:
        return "", 0
    script, share = counts.most_common(1)[0]
    return ("" if script == "Latn" else script), share * len(beyond) // len(looked_at)


def _by_words(sample: str, beyond: str, hint: str) -> str:
    words, letters = _tables()
    total = words.sum(sample.split())
    if beyond:
        total += letters.sum(beyond)
    if hint and hint in _CODES:
        total += _WHOLE << _FIELD_BITS * _CODES.index(hint)
    scores = list(_SCORES.unpack(total.to_bytes(_SCORES.size, "little")))
    best = max(scores)
    if best < _MIN_SCORE:
        return ""
    at = scores.index(best)
    scores[at] = 0
    return _CODES[at] if best - max(scores) >= _MARGIN else ""
