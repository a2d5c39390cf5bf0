"""What in a valid query was surely meant otherwise. It is no mistake: pasted text has such words too."""

import re
from collections.abc import Iterator

from poparchive.errors import quoted
from poparchive.query import fields
from poparchive.query.tokens import Token, saved_name, straight, tokens

_OPERATORS = ("and", "or", "not")
_WITHIN = re.compile(r"\*(?=[^\W_])")
_BOOLEAN = ("AND", "OR", "NOT")
_OPENING = ("(", "{", "group")
_CLOSING = (")", "}")


def remarks(query: str) -> list[str]:
    """Say which words of a query were taken otherwise than they look. Raises ``QuerySyntaxError`` as
    ``tokens`` does."""
    return list(dict.fromkeys(_remarks(tokens(straight(query)))))


def _remarks(found: list[Token]) -> Iterator[str]:
    fielded: list[bool] = []
    """Of each parenthesis that is open, whether it is one of a field's that holds words."""
    for at, token in enumerate(found):
        if token.kind in _OPENING:
            holds = token.kind == "group" and fields.canonical(token.name) in fields.TEXT
            fielded.append(holds or fielded[-1:] == [True])
        elif token.kind in _CLOSING:
            del fielded[-1:]
        elif fielded[-1:] == [True] and saved_name(token):
            yield (
                f"{token.text} is looked for as a word; a saved search stands outside of a field's"
                " parentheses"
            )
        before = found[at - 1] if at else None
        after = found[at + 1] if at + 1 < len(found) else None
        if token.kind == "word" and token.text == "NEAR":
            if _is_word(before) and _is_word(after):
                yield "NEAR is looked for as a word; words near each other are NEAR(a b, 5)"
        elif token.quoted and (star := _star_behind(token, after)):
            name = f"{token.name}:" if token.name else ""
            taken = f'{name}"{token.text}"'
            yield (
                "a star behind quotes changes nothing:"
                f" {quoted(taken + star)} is looked for as {quoted(taken)}"
            )
        elif _has_star(token):
            taken = " ".join(token.text.replace("*", " ").split())
            taken += "*" * token.text.endswith("*")
            if " " in taken:
                taken = f'"{taken}"'
            yield (
                "a star stands for the rest of a word at its end alone, as in inv*:"
                f" {quoted(token.text)} is looked for as {quoted(taken)}"
            )
        elif _operates(token, before, after, bool(fielded)):
            yield (
                f"{token.text} is looked for as a word; the operator is {token.text.upper()}, in"
                " capitals"
            )


def _is_word(token: Token | None) -> bool:
    if token is None or token.kind not in ("word", "quoted", "field"):
        return False
    return token.kind != "word" or token.text not in _BOOLEAN


def _has_star(token: Token) -> bool:
    """Whether a star stands in front of a letter, where words are looked for. An address on the Web may have
    one."""
    if token.quoted or not (token.kind == "word" or fields.canonical(token.name) in fields.TEXT):
        return False
    return "://" not in token.text and _WITHIN.search(token.text) is not None


def _star_behind(token: Token, after: Token | None) -> str:
    """Return the stars that stand right behind a token."""
    if after is None or after.kind != "word" or after.start != token.end:
        return ""
    return after.text if not after.text.strip("*") else ""


def _operates(token: Token, before: Token | None, after: Token | None, enclosed: bool) -> bool:
    """Whether a word in small letters stands where only an operator makes sense: beside parentheses or a
    field, or between two words in parentheses."""
    word = token.text.lower()
    if token.kind != "word" or word not in _OPERATORS or token.text.isupper():
        return False
    if after is None or after.kind in _CLOSING:
        return False
    following = after.kind in ("field", *_OPENING)
    if word == "not":
        return following
    if before is None or before.kind in _OPENING:
        return False
    return enclosed or following or before.kind in ("field", *_CLOSING)
