"""What a person reads in a calendar part (RFC 5545): what, where, who; not when, nor any time zone's rules.
Of a card (RFC 6350) it is all but pictures. What phones write, vCalendar 1.0 and vCard 2.1, is read as well.

Promise: never raises, and takes time linear in its input.
"""

import binascii
import re
from typing import Final

from .charset import decode
from .late import late

_FOLD: Final = late(r"\n[ \t]")
_FOLDED_AT_BLANKS: Final = late(r"^VERSION:(?:1\.0|2\.1)\b", re.MULTILINE | re.IGNORECASE)
"""In these versions the blank at which a line is folded is the text's own; later it is put in."""
_QUOTED: Final = late(
    r"^([^:;\n]*+)(?=(?:;[^:;\n]*+)*?;(?:ENCODING=)?QUOTED-PRINTABLE[;:])(;[^:\n]*+:)"
    r"([^\n]*+(?:(?<==)\n[^\n]*+)*+)",
    re.MULTILINE | re.IGNORECASE,
)
_CHARSET: Final = late(r";CHARSET=\"?([\w.:-]{2,40})", re.IGNORECASE)
_BINARY: Final = late(
    r"^[^:;\n]*+(?:(?=(?:;[^:;\n]*+)*?;(?:ENCODING=)?(?:BASE64|B)[;:])|(?:;[^:\n]*+)?:data:[\w.+-]+/[\w.+-]+[;,])[^\n]*+\n?",
    re.MULTILINE | re.IGNORECASE,
)
"""A picture, a sound or a key."""
_LINE: Final = late(
    r"^(SUMMARY|DESCRIPTION|LOCATION|COMMENT|CATEGORIES|CONTACT|ATTENDEE|ORGANIZER)"
    r"((?:;[^:;\"\n]*+(?:\"[^\"\n]*+\"[^:;\"\n]*+)*+)*+):([^\n]*)$",
    re.MULTILINE | re.IGNORECASE,
)
_SILENT: Final = late(
    r"^BEGIN:(VALARM|VTIMEZONE)\b.*?(?:^END:\1\b|\Z)", re.MULTILINE | re.DOTALL | re.IGNORECASE
)
_NAME: Final = late(r";CN=(?:\"([^\"\n]*)\"|([^;:\"\n]*))", re.IGNORECASE)
_ESCAPED: Final = late(r"\\(.)")


def text_of(source: str) -> str:
    """The texts of a calendar, one line for each property; a card; ``source`` itself if it is neither."""
    upper = source.upper()
    if "BEGIN:V" not in upper:
        return source
    source = _unfolded(source)
    if "BEGIN:VCARD" in upper and "BEGIN:VCALENDAR" not in upper:
        return _ESCAPED.sub(_unescaped, _BINARY.sub("", source))
    source = _SILENT.sub("", source)
    lines: list[str] = []
    for name, parameters, value in _LINE.findall(source):
        if name.upper() in ("ATTENDEE", "ORGANIZER"):
            name_of = _NAME.search(parameters)
            address = value.strip()
            if address[:7].lower() == "mailto:":
                address = address[7:]
            shown = (name_of[1] or name_of[2]) if name_of else address
            lines.append(address if shown == address else f"{shown} <{address}>")
        else:
            lines.append(_ESCAPED.sub(_unescaped, value).strip())
    return "\n".join(dict.fromkeys(filter(None, lines)))


def _unfolded(source: str) -> str:
    """The lines as they were before they were encoded and folded."""
    fold = " " if _FOLDED_AT_BLANKS.search(source) else ""
    return _FOLD.sub(fold, _QUOTED.sub(_unquoted, source))


def _unquoted(match: re.Match[str]) -> str:
    name, parameters, value = match.groups()
    charset = _CHARSET.search(parameters)
    octets = binascii.a2b_qp(value.encode("utf-8", "replace"))
    text = decode(octets, charset[1] if charset else "")
    return name + parameters + text.replace("\n", "\\n")


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] in "nN" else match[1]
