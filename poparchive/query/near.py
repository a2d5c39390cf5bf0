"""Words near each other, ``NEAR(a b, 5)`` and ``a AROUND 5 b``: which words, and how near."""

import re
from collections.abc import Sequence

from poparchive.query import fields
from poparchive.query.errors import QuerySyntaxError, Repair
from poparchive.query.tokens import Token, saved_name, tokens

DISTANCE = 10
"""What is meant where no number is given; FTS5 has the same."""

MOST = 16
"""Words and phrases of one ``NEAR``. FTS5 looks for each of them again whenever one moves on: hundreds take
minutes."""

_NUMBER = re.compile("[0-9]{1,4}")
_COMMAS = re.compile(r'("[^"]*")|[\s,]+')


def parted(query: str, token: Token) -> tuple[list[Token], int]:
    """Return the words and phrases that the parentheses of ``NEAR`` hold, and the number. Raises
    ``QuerySyntaxError`` for all else in them."""
    distance = DISTANCE
    inner = token.text
    # The last comma outside of quotes; in front of it stand words, behind it the number.
    words, comma, last = inner.rpartition(",")
    if comma and '"' not in last:
        if _NUMBER.fullmatch(last.strip()) is None:
            raise QuerySyntaxError(
                query,
                token.at + len(words) + 1,
                "a number of words was expected after the comma",
                repair=Repair(token.at, token.end - 1, _with_a_number(words, last)),
            )
        inner, distance = words, int(last)
    return [_word(query, _moved(one, token.at)) for one in tokens(inner)], distance


def _with_a_number(words: str, last: str) -> str:
    """Return what the parentheses should hold. What stands behind a comma is one more word, where commas
    part words, and else a number that is none."""
    parts = _COMMAS.sub(lambda found: found[1] or " ", f"{words},{last}").strip()
    several = len(tokens(words)) > 1 and "," not in re.sub('"[^"]*"', "", words)
    return f"{words if several else parts}, {DISTANCE}"


def _moved(token: Token, by: int) -> Token:
    return token._replace(start=token.start + by, end=token.end + by, at=token.at + by)


def _word(query: str, token: Token) -> Token:
    """Return a token that is a word or a phrase."""
    operator = token.kind == "word" and token.text in ("AND", "OR", "NOT")
    if operator or token.kind not in ("word", "quoted"):
        end = token.at - token.quoted if token.kind == "field" else token.end
        what = "NEAR takes words and phrases" + (f", not {token.text}" if operator else "")
        raise QuerySyntaxError(query, token.start, what, repair=Repair(token.start, end, ""))
    if token.text.startswith("~") and not token.quoted and token.text.strip("~"):
        repair = Repair(token.start, token.start + 1, "")
        raise QuerySyntaxError(query, token.start, "NEAR takes no ~", repair=repair)
    return token


def no_search(query: str, found: Sequence[Token]) -> None:
    """Raise ``QuerySyntaxError`` for a saved search among words that are near each other."""
    for token in found:
        if saved_name(token) is not None:
            what = (
                "a saved search cannot stand beside words that are near each other;"
                " in quotes it is looked for as text"
            )
            repair = Repair(token.start, token.end, f'"{token.text}"')
            raise QuerySyntaxError(query, token.start, what, repair=repair)


def around(found: Sequence[Token], at: int) -> tuple[int, int] | None:
    """Return the number behind Gmail's AROUND, which Google has in parentheses, and the place behind it; None
    if there is no such operator here."""
    operator, *behind = found[at : at + 4] or (None,)
    if operator is None or operator.kind != "word" or operator.text != "AROUND":
        return None
    enclosed = [one.kind for one in behind] == ["(", "word", ")"]
    for number in behind[enclosed : enclosed + 1]:
        if number.kind == "word" and _NUMBER.fullmatch(number.text):
            return int(number.text), at + (4 if enclosed else 2)
    return None


def in_one_field(query: str, left: Token, right: Token) -> tuple[str, str, str] | None:
    """Return the field that both words have, or the first alone, and the two words as they were typed."""
    field = fields.canonical(left.name)
    if left.kind != "field" or field not in fields.TEXT or not (left.text and right.text):
        return None
    if right.kind not in ("word", "quoted", "field"):
        return None
    if right.kind == "field" and fields.canonical(right.name) != field:
        return None
    first, second = (query[one.at - one.quoted : one.end] for one in (left, right))
    return left.name, first, second
