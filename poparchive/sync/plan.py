"""The plan of one pull: a pure function of listing, ledger and policy.

UIDLs are matched as a multiset of (UIDL, LIST size), because neither RFC 1939 nor real servers keep
them unique: popa3d gives the same UIDL to mails with equal headers, and some servers
give an old UIDL to a new message. A pair that is listed more often than the ledger has it is new.
What this cannot tell apart are messages with the same UIDL and the same size, both in one place.

A doubt never leads to a deletion, and never to forgetting.

A drop may have a million messages, and its ledger as many rows. So the ledger is walked once and no row
of it is held; what is listed and what is to be done stand in columns.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress

from poparchive.model import Fate, LedgerRow, Listed, Listing, ascend, column

_KEPT = (Fate.ARCHIVED, Fate.DUPLICATE)
_AWAITED = (Fate.LISTED, Fate.QUARANTINED)

Wanted = tuple[Listed, int | None]
"""A message and its ledger number; None until it has come, where nothing else tells it from others."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the configuration says about an account's mail.

    ``leave_s`` is None to leave mail on the server for ever, 0 to delete it once proved, else the
    seconds since it was archived.
    """

    leave_s: int | None = None
    max_message_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Numbered:
    """Messages to fetch, and the column of their ledger numbers, in which 0 stands for None."""

    entries: Listing
    ledger: "array[int]"

    def __len__(self) -> int:
        return len(self.ledger)

    def __iter__(self) -> Iterator[Wanted]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, at: int) -> Wanted:
        return self.entries[at], self.ledger[at] or None

    def __add__(self, other: "Numbered") -> "Numbered":
        return Numbered(self.entries + other.entries, self.ledger + other.ledger)

    def pick(self, places: Sequence[int]) -> "Numbered":
        """Return those at these places, in this order."""
        return Numbered(self.entries.pick(places), column(map(self.ledger.__getitem__, places)))


@dataclass(frozen=True, slots=True)
class Kept:
    """Columns for messages that are kept: their numbers in the drop and in the ledger, and the row ids
    of their octets."""

    numbers: "array[int]"
    ledger: "array[int]"
    messages: "array[int]"

    def __getitem__(self, piece: slice) -> "Kept":
        return Kept(self.numbers[piece], self.ledger[piece], self.messages[piece])


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in this order. ``ledger`` numbers of new entries are yet to be given."""

    new: Listing
    """Never listed before: to be noted, then fetched or skipped."""
    skip: bytes
    """For each of the new ones 1 if a rule leaves it on the server, else 0 ..."""
    rule: str
    """... and that rule."""
    again: Numbered
    """Noted in an earlier pull, and not kept yet: to be fetched."""
    troubled: frozenset[int]
    """The ledger numbers of those among them that went wrong before."""
    vanished: "array[int]"
    """The ledger numbers of what was noted, never kept, and is no longer listed."""
    delete: Kept
    """Kept, and old enough to be deleted from the server, once proved."""
    doubt: str
    """Why nothing may be deleted, though the policy would; empty if there is no reason."""
    refused: tuple[LedgerRow, ...]
    """Rows without a UIDL whose messages were refused or skipped before."""

    @property
    def wanted(self) -> int:
        """How many messages are to be fetched."""
        return len(self.again) + len(self.new) - sum(self.skip)


def plan(
    listing: Listing,
    ledger: Iterable[LedgerRow],
    policy: Policy,
    now: int,
    *,
    full: bool = False,
) -> Plan:
    """Compare a listing with the ledger, whose rows come by their numbers, the oldest first.

    ``full`` asks for every message again.
    """
    found = _Comparison(listing, policy, now)
    found.compare(ledger, full=full)
    return found.plan(full=full)


