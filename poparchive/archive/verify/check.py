"""One verification from beginning to end: journal, packs with their messages, databases."""

import contextlib
import itertools
import os
import tempfile
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from poparchive.archive.heap import give_back, keep_large_blocks_apart
from poparchive.archive.read import Reader
from poparchive.archive.verify import databases, names, outside, places, room
from poparchive.archive.verify.chain import ChainCheck
from poparchive.archive.verify.databases import REBUILD, REBUILD_SEARCH
from poparchive.archive.verify.findings import Bad, Counts, Damage, Kind, Progress, StoppedError
from poparchive.archive.verify.lost import Lost
from poparchive.archive.verify.messages import MessageCheck
from poparchive.archive.verify.notebook import Notebook
from poparchive.archive.verify.packs import PackWalk, replaced
from poparchive.archive.verify.searchindex import SearchCheck
from poparchive.errors import PoparchiveError
from poparchive.index.damage import DATABASE_ERRORS
from poparchive.index.lookup import CatalogMissingError, ForeignCatalogError, Lookup
from poparchive.index.versions import NewerDatabaseError
from poparchive.store import parity
from poparchive.store.errors import FormatError, StoreError
from poparchive.store.identity import open_proved
from poparchive.store.layout import Layout
from poparchive.store.packread import PackReader

_NO_LIMIT = 1 << 62
PIECE_BYTES = 16 << 20
"""A share reads so much of a pack, and then the messages in it, before it counts: what a cut may cost."""

_UNUSABLE = (*DATABASE_ERRORS, PoparchiveError)
"""What asking a damaged catalog ends in."""


@dataclass(frozen=True, slots=True)
class Share:
    """How much of an archive to look at in one run: a part of its octets in percent, or so much that all
    of it is read within a time."""

    percent: float | None = None
    within_s: int | None = None


def verify(
    root: Path,
    counts: Counts,
    progress: Progress,
    share: Share | None = None,
    *,
    held: bool = False,
) -> Generator[Damage, None, None]:
    """Yield every damage found; an archive that is whole yields nothing.

    With ``share`` packs and messages are looked at from where the last such run ended. How far it came and
    what it found is remembered as it goes (``notebook``), also where the iterator is closed or anything is
    raised; ``progress`` may raise ``StoppedError`` to end it quietly. ``held`` says that the caller has the
    archive's lock, so that no other writer is at work.
    """
    keep_large_blocks_apart()
    layout, wrong = open_proved(root)
    notebook = Notebook(layout.root, shared=share is not None)
    with room.told(), contextlib.ExitStack() as stack:
        run = _Run(layout, counts, progress, share, notebook, stack, held=held)
        try:
            for damage in itertools.chain(places.check(layout, wrong, counts), run.all()):
                if not damage.behind:
                    notebook.damage(damage)
                yield damage
            run.end()
        except StoppedError:
            notebook.cut()
        except BaseException:
            notebook.cut()
            raise


