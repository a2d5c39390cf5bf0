"""Cuts a query into tokens, in time linear in its length."""

import re
from typing import NamedTuple

from poparchive.query import fields
from poparchive.query.errors import QuerySyntaxError, Repair


class Token(NamedTuple):
    """``kind`` is one of ``( ) - word quoted field group near``.

    Of ``field`` and ``group`` (a field before a parenthesis) ``name`` is the field as it was typed, ``text``
    the value; of ``near`` ``text`` is what the parentheses hold. ``at`` is where the text begins.
    """

    kind: str
    start: int
    end: int
    text: str = ""
    name: str = ""
    at: int = 0
    quoted: bool = False


_TOKEN = re.compile(
    r"""(?:
        (?P<open>\()
      | (?P<close>\))
      | (?P<minus>-)(?=[^\s\-)])
      | (?P<near>NEAR\((?P<inner>(?:[^"()]|"[^"]*")*)(?P<nend>\)?))
      | (?P<field>[A-Za-z][A-Za-z0-9_]*):(?!//)
        (?:"(?P<fquoted>[^"]*)(?P<fend>"?)|(?P<fgroup>\()|(?P<fbare>[^\s"()]*))
      | "(?P<quoted>[^"]*)(?P<end>"?)
      | (?P<word>[^\s"()]+)
    )\s*""",
    re.VERBOSE,
)

_PLAIN = re.compile(r"[A-Za-z]+")


def tokens(query: str) -> list[Token]:
    """Return a query's tokens. Raises ``QuerySyntaxError`` where a quote or ``NEAR(`` is not closed."""
    found = []
    at = len(query) - len(query.lstrip())
    while at < len(query):
        match = _TOKEN.match(query, at)
        # Every character but a blank begins a token, and blanks are behind one.
        assert match is not None
        found.append(_token(query, match))
        at = match.end()
    return found


def _token(query: str, match: re.Match[str]) -> Token:
    start = match.start()
    if match["open"] or match["close"] or match["minus"]:
        return Token(query[start], start, start + 1)
    if match["near"]:
        return _near(query, match)
    name = match["field"]
    if name and _is_name(name):
        if match["fgroup"]:
            return Token("group", start, match.end("fgroup"), "", name)
        quoted = match["fquoted"] is not None
        if quoted:
            _closed(query, match["fend"])
        group = "fquoted" if quoted else "fbare"
        end = match.end("fend") if quoted else match.end("fbare")
        return Token("field", start, end, match[group], name, match.start(group), quoted)
    if match["quoted"] is not None:
        _closed(query, match["end"])
        text = match["quoted"]
        return Token("quoted", start, match.end("end"), text, "", match.start("quoted"), True)
    if name:
        return _not_a_field(query, start)
    return Token("word", start, match.end("word"), match["word"], "", start)


_WORD = re.compile(r'[^\s"()]+')


def _not_a_field(query: str, start: int) -> Token:
    """What merely has a colon is a word up to the next blank, quote or parenthesis."""
    match = _WORD.match(query, start)
    assert match is not None
    return Token("word", start, match.end(), match[0], "", start)


def _is_name(name: str) -> bool:
    """Letters before a colon are a field, be it a wrong one; with digits or ``_`` only a known one is."""
    lower = name.lower()
    if _PLAIN.fullmatch(name) or lower in fields.ALL or lower in fields.SAME:
        return True
    if "_" not in name:
        return False
    from poparchive.query.spelling import closest

    return closest(lower, fields.ALL) is not None


def _closed(query: str, end: str) -> None:
    if not end:
        at = len(query)
        repair = Repair(at, at, '"')
        raise QuerySyntaxError(query, at, 'a closing " is missing', repair=repair)


def _near(query: str, match: re.Match[str]) -> Token:
    end = match.end("inner")
    if not match["nend"]:
        inside = query[end : end + 1]
        if inside == "(":
            what = "NEAR takes words and phrases, not parentheses"
            raise QuerySyntaxError(query, end, what, repair=Repair(end, end + 1, " "))
        mark = ")" if not inside else '"'
        repair = Repair(len(query), len(query), mark)
        raise QuerySyntaxError(query, len(query), f"a closing {mark} is missing", repair=repair)
    return Token("near", match.start(), match.end("nend"), match["inner"], "", match.start("inner"))
