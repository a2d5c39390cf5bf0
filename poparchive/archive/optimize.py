"""Gathers what small frames hold into large ones, in packs of its own: copies, proves, switches, removes.

Runs beside pulls and searches: the lock is held only for moments. A run that is cut at any point loses
nothing, and the next one goes on (``docs/store-format.md``, the life of an optimize).
"""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from poparchive.archive import clearing, packlist
from poparchive.archive.heap import keep_large_blocks_apart
from poparchive.archive.objects import SMALL_PACK_BYTES
from poparchive.archive.opening import caring, open_of, open_pack, states_of
from poparchive.archive.pace import Limits, Pace
from poparchive.archive.source import Source
from poparchive.archive.tightpack import TightPack
from poparchive.archive.training import dictionary_for
from poparchive.archive.verify import unnamed
from poparchive.index.bulk import used_up
from poparchive.index.fulltext import is_merged
from poparchive.index.moves import Moved
from poparchive.index.ordering import Ordering, Standing
from poparchive.store import parity
from poparchive.store.errors import DamageError, FormatError, StoreError
from poparchive.store.fsio import Lock, sync_directory, writing
from poparchive.store.layout import Layout, open_layout
from poparchive.store.pack import PACK_BYTES, PackWriter
from poparchive.store.packread import PackReader
from poparchive.store.records import PackRecord, RetiredRecord, Sealed

_TIMES_SMALLER = 4
_LOCK_WAIT_S = 3600.0
"""A first pull may hold the archive for long."""

_CACHE_BYTES = 5 << 20
_DICTIONARIES = 1
"""Compressing takes much memory itself."""

_TURN_S = 0.1
_DAMAGES_MOST = 100
"""There may be one for each message of a pack; ``verify`` tells them all."""

_MERGE_S = 2.0
"""So long the lock is held for the search index at a time."""

Progress = Callable[[int, int], None]
"""Called with the messages that are done and how many there are."""


