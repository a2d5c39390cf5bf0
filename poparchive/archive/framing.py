"""Objects on their way into frames: gathered, encoded beside the storing thread, appended in order."""

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from poparchive.model import Location
from poparchive.store import frame
from poparchive.store.codec import Dictionary
from poparchive.store.frame import Object, ObjectKind
from poparchive.store.pack import PACK_HEADER_BYTES, PackWriter

FRAME_BYTES = 2 << 20
"""Frames of 2 MiB hold 5% less than those of 1 MiB, and reading from one still takes about 2 ms."""

SMALL_BYTES = 512 << 10
"""Larger frames have enough of their own to learn from."""

_ENCODING = 2
"""Frames that may wait to be encoded; each is some 2 MiB of memory."""


class Framer:
    """Fills frames, one of what compresses and one of what does not. Belongs to the storing thread.

    ``blobs`` and ``recipes`` say where objects are, once ``flush`` has returned.
    """

    def __init__(self, packs: PackWriter) -> None:
        self._packs = packs
        self._open: dict[bool, list[Object]] = {True: [], False: []}
        self._bytes = {True: 0, False: 0}
        self._encoder = ThreadPoolExecutor(1, "encode")
        self._pending: deque[tuple[list[Object], Future[bytes]]] = deque()
        self._octets = b""
        self._dictionary = Dictionary(b"")
        self.blobs: dict[bytes, Location] = {}
        self.recipes: dict[bytes, Location] = {}

    def add(self, objects: Iterable[tuple[Object, bool]]) -> None:
        """Put objects in; each comes with whether it is worth compressing."""
        for one, solid in objects:
            self._open[solid].append(one)
            self._bytes[solid] += len(one.octets)
        for solid, size in self._bytes.items():
            if size >= FRAME_BYTES:
                self._encode(solid)

    def flush(self) -> None:
        """Append all that was put in to the pack. It is not synced."""
        for solid in (True, False):
            self._encode(solid)
        self._append(until=0)

    def take(self) -> tuple[dict[bytes, Location], dict[bytes, Location]]:
        """Return where the blobs and the recipes are that were appended since the last time."""
        taken = self.blobs, self.recipes
        self.blobs, self.recipes = {}, {}
        return taken

    def close(self) -> None:
        """Safe to call twice."""
        self._encoder.shutdown()

    def _encode(self, solid: bool) -> None:
        objects = self._open[solid]
        if not objects:
            return
        size = self._bytes[solid]
        self._open[solid], self._bytes[solid] = [], 0
        self._append(until=_ENCODING - 1)
        known = self._known() if solid and size < SMALL_BYTES else None
        encode = partial(frame.encode, objects, compressed=solid, dictionary=known)
        self._pending.append((objects, self._encoder.submit(encode)))

    def _known(self) -> tuple[Dictionary, int] | None:
        """Return the open pack's dictionary, which the next pack begins with too."""
        octets = self._packs.dictionary
        if not octets:
            return None
        if octets is not self._octets:
            self._octets, self._dictionary = octets, Dictionary(octets)
        return self._dictionary, PACK_HEADER_BYTES

    def _append(self, *, until: int) -> None:
        while len(self._pending) > until:
            objects, encoded = self._pending.popleft()
            for one, at in zip(objects, self._packs.append(objects, encoded.result()), strict=True):
                places = self.blobs if one.kind is ObjectKind.BLOB else self.recipes
                places[one.id] = at
