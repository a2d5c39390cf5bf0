"""The normal form of a query's tree: NOT at the leaves, and FTS5's parts in one piece.

``plan`` makes it, and asks which conjunctions it is the union of.
"""

from collections.abc import Iterable

from poparchive.index.matching import Match, all_of, any_of
from poparchive.query.frozen import Frozen
from poparchive.query.tree import Dated, HasMessageId, Identified, InThread, Node, Sized

MAX_ARMS = 8
"""A query becomes a union of at most so many streams; what would need more is decided row by row."""


class Row(Frozen):
    """A condition that is not FTS5's."""

    node: Node
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
    matches = [one for one in found if isinstance(one, Match)]
    if matches:
        found = [any_of(matches), *(one for one in found if not isinstance(one, Match))]
    return found[0] if len(found) == 1 else Any(tuple(found))


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
