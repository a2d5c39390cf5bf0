"""Where objects stand in packs that ``optimize`` made: a throw-away table for a rebuild.

An archive has millions of objects, too many for memory. They are noted by the first octets of their ids, so
what is found is only likely to be what is sought: the caller proves it.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from poparchive.index import bulk
from poparchive.model import Location

PREFIX_BYTES = 4


class Places:
    """The table, in a file that is removed with it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.unlink(missing_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-2048"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute(
            "CREATE TABLE places(prefix INT, kind INT, pack INT, frame INT, place INT, length INT,"
            " PRIMARY KEY (prefix, kind, pack, frame, place)) WITHOUT ROWID"
        )

    def add(self, found: Iterable[tuple[int, bytes, Location]]) -> None:
        """Note objects of a frame: their kind, the first octets of their ids, and their places."""
        rows = sorted((_number(prefix), kind, *place) for kind, prefix, place in found)
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT INTO places VALUES (?, ?, ?, ?, ?, ?)", rows)
        self._connection.execute("COMMIT")

    def find(self, kind: int, ids: Sequence[bytes]) -> dict[bytes, list[Location]]:
        """Return where the objects with these ids may be, the newest pack first."""
        found: dict[int, list[Location]] = {_number(one): [] for one in ids}
        for some in bulk.chunks(list(found)):
            rows = self._connection.execute(
                "SELECT prefix, pack, frame, place, length FROM places"  # noqa: S608 - numbers
                f" WHERE kind = ? AND prefix IN ({', '.join(map(str, some))}) ORDER BY pack DESC",
                (kind,),
            )
            for prefix, *place in rows:
                found[prefix].append(Location(*place))
        return {one: found[_number(one)] for one in ids}

    def close(self) -> None:
        self._connection.close()
        self._path.unlink(missing_ok=True)


def _number(identity: bytes) -> int:
    return int.from_bytes(identity[:PREFIX_BYTES], "big")
