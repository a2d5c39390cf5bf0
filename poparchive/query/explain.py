"""A tree in plain words, an indented line for each part of it."""

from collections.abc import Iterator

from poparchive.query import dates, fields
from poparchive.query.tree import (
    EVERYTHING,
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


def explain(tree: Node) -> str:
    """Return what is looked for, in plain words."""
    return "\n".join(_lines(tree, ""))


def _lines(node: Node, indent: str) -> Iterator[str]:
    if node == EVERYTHING:
        yield indent + "every message"
    elif isinstance(node, And | Or):
        inner = node.all if isinstance(node, And) else node.any
        yield indent + ("all of:" if isinstance(node, And) else "at least one of:")
        for one in inner:
            yield from _lines(one, indent + "  ")
    elif isinstance(node, Not):
        yield indent + "none of:"
        yield from _lines(node.inner, indent + "  ")
    else:
        yield indent + atom(node)


def atom(node: Node) -> str:
    """Return one condition in plain words."""
    if isinstance(node, Words):
        return f"{_words(node)} in {_place(node.field)}"
    if isinstance(node, Stem):
        return f'any form of the word "{node.text}" in {_place(node.field)}'
    if isinstance(node, Near):
        listed = ", ".join(_words(one) for one in node.words)
        return f"near each other, at most {node.distance} words between: {listed}; in {_place(node.field)}"
    if isinstance(node, Dated):
        return _dated(node)
    if isinstance(node, Sized):
        if node.above is not None:
            return f"larger than {node.above:,} octets"
        return f"smaller than {node.below:,} octets"
    if isinstance(node, InAccount):
        return f'that came from the account "{node.name}"'
    if isinstance(node, InThread):
        return f"in the conversation of the message {_identity(node.of)}"
    if isinstance(node, Identified | HasMessageId):
        return f"the message {_identity(node)}"
    if isinstance(node, HasAttachment):
        return "with an attachment"
    if isinstance(node, FileType):
        return f'with an attachment of the type "{node.ending}"'
    if isinstance(node, Language):
        return f'in the language "{node.code}"'
    assert isinstance(node, Is)
    return fields.STATES[node.state]


def _place(field: str) -> str:
    return fields.TEXT[field] if field else "any field"


def _words(node: Words) -> str:
    if node.prefix:
        return f'what begins with "{node.text}"'
    return f'"{node.text}"'


def _identity(node: Identified | HasMessageId) -> str:
    if isinstance(node, Identified):
        return f"whose id begins with {node.digits}"
    return f"with the Message-ID <{node.message_id}>"


def _dated(node: Dated) -> str:
    if node.end is None:
        assert node.start is not None
        return f"dated {dates.short(node.start)} or later (UTC)"
    end = dates.short(node.end) if node.end < dates.END else "10000"
    if node.start is None:
        return f"dated before {end} (UTC)"
    return f"dated from {dates.short(node.start)} up to, not including, {end} (UTC)"
