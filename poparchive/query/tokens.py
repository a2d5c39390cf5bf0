"""Cuts a query into tokens, in time linear in its length."""

import functools
import re
from typing import NamedTuple

from poparchive.query import fields
from poparchive.query.errors import QuerySyntaxError, Repair


class Token(NamedTuple):
    """``kind`` is one of ``( ) { } - word quoted field group near``.

    Of ``field`` and ``group`` (a field before a parenthesis or a brace) ``name`` is the field as it was
    typed, ``text`` the value, or that parenthesis; of ``near`` ``text`` is what the parentheses hold. ``at``
    is where the text begins.
    """

    kind: str
    start: int
    end: int
    text: str = ""
    name: str = ""
    at: int = 0
    quoted: bool = False


_TYPOGRAPHIC = str.maketrans("“”„‟＂（）＊", '"""""()*')
"""Quotes that come with pasted text, and what Asian keyboards have for quotes, parentheses and the star."""

_DASHES = "‐‑‒–—―−﹘﹣－"
"""What word processors, phones and Asian keyboards make of ``-``. Unlike that they are common in running
text: what they join is not negated."""


def is_negated(token: Token, after: Token | None) -> bool:
    """Whether a field's value begins with what negates a word, which it does not behind the colon."""
    text = token.text
    if token.kind != "field" or token.quoted or text[0] not in f"-{_DASHES}":
        return False
    if len(text) > 1:
        return text[1] not in f"-{_DASHES}"
    return after is not None and after.start == token.end and after.kind in ("quoted", "(", "{")


def is_dash(query: str, token: Token) -> bool:
    """Whether a token is dashes alone, or one of another kind than ``-`` in front of a word."""
    if token.kind == "word":
        return not token.text.strip(f"-{_DASHES}")
    return token.kind == "-" and query[token.start] != "-"


def straight(query: str) -> str:
    """Return a query of the same length with quotes, parentheses and stars as the language has them."""
    return query if query.isascii() else _pairs().sub(_quotes, query.translate(_TYPOGRAPHIC))


@functools.cache
def _pairs() -> re.Pattern[str]:
    """Quotes of other languages, outside of quotes. They are some in pairs alone: one by itself is a sign, as
    in ``Home » Products``."""
    return re.compile('"[^"]*"|«[^«»"]*»|»[^«»"]*«|「[^「」"]*」|『[^『』"]*』')


def _quotes(match: re.Match[str]) -> str:
    return f'"{match[0][1:-1]}"'


def _pattern(brace: str) -> re.Pattern[str]:
    """``brace`` is what ends braces, empty outside of them: there it is a sign like any other."""
    return re.compile(
        rf"""(?:
            (?P<open>[({{])
          | (?P<close>[){brace}])
          | (?P<minus>-(?=[^\s\-){brace}])|(?<![^\s({{])[{_DASHES}](?=[^\s\-{_DASHES}){brace}]))
          | (?P<sign>(?<=[")}}])[{_DASHES}]+)
          | (?P<near>NEAR\((?P<inner>(?:[^"()]|"[^"]*")*)(?P<nend>\)?))
          | (?P<field>[A-Za-z][A-Za-z0-9_\-]*)(?P<colon>[:：])(?!//)
            (?:"(?P<fquoted>[^"]*)(?P<fend>"?)|(?P<fgroup>[({{])|(?P<fbare>[^\s"(){brace}]*))
          | "(?P<quoted>[^"]*)(?P<end>"?)
          | (?P<word>[^\s"(){brace}]+)
        )""",
        re.VERBOSE,
    )


_TOKEN = _pattern("")
_BLANKS = re.compile(r"\s*")


@functools.cache
def _within_braces() -> re.Pattern[str]:
    """Most queries have none."""
    return _pattern("}")


_PLAIN = re.compile(r"[A-Za-z]+")


def tokens(query: str) -> list[Token]:
    """Return a query's tokens. Raises ``QuerySyntaxError`` where a quote or ``NEAR(`` is not closed."""
    found: list[Token] = []
    at = _blanks(query, 0)
    braces = 0
    while at < len(query):
        match = (_within_braces() if braces else _TOKEN).match(query, at)
        # Every character but a blank begins a token.
        assert match is not None
        token = _token(query, match, braces > 0)
        if token.kind == "{" or (token.kind == "group" and token.text == "{"):
            braces += 1
        elif token.kind == "}":
            braces -= 1
        found.append(token)
        at = _blanks(query, token.end)
    return found


_SAVED_NAME = re.compile(r"@([A-Za-z0-9_-]+)")


def saved_name(token: Token) -> str | None:
    """Return the name of the saved search that a token stands for."""
    found = _SAVED_NAME.fullmatch(token.text) if token.kind == "word" else None
    return found[1] if found else None


def _blanks(query: str, at: int) -> int:
    match = _BLANKS.match(query, at)
    return match.end() if match else at


def _token(query: str, match: re.Match[str], braces: bool) -> Token:
    start = match.start()
    if match["minus"]:
        return Token("-", start, start + 1)
    if match["sign"]:
        return Token("word", start, match.end(), match["sign"], "", start)
    if match["open"] or match["close"]:
        return Token(query[start], start, start + 1)
    if match["near"]:
        return _near(query, match)
    name = match["field"]
    if name and _is_name(name, match["colon"]):
        if match["fgroup"]:
            return Token("group", start, match.end("fgroup"), match["fgroup"], name)
        quoted = match["fquoted"] is not None
        if quoted:
            _closed(query, match["fquoted"], match["fend"])
        group = "fquoted" if quoted else "fbare"
        end = match.end("fend") if quoted else match.end("fbare")
        return Token("field", start, end, match[group], name, match.start(group), quoted)
    if match["quoted"] is not None:
        _closed(query, match["quoted"], match["end"])
        text = match["quoted"]
        return Token("quoted", start, match.end("end"), text, "", match.start("quoted"), True)
    if name:
        return _not_a_field(query, start, braces)
    return Token("word", start, match.end("word"), match["word"], "", start)


_WORD = re.compile(r'[^\s"()]+')
_WORD_IN_BRACES = re.compile(r'[^\s"()}]+')


def _not_a_field(query: str, start: int, braces: bool) -> Token:
    """What merely has a colon is a word up to the next blank, quote or parenthesis."""
    match = (_WORD_IN_BRACES if braces else _WORD).match(query, start)
    assert match is not None
    return Token("word", start, match.end(), match[0], "", start)


def _is_name(name: str, colon: str) -> bool:
    """Letters before a colon are a field, be it a wrong one; with digits, ``_`` or ``-`` only a known one is,
    and before a colon of full width, which Asian text is full of."""
    known = fields.canonical(name)
    if known in fields.ALL:
        return True
    if colon != ":":
        return False
    if _PLAIN.fullmatch(name):
        return True
    if "_" not in known:
        return False
    from poparchive.query.spelling import closest

    # Names of a header's fields, as X-Label, are near to some of one word.
    among = fields.ALL if "_" in name else [one for one in fields.ALL if "_" in one]
    return closest(known, among) is not None


def _closed(query: str, text: str, end: str) -> None:
    if not end:
        at = len(query)
        # One that nothing stands behind is not missing its other end, but too many.
        repair = Repair(at, at, '"') if text.strip() else Repair(at - len(text) - 1, at, "")
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
