"""File names made from what strangers wrote."""

import re

_UNSAFE = re.compile(
    r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+'
)

MAX_NAME_BYTES = 120


def file_name(text: str, *, fallback: str = "unnamed") -> str:
    """Return a name that is safe in any directory: no path, no control characters, no leading dot."""
    name = _UNSAFE.sub("_", text).strip().lstrip(".").strip()
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > 10:
        stem, ending = name, ""
    room = MAX_NAME_BYTES - len(ending.encode()) - 1
    stem = stem.encode()[:room].decode("utf-8", "ignore").rstrip()
    return (f"{stem}.{ending}" if ending else stem) or fallback
