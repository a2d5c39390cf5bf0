"""What a query asks for and no message has: kinds of attachments and languages, which are the archive's own.

That nothing is found by them is no mistake, and no less worth a word.
"""

import sqlite3
from collections.abc import Iterator
from itertools import islice

from poparchive.index.columns import MARK
from poparchive.index.vocabulary import marked
from poparchive.query.spelling import closest, nearness
from poparchive.query.tree import And, FileType, Language, Node, Not, Or

_NAMED = 8

_FIELDS = {"type": "filetype:", "lang": "lang:"}


def absent(tree: Node, connection: sqlite3.Connection) -> list[str]:
    """Say which of a query's types and languages no message has, and which there are instead."""
    said = []
    for kind, name in dict.fromkeys(_asked(tree)):
        mark = f"{MARK}{kind}"
        if _has(connection, mark + name):
            continue
        # A word that no message has any more may stand in the index for a while.
        there = [one for one in marked(connection, kind) if _has(connection, mark + one)]
        there.sort(key=lambda one: (*nearness(name, one), one))
        field = _FIELDS[kind]
        text = f"no message has {field}{name}"
        if there:
            near = closest(name, there)
            some = ", ".join(islice(there, _NAMED))
            text += f"; there {'are' if len(there) > 1 else 'is'} {some}" + (
                " and others" if len(there) > _NAMED else ""
            )
            text += f". Nearest: {field}{near}" if near else ""
        said.append(text)
    return said


def _has(connection: sqlite3.Connection, flag: str) -> bool:
    """Whether a message has a flag."""
    find = "SELECT 1 FROM mail WHERE mail MATCH ? LIMIT 1"
    return connection.execute(find, (f'flags : "{flag}"',)).fetchone() is not None


def _asked(tree: Node) -> Iterator[tuple[str, str]]:
    if isinstance(tree, FileType):
        yield "type", tree.ending
    elif isinstance(tree, Language):
        yield "lang", tree.code
    elif isinstance(tree, Not):
        yield from _asked(tree.inner)
    elif isinstance(tree, And | Or):
        for inner in tree.all if isinstance(tree, And) else tree.any:
            yield from _asked(inner)
