"""mbox, the mboxrd way: the one file that every mail program reads.

Written in constant memory from pieces of any size. ``docs/formats.md`` says exactly what happens to
line ends.
"""

import re
import time
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from poparchive.errors import UsageError

DIALECTS = ("mboxrd",)

_FROM = re.compile(rb"^(>*From )", re.MULTILINE)
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_SENDER = re.compile(r"<([^<>\s]+)>|([^<>\s]+@[^<>\s]+)")


class MboxWriter:
    """Writes messages one after the other to a stream. Does not close it."""

    def __init__(self, stream: BinaryIO, dialect: str = "mboxrd") -> None:
        if dialect not in DIALECTS:
            raise UsageError(f"--dialect {dialect!r}: this version writes {', '.join(DIALECTS)}")
        self._stream = stream

    def write(self, pieces: Iterable[bytes], *, sender: str, date: int) -> None:
        """Write one message. ``sender`` is the From field; ``date`` seconds since the epoch."""
        found = _SENDER.search(sender)
        address = next((g for g in found.groups() if g), "") if found else ""
        line = address.encode("ascii", "ignore") or b"MAILER-DAEMON"
        stamp = time.strftime("%a %b %e %H:%M:%S %Y", time.gmtime(date)).encode()
        self._stream.write(b"From " + line + b" " + stamp + b"\n")
        end = b"\n"
        for text in _whole_lines(pieces):
            text = text.replace(b"\r\n", b"\n")
            self._stream.write(_FROM.sub(rb">\1", text))
            end = text[-1:]
        self._stream.write(b"\n" if end == b"\n" else b"\n\n")


def _whole_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield octets cut only behind a line feed, so that a line's beginning is never missed."""
    held: list[bytes] = []
    for piece in pieces:
        at = piece.rfind(b"\n") + 1
        if not at:
            held.append(piece)
            continue
        yield b"".join((*held, piece[:at]))
        held = [piece[at:]]
    rest = b"".join(held)
    if rest:
        yield rest


def read_mboxrd(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the messages of an mboxrd file, unquoted, with LF line ends."""
    lines: list[bytes] | None = None
    for line in stream:
        if line.startswith(b"From ") and (lines is None or not lines or lines[-1] == b"\n"):
            if lines is not None:
                yield _unquoted(lines)
            lines = []
        elif lines is not None:
            lines.append(line)
    if lines is not None:
        yield _unquoted(lines)


def _unquoted(lines: list[bytes]) -> bytes:
    body = lines[:-1] if lines and lines[-1] == b"\n" else lines
    return b"".join(_QUOTED.sub(rb"\1", line) for line in body)
