"""The values of fields that do not hold words."""

import re
from collections.abc import Callable

from poparchive.query import fields
from poparchive.query.tokens import Token
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
    if text.lower() not in ("attachment", "attachments"):
        from poparchive.query import meant

        raise BadValueError(
            'the only value is "attachment"', meant.word(text, ("attachment", "attachments"))
        )
    return HasAttachment()


def _is(text: str) -> Node:
    state = text.lower()
    if state in fields.STATES:
        return Is(state)
    from poparchive.query import meant

    listed = ", ".join(list(fields.STATES)[:-1]) + f" or {list(fields.STATES)[-1]}"
    raise BadValueError(f"{listed} was expected", meant.word(text, fields.STATES))


def _file_type(text: str) -> Node:
    ending = text.lower().rpartition(".")[2]
    if re.fullmatch(r"[a-z0-9]{1,16}", ending) is None or ending in _NO_ENDINGS:
        from poparchive.query import meant

        expected = "the ending of such files, as in filetype:pdf, was expected"
        raise BadValueError(expected, meant.ending(text))
    return FileType(fields.SAME_ENDINGS.get(ending, ending))


_NO_ENDINGS = frozenset(
    f"{kind}{plural}"
    for kind in (
        "audio",
        "document",
        "image",
        "photo",
        "picture",
        "presentation",
        "spreadsheet",
        "video",
    )
    for plural in ("", "s")
)
"""What people type for kinds of files: no file's name ends so."""


def _language(text: str) -> Node:
    code = text.lower()
    code = fields.SAME_LANGUAGES.get(code, code)
    if code in fields.LANGUAGES:
        return Language(code)
    from poparchive.query import meant

    near = meant.language(text)
    expected = "a code of two letters (ISO 639-1), as in lang:pl, was expected"
    if re.fullmatch("[a-z]{2}", code):
        expected = f"no text is told to be in {code}"
    if not near or len(code) == 2:
        expected += f"; there are {', '.join(sorted(fields.LANGUAGES))}"
    raise BadValueError(expected, near)


SIZE = r"(\d{1,15})(?:\.(\d{1,6}))?\s*([kmgt]?)i?b?"
"""A number, its fraction and its unit."""

_MOST_BYTES = 1 << 62
"""No message is larger, and SQLite counts no further than twice that."""
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
UNITS_ALONE = frozenset(f"{one}{rest}" for one in "kmgt" for rest in ("", "b", "ib")) | {
    "b",
    "bytes",
}
"""Of a size that is written as two words."""


def is_parted(number: Token, after: Token | None) -> bool:
    """Whether the word behind a size is its unit."""
    unit = after.text.lower() if after is not None and after.kind == "word" else ""
    return unit in UNITS_ALONE and number.text[-1].isdigit()


def _octets(text: str) -> int:
    found = re.fullmatch(SIZE, text, re.IGNORECASE | re.ASCII)
    if found is None:
        from poparchive.query import meant

        raise BadValueError("a size such as 300k, 1.5M or 2000000 was expected", meant.size(text))
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
