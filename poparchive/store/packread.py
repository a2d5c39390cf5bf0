"""Reads packs: objects by their place, and whole packs frame by frame.

Each frame's hash is checked when it is read. One reader belongs to one thread. Of a large frame only as
much is decoded as is asked for; a frame that is a dictionary stays decoded as long as others need it.
"""

import contextlib
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from poparchive.model import Location
from poparchive.store import codec, frame, heads, twin
from poparchive.store.codec import Dictionary
from poparchive.store.dictionaries import Dictionaries
from poparchive.store.errors import (
    DamageError,
    FormatError,
    MisplacedError,
    MissingObjectError,
    PackGoneError,
)
from poparchive.store.frame import HEADER_BYTES, Codec, Entry, Header, Kind
from poparchive.store.fsio import read_exactly
from poparchive.store.layout import Layout

_CACHE_BYTES = 16 << 20
_OPEN_PACKS = 16
_DICTIONARIES = 2
"""Of packs that ``optimize`` made: 24 MiB each. Two, because an attachment often stands in another pack than
the message, and in turn each would be decoded anew."""

_WHOLE_BYTES = 1 << 20
"""Frames up to here are decoded whole at once."""

_PARTIAL_BYTES = 12 << 20
"""Frames that are decoded in part are kept to go on with as long as they are not longer than this together:
one of those that ``optimize`` makes, or some of a pull's. Each takes a window of its length, and what is
stored of it."""


class Frame(NamedTuple):
    """A frame as read: where it is, its table and its decoded payload."""

    pack: int
    start: int
    end: int
    header: Header
    entries: list[Entry]
    payload: bytes

    def location(self, entry: Entry) -> Location:
        return Location(self.pack, self.start, entry.offset, entry.length)


class Decoded(NamedTuple):
    """A frame's payload, and what ``frame.blobs`` says of it."""

    payload: bytes
    blobs: dict[bytes, tuple[int, int]]


