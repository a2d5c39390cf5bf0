"""Gathers what small frames hold into large ones, in packs of its own: copies, proves, switches, removes.

Runs beside pulls and searches: the lock is held only for moments. A run that is cut at any point loses
nothing, and the next one goes on (``docs/store-format.md``, the life of an optimize).
"""

import contextlib
import hashlib
import os
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from poparchive.archive.opening import caring
from poparchive.archive.tightpack import TightPack
from poparchive.index.moves import Moved
from poparchive.index.ordering import Ordering, Standing
from poparchive.model import Location
from poparchive.store import codec, journal, parity, recipe
from poparchive.store.digest import sha256
from poparchive.store.errors import DamageError, StoreError
from poparchive.store.frame import ObjectKind
from poparchive.store.fsio import Lock, sync_directory, writing
from poparchive.store.layout import Layout, open_layout
from poparchive.store.pack import PACK_BYTES, PACK_HEADER_BYTES, PackState
from poparchive.store.packread import Frame, PackReader
from poparchive.store.recipe import Literal, Operation, Reference
from poparchive.store.records import PackRecord, RetiredRecord, Sealed

SMALL_PACK_BYTES = 64 << 20
"""A pack of ours that is smaller is made anew together with newer mail, once that is a fourth of it."""

_TIMES_SMALLER = 4
_LOCK_WAIT_S = 3600.0
"""A first pull may hold the archive for long."""

_CACHE_BYTES = 8 << 20

Progress = Callable[[int, int], None]
"""Called with the messages that are done and how many there are."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may take: seconds, and octets read and written in a second; None for no limit.

    When the time is up, what is in the new pack by then is switched to.
    """

    time_s: float | None = None
    io_bytes_per_s: float | None = None


@dataclass(slots=True)
class Outcome:
    """What a run did. Sizes in octets of packs and journal."""

    before_bytes: int = 0
    after_bytes: int = 0
    messages: int = 0
    packs_before: int = 0
    packs_after: int = 0
    out_of_time: bool = False
    damages: list[str] = field(default_factory=list)
    """What could not be read; it stays where it is."""


def optimize(
    root: Path,
    limits: Limits,
    progress: Progress,
    *,
    pack_bytes: int = PACK_BYTES,
    frame_bytes: int = 0,
) -> Outcome:
    """Make packs smaller. Raises ``LockedError`` if another optimize runs, or a pull does not end."""
    layout = open_layout(root)
    with Lock(layout.optimize_lock):
        run = _Run(layout, limits, progress, pack_bytes, frame_bytes)
        run.clean()
        run.outcome.before_bytes = stored_bytes(layout)
        run.outcome.packs_before = len(layout.packs())
        run.end_open_pack()
        run.gather()
        run.outcome.after_bytes = stored_bytes(layout)
        run.outcome.packs_after = len(layout.packs())
        return run.outcome


def stored_bytes(layout: Layout) -> int:
    """Return the octets of packs and journal."""
    paths = [layout.pack(n) for n in layout.packs()] + [
        layout.journal(n) for n in layout.journals()
    ]
    return sum(path.stat().st_size for path in paths)


