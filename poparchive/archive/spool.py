"""Messages too large for memory: a file that reads like ``bytes`` as far as the splitter needs.

A spool file lives only while its message is on the way into the store; the next start empties the directory.
"""

import hashlib
import os
from pathlib import Path

from poparchive.store.fsio import write_all, writing

_WINDOW_BYTES = 1 << 20


class SpoolWriter:
    """Takes a message in pieces as it arrives, and its hash on the way."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with writing(path):
            self._file = path.open("wb", buffering=0)
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    def write(self, octets: bytes) -> None:
        with writing(self.path):
            write_all(self._file.fileno(), octets)
        self._digest.update(octets)
        self.size_bytes += len(octets)

    def finish(self) -> "Spooled":
        """Close the file and return it for reading."""
        self._file.close()
        return Spooled(self.path, self.size_bytes, self._digest.digest())

    def discard(self) -> None:
        self._file.close()
        _remove(self.path)


class Spooled:
    """A message in a file. Slices and ``find`` read a window at a time."""

    def __init__(self, path: Path, size_bytes: int, digest: bytes) -> None:
        self.path = path
        self.digest = digest
        self._size = size_bytes
        self._fd = os.open(path, os.O_RDONLY)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, key: slice, /) -> bytes:
        start, stop, _ = key.indices(self._size)
        pieces = []
        while start < stop:
            piece = os.pread(self._fd, min(stop - start, _WINDOW_BYTES), start)
            if not piece:
                raise OSError(f"{self.path}: shorter than it was written")
            pieces.append(piece)
            start += len(piece)
        return b"".join(pieces)

    def find(self, needle: bytes, start: int, end: int, /) -> int:
        end = min(end, self._size)
        size = max(4096, 4 * len(needle))  # near hits are usual: begin small
        while start < end:
            window = self[start : min(start + size, end)]
            at = window.find(needle)
            if at >= 0:
                return start + at
            if start + len(window) >= end:
                return -1
            start += len(window) - len(needle) + 1
            size = min(2 * size, _WINDOW_BYTES)
        return -1

    def __reduce__(self) -> tuple[type, tuple[Path, int, bytes]]:
        """Another process opens the file for itself."""
        return Spooled, (self.path, self._size, self.digest)

    def close(self) -> None:
        """Close the file and leave it there. Safe to call twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def discard(self) -> None:
        """Close and remove the file. Safe to call twice."""
        if self._fd >= 0:
            self.close()
            _remove(self.path)


def _remove(path: Path) -> None:
    with writing(path):
        path.unlink(missing_ok=True)
