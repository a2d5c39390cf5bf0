"""Finds the objects that journal entries name: in the packs that came with them, or where they are now.

Everything is known by what it hashes to. First octets of ids only say where to look.
"""

import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from poparchive.archive import packlist
from poparchive.archive.describe import Stored
from poparchive.archive.spool import Spooled, SpoolWriter
from poparchive.index.catalog import Catalog
from poparchive.index.moves import Moved, Moves
from poparchive.index.places import PREFIX_BYTES, Places
from poparchive.model import Location, MessageId
from poparchive.store import recipe
from poparchive.store.digest import sha256, sha256_of
from poparchive.store.errors import DamageError, MissingObjectError
from poparchive.store.frame import ObjectKind
from poparchive.store.fsio import writing
from poparchive.store.layout import Layout
from poparchive.store.packread import Frame, PackReader
from poparchive.store.recipe import Placed, Reference
from poparchive.store.records import RetiredRecord, Sealed

IN_MEMORY_BYTES = 32 << 20

SMALL_PACK_BYTES = 64 << 20
"""A pack that ``optimize`` made and that is no larger is made anew together with newer mail, once that is a
fourth of it; a larger one never."""


def short(identity: bytes) -> bytes:
    """The octets of an id that every frame's table has."""
    return identity[:PREFIX_BYTES]


@dataclass(slots=True)
class Found:
    """What frames hold: blobs by id, recipes by the first octets of their messages' ids."""

    blobs: dict[bytes, Location] = field(default_factory=dict)
    recipes: dict[bytes, list[Location]] = field(default_factory=dict)


class Elsewhere:
    """Where objects are whose packs the journal has retired: in packs that ``optimize`` made.

    Nothing is decoded to find out but the tables of those packs.
    """

    def __init__(self, layout: Layout, *, salvage: bool = False) -> None:
        """To ``salvage`` an archive, all packs are looked through, and what cannot be read is passed over."""
        self._known: set[int] = set()
        layout.spool.mkdir(mode=0o700, exist_ok=True)
        self._path = layout.spool / f"places-{os.getpid()}"
        with writing(self._path):
            self._places = Places(self._path)
        packs: dict[int, int] = {}
        before: dict[int, set[int]] = {}
        large: set[int] = set()
        alive: set[int] = set()
        for record in packlist.told(layout):
            if isinstance(record, RetiredRecord):
                number = record.number
                self._known.add(number)
                packs.pop(number, None)
                before.pop(number, None)
                for others in (alive, large, *before.values()):
                    others.discard(number)
                continue
            number, tight = record.number, record.sealed is Sealed.TIGHTLY
            if salvage or tight:
                packs[number] = record.length
            if tight:
                before[number] = alive - large
            if tight and record.length > SMALL_PACK_BYTES:
                large.add(number)
            alive.add(number)
        reader = PackReader(layout)
        try:
            for number, length in packs.items():
                frames = reader.frames(number, 0, length, decoded=False)
                for frame in readable(layout, reader, number, length) if salvage else frames:
                    self._places.add(
                        (one.kind, one.prefix, frame.location(one)) for one in frame.entries
                    )
        finally:
            reader.close()
        # Where an older pack still counts, in which objects may stand too, this one is looked at in its turn,
        # as it was when it was new.
        self._known.update(number for number in packs if salvage or not before.get(number))

    def knows(self, pack: int) -> bool:
        """Whether a pack is retired, or its objects are in the table."""
        return pack in self._known

    def find(self, kind: ObjectKind, ids: Sequence[bytes]) -> dict[bytes, list[Location]]:
        """Return where the objects with these ids may be."""
        return self._places.find(kind, ids)

    def close(self) -> None:
        with writing(self._path):
            self._places.close()


