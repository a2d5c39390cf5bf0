"""A tree becomes a query again: parsed, it gives the same tree. Relative dates come out absolute."""

import re

from poparchive.query import dates
from poparchive.query.tree import (
    And,
    Dated,
    FileType,
    HasAttachment,
    HasMessageId,
    Identified,
    InAccount,
    InThread,
    Is,
    Language,
    Near,
    Node,
    Not,
    Or,
    Sized,
    Stem,
    Words,
)

_BARE = re.compile(r"[^\W_]+")
_KEYWORDS = ("AND", "OR", "NOT", "NEAR", "AROUND")


def query(node: Node) -> str:
    """Return a query that means the tree."""
    if isinstance(node, And):
        return " ".join(_inner(n, (And, Or)) for n in node.all)
    if isinstance(node, Or):
        return " OR ".join(_inner(n, (Or,)) for n in node.any)
    if isinstance(node, Not):
        inner = _inner(node.inner, (And, Or))
        return f"NOT {inner}" if inner.startswith(("-", "NOT ")) else f"-{inner}"
    return _atom(node)


def _inner(node: Node, enclosed: tuple[type, ...]) -> str:
    text = query(node)
    return f"({text})" if isinstance(node, enclosed) else text


def _atom(node: Node) -> str:
    if isinstance(node, Words):
        return _field(node.field) + _words(node)
    if isinstance(node, Stem):
        return f"{_field(node.field)}~{node.text}"
    if isinstance(node, Near):
        near = f"NEAR({' '.join(map(_words, node.words))}, {node.distance})"
        return f"{node.field}:({near})" if node.field else near
    if isinstance(node, Dated):
        return _dated(node)
    if isinstance(node, Sized):
        # Without its unit a word such as "b" behind it would be taken for that.
        return f"larger:{node.above}b" if node.above is not None else f"smaller:{node.below}b"
    if isinstance(node, InThread):
        of = node.of
        return (
            f"thread:{of.digits}" if isinstance(of, Identified) else f'thread:"<{of.message_id}>"'
        )
    if isinstance(node, HasMessageId):
        return f'msgid:"<{node.message_id}>"'
    if isinstance(node, HasAttachment):
        return "has:attachment"
    if isinstance(node, Is):
        return f"is:{node.state}"
    if isinstance(node, FileType):
        return f"filetype:{node.ending}"
    if isinstance(node, Language):
        return f"lang:{node.code}"
    if isinstance(node, Identified):
        return f"id:{node.digits}"
    assert isinstance(node, InAccount)
    return f'account:"{node.name}"'


def _field(name: str) -> str:
    return f"{name}:" if name else ""


def _words(node: Words) -> str:
    if node.prefix:
        return f"{node.text}*"
    if _BARE.fullmatch(node.text) and node.text not in _KEYWORDS:
        return node.text
    return f'"{node.text}"'


def _dated(node: Dated) -> str:
    if node.end is None:
        assert node.start is not None
        return f"after:{dates.instant(node.start)}"
    last = dates.instant(node.end - 1)
    if node.start is None:
        return f"before:{dates.instant(node.end)}" if node.end < dates.END else f"during:..{last}"
    return f"during:{dates.instant(node.start)}..{last}"
