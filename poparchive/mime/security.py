"""What parts say of themselves: signed, encrypted, or a file of the sender's at all.

Promise: nothing here raises. That a signature is good is not looked at.
"""

from typing import Final

from .structure import Octets, Part

_SIGNATURES: Final = frozenset(
    [
        "application/pgp-signature",
        *("application/pkcs7-signature", "application/x-pkcs7-signature"),
    ]
)
"""Types of a signature that is a part of its own, beside what it signs."""
_PGP_ENCRYPTED: Final = "application/pgp-encrypted"
_SIGNED: Final = _SIGNATURES | {"multipart/signed"}
_ENCRYPTED: Final = frozenset(["multipart/encrypted", _PGP_ENCRYPTED])
SECURED: Final = _SIGNED | _ENCRYPTED | {"application/pgp"}
"""Types of parts that say something of it."""

_PGP_SIGNED: Final = "-----BEGIN PGP SIGNED MESSAGE-----"
_PGP_MESSAGE: Final = "-----BEGIN PGP MESSAGE-----"
_CONTROL: Final = b"Version: 1"
"""All that the first part of an encrypted message says (RFC 3156, section 4)."""
_CONTROL_BYTES: Final = 100


def claims(part: Part) -> tuple[bool, bool]:
    """Whether a part of one of the types ``SECURED`` is signed, and whether it is encrypted."""
    if part.type in _SIGNED:
        return True, False
    if part.type in _ENCRYPTED:
        return False, True
    signed = b"sign" in part.block.first(b"content-type").lower()  # x-action, of before 1996
    return signed, not signed


def inline_claims(text: str) -> tuple[bool, bool]:
    """The same of a text, by what begins a line: what is quoted or told of is not so itself."""
    text = "\n" + text
    return "\n" + _PGP_SIGNED in text, "\n" + _PGP_MESSAGE in text


def is_file(message: Octets, leaf: Part, *, related: bool) -> bool:
    """Whether an attached leaf is a file that somebody sent, and not what mail programs add of themselves: a
    detached signature, what says that the next part is encrypted, a picture of an HTML text, to which it is
    ``related`` (RFC 2387)."""
    kind = leaf.type
    if kind in _SIGNATURES:
        return False
    if kind == _PGP_ENCRYPTED and leaf.end - leaf.start <= _CONTROL_BYTES:
        return message[leaf.start : leaf.end].strip() != _CONTROL
    if related and kind.startswith("image/") and leaf.about.placed != "attachment":
        return not leaf.block.first(b"content-id")
    return True