class Objects:
    """Reads messages for entries that are applied. Belongs to one thread."""

    def __init__(
        self, layout: Layout, catalog: Catalog, reader: PackReader, elsewhere: Elsewhere | None
    ) -> None:
        self._layout = layout
        self._catalog = catalog
        self._reader = reader
        self._elsewhere = elsewhere
        self.under_way: Mapping[bytes, Location] = {}
        """Where blobs are that the catalog will know once the entry before is applied."""

    def find(self, frame: Frame, found: Found) -> None:
        """Add what a frame holds."""
        for entry in frame.entries:
            place = frame.location(entry)
            if entry.kind is ObjectKind.RECIPE:
                found.recipes.setdefault(short(entry.prefix), []).append(place)
                continue
            digest = sha256(frame.payload[entry.offset : entry.offset + entry.length])
            if not digest.startswith(entry.prefix):
                raise DamageError(
                    f"{self._layout.pack(frame.pack)}: the frame at {frame.start} holds a"
                    " blob that does not have the hash in the frame's table"
                )
            found.blobs[digest] = place

    def moved(self, found: Found, new: Sequence[MessageId]) -> Moved:
        """Return which of these objects the catalog has already: the newer copy counts.

        ``new`` are the messages that the same entry names as new.
        """
        messages: dict[int, Moves] = {}
        blobs: dict[int, Moves] = {}
        keys = self._catalog.blob_keys(list(found.blobs))
        for identity, place in found.blobs.items():
            if identity in keys:
                _note(blobs, keys[identity], place)
        fresh = {short(one) for one in new}
        for prefix, places in found.recipes.items():
            if prefix in fresh:
                continue
            for identity, key in self._catalog.messages_like(prefix):
                for place in places:
                    if sha256_of(self._join(place, found.blobs, [])) == identity:
                        _note(messages, key, place)
        return Moved(list(messages.values()), list(blobs.values()))

    def recipes(
        self, ids: Sequence[MessageId], found: Found
    ) -> dict[MessageId, Sequence[Location]]:
        """Return where each message's recipe may be: in what was found, or else elsewhere."""
        places: dict[MessageId, Sequence[Location]] = {
            one: found.recipes.get(short(one), ()) for one in ids
        }
        missing = [one for one, some in places.items() if not some]
        if missing and self._elsewhere:
            for one, some in self._elsewhere.find(ObjectKind.RECIPE, missing).items():
                places[MessageId(one)] = some
        return places

    def stored(
        self,
        identity: MessageId,
        places: Sequence[Location],
        blobs: dict[bytes, Location],
        spooled: list[Spooled],
    ) -> Stored:
        """Read a message; its recipe is at one of ``places``. ``blobs`` gets the blobs that it needs."""
        for place in places:
            placed: list[Placed] = []
            message = gather(self._join(place, blobs, placed), self._layout)
            if isinstance(message, Spooled):
                spooled.append(message)
                digest = message.digest
            else:
                digest = sha256(message)
            if digest == identity:
                return Stored(identity, message, placed, place)
        raise MissingObjectError(
            f"the journal names message {identity.hex()}, but no pack makes it;"
            " `poparchive verify` says more"
        )

    def _join(
        self, place: Location, blobs: dict[bytes, Location], placed: list[Placed]
    ) -> Iterator[bytes]:
        """Carry out the recipe at a place. ``placed`` gets its references, ``blobs`` where they are."""
        at = 0

        def fetch(reference: Reference) -> bytes:
            if reference.id:
                octets = self._blob(reference.id, blobs)
                identity = reference.id
            else:
                here = place._replace(offset=reference.at, length=reference.length)
                octets = self._reader.read(here)
                identity = sha256(octets)
                blobs[identity] = here
            placed.append(Placed(at, identity, reference.length))
            return octets

        for piece in recipe.join(self._reader.read(place), fetch):
            yield piece
            at += len(piece)

    def _blob(self, identity: bytes, blobs: dict[bytes, Location]) -> bytes:
        place = blobs.get(identity)
        if place is None and (place := self.under_way.get(identity)):
            # The message before that needed it may be lost for another reason, and the catalog never know it.
            blobs[identity] = place
        place = place or self._catalog.blob_place(identity)
        if place is not None:
            return self._reader.read(place)
        for place in self._anywhere(identity):
            octets = self._reader.read(place)
            if sha256(octets) == identity:
                blobs[identity] = place
                return octets
        raise MissingObjectError(f"blob {identity.hex()}, which a message needs, is in no pack")

    def _anywhere(self, blob: bytes) -> Sequence[Location]:
        return self._elsewhere.find(ObjectKind.BLOB, [blob])[blob] if self._elsewhere else ()


def readable(
    layout: Layout, reader: PackReader, number: int, length: int, start: int = 0
) -> Iterator[Frame]:
    """Yield the frames of a pack that can be read, from ``start`` on, where one begins."""
    # Here: who verifies reads messages, and so imports us.
    from poparchive.archive.verify.findings import Counts
    from poparchive.archive.verify.packs import PackWalk

    found: list[Frame] = []
    walk = PackWalk(layout, reader, Counts(), number, length, lambda *_: None)
    at = start
    while at < length:
        for _ in walk.walk(at, 1, found.append):
            pass
        at = walk.end
        yield from found
        found.clear()


def _note(moves: dict[int, Moves], key: int, place: Location) -> None:
    pack = moves.setdefault(place.pack, Moves(place.pack))
    pack.add(key, place.frame, place.offset, place.length)


def gather(pieces: Iterator[bytes], layout: Layout) -> bytes | Spooled:
    """Put a message together: in memory, or in a file if it is large."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size > IN_MEMORY_BYTES:
            break
    else:
        return b"".join(held)
    writer = SpoolWriter(layout.spool / f"join-{uuid.uuid4().hex}")
    for piece in held:
        writer.write(piece)
    held.clear()
    for piece in pieces:
        writer.write(piece)
    return writer.finish()
