"""Walks the journal's chain, and compares the catalog with it where the catalog has come to.

A damaged entry ends the proof of those behind it, not the reading: they are read on from the next whole one,
for what they say of packs and messages.
"""

from collections.abc import Iterator
from pathlib import Path

from poparchive.archive.indexer import changes_of
from poparchive.archive.position import behind, read_position, told
from poparchive.archive.verify.databases import REBUILD, unreadable
from poparchive.archive.verify.findings import Counts, Damage, Kind
from poparchive.archive.verify.room import refuse_full
from poparchive.errors import PoparchiveError
from poparchive.index.damage import DATABASE_ERRORS
from poparchive.index.lookup import Lookup
from poparchive.index.shadow import Shadow
from poparchive.store import journal
from poparchive.store.errors import FormatError, StoreError
from poparchive.store.journal import START, Position, TornEntryError
from poparchive.store.layout import Layout


class ChainCheck:
    """One walk. Afterwards ``shadow`` holds what the journal says, and ``whole`` whether it is proved."""

    def __init__(
        self,
        layout: Layout,
        counts: Counts,
        lookup: Lookup | None,
        scratch: Path,
        *,
        held: bool = False,
    ) -> None:
        self._layout = layout
        self._held = held
        self._counts = counts
        self._lookup = lookup
        self.applied = START
        """Where the catalog has come to."""
        self.shadow = Shadow(scratch / "shadow.sqlite")
        self.whole = True
        self.last = 0
        """The last entry that was read."""
        self.behind = 0
        """How many entries the catalog lacks that no writer is about to apply."""
        self._ours = True

    def close(self) -> None:
        self.shadow.close()

    def check(self) -> Iterator[Damage]:
        """Read the journal from its beginning."""
        applied: Position | None = None
        if self._lookup is not None:
            try:
                applied = self.applied = read_position(self.shadow.hold(self._layout.catalog))
            except (*DATABASE_ERRORS, ValueError, KeyError, TypeError) as error:
                yield unreadable(self._layout.catalog, error, Kind.CATALOG)
        try:
            yield from self._walk(applied)
        finally:
            self.shadow.release()

    def _walk(self, applied: Position | None) -> Iterator[Damage]:
        if applied is not None and applied.entry < 1:
            yield from self._compare(applied, START)
        position: Position | None = START
        while position is not None:
            before = position
            position = None
            try:
                for entry in journal.read(self._layout, before, header=before is START):
                    before = entry.after
                    self.last = entry.number
                    self._counts.entries += 1
                    self.shadow.apply(changes_of(entry))
                    if applied is not None and entry.number == applied.entry:
                        yield from self._compare(applied, entry.after)
            except TornEntryError as error:
                # Left by a crash and never acknowledged, unless the catalog knows better.
                if applied is None or applied.entry > self.last:
                    yield from self._broken(before, None, str(error), applied)
                    if applied is not None:
                        return
                else:
                    self._counts.notes.append(
                        f"{error}. A pull that was cut left it; the next one cuts it off"
                    )
            except FormatError as error:
                position = journal.next_whole(self._layout, before.file or 1, before.offset)
                self.whole = False
                yield Damage(str(error), kind=Kind.NEWER)
            except StoreError as error:
                position = journal.next_whole(self._layout, before.file or 1, before.offset)
                yield from self._broken(before, position, str(error), applied)
        if applied is not None and applied.entry > self.last and self.whole:
            if self.last and applied.hash == before.hash:
                # It names the last entry by another number.
                yield from self._compare(applied, before)
                return
            yield from self._broken(
                before,
                None,
                f"{self._layout.root / 'journal'}: was cut: it ends with entry {self.last}, but the"
                f" catalog has applied entry {applied.entry}",
                applied,
            )
        if applied is not None and applied.entry < self.last and self.whole and self._ours:
            yield from self._behind()

    def _behind(self) -> Iterator[Damage]:
        """Say so if the catalog lacks the end of the journal, and no writer is at work that brings it up."""
        try:
            self.behind = behind(self._layout, self.last, held=self._held)
        except (*DATABASE_ERRORS, PoparchiveError) as error:
            refuse_full(error)
            # What is wrong with it is found where it is looked at.
            return
        if self.behind:
            yield Damage(told(self._layout, self.behind), kind=Kind.CATALOG, behind=True)

    def _broken(
        self, before: Position, behind: Position | None, why: str, applied: Position | None
    ) -> Iterator[Damage]:
        """Say what is damaged, and which messages the entries had first named."""
        self.whole = False
        first = before.entry + 1
        last = (
            behind.entry if behind is not None else applied.entry if applied is not None else first
        )
        yield Damage(why, kind=Kind.JOURNAL)
        if self._lookup is None:
            return
        try:
            for located, accounts in self._lookup.of_entries(first, last):
                yield Damage(
                    "the journal's entry that says where it came from is damaged; the message is whole"
                    if last == first
                    else "it was first named by the damaged part of the journal; the message is whole",
                    located,
                    accounts,
                    Kind.JOURNAL,
                    located.id,
                )
        except DATABASE_ERRORS as error:
            refuse_full(error)
            # The catalog's own damage is found where it is looked at.
            return

    def _compare(self, applied: Position, after: Position) -> Iterator[Damage]:
        path = self._layout.catalog
        if applied != after:
            self._ours = False
            yield Damage(
                f"{path}: belongs to another journal, or has another place of it; {REBUILD}",
                kind=Kind.CATALOG,
            )
            return
        if not self.whole:
            self._counts.notes.append(
                f"{path}: was not compared with the journal, of which a part is damaged"
            )
            return
        try:
            for what in self.shadow.differences():
                yield Damage(f"{path}: {what}; {REBUILD}", kind=Kind.CATALOG)
        except DATABASE_ERRORS as error:
            yield unreadable(path, error, Kind.CATALOG)
