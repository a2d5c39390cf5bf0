"""Row ids: each message gets its date's or the next that is free, however dense they are."""

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine

from poparchive.index import schema
from poparchive.index.engine import insert_rows
from poparchive.index.freeids import FreeIds


@given(
    st.lists(st.lists(st.integers(0, 30), max_size=12), max_size=8),
    st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_ids_are_the_next_free_ones(batches: list[list[int]], forget: list[bool]) -> None:
    """As trying one after the other gives them, whatever is remembered from batch to batch."""
    engine = create_engine("sqlite://")
    schema.metadata.create_all(engine)
    taken: set[int] = set()
    ids = FreeIds()
    with engine.begin() as connection:
        for batch, new in zip(batches, forget, strict=False):
            expected = []
            for key in batch:
                while key in taken:
                    key += 1
                taken.add(key)
                expected.append(key)
            ids = FreeIds() if new else ids
            assert ids.take(connection, batch) == expected
            rest = (0, 0, 0, "", "", 0, 0, 0, 0, 0, 0)
            rows = [(key, key.to_bytes(32, "big"), *rest) for key in expected]
            insert_rows(connection, schema.messages, rows)
