"""Ranks what a query finds, within bounds that hold whatever is asked.

FTS5's bm25 reads every occurrence of every word of its query before it ranks the first row, and then a row
for each hit: over a second for common words among a million messages. So what is ranked are candidates:

- the newest ``CANDIDATES`` of all that the query finds,
- the newest ``HEADED`` that have its words in subject or addresses; where that would be too much to read,
  those of the newest ``CANDIDATES`` that have them in subject or sender,
- those whose subject is the query, however old.

bm25 is asked of the words that are rare enough to tell anything. Those that are left out for their number,
and beginnings of words, count where they stand in subject or addresses. All words in subject or addresses
count more, and what is newer, up to half as much again. A subject that is the query comes first.
"""

# ruff: noqa: S608 - what stands in the statements are numbers and names of columns.

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from math import log
from typing import Final, NamedTuple

from poparchive.index.fold import fold
from poparchive.index.joining import subject_mark
from poparchive.index.keys import GRANULE_S
from poparchive.index.matching import Matcher
from poparchive.index.plan import Statement, Stream
from poparchive.index.snippet import plain_words
from poparchive.query.tree import And, Near, Node, Or, Stem, Words

CANDIDATES: Final = 2_000
HEADED: Final = 500
_SAME_SUBJECT: Final = 50

WEIGHTS: Final = {
    "subject": 8.0, "sender": 5.0, "recipients": 4.0, "copies": 4.0, "blind": 4.0, "lists": 2.0,
    "labels": 2.0, "body": 1.0, "attachments": 2.0, "contents": 0.5, "flags": 0.0,
}  # fmt: skip
"""How much an occurrence counts by its column."""

_HEAD: Final = ("subject", "sender", "recipients", "copies", "blind", "lists")

OCCURRENCES: Final = 250_000
"""So many are read for bm25 and no more: some 80 ms."""
_HEAD_OCCURRENCES: Final = 300_000
"""So many are looked at for words in subject and addresses: some 80 ms. FTS5 cannot be stopped on the way."""
_SAMPLE: Final = 300
"""From where the newest so many hits of a word lie follows how many there are in all."""
_HALF_LIFE_S: Final = 365 * 86_400
_NEW: Final = 0.5
"""The newest count so much more, those of a half-life ago half of that."""
_IN_HEAD: Final = 1.6
"""bm25 comes near its limit with the first occurrence of weight, so that it tells little between columns."""
_LEAST: Final = 0.05
"""What a word counts that is in most messages."""

Run = Callable[[str, tuple[object, ...]], sqlite3.Cursor]


class _Word(NamedTuple):
    """A word or phrase that is wanted: what FTS5 is asked for it, in how many messages its words are, all
    counted together, and the rarest of them."""

    expression: str
    tokens: int
    occurrences: int
    rarest: int
    prefix: bool
    plain: frozenset[str]


