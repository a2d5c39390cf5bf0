"""What is inside an S/MIME part that is signed as a whole (RFC 8551 section 3.5.2), and whether it is that.

Nothing is verified and nothing decrypted. Reads BER, because mailers write lengths that are not known yet.
Promise: never raises, takes time linear in its input.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

_SIGNED_DATA: Final = bytes.fromhex("2a864886f70d010702")
_ENCRYPTED_DATA: Final = frozenset(
    bytes.fromhex(one)
    for one in ("2a864886f70d010703", "2a864886f70d010706", "2a864886f70d0109100117")
)
_MAX_DEPTH: Final = 8

_SEQUENCE, _OID, _OCTETS, _OCTETS_IN_PIECES, _CONTENT = 0x30, 0x06, 0x04, 0x24, 0xA0


class _Value(NamedTuple):
    tag: int
    start: int
    end: int


class Content(NamedTuple):
    """``kind`` is ``signed``, ``encrypted``, or empty for anything else; ``inside`` is what is signed, None
    where it is not there or cannot be read."""

    kind: str
    inside: bytes | None = None


def read(octets: bytes) -> Content:
    """Look into a part's decoded octets."""
    outer = next(_values(octets, 0, len(octets)), None)
    if outer is None or outer.tag != _SEQUENCE:
        return Content("")
    kind, content = _pair(octets, outer)
    if kind != _SIGNED_DATA:
        return Content("encrypted" if kind in _ENCRYPTED_DATA else "")
    data = next(_values(octets, content.start, content.end), None) if content else None
    if data is not None and data.tag == _SEQUENCE:
        for value in _values(octets, data.start, data.end):
            if value.tag == _SEQUENCE:  # behind version and digest algorithms
                _, inner = _pair(octets, value)
                if inner is None:
                    break
                found = b"".join(_pieces(octets, inner.start, inner.end, 0))
                return Content("signed", found or None)
    return Content("signed")


def _pair(octets: bytes, outer: _Value) -> tuple[bytes, _Value | None]:
    """Return the type and the content of a ContentInfo."""
    kind, content = b"", None
    for value in _values(octets, outer.start, outer.end):
        if value.tag == _OID and not kind:
            kind = octets[value.start : value.end]
        elif value.tag == _CONTENT and kind:
            content = value
            break
    return kind, content


def _pieces(octets: bytes, start: int, end: int, depth: int) -> Iterator[bytes]:
    for value in _values(octets, start, end):
        if value.tag == _OCTETS:
            yield octets[value.start : value.end]
        elif value.tag == _OCTETS_IN_PIECES and depth < _MAX_DEPTH:
            yield from _pieces(octets, value.start, value.end, depth + 1)


def _values(octets: bytes, at: int, end: int) -> Iterator[_Value]:
    """Yield the values of one level, up to its end mark if it has one."""
    end = min(end, len(octets))
    while at + 2 <= end:
        tag, length = octets[at], octets[at + 1]
        at += 2
        if not tag and not length:
            return
        if length == 0x80:
            yield _Value(tag, at, end)
            at = _behind(octets, at, end)
            continue
        if length > 0x80:
            size = length - 0x80
            length = int.from_bytes(octets[at : at + size], "big") if size <= 8 else end
            at += size
        stop = min(at + length, end)
        yield _Value(tag, at, stop)
        at = stop


def _behind(octets: bytes, at: int, end: int) -> int:
    """Return where a value of indefinite length ends, behind its end mark."""
    open_values = 1
    while at + 2 <= end and open_values:
        tag, length = octets[at], octets[at + 1]
        at += 2
        if tag == 0 and length == 0:
            open_values -= 1
        elif length == 0x80:
            open_values += 1
        elif length > 0x80:
            size = length - 0x80
            at += size + (int.from_bytes(octets[at : at + size], "big") if size <= 8 else end)
        else:
            at += length
    return min(at, end)
