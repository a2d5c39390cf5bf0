"""Text becomes a tree, by recursive descent: or, and, not, atom. Linear in the text; nesting is bounded."""

import functools
import re
import unicodedata
from collections.abc import Callable, Mapping

from poparchive.query import fields
from poparchive.query.errors import QuerySyntaxError, Repair
from poparchive.query.tokens import Token, tokens
from poparchive.query.tree import EVERYTHING, And, Near, Node, Not, Or, Stem, Words
from poparchive.query.values import BadValueError, value

MAX_DEPTH = 50
"""Deeper parentheses are a mistake or an attack; the parser recurses, and so does the planner."""

MAX_ATOMS = 1_000
"""Words and values of a query, saved searches written out. These could double at each level. Each word of a
phrase counts, as it costs as much as one alone; a character of a script without blanks is a word."""

MAX_SAVED = 20
"""Saved searches within each other."""

DISTANCE = 10
"""What ``NEAR`` means where no number is given; FTS5 has the same."""

Saved = Callable[[], Mapping[str, str]]
"""Gives the saved searches by name. Called only for a query that names one."""

_SAVED_NAME = re.compile(r"@([A-Za-z0-9_-]+)")
_AN_ENDING = "[a-z0-9]{1,5}"
_A_UNIT = "([hdwmy])(?:ours?|ays?|eeks?|onths?|ears?)?"
_ONE_WORD = re.compile(r"[^\W_]+")
_EXPECTED = "a word, a field or a parenthesis was expected here"


def parse(query: str, *, now: int, saved: Saved = dict) -> Node:
    """Return the tree of a query; an empty one means every message.

    ``now``, in seconds since the epoch, is what ``older_than:`` counts from. Raises ``QuerySyntaxError``.
    """
    reading = _Reading(now, saved)
    try:
        return _Parser(query, reading).whole()
    except QuerySyntaxError as error:
        from poparchive.query.spelling import nearest

        def check(text: str) -> Node:
            return _Parser(text, _Reading(now, reading.names)).whole()

        found = nearest(error, check)
        raise QuerySyntaxError(error.query, error.position, error.what, nearest=found) from None


class _Reading:
    """What a query and the saved searches in it share."""

    def __init__(self, now: int, saved: Saved) -> None:
        self.now = now
        self.atoms = 0
        self._saved = saved
        self._names: Mapping[str, str] | None = None

    def names(self) -> Mapping[str, str]:
        if self._names is None:
            self._names = self._saved()
        return self._names