class _Comparison:
    """What is known of each place in a listing when the rows of the ledger have been seen."""

    def __init__(self, listing: Listing, policy: Policy, now: int) -> None:
        self._listing = listing
        self._rule = size_rule(policy)
        self._limit_bytes = policy.max_message_bytes
        self._settled_before = None if policy.leave_s is None else now - policy.leave_s
        self._places = _Places(listing)
        self._new = bytearray(b"\1") * len(listing)
        self._again = (column(), column())
        self._troubled: set[int] = set()
        self._vanished = column()
        self._delete = (column(), column(), column())
        self._refused: list[LedgerRow] = []
        self._blocked: set[int] = set()
        self._any_kept = self._any_kept_listed = False

    def compare(self, ledger: Iterable[LedgerRow], *, full: bool) -> None:
        new, take = self._new, self._places.take
        deletes = self._settled_before is not None
        any_kept = any_listed = False
        for row in ledger:
            number, uidl, size, fate, message, _, _ = row
            kept = fate in _KEPT
            any_kept = any_kept or kept
            if not uidl:
                self._unnamed(row)
                continue
            if full:
                continue
            at = take(uidl, size)
            if at is None:
                if fate in _AWAITED:
                    self._vanished.append(number)
            elif kept:
                new[at] = 0
                any_listed = True
                if message is None:
                    # Lost to damage: fetched again while the server has it.
                    self._unkept(at, row)
                elif deletes:
                    self._kept(at, row)
            elif fate is not Fate.DELETED:
                # Deleted, yet listed: the server kept it, or has given its UIDL to another message.
                new[at] = 0
                self._unkept(at, row)
        self._any_kept, self._any_kept_listed = any_kept, any_listed

    def _unnamed(self, row: LedgerRow) -> None:
        """There is nothing to know its message by but the octets, and it may be any of its size: so it
        has not gone for certain."""
        if row.fate in (Fate.QUARANTINED, Fate.SKIPPED):
            self._refused.append(row)
        size = row.size_bytes
        if not self._too_large(size) or size in self._blocked:
            return
        if row.fate is not Fate.SKIPPED:
            self._blocked.add(size)
        elif (at := self._places.take(b"", size)) is not None:
            self._new[at] = 0

    def _kept(self, at: int, row: LedgerRow) -> None:
        before, settled = self._settled_before, row.settled
        if before is None or settled is None or settled > before or row.message is None:
            return
        # Where a UIDL stands twice, nobody can tell which of the two messages the row means.
        if row.uidl not in self._places.repeated:
            for rows, value in zip(self._delete, (at, row.id, row.message), strict=True):
                rows.append(value)

    def _unkept(self, at: int, row: LedgerRow) -> None:
        if row.fate is Fate.SKIPPED and (self._too_large(row.size_bytes) or row.rule == self._rule):
            return
        self._again[0].append(at)
        self._again[1].append(row.id)
        if row.fate is not Fate.LISTED:
            self._troubled.add(row.id)

    def _too_large(self, size_bytes: int) -> bool:
        return self._limit_bytes is not None and size_bytes > self._limit_bytes

    def plan(self, *, full: bool) -> Plan:
        listing, limit = self._listing, self._limit_bytes
        new = listing
        if not all(self._new):
            new = listing.pick(compress(range(len(listing)), self._new))
        again, ledger = _in_order(*self._again)
        kept, *rows = _in_order(*self._delete)
        return Plan(
            new=new,
            skip=bytes(len(new)) if limit is None else bytes(size > limit for size in new.sizes),
            rule=self._rule,
            again=Numbered(listing.pick(again), ledger),
            troubled=frozenset(self._troubled),
            vanished=self._vanished,
            delete=Kept(column(map(listing.numbers.__getitem__, kept)), *rows),
            doubt="" if self._any_kept_listed or full else self._doubt(),
            refused=tuple(self._refused),
        )

    def _doubt(self) -> str:
        """A server that shows nothing of what it showed before may have lost its UIDLs, or be another."""
        if self._listing and self._any_kept:
            return "every UIDL is new although mail of this account is archived"
        return ""


class _Places:
    """Where in a listing each (UIDL, LIST size) stands; each place can be taken once, the first of
    equal ones first. For a UIDL that stands there once no more is made than an entry of a dictionary.
    """

    def __init__(self, listing: Listing) -> None:
        uidls, self._sizes = listing.uidls, listing.sizes
        self._once = dict(zip(uidls, range(len(uidls)), strict=True))
        self.repeated: set[bytes] = set()
        """The UIDLs that stand more than once in the listing, and the missing one."""
        self._several: dict[tuple[bytes, int], list[int]] = {}
        if len(self._once) == len(uidls) and b"" not in self._once:
            return
        self.repeated = {u for at, u in enumerate(uidls) if not u or self._once[u] != at}
        for at in range(len(uidls) - 1, -1, -1):
            if uidls[at] in self.repeated:
                self._several.setdefault((uidls[at], self._sizes[at]), []).append(at)
        for uidl in self.repeated:
            del self._once[uidl]

    def take(self, uidl: bytes, size_bytes: int) -> int | None:
        """Return the next place of the pair, which is gone then; None if there is no more."""
        at = self._once.get(uidl)
        if at is not None:
            if self._sizes[at] != size_bytes:
                return None
            del self._once[uidl]
            return at
        places = self._several.get((uidl, size_bytes)) if self.repeated else None
        return places.pop() if places else None


def _in_order(places: "array[int]", *columns: "array[int]") -> list["array[int]"]:
    """Return the columns as their rows stand in the listing; they were found as the ledger has them."""
    if ascend(places):
        return [places, *columns]
    order = sorted(range(len(places)), key=places.__getitem__)
    return [column(map(one.__getitem__, order)) for one in (places, *columns)]


def size_rule(policy: Policy) -> str:
    """The words for the ledger; LIST may have shown that it applies, or only the message itself."""
    return f"larger than max_message_bytes = {policy.max_message_bytes}"
