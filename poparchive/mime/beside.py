"""What one version of a text says and another does not: the lines of an HTML part beside a plain one.

Promise: never raises, and takes time linear in both.

Whole lines are taken, or sentences of long ones, so that phrases are found in them; what is new in one line
out of a hundred does not put a page into the index twice.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from .late import late

_WORD: Final = late(r"[^\W_]+")
_TO_BLANKS: Final = bytes(o if o > 127 or chr(o).isalnum() else 0x20 for o in range(256))
_SENTENCE_END: Final = late(r"\s(?<=[.!?:;]\s)")
_LONG_LINE: Final = 200
"""In characters; a page without blocks is one line."""
_JOINED: Final = (
    *(("\u0e00", "\u0eff"), ("\u1000", "\u109f"), ("\u1780", "\u17ff"), ("\u2e80", "\ua4cf")),
    *(
        ("\ua960", "\ua97f"),
        ("\uac00", "\ud7ff"),
        ("\uf900", "\ufaff"),
        ("\U00020000", "\U0003ffff"),
    ),
)
"""Characters of scripts that do not part their words, first and last."""
_RUN: Final = late("[" + "".join(f"{first}-{last}" for first, last in _JOINED) + "]+")
_BETWEEN: Final = late(r"[\s>]+")


def new_lines(said: Sequence[str], other: Sequence[str]) -> list[str]:
    """The lines of ``other`` with a word that ``said`` has not."""
    # What stands between blanks and signs of ASCII is cheaper to find than words, and mostly the same.
    known = set(_rough(" ".join(said)))
    if known.issuperset(_rough(" ".join(other))):
        return []
    words = _Words("\n".join(said))
    found: dict[str, None] = {}
    for text in other:
        for line in text.split("\n"):
            if known.issuperset(_rough(line)):
                continue
            for sentence in _sentences(line):
                if not known.issuperset(_rough(sentence)) and not words.have(sentence.lower()):
                    found[sentence] = None
    return list(found)


def _rough(text: str) -> list[bytes]:
    return text.lower().encode("utf-8", "replace").translate(_TO_BLANKS).split()


def _sentences(line: str) -> list[str]:
    return [line] if len(line) <= _LONG_LINE else _SENTENCE_END.split(line)


class _Words:
    """The words of a text; of scripts without spaces, the pairs of characters."""

    def __init__(self, text: str) -> None:
        text = text.lower()
        self._words = set(_WORD.findall(text))
        self._pairs: set[str] = set()
        if not text.isascii() and _has_joined(text):
            # A plain part breaks its lines anywhere.
            for run in _RUN.findall(_BETWEEN.sub("", text)):
                self._pairs.update(_pairs(run))

    def have(self, text: str) -> bool:
        """Whether a text, in lower case, has no other words."""
        new = set(_WORD.findall(text)) - self._words
        return not new or (bool(self._pairs) and all(map(self._has_pairs, new)))

    def _has_pairs(self, word: str) -> bool:
        return bool(_RUN.fullmatch(word)) and self._pairs.issuperset(_pairs(word))


def _has_joined(text: str) -> bool:
    """Tell without the pattern, which takes as long to compile as a page to read."""
    return any(first <= one <= last for one in set(text) for first, last in _JOINED)


def _pairs(run: str) -> Iterator[str]:
    return map("".join, itertools.pairwise(run))