class _Parser:
    """One text. A node is None where there is no word in it to search for, as in ``&``."""

    def __init__(
        self, query: str, reading: _Reading, within: tuple[str, ...] = (), depth: int = 0
    ) -> None:
        self._query = query
        self._reading = reading
        self._within = within
        self._depth = depth
        self._field = ""
        self._tokens = tokens(query)
        self._at = 0

    def whole(self) -> Node:
        if not self._tokens:
            return EVERYTHING
        node = self._or()
        token = self._peek()
        if token is not None:
            raise self._error('there is no "(" for this ")"', repair=_without(token))
        if node is None:
            raise QuerySyntaxError(self._query, 0, "there is no word in this to search for")
        return node

    # ---- operators -------------------------------------------------------------------------------

    def _or(self) -> Node | None:
        found = [self._and()]
        while self._keyword("OR"):
            self._at += 1
            found.append(self._and())
        kept = tuple(node for node in found if node is not None)
        return Or(kept) if len(kept) > 1 else kept[0] if kept else None

    def _and(self) -> Node | None:
        found = [self._not()]
        while True:
            token = self._peek()
            if token is None or token.kind == ")" or self._keyword("OR"):
                break
            if self._keyword("AND"):
                self._at += 1
            found.append(self._not())
        kept = tuple(node for node in found if node is not None)
        return And(kept) if len(kept) > 1 else kept[0] if kept else None

    def _not(self) -> Node | None:
        token = self._peek()
        if token is None or not (token.kind == "-" or self._keyword("NOT")):
            return self._atom()
        self._at += 1
        if self._peek() is None:
            raise self._error("what should not be there was expected here", repair=_without(token))
        self._deeper(token)
        inner = self._not()
        self._depth -= 1
        return None if inner is None else Not(inner)

    def _atom(self) -> Node | None:
        token = self._peek()
        if token is None or token.kind == ")" or self._keyword("OR") or self._keyword("AND"):
            raise self._error(_EXPECTED, repair=self._unexpected())
        self._at += 1
        if token.kind == "(":
            return self._group(self._field, token)
        if token.kind in ("group", "field"):
            name = self._known(token)
            if self._field:
                raise self._error(
                    f"{name}: cannot stand inside the parentheses of {self._field}:",
                    token.start,
                    repair=Repair(token.start, token.at or token.end - 1, ""),
                )
            if token.kind == "group":
                return self._group(name, token)
            return self._value(name, token)
        if token.kind == "near":
            return self._near(token)
        if self._field:
            return self._value(self._field, token)
        if token.kind == "word" and (found := _SAVED_NAME.fullmatch(token.text)):
            return self._saved(found[1], token)
        return self._words(token, "")

    def _group(self, field: str, token: Token) -> Node | None:
        outer, self._field = self._field, field
        self._deeper(token)
        node = self._or()
        self._depth -= 1
        self._field = outer
        if self._peek() is None:
            at = len(self._query)
            raise self._error('a ")" is missing', repair=Repair(at, at, ")"))
        self._at += 1
        return node

    # ---- atoms -----------------------------------------------------------------------------------

    def _known(self, token: Token) -> str:
        """Return the name of a token's field as the tree has it."""
        name = token.name.lower()
        name = fields.SAME.get(name, name)
        if name in fields.ALL:
            return name
        from poparchive.query.spelling import closest

        meant = fields.MEANT.get(name) or closest(name, fields.ALL)
        end = token.start + len(token.name)
        if meant is not None:
            repair = Repair(token.start, end, meant)
        else:
            rest = self._query[end : token.end].replace('"', "").removesuffix("(")
            repair = Repair(
                token.start, token.end - (token.kind == "group"), f'"{token.name}{rest}"'
            )
        known = ", ".join(f"{one}:" for one in fields.ALL)
        there_are = f"there is {meant}:" if meant else f"there are {known}"
        raise self._error(
            f'there is no field "{name}:"; {there_are}. Put it in quotes to search for the text',
            token.start,
            repair=repair,
        )

    def _value(self, field: str, token: Token) -> Node | None:
        text = token.text
        if not text:
            raise self._error(
                f"a value was expected after {field}:", token.at, repair=self._missing(token)
            )
        if field in fields.TEXT:
            return self._words(token, field)
        self._count(token)
        try:
            return value(field, text, self._reading.now)
        except BadValueError as error:
            meant = error.meant
            repair = Repair(token.at, token.at + len(text), meant) if meant else None
            repair = self._meant_otherwise(field, token) or repair
            raise self._error(f"{field}: {error}", token.at, repair=repair) from None

    def _meant_otherwise(self, field: str, token: Token) -> Repair | None:
        """Repair what is more than a value: has:pdf, and newer_than:3 days."""
        after = self._peek()
        if (
            field == "has"
            and token.kind == "field"
            and re.fullmatch(_AN_ENDING, token.text, re.IGNORECASE)
        ):
            return Repair(token.start, token.end, f"filetype:{token.text}")
        if field in ("older_than", "newer_than") and token.text.isdigit() and after is not None:
            unit = (
                re.fullmatch(_A_UNIT, after.text, re.IGNORECASE) if after.kind == "word" else None
            )
            return Repair(token.at, after.end, f"{token.text}{unit[1].lower()}") if unit else None
        return None

    def _words(self, token: Token, field: str) -> Node | None:
        """A word, phrase or stem; None if the tokenizer will find nothing in it."""
        text = token.text
        if not token.quoted and text.startswith("~") and has_word(text):
            if _ONE_WORD.fullmatch(text, 1) is None:
                raise self._error(
                    "one word was expected after ~",
                    token.at,
                    repair=Repair(token.at, token.at + 1, ""),
                )
            self._count(token)
            return Stem(text[1:], field)
        prefix = not token.quoted and text.endswith("*")
        if prefix:
            text = text.rstrip("*")
        if not has_word(text):
            return None
        self._count(token, len(_a_word(text).findall(text)))
        return Words(text, prefix, field)

    def _near(self, token: Token) -> Node | None:
        if self._field and self._field not in fields.TEXT:
            raise self._error(f"NEAR means nothing for {self._field}:", token.start)
        distance = DISTANCE
        inner = token.text
        # The last comma outside of quotes; in front of it stand words, behind it the number.
        words, comma, last = inner.rpartition(",")
        if comma and '"' not in last:
            if re.fullmatch(r"\s*[0-9]{1,4}\s*", last) is None:
                begin = token.at + len(words)
                raise self._error(
                    "a number of words was expected after the comma",
                    begin + 1,
                    repair=Repair(begin, token.end - 1, f", {DISTANCE}"),
                )
            inner, distance = words, int(last)
        found = []
        for one in tokens(inner):
            if one.kind not in ("word", "quoted"):
                at = token.at + one.start
                raise self._error("NEAR takes words and phrases", at)
            node = self._words(one._replace(at=token.at + one.at), self._field)
            if isinstance(node, Stem):
                at = token.at + one.start
                raise self._error("NEAR takes no ~", at, repair=Repair(at, at + 1, ""))
            if isinstance(node, Words):
                found.append(node)
        if len(found) < 2:
            raise self._error(
                "NEAR expects two words or more, as in NEAR(paper order, 5)",
                token.at,
                repair=Repair(token.start, token.end, inner),
            )
        return Near(tuple(found), distance, self._field)

    def _saved(self, name: str, token: Token) -> Node:
        names = self._reading.names()
        if name not in names:
            from poparchive.query.spelling import closest

            meant = closest(name, names)
            known = ", ".join(f"@{one}" for one in sorted(names)) or "none"
            raise self._error(
                f"no search is saved as @{name}; there are {known}",
                token.start,
                repair=Repair(token.start, token.end, f"@{meant}" if meant else f'"@{name}"'),
            )
        if name in self._within:
            way = " -> ".join(f"@{one}" for one in (*self._within, name))
            raise self._error(f"the saved searches go in a circle: {way}", token.start)
        if len(self._within) >= MAX_SAVED:
            raise self._error("saved searches are nested too deeply", token.start)
        self._deeper(token)
        try:
            within = (*self._within, name)
            node = _Parser(names[name], self._reading, within, self._depth).whole()
        except QuerySyntaxError as error:
            if error.what.startswith("in the saved search"):
                raise
            raise QuerySyntaxError(
                error.query,
                error.position,
                f"in the saved search @{name}: {error.what}",
                repair=error.repair,
            ) from None
        self._depth -= 1
        return node

    # ---- tokens and errors -----------------------------------------------------------------------

    def _peek(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _keyword(self, word: str) -> bool:
        token = self._peek()
        return token is not None and token.kind == "word" and token.text == word

    def _error(
        self, what: str, at: int | None = None, *, repair: Repair | None = None
    ) -> QuerySyntaxError:
        if at is None:
            token = self._peek()
            at = len(self._query) if token is None else token.start
        return QuerySyntaxError(self._query, at, what, repair=repair)

    def _deeper(self, token: Token) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error("the query is nested too deeply", token.start)

    def _count(self, token: Token, words: int = 1) -> None:
        self._reading.atoms += max(words, 1)
        if self._reading.atoms > MAX_ATOMS:
            raise self._error(f"the query has more than {MAX_ATOMS} words", token.start)

    def _unexpected(self) -> Repair | None:
        """Leave out what stands at a wrong place: an operator, or parentheses around nothing."""
        token = self._peek()
        before = self._tokens[self._at - 1] if self._at else None
        if token is not None and token.kind != ")":
            return _without(token)
        if before is None:
            return None if token is None else _without(token)
        if before.kind in ("(", "group") and token is not None:
            return Repair(before.start, token.end, "")
        return _without(before)

    def _missing(self, token: Token) -> Repair:
        """The value is the next word, after a blank too many; else the field is left out."""
        after = self._peek()
        if not token.quoted and after is not None and after.kind in ("word", "quoted", "("):
            return Repair(token.end, after.start, "")
        return _without(token)


def _without(token: Token) -> Repair:
    return Repair(token.start, token.end, "")


@functools.cache
def _word_or_character() -> re.Pattern[str]:
    """Compiled for the first query that is not plain: it takes 5 ms."""
    return re.compile(r"[^\W_\u0e00-\U0003ffff]+|[\u0e00-\U0003ffff]")


def _a_word(text: str) -> re.Pattern[str]:
    """What counts as a word in a text."""
    return _ONE_WORD if text.isascii() else _word_or_character()


def has_word(text: str) -> bool:
    """Whether the tokenizer finds a word in a text: letters, digits and characters of private use, but the
    one that begins the index's marks."""
    if text.isascii():
        return any(map(str.isalnum, text))
    plain = unicodedata.normalize("NFKC", text)
    return any(
        (category := unicodedata.category(c))[0] in "LN" or (category == "Co" and c != "\ue000")
        for c in plain
    )
