"""Walks packs frame by frame, and goes on behind what is damaged.

Each octet of a pack up to its committed length is in the pack's header, in a frame's header, which has a
checksum, or in a frame, which has a hash. So a changed octet is always found, and what is found good is good.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from poparchive.archive.verify.findings import Bad, Counts
from poparchive.store import frame, heads
from poparchive.store.errors import DamageError, FormatError, StoreError
from poparchive.store.frame import HEADER_BYTES, Kind, ObjectKind
from poparchive.store.fsio import read_exactly
from poparchive.store.layout import DESCRIPTION, Layout
from poparchive.store.pack import PACK_HEADER_BYTES
from poparchive.store.packread import Frame, PackReader

_WINDOW_BYTES = 1 << 20

Known = Callable[[int, int], int | None]
"""Where, as the catalog says, the first frame behind an octet of a pack begins."""

Seen = Callable[[Frame], None]
"""Called with each frame that is whole."""


class PackWalk:
    """One pack, from a frame's beginning on. ``end`` is where the walk has come to."""

    def __init__(
        self,
        layout: Layout,
        reader: PackReader,
        counts: Counts,
        number: int,
        length: int,
        known: Known,
        path: Path | None = None,
        *,
        sealed: bool = False,
    ) -> None:
        self._sealed = sealed
        self._path = path or layout.pack(number)
        self._layout = layout
        self._reader = reader
        self._counts = counts
        self._number = number
        self._length = length
        self._known = known
        self._begun = False
        self._unbroken = False
        self.end = 0

    def walk(self, start: int, share: int, seen: Seen) -> Iterator[Bad]:
        """Check frames from ``start`` on until ``share`` octets are done; yield what cannot be read.

        Called again from ``end`` on, it goes on: a seal is proved where all before it was read.
        """
        first = not self._begun
        self._unbroken = self._unbroken and start == self.end
        self._begun = True
        self.end = self._length
        try:
            fd = os.open(self._path, os.O_RDONLY)
        except OSError as error:
            yield self._bad(start, self._length, f"cannot open: {error.strerror}")
            return
        try:
            size = os.fstat(fd).st_size
            try:
                heads.refuse_newer(os.pread(fd, PACK_HEADER_BYTES, 0), heads.PACK, self._path)
            except FormatError as error:
                # What stands behind such a header means what only that version knows.
                yield Bad(self._number, start, self._length, str(error), newer=True)
                return
            except OSError as error:
                yield self._bad(start, self._length, f"cannot read: {error.strerror}")
                return
            if first and size > self._length:
                self._counts.notes.append(self._behind_the_end(size))
            if first and size < self._length:
                yield self._bad(
                    max(size, start),
                    self._length,
                    f"was cut: {self._length - size} octets are missing",
                )
            yield from self._frames(fd, start, min(size, self._length), share, seen)
        finally:
            os.close(fd)

    def _behind_the_end(self, size: int) -> str:
        """Say of octets behind a pack's end what they are, and what becomes of them."""
        begins = (
            f"{self._path}: {size - self._length} octets behind its committed length do not count"
        )
        if self._sealed:
            return (
                f"{begins}: the pack is sealed, so poparchive wrote none of them, and no reader looks there."
                f" They stay. To be rid of them: `truncate --size {self._length} {self._path}`"
            )
        return (
            f"{begins}; mostly a command that was cut left them. `poparchive verify --repair`, and the next"
            " pull that goes on in it, copies what is whole in them and cuts them off"
        )

    def _frames(self, fd: int, start: int, size: int, share: int, seen: Seen) -> Iterator[Bad]:
        at = start
        if start < PACK_HEADER_BYTES:
            at = PACK_HEADER_BYTES
            if size < at:
                return
            try:
                head = read_exactly(fd, at, 0, self._path)
                heads.check_pack(head, self._layout.id, self._number, self._path)
            except StoreError as error:
                yield Bad(self._number, 0, at, str(error))
            else:
                self._unbroken = True
        while at < size:
            if at - start >= share:
                self.end = at
                return
            try:
                found = self._reader.frame(self._number, at)
                if found.end > self._length:
                    raise DamageError(
                        f"{self._path}: at octet {at}: a frame runs past the pack's end"
                    )
                why = self._contents(found)
                if self._unbroken and found.header.kind is Kind.SEAL and not why:
                    why = self._seal(fd, at, found.payload)
                if why:
                    self._unbroken = False
                    yield self._bad(at, found.end, why)
                else:
                    self._counts.frames += 1
                    self._counts.octets += found.end - at
                    seen(found)
                at = found.end
                del found  # Else it is held while the next is decoded.
            except StoreError as error:
                behind = self._behind(fd, at, size)
                newer = isinstance(error, FormatError)
                yield Bad(self._number, at, behind, str(error), newer=newer)
                self._unbroken = False
                at = behind

    def _contents(self, found: Frame) -> str:
        """Compare each blob with what the frame's table says of it; return what is wrong."""
        for entry in found.entries:
            if entry.kind is ObjectKind.BLOB:
                if entry.prefix:
                    octets = found.payload[entry.offset : entry.offset + entry.length]
                    if not hashlib.sha256(octets).digest().startswith(entry.prefix):
                        return f"a blob in the frame at {found.start} has another hash"
                self._counts.blobs += 1
        return ""

    def _behind(self, fd: int, at: int, size: int) -> int:
        """Return where to go on behind a frame that cannot be read."""
        end = self._next(fd, at, size)
        # What the header says of the length is believed where a frame, or the end, is there.
        if end is not None and (end == size or self._next(fd, end, size) is not None):
            return end
        # Between here and what the catalog knows is nothing that it needs. To search there would be worse:
        # mail may have whole packs attached.
        known = self._known(self._number, at)
        return self._search(fd, at + 1, size) if known is None else min(known, size)

    def _next(self, fd: int, at: int, size: int) -> int | None:
        """The end of the frame at ``at`` as its header says; None if no good header is there."""
        try:
            header = frame.decode_header(read_exactly(fd, HEADER_BYTES, at, self._path))
        except StoreError:
            return None
        end = at + HEADER_BYTES + header.body_bytes
        return end if end <= size else None

    def _search(self, fd: int, at: int, limit: int) -> int:
        """Return where the next whole frame before ``limit`` begins, or ``limit``."""
        tail = len(frame.MAGIC) - 1
        while at < limit:
            try:
                window = read_exactly(fd, min(_WINDOW_BYTES, limit - at), at, self._path)
            except StoreError:
                # A sector that cannot be read: the next window may be.
                at += _WINDOW_BYTES
                continue
            found = window.find(frame.MAGIC)
            while found >= 0:
                if self._whole(at + found):
                    return at + found
                found = window.find(frame.MAGIC, found + 1)
            if len(window) < _WINDOW_BYTES:
                break
            at += len(window) - tail
        return limit

    def _whole(self, at: int) -> bool:
        try:
            self._reader.frame(self._number, at)
        except StoreError:
            return False
        return True

    def _bad(self, start: int, end: int, why: str) -> Bad:
        return Bad(self._number, start, end, f"{self._path}: {why}")

    def _seal(self, fd: int, end: int, payload: bytes) -> str:
        """Compare a seal with the hash of all octets before it; return what is wrong."""
        digest = hashlib.sha256()
        at = 0
        while at < end:
            piece = read_exactly(fd, min(_WINDOW_BYTES, end - at), at, self._path)
            digest.update(piece)
            at += len(piece)
        return "" if payload == digest.digest() else "the seal is not the hash of the pack"


def replaced(layout: Layout) -> list[str]:
    """Say which damaged packs a repair has replaced, and what was damaged of the journal."""
    kept = {
        f"{DESCRIPTION}.damaged-*": "what a repair has replaced",
        "journal/*.journal.damaged-*": "damaged octets of the journal, which no entry needs",
        "packs/*/*.pack.damaged-*": "a damaged pack that a whole one has replaced",
    }
    return [
        f"{path}: {what}; it may be removed once `poparchive verify` finds nothing"
        for pattern, what in kept.items()
        for path in sorted(layout.root.glob(pattern))
    ]