@dataclass(slots=True)
class Outcome:
    """What a run did. Sizes in octets of packs and journal."""

    before_bytes: int = 0
    after_bytes: int = 0
    index_before_bytes: int = 0
    index_after_bytes: int = 0
    messages: int = 0
    packs_before: int = 0
    packs_after: int = 0
    out_of_time: bool = False
    """Whether anything was left undone because the time was up."""
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
    keep_large_blocks_apart()
    with Lock(layout.optimize_lock):
        unnamed.refuse_without_journal(layout)
        run = _Run(layout, limits, progress, pack_bytes, frame_bytes)
        run.clear()
        run.outcome.before_bytes = layout.stored_bytes()
        run.outcome.index_before_bytes = layout.search.stat().st_size
        run.outcome.packs_before = len(layout.packs())
        run.end_open_pack()
        run.gather()
        run.merge_index()
        run.outcome.after_bytes = layout.stored_bytes()
        run.outcome.index_after_bytes = layout.search.stat().st_size
        run.outcome.packs_after = len(layout.packs())
        return run.outcome


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
        self._pace = Pace(limits)
        self._progress = progress
        self._pack_bytes = pack_bytes
        self._frame_bytes = frame_bytes
        self._catalog = (0, 0)
        self._got_on = False
        """Whether anything was done that the next run need not do again: each does something, however short
        its time."""
        self._given: int | None = None
        """Numbers of packs up to here are taken. What is named meanwhile is on the disk: only we remove packs
        as long as we hold our lock."""
        self.outcome = Outcome()

    def clear(self) -> None:
        """Remove what a run that was cut has left."""
        self._given = clearing.clear(self._layout, self._tell, wait_s=_LOCK_WAIT_S)

    def end_open_pack(self) -> None:
        """End the pack that pulls append to, so that it can be gathered too."""
        with caring(self._layout, wait_s=_LOCK_WAIT_S) as care:
            try:
                self._prove_open(open_pack(care.catalog))
            except (DamageError, FormatError) as error:
                # A seal would take what is there for what was written.
                self._tell(error)
                return
            with care.packs() as packs:
                if not packs.is_empty:
                    dictionary = dictionary_for(self._layout, packs.number, packs.length)
                    self._end(packs, dictionary or packs.dictionary)

    def _prove_open(self, state: PackRecord | None) -> None:
        """Read all of the pack that pulls append to. Raises ``DamageError`` unless it is whole."""
        if state is None:
            return
        reader = PackReader(self._layout, cache_bytes=0)
        try:
            for _ in reader.frames(state.number, 0, state.length, decoded=False):
                pass
        except DamageError as error:
            raise DamageError(
                f"{error}; the pack stays as it is, and what it holds is not moved."
                " `poparchive verify --repair` mends it"
            ) from error
        finally:
            reader.close()

    def _end(self, packs: PackWriter, dictionary: bytes | None) -> None:
        """End a pack, and begin the next if there is a dictionary for it: else that has time."""
        if dictionary:
            packs.begin(dictionary)
        else:
            packs.end()

    def gather(self) -> None:
        """Copy what is worth it, one new pack after the other."""
        # First: one that is made anew between is then noticed.
        self._catalog = _identity(self._layout.catalog)
        ordering = Ordering(self._layout.catalog)
        reader = PackReader(
            self._layout, cache_bytes=_CACHE_BYTES, dictionaries=_DICTIONARIES, whole=True
        )
        try:
            source = Source(self._layout, ordering, reader, self._pace)
            sources, empty = self._choose(source)
            if sources:
                source.packs.update(sources)
                self._move(source, sources)
            if sources or empty:
                self._retire(ordering, reader, [*sources, *empty])
        finally:
            reader.close()
            ordering.close()

    def _choose(self, source: Source) -> tuple[list[int], list[int]]:
        """Return the packs to make anew, and those that hold nothing any more.

        A pack that holds nothing but what cannot be read is neither; that is told, and it stays. One that a
        repair has given up is not sealed either, and is made anew as others are.
        """
        known = source.ordering.packs()
        appended = open_of(known)
        packs = [
            one
            for one in known
            if not (appended and one[0] == appended.number) and not self._newer(one[0])
        ]
        held = source.ordering.holds([number for number, _, _ in packs])
        movable = [
            one
            for one in packs
            if one[0] in held and not _is_large(one) and source.moves(one[0], self._tell)
        ]
        return _chosen(movable), [number for number, _, _ in packs if number not in held]

    def _move(self, source: Source, sources: Sequence[int]) -> None:
        """Copy what stands in these packs: the messages, then the blobs whose messages stand elsewhere."""
        ordering = source.ordering
        keys = ordering.messages(sources)
        messages = self._counted(ordering.standing("messages", used_up(keys)), len(keys))
        self._pour(source, messages, source.copy)
        blobs = ordering.standing("blobs", used_up(ordering.blobs(sources)))
        self._pour(source, blobs, source.copy_blob)

    def merge_index(self) -> None:
        """Merge the search index, a moment at a time, so that no pull waits for long."""
        done = False
        while not done:
            if self._is_over():
                self.outcome.out_of_time |= not is_merged(self._layout.search)
                return
            with caring(self._layout, wait_s=_LOCK_WAIT_S) as care:
                done = care.texts.merge(_MERGE_S)
            self._got_on = True
            # Whoever waits for the lock looks for it several times in this.
            time.sleep(_TURN_S)

    def _is_over(self) -> bool:
        return self._got_on and self._pace.is_over()

    def _counted(self, messages: Iterator[Standing], total: int) -> Iterator[Standing]:
        """Pass messages on, and tell of each that is done."""
        for done, one in enumerate(messages, 1):
            yield one
            self._progress(done, total)

    def _pour(
        self, source: Source, left: Iterator[Standing], copy: Callable[[Standing, TightPack], None]
    ) -> None:
        """Fill one pack after the other and switch to each, until nothing is left or the time is up.

        That is looked at before each message, so before each frame. What then waits for its frame is written,
        and the pack is finished: else nothing of it would count.
        """
        while first := list(itertools.islice(left, 1)):
            if self._is_over():
                self.outcome.out_of_time = True
                return
            self._got_on = True
            with self._new_pack(source) as pack:
                for one in itertools.chain(first, left):
                    # It may have been moved since the order was made, by a repair.
                    if one.place.pack in source.packs:
                        self._copy(one, pack, copy)
                    if pack.full or self._pace.is_over():
                        break
                self._finish(pack, source)

    def _copy(
        self, one: Standing, pack: TightPack, copy: Callable[[Standing, TightPack], None]
    ) -> None:
        try:
            copy(one, pack)
        except (DamageError, FormatError) as error:
            self._tell(error)

    def _newer(self, number: int) -> bool:
        """Whether a newer version wrote a pack or its parity, which then stay; that is told."""
        if told := packlist.newer(self._layout, number):
            self._tell(FormatError(told))
        return bool(told)

    def _tell(self, error: StoreError) -> None:
        """Note what cannot be read."""
        damages = self.outcome.damages
        if len(damages) < _DAMAGES_MOST and str(error) not in damages:
            damages.append(str(error))

    @contextlib.contextmanager
    def _new_pack(self, source: Source) -> Iterator[TightPack]:
        pack = TightPack(
            self._layout,
            given=self._given,
            pack_bytes=self._pack_bytes,
            frame_bytes=self._frame_bytes,
            before_frame=source.forget,
        )
        try:
            yield pack
        finally:
            pack.close()
            with writing(self._layout.new_pack(pack.number)):
                self._layout.new_pack(pack.number).unlink(missing_ok=True)
            if not self._layout.pack(pack.number).exists():
                self._layout.parity(pack.number).unlink(missing_ok=True)

    def _same_catalog(self) -> None:
        """Refuse to go on, under the lock, if the catalog was made anew since its rows were read."""
        if _identity(self._layout.catalog) != self._catalog:
            raise StoreError(
                f"{self._layout.catalog}: was made anew meanwhile; nothing was lost, run optimize again"
            )

    def _finish(self, pack: TightPack, source: Source) -> None:
        """Prove a pack, make its parity, switch to it."""
        if not pack.raw_bytes:
            return
        state = pack.finish()
        source.forget()
        self.outcome.messages += len(pack.messages)
        self._pace.took(2 * state.length)
        source.prove(pack, state)
        path = self._layout.new_pack(pack.number)
        parity.make(self._layout, pack.number, pack=path)
        with caring(self._layout, wait_s=_LOCK_WAIT_S) as care:
            self._same_catalog()
            target = self._layout.pack(pack.number)
            if target.exists():
                raise DamageError(f"{target}: is there already; nothing was replaced")
            with writing(path):
                path.rename(target)
                sync_directory(path.parent)
            care.note([state], Moved([pack.messages], [pack.blobs]))

    def _retire(self, ordering: Ordering, reader: PackReader, sources: Sequence[int]) -> None:
        """Let go of the packs that hold nothing any more, by the catalog and by their own tables."""
        states = {one.number: one for one in states_of(ordering.packs())}
        held = ordering.holds(sources)
        gone = [
            number
            for number in sources
            if number not in held and self._is_covered(ordering, reader, states[number])
        ]
        if not gone:
            return
        with caring(self._layout, wait_s=_LOCK_WAIT_S) as care:
            self._same_catalog()
            held = ordering.holds(gone)
            gone = [number for number in gone if number not in held]
            care.note([RetiredRecord(number) for number in gone])
        for number in gone:
            reader.forget(number)
            packlist.remove(self._layout, number)

    def _is_covered(self, ordering: Ordering, reader: PackReader, state: PackRecord) -> bool:
        """Whether every object that the pack's own tables name stands in another pack, by the catalog, and
        nothing behind the length to which it counts, unless it is sealed."""
        pack = state.number
        path = self._layout.pack(pack)
        try:
            with writing(path):
                more = path.stat().st_size - state.length
            if more > 0 and state.sealed is Sealed.NO:
                raise DamageError(
                    f"{path}: what stands behind octet {state.length} may be mail that is nowhere else; the"
                    " pack stays. `poparchive verify` says more"
                )
            for frame in reader.frames(pack, 0, state.length, decoded=False):
                self._pace.took(frame.end - frame.start)
                if not packlist.stands_elsewhere(ordering, frame):
                    raise DamageError(
                        f"{path}: at octet {frame.start}: holds an object that the"
                        " catalog does not know; the pack stays. `poparchive verify` says more"
                    )
        except StoreError as error:
            self._tell(error)
            return False
        return True


def _identity(path: Path) -> tuple[int, int]:
    """What tells a file from another that took its name."""
    about = path.stat()
    return about.st_dev, about.st_ino


def _is_large(pack: tuple[int, int, int]) -> bool:
    """Whether a pack is one of ours that is never made anew."""
    _, length, sealed = pack
    return sealed == Sealed.TIGHTLY and length > SMALL_PACK_BYTES


def _chosen(packs: Sequence[tuple[int, int, int]]) -> list[int]:
    """Return the packs to make anew: those of pulls, and small ones of ours that are not much larger."""
    chosen = [number for number, _, sealed in packs if sealed != Sealed.TIGHTLY]
    size = sum(length for _, length, sealed in packs if sealed != Sealed.TIGHTLY)
    tight = ((length, number) for number, length, sealed in packs if sealed == Sealed.TIGHTLY)
    for length, number in sorted(tight):
        if not size or length > min(SMALL_PACK_BYTES, _TIMES_SMALLER * size):
            break
        chosen.append(number)
        size += length
    return sorted(chosen)
