"""What a person reads in a calendar part (RFC 5545): what, where, who; not when, nor any time zone's rules.

Promise: never raises, and takes time linear in its input.
"""

import re
from typing import Final

from .late import late

_FOLD: Final = late(r"\n[ \t]")
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
    """The texts of a calendar, one line for each property; ``source`` itself if it is no calendar."""
    if "BEGIN:V" not in source.upper():
        return source
    source = _SILENT.sub("", _FOLD.sub("", source))
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


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] in "nN" else match[1]
