"""Puts an account into the text of a configuration, or takes one out, and leaves the rest alone.

Both work on the text, so that comments, order and layout stay as the user wrote them, and both read
their result before they return it: it differs from the original in that account, or they fail.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from poparchive.config.errors import ConfigError
from poparchive.config.lines import Statement, statements
from poparchive.config.load import parse, show_key, toml_string
from poparchive.config.values import Config
from poparchive.errors import UsageError

Value = str | int | bool | Sequence["Value"] | Mapping[str, "Value"]


class Line(NamedTuple):
    """One line of an account's table: key and value, or only a comment."""

    key: str = ""
    value: Value = ""
    comment: str = ""

    def __str__(self) -> str:
        pair = f"{self.key} = {_toml(self.value)}" if self.key else ""
        return "  ".join(filter(None, (pair, f"# {self.comment}" if self.comment else "")))


def with_account(text: str, path: Path, name: str, lines: Sequence[Line]) -> str:
    """Returns the text with a table for the account at its end.

    Raises ``ConfigError`` where the text is no valid configuration, and ``UsageError`` where it
    would not be one with the account, or has an account of that name already.
    """
    before = parse(text, path)
    if any(account.name == name for account in before.accounts):
        raise UsageError(f"{path} has an account {name!r} already; edit it there")
    table = "\n".join([f"[{show_key(('accounts', name))}]", *map(str, lines)]) + "\n"
    if text:
        table = ("\n" if text.endswith("\n") else "\n\n") + table
    after = text + table
    try:
        _expect(parse(after, path), before, name, present=True)
    except ConfigError as error:
        # The lines are those of a text that nobody has seen.
        problems = (f"{problem.key}: {problem.message}" for problem in error.problems)
        raise UsageError("\n".join(["nothing was added:", *problems])) from error
    return after


def without_account(text: str, path: Path, name: str) -> str:
    """Returns the text without the tables and keys of the account.

    Comments above its table stay, they may be about more than it; those within it go. Raises
    ``UsageError`` where there is no such account, or where it stands in the text in a way that
    cannot be cut out.
    """
    before = parse(text, path)
    before.account(name)
    target = ("accounts", name)
    found = [statement for statement in statements(text) if not statement.inline]
    cuts = []
    for index, statement in enumerate(found):
        if statement.key[:2] != target:
            continue
        if statement.header:
            following = (later for later in found[index + 1 :] if later.header)
            cuts.append(_table_span(text, statement, next(following, None)))
        else:
            cuts.append((_line_start(text, statement.start), _line_end(text, statement.end)))
    after = text
    for start, end in _merged(cuts):
        after = after[:start] + after[end:]
    if any(end == len(text) for _, end in cuts):
        after = re.sub(r"\n(?:[ \t\r]*\n)+\Z", "\n", after)
    try:
        _expect(parse(after, path), before, name, present=False)
    except ConfigError as error:
        raise _by_hand(path, name) from error
    return after


def _expect(result: Config, before: Config, name: str, *, present: bool) -> None:
    """Proves that the result is the configuration before, but for the account."""
    others = tuple(account for account in result.accounts if account.name != name)
    wanted = tuple(account for account in before.accounts if account.name != name)
    there = any(account.name == name for account in result.accounts)
    if there is not present or replace(result, accounts=others) != replace(before, accounts=wanted):
        raise _by_hand(before.path, name)


def _by_hand(path: Path, name: str) -> UsageError:
    return UsageError(
        f"{path} is laid out in a way that this command cannot edit; change the account"
        f" {name!r} there by hand"
    )


def _table_span(text: str, header: Statement, following: Statement | None) -> tuple[int, int]:
    """From the table's header to the next header, without the comments just above that one."""
    start = _line_start(text, header.start)
    if following is None:
        return start, len(text)
    end = _line_start(text, following.start)
    while end > start:
        above = _line_start(text, end - 1)
        if above <= header.start or not text[above:end].lstrip(" \t").startswith("#"):
            break
        end = above
    return start, end


def _merged(cuts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Cuts that do not overlap, the last of the text first."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(cuts):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged[::-1]


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def _toml(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return toml_string(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    return "[" + ", ".join(map(_toml, value)) + "]"
