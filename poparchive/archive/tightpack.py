"""Fills one pack with frames as small as they get: recipes first, then the blobs that they name.

The first frame is large and the dictionary of all others, so that each is compressed as if much mail stood
before it, and is still decoded in milliseconds. Nothing of it counts before ``switch`` in ``optimize``.
"""

from collections.abc import Callable, Sequence

from poparchive.index.moves import Moves
from poparchive.store import frame, recipe
from poparchive.store.codec import TightDictionary
from poparchive.store.frame import Object, ObjectKind, Slot
from poparchive.store.layout import Layout
from poparchive.store.pack import PACK_BYTES, PACK_HEADER_BYTES, PackWriter
from poparchive.store.recipe import Operation, Reference
from poparchive.store.records import PackRecord, Sealed

FIRST_BYTES = 24 << 20
"""Real mail of 33 MB is 2% smaller than with a first frame of 16 MiB, and 7% than with frames of 8 MiB alone.
Larger would take more memory than a small machine has to spare."""

FRAME_BYTES = 8 << 20
"""Frames of 4 MiB are 2% larger, those of 16 MiB take twice as long to read one message from."""

_LOOSE_BYTES = 2 << 20

_NO_LIMIT = 1 << 62
"""A pack is ended between two messages: it is as much larger as its last one needs. What counts octets of a
pack has eight of them; four are for what lies within a frame."""


class TightPack:
    """A pack that is being filled. ``messages`` and ``blobs`` say where what went in will stand."""

    def __init__(
        self,
        layout: Layout,
        *,
        given: int | None = None,
        pack_bytes: int = PACK_BYTES,
        frame_bytes: int = 0,
        before_frame: Callable[[], None] = lambda: None,
    ) -> None:
        """``frame_bytes`` is for tests: every frame ends there; ``given`` is as for ``PackWriter``.
        ``before_frame`` is called when one is to be compressed."""
        self._before_frame = before_frame
        self._first_bytes = frame_bytes or FIRST_BYTES
        self._frame_bytes = frame_bytes or FRAME_BYTES
        # A frame of what does not compress may come on top.
        self._limit = pack_bytes - min(pack_bytes // 2, 2 * self._frame_bytes)
        self._writer = PackWriter(
            layout, None, pack_bytes=_NO_LIMIT, path=layout.new_pack, given=given
        )
        self._writer.begin()
        self.number = self._writer.number
        self.messages = Moves(self.number)
        self.blobs = Moves(self.number)
        self.raw_bytes = 0
        self._dictionary: TightDictionary | None = None
        self._moved = bytearray()  # a bit for each blob's row id
        self._open = _Frame()
        self._loose: list[tuple[int, Object]] = []
        self._loose_bytes = 0

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
        at, bit = divmod(key, 8)
        return at < len(self._moved) and bool(self._moved[at] >> bit & 1)

    def add_blob(self, key: int, identity: bytes, octets: bytes, *, solid: bool) -> None:
        """Put a blob in: beside the recipes of its frame, or uncompressed unless it is ``solid``."""
        at, bit = divmod(key, 8)
        self._moved.extend(bytes(max(0, at + 1 - len(self._moved))))
        self._moved[at] |= 1 << bit
        self.raw_bytes += len(octets)
        if solid:
            self._open.add_blob(key, identity, octets)
            self._write_if_full()
        else:
            self._loose.append((key, Object(ObjectKind.BLOB, identity, octets)))
            self._loose_bytes += len(octets)
            if self._loose_bytes >= min(_LOOSE_BYTES, self._frame_bytes):
                self._write_loose()

    def add_message(self, key: int, identity: bytes, operations: Sequence[Operation]) -> None:
        """Put a message in, after its blobs. All references are by id."""
        self.raw_bytes += self._open.add_message(key, identity, operations)
        self._write_if_full()

    def finish(self) -> PackRecord:
        """Write what is pending, seal and sync; return the pack's state."""
        self._write()
        self._write_loose()
        self._writer.end(Sealed.TIGHTLY)
        (state,) = self._writer.commit()
        self._dictionary = None
        return state

    def close(self) -> None:
        """Safe to call twice."""
        self._writer.close()

    def _write_if_full(self) -> None:
        first = self._writer.length == PACK_HEADER_BYTES
        if len(self._open) >= (self._first_bytes if first else self._frame_bytes):
            self._write()

    def _write(self) -> None:
        """Write one frame of the messages and blobs that are pending."""
        if not self._open.keys:
            return
        (keys, slots, payload), self._open = self._open.laid_out(), _Frame()
        self._before_frame()
        known = (self._dictionary, PACK_HEADER_BYTES) if self._dictionary else None
        first = self._writer.length == PACK_HEADER_BYTES
        octets = frame.encode_tightly(slots, payload, known)
        if first:
            self._dictionary = TightDictionary(payload)
        del payload
        self._append(keys, slots, octets)

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


class _Frame:
    """What the next frame will hold, in two buffers: the memory of a million small pieces would stay taken
    while they are compressed, which takes much memory itself."""

    def __init__(self) -> None:
        self._recipes = bytearray()
        self._blobs = bytearray()
        self._slots: tuple[list[Slot], list[Slot]] = ([], [])
        self._keys: tuple[list[int], list[int]] = ([], [])
        self._places: dict[bytes, int] = {}
        self._ats: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._recipes) + len(self._blobs)

    @property
    def keys(self) -> list[int]:
        """The row ids of messages, then those of blobs."""
        return self._keys[0] + self._keys[1]

    def add_blob(self, key: int, identity: bytes, octets: bytes) -> None:
        self._places[identity] = len(self._blobs)
        self._blobs += octets
        self._note(1, key, Slot(ObjectKind.BLOB, identity, len(octets)))

    def add_message(self, key: int, identity: bytes, operations: Sequence[Operation]) -> int:
        """Return the octets of its recipe, whose blobs of this frame are referred to by place."""
        here = [
            one.id for one in operations if isinstance(one, Reference) and one.id in self._places
        ]
        made, ats = recipe.write(
            one._replace(id=b"") if isinstance(one, Reference) and one.id in self._places else one
            for one in operations
        )
        self._ats += [
            (len(self._recipes) + position, self._places[identity])
            for position, identity in zip(ats, here, strict=True)
        ]
        self._recipes += made
        self._note(0, key, Slot(ObjectKind.RECIPE, identity, len(made)))
        return len(made)

    def laid_out(self) -> tuple[list[int], list[Slot], bytearray]:
        """Return row ids, objects and the payload. The frame is not used any more."""
        start = len(self._recipes)
        for position, place in self._ats:
            recipe.put_at(self._recipes, position, start + place)
        self._recipes += self._blobs
        self._blobs.clear()
        return self.keys, self._slots[0] + self._slots[1], self._recipes

    def _note(self, which: int, key: int, slot: Slot) -> None:
        self._keys[which].append(key)
        self._slots[which].append(slot)
