"""The journal's records: what happened, as frozen values, and their octets.

One class a record type; the code numbers are those of ``docs/store-format.md``.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from poparchive.model import Fate, MessageId
from poparchive.store import varint
from poparchive.store.errors import DamageError, FormatError


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """A source of mail. A later record with the same number replaces host and user."""

    number: int
    name: str
    host: str
    user: str


@dataclass(frozen=True, slots=True)
class ListedRecord:
    """UIDLs never seen before, as (UIDL, LIST size); their ledger numbers count from ``first``."""

    account: int
    first: int
    listed: tuple[tuple[bytes, int], ...]


@dataclass(frozen=True, slots=True)
class ArchivedRecord:
    """The UIDL's message is kept, and its octets were new."""

    ledger: int
    message: MessageId


@dataclass(frozen=True, slots=True)
class DuplicateRecord:
    """The UIDL's message is kept, and its octets were kept before."""

    ledger: int
    message: MessageId


@dataclass(frozen=True, slots=True)
class FateRecord:
    """Any other fate."""

    ledger: int
    fate: Fate
    reason: str


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A pull of one account that came to an end. ``outcome``: 0 done, 1 failed, 2 stopped."""

    number: int
    account: int
    started: int
    ended: int
    outcome: int
    listed: int
    archived: int
    duplicates: int
    failed: int
    deleted: int
    octets: int
    error: str


class Sealed(enum.IntEnum):
    """Whether a pack is finished, and by whom."""

    NO = 0
    YES = 1
    TIGHTLY = 2
    """By ``optimize``, which need not look at it again."""


@dataclass(frozen=True, slots=True)
class PackRecord:
    """A pack is synced up to ``length``."""

    number: int
    length: int
    sealed: Sealed


@dataclass(frozen=True, slots=True)
class RetiredRecord:
    """A pack holds nothing that is not in others, and may be removed."""

    number: int


@dataclass(frozen=True, slots=True)
class LaterRecord:
    """Something that a later version wrote and that others may pass over: ``code`` from 128 on."""

    code: int
    octets: bytes


LATER = 128
"""Records with a code from here on begin with their length."""

Record = (
    AccountRecord
    | ListedRecord
    | ArchivedRecord
    | DuplicateRecord
    | FateRecord
    | RunRecord
    | PackRecord
    | RetiredRecord
    | LaterRecord
)


def encode(records: Sequence[Record]) -> bytes:
    """Return the records' octets, one after the other."""
    out = bytearray()
    for record in records:
        match record:
            case ArchivedRecord(ledger, message):
                out.append(3)
                varint.put(out, ledger)
                out += message
            case DuplicateRecord(ledger, message):
                out.append(4)
                varint.put(out, ledger)
                out += message
            case ListedRecord(account, first, listed):
                _numbers(out, 2, account, first, len(listed))
                for uidl, size in listed:
                    varint.put(out, size)
                    varint.put_bytes(out, uidl)
            case FateRecord(ledger, fate, reason):
                _numbers(out, 5, ledger, fate)
                varint.put_bytes(out, reason.encode())
            case AccountRecord(number, name, host, user):
                _numbers(out, 1, number)
                for text in (name, host, user):
                    varint.put_bytes(out, text.encode())
            case RunRecord():
                _numbers(out, 6, *(getattr(record, name) for name in _RUN_NUMBERS))
                varint.put_bytes(out, record.error.encode())
            case PackRecord(number, length, sealed):
                _numbers(out, 7, number, length, int(sealed))
            case RetiredRecord(number):
                _numbers(out, 8, number)
            case LaterRecord(code, octets):
                out.append(code)
                varint.put_bytes(out, octets)
    return bytes(out)


_RUN_NUMBERS = RunRecord.__match_args__[:-1]


def _numbers(out: bytearray, code: int, *values: int) -> None:
    out.append(code)
    for value in values:
        varint.put(out, value)


def decode(octets: bytes) -> list[Record]:
    """Read records back. Octets that are none raise ``DamageError``, unknown codes ``FormatError``."""
    found: list[Record] = []
    cursor = _Cursor(octets)
    while cursor.at < len(octets):
        code = octets[cursor.at]
        cursor.at += 1
        if code >= LATER:
            found.append(LaterRecord(code, cursor.string()))
            continue
        if code not in _READERS:
            raise FormatError(
                f"a journal record has the code {code}; this poparchive knows codes up to {max(_READERS)}."
                " Install a newer version."
            )
        found.append(_READERS[code](cursor))
    return found


class _Cursor:
    """A position in octets, and the ways to read on from it."""

    __slots__ = ("at", "octets")

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.at = 0

    def number(self) -> int:
        value, self.at = varint.get(self.octets, self.at)
        return value

    def string(self) -> bytes:
        value, self.at = varint.get_bytes(self.octets, self.at)
        return value

    def text(self) -> str:
        try:
            return self.string().decode()
        except UnicodeDecodeError as error:
            raise DamageError("a journal record holds text that is not UTF-8") from error

    def message(self) -> MessageId:
        value = self.octets[self.at : self.at + 32]
        if len(value) < 32:
            raise DamageError("a journal record ends inside an id")
        self.at += 32
        return MessageId(value)


def _account(c: _Cursor) -> Record:
    return AccountRecord(c.number(), c.text(), c.text(), c.text())


def _listed(c: _Cursor) -> Record:
    account, first, count = c.number(), c.number(), c.number()
    if count > len(c.octets):
        raise DamageError("a journal record lists more than it has room for")
    pairs = []
    for _ in range(count):
        size = c.number()
        pairs.append((c.string(), size))
    return ListedRecord(account, first, tuple(pairs))


def _archived(c: _Cursor) -> Record:
    return ArchivedRecord(c.number(), c.message())


def _duplicate(c: _Cursor) -> Record:
    return DuplicateRecord(c.number(), c.message())


def _fate(c: _Cursor) -> Record:
    ledger, number, reason = c.number(), c.number(), c.text()
    try:
        return FateRecord(ledger, Fate(number), reason)
    except ValueError:
        raise FormatError(
            f"a journal record has the fate {number}; this poparchive knows fates up to {max(Fate)}."
            " Install a newer version."
        ) from None


def _run(c: _Cursor) -> Record:
    numbers = {name: c.number() for name in _RUN_NUMBERS}
    return RunRecord(**numbers, error=c.text())


def _pack(c: _Cursor) -> Record:
    number, length, sealed = c.number(), c.number(), c.number()
    try:
        return PackRecord(number, length, Sealed(sealed))
    except ValueError:
        raise FormatError(
            f"a journal record has a pack sealed in the way {sealed}; this poparchive knows ways up to"
            f" {max(Sealed)}. Install a newer version."
        ) from None


def _retired(c: _Cursor) -> Record:
    return RetiredRecord(c.number())


_READERS = {
    1: _account,
    2: _listed,
    3: _archived,
    4: _duplicate,
    5: _fate,
    6: _run,
    7: _pack,
    8: _retired,
}
