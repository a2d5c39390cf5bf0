"""Gathers the messages that cannot be read, and names them sorted by account and date."""

import sqlite3
from collections.abc import Iterator

from poparchive.archive.verify.findings import Bad, Damage, Kind
from poparchive.index.lookup import Lookup


class Lost:
    """Takes row ids and reasons; a temporary database holds what does not fit into memory."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("CREATE TABLE lost(key INTEGER PRIMARY KEY, why, newer, account, date)")
        self._db.execute("BEGIN")

    def close(self) -> None:
        self._db.close()

    def add(self, key: int, why: str, *, newer: bool = False) -> bool:
        """Note a message that cannot be read; the first reason counts. Return whether this is it."""
        insert = "INSERT OR IGNORE INTO lost VALUES (?, ?, ?, NULL, NULL)"
        return self._db.execute(insert, (key, why, newer)).rowcount > 0

    def need(self, lookup: Lookup, bad: Bad) -> int:
        """Note all messages that need octets of a pack; return how many they are."""
        count = 0
        for key in lookup.needing(bad.pack, bad.start, bad.end):
            self.add(key, bad.why, newer=bad.newer)
            count += 1
        return count

    def __len__(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM lost").fetchone()[0])

    def keys(self) -> Iterator[int]:
        """Yield the row ids."""
        for (key,) in self._db.execute("SELECT key FROM lost"):
            yield key

    def damages(self, lookup: Lookup) -> Iterator[Damage]:
        """Yield a damage for each, sorted by account and date."""
        key = -1
        while row := self._db.execute("SELECT min(key) FROM lost WHERE key > ?", (key,)).fetchone():
            if row[0] is None:
                break
            (key,) = row
            accounts = lookup.accounts_of(key)
            date = lookup.by_key(key).date
            update = "UPDATE lost SET account = ?, date = ? WHERE key = ?"
            self._db.execute(update, (accounts[0] if accounts else "", date, key))
        query = "SELECT key, why, newer FROM lost ORDER BY account, date, key"
        for key, why, newer in self._db.execute(query):
            yield self.damage(lookup, key, why, newer=newer)

    @staticmethod
    def damage(lookup: Lookup, key: int, why: str, *, newer: bool = False) -> Damage:
        """Return what is said of a message that cannot be read."""
        located = lookup.by_key(key)
        kind = Kind.NEWER if newer else Kind.MESSAGE
        return Damage(why, located, tuple(lookup.accounts_of(key)), kind, located.id)
