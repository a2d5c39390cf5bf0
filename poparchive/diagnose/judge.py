"""How good a server's listings and answers are: pure comparisons of what it said with what came."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from poparchive.diagnose.values import Again, Alphabet, SizeCheck, TopResult, UidlQuality
from poparchive.model import Listed

UIDL_MAX_BYTES = 70
"""RFC 1939 section 7."""

_EMPTY_LINE = re.compile(rb"^\r?\n", re.MULTILINE)
_ALPHABETS = (
    (Alphabet.DIGITS, re.compile(rb"[0-9]*")),
    (Alphabet.HEX, re.compile(rb"[0-9a-fA-F]*")),
    (Alphabet.ALNUM, re.compile(rb"[0-9a-zA-Z]*")),
    (Alphabet.PRINTABLE, re.compile(rb"[!-~]*")),
)


def uidl_quality(listed: Sequence[Listed]) -> UidlQuality:
    """Judge the UIDLs of a listing as ``Uidls`` joins it."""
    named = [message for message in listed if message.uidl]
    lengths = [len(message.uidl) for message in named] or [0]
    times = Counter(message.uidl for message in named)
    numbers = [message.number for message in named]
    return UidlQuality(
        count=len(named),
        shortest_bytes=min(lengths),
        longest_bytes=max(lengths),
        alphabet=_alphabet(b"".join(times)),
        too_long=sum(length > UIDL_MAX_BYTES for length in lengths),
        missing=len(listed) - len(named),
        repeated=sum(count for count in times.values() if count > 1),
        # Of one message alone it may be chance.
        are_numbers=len(named) > 1 and all(m.uidl == b"%d" % m.number for m in named),
        ascending=numbers == sorted(numbers),
    )


def _alphabet(octets: bytes) -> Alphabet:
    return next((name for name, form in _ALPHABETS if form.fullmatch(octets)), Alphabet.OTHER)


def compare_listings(first: Sequence[Listed], second: Sequence[Listed]) -> Again:
    """UIDLs of two sessions. Mail may have come or gone between them."""
    before = Counter(message.uidl for message in first)
    after = Counter(message.uidl for message in second)
    kept = before & after

    def order(listed: Sequence[Listed]) -> list[bytes]:
        left, result = kept.copy(), []
        for message in listed:
            if left[message.uidl]:
                left[message.uidl] -= 1
                result.append(message.uidl)
        return result

    return Again(
        kept=kept.total(),
        gone=(before - after).total(),
        new=(after - before).total(),
        order_kept=order(first) == order(second),
    )


def smallest(sizes: Mapping[int, int], *, count: int, most_bytes: int) -> list[int]:
    """Numbers of messages to look at, the smallest first. Size 0 is what nobody announced."""
    fitting = [(size, number) for number, size in sizes.items() if 0 < size <= most_bytes]
    return [number for _, number in sorted(fitting)[:count]]


def size_check(number: int, listed_bytes: int, message: bytes) -> SizeCheck:
    """``message`` as RETR gave it."""
    return SizeCheck(number, listed_bytes, len(message), message.count(b"\n"))


def top_of(message: bytes, lines: int) -> bytes:
    """What TOP has to give: header, the empty line, and so many lines of the body (RFC 1939)."""
    end = _header_end(message)
    for _ in range(lines):
        end = message.find(b"\n", end) + 1 or len(message)
    return message[:end]


def _header_end(message: bytes) -> int:
    """Behind the empty line; the end of a message that has none."""
    found = _EMPTY_LINE.search(message)
    return found.end() if found else len(message)


def judge_top(top: bytes, message: bytes, lines: int) -> TopResult:
    """Compare what TOP gave with ``message``, which RETR gave."""
    wanted = top_of(message, lines)
    if top == wanted:
        return TopResult.EXACT
    header = message[: _header_end(message)]
    if lines == 0 and top in (header.removesuffix(b"\r\n"), header.removesuffix(b"\n")):
        return TopResult.NO_EMPTY_LINE
    # The last line end may be the one that every multi-line answer has.
    if wanted.startswith(top.removesuffix(b"\r\n")):
        return TopResult.SHORT
    if top.startswith(wanted):
        return TopResult.LONG
    return TopResult.BODY if top.startswith(header) else TopResult.HEADER
