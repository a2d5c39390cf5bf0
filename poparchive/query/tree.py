"""What a query can mean: small frozen values, and no behaviour."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """A word, or words in a row. ``field`` is one of ``fields.TEXT``, or empty for all of them."""

    text: str
    prefix: bool = False
    field: str = ""


@dataclass(frozen=True, slots=True)
class Stem:
    """Any form of a word."""

    text: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Near:
    """Words or phrases with at most ``distance`` other words between the first and the last, in any order.

    Each of ``words`` has the field of all."""

    words: tuple[Words, ...]
    distance: int
    field: str = ""


@dataclass(frozen=True, slots=True)
class HasAttachment:
    """Carries at least one attachment."""


@dataclass(frozen=True, slots=True)
class Is:
    """``state`` is one of ``fields.STATES``."""

    state: str


@dataclass(frozen=True, slots=True)
class FileType:
    """Carries an attachment of a type, named by the usual ending of such files, in lower case."""

    ending: str


@dataclass(frozen=True, slots=True)
class Language:
    """Written in a language: ISO 639-1."""

    code: str


@dataclass(frozen=True, slots=True)
class Dated:
    """From ``start`` up to, not including, ``end``: seconds since the epoch, None for no limit."""

    start: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class Sized:
    """Larger than ``above`` or smaller than ``below`` octets."""

    above: int | None
    below: int | None


@dataclass(frozen=True, slots=True)
class InAccount:
    """Came from an account."""

    name: str


@dataclass(frozen=True, slots=True)
class Identified:
    """Whose SHA-256 begins with these hexadecimal digits."""

    digits: str


@dataclass(frozen=True, slots=True)
class HasMessageId:
    """Whose Message-ID, without angle brackets, is this."""

    message_id: str


@dataclass(frozen=True, slots=True)
class InThread:
    """In the conversation of a message."""

    of: Identified | HasMessageId


@dataclass(frozen=True, slots=True)
class Not:
    """All but."""

    inner: "Node"


@dataclass(frozen=True, slots=True)
class And:
    """All of these; of nothing: every message."""

    all: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of these."""

    any: "tuple[Node, ...]"


Node = (
    Words | Stem | Near | HasAttachment | Is | FileType | Language | Dated | Sized
    | InAccount | Identified | HasMessageId | InThread | Not | And | Or
)  # fmt: skip

EVERYTHING = And(())
