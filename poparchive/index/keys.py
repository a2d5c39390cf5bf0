"""Numbers that stand for longer things in both databases: row ids for dates, hashes for Message-IDs."""

GRANULE_S = 32
"""Seconds of a row id. The finer, the longer are the distances between rowids that FTS5 writes for
every word of every message: with whole seconds the index of the same mail is 10% larger. Where more
than 2,700 messages a day come for years, ids run ahead of dates, which costs a search with dates a
look at the date of each message."""


def rowid_of(date: int) -> int:
    """The row id of a message of that date, if it is free; else the message has the next free one."""
    return max(date, 0) // GRANULE_S


def hash_of(message_id: str) -> int:
    """63 bits of the hash of a Message-ID without its angle brackets; 0 for none.

    An index over the ids themselves takes four times the room. Of a million ids two share a hash with
    a chance of one in ten million.
    """
    if not message_id:
        return 0
    # Here, because people wait for the search, which needs no hash.
    import hashlib

    digest = hashlib.sha256(message_id.encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
