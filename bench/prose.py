"""Endless text by Zipf's law over a made-up vocabulary, the same for the same random source."""

import itertools
import random

WRAP = 74


def words(text: str) -> list[str]:
    return text.split()


COMMON = words(
    "the of and to in that is was for it with as his on be at by this had not are but from or have "
    "an they which one you were all her she there would their we him been has when who will no "
    "more if out so up said what its about than into them can only other time new some could "
    "these two may first then do any like my now over such our man me even most made after also "
    "did many off before must well back through years where much your way down should because "
    "long each just those people too good very make world still see own work men day get here "
    "invoice meeting agenda contract delivery question answer draft version server backup report"
)
OPENINGS = words("b br c d dr f fl g gr h j k kl l m n p pl pr r s sk st t tr v w z")
CORES = words("a e i o u ai au ea ei ie oo ou")
CLOSINGS = ["", "", "", "l", "m", "n", "nd", "nt", "r", "rk", "s", "st", "t", "x"]


class Prose:
    """An endless supply of words by Zipf's law, cheap enough for hundreds of megabytes.

    A long draw of words is taken apart with a new offset and stride each time: that costs a slice
    where a draw would cost a search for each word, and repeats no run of words.
    """

    WORDS = 9_000
    DRAW = 1 << 18
    STRIDES = (1, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31)

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        words = list(COMMON)
        known = set(words)
        while len(words) < self.WORDS:
            word = "".join(
                rng.choice(OPENINGS) + rng.choice(CORES) + rng.choice(CLOSINGS)
                for _ in range(rng.choice((1, 2, 2, 3)))
            )
            if word not in known:
                known.add(word)
                words.append(word)
        self.words = words
        """The vocabulary, commonest first."""
        weights = itertools.accumulate(1 / (rank + 2.5) for rank in range(len(words)))
        self._draw = rng.choices(words, cum_weights=list(weights), k=self.DRAW)

    def take(self, count: int) -> list[str]:
        stride = self._rng.choice(self.STRIDES)
        start = self._rng.randrange(self.DRAW - count * stride)
        return self._draw[start : start + count * stride : stride]

    def sentence(self, least: int = 4, most: int = 18) -> str:
        text = " ".join(self.take(self._rng.randint(least, most)))
        return text[0].upper() + text[1:] + self._rng.choice("....?!")

    def paragraphs(self, octets: int) -> list[str]:
        """Lines of wrapped text of about so many octets, an empty line between paragraphs."""
        lines: list[str] = []
        while octets > 0:
            text = " ".join(self.sentence() for _ in range(self._rng.randint(1, 6)))
            octets -= len(text)
            lines += [*wrap(text), ""]
        return lines[:-1]


def wrap(text: str) -> list[str]:
    lines = []
    start = 0
    while len(text) - start > WRAP:
        end = text.rfind(" ", start, start + WRAP)
        if end <= start:
            break
        lines.append(text[start:end])
        start = end + 1
    lines.append(text[start:])
    return lines
