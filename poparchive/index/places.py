"""Where objects stand in packs that ``optimize`` made: a throw-away table for a rebuild.

An archive has millions of objects, too many for memory. They are noted by the first octets of their ids, so
what is found is only likely to be what is sought: the caller proves it.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from poparchive.model import Location

PREFIX_BYTES = 4


class Places:
    """The table, in a file that is removed with it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.unlink(missing_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-16384"):
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

    def find(self, kind: int, identity: bytes) -> list[Location]:
        """Return where an object with this id may be, the newest pack first."""
        rows = self._connection.execute(
            "SELECT pack, frame, place, length FROM places WHERE prefix = ? AND kind = ?"
            " ORDER BY pack DESC",
            (_number(identity), kind),
        )
        return [Location(*row) for row in rows]

    def close(self) -> None:
        self._connection.close()
        self._path.unlink(missing_ok=True)


def _number(identity: bytes) -> int:
    return int.from_bytes(identity[:PREFIX_BYTES], "big")
