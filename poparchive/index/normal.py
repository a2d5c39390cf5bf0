"""The normal form of a query's tree: NOT at the leaves, FTS5's parts in one piece, ranges and accounts too.

``plan`` makes it, and asks which conjunctions it is the union of.
"""

from collections.abc import Callable, Iterable, Iterator

from poparchive.index.matching import Match, all_of, any_of
from poparchive.query.frozen import Frozen
from poparchive.query.tree import (
    Dated,
    HasMessageId,
    Identified,
    InAccount,
    InThread,
    Node,
    Sized,
)

MAX_ARMS = 8
"""A query becomes a union of at most so many streams; what would need more is decided row by row."""


class Accounts(Frozen):
    """Came from one of these accounts."""

    names: tuple[str, ...]


class Row(Frozen):
    """A condition that is not FTS5's. A range of sizes may have both limits here."""

    node: Node | Accounts
    wanted: bool = True


class All(Frozen):
    """All of these; of nothing: every message."""

    parts: "tuple[Normal, ...]" = ()


class Any(Frozen):
    """At least one of these; of nothing: no message."""

    parts: "tuple[Normal, ...]" = ()


Normal = Match | Row | All | Any
Leaf = Match | Row | Any


def row(node: Node, wanted: bool) -> Normal:
    """A negated range is a range, or two."""
    if isinstance(node, InAccount):
        return Row(Accounts((node.name,)), wanted)
    if wanted:
        return Row(node)
    if isinstance(node, Sized):
        if node.above is not None:
            return Row(Sized(None, node.above + 1))
        assert node.below is not None
        return Row(Sized(node.below - 1, None))
    if isinstance(node, Dated):
        before = Row(Dated(None, node.start)) if node.start is not None else None
        after = Row(Dated(node.end, None)) if node.end is not None else None
        return some(one for one in (after, before) if one is not None)
    return Row(node, wanted=False)


def every(parts: Iterable[Normal]) -> Normal:
    found: list[Normal] = []
    for part in parts:
        found += part.parts if isinstance(part, All) else (part,)
    found = list(_in_common(found))
    if Any() in found:
        return Any()
    matches = [one for one in found if isinstance(one, Match)]
    if matches:
        found = [all_of(matches), *(one for one in found if not isinstance(one, Match))]
    return found[0] if len(found) == 1 else All(tuple(found))


def some(parts: Iterable[Normal]) -> Normal:
    found: list[Normal] = []
    for part in parts:
        found += part.parts if isinstance(part, Any) else (part,)
    if All() in found:
        return All()
    found = list(_any_account(found))
    matches = [one for one in found if isinstance(one, Match)]
    if matches:
        found = [any_of(matches), *(one for one in found if not isinstance(one, Match))]
    return found[0] if len(found) == 1 else Any(tuple(found))


def _in_common(parts: Iterable[Normal]) -> Iterator[Normal]:
    """Put ranges of sizes together, and ranges of dates; one that nothing can be in is ``Any()``."""
    ranges: dict[type[Sized | Dated], Sized | Dated] = {}
    for part in parts:
        if isinstance(part, Row) and part.wanted and isinstance(part.node, Sized | Dated):
            node, before = part.node, ranges.get(type(part.node))
            ranges[type(node)] = _both(before, node) if before else node
        else:
            yield part
    for node in ranges.values():
        yield Any() if _is_empty(node) else Row(node)


def _both(one: Sized | Dated, other: Sized | Dated) -> Sized | Dated:
    if isinstance(one, Sized) and isinstance(other, Sized):
        return Sized(_limit(max, one.above, other.above), _limit(min, one.below, other.below))
    assert isinstance(one, Dated)
    assert isinstance(other, Dated)
    return Dated(_limit(max, one.start, other.start), _limit(min, one.end, other.end))


def _limit(tighter: Callable[[int, int], int], one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return tighter(one, other)


def _is_empty(node: Sized | Dated) -> bool:
    if isinstance(node, Sized):
        return node.above is not None and node.below is not None and node.below - node.above < 2
    return node.start is not None and node.end is not None and node.end <= node.start


def _any_account(parts: Iterable[Normal]) -> Iterator[Normal]:
    """Put accounts together."""
    names: dict[str, None] = {}
    for part in parts:
        if isinstance(part, Row) and part.wanted and isinstance(part.node, Accounts):
            names.update(dict.fromkeys(part.node.names))
        else:
            yield part
    if names:
        yield Row(Accounts(tuple(names)))


def arms_of(tree: Normal) -> "list[list[Leaf]] | None":
    """Return conjunctions whose union is the tree, or None if they are too many."""
    if isinstance(tree, All):
        arms: list[list[Leaf]] = [[]]
        for part in tree.parts:
            inner = arms_of(part)
            if inner is None or len(arms) * len(inner) > MAX_ARMS:
                return None
            arms = [[*one, *other] for one in arms for other in inner]
        return arms
    if isinstance(tree, Any) and (drives(tree) or not tree.parts):
        union: list[list[Leaf]] = []
        for part in tree.parts:
            inner = arms_of(part)
            if inner is None or len(union) + len(inner) > MAX_ARMS:
                return None
            union += inner
        return union
    return [[tree]]


def drives(tree: Normal) -> bool:
    """Whether rows of the tree can be found otherwise than by looking at all."""
    if isinstance(tree, All | Any):
        return any(map(drives, tree.parts))
    if isinstance(tree, Match):
        return True
    return tree.wanted and isinstance(tree.node, Identified | HasMessageId | InThread | Dated)
