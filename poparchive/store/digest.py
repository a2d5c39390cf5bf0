"""SHA-256 of many small things, in a thread beside other busy ones."""

import hashlib
from collections.abc import Iterable

_UNLOCKED_BYTES = 2047
"""``hashlib`` lets go of the interpreter's lock for every call with more octets than this. To take
it back beside a thread that computes costs up to a switch interval (5 ms), a thousand times what
the hash of a message takes."""

_LARGE_BYTES = 256 << 10
"""From here on it is better that others run meanwhile."""


def sha256(octets: bytes) -> bytes:
    """Return the digest. Holds the interpreter's lock unless the octets are many."""
    if len(octets) <= _UNLOCKED_BYTES or len(octets) >= _LARGE_BYTES:
        return hashlib.sha256(octets).digest()
    found = hashlib.sha256()
    view = memoryview(octets)
    for at in range(0, len(octets), _UNLOCKED_BYTES):
        found.update(view[at : at + _UNLOCKED_BYTES])
    return found.digest()


def sha256_of(pieces: Iterable[bytes]) -> bytes:
    """Return the digest of octets that come in pieces."""
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece)
    return found.digest()
