"""Operators as other programs write them, and what they are here. Asked only for a query that has one."""

from collections.abc import Sequence

from poparchive.query.errors import Repair
from poparchive.query.near import DISTANCE, in_one_field
from poparchive.query.tokens import Token

_SIGNS = {"||": "OR", "&&": "AND"}


def operator(
    before: Token | None, token: Token, after: Token | None, query: str
) -> tuple[str, Repair] | None:
    """Return what is wrong with a word that is an operator elsewhere, and a repair; None if it is a word."""
    text = token.text
    joined = after is not None and after.start == token.end
    if text in _SIGNS and (before or after):
        word = _SIGNS[text]
        return f"this is written {word}", Repair(token.start, token.end, word)
    if text.lower() == "near" and after is not None and after.kind == "(":
        if joined:
            return "NEAR is an operator in capitals only", Repair(token.start, token.end, "NEAR")
        if text == "NEAR":
            what = "the parenthesis stands right behind NEAR, as in NEAR(a b, 5)"
            return what, Repair(token.end, after.start, "")
    if text == "!" and joined and after and after.kind in ("(", "{", "quoted"):
        return _NEGATED, Repair(token.start, token.end, "-")
    if text.startswith(("NEAR/", "ADJ/")):
        repair = _between(before, token, after, query)
        return ("this is written NEAR(a b, 5)", repair) if repair else None
    return None


_NEGATED = "what should not be there is written with -, and in quotes ! is a sign like any other"


def negated(query: str, token: Token) -> tuple[str, Repair]:
    """Return what is wrong with !word or field:!word, and a repair."""
    start = token.at - (len(token.name) + 1 if token.kind == "field" else 0)
    return _NEGATED, Repair(start, token.at + 1, "-" + query[start : token.at])


def negated_behind(query: str, before: Token | None, token: Token) -> tuple[str, Repair]:
    """Return what is wrong with field:-word, and a repair. Behind a minus there is one already."""
    what = f"what should not be there is written -{token.name}:, and in quotes - is a sign like any other"
    already = before is not None and (
        before.kind == "-" or (before.kind, before.text) == ("word", "NOT")
    )
    minus = "" if already else "-"
    return what, Repair(token.start, token.at + 1, minus + query[token.start : token.at])


_BEFORE = ("word", "quoted", "field", "near", ")", "}")
_BEHIND = ("word", "quoted", "field", "near", "group", "(", "{")


def around(found: Sequence[Token], begin: int, middle: int, query: str) -> Repair:
    """Repair what stands beside AROUND; ``begin`` and ``middle`` are the places of what is on either side. A
    field that only the first word has is that of both, else the operator is left out."""
    operator = next(n for n in range(middle - 1, begin, -1) if found[n].text == "AROUND")
    if operator == begin + 1 and middle < len(found):
        left, right = found[begin], found[middle]
        if words := in_one_field(query, left, right):
            field, first, second = words
            between = query[found[operator].start : found[middle - 1].end]
            return Repair(left.start, right.end, f"{field}:({first} {between} {second})")
    return Repair(found[operator].start, found[middle - 1].end, "")


def _between(before: Token | None, token: Token, after: Token | None, query: str) -> Repair | None:
    """Write NEAR for what notmuch and Xapian have between two words: a NEAR/5 b, a ADJ/5 b. It is
    left out between what are no words."""
    number = token.text.partition("/")[2] or str(DISTANCE)
    if before is None or after is None or not number.isdecimal():
        return None
    if before.kind not in _BEFORE or after.kind not in _BEHIND:
        return None
    if any(one.kind == "word" and one.text in ("AND", "OR", "NOT") for one in (before, after)):
        return None
    if found := in_one_field(query, before, after):
        field, first, second = found
        text = f"{field}:(NEAR({first} {second}, {number[:4]}))"
        return Repair(before.start, after.end, text)
    if not {before.kind, after.kind} <= {"word", "quoted"}:
        return Repair(token.start, token.end, "")
    words = query[before.start : token.start] + query[after.start : after.end]
    return Repair(before.start, after.end, f"NEAR({words}, {number[:4]})")
