"""Values that every part shares. Standard library only, frozen, no behaviour beyond naming."""

import enum
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import lt
from typing import Final, NamedTuple, NewType, Self, overload

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


def column(values: Iterable[int] = ()) -> "array[int]":
    """A column of numbers below 2**64, eight octets each."""
    return array("Q", values)


def ascend(values: Sequence[int]) -> bool:
    """Return whether each value is larger than the one before it."""
    return all(map(lt, values, islice(values, 1, None)))


class Listing(Sequence[Listed]):
    """A server's listing in columns of equal length, whose rows are made when they are asked for.

    A drop may have a million messages: so each takes the octets of its UIDL and 60 more, where a
    ``Listed`` of its own would take 150.
    """

    # No dataclass: a search waits for this module, and that one takes longer to import than a search to run.
    __slots__ = ("numbers", "sizes", "uidls")

    def __init__(
        self,
        numbers: "array[int] | None" = None,
        uidls: list[bytes] | None = None,
        sizes: "array[int] | None" = None,
    ) -> None:
        self.numbers: Final = column() if numbers is None else numbers
        self.uidls: Final = [] if uidls is None else uidls
        self.sizes: Final = column() if sizes is None else sizes

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Listing):
            return NotImplemented
        mine = (self.numbers, self.uidls, self.sizes)
        return mine == (other.numbers, other.uidls, other.sizes)

    def __repr__(self) -> str:
        return f"Listing({self.numbers!r}, {self.uidls!r}, {self.sizes!r})"

    @classmethod
    def of(cls, entries: Iterable[Listed]) -> Self:
        """Return the listing that has these rows."""
        rows = list(entries)
        return cls(
            column(row.number for row in rows),
            [row.uidl for row in rows],
            column(row.size_bytes for row in rows),
        )

    def __len__(self) -> int:
        return len(self.uidls)

    def __iter__(self) -> Iterator[Listed]:
        return map(Listed, self.numbers, self.uidls, self.sizes)

    @overload
    def __getitem__(self, at: int) -> Listed: ...
    @overload
    def __getitem__(self, at: slice) -> "Listing": ...
    def __getitem__(self, at: int | slice) -> "Listed | Listing":
        if isinstance(at, slice):
            return Listing(self.numbers[at], self.uidls[at], self.sizes[at])
        return Listed(self.numbers[at], self.uidls[at], self.sizes[at])

    def __add__(self, other: "Listing") -> "Listing":
        return Listing(
            self.numbers + other.numbers, self.uidls + other.uidls, self.sizes + other.sizes
        )

    def pick(self, places: Iterable[int]) -> "Listing":
        """Return the rows at these places, in this order."""
        chosen = column(places)
        return Listing(
            column(map(self.numbers.__getitem__, chosen)),
            list(map(self.uidls.__getitem__, chosen)),
            column(map(self.sizes.__getitem__, chosen)),
        )


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
