"""The packs that ``optimize`` makes anew: each object in them is proved before it is copied, and after."""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from poparchive.archive.heap import give_back
from poparchive.archive.pace import Pace
from poparchive.archive.tightpack import TightPack
from poparchive.index.ordering import Ordering, Standing
from poparchive.model import Location
from poparchive.store import codec, recipe
from poparchive.store.digest import sha256, sha256_of
from poparchive.store.errors import DamageError, FormatError, MissingObjectError, StoreError
from poparchive.store.frame import ObjectKind
from poparchive.store.layout import Layout
from poparchive.store.pack import PACK_HEADER_BYTES
from poparchive.store.packread import Frame, PackReader
from poparchive.store.recipe import Literal, Operation, Reference
from poparchive.store.records import PackRecord

_HELD_BYTES = 8 << 20


class Source:
    """Reads objects from the packs that are to be made anew, each proved before it is copied."""

    def __init__(self, layout: Layout, ordering: Ordering, reader: PackReader, pace: Pace) -> None:
        self._layout = layout
        self._reader = reader
        self._pace = pace
        self._bad: dict[tuple[int, int], str] = {}
        self.ordering = ordering
        self.packs: set[int] = set()
        """Those that are to be made anew."""

    def copy(self, message: Standing, pack: TightPack) -> None:
        """Put a message into a new pack, and the blobs it needs that are to be moved and are not there."""
        operations, new = self._proved(message, pack)
        for identity, (stands, octets) in new.items():
            octets = octets or self._read(stands.place)
            self._pace.took(len(octets))
            pack.add_blob(stands.key, identity, octets, solid=_is_solid(octets))
        pack.add_message(message.key, message.id, operations)

    def _proved(
        self, message: Standing, pack: TightPack | None
    ) -> tuple[list[Operation], dict[bytes, tuple[Standing, bytes]]]:
        """Carry a message's recipe out; return it, and the blobs to be moved with it into ``pack``."""
        operations: list[Operation] = []
        new: dict[bytes, tuple[Standing, bytes]] = {}
        held = 0
        digest = hashlib.sha256()
        for operation in recipe.operations(self._read(message.place)):
            if isinstance(operation, Literal):
                operations.append(operation)
                digest.update(operation.octets)
                continue
            stands = self._stands(operation.id) if operation.id else None
            octets = self._read(stands.place if stands else _here(operation, message.place))
            identity = sha256(octets)
            if operation.id and operation.id != identity:
                raise DamageError(f"blob {operation.id.hex()} has another hash")
            operations.append(operation._replace(id=identity, at=0))
            digest.update(operation.make(octets))
            stands = stands or self._stands(identity)
            if pack and stands.place.pack in self.packs and not pack.has_blob(stands.key):
                held += len(octets)
                # A large message is read a second time instead of being held.
                new[identity] = (stands, octets if held <= _HELD_BYTES else b"")
        if digest.digest() != message.id:
            raise DamageError(
                f"message {message.id.hex()}: the stored octets are not the ones that were archived; it"
                " stays where it is. `poparchive verify` says more"
            )
        return operations, new

    def copy_blob(self, blob: Standing, pack: TightPack) -> None:
        """Put a blob into a new pack that no message has brought there."""
        octets = self._proved_blob(blob)
        pack.add_blob(blob.key, blob.id, octets, solid=_is_solid(octets))

    def _proved_blob(self, blob: Standing) -> bytes:
        octets = self._read(blob.place)
        if sha256(octets) != blob.id:
            raise DamageError(f"blob {blob.id.hex()} has another hash; it stays where it is")
        return octets

    def moves(self, number: int, tell: Callable[[StoreError], None]) -> bool:
        """Whether any object can be moved out of a pack. ``tell`` gets why those cannot that were tried.

        The first message of a pack that is whole answers it. One that earlier runs have left with nothing
        but what cannot be read is read again, each frame once: it may have been healed.
        """
        for message in self.ordering.standing("messages", self.ordering.messages([number])):
            try:
                self._proved(message, None)
            except (DamageError, FormatError) as error:
                tell(error)
            else:
                return True
        for blob in self.ordering.standing("blobs", self.ordering.blobs([number])):
            try:
                self._proved_blob(blob)
            except (DamageError, FormatError) as error:
                tell(error)
            else:
                return True
        return False

    def _read(self, place: Location) -> bytes:
        """Read an object. A frame that cannot be read is tried once: many objects may stand in it."""
        frame = place.pack, place.frame
        if frame in self._bad:
            raise DamageError(self._bad[frame])
        try:
            return self._reader.read(place)
        except MissingObjectError:
            raise
        except DamageError as error:
            self._bad[frame] = str(error)
            raise

    def forget(self) -> None:
        """Forget what was decoded, and give its memory back: whoever compresses or proves a pack takes much
        itself."""
        self._reader.drop()
        give_back()

    def prove(self, pack: TightPack, state: PackRecord) -> None:
        """Read a new pack from disk, and compare every object in it by its hash."""
        path = self._layout.new_pack(pack.number)
        _drop_cached(path)
        reader = PackReader(self._layout, cache_bytes=0, path=self._layout.new_pack)
        written = {
            ObjectKind.RECIPE: self.ordering.standing("messages", pack.messages.keys),
            ObjectKind.BLOB: self.ordering.standing("blobs", pack.blobs.keys),
        }
        at = PACK_HEADER_BYTES
        try:
            while at < state.length:
                end = self._prove_frame(reader.frame(pack.number, at), written)
                self._pace.took(end - at)
                at = end
            if any(next(rest, None) for rest in written.values()):
                raise DamageError(f"{path}: does not hold all that was written; the old packs stay")
        finally:
            reader.close()

    def _prove_frame(self, frame: Frame, written: dict[ObjectKind, Iterator[Standing]]) -> int:
        """Compare a frame's objects with what was ``written``; return where the frame ends."""
        for entry in frame.entries:
            octets = frame.payload[entry.offset : entry.offset + entry.length]
            is_recipe = entry.kind is ObjectKind.RECIPE
            digest = self._joined(octets, frame) if is_recipe else sha256(octets)
            expected = next(written[entry.kind], None)
            if expected is None or expected.id != digest:
                raise DamageError(
                    f"{self._layout.new_pack(frame.pack)}: an object is not as it was written; the old"
                    " packs stay. The disk or the memory may be faulty."
                )
        return frame.end

    def _joined(self, made: bytes, frame: Frame) -> bytes:
        """Return the hash of the message that a recipe of a new frame makes."""

        def blob(reference: Reference) -> bytes:
            if reference.id:
                return self._reader.read(self._stands(reference.id).place)
            return frame.payload[reference.at : reference.at + reference.length]

        return sha256_of(recipe.join(made, blob))

    def _stands(self, identity: bytes) -> Standing:
        found = self.ordering.blob(identity)
        if found is None:
            raise DamageError(f"blob {identity.hex()} is not in the catalog; rebuild it")
        return found


def _here(reference: Reference, recipe_at: Location) -> Location:
    return recipe_at._replace(offset=reference.at, length=reference.length)


def _is_solid(octets: bytes) -> bool:
    return len(octets) < 1 << 10 or codec.compresses(octets)


def _drop_cached(path: Path) -> None:
    """Let what is read next come from the disk and not from memory, as far as the system does so."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