class PackReader:
    """Reads objects by location, and whole packs frame by frame. Keeps the last frames decoded."""

    def __init__(
        self,
        layout: Layout,
        *,
        cache_bytes: int = _CACHE_BYTES,
        whole: bool = False,
        dictionaries: int = _DICTIONARIES,
        path: Callable[[int], Path] | None = None,
    ) -> None:
        """``whole`` is for whoever reads most of what there is: no frame is decoded in part. So many
        ``dictionaries`` stay decoded. ``path`` says where a pack is, if it is not where the layout has it."""
        self._path = path or layout.pack
        self._layout = layout
        self._whole = whole
        self._limit = cache_bytes
        self._cached = 0
        self._cache: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._partial: OrderedDict[tuple[int, int], codec.Partial] = OrderedDict()
        self._dictionaries = Dictionaries(dictionaries)
        self._fds: OrderedDict[int, int] = OrderedDict()

    def read(self, location: Location) -> bytes:
        """Return an object's octets. The frame's hash was checked; the object's own is the caller's."""
        key = (location.pack, location.frame)
        end = location.offset + location.length
        octets = self._dictionaries.cut(key, location.offset, end)
        if octets is None:
            octets = self._decoded_until(key, end)[location.offset : end]
        if len(octets) != location.length:
            raise MissingObjectError(
                f"{self._path(location.pack)}: the frame at {location.frame}"
                " is shorter than the catalog says; `poparchive rebuild` makes the catalog anew"
            )
        return octets

    def frame(self, pack: int, start: int, *, decoded: bool = True) -> Frame:
        """Read and check one frame; unless it is to be ``decoded``, without its payload."""
        header, table, stored = self._checked(pack, start)
        end = start + HEADER_BYTES + header.body_bytes
        with self._telling(pack, start):
            listed = frame.entries(header, table)
            if header.kind is Kind.OBJECTS and sum(e.length for e in listed) != header.raw_length:
                raise DamageError("a frame's table does not cover its payload")
            payload = b""
            if decoded:
                payload = frame.decode(header, stored, self._dictionary(pack, header))
            return Frame(pack, start, end, header, listed, payload)

    def decoded(self, pack: int, start: int) -> Decoded:
        """Read and check one frame, all of it, for whoever knows already what is in it."""
        header, table, stored = self._checked(pack, start)
        known = self._dictionaries.get((pack, start))
        with self._telling(pack, start):
            if known:
                return Decoded(known.octets, {})
            payload = frame.decode(header, stored, self._dictionary(pack, header))
            return Decoded(payload, frame.blobs(header, table))

    def frames(self, pack: int, start: int, end: int, *, decoded: bool = True) -> Iterator[Frame]:
        """Yield the frames of a pack between two octet offsets, which must be frame boundaries."""
        if start < heads.HEADER_BYTES:
            head = read_exactly(self._fd(pack), heads.HEADER_BYTES, 0, self._path(pack))
            heads.check_pack(head, self._layout.id, pack, self._path(pack))
            start = heads.HEADER_BYTES
        while start < end:
            one = self.frame(pack, start, decoded=decoded)
            yield one
            start = one.end
        if start != end:
            raise DamageError(f"{self._path(pack)}: no frame ends at {end}")

    def count(self, pack: int, end: int) -> int:
        """Return how many frames a pack has up to ``end``, by their headers alone."""
        at, found = heads.HEADER_BYTES, 0
        while at < end:
            octets = read_exactly(self._fd(pack), HEADER_BYTES, at, self._path(pack))
            with self._telling(pack, at):
                at += HEADER_BYTES + frame.decode_header(octets).body_bytes
            found += 1
        return found

    def misplaced(self, pack: int) -> str:
        """Say so if the file that has a pack's name is another, whole one; empty where its header does not
        tell. A damaged header costs no object."""
        path = self._path(pack)
        try:
            head = read_exactly(self._fd(pack), heads.HEADER_BYTES, 0, path)
            heads.check_pack(head, self._layout.id, pack, path)
        except MisplacedError as error:
            return str(error)
        except (DamageError, FormatError):
            pass
        return ""

    def drop(self) -> None:
        """Forget decoded frames, so that the next read comes from the file."""
        self._cache.clear()
        self._partial.clear()
        self._dictionaries.clear()
        self._cached = 0

    def close(self) -> None:
        """Close all packs. Safe to call twice."""
        self.drop()
        while self._fds:
            os.close(self._fds.popitem()[1])

    def forget(self, pack: int) -> None:
        """Let go of all that is of a pack: the next read opens the file that has its name then."""
        self._dictionaries.forget(pack)
        for key in [one for one in self._cache if one[0] == pack]:
            self._let_go(key)
        if pack in self._fds:
            os.close(self._fds.pop(pack))

    def _decoded_until(self, key: tuple[int, int], end: int) -> bytes:
        """Return a frame's payload, at least up to ``end``."""
        payload = self._cache.get(key)
        if payload is None or len(payload) < end:
            payload = self._payload(key, end, payload or b"")
            if key in self._dictionaries:
                self._let_go(key)
            else:
                self._remember(key, payload)
        else:
            self._cache.move_to_end(key)
        return payload

    def _payload(self, key: tuple[int, int], end: int, before: bytes) -> bytes:
        """Return a frame's payload, or as much of it as ``end`` and the frame's size make worth it.
        ``before`` is what was decoded of it before."""
        pack, start = key
        begun = self._partial.pop(key, None)
        if begun and before:
            with self._telling(pack, start):
                # What is read a second time is likely to be read to its end.
                return before + begun.more(begun.raw_length)
        header, _, stored = self._checked(pack, start)
        with self._telling(pack, start):
            dictionary = self._dictionary(pack, header)
            whole = self._whole or before or header.raw_length <= _WHOLE_BYTES
            if whole or header.codec is not Codec.ZSTD:
                payload = frame.decode(header, stored, dictionary)
                if self._is_first(header):
                    self._dictionaries.hold(key, payload)
                return payload
            begun = codec.Partial(stored, header.raw_length, dictionary)
            payload = begun.more(end)
            if len(payload) < header.raw_length <= _PARTIAL_BYTES:
                self._go_on_later(key, begun)
            return payload

    def _is_first(self, header: Header) -> bool:
        """Whether ``optimize`` has begun a pack with this frame: what is read next needs it."""
        large = header.raw_length > _PARTIAL_BYTES
        return large and header.version == frame.TIGHT and not header.dictionary

    def _go_on_later(self, key: tuple[int, int], begun: codec.Partial) -> None:
        """Keep what stopped in the middle of a frame; in the memory that there is for these."""
        self._partial[key] = begun
        room = _PARTIAL_BYTES - sum(one.raw_length for one in self._partial.values())
        while room < 0:
            room += self._partial.popitem(last=False)[1].raw_length

    def _dictionary(self, pack: int, header: Header) -> Dictionary | None:
        """Return the dictionary that a frame needs."""
        if not header.dictionary or header.codec is Codec.STORED:
            return None
        key = (pack, header.dictionary)
        known = self._dictionaries.get(key)
        if known is None:
            needed, stored = self._dictionary_frame(*key)
            if needed.dictionary or needed.kind is Kind.SEAL:
                raise DamageError("a frame's dictionary is none")
            payload = self._cache.get(key, b"")
            if len(payload) != needed.raw_length:
                payload = frame.decode(needed, stored)
            known = self._dictionaries.hold(key, payload)
            self._let_go(key)
        return known

    def _dictionary_frame(self, pack: int, start: int) -> tuple[Header, bytes]:
        """Read the frame that holds a dictionary; where its octets are bad, its second copy."""
        try:
            header, _, stored = self._checked(pack, start)
        except DamageError:
            found = twin.whole(self._fd(pack), start, self._path(pack))
            if found is None:
                raise
            octets, _ = found
            header = frame.decode_header(octets[:HEADER_BYTES])
            stored = frame.check(header, octets[HEADER_BYTES:])[1]
        return header, stored

    def _checked(self, pack: int, start: int) -> tuple[Header, bytes, bytes]:
        """Read a frame's octets and check their hash."""
        fd = self._fd(pack)
        path = self._path(pack)
        with self._telling(pack, start):
            header = frame.decode_header(read_exactly(fd, HEADER_BYTES, start, path))
            if start + HEADER_BYTES + header.body_bytes > os.fstat(fd).st_size:
                raise DamageError("a frame runs past the end of the pack")
            body = read_exactly(fd, header.body_bytes, start + HEADER_BYTES, path)
            return header, *frame.check(header, body)

    @contextlib.contextmanager
    def _telling(self, pack: int, start: int) -> Iterator[None]:
        """Say which frame is damaged, or newer than this program."""
        try:
            yield
        except (DamageError, FormatError) as error:
            where = f"{self._path(pack)}: at octet {start}: "
            if str(error).startswith(str(self._path(pack))):
                raise
            raise type(error)(f"{where}{error}") from error

    def _remember(self, key: tuple[int, int], payload: bytes) -> None:
        self._cached += len(payload) - len(self._cache.pop(key, b""))
        self._cache[key] = payload
        while self._cached > self._limit and len(self._cache) > 1:
            self._let_go(next(iter(self._cache)))

    def _let_go(self, key: tuple[int, int]) -> None:
        self._cached -= len(self._cache.pop(key, b""))
        self._partial.pop(key, None)

    def _fd(self, pack: int) -> int:
        fd = self._fds.get(pack)
        if fd is None:
            path = self._path(pack)
            try:
                fd = os.open(path, os.O_RDONLY)
            except FileNotFoundError as error:
                raise PackGoneError(f"{path}: the pack is missing") from error
            except OSError as error:
                raise DamageError(f"{path}: cannot open: {error.strerror}") from error
            self._refuse_newer(fd, path)
            self._fds[pack] = fd
            if len(self._fds) > _OPEN_PACKS:
                os.close(self._fds.popitem(last=False)[1])
        else:
            self._fds.move_to_end(pack)
        return fd

    def _refuse_newer(self, fd: int, path: Path) -> None:
        """Close a file that a newer version wrote, or that cannot be read, and raise."""
        try:
            heads.refuse_newer(os.pread(fd, heads.HEADER_BYTES, 0), heads.PACK, path)
        except OSError as error:
            os.close(fd)
            raise DamageError(f"{path}: cannot read at 0: {error.strerror}") from error
        except FormatError:
            os.close(fd)
            raise
