"""Undoes the transfer encoding of a part (RFC 2045 section 6), whole or in pieces."""

import binascii
import contextlib
from collections.abc import Iterator
from typing import Final

from poparchive.mime.structure import Octets, Part

PIECE_BYTES: Final = 1 << 20

_NOT_BASE64: Final = bytes(
    o for o in range(256) if not ((o < 128 and chr(o).isalnum()) or o in b"+/=")
)


def decoded(message: Octets, leaf: Part) -> bytes:
    """Return a part's content; what cannot be decoded is given as it is."""
    body = message[leaf.start : leaf.end]
    if leaf.encoding == b"base64":
        with contextlib.suppress(binascii.Error):
            return binascii.a2b_base64(body)
    if leaf.encoding == b"quoted-printable":
        if b"\n" not in body:
            body = body.replace(b"=\r", b"=\n")  # Python takes CR alone for the end of all
        return binascii.a2b_qp(body)
    return body


def pieces(message: Octets, leaf: Part) -> Iterator[bytes]:
    """Yield a part's content without holding it. Where it is damaged base64, what decodes is given."""
    raw = (
        message[at : min(at + PIECE_BYTES, leaf.end)]
        for at in range(leaf.start, leaf.end, PIECE_BYTES)
    )
    if leaf.encoding == b"base64":
        yield from _base64(raw)
    elif leaf.encoding == b"quoted-printable":
        yield from _quoted(raw)
    else:
        yield from raw


def _base64(raw: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in raw:
        letters, padding, _ = (rest + piece.translate(None, _NOT_BASE64)).partition(b"=")
        whole = len(letters) // 4 * 4
        rest = letters[whole:]
        yield binascii.a2b_base64(letters[:whole])
        if padding:
            break
    if len(rest) > 1:
        yield binascii.a2b_base64(rest + b"=" * (4 - len(rest)))


def _quoted(raw: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in raw:
        lines, end, rest = (rest + piece).rpartition(b"\n")
        if not end and len(rest) > PIECE_BYTES:
            lines, rest = rest, b""
        yield binascii.a2b_qp(lines + end)
    yield binascii.a2b_qp(rest)
