"""The piece of a text that shows best why a query found it. Pure."""

import re
from collections.abc import Sequence

from poparchive.index.fold import fold
from poparchive.query.tree import Words

WIDTH = 160
_BLANKS = re.compile(r"\s+")
_WORD = re.compile(r"\w+")
_MAX_CHARACTERS = 200_000


def snippet(
    text: str, terms: Sequence[Words], *, width: int = WIDTH
) -> tuple[str, list[tuple[int, int]]]:
    """Return about ``width`` characters around the first hits, and where in them the hits are.

    Folds as the index does: ``zolty`` marks ``żółty``. Without a hit it is the text's beginning.
    """
    text = _BLANKS.sub(" ", text[:_MAX_CHARACTERS]).strip()
    wanted = [_wanted(term) for term in terms]
    hits = []
    for match in _WORD.finditer(text):
        word = _plain(match[0])
        if any(_is_hit(word, *one) for one in wanted):
            hits.append(match.span())
            if match.start() > hits[0][0] + width:
                break
    start = 0
    if hits and hits[0][0] > width // 3:
        start = text.rfind(" ", 0, max(hits[0][0] - width // 3, 1)) + 1
    end = min(start + width, len(text))
    if end < len(text):
        cut = text.rfind(" ", start + width // 2, end)
        end = cut if cut > 0 else end
    before = "…" if start else ""
    after = "…" if end < len(text) else ""
    shift = len(before) - start
    marks = [(a + shift, b + shift) for a, b in hits if a >= start and b <= end]
    return before + text[start:end] + after, marks


def _plain(word: str) -> str:
    """Lower case without accents, as FTS5's tokenizer makes it."""
    if word.isascii():
        return word.lower()
    import unicodedata

    parts = unicodedata.normalize("NFKD", fold(word)).lower()
    return "".join(c for c in parts if not unicodedata.combining(c)).strip()


def _wanted(term: Words) -> tuple[set[str], str]:
    words = [_plain(w) for w in _WORD.findall(term.text)]
    prefix = words.pop() if term.prefix and words else ""
    return set(words), prefix


def _is_hit(word: str, words: set[str], prefix: str) -> bool:
    return word in words or bool(prefix and word.startswith(prefix)) or _shares(word, words)


def _shares(word: str, words: set[str]) -> bool:
    """Text without spaces is one word to us: any of its pairs may be the hit."""
    if word.isascii():
        return False
    pieces = set(word.split())
    return any(not w.isascii() and set(w.split()) <= pieces for w in words)
