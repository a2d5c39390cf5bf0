"""The headers of packs and journal files, which are laid out alike: making them, reading them, and telling
what a newer version wrote.

Named and ordered as in ``docs/store-format.md``, sections "Pack" and "Journal". A header counts only with its
checksum, so that a changed octet is never taken for a newer version.
"""

import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

from poparchive.store.errors import DamageError, FormatError, MisplacedError

PACK = b"POPAPACK"
JOURNAL = b"POPAJRNL"
VERSION = 1
_HEAD = struct.Struct("<8sHH16sIQ")
_CRC = struct.Struct("<I")
HEADER_BYTES = _HEAD.size + _CRC.size
_VERSION_AT = slice(8, 12)
_OURS = struct.pack("<HH", VERSION, 0)


class Head(NamedTuple):
    """What a header says. ``last`` is when a pack was created, or the first entry of a journal file."""

    version: int
    flags: int
    archive: bytes
    number: int
    last: int

    @property
    def newer(self) -> bool:
        return bool(self.version != VERSION or self.flags)


def encode(magic: bytes, archive: bytes, number: int, last: int) -> bytes:
    """Return a header as this version writes it."""
    head = _HEAD.pack(magic, VERSION, 0, archive, number, last)
    return head + _CRC.pack(zlib.crc32(head))


def decode(octets: bytes, magic: bytes) -> Head | None:
    """Read a header of any version; None if it is damaged, or none of this kind."""
    head = octets[: _HEAD.size]
    if len(octets) < HEADER_BYTES or not head.startswith(magic):
        return None
    if zlib.crc32(head) != _CRC.unpack_from(octets, _HEAD.size)[0]:
        return None
    return Head(*_HEAD.unpack(head)[1:])


def refuse_newer(octets: bytes, magic: bytes, path: Path) -> None:
    """Raise ``FormatError`` for the header of a file that a newer version wrote. Costs next to nothing for
    others, damaged or not."""
    if octets[_VERSION_AT] == _OURS:
        return
    head = decode(octets, magic)
    if head is not None and head.newer:
        raise FormatError(newer(path, head.version, head.flags))


def newer(path: Path, version: int, flags: int, known: int = VERSION) -> str:
    """Say that a newer version wrote a file."""
    return (
        f"{path}: was written by a newer version of poparchive: found version {version}, flags {flags}; this"
        f" one reads up to version {known}, without flags. Install a newer version"
    )


def of_file(path: Path, magic: bytes) -> Head | None:
    """Read a file's header; None if there is none of this kind, or the file cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        return decode(os.pread(fd, HEADER_BYTES, 0), magic)
    except OSError:
        return None
    finally:
        os.close(fd)


def refuse_newer_file(path: Path, magic: bytes) -> None:
    """Raise ``FormatError`` for a file that a newer version wrote; one that cannot be read is for others to
    tell."""
    head = of_file(path, magic)
    if head is not None and head.newer:
        raise FormatError(newer(path, head.version, head.flags))


def check_pack(octets: bytes, archive: bytes, number: int, path: Path) -> None:
    """Refuse a file that does not begin as this archive's pack of this number."""
    if len(octets) < HEADER_BYTES or not octets.startswith(PACK):
        raise DamageError(f"{path}: does not begin as a pack")
    head = decode(octets, PACK)
    if head is None:
        raise DamageError(f"{path}: the pack's header is damaged")
    refuse_newer(octets, PACK, path)
    if head.archive != archive or head.number != number:
        whose = "of this archive" if head.archive == archive else "of another archive"
        raise MisplacedError(
            f"{path}: is pack {head.number} {whose}, by its header. Files were renamed or copied over each"
            " other: give each its name back, or put the right one there from a backup"
        )
