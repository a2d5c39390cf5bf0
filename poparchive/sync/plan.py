"""The plan of one pull: a pure function of listing, ledger and policy.

UIDLs are matched as a multiset of (UIDL, LIST size), because neither RFC 1939 nor real servers keep
them unique: popa3d gives the same UIDL to mails with equal headers, and some servers
give an old UIDL to a new message. A pair that is listed more often than the ledger has it is new.
What this cannot tell apart are messages with the same UIDL and the same size, both in one place.

A doubt never leads to a deletion, and never to forgetting.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from poparchive.model import Fate, LedgerRow, Listed

_KEPT = (Fate.ARCHIVED, Fate.DUPLICATE)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the configuration says about an account's mail.

    ``leave_s`` is None to leave mail on the server for ever, 0 to delete it once proved, else the
    seconds since it was archived.
    """

    leave_s: int | None = None
    max_message_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in this order. ``ledger`` numbers of new entries are yet to be given."""

    new: tuple[Listed, ...]
    """Never listed before: to be noted, then fetched or skipped."""
    again: tuple[tuple[Listed, LedgerRow], ...]
    """Noted in an earlier pull, and not kept yet: to be fetched."""
    skip: tuple[tuple[Listed, str], ...]
    """Of the new ones, those that a rule leaves on the server, with the rule."""
    vanished: tuple[LedgerRow, ...]
    """Noted, never kept, and no longer listed."""
    delete: tuple[tuple[Listed, LedgerRow], ...]
    """Kept, and old enough to be deleted from the server, once proved."""
    doubt: str
    """Why nothing may be deleted, though the policy would; empty if there is no reason."""


def plan(
    listing: Sequence[Listed],
    ledger: Sequence[LedgerRow],
    policy: Policy,
    now: int,
    *,
    full: bool = False,
) -> Plan:
    """Compare a listing with the ledger. ``full`` asks for every message again."""
    known = _Known(ledger)
    new: list[Listed] = []
    again: list[tuple[Listed, LedgerRow]] = []
    kept: list[tuple[Listed, LedgerRow]] = []
    any_kept = False
    for entry in listing:
        if not entry.uidl:
            # There is nothing to know it by but its octets.
            if not (_too_large(entry, policy) and known.take(entry, Fate.SKIPPED)):
                new.append(entry)
            continue
        row = None if full else known.take(entry)
        if row is None:
            new.append(entry)
        elif row.fate in _KEPT:
            any_kept = True
            if policy.leave_s is not None:
                kept.append((entry, row))
        elif row.fate is Fate.DELETED:
            # Deleted, yet listed: the server kept it, or has given its UIDL to another message.
            new.append(entry)
        elif row.fate is not Fate.SKIPPED or (
            not _too_large(entry, policy) and row.rule != size_rule(policy)
        ):
            again.append((entry, row))
    gone = [] if full else sorted(known.left())
    return Plan(
        new=tuple(new),
        again=tuple(again),
        skip=tuple((entry, size_rule(policy)) for entry in new if _too_large(entry, policy)),
        # One without UIDL may be any of its size, and has not gone for certain.
        vanished=tuple(
            row for row in gone if row.uidl and row.fate in (Fate.LISTED, Fate.QUARANTINED)
        ),
        delete=tuple(_deletions(kept, listing, policy, now)),
        doubt="" if any_kept or full else _doubt(listing, ledger),
    )


class _Known:
    """The rows of a ledger, each of which can be taken once for a message: the oldest first.

    A drop may have a million messages, so nothing is made for a UIDL that stands there once.
    """

    def __init__(self, ledger: Sequence[LedgerRow]) -> None:
        self._rows: dict[bytes, LedgerRow | dict[int, list[LedgerRow]]] = {}
        # From the newest on, so that each list gives the oldest first.
        for row in reversed(ledger):
            before = self._rows.setdefault(row.uidl, row)
            if before is row:
                continue
            if isinstance(before, LedgerRow):
                before = self._rows[row.uidl] = {before.size_bytes: [before]}
            before.setdefault(row.size_bytes, []).append(row)

    def take(self, entry: Listed, fate: Fate | None = None) -> LedgerRow | None:
        """Return a row with the UIDL and size of ``entry`` (and that fate), which is gone then."""
        found = self._rows.get(entry.uidl)
        if isinstance(found, dict):
            rows = found.get(entry.size_bytes)
            if not rows or fate not in (None, rows[-1].fate):
                return None
            return rows.pop()
        if found is None or found.size_bytes != entry.size_bytes or fate not in (None, found.fate):
            return None
        del self._rows[entry.uidl]
        return found

    def left(self) -> Iterator[LedgerRow]:
        """Yield the rows that nothing was listed for."""
        for found in self._rows.values():
            if isinstance(found, dict):
                for rows in found.values():
                    yield from rows
            else:
                yield found


def repeated(listing: Sequence[Listed]) -> set[bytes]:
    """Return the UIDLs that stand more than once in a listing, and the missing one."""
    counts = Counter(entry.uidl for entry in listing)
    return {uidl for uidl, count in counts.items() if count > 1 or not uidl}


def _too_large(entry: Listed, policy: Policy) -> bool:
    return policy.max_message_bytes is not None and entry.size_bytes > policy.max_message_bytes


def size_rule(policy: Policy) -> str:
    """The words for the ledger; LIST may have shown that it applies, or only the message itself."""
    return f"larger than max_message_bytes = {policy.max_message_bytes}"


def _deletions(
    kept: Sequence[tuple[Listed, LedgerRow]], listing: Sequence[Listed], policy: Policy, now: int
) -> list[tuple[Listed, LedgerRow]]:
    if policy.leave_s is None:
        return []
    before = now - policy.leave_s
    ambiguous = repeated(listing)
    return [
        (entry, row)
        for entry, row in kept
        if row.settled is not None and row.settled <= before and entry.uidl not in ambiguous
    ]


def _doubt(listing: Sequence[Listed], ledger: Sequence[LedgerRow]) -> str:
    """A server that shows nothing of what it showed before may have lost its UIDLs, or be another."""
    if listing and any(row.fate in _KEPT for row in ledger):
        return "every UIDL is new although mail of this account is archived"
    return ""
