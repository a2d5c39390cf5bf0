"""What was probably meant: the nearest of some names, and the nearest valid query."""

from collections.abc import Callable, Iterable

from poparchive.query.errors import QuerySyntaxError

_REPAIRS = 8
"""So many mistakes in one query are repaired for a suggestion."""

_LONGEST = 10_000
"""For a query of more characters there is no suggestion: nobody reads it, and each repair reads it again."""


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name with the fewest slips of the hand: one in a short name, two in a long one.

    The first of equals. A name of one or two letters is near to nothing.
    """
    if not 3 <= len(name) <= 30:
        return None
    best, least = None, 2 if len(name) <= 5 else 3
    for one in known:
        if abs(len(one) - len(name)) < least:
            slips = _distance(name, one)
            if slips < least:
                best, least = one, slips
    return best


def nearness(name: str, known: str) -> tuple[int, int]:
    """Return a key that sorts known names, the nearest first: 0 in front if one holds the other."""
    a, b = name.casefold()[:100], known.casefold()[:100]
    return int(not (a in b or b in a)), _distance(a, b)


def _distance(a: str, b: str) -> int:
    """Letters that are missing, too many or others, and neighbours that changed places (Damerau)."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        last, before, row = before, row, [i + 1]
        for j, y in enumerate(b):
            cost = min(before[j + 1] + 1, row[j] + 1, before[j] + (x != y))
            if i and j and x == b[j - 1] and a[i - 1] == y:
                cost = min(cost, last[j - 1] + 1)
            row.append(cost)
    return row[-1]


def nearest(error: QuerySyntaxError, check: Callable[[str], object]) -> str | None:
    """Return the query with its mistakes repaired, or None if a mistake suggests no repair or
    the query is very long. It is empty, for every message, only where nothing was typed but signs.

    ``check`` raises ``QuerySyntaxError`` for the next mistake.
    """
    if len(error.query) > _LONGEST:
        return None
    seen = {error.query}
    signs = not any(map(str.isalnum, error.query))
    for _ in range(_REPAIRS):
        if error.repair is None:
            return None
        start, end, text = error.repair
        before, behind = error.query[:start], error.query[end:]
        if not text and before[-1:].isspace():
            behind = behind.lstrip()
        query = (before + text + behind).strip()
        if not query:
            return "" if signs else None
        if query in seen:
            return None
        seen.add(query)
        try:
            check(query)
        except QuerySyntaxError as another:
            if another.query != query:
                return None
            error = another
        else:
            return query
    return None
