"""Three hundred queries of all forms, drawn from the messages of an archive by a seed."""

import email
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

from bench.prose import COMMON
from bench.samples import OPERATORS, Sample, maybe_sample
from poparchive.archive.read import Reader

COUNT = 300
SEED = 23
MANY = [word for word in COMMON if word not in OPERATORS][:60]
"""The commonest words."""

Draw = Callable[["Source"], str]


class Source:
    """Messages of an archive, and what is known of each without poparchive's parser."""

    def __init__(self, archive: Path, rng: random.Random) -> None:
        self.rng = rng
        self._samples = samples(archive, rng)
        self._octets = b""
        self.sample = self._next()

    def move(self) -> None:
        self.sample = self._next()

    def _next(self) -> Sample:
        self._octets, sample = next(self._samples)
        return sample

    def header(self, name: str) -> str:
        return str(email.message_from_bytes(self._octets).get(name, ""))

    @property
    def date(self) -> datetime:
        return parsedate_to_datetime(self.header("Date")).astimezone(UTC)

    def word(self) -> str:
        return self.rng.choice(self.sample.words)

    def common(self) -> str:
        return self.rng.choice(MANY)

    def any(self) -> str:
        return self.word() if self.rng.random() < 0.5 else self.common()

    def account(self) -> str:
        return f"account:{self.rng.choice(self.accounts)}"

    accounts: list[str]


def samples(archive: Path, rng: random.Random) -> Iterator[tuple[bytes, Sample]]:
    """Random messages with plain text, with what they can be found by."""
    with Reader(archive) as reader:
        run = reader.lookup.connection.execute
        lowest, highest = run("SELECT min(id), max(id) FROM messages").fetchone()
        query = "SELECT sha256 FROM messages WHERE id >= ? ORDER BY id LIMIT 1"
        while True:
            identity = run(query, (rng.randint(lowest, highest),)).fetchone()[0].hex()
            octets = b"".join(reader.octets(reader.lookup.message(identity)))
            sample = maybe_sample(octets, rng)
            if sample:
                yield octets, sample


def _month(source: Source) -> str:
    return f"during:{source.date:%Y-%m}"


def _days(source: Source) -> str:
    since = source.date - timedelta(days=source.rng.randrange(1, 200))
    return f"after:{since:%Y-%m-%d} before:{source.date:%Y-%m-%d}"


def _beginning(word: str, source: Source) -> str:
    return f"{word[: source.rng.randint(2, 4)]}*"


def _near(source: Source) -> str:
    one, two = source.rng.sample(source.sample.words[:6], 2)
    return f"NEAR({one} {two}, {source.rng.choice((3, 5, 10))})"


def _pick(*forms: Draw) -> Draw:
    return lambda source: source.rng.choice(forms)(source)


FORMS: dict[str, tuple[int, Draw]] = {
    "a word": (40, lambda s: s.any()),
    "two words": (30, lambda s: f"{s.any()} {s.any()}"),
    "phrases": (30, lambda s: f'"{s.sample.phrase}"'),
    "beginnings": (20, lambda s: _beginning(s.any(), s)),
    "NEAR": (15, _near),
    "fields": (
        45,
        _pick(
            lambda s: f"from:{s.sample.sender}",
            lambda s: f"to:{s.header('To').rpartition('@')[0].rpartition('<')[2] or 'a'}",
            lambda s: f"addr:{s.sample.sender.partition('.')[0]} {s.any()}",
            lambda s: f"subject:{s.sample.subject_word}",
            lambda s: f"subject:({s.sample.subject_word} {s.any()})",
            lambda s: f"body:{s.common()} from:{s.sample.sender.partition('.')[0]}",
        ),
    ),
    "dates": (
        25,
        _pick(
            lambda s: f"{_month(s)} {s.any()}",
            lambda s: f"{_days(s)} {s.any()}",
            _days,
            lambda s: f"on:{s.date:%Y-%m-%d}",
            lambda s: f"before:{s.date:%Y-%m-%d} {s.common()}",
        ),
    ),
    "sizes": (
        15,
        _pick(
            lambda s: f"larger:{s.rng.choice((5, 10, 20))}k {s.any()}",
            lambda s: f"smaller:{s.rng.choice((1, 2))}k {s.any()}",
            lambda s: f"larger:{s.rng.choice((20, 100))}k",
        ),
    ),
    "accounts": (15, _pick(lambda s: f"{s.account()} {s.any()}", lambda s: s.account())),
    "OR": (
        15,
        _pick(
            lambda s: f"{s.any()} OR {s.any()}",
            lambda s: f"({s.word()} OR {s.word()} OR {s.word()}) {s.common()}",
        ),
    ),
    "NOT": (10, lambda s: f"{s.any()} -{s.any()}"),
    "mixes": (
        10,
        lambda s: f"({s.any()} OR subject:{s.sample.subject_word}) -from:{s.word()} {_month(s)}",
    ),
    "marks": (
        15,
        _pick(
            lambda s: f"has:attachment {s.common()}",
            lambda s: "has:attachment",
            lambda s: f"filetype:pdf {s.common()}",
            lambda s: f"is:duplicate {s.common()}",
            lambda s: f"-has:attachment {s.word()}",
            lambda s: f"lang:en {s.word()}",
        ),
    ),
    "stems": (5, lambda s: f"~{s.any()} lang:en"),
    "one message": (
        10,
        _pick(
            lambda s: f"thread:{s.header('Message-ID')}",
            lambda s: f"msgid:{s.header('Message-ID').strip('<> ')}",
            lambda s: f"id:{s.sample.file_digest[:12]}",
        ),
    ),
}
"""How many of each form, and how one is drawn."""


def questions(archive: Path) -> dict[str, list[str]]:
    """The queries, by form; for one archive always the same."""
    rng = random.Random(SEED)
    source = Source(archive, rng)
    with Reader(archive) as reader:
        rows = reader.lookup.connection.execute("SELECT name FROM accounts ORDER BY name")
        source.accounts = [row[0] for row in rows]
    drawn: dict[str, list[str]] = {}
    for form, (count, draw) in FORMS.items():
        drawn[form] = []
        while len(drawn[form]) < count:
            query = draw(source)
            source.move()
            drawn[form].append(query)
    assert sum(map(len, drawn.values())) == COUNT
    return drawn
