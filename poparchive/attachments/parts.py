"""What readers share: what they found, what they may still unpack, and how they give up."""

from typing import Final, Protocol

from poparchive.attachments.outcome import TEXT_CHARS, Lacking, Limits, Status

MAX_DEPTH: Final = 6
"""A ZIP in a mail in a ZIP is three."""

MAX_MEMBERS: Final = 2_000
"""Contents within a content, at all depths."""

MAX_UNPACKED_BYTES: Final = 256 << 20
"""Octets that a content may unpack to, at all depths: four times the largest content that is read."""

MAX_RATIO: Final = 200
_RATIO_FROM_BYTES: Final = 16 << 20
"""Logs pack to a thirtieth, and what packs to a two hundredth says nothing. Below this size nobody minds."""


class ReadError(Exception):
    """A content, or what is left of it, is not read; the text is for people."""

    def __init__(self, status: Status, text: str, lacking: Lacking = Lacking.NOTHING) -> None:
        super().__init__(text)
        self.status = status
        self.lacking = lacking


class Budget:
    """What may still be unpacked of a content. Raises ``ReadError`` when it is used up."""

    def __init__(self) -> None:
        self._depth = 0
        self._members = 0
        self._unpacked = 0

    def enter(self) -> None:
        """Begin a content within the present one."""
        self._depth += 1
        self._members += 1
        if self._depth > MAX_DEPTH:
            raise ReadError(Status.BOMB, f"it is nested more than {MAX_DEPTH} deep")
        if self._members > MAX_MEMBERS:
            raise ReadError(Status.BOMB, f"it holds more than {MAX_MEMBERS} contents")

    def leave(self) -> None:
        self._depth -= 1

    def unpacked(self, octets: int, *, made: int, of: int) -> None:
        """Count octets that were unpacked; ``made`` so far out of ``of``, for the ratio."""
        self._unpacked += octets
        if self._unpacked > MAX_UNPACKED_BYTES:
            raise ReadError(Status.BOMB, f"it unpacks to more than {MAX_UNPACKED_BYTES >> 20} MiB")
        if made > _RATIO_FROM_BYTES and made > of * MAX_RATIO:
            raise ReadError(Status.BOMB, f"it unpacks to more than {MAX_RATIO} times its size")


class Found:
    """Text that was found, up to a limit, and what is to be said of it."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._left = TEXT_CHARS
        self.worst = Status.EMPTY
        self.remark = ""
        self.lacking = Lacking.NOTHING

    def add(self, text: str) -> None:
        """Take in a text; what is beyond the limit is left out, and said to be."""
        if len(text) > self._left:
            text = text[: self._left]
            self.remark = self.remark or "its text is cut"
        if text:
            self._texts.append(text)
            self._left -= len(text) + 1

    @property
    def full(self) -> bool:
        """Whether more text would not be kept."""
        return self._left <= 0

    def note(self, status: Status, text: str, lacking: Lacking) -> None:
        """Take in that something within was not read."""
        if self.worst is Status.EMPTY:
            self.worst = status
        self.remark = self.remark or text
        self.lacking = self.lacking or lacking

    def text(self) -> str:
        return "\n".join(self._texts)


class Within(Protocol):
    """What a reader gets of the reading it belongs to."""

    @property
    def limits(self) -> Limits: ...
    @property
    def budget(self) -> Budget: ...
    @property
    def found(self) -> Found: ...
    def inner(self, content: bytes, name: str, media_type: str) -> None: ...
