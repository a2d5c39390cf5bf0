"""What becomes of a content that is read, and how much reading it may cost. Standard library only."""

import enum
from dataclasses import dataclass
from typing import Final, NamedTuple

VERSION: Final = 4
"""Raised when the same content would give another text: what an older version read is read again."""

TEXT_CHARS: Final = 4 << 20
"""Characters kept of the text of a content: more than any book has, and less than a log may have."""

NOTE_CHARS: Final = 300


class Status(enum.IntEnum):
    """What became of a content. The numbers are stored and sent."""

    DONE = 0
    """Its text is there."""
    EMPTY = 1
    """It has no text: a picture, a signature, a sheet without words."""
    ENCRYPTED = 2
    """It wants a password or a key."""
    BOMB = 3
    """It unpacks to more than is read, in octets, members or depth; the text before that is there."""
    TIMEOUT = 4
    """Reading it took longer than it may."""
    MEMORY = 5
    """Reading it took more memory than it may."""
    UNSUPPORTED = 6
    """Nothing here reads its kind, or contents of its size; ``Outcome.lacking`` says what would."""
    DAMAGED = 7
    """It is not what it says it is, or only a part of that."""


HAVE_TEXT: Final = frozenset([Status.DONE, Status.BOMB, Status.ENCRYPTED])
"""What may have one: of an archive that is locked or a bomb, the names of its members are known."""


class Lacking(enum.StrEnum):
    """What would make a difference: contents that lacked it are looked at again where it is there."""

    NOTHING = ""
    EXTRA = "attachments"
    """The extra of that name, which is kreuzberg."""
    OCR = "ocr"
    """Recognition of letters in pictures, which is off unless asked for."""
    SIZE = "size"
    """Leave to read contents as large as this."""


class Outcome(NamedTuple):
    """What became of a content. ``note`` is a sentence for people, empty where there is nothing to say."""

    status: Status
    text: str = ""
    note: str = ""
    lacking: Lacking = Lacking.NOTHING


def too_large(size: int, most: int) -> Outcome:
    """What becomes of a content that is larger than any that is read."""
    note = f"it has {size} octets, and {most} are read at most"
    return Outcome(Status.UNSUPPORTED, note=note, lacking=Lacking.SIZE)


class Job(NamedTuple):
    """A content to read, and what a mail says of it."""

    content: bytes
    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading one content may cost; whoever takes more is stopped, and its status says why."""

    cpu_s: int = 60
    """Seconds of CPU."""
    wall_factor: int = 5
    """By the clock it may take so many times as long: others use the machine too."""
    memory_bytes: int = 512 << 20
    """Memory beyond what a worker takes that does nothing."""
    content_bytes: int = 64 << 20
    """Larger contents are not read."""
    ocr: bool = False
    """Whether to recognize letters in pictures and in PDFs that are pictures."""
    ocr_languages: str = "eng"
    """As tesseract names them, joined by ``+``."""


class Abilities(NamedTuple):
    """What a worker can read, and what keeps it in: ``layers`` names what the system gave."""

    extra: str
    """The version of kreuzberg, empty where it is not installed."""
    ocr: bool
    layers: tuple[str, ...]

    def lacks(self, lacking: Lacking) -> bool:
        """Whether a content that lacked this before would lack it again."""
        if lacking is Lacking.EXTRA:
            return not self.extra
        return lacking is not Lacking.OCR or not self.ocr