class _Run:
    """The steps of one run."""

    def __init__(
        self,
        layout: Layout,
        limits: Limits,
        progress: Progress,
        pack_bytes: int,
        frame_bytes: int,
    ) -> None:
        self._layout = layout
        self._pace = _Pace(limits)
        self._progress = progress
        self._pack_bytes = pack_bytes
        self._frame_bytes = frame_bytes
        self.outcome = Outcome()

    def clean(self) -> None:
        """Remove what a run that was cut has left: unfinished packs, and packs that hold nothing any more."""
        with caring(self._layout, wait_s=_LOCK_WAIT_S) as care:
            alive = {number for number, _, _ in care.catalog.packs()}
            named = _named(self._layout)
        if alive != named:
            raise DamageError(
                f"{self._layout.catalog}: does not name the packs that the journal names; run"
                " `poparchive verify`, then `poparchive rebuild`"
            )
        for number in self._layout.new_packs():
            with writing(self._layout.new_pack(number)):
                self._layout.new_pack(number).unlink()
        for number in set(self._layout.packs()) - named:
            self._remove(number)

    def end_open_pack(self) -> None:
        """End the pack that pulls append to, so that it can be gathered too."""
        with caring(self._layout, wait_s=_LOCK_WAIT_S) as care, care.packs() as packs:
            packs.end()

    def gather(self) -> None:
        """Copy what is worth it, one new pack after the other."""
        ordering = Ordering(self._layout.catalog)
        reader = PackReader(self._layout, cache_bytes=_CACHE_BYTES)
        try:
            sources = _chosen(ordering.packs())
            if not sources:
                return
            source = _Source(self._layout, ordering, reader, set(sources), self._pace)
            keys = ordering.messages(sources)
            total, done = len(keys), 0
            messages = ordering.standing("messages", keys)
            while done < total and not self.outcome.out_of_time:
                done = self._fill(source, messages, done, total)
            if not self.outcome.out_of_time:
                self._rest(source, ordering.blobs(sources))
            self._retire(ordering, reader, sources)
        finally:
            reader.close()
            ordering.close()

    def _fill(self, source: "_Source", messages: Iterator[Standing], done: int, total: int) -> int:
        """Fill one pack and switch to it; return how many messages are done by then."""
        with self._new_pack() as pack:
            for one in messages:
                done += 1
                # It may have been moved since the order was made, by a repair.
                if one.place.pack in source.packs:
                    try:
                        source.copy(one, pack)
                        self.outcome.messages += 1
                    except DamageError as error:
                        self.outcome.damages.append(str(error))
                self._progress(done, total)
                self.outcome.out_of_time = self._pace.is_over()
                if pack.full or self.outcome.out_of_time:
                    break
            self._finish(pack, source)
        return done

    def _rest(self, source: "_Source", keys: "array[int]") -> None:
        """Move blobs whose messages stand elsewhere."""
        with self._new_pack() as pack:
            for one in source.ordering.standing("blobs", keys):
                if one.place.pack in source.packs:
                    try:
                        source.copy_blob(one, pack)
                    except DamageError as error:
                        self.outcome.damages.append(str(error))
            self._finish(pack, source)

    @contextlib.contextmanager
    def _new_pack(self) -> Iterator[TightPack]:
        pack = TightPack(self._layout, pack_bytes=self._pack_bytes, frame_bytes=self._frame_bytes)
        try:
            yield pack
        finally:
            pack.close()
            with writing(self._layout.new_pack(pack.number)):
                self._layout.new_pack(pack.number).unlink(missing_ok=True)

    def _finish(self, pack: TightPack, source: "_Source") -> None:
        """Prove a pack, make its parity, switch to it."""
        if not pack.raw_bytes:
            return
        state = pack.finish()
        self._pace.took(2 * state.length)
        source.prove(pack, state)
        path = self._layout.new_pack(pack.number)
        parity.make(self._layout, pack.number, pack=path)
        with caring(self._layout, wait_s=_LOCK_WAIT_S) as care:
            with writing(path):
                path.rename(self._layout.pack(pack.number))
                sync_directory(path.parent)
            record = PackRecord(state.number, state.length, state.sealed)
            care.note([record], Moved([pack.messages], [pack.blobs]))

    def _retire(self, ordering: Ordering, reader: PackReader, sources: Sequence[int]) -> None:
        """Let go of the packs that hold nothing any more, by the catalog and by their own tables."""
        lengths = {number: length for number, length, _ in ordering.packs()}
        held = ordering.holds(sources)
        gone = [
            number
            for number in sources
            if number not in held and self._is_covered(ordering, reader, number, lengths[number])
        ]
        if not gone:
            return
        with caring(self._layout, wait_s=_LOCK_WAIT_S) as care:
            care.note([RetiredRecord(number) for number in gone])
        for number in gone:
            reader.forget(number)
            self._remove(number)

    def _is_covered(self, ordering: Ordering, reader: PackReader, pack: int, length: int) -> bool:
        """Whether the catalog knows every object that the pack's own tables name."""
        try:
            for frame in reader.frames(pack, 0, length, decoded=False):
                self._pace.took(frame.end - frame.start)
                for entry in frame.entries:
                    table = "messages" if entry.kind is ObjectKind.RECIPE else "blobs"
                    if not ordering.knows(table, entry.prefix):
                        raise DamageError(
                            f"{self._layout.pack(pack)}: at octet {frame.start}: holds an object that the"
                            " catalog does not know; the pack stays. `poparchive verify` says more"
                        )
        except StoreError as error:
            self.outcome.damages.append(str(error))
            return False
        return True

    def _remove(self, pack: int) -> None:
        """Remove a pack that the journal does not name, and what heals it."""
        path = self._layout.pack(pack)
        with writing(path):
            path.unlink()
            self._layout.parity(pack).unlink(missing_ok=True)
            sync_directory(path.parent)


def _named(layout: Layout) -> set[int]:
    """Return the packs that the journal names and has not retired."""
    found: set[int] = set()
    with contextlib.suppress(journal.TornEntryError):
        for entry in journal.read(layout):
            for record in entry.records:
                if isinstance(record, PackRecord):
                    found.add(record.number)
                elif isinstance(record, RetiredRecord):
                    found.discard(record.number)
    return found


