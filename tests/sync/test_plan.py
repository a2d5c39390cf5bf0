"""The plan: what is fetched, noted, deleted and left alone, as a pure function."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from poparchive.model import Fate, LedgerRow, Listed
from poparchive.sync.plan import Policy, plan

NOW = 1_700_000_000
KEPT = (Fate.ARCHIVED, Fate.DUPLICATE)


def row(number: int, uidl: bytes, size: int = 10, fate: Fate = Fate.ARCHIVED) -> LedgerRow:
    message = 1000 + number if fate in (*KEPT, Fate.DELETED) else None
    return LedgerRow(number, uidl, size, fate, message, NOW - 100)


def numbers(entries: tuple[Listed, ...]) -> list[int]:
    return [e.number for e in entries]


def test_only_what_is_new_is_fetched() -> None:
    """Known UIDLs are left alone, new ones fetched."""
    todo = plan([Listed(1, b"a", 10), Listed(2, b"b", 10)], [row(1, b"a")], Policy(), NOW)
    assert numbers(todo.new) == [2]
    assert not todo.again
    assert not todo.vanished


def test_what_was_listed_and_not_kept_is_fetched_again() -> None:
    """A pull that was cut left noted UIDLs: they are fetched for the same ledger number."""
    ledger = [row(1, b"a", fate=Fate.LISTED), row(2, b"b", fate=Fate.QUARANTINED)]
    todo = plan([Listed(1, b"a", 10), Listed(2, b"b", 10)], ledger, Policy(), NOW)
    assert [(e.number, r.id) for e, r in todo.again] == [(1, 1), (2, 2)]
    assert not todo.new


def test_what_was_listed_and_is_gone_has_vanished() -> None:
    """Only UIDLs that were never kept can vanish."""
    ledger = [row(1, b"a", fate=Fate.LISTED), row(2, b"b"), row(3, b"c", fate=Fate.SKIPPED)]
    todo = plan([Listed(1, b"x", 10)], ledger, Policy(), NOW)
    assert [r.id for r in todo.vanished] == [1]


def test_a_uidl_with_another_size_is_another_message() -> None:
    """A server that gives an old UIDL to a new message does not hide the message."""
    todo = plan([Listed(1, b"a", 11)], [row(1, b"a", 10)], Policy(), NOW)
    assert numbers(todo.new) == [1]


def test_a_repeated_uidl_is_fetched_as_often_as_it_is_new() -> None:
    """popa3d lists one UIDL several times; each place beyond those known is new."""
    listing = [Listed(n, b"same", 10) for n in (1, 2, 3)]
    assert numbers(plan(listing, [row(1, b"same")], Policy(), NOW).new) == [2, 3]


def test_a_deleted_uidl_that_is_listed_is_fetched_anew() -> None:
    """It was not deleted after all, or its UIDL belongs to another message now."""
    todo = plan([Listed(1, b"a", 10)], [row(1, b"a", fate=Fate.DELETED)], Policy(), NOW)
    assert numbers(todo.new) == [1]


def test_messages_without_a_uidl_are_always_fetched() -> None:
    """Only their octets can tell them apart."""
    todo = plan([Listed(1, b"", 10)], [row(1, b"")], Policy(leave_s=0), NOW)
    assert numbers(todo.new) == [1]
    assert not todo.delete


def test_large_messages_are_skipped_until_the_rule_changes() -> None:
    """A skipped UIDL is noted once, and fetched once the limit allows it."""
    listing = [Listed(1, b"a", 1000)]
    todo = plan(listing, [], Policy(max_message_bytes=500), NOW)
    assert [e.number for e, _ in todo.skip] == numbers(todo.new) == [1]
    noted = [row(1, b"a", 1000, Fate.SKIPPED)]
    still = plan(listing, noted, Policy(max_message_bytes=500), NOW)
    assert not still.again
    assert not still.new
    allowed = plan(listing, noted, Policy(max_message_bytes=2000), NOW)
    assert [r.id for _, r in allowed.again] == [1]


def test_only_old_kept_and_unambiguous_mail_is_deleted() -> None:
    """Young mail, mail that is not kept, and repeated UIDLs stay on the server."""
    listing = [Listed(1, b"old", 10), Listed(2, b"twice", 10), Listed(3, b"twice", 12)]
    ledger = [row(1, b"old"), row(2, b"twice", 10), row(3, b"twice", 12)]
    assert [r.id for _, r in plan(listing, ledger, Policy(leave_s=50), NOW).delete] == [1]
    assert not plan(listing, ledger, Policy(leave_s=500), NOW).delete
    assert not plan(listing, ledger, Policy(), NOW).delete


def test_a_listing_in_which_all_is_new_raises_doubt() -> None:
    """A server that lost its UIDLs gets no DELE."""
    todo = plan([Listed(1, b"new", 10)], [row(1, b"a")], Policy(leave_s=0), NOW)
    assert todo.doubt
    assert not plan([Listed(1, b"a", 10)], [row(1, b"a")], Policy(leave_s=0), NOW).doubt


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
    todo = plan(listing, ledger, Policy(leave_s=leave, max_message_bytes=2), NOW)
    fetched = {e.number for e in todo.new} | {e.number for e, _ in todo.again}
    left = Counter((e.uidl, e.size_bytes) for e in listing if e.number not in fetched)
    settled = Counter((r.uidl, r.size_bytes) for r in ledger if r.fate in (*KEPT, Fate.SKIPPED))
    assert left <= settled
    assert all(
        r.fate in KEPT and (e.uidl, e.size_bytes) == (r.uidl, r.size_bytes) for e, r in todo.delete
    )
    assert not {e.number for e, _ in todo.delete} & fetched
    assert len({r.id for _, r in (*todo.again, *todo.delete)}) == len((*todo.again, *todo.delete))
