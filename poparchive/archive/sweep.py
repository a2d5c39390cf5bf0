"""Gives all messages back in the order in which they lie in the packs, as fast as they can be read.

Frames are decoded whole, by a thread that is one or two ahead, and a message's blobs are taken from the
frame that its recipe stands in, or from some before, mostly without asking the catalog. What that does
not make, proved by its hash, is left to a ``Reader``, which finds it or says what is wrong. Memory is
that of a few frames.
"""

import contextlib
import hashlib
from array import array
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby, islice

from poparchive.archive.read import IN_MEMORY_BYTES, Reader
from poparchive.index.lookup import Located
from poparchive.model import Location
from poparchive.store import recipe
from poparchive.store.errors import StoreError
from poparchive.store.frame import PREFIX_BYTES
from poparchive.store.packread import Decoded, PackReader

_AHEAD = 2
"""Frames decoded before their turn: 8 MiB each, and once in a pack 24 MiB."""

_KEPT_BYTES = 48 << 20
"""Of frames whose turn is over, because later messages have the same attachments."""

_NOTHING = Decoded(b"", {})


def sweep(reader: Reader, keys: "array[int]") -> Iterator[tuple[Located, bytes | None]]:
    """Yield these messages, which are in stored order, with their octets, proved by their hash.

    Without octets where they are many, or not found this way: ``reader.octets`` has the last word then.
    """
    packs = PackReader(reader.layout)
    # The thread ends before what it reads is closed.
    with contextlib.closing(packs), _reading() as thread:
        # All reading is that thread's: a large frame that others refer to is decoded once.
        joiner = _Joiner(reader.blob_place, lambda place: thread.submit(packs.read, place).result())
        turns: deque[tuple[list[Located], Future[Decoded]]] = deque()
        frames = _by_frame(reader, keys)
        while True:
            for some in islice(frames, _AHEAD + 1 - len(turns)):
                turns.append((some, thread.submit(packs.decoded, some[0].pack, some[0].frame)))
            if not turns:
                return
            some, decoding = turns.popleft()
            joiner.turn(some[0].pack, some[0].frame, _decoded(decoding))
            for message in some:
                yield message, joiner.octets(message)


@contextlib.contextmanager
def _reading() -> Iterator[ThreadPoolExecutor]:
    thread = ThreadPoolExecutor(1, "frames")
    try:
        yield thread
    finally:
        thread.shutdown(cancel_futures=True)


def _by_frame(reader: Reader, keys: "array[int]") -> Iterator[list[Located]]:
    rows = reader.lookup.by_keys(keys)
    for _, some in groupby(rows, key=lambda one: (one.pack, one.frame)):
        yield list(some)


def _decoded(decoding: Future[Decoded]) -> Decoded:
    try:
        return decoding.result()
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
