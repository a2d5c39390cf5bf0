"""Gives all messages back in the order in which they lie in the packs, as fast as they can be read.

Each frame is decoded once and whole, and a message's blobs are taken from the frame that its recipe stands
in, or from some before, mostly without asking the catalog. What that does
not make, proved by its hash, is left to a ``Reader``, which finds it or says what is wrong. Memory is
that of a few frames.
"""

import contextlib
import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import groupby

from poparchive.archive.heap import keep_large_blocks_apart
from poparchive.archive.read import IN_MEMORY_BYTES, Reader
from poparchive.index.lookup import Located
from poparchive.model import Location
from poparchive.store import recipe
from poparchive.store.errors import StoreError
from poparchive.store.frame import PREFIX_BYTES
from poparchive.store.packread import Decoded, PackReader

_KEPT_BYTES = 32 << 20
"""Of frames whose turn is over, because later messages have the same attachments."""

_NOTHING = Decoded(b"", {})


def sweep(reader: Reader, keys: "array[int]") -> Iterator[tuple[Located, bytes | None]]:
    """Yield these messages, which are in stored order, with their octets, proved by their hash.

    Without octets where they are many, or not found this way: ``reader.octets`` has the last word then.
    """
    keep_large_blocks_apart()
    with contextlib.closing(PackReader(reader.layout)) as packs:
        joiner = _Joiner(reader.blob_place, packs.read)
        for some in _by_frame(reader, keys):
            joiner.turn(some[0].pack, some[0].frame, _decoded(packs, some[0]))
            for message in some:
                yield message, joiner.octets(message)


def _by_frame(reader: Reader, keys: "array[int]") -> Iterator[list[Located]]:
    rows = reader.lookup.by_keys(keys)
    for _, some in groupby(rows, key=lambda one: (one.pack, one.frame)):
        yield list(some)


def _decoded(packs: PackReader, message: Located) -> Decoded:
    """Return the frame that a message's recipe stands in; nothing if it cannot be read."""
    try:
        return packs.decoded(message.pack, message.frame)
    except StoreError:
        return _NOTHING


class _Joiner:
    """Joins the messages of one frame, and remembers some frames before it."""

    def __init__(
        self, blob_place: Callable[[bytes], Location], read: Callable[[Location], bytes]
    ) -> None:
        self._blob_place = blob_place
        self._read = read
        self._frame = self._before = _NOTHING
        self._kept: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._kept_bytes = 0

    def turn(self, pack: int, start: int, frame: Decoded) -> None:
        """Go on to a frame."""
        self._before, self._frame = self._frame, frame
        self._kept_bytes += len(frame.payload) - len(self._kept.pop((pack, start), b""))
        self._kept[pack, start] = frame.payload
        while self._kept_bytes > _KEPT_BYTES and len(self._kept) > 1:
            self._kept_bytes -= len(self._kept.popitem(last=False)[1])

    def octets(self, message: Located) -> bytes | None:
        """Return a message of the frame, or None if it cannot be made like this."""
        if message.size_bytes > IN_MEMORY_BYTES:
            return None
        start, payload = message.offset, self._frame.payload
        try:
            octets = recipe.assemble(payload, start, start + message.length, self._blob)
        except StoreError:
            return None
        return octets if hashlib.sha256(octets).digest() == message.id else None

    def _blob(self, identity: bytes) -> bytes:
        prefix = identity[:PREFIX_BYTES]
        for payload, blobs in (self._frame, self._before):
            if found := blobs.get(prefix):
                offset, length = found
                return payload[offset : offset + length]
        place = self._blob_place(identity)
        if kept := self._kept.get((place.pack, place.frame)):
            self._kept.move_to_end((place.pack, place.frame))
            return kept[place.offset : place.offset + place.length]
        return self._read(place)
