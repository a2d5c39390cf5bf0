"""What a verification finds, in terms that people know, and what it counts."""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from poparchive.index.lookup import Located


class Kind(enum.Enum):
    """Which part of an archive is damaged, and so what makes it whole again."""

    PACK = "pack"
    """Octets of a pack: parity, a second copy, or the server."""
    MESSAGE = "message"
    """A message that cannot be made from what the packs hold; follows from damage of another kind."""
    JOURNAL = "journal"
    """An entry of the journal: a second copy."""
    CATALOG = "catalog"
    """A row: made again from packs and journal."""
    SEARCH = "search"
    """The search index: made again from the messages."""
    PARITY = "parity"
    """What heals a pack: made again from it."""
    DESCRIPTION = "description"
    """``archive.toml``: taken from a second copy, or written anew from what the headers of all else say."""
    DIRECTORY = "directory"
    """A directory that is missing or cannot be listed: made again; what was in it is told by itself."""
    NEWER = "newer"
    """What a newer version wrote: it may be whole, and nothing of this version changes it."""


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is not as it should be.

    ``message`` is set when it concerns one that the catalog knows; ``identity`` is its id, known or not.
    ``pack`` with ``start`` and ``end`` say where octets are bad.
    """

    what: str
    message: Located | None = None
    accounts: tuple[str, ...] = ()
    kind: Kind = Kind.PACK
    identity: bytes | None = None
    pack: int | None = None
    start: int = 0
    end: int = 0
    behind: bool = False
    """The catalog is whole, and behind the journal: the next writer mends that by itself, and nothing is to
    remember it."""


@dataclass(slots=True)
class Counts:
    """What was looked at and found good, and what is worth knowing and no damage (``notes``)."""

    entries: int = 0
    frames: int = 0
    octets: int = 0
    blobs: int = 0
    messages: int = 0
    message_octets: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Bad:
    """Octets of a pack that cannot be read as frames, and why."""

    pack: int
    start: int
    end: int
    why: str
    newer: bool = False
    """A newer version wrote them: whether they are damaged is not known."""


Progress = Callable[[str, int, int], None]
"""Called with what is looked at, how many octets (messages) are done, and how many there are in all."""


class StoppedError(Exception):
    """Raised by a ``Progress`` to end a verification; what was done until then counts."""