def _chosen(packs: Sequence[tuple[int, int, int]]) -> list[int]:
    """Return the packs to make anew: those of pulls, and small ones of ours that are not much larger."""
    chosen = [number for number, _, sealed in packs if sealed == Sealed.YES]
    size = sum(length for _, length, sealed in packs if sealed == Sealed.YES)
    tight = ((length, number) for number, length, sealed in packs if sealed == Sealed.TIGHTLY)
    for length, number in sorted(tight):
        if not size or length > min(SMALL_PACK_BYTES, _TIMES_SMALLER * size):
            break
        chosen.append(number)
        size += length
    return sorted(chosen)


class _Source:
    """Reads objects from the packs that are to be made anew, each proved before it is copied."""

    def __init__(
        self,
        layout: Layout,
        ordering: Ordering,
        reader: PackReader,
        packs: set[int],
        pace: "_Pace",
    ) -> None:
        self._layout = layout
        self._reader = reader
        self._pace = pace
        self.ordering = ordering
        self.packs = packs

    def copy(self, message: Standing, pack: TightPack) -> None:
        """Put a message into a new pack, and the blobs it needs that are to be moved and are not there."""
        operations: list[Operation] = []
        new: dict[bytes, tuple[int, bytes]] = {}
        digest = hashlib.sha256()
        for operation in recipe.operations(self._reader.read(message.place)):
            if isinstance(operation, Literal):
                operations.append(operation)
                digest.update(operation.octets)
                continue
            octets = self._blob(operation, message.place)
            identity = sha256(octets)
            if operation.id and operation.id != identity:
                raise DamageError(f"blob {operation.id.hex()} has another hash")
            operations.append(operation._replace(id=identity, at=0))
            digest.update(operation.make(octets))
            stands = self._stands(identity)
            if stands.place.pack in self.packs and not pack.has_blob(stands.key):
                new[identity] = (stands.key, octets)
        if digest.digest() != message.id:
            raise DamageError(
                f"message {message.id.hex()}: the stored octets are not the ones that were archived; it"
                " stays where it is. `poparchive verify` says more"
            )
        for identity, (key, octets) in new.items():
            pack.add_blob(key, identity, octets, solid=_is_solid(octets))
        pack.add_message(message.key, message.id, operations)
        self._pace.took(sum(len(o) for _, o in new.values()))

    def copy_blob(self, blob: Standing, pack: TightPack) -> None:
        """Put a blob into a new pack that no message has brought there."""
        octets = self._reader.read(blob.place)
        if sha256(octets) != blob.id:
            raise DamageError(f"blob {blob.id.hex()} has another hash; it stays where it is")
        pack.add_blob(blob.key, blob.id, octets, solid=_is_solid(octets))

    def prove(self, pack: TightPack, state: PackState) -> None:
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
        digest = hashlib.sha256()

        def blob(reference: Reference) -> bytes:
            if reference.id:
                return self._reader.read(self._stands(reference.id).place)
            return frame.payload[reference.at : reference.at + reference.length]

        for piece in recipe.join(made, blob):
            digest.update(piece)
        return digest.digest()

    def _blob(self, reference: Reference, recipe_at: Location) -> bytes:
        if reference.id:
            return self._reader.read(self._stands(reference.id).place)
        here = recipe_at._replace(offset=reference.at, length=reference.length)
        return self._reader.read(here)

    def _stands(self, identity: bytes) -> Standing:
        found = self.ordering.blob(identity)
        if found is None:
            raise DamageError(f"blob {identity.hex()} is not in the catalog; rebuild it")
        return found


def _is_solid(octets: bytes) -> bool:
    return len(octets) < 1 << 10 or codec.compresses(octets)


def _drop_cached(path: Path) -> None:
    """Let what is read next come from the disk and not from memory, as far as the system does so."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class _Pace:
    """Keeps a run to its limits."""

    def __init__(self, limits: Limits) -> None:
        self._began = time.monotonic()
        self._limits = limits
        self._octets = 0

    def is_over(self) -> bool:
        limit = self._limits.time_s
        return limit is not None and time.monotonic() - self._began >= limit

    def took(self, octets: int) -> None:
        """Count what was read or written, and wait until that much is allowed."""
        self._octets += octets
        rate = self._limits.io_bytes_per_s
        if rate:
            ahead_s = self._octets / rate - (time.monotonic() - self._began)
            if ahead_s > 0:
                time.sleep(ahead_s)
