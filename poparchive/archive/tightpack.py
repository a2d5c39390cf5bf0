"""Fills one pack with frames as small as they get: recipes first, then the blobs that they name.

The first frame is large and the dictionary of all others, so that each is compressed as if much mail stood
before it, and is still decoded in milliseconds. Nothing of it counts before ``switch`` in ``optimize``.
"""

from collections.abc import Sequence

from poparchive.index.moves import Moves
from poparchive.store import frame, recipe
from poparchive.store.codec import Dictionary
from poparchive.store.frame import Object, ObjectKind, Slot
from poparchive.store.layout import Layout
from poparchive.store.pack import PACK_BYTES, PACK_HEADER_BYTES, PackState, PackWriter
from poparchive.store.recipe import Operation, Reference
from poparchive.store.records import Sealed

FIRST_BYTES = 24 << 20
"""Real mail of 33 MB is 2% smaller than with a first frame of 16 MiB, and 7% than with frames of 8 MiB alone.
Larger would take more memory than a small machine has to spare."""

FRAME_BYTES = 8 << 20
"""Frames of 4 MiB are 2% larger, those of 16 MiB take twice as long to read one message from."""

_LOOSE_BYTES = 2 << 20


class TightPack:
    """A pack that is being filled. ``messages`` and ``blobs`` say where what went in will stand."""

    def __init__(
        self, layout: Layout, *, pack_bytes: int = PACK_BYTES, frame_bytes: int = 0
    ) -> None:
        """``frame_bytes`` is for tests: every frame ends there."""
        self._first_bytes = frame_bytes or FIRST_BYTES
        self._frame_bytes = frame_bytes or FRAME_BYTES
        # A frame of what does not compress may come on top.
        self._limit = pack_bytes - min(pack_bytes // 2, 2 * self._frame_bytes)
        self._writer = PackWriter(layout, None, pack_bytes=2 * pack_bytes, path=layout.new_pack)
        self._writer.begin()
        self.number = self._writer.number
        self.messages = Moves(self.number)
        self.blobs = Moves(self.number)
        self.ids = bytearray()
        """The ids of all objects, 32 octets each, in the order in which they stand in the pack."""
        self.raw_bytes = 0
        self._dictionary: Dictionary | None = None
        self._moved: set[int] = set()
        self._recipes: list[tuple[int, bytes, Sequence[Operation]]] = []
        self._here: dict[bytes, tuple[int, bytes]] = {}
        self._loose: list[tuple[int, Object]] = []
        self._pending = self._loose_bytes = 0

    @property
    def full(self) -> bool:
        """Whether no more should go in."""
        return self._writer.length >= self._limit

    @property
    def length(self) -> int:
        """Octets written so far."""
        return self._writer.length

    def has_blob(self, key: int) -> bool:
        """Whether the blob with this row id is in it."""
        return key in self._moved

    def add_blob(self, key: int, identity: bytes, octets: bytes, *, solid: bool) -> None:
        """Put a blob in: beside the recipes of its frame, or uncompressed unless it is ``solid``."""
        self._moved.add(key)
        self.raw_bytes += len(octets)
        if solid:
            self._here[identity] = (key, octets)
            self._pending += len(octets)
        else:
            self._loose.append((key, Object(ObjectKind.BLOB, identity, octets)))
            self._loose_bytes += len(octets)
            if self._loose_bytes >= min(_LOOSE_BYTES, self._frame_bytes):
                self._write_loose()

    def add_message(self, key: int, identity: bytes, operations: Sequence[Operation]) -> None:
        """Put a message in, after its blobs. All references are by id."""
        self._recipes.append((key, identity, operations))
        size = sum(len(one.octets) if isinstance(one, recipe.Literal) else 8 for one in operations)
        self._pending += size
        self.raw_bytes += size
        first = self._writer.length == PACK_HEADER_BYTES
        if self._pending >= (self._first_bytes if first else self._frame_bytes):
            self._write()

    def finish(self) -> PackState:
        """Write what is pending, seal and sync; return the pack's state."""
        self._write()
        self._write_loose()
        self._writer.end(Sealed.TIGHTLY)
        (state,) = self._writer.commit()
        return state

    def close(self) -> None:
        """Safe to call twice."""
        self._writer.close()

    def _write(self) -> None:
        """Write one frame of the messages and blobs that are pending."""
        if not self._recipes and not self._here:
            return
        keys = [key for key, _, _ in self._recipes] + [key for key, _ in self._here.values()]
        slots, payload = self._laid_out()
        # What the payload is made of is let go of before it is compressed, which takes much memory.
        self._recipes, self._here, self._pending = [], {}, 0
        known = (self._dictionary, PACK_HEADER_BYTES) if self._dictionary else None
        first = self._writer.length == PACK_HEADER_BYTES
        octets = frame.encode_tightly(slots, payload, known)
        if first:
            self._dictionary = Dictionary(payload)
        del payload
        self._append(keys, slots, octets)

    def _laid_out(self) -> tuple[list[Slot], bytes]:
        """Return what is pending as a payload: recipes, then the blobs that they refer to by place."""
        at = sum(len(self._recipe(operations, {})) for _, _, operations in self._recipes)
        places = {}
        for identity, (_, octets) in self._here.items():
            places[identity] = at
            at += len(octets)
        pieces = [self._recipe(operations, places) for _, _, operations in self._recipes]
        slots = [
            Slot(ObjectKind.RECIPE, identity, len(made))
            for (_, identity, _), made in zip(self._recipes, pieces, strict=True)
        ]
        for identity, (_, octets) in self._here.items():
            pieces.append(octets)
            slots.append(Slot(ObjectKind.BLOB, identity, len(octets)))
        return slots, b"".join(pieces)

    def _write_loose(self) -> None:
        if self._loose:
            if self._dictionary is None:
                self._write()  # The first frame is the dictionary.
            keys = [key for key, _ in self._loose]
            objects = [one for _, one in self._loose]
            self._loose, self._loose_bytes = [], 0
            slots = [Slot(one.kind, one.id, len(one.octets)) for one in objects]
            self._append(keys, slots, frame.encode(objects, compressed=False))

    def _append(self, keys: Sequence[int], slots: Sequence[Slot], octets: bytes) -> None:
        places = self._writer.append_frame([one.length for one in slots], octets)
        for key, one, at in zip(keys, slots, places, strict=True):
            moves = self.messages if one.kind is ObjectKind.RECIPE else self.blobs
            moves.add(key, at.frame, at.offset, at.length)
            self.ids += one.id

    def _recipe(self, operations: Sequence[Operation], places: dict[bytes, int]) -> bytes:
        """Write a recipe whose blobs of this frame are referred to by place."""
        return recipe.write(
            one._replace(id=b"", at=places.get(one.id, 0))
            if isinstance(one, Reference) and one.id in self._here
            else one
            for one in operations
        )
