"""Puts the messages of a conversation in a tree, as https://www.jwz.org/doc/threading.html has it. Pure.

Promise: any set of messages becomes a forest in which each of them stands once, whatever they name: loops,
themselves, messages that are not there, ids that several have. It depends on the set alone, not on the
order in which messages are given. Nothing recurses: a thread may be as deep as it is long.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from poparchive.index.subjects import base


class Message(NamedTuple):
    """What decides where a message stands. ``key`` is any number that is its own; later messages
    have greater ``(date, key)``. ``id`` and ``references`` are Message-IDs, oldest first."""

    key: int
    date: int
    id: str
    references: Sequence[str]
    subject: str


@dataclass(eq=False, slots=True)
class Node:
    """A message, or the place of one that is named and is not there (``message`` is None)."""

    id: str
    message: Message | None = None
    parent: "Node | None" = None
    children: "list[Node]" = field(default_factory=list)


def tree(messages: Iterable[Message]) -> list[Node]:
    """Return the roots, sorted by date as all children are."""
    given = sorted(messages, key=lambda one: (one.date, one.key))
    nodes, mine = _containers(given)
    for message, node in zip(given, mine, strict=True):
        _link(message, node, nodes)
    roots = [node for node in _all(nodes, mine) if node.parent is None]
    roots = _pruned(roots)
    roots = _by_subject(roots)
    _sort(roots)
    return roots


def walk(roots: Sequence[Node]) -> Iterator[tuple[int, Node]]:
    """Yield (depth, node), each before its children."""
    ahead = [(0, root) for root in reversed(roots)]
    while ahead:
        depth, node = ahead.pop()
        yield depth, node
        ahead += ((depth + 1, child) for child in reversed(node.children))


def _containers(given: Sequence[Message]) -> tuple[dict[str, Node], list[Node]]:
    """Give each message a node: the first with an id is found by it, its copies are its answers' siblings."""
    nodes: dict[str, Node] = {}
    mine = []
    for message in given:
        if message.id and message.id not in nodes:
            nodes[message.id] = Node(message.id, message)
            mine.append(nodes[message.id])
        else:
            mine.append(Node(message.id, message))
    return nodes, mine


def _link(message: Message, node: Node, nodes: dict[str, Node]) -> None:
    """JWZ's step 1: the chain of references, as far as nothing contradicts it, and the message at its end."""
    before: Node | None = None
    for one in message.references:
        there = nodes.get(one)
        if there is None:
            there = nodes[one] = Node(one)
        # What a message says of its own parent, below, counts more than what others say of it.
        if before and there.parent is None and not _above(there, before):
            _move(there, before)
        before = there
    if before and before is not node and not _above(node, before):
        _move(node, before)


def _above(node: Node, other: Node) -> bool:
    """Whether ``node`` is ``other`` or one of those over it."""
    up: Node | None = other
    while up:
        if up is node:
            return True
        up = up.parent
    return False


def _move(node: Node, parent: Node) -> None:
    if node.parent:
        node.parent.children.remove(node)
    node.parent = parent
    parent.children.append(node)


def _all(nodes: dict[str, Node], mine: Sequence[Node]) -> Iterator[Node]:
    yield from mine
    yield from (node for node in nodes.values() if node.message is None)


def _pruned(roots: Sequence[Node]) -> list[Node]:
    """Drop places of missing messages without answers, and of several in a row all but the last."""
    order = [node for _, node in walk(roots)]
    for node in reversed(order):
        kept = []
        for child in node.children:
            if child.message is None and not child.children:
                continue
            if child.message is None and (node.message is None and len(node.children) == 1):
                kept += child.children
                node.id = child.id
                continue
            kept.append(child)
        for child in kept:
            child.parent = node
        node.children = kept
    return [root for root in roots if root.message or root.children]


def _by_subject(roots: list[Node]) -> list[Node]:
    """Put replies that name nothing under the latest message before them with the same base subject."""
    orphans = []
    latest: dict[str, list[Message]] = {}
    where: dict[int, Node] = {}
    for _, node in walk(roots):
        message = node.message
        if message is None:
            continue
        said = base(message.subject)
        if said.text:
            latest.setdefault(said.text, []).append(message)
            where[message.key] = node
            if said.reply and not message.references and node.parent is None:
                orphans.append((message, said.text))
    moved = set()
    for several in latest.values():
        several.sort(key=lambda one: (one.date, one.key))
    for message, text in orphans:
        several = latest[text]
        at = several.index(message)
        if at:
            # It is later than its parent, and so are all under it whose subject moved them: no loop.
            node, parent = where[message.key], where[several[at - 1].key]
            if not _above(node, parent):
                _move(node, parent)
                moved.add(id(node))
    return [root for root in roots if id(root) not in moved]


def _sort(roots: list[Node]) -> None:
    """Sort all children by date. A missing message stands where the first of its answers does."""
    when: dict[int, tuple[int, int]] = {}

    def key(node: Node) -> tuple[int, int]:
        return when[id(node)]

    for node in reversed([node for _, node in walk(roots)]):
        node.children.sort(key=key)
        message = node.message
        when[id(node)] = (message.date, message.key) if message else key(node.children[0])
    roots.sort(key=key)
