"""Where in a TOML text each key stands, which ``tomllib`` does not tell.

The text must be valid: ``tomllib`` reads it first, and only then is this asked for places. So the
scanner has to find where things begin and end, and nothing else; values are stepped over. One pass,
linear in the text. TOML 1.0 sections: Keys, String, Array, Table, Inline Table, Array of Tables.
"""

import re
import tomllib
from bisect import bisect_right
from dataclasses import dataclass

Key = tuple[str, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
# The last two alternatives of each are for texts on one line. Three quotes may be preceded by up
# to two that belong to the text.
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:""|")?'
    r"|'''.*?'''(?:''|')?"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\r\n]+")


@dataclass(frozen=True, slots=True)
class Statement:
    """A table's header, or a key with its value. Offsets count characters of the text."""

    key: Key
    """The whole path, the table's included."""
    start: int
    end: int
    """Just behind its last character; a comment behind it on the line is not part of it."""
    header: bool
    inline: bool
    """Whether it stands within an inline table."""


def statements(text: str) -> list[Statement]:
    """Returns every header and key of a valid TOML text, in the order they stand."""
    scanner = _Scanner(text)
    scanner.document()
    return scanner.found


def key_lines(text: str) -> dict[Key, int]:
    """Returns the line, from 1, on which each key or table of a valid TOML text first stands.

    A table that only its keys or sub-tables imply has the line of the first of them.
    """
    breaks = [match.start() for match in re.finditer("\n", text)]
    lines: dict[Key, int] = {}
    for statement in statements(text):
        line = bisect_right(breaks, statement.start - 1) + 1 if statement.start else 1
        for depth in range(1, len(statement.key) + 1):
            lines.setdefault(statement.key[:depth], line)
    return lines


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: list[Statement] = []

    def document(self) -> None:
        table: Key = ()
        self._step(_BLANK)
        while self.at < len(self.text):
            start = self.at
            if self.text[start] == "[":
                brackets = 2 if self.text.startswith("[[", start) else 1
                self.at += brackets
                table = self._key()
                self.at += brackets
                self.found.append(Statement(table, start, self.at, header=True, inline=False))
            else:
                self._pair(table, inline=False)
            self._step(_BLANK)

    def _pair(self, table: Key, *, inline: bool) -> None:
        start, index = self.at, len(self.found)
        key = table + self._key()
        self.at += 1  # the equals sign
        self._step(_SPACE)
        self._value(key)
        # Before the keys within its value, so that the list is in the order of the text.
        self.found.insert(index, Statement(key, start, self.at, header=False, inline=inline))

    def _key(self) -> Key:
        """A bare, quoted or dotted key, with the blanks around it."""
        parts: list[str] = []
        while True:
            self._step(_SPACE)
            if self.text[self.at] in "\"'":
                parts.append(tomllib.loads(f"k = {self._step(_STRING)}")["k"])
            else:
                parts.append(self._step(_BARE))
            self._step(_SPACE)
            if self.text[self.at] != ".":
                return tuple(parts)
            self.at += 1

    def _value(self, key: Key) -> None:
        first = self.text[self.at]
        if first in "\"'":
            self._step(_STRING)
        elif first == "[":
            self._items("]", key)
        elif first == "{":
            self._items("}", key)
        else:
            end = len(self._step(_SCALAR).rstrip(" \t"))
            self.at = self.last + end

    def _items(self, close: str, key: Key) -> None:
        """The inside of an array or an inline table."""
        self.at += 1
        while True:
            self._step(_BLANK)
            if self.text[self.at] == close:
                self.at += 1
                return
            if self.text[self.at] == ",":
                self.at += 1
            elif close == "}":
                self._pair(key, inline=True)
            else:
                self._value(key)

    def _step(self, pattern: re.Pattern[str]) -> str:
        """Steps over what the pattern matches here and returns it."""
        match = pattern.match(self.text, self.at)
        if match is None:
            raise ValueError(f"not the TOML that was read: at character {self.at}")
        self.last, self.at = self.at, match.end()
        return match[0]
