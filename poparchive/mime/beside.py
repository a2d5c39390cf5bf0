"""What one version of a text says and another does not: the lines of an HTML part beside a plain one.

Promise: never raises, and takes time linear in both.

Whole lines are taken, or sentences of long ones, so that phrases are found in them; what is new in one line
out of a hundred does not put a page into the index twice.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Final

_WORD: Final = re.compile(r"[^\W_]+")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?:;\u3002\uff01\uff1f])\s*")
_LONG_LINE: Final = 200
"""In characters; a page without blocks is one line."""
_RUN: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
    "\U00020000-\U0003ffff]+"
)
"""Text in a script that does not part its words."""
_BETWEEN: Final = re.compile(r"[\s>]+")


def new_lines(said: Sequence[str], other: Sequence[str]) -> list[str]:
    """The lines of ``other`` with a word that ``said`` has not."""
    # What stands between blanks is cheaper to compare than words, and mostly the same.
    known = set(" ".join(said).lower().split())
    if known.issuperset(" ".join(other).lower().split()):
        return []
    words = _Words("\n".join(said))
    found: dict[str, None] = {}
    for text in other:
        for line in _lines(text):
            lower = line.lower()
            if not known.issuperset(lower.split()) and not words.have(lower):
                found[line] = None
    return list(found)


def _lines(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        if len(line) <= _LONG_LINE:
            yield line
        else:
            yield from _SENTENCE_END.split(line)


class _Words:
    """The words of a text; of scripts without spaces, the pairs of characters."""

    def __init__(self, text: str) -> None:
        text = text.lower()
        self._words = set(_WORD.findall(text))
        self._pairs: set[str] = set()
        if not text.isascii() and _RUN.search(text):
            # A plain part breaks its lines anywhere.
            for run in _RUN.findall(_BETWEEN.sub("", text)):
                self._pairs.update(_pairs(run))

    def have(self, text: str) -> bool:
        """Whether a text, in lower case, has no other words."""
        new = set(_WORD.findall(text)) - self._words
        return not new or (bool(self._pairs) and all(map(self._has_pairs, new)))

    def _has_pairs(self, word: str) -> bool:
        return bool(_RUN.fullmatch(word)) and self._pairs.issuperset(_pairs(word))


def _pairs(run: str) -> Iterator[str]:
    return map("".join, itertools.pairwise(run))
