"""The nearest of some names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poparchive.query import fields
from poparchive.query.spelling import closest


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("form", "from"),
        ("befor", "before"),
        ("attachement", "attachment"),
        ("sujbect", "subject"),
        ("filetpye", "filetype"),
        ("newerthan", "newer_than"),
        ("colour", None),
        ("re", None),
        ("", None),
    ],
)
def test_slips_of_the_hand(typed: str, meant: str | None) -> None:
    """One slip in a short name, two in a long one; neighbours that changed places are one."""
    assert closest(typed, fields.ALL) == meant


@given(st.text(max_size=40))
def test_a_name_is_nearest_to_itself(text: str) -> None:
    """Nothing is nearer, and nothing far is suggested."""
    assert closest(text, [text, "subject"]) in (text, None)
    found = closest(text, fields.ALL)
    assert found is None or abs(len(found) - len(text)) <= 2