class _Run:
    """The steps, and what one hands to the next."""

    def __init__(
        self,
        layout: Layout,
        counts: Counts,
        progress: Progress,
        share: Share | None,
        notebook: Notebook,
        stack: contextlib.ExitStack,
        *,
        held: bool,
    ) -> None:
        self._layout = layout
        self._counts = counts
        self._progress = progress
        self._share = share
        self._notebook = notebook
        self._stack = stack
        self._held = held
        self._state = notebook.state
        self._scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="poparchive-")))
        self._lost = stack.enter_context(contextlib.closing(Lost()))
        self._reader: Reader | None = None
        self._sound = True
        self._lacking = False
        """Whether the catalog lacks messages of the journal: what these need it does not know."""
        self._search = SearchCheck(layout, counts, stack)
        self._bad: list[Bad] = []
        self._messages_seen = 0
        self._moving = False
        self._foreign = False

    def all(self) -> Iterator[Damage]:
        missing = list(self._open())
        lookup = self._reader.lookup if self._reader else None
        chain = ChainCheck(self._layout, self._counts, lookup, self._scratch, held=self._held)
        self._stack.callback(chain.close)
        yield from chain.check()
        self._lacking = chain.behind > 0 or next(chain.shadow.lacking_ids(), None) is not None
        if chain.last or self._foreign:
            yield from missing
        if self._reader is not None:
            for damage in databases.catalog_structure(
                self._layout, self._reader.lookup, self._scratch
            ):
                self._sound = False
                yield damage
        yield from self._search.watermark(chain, catalog=self._reader is not None)
        yield from self._packs(chain)
        if self._reader is not None:
            self._reader.forget()  # To compare the index takes memory itself.
        yield from self._catalog_again()
        # A share knows only its own bad octets, and so not what the packs cannot make.
        bad = self._bad if self._share is None else []
        if not self._sound or not self._reader:
            yield from names.without_catalog(self._layout, chain.shadow, bad)
        else:
            yield from names.lacking(self._layout, chain.shadow, bad)
        yield from self._search.compare(
            self._lost,
            # An index that is ahead of an old catalog holds messages that were not looked at.
            lambda: (
                self._sound
                and chain.whole
                and self._search.indexed <= chain.applied.entry
                and not self._moved(chain)
            ),
        )
        yield from self._rotten()

    # ---- opening -------------------------------------------------------------------------------------

    def _open(self) -> Iterator[Damage]:
        """Open both databases."""
        yield from self._search.open()
        try:
            reader = Reader(self._layout.root, self._layout, whole=True)
            self._reader = self._stack.enter_context(reader)
            self._reader.lookup.position()
        except (CatalogMissingError, ForeignCatalogError, NewerDatabaseError) as error:
            self._foreign = isinstance(error, ForeignCatalogError)
            self._reader = None
            self._sound = False
            yield Damage(str(error), kind=Kind.CATALOG)
        except DATABASE_ERRORS as error:
            self._reader = None
            yield self._unusable(error)

    def _unusable(self, error: BaseException) -> Damage:
        self._sound = False
        return databases.unreadable(self._layout.catalog, error, Kind.CATALOG)

    # ---- packs and messages --------------------------------------------------------------------------

    def _packs(self, chain: ChainCheck) -> Iterator[Damage]:
        packs = chain.shadow.packs()
        if not chain.whole and self._reader is not None:
            with contextlib.suppress(*_UNUSABLE):
                for number, state_of in self._reader.lookup.packs().items():
                    packs[number] = max(state_of, packs.get(number, (0, False)))
        yield from outside.report(self._layout, packs, self._reader, self._counts)
        self._counts.notes += replaced(self._layout)
        total = sum(length for length, _ in packs.values())
        state = self._state
        left = piece = _NO_LIMIT
        if self._share is not None:
            left = state.share(total, self._share.percent, self._share.within_s, int(time.time()))
            piece = PIECE_BYTES
            self._notebook.begin(total)
        reader = self._frame_reader()
        check = self._message_check(chain)
        done = state.done if self._share else 0
        for number, (length, sealed) in sorted(packs.items()):
            at = 0
            if self._gone(number):
                continue
            if self._share is not None:
                if left <= 0:
                    return
                if number < state.pack or (number == state.pack and state.frame >= length):
                    continue
                at = self._start(reader, number)
            reader.drop()  # Most that is needed next is of another pack.
            give_back()
            walk = PackWalk(
                self._layout, reader, self._counts, number, length, self._known, sealed=sealed
            )
            while at < length and left > 0:
                for bad in walk.walk(
                    at,
                    min(left, piece),
                    lambda frame, at=done - at: self._progress("packs", at + frame.end, total),  # type: ignore[misc]
                ):
                    yield from self._bad_octets(bad)
                if check is not None and self._reader is not None:
                    yield from self._messages(check, self._reader.lookup, number, at, walk.end)
                left -= walk.end - at
                done += walk.end - at
                at = walk.end
                if at < length:
                    self._notebook.reached(number, at, done)
            if at < length:
                return
            if sealed:
                yield from self._parity(number)
            self._notebook.reached(number, at, done)
        self._notebook.all_read()

    def _frame_reader(self) -> PackReader:
        """What packs are walked with: what messages are read with, which holds the same dictionaries. Frames
        come from the disk each time."""
        if self._reader is not None:
            return self._reader.packs
        reader = PackReader(self._layout, cache_bytes=0, dictionaries=1)
        self._stack.callback(reader.close)
        return reader

    def _gone(self, number: int) -> bool:
        """Whether ``optimize`` has retired a pack since we began."""
        if os.path.lexists(self._layout.pack(number)) or self._reader is None:
            return False
        try:
            known = self._reader.lookup.packs()
        except _UNUSABLE:
            return False
        self._moving = self._moving or number not in known
        return number not in known

    def _start(self, reader: PackReader, number: int) -> int:
        """Where to go on in a pack: where the last run ended, if a frame begins there."""
        if number != self._state.pack or not self._state.frame:
            return 0
        try:
            reader.frame(number, self._state.frame)
        except StoreError:
            return 0
        return self._state.frame

    def _parity(self, number: int) -> Iterator[Damage]:
        path = self._layout.parity(number)
        if not os.path.lexists(path) and os.access(path.parent, os.X_OK):
            self._counts.notes.append(
                f"pack {number} has no parity; `poparchive verify --repair` makes it"
            )
            return
        try:
            report = parity.check(self._layout, number)
        except FormatError as error:
            self._counts.notes.append(str(error))
            return
        if report.worn:
            yield Damage(
                f"parity of pack {number} is damaged: {report.problem or path};"
                " `poparchive verify --repair` makes it again",
                kind=Kind.PARITY,
                pack=number,
            )

    def _known(self, pack: int, start: int) -> int | None:
        if self._reader is None or not self._sound:
            return None
        try:
            return self._reader.lookup.frame_behind(pack, start)
        except _UNUSABLE:
            return None

    def _bad_octets(self, bad: Bad) -> Iterator[Damage]:
        self._bad.append(bad)
        needed = "which messages need it cannot be said by the catalog"
        if self._reader is not None and self._sound:
            try:
                count = self._lost.need(self._reader.lookup, bad)
            except _UNUSABLE as error:
                yield self._unusable(error)
            else:
                needed = (
                    f"{count} messages need it"
                    if count
                    else "no message needs it"
                    if bad.newer
                    else "the catalog lacks the messages that may need it"
                    if self._lacking
                    else "no message needs it; `poparchive verify --repair` mends or removes the pack"
                )
        yield Damage(
            f"{bad.why} (octets {bad.start} to {bad.end}; {needed})",
            kind=Kind.NEWER if bad.newer else Kind.PACK,
            pack=bad.pack,
            start=bad.start,
            end=bad.end,
        )

    def _message_check(self, chain: ChainCheck) -> MessageCheck | None:
        if self._reader is None:
            return None
        expected = self._search.expect() if self._share is None else None
        check = MessageCheck(
            self._reader, self._counts, chain.shadow.retrieved, expected, self._cannot_read
        )
        self._stack.callback(check.close)
        return check

    def _cannot_read(self, key: int, why: str) -> None:
        """Note a message that cannot be read. It is told in the end, sorted with others; a run that is cut
        before has to know."""
        if self._lost.add(key, why) and self._reader is not None:
            self._notebook.damage(Lost.damage(self._reader.lookup, key, why))

    def _messages(
        self, check: MessageCheck, lookup: Lookup, pack: int, start: int, end: int
    ) -> Iterator[Damage]:
        if not self._sound:
            return
        try:
            total = lookup.count_messages()
            for located in lookup.in_range(pack, start, end):
                yield from check.look(located, self._search.indexed)
                self._messages_seen += 1
                self._progress("messages", self._messages_seen, total)
        except _UNUSABLE as error:
            yield self._unusable(error)

    # ---- databases -----------------------------------------------------------------------------------

    def _catalog_again(self) -> Iterator[Damage]:
        """What is left to say of the catalog once all messages were looked at, and of those lost."""
        if self._reader is None:
            return
        lookup = self._reader.lookup
        try:
            yield from self._lost.damages(lookup)
            if self._share is not None or not self._sound:
                return
            for stray in lookup.strays():
                yield Damage(f"{self._layout.catalog}: {stray}; {REBUILD}", kind=Kind.CATALOG)
            if lookup.nowhere():
                yield Damage(
                    f"{self._layout.catalog}: messages are said to be in packs that are not there;"
                    f" {REBUILD}",
                    kind=Kind.CATALOG,
                )
        except _UNUSABLE as error:
            yield self._unusable(error)

    def _moved(self, chain: ChainCheck) -> bool:
        """Whether ``optimize`` has moved messages meanwhile: some may have been met twice, or not at all."""
        try:
            now = self._reader.lookup.packs() if self._reader else {}
        except _UNUSABLE:
            return True
        return self._moving or not set(chain.shadow.packs()) <= set(now)

    def _rotten(self) -> Iterator[Damage]:
        for path, kind, remedy in self._databases():
            if kind not in self._notebook.found.kinds and databases.rotten(path, self._state):
                yield Damage(
                    f"{path}: octets changed without being written, though none that means anything"
                    f" was found; {remedy}",
                    kind=kind,
                )

    def _databases(self) -> list[tuple[Path, Kind, str]]:
        return [
            (self._layout.catalog, Kind.CATALOG, REBUILD),
            (self._layout.search, Kind.SEARCH, REBUILD_SEARCH),
        ]

    # ---- the end -------------------------------------------------------------------------------------

    def end(self) -> None:
        """Note that everything was done."""
        self._notebook.end({path: kind for path, kind, _ in self._databases()})
