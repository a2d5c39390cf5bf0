"""What a repair remembers of each thing that it stores again, in temporary databases: it may be all that the
archive holds, which does not fit into memory."""

import sqlite3
from collections.abc import Mapping

from poparchive.model import Location


class Places:
    """Where objects stand, by their hashes."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute(
            'CREATE TABLE places(id BLOB PRIMARY KEY, pack, frame, "offset", length) WITHOUT ROWID'
        )
        # Never ended: nothing of it is to last.
        self._db.execute("BEGIN")

    def close(self) -> None:
        self._db.close()

    def add(self, places: Mapping[bytes, Location]) -> None:
        """Note places; one that was noted before is forgotten."""
        rows = ((identity, *place) for identity, place in places.items())
        self._db.executemany("INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?, ?)", rows)

    def get(self, identity: bytes) -> Location | None:
        """Return the place of an object, if it was noted."""
        query = 'SELECT pack, frame, "offset", length FROM places WHERE id = ?'
        row = self._db.execute(query, (identity,)).fetchone()
        return Location(*row) if row else None


class Seen:
    """Hashes that have come by."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("CREATE TABLE seen(id BLOB PRIMARY KEY) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def close(self) -> None:
        self._db.close()

    def __contains__(self, identity: bytes) -> bool:
        query = "SELECT 1 FROM seen WHERE id = ?"
        return self._db.execute(query, (identity,)).fetchone() is not None

    def add(self, identity: bytes) -> None:
        """Note that one has come by."""
        self._db.execute("INSERT OR IGNORE INTO seen VALUES (?)", (identity,))
