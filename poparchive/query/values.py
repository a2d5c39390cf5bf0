"""The values of fields that do not hold words."""

import re
from collections.abc import Callable, Iterable

from poparchive.query import fields
from poparchive.query.spelling import closest
from poparchive.query.tree import (
    Dated,
    FileType,
    HasAttachment,
    HasMessageId,
    Identified,
    InAccount,
    InThread,
    Is,
    Language,
    Node,
    Sized,
)


class BadValueError(ValueError):
    """What was expected, and what was probably meant: empty if nothing suggests itself."""

    def __init__(self, expected: str, meant: str = "") -> None:
        super().__init__(expected)
        self.meant = meant


def value(field: str, text: str, now: int) -> Node:
    """Return what a field's value means. ``now`` is in seconds since the epoch. Raises ``BadValueError``."""
    if field in ("before", "after", "on", "during", "older_than", "newer_than"):
        from poparchive.query import dates

        try:
            start, end = dates.limits(field, text, now)
        except dates.BadDateError as error:
            raise BadValueError(str(error), error.meant) from None
        return Dated(start, end)
    return _KINDS[field](text)


def _has(text: str) -> Node:
    _one_of(text, ("attachment", "attachments"), 'the only value is "attachment"')
    return HasAttachment()


def _is(text: str) -> Node:
    listed = ", ".join(list(fields.STATES)[:-1]) + f" or {list(fields.STATES)[-1]}"
    return Is(_one_of(text, fields.STATES, f"{listed} was expected"))


def _one_of(text: str, known: Iterable[str], expected: str) -> str:
    lower = text.lower()
    if lower not in known:
        raise BadValueError(expected, closest(lower, known) or "")
    return lower


def _file_type(text: str) -> Node:
    ending = text.lower().rpartition(".")[2]
    if re.fullmatch(r"[a-z0-9]{1,16}", ending) is None:
        meant = re.sub(r"[^a-z0-9]", "", ending.rpartition("/")[2])[:16]
        raise BadValueError("the ending of such files, as in filetype:pdf, was expected", meant)
    return FileType(fields.SAME_ENDINGS.get(ending, ending))


_LANGUAGES = {
    "arabic": "ar", "bulgarian": "bg", "chinese": "zh", "czech": "cs", "danish": "da", "dutch": "nl",
    "english": "en", "finnish": "fi", "french": "fr", "german": "de", "greek": "el", "hebrew": "he",
    "hungarian": "hu", "italian": "it", "japanese": "ja", "korean": "ko", "norwegian": "no",
    "polish": "pl", "portuguese": "pt", "romanian": "ro", "russian": "ru", "spanish": "es",
    "swedish": "sv", "thai": "th", "turkish": "tr", "ukrainian": "uk",
}  # fmt: skip
"""Names that people type for codes of ISO 639-1."""


def _language(text: str) -> Node:
    code = text.lower()
    if re.fullmatch("[a-z]{2}", code) is None:
        name = closest(code, _LANGUAGES)
        tag = re.match("[a-z]{2}(?=[-_])", code)
        meant = _LANGUAGES[name] if name else tag[0] if tag else ""
        raise BadValueError("a code of two letters (ISO 639-1), as in lang:pl, was expected", meant)
    return Language(code)


_SIZE = r"(\d{1,15})(?:\.(\d{1,6}))?\s*([kmg]?)i?b?"
_MOST_BYTES = 1 << 62
"""No message is larger, and SQLite counts no further than twice that."""
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def _octets(text: str) -> int:
    found = re.fullmatch(_SIZE, text, re.IGNORECASE | re.ASCII)
    if found is None:
        plain = text.replace(",", ".").lstrip("-+<>=")
        number = re.match(r"\d{1,15}", plain, re.ASCII)
        meant = re.match(_SIZE, plain, re.IGNORECASE | re.ASCII)
        raise BadValueError(
            "a size such as 300k, 1.5M or 2000000 was expected",
            meant[0].rstrip() if meant else number[0] if number else "",
        )
    whole, fraction, unit = found.groups()
    return min(int(float(f"{whole}.{fraction or 0}") * _UNITS[unit.lower()]), _MOST_BYTES)


def _larger(text: str) -> Node:
    return Sized(_octets(text), None)


def _smaller(text: str) -> Node:
    return Sized(None, _octets(text))


def _digits(text: str) -> Identified:
    digits = text.lower()
    if re.fullmatch("[0-9a-f]{4,64}", digits) is None:
        raise BadValueError("4 to 64 hexadecimal digits of an id, or a Message-ID, were expected")
    return Identified(digits)


def _message_id(text: str) -> HasMessageId:
    bare = text.removeprefix("<").removesuffix(">")
    if not bare:
        raise BadValueError("a Message-ID was expected")
    return HasMessageId(bare)


def _identity(text: str) -> Identified | HasMessageId:
    """Told apart as ``show`` does."""
    return _message_id(text) if "@" in text or text.startswith("<") else _digits(text)


def _thread(text: str) -> Node:
    return InThread(_identity(text))


_KINDS: dict[str, Callable[[str], Node]] = {
    "has": _has,
    "is": _is,
    "filetype": _file_type,
    "lang": _language,
    "larger": _larger,
    "smaller": _smaller,
    "account": InAccount,
    "id": _identity,
    "msgid": _message_id,
    "thread": _thread,
}
