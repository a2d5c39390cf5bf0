"""The plan: what is fetched, noted, deleted and left alone, as a pure function."""

from collections import Counter
from collections.abc import Iterable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from poparchive.model import Fate, LedgerRow, Listed, Listing
from poparchive.sync.plan import Plan, Policy, plan, size_rule

NOW = 1_700_000_000
KEPT = (Fate.ARCHIVED, Fate.DUPLICATE)


def row(number: int, uidl: bytes, size: int = 10, fate: Fate = Fate.ARCHIVED) -> LedgerRow:
    message = 1000 + number if fate in (*KEPT, Fate.DELETED) else None
    return LedgerRow(number, uidl, size, fate, message, NOW - 100)


def numbers(entries: Iterable[Listed]) -> list[int]:
    return [e.number for e in entries]


def planned(
    listing: Sequence[Listed], ledger: Sequence[LedgerRow], policy: Policy, *, full: bool = False
) -> Plan:
    return plan(Listing.of(listing), iter(ledger), policy, NOW, full=full)


def test_only_what_is_new_is_fetched() -> None:
    """Known UIDLs are left alone, new ones fetched."""
    todo = planned([Listed(1, b"a", 10), Listed(2, b"b", 10)], [row(1, b"a")], Policy())
    assert numbers(todo.new) == [2]
    assert not todo.again
    assert not todo.vanished


def test_what_was_listed_and_not_kept_is_fetched_again() -> None:
    """A pull that was cut left noted UIDLs: they are fetched for the same ledger number."""
    ledger = [row(1, b"a", fate=Fate.LISTED), row(2, b"b", fate=Fate.QUARANTINED)]
    todo = planned([Listed(1, b"a", 10), Listed(2, b"b", 10)], ledger, Policy())
    assert [(e.number, row) for e, row in todo.again] == [(1, 1), (2, 2)]
    assert not todo.new


def test_what_damage_took_is_fetched_again() -> None:
    """A row that counts as kept, and whose message a rebuild could not find any more, is never deleted."""
    lost = row(1, b"a")._replace(message=None)
    todo = planned(
        [Listed(1, b"a", 10), Listed(2, b"b", 10)], [lost, row(2, b"b")], Policy(leave_s=0)
    )
    assert [(e.number, row) for e, row in todo.again] == [(1, 1)]
    assert list(todo.delete.numbers) == [2]


def test_what_was_listed_and_is_gone_has_vanished() -> None:
    """Only UIDLs that were never kept can vanish."""
    ledger = [row(1, b"a", fate=Fate.LISTED), row(2, b"b"), row(3, b"c", fate=Fate.SKIPPED)]
    todo = planned([Listed(1, b"x", 10)], ledger, Policy())
    assert list(todo.vanished) == [1]


def test_a_uidl_with_another_size_is_another_message() -> None:
    """A server that gives an old UIDL to a new message does not hide the message."""
    todo = planned([Listed(1, b"a", 11)], [row(1, b"a", 10)], Policy())
    assert numbers(todo.new) == [1]


def test_a_repeated_uidl_is_fetched_as_often_as_it_is_new() -> None:
    """popa3d lists one UIDL several times; each place beyond those known is new."""
    listing = [Listed(n, b"same", 10) for n in (1, 2, 3)]
    assert numbers(planned(listing, [row(1, b"same")], Policy()).new) == [2, 3]


def test_a_deleted_uidl_that_is_listed_is_fetched_anew() -> None:
    """It was not deleted after all, or its UIDL belongs to another message now."""
    todo = planned([Listed(1, b"a", 10)], [row(1, b"a", fate=Fate.DELETED)], Policy())
    assert numbers(todo.new) == [1]


def test_messages_without_a_uidl_are_always_fetched() -> None:
    """Only their octets can tell them apart."""
    todo = planned([Listed(1, b"", 10)], [row(1, b"")], Policy(leave_s=0))
    assert numbers(todo.new) == [1]
    assert not todo.delete.ledger


def test_large_messages_are_skipped_until_the_rule_changes() -> None:
    """A skipped UIDL is noted once, and fetched once the limit allows it."""
    listing = [Listed(1, b"a", 1000)]
    todo = planned(listing, [], Policy(max_message_bytes=500))
    assert (numbers(todo.new), todo.skip, todo.wanted) == ([1], b"\1", 0)
    noted = [row(1, b"a", 1000, Fate.SKIPPED)]
    still = planned(listing, noted, Policy(max_message_bytes=500))
    assert not still.again
    assert not still.new
    allowed = planned(listing, noted, Policy(max_message_bytes=2000))
    assert [row for _, row in allowed.again] == [1]


def test_only_old_kept_and_unambiguous_mail_is_deleted() -> None:
    """Young mail, mail that is not kept, and repeated UIDLs stay on the server."""
    listing = [Listed(1, b"old", 10), Listed(2, b"twice", 10), Listed(3, b"twice", 12)]
    ledger = [row(1, b"old"), row(2, b"twice", 10), row(3, b"twice", 12)]
    delete = planned(listing, ledger, Policy(leave_s=50)).delete
    assert (list(delete.numbers), list(delete.ledger), list(delete.messages)) == ([1], [1], [1001])
    assert not planned(listing, ledger, Policy(leave_s=500)).delete.ledger
    assert not planned(listing, ledger, Policy()).delete.ledger


