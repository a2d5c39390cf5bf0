"""Encoded words in header fields (RFC 2047), as they are written and as they should be.

Promise: never raises, and takes time linear in its input.
"""

import binascii
from typing import Final

from .charset import clean, decode
from .late import late

_WORD: Final = late(
    rb"=\?([^?*\s]{1,64})(?:\*[^?\s]{0,64})?\?([bBqQ])\?([^?]*(?:\?(?!=)[^?\s]*){0,2})(?:\?=|\Z)"
)
"""An encoded word. Against the standard, but common: blanks and single question marks in its text,
no blank around it, words inside quoted strings, and one that is cut off at the field's end."""

_NOT_BASE64: Final = bytes(
    o for o in range(256) if not ((o < 128 and chr(o).isalnum()) or o in b"+/")
)


def decode_field(raw: bytes, label: str = "") -> str:
    """The text of an unstructured or address field's value: unfolded, decoded, one line.

    Runs of white space become one space. Octets beyond ASCII are UTF-8, or else in the charset ``label``,
    which is the message's, for want of one of their own.
    """
    if raw.find(b"=?") < 0:  # "not in" takes twice as long for octets
        text = raw.decode("ascii") if raw.isascii() else _bare(raw, label)
        return text if text.isprintable() and "  " not in text else one_line(text)
    pieces: list[str] = []
    charset = b""
    pending: list[bytes] = []
    at = 0
    for word in _WORD.finditer(raw):
        between = raw[at : word.start()]
        at = word.end()
        adjacent = charset and not between.strip()
        if not (adjacent and word[1].lower() == charset):
            pieces.append(decode(b"".join(pending), charset.decode("latin-1")))
            pending.clear()
        if not adjacent:
            pieces.append(_bare(between, label))
        # Words of one charset are joined before decoding: senders cut letters in two.
        charset = word[1].lower()
        pending.append(_content(word[2], word[3]))
    pieces.append(decode(b"".join(pending), charset.decode("latin-1")))
    pieces.append(_bare(raw[at:], label))
    return one_line("".join(pieces))


def _bare(raw: bytes, label: str) -> str:
    if label and not raw.isascii():
        try:
            return clean(raw.decode("utf-8"))
        except UnicodeDecodeError:
            pass
    return decode(raw, label)


def one_line(text: str) -> str:
    """``text`` with its white space folded and without control characters."""
    return " ".join(clean(text).split())


def _content(encoding: bytes, text: bytes) -> bytes:
    if encoding in b"qQ":
        return binascii.a2b_qp(text, header=True)
    letters = text.translate(None, _NOT_BASE64)
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
