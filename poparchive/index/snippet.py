"""The piece of a text that shows best why a query found it. Pure.

Words are compared as the index has them, and marked where they stand in the text as it was written:
``zolty`` marks ``żółty``, and two characters of Chinese those two.
"""

import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from poparchive.index.fold import (
    beyond_ascii,
    broken,
    fold,
    fold_query,
    is_joined,
    letter,
    without_breaks,
)
from poparchive.query.letters import has_word
from poparchive.query.tree import Words

WIDTH: Final = 160
_MAX_CHARACTERS: Final = 200_000
_MAX_HITS: Final = 200
_FEW: Final = 24
"""So many passes take as long as one character by character."""

_WRITTEN: Final = re.compile("[wm][wxm]*|u[ux]*|s")
"""A word as it is written, by the kinds of its characters: see ``_Kinds``."""

_DOT: Final = "·"
_SEVERAL_DOTS: Final = f"(?<=[lLŀĿłŁĺĹļĻľĽ]){_DOT}(?=[lLŀĿłŁĺĹļĻľĽ])"
"""Catalan's l·l, of which the index makes ll. Compiled for a text with a dot: few have one."""

_SOUND_MARKS: Final = "\u3099\u309a\uff9e\uff9f"
"""They become one with the kana before them."""


class _Kinds(dict[int, str]):
    """What kind of character each is, found out when it is first met.

    ``w`` is part of a word, ``u`` a character of a script that does not part its words, of which a run is
    several words; ``x`` belongs to what is before it; ``m`` stands for several characters; ``s`` is a sign
    that stands apart, such as ™; a blank is none of these.
    """

    def __missing__(self, code: int) -> str:
        self[code] = kind = _kind(chr(code))
        return kind


def _kind(character: str) -> str:
    if character.isascii():
        return "w" if character.isalnum() else " "
    if character in _SOUND_MARKS or "\u1160" <= character <= "\u11ff":
        return "x"
    folded = fold(character)
    if not folded:
        return "x"
    if is_joined(character):
        return "u"
    words = _plain(folded)
    if not words:
        return " "
    if folded[0] == " ":
        return "s"
    return "w" if len(folded) == 1 or words == [folded] else "m"


_KINDS: Final = _Kinds()


class _OfFolded(dict[int, str]):
    """The characters of a folded text in small letters, with a blank for what is no part of a word."""

    def __missing__(self, code: int) -> str:
        one = chr(code)
        self[code] = part = one.lower() if has_word(one) else " "
        return part


_OF_FOLDED: Final = _OfFolded()

_ASCII_WORD: Final = re.compile("[0-9A-Za-z]+")


class Snippet(NamedTuple):
    """``marks`` are the (start, end) of what was found in ``text``; ``where`` is the name of the attachment
    that it stands in, or empty."""

    text: str
    marks: list[tuple[int, int]]
    where: str = ""


class _Term(NamedTuple):
    """Words in a row, of the last of which only the beginning is given if it is a ``prefix``."""

    words: tuple[str, ...]
    prefix: bool