class Ranking:
    """Ranks for one query. ``columns`` are those of the index, ``statements`` that of the query and the one
    that finds the same where FTS5 is asked for more besides."""

    def __init__(
        self,
        run: Run,
        statements: tuple[Statement, Statement],
        tree: Node,
        matcher: Matcher,
        columns: Sequence[str],
    ) -> None:
        self._run = run
        self._statement, self._narrow = statements
        self._columns = columns
        self._all_wanted = _conjunctive(tree)
        self._text = _subject(tree)
        self._first, self._last = self._ends()
        self._words = [self._word(node, matcher) for node in _leaves(tree)]

    def keys(self) -> list[int]:
        """Return the row ids of all candidates, best first."""
        newest = self._found(self._statement.newest() + f" LIMIT {CANDIDATES}", self._values)
        headed = set(self._headed(newest))
        same = set(self._same_subject())
        candidates = set(newest) | headed | same
        scores = self._scores(candidates)
        common = sum(_idf(word.occurrences, self._total) for word in self._left_out())
        for key in headed:
            scores[key] = scores.get(key, 0.0) + common * WEIGHTS["sender"]

        def rank(key: int) -> tuple[bool, float, int]:
            age = (self._last - key) * GRANULE_S
            score = scores.get(key, 0.0) * (1 + _NEW * 0.5 ** (age / _HALF_LIFE_S))
            return key in same, score * _IN_HEAD if key in headed else score, key

        return sorted(candidates, key=rank, reverse=True)

    def described(self) -> Iterator[str]:
        """Say in plain words what is ranked for this query, and by what. Counts words and ranks nothing."""
        yield "candidates:"
        yield f"  the newest {CANDIDATES:,} of all that is found"
        head = self._head_words()
        every = "all" if self._all_wanted else "one"
        if not head:
            yield "  (none for their subject or addresses: no word is asked there)"
        elif self._head_work(head) > _HEAD_OCCURRENCES:
            yield f"  of these, the newest {HEADED} with {every} of the words in subject or sender count more"
        else:
            yield f"  the newest {HEADED} with {every} of the words in subject or addresses, however old"
        if self._mark():
            yield f'  the newest {_SAME_SUBJECT} whose subject is "{self._text}", however old'
        chosen = self._chosen()
        by = ", ".join(f"{one.expression} (some {one.occurrences:,} to read)" for one in chosen)
        yield f"bm25, of: {by or 'no word'}"
        if left := [one.expression or "what no word begins with" for one in self._left_out()]:
            yield (
                f"in subject and addresses alone, as too common or a beginning: {', '.join(left)}"
            )
        yield "weights: " + ", ".join(
            f"{one} {WEIGHTS.get(one, 1.0):g}" for one in self._columns if WEIGHTS.get(one, 1.0)
        )
        yield f"{every} of the words in subject or addresses: times {_IN_HEAD:g}"
        yield (
            f"new: up to times {1 + _NEW:g}, half of that more after {_HALF_LIFE_S // 86_400} days"
        )
        if self._mark():
            yield "first of all: a subject that is the query"

    @property
    def _values(self) -> tuple[object, ...]:
        return self._statement.parameters

    def _found(self, sql: str, values: tuple[object, ...]) -> list[int]:
        return [row[0] for row in self._run(sql, values)]

    def _ends(self) -> tuple[int, int]:
        sql = "SELECT (SELECT min(id) FROM cat.messages), (SELECT max(id) FROM cat.messages)"
        first, last = self._run(sql, ()).fetchone()
        row = self._run("SELECT block FROM mail_data WHERE id = 1", ()).fetchone()
        self._total = max(_varint(row[0]) if row else 0, 1)
        return first or 0, last or 0

    def _word(self, node: Words | Near | Stem, matcher: Matcher) -> _Word:
        match = matcher.match(node)
        words = node.words if isinstance(node, Near) else (Words(node.text),)
        tokens = [one for word in words for one in fold(word.text).split()]
        plain = frozenset(plain_words(" ".join(word.text for word in words)))
        prefix = any(word.prefix for word in words) or (isinstance(node, Words) and node.prefix)
        if not match or not match.expression or prefix:
            expression = match.expression if match else ""
            return _Word(expression, len(tokens), OCCURRENCES + 1, self._total, True, frozenset())
        # What a phrase costs is reading its words one by one.
        asked = [f'"{one.replace(chr(34), " ")}"' for one in tokens] if len(tokens) > 1 else None
        counts = [self._occurrences(one) for one in asked or [match.expression]]
        return _Word(match.expression, len(counts), sum(counts), min(counts), False, plain)

    def _occurrences(self, expression: str) -> int:
        """Guess in how many messages a word is."""
        sql = (
            "SELECT count(*), min(rowid) FROM (SELECT rowid FROM mail WHERE mail MATCH ?"
            f" ORDER BY rowid DESC LIMIT {_SAMPLE})"
        )
        count, oldest = self._run(sql, (expression,)).fetchone()
        if count < _SAMPLE:
            return int(count)
        share = (self._last - oldest + 1) / (self._last - self._first + 1)
        return min(int(count / max(share, 1e-9)), self._total)

    def _chosen(self) -> list[_Word]:
        """The words that bm25 is asked of: the rarest, as far as they can be read."""
        chosen = []
        left = OCCURRENCES
        for word in sorted(self._words, key=lambda one: one.occurrences):
            if word.prefix or word.occurrences > left:
                break
            left -= word.occurrences
            chosen.append(word)
        return chosen

    def _left_out(self) -> list[_Word]:
        chosen = self._chosen()
        return [word for word in self._words if word not in chosen]

    def _headed(self, newest: Sequence[int]) -> list[int]:
        """Return the newest that have the words in subject or addresses."""
        words = self._head_words()
        if not words:
            return []
        if self._head_work(words) > _HEAD_OCCURRENCES:
            return self._headed_among(newest)
        columns = " ".join(one for one in _HEAD if one in self._columns)
        operator = " AND " if self._all_wanted else " OR "
        head = f"({{{columns}}} : ({operator.join(word.expression for word in words)}))"
        return self._narrowed(head, HEADED)

    def _head_words(self) -> list[_Word]:
        """Return what is looked for in subject and addresses."""
        if not self._statement.streams[0].match:
            return []
        return [word for word in self._words if word.expression]

    def _head_work(self, words: Sequence[_Word]) -> int:
        """Return how many occurrences that reads: FTS5 looks at the others only where the rarest is, in the
        query and in its words again."""
        some = min if self._all_wanted else sum
        return 2 * some(word.rarest for word in words) * sum(word.tokens for word in words)

    def _headed_among(self, keys: Sequence[int]) -> list[int]:
        """Return those that the catalog tells by their subject and sender."""
        some = all if self._all_wanted else any
        wanted = [word.plain for word in self._words if word.plain]
        listed = ",".join(map(str, keys))
        query = f"SELECT id, subject, sender FROM cat.messages WHERE id IN ({listed})"
        found = []
        for key, subject, sender in self._run(query, ()):
            there = set(plain_words(f"{subject} {sender}"))
            if some(one <= there for one in wanted):
                found.append(key)
        return sorted(found)[-HEADED:]

    def _same_subject(self) -> list[int]:
        mark = self._mark()
        return self._narrowed(f'(flags : "{mark}")', _SAME_SUBJECT) if mark else []

    def _mark(self) -> str:
        """Return what marks a subject that is the query; empty where none can be."""
        return subject_mark(self._text) if self._statement.streams[0].match else ""

    def _narrowed(self, expression: str, limit: int) -> list[int]:
        """Return the newest that the query finds and that match another expression as well."""
        first, *others = self._narrow.streams
        both = Stream(
            first.table, first.key, first.where, f"({first.match}) AND {expression}", first.tail
        )
        statement = Statement((both, *others), self._narrow.joins, self._narrow.missing)
        return self._found(f"{statement.newest()} LIMIT {limit}", statement.parameters)

    def _scores(self, candidates: set[int]) -> dict[int, float]:
        """Return bm25 of the candidates by the words that can be read, greater for better."""
        chosen = self._chosen()
        if not chosen or not candidates:
            return {}
        weights = ", ".join(str(WEIGHTS.get(one, 1.0)) for one in self._columns)
        keys = ",".join(map(str, candidates))
        sql = (
            # The plus keeps FTS5 from being asked once for each row id.
            f"SELECT rowid, bm25(mail, {weights}) FROM mail WHERE mail MATCH ?"
            f" AND rowid BETWEEN ? AND ? AND +rowid IN ({keys})"
        )
        match = " OR ".join(word.expression for word in chosen)
        rows = self._run(sql, (match, min(candidates), max(candidates)))
        return {key: -score for key, score in rows}


