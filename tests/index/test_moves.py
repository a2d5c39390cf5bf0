"""Places of what moved, kept in columns."""

from hypothesis import given
from hypothesis import strategies as st

from poparchive.index import bulk
from poparchive.index.moves import Moves
from poparchive.model import Location

PLACES = st.lists(
    st.tuples(
        st.integers(-(2**63), 2**63 - 1),
        st.integers(0, 2**40),
        st.integers(0, 2**31),
        st.integers(0, 2**31),
    ),
    max_size=40,
)


@given(PLACES, st.integers(1, 700))
def test_what_was_noted_comes_back(some: list[tuple[int, int, int, int]], follow: int) -> None:
    """Wherever objects stand: alone, in another frame, behind one another, of no octet, across statements."""
    places = list(some)
    for key, frame, offset, length in some[:2]:
        places += [(key + n, frame, offset + n * length, length) for n in range(1, follow)]
    moves = Moves(7)
    kept = [one for one in places if one[0] < 2**63 and one[2] < 2**32]
    for one in kept:
        moves.add(*one)
    chunks = list(moves.chunks())
    assert all(len(chunk) == bulk.ROWS for chunk in chunks[:-1])
    assert [one for chunk in chunks for one in chunk] == [
        (key, Location(7, frame, offset, length)) for key, frame, offset, length in kept
    ]
    assert len(moves) == len(kept)
    assert list(moves.keys) == [key for key, *_ in kept]
