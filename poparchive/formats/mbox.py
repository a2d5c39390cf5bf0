"""Writes and reads mbox files in the mboxrd dialect; ``docs/formats.md`` specifies the octets.

Promise: however a message is cut into chunks the file is the same, and what is read back is the
message but for its line ends (CRLF becomes LF) and a final one if it had none. Memory stays
constant when writing; reading takes one message at a time.
"""

import re
import time
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from poparchive.errors import PoparchiveError, UsageError

DIALECTS: Final = ("mboxrd",)

SLICE_BYTES: Final = 256 << 10
"""What is worked on at a time: larger chunks are cut, so that no copy of a message is made."""

MAX_SENDER_OCTETS: Final = 320
"""A longer address than RFC 3696 allows is none."""

_LAST_SECOND: Final = 253_402_300_799
"""Of year 9999: asctime has four digits for the year."""

_FROM: Final = b"From "
_QUOTED: Final = re.compile(rb"^>(>*From )", re.MULTILINE)
_TO_QUOTE: Final = re.compile(rb"^>*From ", re.MULTILINE)
_SEPARATION: Final = b"\n" + _FROM
_QUOTED_FROM: Final = b">" + _FROM
_SENDER: Final = re.compile(r"[!-~]+")
_LF: Final = 0x0A
_QUOTE: Final = 0x3E


class MboxError(PoparchiveError):
    """A file is no mbox."""


class MboxWriter:
    """Appends messages to a stream, which must be buffered and stays open.

    Not for use by two threads. A write error of the stream leaves it as the error left it.
    """

    def __init__(self, stream: BinaryIO, dialect: str = "mboxrd") -> None:
        if dialect not in DIALECTS:
            raise UsageError(f"--dialect {dialect!r}: this version writes {', '.join(DIALECTS)}")
        self._stream = stream

    def write(self, chunks: Iterable[bytes], *, sender: str | bytes, date: int) -> None:
        """Append the message that ``chunks`` make up, cut anywhere.

        ``sender`` is the envelope sender or a From field; its address goes into the separator, and
        MAILER-DAEMON where there is none in plain ASCII. ``date`` is in seconds since the epoch.
        If ``chunks`` raises, the message is cut there and ended, so that others can follow.
        """
        self._stream.write(separator(sender, date))
        message = _Quoter(self._stream)
        try:
            for chunk in chunks:
                if len(chunk) <= SLICE_BYTES:
                    message.feed(chunk)
                    continue
                view = memoryview(chunk)
                for at in range(0, len(view), SLICE_BYTES):
                    message.feed(bytes(view[at : at + SLICE_BYTES]))
        finally:
            message.end()

    def write_whole(self, message: bytes, *, sender: str | bytes, date: int) -> None:
        """Append a message that is in memory: the same octets as ``write`` gives, in a third of the time."""
        text = _lf(message)
        if _FROM in text:
            text = _TO_QUOTE.sub(rb">\g<0>", text)
        end = b"\n" if text.endswith(b"\n") or not text else b"\n\n"
        self._stream.write(b"".join((separator(sender, date), text, end)))


class _Quoter:
    """Turns line ends and quotes one message's lines on their way out.

    A line is quoted by one more ``>``, and where among its own it stands makes no difference: it is
    put right before ``From``. So no line has to be held back, however many ``>`` it begins with.
    """

    __slots__ = ("_ended", "_held", "_starting", "_stream")

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._held = b""
        """A CR that an LF may follow, or what may become ``From``."""
        self._starting = True
        """Whether the last line so far holds nothing but ``>``."""
        self._ended = True
        """Whether the last octet ended a line; so it is before the first."""

    def feed(self, chunk: bytes) -> None:
        data = self._held + chunk if self._held else chunk
        held = _length_to_hold(data)
        if held:
            self._held = data[-held:]
            data = data[:-held]
        else:
            self._held = b""
        if data:
            self._put(_lf(data))

    def end(self) -> None:
        if self._held:
            self._put(self._held)
        self._stream.write(b"\n" if self._ended else b"\n\n")

    def _put(self, data: bytes) -> None:
        at = 0
        found = data.find(_FROM)
        while found >= 0:
            start = found
            while start and data[start - 1] == _QUOTE:
                start -= 1
            if data[start - 1] == _LF if start else self._starting:
                self._stream.write(data[at:found] + b">")
                at = found
            found = data.find(_FROM, found + 5)
        self._stream.write(data[at:] if at else data)
        self._ended = data.endswith(b"\n")
        rest = data.rstrip(b">") if data.endswith(b">") else data
        if rest:
            self._starting = rest.endswith(b"\n")


def _lf(data: bytes) -> bytes:
    """Turn CRLF into LF."""
    # Taking out every CR and proving that each stood before an LF is faster by more than half.
    without = data.replace(b"\r", b"")
    if len(data) - len(without) == data.count(b"\r\n"):
        return without
    return data.replace(b"\r\n", b"\n")


def _length_to_hold(data: bytes) -> int:
    if data.endswith(b"\r"):
        return 1
    for length in (4, 3, 2, 1):
        if data.endswith(_FROM[:length]):
            return length
    return 0


def separator(sender: str | bytes, date: int) -> bytes:
    """The line before a message (RFC 4155): ``From``, address, time in UTC as asctime writes it."""
    text = sender.decode("latin-1") if isinstance(sender, bytes) else sender
    start = text.rfind("<")
    if start >= 0:
        text = text[start + 1 :].partition(">")[0]
    text = text.strip()
    if len(text) > MAX_SENDER_OCTETS or not _SENDER.fullmatch(text):
        text = "MAILER-DAEMON"
    when = time.asctime(time.gmtime(min(max(date, 0), _LAST_SECOND)))
    return f"From {text} {when}\n".encode("ascii")


def read_mboxrd(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the messages of an mboxrd file, unquoted, with the line ends that they have there.

    Raises MboxError if the file does not begin with a separator. An empty file has no messages.
    """
    beginning = stream.read(len(_FROM))
    if not beginning:
        return
    if beginning != _FROM:
        raise MboxError("this is no mbox: its first line does not begin with 'From '")
    pieces: list[bytes] = []
    tail = b""
    while block := stream.read(SLICE_BYTES):
        *complete, rest = (tail + block).split(_SEPARATION)
        for part in complete:
            yield _message([*pieces, part])
            pieces.clear()
        # A separator may begin in the last octets.
        cut = max(len(rest) - len(_SEPARATION) + 1, 0)
        pieces.append(rest[:cut])
        tail = rest[cut:]
    yield _message([*pieces, tail]).removesuffix(b"\n")


def _message(pieces: list[bytes]) -> bytes:
    """Put together what stands after ``From`` of one separator and before the next."""
    text = b"".join(pieces)
    content = text[text.find(b"\n") + 1 :] if b"\n" in text else b""
    return _QUOTED.sub(rb"\1", content) if _QUOTED_FROM in content else content