def _idf(occurrences: int, total: int) -> float:
    occurrences = min(occurrences, total)
    return max(log((total - occurrences + 0.5) / (occurrences + 0.5)), _LEAST)


def _varint(block: bytes) -> int:
    """The first number of FTS5's record of averages: how many documents there are."""
    value = 0
    for octet in block[:9]:
        value = value << 7 | octet & 0x7F
        if octet < 0x80:
            break
    return value


def _leaves(tree: Node) -> Iterator[Words | Near | Stem]:
    """Yield the words that are wanted, not those that are not."""
    if isinstance(tree, Words | Near | Stem):
        yield tree
    elif isinstance(tree, And):
        for inner in tree.all:
            yield from _leaves(inner)
    elif isinstance(tree, Or):
        for inner in tree.any:
            yield from _leaves(inner)


def _conjunctive(tree: Node) -> bool:
    if isinstance(tree, Or):
        return not any(True for _ in _leaves(tree))
    return all(map(_conjunctive, tree.all)) if isinstance(tree, And) else True


def _subject(tree: Node) -> str:
    """What a subject would be that is the query: its words, if all may stand in a subject."""
    words = list(_leaves(tree))
    if not _conjunctive(tree) or any(
        not isinstance(one, Words) or one.prefix or one.field not in ("", "subject")
        for one in words
    ):
        return ""
    return " ".join(one.text for one in words if isinstance(one, Words))
