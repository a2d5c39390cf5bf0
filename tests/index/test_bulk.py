"""Row ids that are used up: all of them, in order, and memory that goes meanwhile."""

from array import array

from hypothesis import given
from hypothesis import strategies as st

from poparchive.index import bulk
from poparchive.index.bulk import used_up


@given(st.lists(st.integers(0, 1 << 62), max_size=3 * bulk.ROWS))
def test_all_come_in_their_order(keys: list[int]) -> None:
    assert list(used_up(array("q", keys))) == keys


def test_what_was_yielded_is_let_go_of() -> None:
    keys = array("q", range(10 * bulk.ROWS))
    half = used_up(keys)
    for _ in range(5 * bulk.ROWS):
        next(half)
    assert len(keys) == 5 * bulk.ROWS