def snippet(
    text: str, terms: Sequence[Words], *, width: int = WIDTH
) -> tuple[str, list[tuple[int, int]]]:
    """Return about ``width`` characters where most of the terms stand together, and where in them they
    do. Without a hit it is the text's beginning."""
    lines = [" ".join(line.split()) for line in text[:_MAX_CHARACTERS].split("\n")]
    text = re.sub("\n\n+", " ", "\n".join(lines)).strip()
    hits = _hits_over_lines(text, [term for one in terms if (term := _term(one)).words])
    text = text.replace("\n", " ")
    first = _densest(hits, width) if hits else 0
    start = 0
    if hits and hits[first][0] > width // 3:
        start = text.rfind(" ", 0, max(hits[first][0] - width // 3, 1)) + 1
        if hits[first][1] > start + width:
            # No blank far and wide, as in Chinese.
            start = hits[first][0] - width // 3
    end = min(start + width, len(text))
    if end < len(text):
        cut = text.rfind(" ", start + width // 2, end)
        if cut > 0 and (not hits or cut >= hits[first][1]):
            end = cut
    before = "…" if start else ""
    after = "…" if end < len(text) else ""
    shift = len(before) - start
    marks = [(a + shift, b + shift) for a, b, _ in hits if a >= start and b <= end]
    return before + text[start:end] + after, _joined(marks)


def plain_words(text: str) -> list[str]:
    """Return the words of a text as the index has them."""
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    return [word for word, _, _ in _words(without_breaks(text))]


def _term(term: Words) -> _Term:
    folded = fold_query(term.text)
    prefix = term.prefix or folded.endswith("*")
    return _Term(tuple(_plain(folded.rstrip("*"))), prefix)


def _plain(folded: str) -> list[str]:
    """Return what FTS5's tokenizer makes of a text that is folded."""
    if folded.isascii():
        return _ASCII_WORD.findall(folded.lower())
    return folded.translate(_OF_FOLDED).replace("ς", "σ").split()


def _words(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield each of the index's words in a text: the word, and the range of characters that it is."""
    if _DOT in text:
        text = re.sub(_SEVERAL_DOTS, "\u00ad", text)
    kinds = text.translate(_KINDS)
    for match in _WRITTEN.finditer(kinds):
        start, end = match.span()
        word = text[start:end]
        if word.isascii():
            yield word.lower(), start, end
            continue
        pieces = _pieces(word)
        if len(pieces) == 1:
            yield pieces[0], start, end
            continue
        begins = [at for at in range(start, end) if kinds[at] == "u"]
        if len(pieces) == len(begins):
            # A pair for each character, and the last one alone.
            begins += [end, end]
            for at, piece in enumerate(pieces):
                yield piece, begins[at], begins[at + len(piece)]
        else:
            for piece in pieces:
                yield piece, start, end


@lru_cache(maxsize=4096)
def _pieces(word: str) -> tuple[str, ...]:
    return tuple(_plain(fold(word)))


def _hits_over_lines(text: str, terms: Sequence[_Term]) -> list[tuple[int, int, int]]:
    """Return what ``_hits`` does, of words as well that go on behind a line's end."""
    left_out = broken(text)
    if not left_out:
        return _hits(text, terms)
    kept, starts, shifts = [text[: left_out[0][0]]], [0], [0]
    for (start, end), (after, _) in zip(left_out, [*left_out[1:], (len(text), 0)], strict=True):
        starts.append(starts[-1] + len(kept[-1]))
        shifts.append(shifts[-1] + end - start)
        kept.append(text[end:after])

    def place(at: int) -> int:
        return at + shifts[bisect_right(starts, at) - 1]

    found = _hits("".join(kept), terms)
    return [(place(start), place(end - 1) + 1, number) for start, end, number in found]


def _hits(text: str, terms: Sequence[_Term]) -> list[tuple[int, int, int]]:
    """Return (start, end, number of the term) of the first hits, in order."""
    if not terms:
        return []
    if all(word.isascii() for term in terms for word in term.words):
        if text.isascii():
            return _plain_hits(text, terms)
        if (plain := _letter_by_letter(text)) is not None:
            found = _plain_hits(_replaced(text, plain), terms)
            if any(len(one) != 1 for one in plain.values()):
                places = _Places(text, plain)
                found = [
                    (places.of(start), places.end(end), number) for start, end, number in found
                ]
            return found
    words: list[tuple[str, int, int]] = []
    found = []
    longest = max(len(term.words) for term in terms)
    for one in _words(text):
        words.append(one)
        del words[:-longest]
        for number, term in enumerate(terms):
            if _ends_here(words, term):
                start, end = words[-len(term.words)][1], one[2]
                if term.prefix and not one[0].isascii() and end - one[1] == len(one[0]):
                    end = one[1] + len(term.words[-1])
                found.append((start, end, number))
        if len(found) >= _MAX_HITS:
            break
    return sorted(found)


def _ends_here(words: Sequence[tuple[str, int, int]], term: _Term) -> bool:
    *whole, last = term.words
    if len(words) <= len(whole):
        return False
    here = words[-1][0]
    if not (here == last or (term.prefix and here.startswith(last))):
        return False
    return all(a == b[0] for a, b in zip(whole, words[-len(whole) - 1 : -1], strict=True))


def _letter_by_letter(text: str) -> dict[str, str] | None:
    """Return what the index has for each character of a text beyond ASCII, a blank for what no ASCII word is
    part of; None if one of them means nothing by itself, as a soft hyphen does."""
    if _DOT in text and re.search(_SEVERAL_DOTS, text):
        return None
    found = {}
    for one in set(beyond_ascii(text)):
        found[one] = "".join(map(_part_of_word, letter(one)))
        if not found[one] and unicodedata.category(one)[0] != "M":
            return None
    return found


def _part_of_word(character: str) -> str:
    """A vowel sign of India is part of a word, which a regular expression does not know."""
    return "ˣ" if not character.isalnum() and has_word(character) else character


def _replaced(text: str, plain: Mapping[str, str]) -> str:
    """Return what the index has for a text."""
    others = {one: made for one, made in plain.items() if one != made}
    if len(others) <= _FEW and others.keys().isdisjoint("".join(others.values())):
        for one, made in others.items():
            text = text.replace(one, made)
        return text
    return "".join([plain.get(one, one) for one in text])


class _Places:
    """Knows where in a text a character comes from of what the index has for the text."""

    def __init__(self, text: str, plain: Mapping[str, str]) -> None:
        odd = "".join(re.escape(one) for one, made in plain.items() if len(made) != 1)
        self._at = [match.start() for match in re.finditer(f"[{odd}]", text)]
        self._lengths = [len(plain[text[at]]) for at in self._at]
        self._starts = []
        longer = 0
        for at, length in zip(self._at, self._lengths, strict=True):
            self._starts.append(at + longer)
            longer += length - 1

    def of(self, place: int) -> int:
        last = bisect_right(self._starts, place) - 1
        if last < 0:
            return place
        behind = place - self._starts[last] - self._lengths[last]
        return self._at[last] + (0 if behind < 0 else 1 + behind)

    def end(self, place: int) -> int:
        """Where what ends there ends: behind a sign, such as ™, of which it is a part."""
        return max(self.of(place), self.of(place - 1) + 1)


def _plain_hits(text: str, terms: Sequence[_Term]) -> list[tuple[int, int, int]]:
    """The same at the speed of one search for each term."""
    found: list[tuple[int, int, int]] = []
    flags = re.IGNORECASE
    if text.isascii():
        # Letters of either case cannot be looked for at the speed of those of one.
        text, flags = text.lower(), re.NOFLAG
    for number, term in enumerate(terms):
        # Looks at what stands before a word only where one was found, and by stepping over it.
        start = rf"(?<![^\W_](?s:.{{{len(term.words[0])}}}))"
        first, *others = map(re.escape, term.words)
        inner = r"[\W_]+".join([first + start, *others])
        end = r"[^\W_]*" if term.prefix else r"(?![^\W_])"
        pattern = re.compile(inner + end, flags)
        for count, match in enumerate(pattern.finditer(text)):
            if count >= _MAX_HITS:
                break
            found.append((match.start(), match.end(), number))
    return sorted(found)


def _densest(hits: Sequence[tuple[int, int, int]], width: int) -> int:
    """Return the number of the first hit of the window with most different terms, the first of several."""
    best, most, last = 0, 0, 0
    inside: Counter[int] = Counter()
    for at, (start, _, number) in enumerate(hits):
        while last < len(hits) and hits[last][0] < start + width * 2 // 3:
            inside[hits[last][2]] += 1
            last += 1
        if len(inside) > most:
            best, most = at, len(inside)
        inside[number] -= 1
        if inside[number] <= 0:
            del inside[number]
    return best


def _joined(marks: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Marks that touch or overlap are one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(marks):
        if found and start < found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found
