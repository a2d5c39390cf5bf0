"""Unsigned LEB128 integers, and the octet strings that they measure."""

from poparchive.store.errors import DamageError

_MAX_SHIFT = 63


def put(out: bytearray, value: int) -> None:
    """Append ``value``, which must not be negative."""
    while value > 0x7F:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)


def put_bytes(out: bytearray, octets: bytes | bytearray) -> None:
    """Append a length and the octets."""
    put(out, len(octets))
    out += octets


def get(octets: bytes, at: int) -> tuple[int, int]:
    """Return the integer at ``at`` and the position after it."""
    value = shift = 0
    while True:
        if at >= len(octets) or shift > _MAX_SHIFT:
            raise DamageError("an integer runs past the end of its record")
        octet = octets[at]
        at += 1
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value, at
        shift += 7


def get_bytes(octets: bytes, at: int) -> tuple[bytes, int]:
    """Return the octet string at ``at`` and the position after it."""
    length, at = get(octets, at)
    end = at + length
    if end > len(octets):
        raise DamageError("a string runs past the end of its record")
    return octets[at:end], end