def test_a_listing_in_which_all_is_new_raises_doubt() -> None:
    """A server that lost its UIDLs gets no DELE."""
    todo = planned([Listed(1, b"new", 10)], [row(1, b"a")], Policy(leave_s=0))
    assert todo.doubt
    assert not planned([Listed(1, b"a", 10)], [row(1, b"a")], Policy(leave_s=0)).doubt


entries = st.tuples(st.sampled_from([b"", b"a", b"b", b"c"]), st.integers(1, 3))


@given(
    st.lists(entries, max_size=8),
    st.lists(st.tuples(entries, st.sampled_from(Fate)), max_size=8),
    st.sampled_from([None, 0, 50, 500]),
)
def test_nothing_is_forgotten_and_nothing_unsafe_deleted(
    listed: list[tuple[bytes, int]],
    known: list[tuple[tuple[bytes, int], Fate]],
    leave: int | None,
) -> None:
    """Every listed message is fetched, or accounted for by a ledger row of its own; whatever is
    deleted was kept under that very row."""
    listing = [Listed(n, uidl, size) for n, (uidl, size) in enumerate(listed, 1)]
    ledger = [row(n, uidl, size, fate) for n, ((uidl, size), fate) in enumerate(known, 1)]
    todo = planned(listing, ledger, Policy(leave_s=leave, max_message_bytes=2))
    fetched = {e.number for e in todo.new} | {e.number for e, _ in todo.again}
    left = Counter((e.uidl, e.size_bytes) for e in listing if e.number not in fetched)
    settled = Counter((r.uidl, r.size_bytes) for r in ledger if r.fate in (*KEPT, Fate.SKIPPED))
    assert left <= settled
    doomed = [
        (listing[number - 1], ledger[row - 1])
        for number, row in zip(todo.delete.numbers, todo.delete.ledger, strict=True)
    ]
    assert all(
        r.fate in KEPT and (e.uidl, e.size_bytes) == (r.uidl, r.size_bytes) for e, r in doomed
    )
    assert not {e.number for e, _ in doomed} & fetched
    used = [row for _, row in todo.again] + list(todo.delete.ledger)
    assert len(set(used)) == len(used)


RULES = (None, size_rule(Policy(max_message_bytes=2)))


@given(
    st.lists(entries, max_size=8),
    st.lists(st.tuples(entries, st.sampled_from(Fate), st.sampled_from(RULES)), max_size=8),
    st.sampled_from([None, 0, 50, 500]),
    st.sampled_from([None, 1, 2]),
    st.booleans(),
)
def test_each_message_takes_the_oldest_row_of_its_pair(
    listed: list[tuple[bytes, int]],
    known: list[tuple[tuple[bytes, int], Fate, str | None]],
    leave: int | None,
    most: int | None,
    full: bool,
) -> None:
    """The plan is the one that is found by going through the listing and, for each message, through all
    that is left of the ledger."""
    listing = [Listed(n, uidl, size) for n, (uidl, size) in enumerate(listed, 1)]
    ledger = [
        row(n, uidl, size, fate)._replace(rule=rule)
        for n, ((uidl, size), fate, rule) in enumerate(known, 1)
    ]
    policy = Policy(leave_s=leave, max_message_bytes=most)
    todo = planned(listing, ledger, policy, full=full)
    left, uidls = list(ledger), Counter(e.uidl for e in listing)
    new, again, delete, seen = [], [], [], False
    for e in listing:
        large = most is not None and e.size_bytes > most
        oldest = next((r for r in left if (r.uidl, r.size_bytes) == e[1:]), None)
        if oldest and not e.uidl:
            # Known by nothing but its size, and that is enough for what is not wanted anyway.
            oldest = oldest if large and oldest.fate is Fate.SKIPPED else None
        elif full:
            oldest = None
        if oldest:
            left.remove(oldest)
        if not oldest or (e.uidl and oldest.fate is Fate.DELETED):
            new.append(e.number)
        elif oldest.fate in KEPT:
            seen = True
            if leave is not None and leave <= 100 and uidls[e.uidl] == 1:
                delete.append((e.number, oldest.id))
        elif oldest.fate is not Fate.SKIPPED or not (large or oldest.rule == size_rule(policy)):
            again.append((e.number, oldest.id))
    assert numbers(todo.new) == new
    assert list(todo.skip) == [most is not None and listing[n - 1].size_bytes > most for n in new]
    assert [(e.number, row_id) for e, row_id in todo.again] == again
    assert list(zip(todo.delete.numbers, todo.delete.ledger, strict=True)) == delete
    gone = [r.id for r in left if r.uidl and r.fate in (Fate.LISTED, Fate.QUARANTINED)]
    assert list(todo.vanished) == ([] if full else gone)
    assert todo.troubled == {i for _, i in again if ledger[i - 1].fate is not Fate.LISTED}
    kept = any(r.fate in KEPT for r in ledger)
    assert bool(todo.doubt) == (kept and bool(listing) and not seen and not full)
    unnamed = [r for r in ledger if not r.uidl and r.fate in (Fate.QUARANTINED, Fate.SKIPPED)]
    assert list(todo.refused) == unnamed
