"""What ``optimize`` asks the catalog: which objects stand in certain packs, and in which order to put them.

Reads only, in short statements: a reader that stays in one keeps the write-ahead log from being emptied.
"""

# ruff: noqa: S608 - what stands in the statements are numbers and names of tables, none from outside.

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from poparchive.index import bulk
from poparchive.index.lookup import open_read_only
from poparchive.model import Location


class Standing(NamedTuple):
    """A message or a blob: row id, id, and where it stands."""

    key: int
    id: bytes
    place: Location


_COLUMNS = 'id, sha256, pack, frame, "offset", length'


class Ordering:
    """One connection; belongs to one thread."""

    def __init__(self, path: Path) -> None:
        self._connection = open_read_only(path)

    def close(self) -> None:
        self._connection.close()

    def packs(self) -> list[tuple[int, int, int]]:
        """Return (number, committed length, how it is sealed) of every pack, ascending."""
        return self._connection.execute(
            "SELECT id, length, sealed FROM packs ORDER BY id"
        ).fetchall()

    def messages(self, packs: Sequence[int]) -> "array[int]":
        """Return the row ids of all messages in these packs, in the order in which they compress best.

        That is the order in which they came, but copies of one message, which went to many accounts with
        other header fields in front, stand together where the first of them came.
        """
        chosen = _list(packs)
        rows = self._connection.execute(
            "WITH came AS (SELECT id, message_id_hash AS copies,"
            ' row_number() OVER (ORDER BY entry, pack, frame, "offset") AS n'
            f" FROM messages WHERE pack IN {chosen})"
            " SELECT id FROM came"
            " ORDER BY min(n) OVER (PARTITION BY copies, CASE copies WHEN 0 THEN id END), n"
        )
        return array("q", (row[0] for row in rows))

    def blobs(self, packs: Sequence[int]) -> "array[int]":
        """Return the row ids of all blobs in these packs, in the order of their numbers."""
        query = f"SELECT id FROM blobs WHERE pack IN {_list(packs)} ORDER BY id"
        return array("q", (row[0] for row in self._connection.execute(query)))

    def standing(self, table: str, keys: Iterable[int]) -> Iterator[Standing]:
        """Yield these messages or blobs (the table's name) where they stand now, in this order."""
        wanted = iter(keys)
        while some := list(islice(wanted, bulk.ROWS)):
            query = f"SELECT {_COLUMNS} FROM {table} WHERE id IN {bulk.LISTED}"
            found = {row[0]: row for row in self._connection.execute(query, bulk.listed(some))}
            for key in some:
                if row := found.get(key):
                    yield Standing(row[0], row[1], Location(*row[2:]))

    def blob(self, identity: bytes) -> Standing | None:
        """Return where a blob stands now."""
        query = f"SELECT {_COLUMNS} FROM blobs WHERE sha256 = ?"
        row = self._connection.execute(query, (identity,)).fetchone()
        return Standing(row[0], row[1], Location(*row[2:])) if row else None

    def holds(self, packs: Sequence[int]) -> dict[int, int]:
        """Return how many messages and blobs stand in each of these packs that is not empty."""
        chosen = _list(packs)
        rows = self._connection.execute(
            "SELECT pack, sum(n) FROM ("
            f" SELECT pack, count(*) AS n FROM messages WHERE pack IN {chosen} GROUP BY pack UNION ALL"
            f" SELECT pack, count(*) AS n FROM blobs WHERE pack IN {chosen} GROUP BY pack) GROUP BY pack"
        )
        return dict(rows.fetchall())

    def knows(self, table: str, prefix: bytes, *, besides: int) -> bool:
        """Whether a message or a blob (the table's name) whose id begins so stands in a pack that counts,
        and that is not ``besides``."""
        low, high = prefix.ljust(32, b"\0"), prefix.ljust(32, b"\xff")
        query = (
            f"SELECT 1 FROM {table} o JOIN packs p ON p.id = o.pack"
            " WHERE o.sha256 BETWEEN ? AND ? AND o.pack <> ? LIMIT 1"
        )
        return self._connection.execute(query, (low, high, besides)).fetchone() is not None


def _list(numbers: Sequence[int]) -> str:
    """Numbers as SQL has them: there may be more than a statement has parameters."""
    return "(" + ", ".join(map(str, map(int, numbers))) + ")"
