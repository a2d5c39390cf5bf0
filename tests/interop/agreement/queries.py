"""Queries drawn from mail, for both programs."""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import mktime_tz, parsedate_tz

from tests.interop.agreement.reading import Reading, plain

_TOKEN = re.compile(r"[^\W_](?:[^\s\"<>()\[\]{}|\\*]*[^\W_])?")
_SIMPLE = re.compile(r"[^\W_]+")
_OPERATORS = frozenset(["and", "or", "not", "xor", "near", "adj"])
"""Words that notmuch takes for itself."""


@dataclass(frozen=True)
class Atom:
    """One thing that is asked of a message.

    ``form`` is ``word`` (in notmuch any form of it), ``stem`` (in both), ``phrase``, ``prefix`` or
    ``date``; ``text`` of a date is its first and last day.
    """

    form: str
    text: str
    field: str = ""

    def ours(self) -> str:
        if self.form == "date":
            return f"during:{self.text}"
        mark = "~" if self.form == "stem" else ""
        return f"{self._field()}{mark}{self._quoted()}{'*' if self.form == 'prefix' else ''}"

    def theirs(self) -> str:
        if self.form == "date":
            first, _, last = self.text.partition("..")
            return f"date:{first}..{last or '!'}"
        return f"{self._field()}{self._quoted()}{'*' if self.form == 'prefix' else ''}"

    def _field(self) -> str:
        return f"{self.field}:" if self.field else ""

    def _quoted(self) -> str:
        return f'"{self.text}"' if self.form == "phrase" else self.text


@dataclass(frozen=True)
class Query:
    """What must hold of a message, and what must not."""

    kind: str
    wanted: tuple[Atom, ...]
    unwanted: tuple[Atom, ...] = ()

    def ours(self) -> str:
        return " ".join(
            [*(one.ours() for one in self.wanted), *(f"-{one.ours()}" for one in self.unwanted)]
        )

    def theirs(self) -> str:
        return " ".join(
            [
                *(one.theirs() for one in self.wanted),
                *(f"and not {one.theirs()}" for one in self.unwanted),
            ]
        )

    @property
    def atoms(self) -> tuple[Atom, ...]:
        return self.wanted + self.unwanted


class NothingLikeItError(Exception):
    """The message has nothing to make such a query of."""


class Source:
    """A message to draw from. Three words of four are such as tell it from most other messages."""

    def __init__(self, reading: Reading, rng: random.Random, common: frozenset[str]) -> None:
        self._rng = rng
        self._common = common
        self.tokens = _TOKEN.findall(reading.text[:20_000])
        self.subject = _TOKEN.findall(reading.header("subject"))
        self.sender = _TOKEN.findall(reading.header("from"))
        self.recipients = _TOKEN.findall(reading.header("to"))
        parsed = parsedate_tz(reading.header("date"))
        try:
            date = datetime.fromtimestamp(mktime_tz(parsed), UTC) if parsed else None
        except (ValueError, OverflowError):
            date = None
        # Notmuch takes no other dates.
        self.date = date if date and 1970 < date.year < 2040 else None

    def some(self, tokens: Sequence[str]) -> str:
        """Any of the different ones: the commonest are in every message."""
        # Two dots are a range for notmuch, wherever they stand.
        found = {one.lower() for one in tokens if ".." not in one} - _OPERATORS
        if self._rng.random() < 0.75:
            found -= self._common
        if not found:
            raise NothingLikeItError
        return self._rng.choice(sorted(found))

    def simple(self, tokens: Sequence[str], least: int = 1) -> str:
        return self.some([one for one in tokens if _SIMPLE.fullmatch(one) and len(one) >= least])


def _word(token: str, field: str = "") -> Atom:
    return Atom("word" if _SIMPLE.fullmatch(token) else "phrase", token, field)


def _phrase(source: Source, rng: random.Random) -> Atom:
    length = rng.choice((2, 2, 3, 4))
    if len(source.tokens) <= length:
        raise NothingLikeItError
    start = rng.randrange(len(source.tokens) - length)
    return Atom(
        "phrase", " ".join(source.tokens[start : start + length]).lower().replace("..", " ")
    )


def _date(source: Source) -> datetime:
    if source.date is None:
        raise NothingLikeItError
    return source.date


def _day(source: Source) -> Atom:
    return Atom("date", f"{_date(source):%Y-%m-%d}")


def _month(source: Source) -> Atom:
    return Atom("date", f"{_date(source):%Y-%m}")


def _range(source: Source, rng: random.Random) -> Atom:
    until = _date(source) + timedelta(days=rng.randrange(1, 60))
    return Atom("date", f"{source.date:%Y-%m-%d}..{until:%Y-%m-%d}")


Maker = Callable[[Source, random.Random], Query]

KINDS: dict[str, tuple[int, Maker]] = {
    "a word": (70, lambda s, r: Query("a word", (_word(s.simple(s.tokens)),))),
    "any token": (50, lambda s, r: Query("any token", (Atom("phrase", s.some(s.tokens)),))),
    "any form": (30, lambda s, r: Query("any form", (Atom("stem", s.simple(s.tokens, 3)),))),
    "two words": (
        70,
        lambda s, r: Query(
            "two words", tuple(Atom("phrase", s.simple(s.tokens)) for _ in range(2))
        ),
    ),
    "a phrase": (80, lambda s, r: Query("a phrase", (_phrase(s, r),))),
    "from": (30, lambda s, r: Query("from", (Atom("phrase", s.some(s.sender), "from"),))),
    "to": (30, lambda s, r: Query("to", (Atom("phrase", s.some(s.recipients), "to"),))),
    "subject": (30, lambda s, r: Query("subject", (Atom("phrase", s.some(s.subject), "subject"),))),
    "subject, any form": (
        10,
        lambda s, r: Query("subject, any form", (Atom("stem", s.simple(s.subject, 3), "subject"),)),
    ),
    "a day": (15, lambda s, r: Query("a day", (_day(s),))),
    "a month": (10, lambda s, r: Query("a month", (_month(s),))),
    "some days": (10, lambda s, r: Query("some days", (_range(s, r),))),
    "a word in a month": (
        15,
        lambda s, r: Query(
            "a word in a month",
            (Atom("phrase", s.simple(s.tokens)), _month(s)),
        ),
    ),
    "a word and not another": (
        30,
        lambda s, r: Query(
            "a word and not another",
            (Atom("phrase", s.simple(s.tokens)),),
            (Atom("phrase", s.simple(s.tokens)),),
        ),
    ),
    "a beginning": (
        20,
        lambda s, r: Query(
            "a beginning", (Atom("prefix", s.simple(s.tokens, 5)[: r.choice((3, 4, 5))]),)
        ),
    ),
}


def common_words(readings: Sequence[Reading]) -> frozenset[str]:
    """The words that one message in twenty has, or more."""
    counted = Counter(word for one in readings for word in set(plain(one.text)))
    return frozenset(word for word, count in counted.items() if count * 20 >= len(readings))


def drawn(readings: Sequence[Reading], seed: int) -> Iterator[Query]:
    """As many queries of each kind as ``KINDS`` says, each from a message chosen by ``seed``."""
    rng = random.Random(seed)
    common = common_words(rng.sample(readings, min(len(readings), 300)))
    for count, make in KINDS.values():
        made = 0
        while made < count:
            try:
                query = make(Source(rng.choice(readings), rng, common), rng)
            except NothingLikeItError:
                continue
            if any(atom.text in _OPERATORS for atom in query.atoms):
                continue
            yield query
            made += 1
