"""Readers of what is packed: ZIP, tar, gzip, bzip2, xz, uuencode. No name in an archive becomes a path.

Sizes that an archive claims are never believed: octets are counted as they come out.
"""

import binascii
import bz2
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from poparchive.attachments.outcome import Lacking, Status
from poparchive.attachments.parts import MAX_MEMBERS, Budget, ReadError, Within
from poparchive.mime.charset import decode

_PIECE_BYTES: Final = 1 << 20
_WINDOW_BYTES: Final = 64 << 10
_MEMBER_BYTES: Final = 64 << 20
"""A member beyond this is read up to here."""
_TIGHT: Final = 30
"""Logs pack to a thirtieth. What is packed more tightly may be a bomb, and is counted to its end."""
_XZ_MEMORY_BYTES: Final = 128 << 20
_ENCRYPTED: Final = 0x1
_DIRECTORY_ENTRY: Final = b"PK\x01\x02"
_NOTHING: Final = Lacking.NOTHING
_DAMAGED: Final = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, tarfile.TarError, OSError, EOFError, ValueError,
    NotImplementedError, OverflowError,
)  # fmt: skip

ODD: Final = (*_DAMAGED, RuntimeError, struct.error)
"""What reading a member of a ZIP file raises besides: it is locked after all, or packed in a way that this
Python does not know."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, octets: bytes, most: int, /) -> bytes: ...


def zipped(content: bytes, within: Within) -> None:
    """Names of the members, and what is in them."""
    with opened(content) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        within.found.add("\n".join(member.filename for member in members[:MAX_MEMBERS]))
        locked = 0
        for member in members:
            if member.flag_bits & _ENCRYPTED:
                locked += 1
                within.found.note(Status.ENCRYPTED, f"{member.filename} has a password", _NOTHING)
                continue
            try:
                octets = octets_of(archive, member, within.budget)
            except ODD as error:
                within.found.note(Status.DAMAGED, f"{member.filename}: {error}", _NOTHING)
                continue
            within.inner(octets, member.filename, "")
            if within.found.full:
                return
        if locked and locked == len(members):
            raise ReadError(Status.ENCRYPTED, "it has a password")


def check_document(content: bytes, budget: Budget) -> None:
    """Unpack a document that is a ZIP file, for nothing but to see that it is no bomb and not locked."""
    with opened(content) as archive:
        members = archive.infolist()
        if any(member.flag_bits & _ENCRYPTED for member in members):
            raise ReadError(Status.ENCRYPTED, "it has a password")
        for member in members:
            made = 0
            with archive.open(member) as stream:
                while piece := stream.read(_PIECE_BYTES):
                    made += len(piece)
                    budget.unpacked(len(piece), made=made, of=member.compress_size)
                    if b"manifest:encryption-data" in piece and member.filename.startswith(
                        "META-INF/"
                    ):
                        raise ReadError(Status.ENCRYPTED, "it has a password")


def opened(content: bytes) -> zipfile.ZipFile:
    """Open a ZIP file, whose directory is not too long. Raises ``ReadError``."""
    if content.count(_DIRECTORY_ENTRY) > 20 * MAX_MEMBERS:
        raise ReadError(Status.BOMB, f"it holds more than {MAX_MEMBERS} contents")
    try:
        return zipfile.ZipFile(io.BytesIO(content))
    except _DAMAGED as error:
        raise ReadError(Status.DAMAGED, f"its directory is not readable: {error}") from error


def octets_of(archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: Budget) -> bytes:
    """Unpack a member, up to a limit. Raises ``ReadError``, and what is in ``ODD``."""
    pieces = []
    made = 0
    with archive.open(member) as stream:
        while made < _MEMBER_BYTES and (piece := stream.read(_PIECE_BYTES)):
            made += len(piece)
            budget.unpacked(len(piece), made=made, of=member.compress_size)
            pieces.append(piece)
    return b"".join(pieces)


def tar(content: bytes, within: Within) -> None:
    """Names of the members, and what is in the files."""
    seen = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for member in archive:
                seen += 1
                within.found.add(member.name)
                # A sparse file claims octets that are nowhere.
                if member.isreg() and not member.issparse():
                    stream = archive.extractfile(member)
                    octets = stream.read(_MEMBER_BYTES) if stream else b""
                    within.budget.unpacked(len(octets), made=0, of=0)
                    within.inner(octets, member.name, "")
                if within.found.full or seen > MAX_MEMBERS:
                    return
    except _DAMAGED as error:
        raise ReadError(Status.DAMAGED, f"it breaks off: {error}") from error


def uuencoded(content: bytes, within: Within) -> None:
    """A file as mail carried it before MIME."""
    first, _, lines = content.lstrip().partition(b"\n")
    pieces = []
    for line in lines.split(b"\n"):
        if line.startswith(b"end"):
            break
        try:
            pieces.append(binascii.a2b_uu(line))
        except binascii.Error as error:
            within.found.note(Status.DAMAGED, f"a line is damaged: {error}", _NOTHING)
    octets = b"".join(pieces)
    within.budget.unpacked(len(octets), made=0, of=0)
    name = decode(first.split(None, 2)[-1]).strip()
    within.found.add(name)
    within.inner(octets, name, "")


def gzip(content: bytes, within: Within) -> None:
    _stream(content, within, lambda: zlib.decompressobj(wbits=31))


def bzip2(content: bytes, within: Within) -> None:
    _stream(content, within, bz2.BZ2Decompressor)


def xz(content: bytes, within: Within) -> None:
    _stream(content, within, lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY_BYTES))


def _stream(content: bytes, within: Within, make: Callable[[], _Decompressor]) -> None:
    """Read what one stream, or several behind each other, unpack to."""
    pieces: list[bytes] = []
    made = 0
    broken = ""
    try:
        for piece in _pieces(content, make):
            if made < _MEMBER_BYTES:
                pieces.append(piece)
            elif made < _TIGHT * len(content):
                break
            elif pieces:
                _read(pieces, within)
            made += len(piece)
            within.budget.unpacked(len(piece), made=made, of=len(content))
    except _DAMAGED as error:
        broken = f"it breaks off: {error}"
    if not made:
        raise ReadError(Status.DAMAGED, broken or "there is nothing in it")
    if broken:
        within.found.note(Status.DAMAGED, broken, _NOTHING)
    _read(pieces, within)


def _read(pieces: list[bytes], within: Within) -> None:
    """Read what was unpacked, once, and let go of it."""
    octets = b"".join(pieces)
    pieces.clear()
    if octets:
        within.inner(octets, "", "")


def _pieces(content: bytes, make: Callable[[], _Decompressor]) -> Iterator[bytes]:
    """Unpack streams behind each other. They are fed in windows: what a stream leaves over is copied."""
    unpack = make()
    begun = False
    streams = 0
    for at in range(0, len(content), _WINDOW_BYTES):
        left = content[at : at + _WINDOW_BYTES]
        while left:
            if not begun and not left.strip(b"\0"):
                break
            begun = True
            yield from _fed(unpack, left)
            if not unpack.eof:
                break
            left = unpack.unused_data
            unpack, begun = make(), False
            streams += 1
            if streams > MAX_MEMBERS:
                raise ReadError(Status.BOMB, f"it holds more than {MAX_MEMBERS} contents")
    if begun:
        raise EOFError("the end is missing")


def _fed(unpack: _Decompressor, octets: bytes) -> Iterator[bytes]:
    """Yield what comes out for these octets, in pieces that are not large."""
    if hasattr(unpack, "unconsumed_tail"):
        while octets and not unpack.eof:
            yield unpack.decompress(octets, _PIECE_BYTES)
            octets = unpack.unconsumed_tail
        return
    yield unpack.decompress(octets, _PIECE_BYTES)
    while not unpack.eof and not unpack.needs_input:  # type: ignore[attr-defined]
        yield unpack.decompress(b"", _PIECE_BYTES)
