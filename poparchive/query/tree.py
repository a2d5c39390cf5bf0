"""What a query can mean: small frozen values, and no behaviour."""

from poparchive.query.frozen import Frozen


class Words(Frozen):
    """A word, or words in a row. ``field`` is one of ``fields.TEXT``, or empty for all of them."""

    text: str
    prefix: bool = False
    field: str = ""


class Stem(Frozen):
    """Any form of a word."""

    text: str
    field: str = ""


class Near(Frozen):
    """Words or phrases with at most ``distance`` other words between the first and the last, in any order.

    Each of ``words`` has the field of all."""

    words: tuple[Words, ...]
    distance: int
    field: str = ""


class HasAttachment(Frozen):
    """Carries at least one attachment."""


class Is(Frozen):
    """``state`` is one of ``fields.STATES``."""

    state: str


class FileType(Frozen):
    """Carries an attachment of a type, named by the usual ending of such files, in lower case."""

    ending: str


class Language(Frozen):
    """Written in a language: ISO 639-1."""

    code: str


class Dated(Frozen):
    """From ``start`` up to, not including, ``end``: seconds since the epoch, None for no limit."""

    start: int | None
    end: int | None


class Sized(Frozen):
    """Larger than ``above`` or smaller than ``below`` octets."""

    above: int | None
    below: int | None


class InAccount(Frozen):
    """Came from an account."""

    name: str


class Identified(Frozen):
    """Whose SHA-256 begins with these hexadecimal digits."""

    digits: str


class HasMessageId(Frozen):
    """Whose Message-ID, without angle brackets, is this."""

    message_id: str


class InThread(Frozen):
    """In the conversation of a message."""

    of: Identified | HasMessageId


class Not(Frozen):
    """All but."""

    inner: "Node"


class And(Frozen):
    """All of these; of nothing: every message."""

    all: "tuple[Node, ...]"


class Or(Frozen):
    """At least one of these."""

    any: "tuple[Node, ...]"


Node = (
    Words | Stem | Near | HasAttachment | Is | FileType | Language | Dated | Sized
    | InAccount | Identified | HasMessageId | InThread | Not | And | Or
)  # fmt: skip

EVERYTHING = And(())
