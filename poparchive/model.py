"""Values that every part shares. Standard library only, frozen, no behaviour beyond naming."""

import enum
from typing import NamedTuple, NewType

MessageId = NewType("MessageId", bytes)
"""SHA-256 (32 octets) of a message's octets: the message's identity everywhere."""


class Fate(enum.IntEnum):
    """What became of one UIDL that a server listed. The numbers are part of the journal format."""

    LISTED = 0
    """Seen in a listing, not fetched yet."""
    ARCHIVED = 1
    """Kept: its octets are in a synced pack and named by a synced journal entry."""
    DUPLICATE = 2
    """Fetched, and its octets were kept already for another UIDL."""
    SKIPPED = 3
    """Not fetched, by a rule of the configuration; the reason names it."""
    QUARANTINED = 4
    """Listed, but the server refuses to hand it out, or fails in it; asked for again at each pull."""
    VANISHED = 5
    """Listed, and gone from the server before it could be fetched."""
    DELETED = 6
    """Kept, proved by re-reading it from disk, and then deleted from the server by us."""


class Location(NamedTuple):
    """Where an object's octets are: pack, octet offset of its frame, and place in the payload."""

    pack: int
    frame: int
    offset: int
    length: int


class Listed(NamedTuple):
    """One line of a server's listing: UIDL and LIST of one message joined.

    ``uidl`` is the octets after the message number as the server sent them, any length, stripped
    of surrounding blanks. ``size_bytes`` is what LIST announces, which is a hint and no promise:
    several servers are short by two octets for a message without a final line end.
    """

    number: int
    uidl: bytes
    size_bytes: int


class LedgerRow(NamedTuple):
    """What the ledger knows of one UIDL. ``message`` is the row id of its message, None until it is
    kept, ``rule`` the one that left it on the server."""

    id: int
    uidl: bytes
    size_bytes: int
    fate: Fate
    message: int | None
    settled: int | None
    rule: str | None = None
