"""Row ids for messages: each gets its date's, or the next that is free.

What is given follows from the table and the order of messages alone, so that a rebuild gives the same.
"""

from bisect import bisect_right

from sqlalchemy import BindParameter, Connection, bindparam, exists, select

from poparchive.index import schema
from poparchive.index.engine import rows_where

_MANY_RUNS = 50_000
_NO_LIMIT = 1 << 62

_ID = schema.messages.c.id
_IDS = select(_ID)
_KEY: BindParameter[int] = bindparam("key")
_LIMIT: BindParameter[int] = bindparam("limit")
_LATER = schema.messages.alias()
_IS_TAKEN = _IDS.where(_ID == _KEY)
_AFTER_RUN = (
    select(_ID + 1)
    .where(_ID >= _KEY, _ID < _LIMIT, ~exists().where(_LATER.c.id == _ID + 1))
    .order_by(_ID)
    .limit(1)
)


class FreeIds:
    """Gives out ids, and remembers from one batch to the next which runs of them are taken.

    Many messages may want the same id: those without a date, or newsletters to fifty accounts. No run
    is walked twice.
    """

    def __init__(self) -> None:
        self._taken = _Runs()

    def take(self, connection: Connection, wanted: list[int]) -> list[int]:
        """Return an id for each that is wanted. The caller inserts them in the same transaction."""
        if len(self._taken) > _MANY_RUNS:
            self._taken = _Runs()
        taken = self._taken
        # One question for all that will be given unless the table has them, instead of one for each.
        likely = _Runs()
        asked = []
        for key in wanted:
            while (end := likely.end(taken.end(key))) != key:
                key = end
            likely.add(key, key + 1)
            asked.append(key)
        free = set(asked).difference(row[0] for row in rows_where(connection, _IDS, _ID, asked))
        found = []
        for key in wanted:
            key = taken.end(key)
            while key not in free:
                key = taken.end(self._ask(connection, key, free))
            free.discard(key)
            taken.add(key, key + 1)
            found.append(key)
        return found

    def _ask(self, connection: Connection, key: int, free: set[int]) -> int:
        """Return ``key`` if the table does not have it, else the end of the run that it is in."""
        given = {"key": key, "limit": self._taken.following(key)}
        if connection.scalar(_IS_TAKEN, given) is None:
            free.add(key)
            return key
        end = connection.scalar(_AFTER_RUN, given) or given["limit"]
        self._taken.add(key, end)
        return end


class _Runs:
    """Ranges of ids that are known to be taken: apart from each other, ascending."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __len__(self) -> int:
        return len(self._starts)

    def end(self, key: int) -> int:
        """Return the end of the range that ``key`` is in; ``key`` itself if it is in none."""
        at = bisect_right(self._starts, key) - 1
        return max(key, self._ends[at]) if at >= 0 else key

    def following(self, key: int) -> int:
        """Return where the first range behind ``key`` begins."""
        at = bisect_right(self._starts, key)
        return self._starts[at] if at < len(self._starts) else _NO_LIMIT

    def add(self, start: int, end: int) -> None:
        """Note a range, and join it with those that it touches."""
        first = bisect_right(self._starts, start)
        if first and self._ends[first - 1] >= start:
            first -= 1
            start = self._starts[first]
        last = bisect_right(self._starts, end)
        if last > first:
            end = max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]
