"""Lines in a header that can be none of a header: where the body begins without an empty line before it, and
which of them are text all the same.

Promise: every line of the header is a field of mail or text, so that no word of a message is lost by what
stands between header and body. Nothing here raises, and all takes time linear in the header.

A line can be one of a header if it has a name and a colon, or goes on with the one before by a blank and more
(RFC 5322 section 2.2); at the top an mbox's From line may stand. From the first other line on the header has
ended, unless fields of mail follow that it had not yet: then somebody broke a line, or folded one with an
empty one in it (RFC 5322 section 4.2), and the fields behind it count.
"""

import re
from typing import Final

from .late import late

_HEADER_LINES: Final = late(
    rb"(?:>?From [^\n]*+(?:\n|\Z))?"
    rb"(?:[!-9;-~]++[ \t]*+:.*+(?:\n|\Z)(?:[ \t]++(?=\S).*+(?:\n|\Z))*+)*+"
)
_FIELD_OF_MAIL: Final = late(
    rb"(?:(from|to|cc|bcc|sender|reply-to|subject|date|message-id|references|in-reply-to|mime-version"
    rb"|content-[!-9;-~]+)|received(?:-spf)?|return-path|delivered-to|envelope-to|authentication-results"
    rb"|(?:x|resent|list|arc|dkim|domainkey)-[!-9;-~]+)[ \t]*:",
    re.IGNORECASE,
)
"""Those that a header has once are a group. ``Status``, ``Comments`` and the like are words of a body."""
_DELIMITER: Final = b"\n--"


def first_at(block: bytes) -> int:
    """Where the first line stands that can be none of a header; the block's length if there is none."""
    found = _HEADER_LINES.match(block)
    return found.end() if found else 0


def ends_at(block: bytes, odd: int) -> tuple[int, int]:
    """Where a header with an odd line at ``odd`` ends, and where the body begins behind it."""
    # A line of a multipart's boundary is in no header.
    cut = odd - 1 if block.startswith(b"--", odd) else block.find(_DELIMITER, odd)
    last = len(block) if cut < 0 else cut + 1
    if _names(block[odd:last]) - _names(block[:odd]):
        return last, last
    line = block.find(b"\n", odd) + 1 or len(block)
    return odd, odd if block[odd:line].strip() else line


def has_mail_field(block: bytes) -> bool:
    """Whether any line begins with the name of a field that mail has."""
    return any(map(_FIELD_OF_MAIL.match, block.split(b"\n")))


def text_of(header: bytes, odd: int) -> bytes:
    """The lines from ``odd`` on that are no fields of mail, or fields that stand there for the second time
    where a header has one."""
    seen = _names(header[:odd])
    kept: list[bytes] = []
    in_field = bool(_FIELD_OF_MAIL.match(_last_field(header[:odd])))
    for line in header[odd:].splitlines(keepends=True):
        if line[:1] in (b" ", b"\t"):
            if in_field:
                continue
        elif line.strip():
            found = _FIELD_OF_MAIL.match(line)
            name = found[1].lower() if found and found[1] else b""
            in_field = found is not None and (not name or name not in seen)
            if in_field:
                seen.add(name)
                continue
        kept.append(line)
    return b"".join(kept)


def _names(block: bytes) -> set[bytes]:
    """The names of those fields that a header has once."""
    found = map(_FIELD_OF_MAIL.match, block.split(b"\n"))
    return {one[1].lower() for one in found if one and one[1]}


def _last_field(block: bytes) -> bytes:
    """The last line of the block that begins a field."""
    for line in reversed(block.split(b"\n")):
        if line.strip() and line[:1] not in (b" ", b"\t"):
            return line
    return b""
