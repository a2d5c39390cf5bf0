"""Comparisons of what a server said with what came."""

from hypothesis import given
from hypothesis import strategies as st

from poparchive.diagnose.judge import compare_listings, judge_top, smallest, top_of, uidl_quality
from poparchive.diagnose.values import Alphabet, TopResult
from poparchive.model import Listed

LINES = st.lists(st.sampled_from([b"", b"a: b", b"text", b".", b"\rx"]), max_size=12)
MESSAGES = LINES.map(lambda lines: b"".join(line + b"\r\n" for line in lines))


def listing(*uidls: bytes) -> list[Listed]:
    return [Listed(number, uidl, 1) for number, uidl in enumerate(uidls, start=1)]


@given(message=MESSAGES, lines=st.integers(0, 15))
def test_top_is_a_beginning(message: bytes, lines: int) -> None:
    """What TOP has to give begins the message, ends with a line, and grows to all of it."""
    top = top_of(message, lines)
    assert message.startswith(top)
    assert top.endswith(b"\r\n") or not top
    assert top_of(message, 20) == message
    assert len(top_of(message, lines + 1)) >= len(top)
    assert judge_top(top, message, lines) is TopResult.EXACT


@given(message=MESSAGES, lines=st.integers(0, 15), other=MESSAGES)
def test_only_the_right_top_is_exact(message: bytes, lines: int, other: bytes) -> None:
    """Anything else is found out."""
    exact = judge_top(other, message, lines) is TopResult.EXACT
    assert exact == (other == top_of(message, lines))


def test_top_counts_lines_of_the_body() -> None:
    """The empty line behind the header is none of them."""
    assert top_of(b"a: b\r\n\r\n1\r\n2\r\n3\r\n", 2) == b"a: b\r\n\r\n1\r\n2\r\n"
    assert top_of(b"a: b\r\n", 3) == b"a: b\r\n"


def test_uidls() -> None:
    """Lengths, letters, repetitions and gaps."""
    good = uidl_quality(listing(b"0a", b"0b", b"00c"))
    assert (good.count, good.shortest_bytes, good.longest_bytes) == (3, 2, 3)
    assert good.alphabet is Alphabet.HEX
    assert good.ascending
    bad = uidl_quality([Listed(2, b"a b", 1), Listed(1, b"a b", 1), Listed(3, b"", 1)])
    assert (bad.repeated, bad.missing, bad.ascending) == (2, 1, False)
    assert bad.alphabet is Alphabet.OTHER
    assert uidl_quality(listing(b"x" * 71)).too_long == 1
    assert uidl_quality([]).count == 0
    assert uidl_quality(listing(b"1", b"2")).are_numbers
    assert not uidl_quality(listing(b"1", b"3")).are_numbers


UIDLS = st.lists(st.sampled_from([b"a", b"b", b"c", b"d", b""]), max_size=8)


@given(first=UIDLS, second=UIDLS)
def test_two_listings(first: list[bytes], second: list[bytes]) -> None:
    """Kept, gone and new add up; a listing is the same as itself."""
    again = compare_listings(listing(*first), listing(*second))
    assert again.kept + again.gone == len(first)
    assert again.kept + again.new == len(second)
    same = compare_listings(listing(*first), listing(*first))
    assert (same.gone, same.new, same.order_kept) == (0, 0, True)


def test_the_order_of_those_that_stayed() -> None:
    """New mail between others is no change of order; two that changed places are."""
    assert compare_listings(listing(b"a", b"b"), listing(b"a", b"x", b"b")).order_kept
    assert not compare_listings(listing(b"a", b"b"), listing(b"b", b"a")).order_kept


def test_the_smallest() -> None:
    """Smallest first, none too large, none of unknown size."""
    sizes = {1: 30, 2: 10, 3: 0, 4: 20, 5: 999}
    assert smallest(sizes, count=2, most_bytes=100) == [2, 4]
    assert smallest(sizes, count=9, most_bytes=100) == [2, 4, 1]
