"""Subjects without what mailers put around them: what a reply shares with the message it answers. Pure.

After RFC 5256, section 2.1 ("base subject"), with the prefixes that mailers write in other languages.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final, NamedTuple

_REPLY: Final = (
    "re", "aw", "antw", "antwort", "sv", "vs", "odp", "odpowiedź", "r", "réf", "rif", "res", "ynt",
    "vá", "atb", "bls", "bvs", "vl", "hl", "απ", "σχετ", "отв", "ответ", "תגובה", "رد",
    "回复", "回覆", "答复", "答覆", "返信", "답장", "回信",
)  # fmt: skip
_FORWARD: Final = (
    "fw", "fwd", "wg", "tr", "vb", "pd", "i", "enc", "rv", "doorst", "vid", "továbbítás", "πρθ",
    "пересл", "הועבר", "转发", "轉寄", "転送", "전달", "прз",
)  # fmt: skip

_PREFIX: Final = re.compile(
    rf"\s*(?:(?P<reply>{'|'.join(map(re.escape, _REPLY))})|(?P<forward>{'|'.join(map(re.escape, _FORWARD))}))"
    r"\s?(?:\[\d{1,4}\]|\(\d{1,4}\)|\^\d{1,4})?\s?[:\uff1a]",
    re.IGNORECASE,
)
_ANY: Final = re.compile("[][:\uff1a]")
"""Without one of these there is nothing to take off the front."""
_TAG: Final = re.compile(r"\s*\[[^][]{1,60}\](?=\s*\S)")
_TRAILER: Final = re.compile(r"(?:\s*\((?:fwd|fw|wg)\))+\s*\Z", re.IGNORECASE)
_MAX_CHARACTERS: Final = 2_000
_MAX_PREFIXES: Final = 50


class Base(NamedTuple):
    """``text`` is without case, blanks as one; empty if nothing is left. ``reply`` is whether a
    prefix said that it answers something."""

    text: str
    reply: bool


@lru_cache(maxsize=2048)
def base(subject: str) -> Base:
    """Return what a subject says without prefixes of replies and forwards, and names of lists in front."""
    rest = subject[:_MAX_CHARACTERS]
    reply = False
    for _ in range(_MAX_PREFIXES):
        if not _ANY.search(rest):
            break
        if found := _PREFIX.match(rest):
            reply = reply or found["reply"] is not None
        elif not (found := _TAG.match(rest)):
            break
        rest = rest[found.end() :]
    if ")" in rest:
        rest = _TRAILER.sub("", rest)
    text = rest if rest.isascii() else unicodedata.normalize("NFKC", rest)
    return Base(" ".join(text.casefold().split()), reply)
