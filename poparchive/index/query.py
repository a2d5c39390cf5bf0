"""The search language: text becomes a tree, or an error that says where and what was expected.

Pure: no database is touched. ``docs/search.md`` has the language by example. The tree's classes are the whole
of what a query can mean; ``plan`` turns a tree into FTS5 and SQL.
"""

import datetime
import re
import unicodedata
from dataclasses import dataclass

from poparchive.errors import UsageError


@dataclass(frozen=True, slots=True)
class Words:
    """A word, or words in a row. ``column`` is a field of the index, or empty for all of them."""

    text: str
    prefix: bool = False
    column: str = ""


@dataclass(frozen=True, slots=True)
class HasAttachment:
    """Carries at least one attachment."""


@dataclass(frozen=True, slots=True)
class Dated:
    """From ``start`` up to, not including, ``end``: seconds since the epoch, None for no limit."""

    start: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class Sized:
    """Larger than ``above`` or smaller than ``below`` octets."""

    above: int | None
    below: int | None


@dataclass(frozen=True, slots=True)
class InAccount:
    """Came from an account."""

    name: str


@dataclass(frozen=True, slots=True)
class Not:
    """All but."""

    inner: "Node"


@dataclass(frozen=True, slots=True)
class And:
    """All of these; of nothing: every message."""

    all: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of these."""

    any: "tuple[Node, ...]"


Node = Words | HasAttachment | Dated | Sized | InAccount | Not | And | Or

FIELDS = {
    "from": "sender",
    "to": "{recipients copies blind}",
    "subject": "subject",
    "filename": "attachments",
}
"""Fields that are columns of the index."""

OTHER_FIELDS = ("has", "after", "before", "larger", "smaller", "account")

MAX_DEPTH = 50
"""Deeper parentheses are a mistake or an attack; the parser recurses."""


class QuerySyntaxError(UsageError):
    """A query that means nothing. ``position`` counts characters from 0."""

    def __init__(self, query: str, position: int, message: str) -> None:
        shown = "".join(c if c.isprintable() else "?" for c in query)
        super().__init__(f"{message}\n  {shown}\n  {' ' * position}^")
        self.position = position


_TOKEN = re.compile(
    r"""\s*(?:
        (?P<open>\()
      | (?P<close>\))
      | (?P<minus>-)(?=[^\s\-)])
      | (?P<field>[A-Za-z]+):(?!//)(?:"(?P<fquoted>[^"]*)(?P<fend>"?)|(?P<fbare>[^\s"()]*))
      | "(?P<quoted>[^"]*)(?P<end>"?)
      | (?P<word>[^\s"()]+)
    )""",
    re.VERBOSE,
)


def parse(query: str) -> Node:
    """Return the tree of a query; an empty one means every message."""
    return _Parser(query).whole()


class _Parser:
    """Recursive descent: or, and, not, atom."""

    def __init__(self, query: str) -> None:
        self._query = query
        self._tokens = [m for m in _TOKEN.finditer(query) if m.lastgroup]
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        if not self._query.strip():
            return And(())
        node = self._or() if self._tokens else And(())
        if self._at < len(self._tokens):
            raise self._error('there is no "(" for this ")"')
        if node == And(()):
            raise QuerySyntaxError(self._query, 0, "there is no word in this to search for")
        return node

    def _peek(self) -> re.Match[str] | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _keyword(self, word: str) -> bool:
        token = self._peek()
        return token is not None and token["word"] == word

    def _error(self, message: str, at: int | None = None) -> QuerySyntaxError:
        token = self._peek()
        if at is None:
            at = len(self._query) if token is None else token.end() - len(token[0].lstrip())
        return QuerySyntaxError(self._query, at, message)

    def _or(self) -> Node:
        found = [self._and()]
        while self._keyword("OR"):
            self._at += 1
            found.append(self._and())
        return found[0] if len(found) == 1 else Or(tuple(found))

    def _and(self) -> Node:
        found: list[Node] = []
        while True:
            token = self._peek()
            if token is None or token["close"] or self._keyword("OR"):
                break
            if self._keyword("AND") and found:
                self._at += 1
            node = self._not()
            if node is not None:
                found.append(node)
            elif self._peek() is None or not found:
                found.append(And(()))
        if not found:
            raise self._error("a word, a field or a parenthesis was expected here")
        found = [n for n in found if n != And(())] or [And(())]
        return found[0] if len(found) == 1 else And(tuple(found))

    def _not(self) -> Node | None:
        token = self._peek()
        if token is not None and (token["minus"] or token["word"] == "NOT"):
            self._at += 1
            if self._peek() is None:
                raise self._error("what should not be there was expected here")
            self._deeper()
            inner = self._not()
            self._depth -= 1
            return None if inner is None or inner == And(()) else Not(inner)
        return self._atom()

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error("the query is nested too deeply")

    def _atom(self) -> Node | None:
        token = self._peek()
        if token is None or token["close"] or token["word"] in ("OR", "AND"):
            raise self._error("a word, a field or a parenthesis was expected here")
        self._at += 1
        if token["open"]:
            self._deeper()
            node = self._or()
            self._depth -= 1
            if self._peek() is None:
                raise self._error('a ")" is missing')
            self._at += 1
            return node
        if token["quoted"] is not None:
            self._closed(token["end"], token)
            return _words(token["quoted"], "")
        if token["field"]:
            return self._field(token)
        return _words(token["word"], "", bare=True)

    def _closed(self, end: str, token: re.Match[str]) -> None:
        if not end:
            raise QuerySyntaxError(self._query, token.end(), 'a closing " is missing')

    def _field(self, token: re.Match[str]) -> Node | None:
        name = token["field"].lower()
        quoted = token["fquoted"]
        value = token["fbare"] if quoted is None else quoted
        at = token.end() - len(value)
        if quoted is not None:
            self._closed(token["fend"], token)
        if name not in FIELDS and name not in OTHER_FIELDS:
            known = ", ".join(f"{n}:" for n in (*FIELDS, *OTHER_FIELDS))
            start = token.start("field")
            raise self._error(
                f'there is no field "{name}:"; there are {known}. Put it in quotes to'
                " search for the text",
                start,
            )
        if not value:
            raise self._error(f"a value was expected after {name}:", at)
        if name in FIELDS:
            return _words(value, FIELDS[name], bare=quoted is None)
        try:
            return _special(name, value)
        except ValueError as error:
            raise self._error(f"{name}: {error}", at) from None


def _words(text: str, column: str, *, bare: bool = False) -> Node | None:
    """A word or phrase; None if the tokenizer will find nothing in it."""
    prefix = bare and text.endswith("*")
    if prefix:
        text = text.rstrip("*")
    if not any(unicodedata.category(c)[0] in "LN" or c >= "\ue000" for c in text):
        return None
    return Words(text, prefix, column)


def _special(name: str, value: str) -> Node:
    if name == "has":
        if value.lower() not in ("attachment", "attachments"):
            raise ValueError('the only value is "attachment"')
        return HasAttachment()
    if name == "account":
        return InAccount(value)
    if name == "after":
        return Dated(_day(value), None)
    if name == "before":
        return Dated(None, _day(value))
    size = _octets(value)
    return Sized(size, None) if name == "larger" else Sized(None, size)


_DATE = r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?"


def _day(value: str) -> int:
    """The first second of a year, month or day, UTC."""
    found = re.fullmatch(_DATE, value)
    try:
        if found is None:
            raise ValueError
        year, month, day = (int(g) if g else 1 for g in found.groups())
        moment = datetime.datetime(year, month, day, tzinfo=datetime.UTC)
        return int(moment.timestamp())
    except ValueError:
        raise ValueError("a date such as 2024, 2024-03 or 2024-03-09 was expected") from None


_SIZE = r"(\d{1,15})(?:\.(\d{1,6}))?\s*([kmg]?)i?b?"
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def _octets(value: str) -> int:
    found = re.fullmatch(_SIZE, value, re.IGNORECASE)
    if found is None:
        raise ValueError("a size such as 300k, 1.5M or 2000000 was expected")
    whole, fraction, unit = found.groups()
    return int(float(f"{whole}.{fraction or 0}") * _UNITS[unit.lower()])
