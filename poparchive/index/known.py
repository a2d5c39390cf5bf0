"""What the planner knows of an archive, and from which numbers on which way is the shorter one.

The numbers were measured among a million messages.
"""

from collections.abc import Callable

from poparchive.index.columns import COLUMNS
from poparchive.query.frozen import Frozen

FEW = 1_000
"""Up to so many messages of a rare kind are found first and the rest of the query tried on each: a MATCH for
one row takes up to 25 us."""

FEW_WORDS = 200
"""A beginning of more words is asked as such where it may be that all it finds has to be read, or found anew
for each of some rows: many words give their first row soon, and each row after it slowly."""

MANY = 20_000
"""A condition is tried on each of so many matches (0.7 us each); where there are more, streams are merged."""

COUNTED_WORDS = 30
"""A beginning of at most so many words is counted as these words, in half of the time or less. With 100 words
it takes twice as long."""

MANY_COUNTED = 300_000
"""As ``MANY``, where all rows are read and so one of two streams to its end."""

SIZES = 10_000
"""Up to so many messages of a size are noted first, and each match looked for among them."""

SIZES_COUNTED = 50_000
"""As ``SIZES``, where all rows are read."""


def _no_forms(word: str, languages: tuple[str, ...]) -> tuple[str, ...]:
    return ()


def _no_words(beginning: str) -> tuple[str, ...]:
    return ()


def _never(select: str, values: tuple[object, ...], limit: int) -> bool:
    return False


class Known(Frozen):
    """What there is to ask.

    ``forms`` gives the words of the index with the stem of a word in some languages, or in those of the
    archive; ``beginning`` all words of the index that begin so, or none if they are many; ``few`` tells
    whether a SELECT gives at most so many rows; ``threads`` whether conversations are known.
    """

    columns: frozenset[str] = frozenset(COLUMNS)
    forms: Callable[[str, tuple[str, ...]], tuple[str, ...]] = _no_forms
    beginning: Callable[[str], tuple[str, ...]] = _no_words
    few: Callable[[str, tuple[object, ...], int], bool] = _never
    threads: bool = True
