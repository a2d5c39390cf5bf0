"""One file for each message, with its exact octets; ``docs/formats.md`` says how they are named.

Promise: a file under its final name is whole, also after a crash of the program; no file that was
there before is changed; writing the same messages again changes nothing.
"""

import os
import tempfile
import time
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from poparchive.errors import PoparchiveError

from .names import MAX_NAME_BYTES, file_name

_ID_DIGITS: Final = 12
_LAST_SECOND: Final = 253_402_300_799
_BLOCK_BYTES: Final = 1 << 20


class EmlError(PoparchiveError):
    """A message cannot be written as a file."""


class EmlWriter:
    """Writes messages into one directory, which must exist. Nothing is synced to the disk."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write(self, chunks: Iterable[bytes], *, date: int, subject: str, identity: bytes) -> Path:
        """Write the message that ``chunks`` make up and return its file.

        ``date`` is in seconds since the epoch, ``identity`` the SHA-256 of the octets. If
        ``chunks`` raises, nothing is left. Raises EmlError where other octets have the name.
        """
        descriptor, name = tempfile.mkstemp(".part", ".", self._directory)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.writelines(chunks)
            # A file of that name with other octets was edited, or begins with the same digits.
            for digits in (_ID_DIGITS, len(identity) * 2):
                path = self._directory / eml_name(date, subject, identity.hex()[:digits])
                if _placed(temporary, path):
                    return path
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
        raise EmlError(f"{path} exists and holds other octets; move it away and export again")


def eml_name(date: int, subject: str, digits: str) -> str:
    """``20260102-030405 SUBJECT DIGITS.eml``, at most 120 octets, safe in any directory."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(min(max(date, 0), _LAST_SECOND)))
    room = MAX_NAME_BYTES - len(stamp) - len(digits) - len("  .eml")
    words = file_name(unicodedata.normalize("NFC", subject[:room]), fallback="no subject")
    words = words.encode()[:room].decode("utf-8", "ignore").rstrip()
    return f"{stamp} {words} {digits}.eml"


def _placed(temporary: Path, path: Path) -> bool:
    """Give the file its name, unless the name belongs to other octets."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        return _same(temporary, path)
    except OSError:  # a file system without hard links
        if path.exists():
            return _same(temporary, path)
        temporary.rename(path)
    return True


def _same(one: Path, other: Path) -> bool:
    with one.open("rb") as a, other.open("rb") as b:
        while True:
            block = a.read(_BLOCK_BYTES)
            if block != b.read(_BLOCK_BYTES):
                return False
            if not block:
                return True
