"""Mends the files that are the truth: the description, the directories, the journal, packs and their parity.

What is nearest and proves itself comes first: what an earlier repair had made, parity, then a second copy.
"""

import contextlib

from poparchive.archive import packlist
from poparchive.archive.position import applied
from poparchive.archive.repair import files, journalfiles, packfiles, strays
from poparchive.archive.repair.needs import Needs
from poparchive.archive.repair.told import Say, told, unopened
from poparchive.archive.verify.findings import Damage, Kind
from poparchive.index.damage import DATABASE_ERRORS
from poparchive.index.lookup import CatalogDamagedError, CatalogMissingError, Lookup
from poparchive.store import identity, journal, parity
from poparchive.store.errors import StoreError, WriteError
from poparchive.store.journal import Position
from poparchive.store.layout import DESCRIPTION, Layout
from poparchive.store.records import Sealed

Lengths = dict[int, tuple[int, bool]]
"""The committed length of each pack, and whether it is sealed."""


class Truth:
    """The files of one archive, and the second copy that may mend them. ``say`` is told what was done."""

    def __init__(self, layout: Layout, source: Layout | None, say: Say) -> None:
        self._layout = layout
        self._source = source
        self._say = say
        self.journal_changed = False
        """Whether the journal says more than when the archive was verified."""
        self.left: list[Damage] = []
        """What stays damaged, and nobody who looks at this archive alone can tell."""

    def description(self) -> None:
        """Write the description that the headers prove; ours has the id that they prove."""
        path = self._layout.root / DESCRIPTION
        proof = identity.proved(self._layout.root)
        if proof is None or proof.id != self._layout.id:
            self._say(f"{path}: nothing proves what it should say")
            return
        try:
            kept = files.mend_description(self._layout, self.copy)
        except (OSError, StoreError) as error:
            self._say(f"{path}: cannot be written anew: {told(error)}")
            return
        was = f"; {kept} is what it was" if kept else ""
        self._say(f"{path}: was written anew: {proof}{was}")

    def directories(self) -> None:
        """Make those again that are missing."""
        try:
            for path in files.make_directories(self._layout):
                self._say(f"{path}: was missing; it was made again")
        except StoreError as error:
            self._say(str(error))

    @property
    def copy(self) -> Layout | None:
        """The second copy, if it is one of this archive."""
        source = self._source
        return source if source is not None and source.id == self._layout.id else None

    def journal_is_whole(self, needs: Needs) -> bool:
        """Mend the journal if need be; whether it is whole now."""
        try:
            if self._resumed(needs):
                return True
            if Kind.JOURNAL in needs.kinds:
                return self._journal()
            return self._all_of_the_journal()
        except (OSError, StoreError) as error:
            self._say(f"the journal cannot be mended: {told(error)}")
            return False

    def _resumed(self, needs: Needs) -> bool:
        """Finish what an earlier repair of the journal had proved; whether there was need to, and it did."""
        left = journalfiles.left(self._layout)
        if Kind.JOURNAL not in needs.kinds and all(one.with_suffix("").exists() for one in left):
            return False
        if journalfiles.resume(self._layout, self._applied()) is None:
            return False
        self.journal_changed = True
        self._say("the journal is whole again, with what an earlier repair had made")
        return True

    def _journal(self) -> bool:
        source = self.copy
        if source is None:
            self._say("the journal: only a second copy of this archive (--from DIR) can mend it")
            return False
        nothing = journal.next_whole(self._layout, 1, -1) is None
        mended = journalfiles.mend(self._layout, source, self._applied())
        if mended is None:
            self._say(f"the journal: {source.root} does not prove what is missing")
            return False
        for path, kept in mended:
            was = f"{kept} is what it was" if kept else "it was missing"
            self._say(f"{path}: made whole with {source.root}; {was}")
        self.journal_changed = True
        self._say("the journal is whole again")
        # Without an entry all of the archive was lost. What people saved in it is not made of anything.
        if nothing:
            self._searches(source)
        return True

    def _searches(self, source: Layout) -> None:
        try:
            taken = files.take_searches(self._layout, source)
        except (OSError, StoreError) as error:
            self._say(f"saved searches: {told(error)}")
            return
        if taken:
            self._say(f"{taken}: was missing; it was taken from {source.root}")

    def _all_of_the_journal(self) -> bool:
        """Take the end of a journal that is whole, as far as it goes, from a second copy that has more.

        Nothing here tells that it is cut where the catalog is lost too, or as old.
        """
        source = self.copy
        if source is None:
            return True
        end = journalfiles.goes_on(self._layout, source)
        if end is None:
            return True
        what = f"ends with entry {end.entry}" if end.entry else "has no entry"
        self.left.append(
            Damage(
                f"{self._layout.root / 'journal'}: {what}, and {source.root} has more, which could not"
                " be taken",
                kind=Kind.JOURNAL,
            )
        )
        # Octets behind the end are not those of the entries that are taken.
        strays.cut_tails(self._layout, self._say, source)
        if not self._journal():
            return False
        self.left.clear()
        return True

    def _applied(self) -> Position | None:
        with contextlib.suppress(CatalogMissingError, CatalogDamagedError, *DATABASE_ERRORS):
            return applied(self._layout)
        return None

    def lengths(self) -> Lengths:
        """Committed length of each pack and whether it is sealed, as the journal says, else the catalog."""
        found: Lengths = {}
        try:
            for number, state in packlist.counting(self._layout).items():
                found[number] = state.length, state.sealed is not Sealed.NO
        except StoreError:
            with contextlib.suppress(CatalogMissingError, *DATABASE_ERRORS):
                lookup = Lookup(self._layout.catalog, self._layout.id)
                found |= lookup.packs()
                lookup.close()
        return found

    def packs(self, numbers: list[int], needs: Needs, lengths: Lengths) -> set[int]:
        """Mend damaged packs; return those that nothing makes whole."""
        return {number for number in numbers if not self._tried(number, needs, lengths)}

    def _tried(self, number: int, needs: Needs, lengths: Lengths) -> bool:
        """Mend a pack; say why that cannot be, and let the others have their turn."""
        try:
            return self._pack(number, needs, lengths)
        except (OSError, StoreError) as error:
            now = " now" if isinstance(error, WriteError) else ""
            self._say(f"{self._layout.pack(number)}: cannot be mended{now}: {told(error)}")
            return False

    def _pack(self, number: int, needs: Needs, lengths: Lengths) -> bool:
        length, sealed = lengths.get(number, (0, False))
        path = self._layout.pack(number)
        if not length:
            return False
        if packfiles.resume(self._layout, number, length):
            self._say(f"{path}: made whole with the copy that an earlier repair had made")
            return True
        if sealed and packfiles.heal(self._layout, number, length):
            self._say(f"{path}: healed by its parity")
            return True
        if packfiles.double(self._layout, number, length):
            self._say(f"{path}: made whole with the second copy of its dictionary")
            return True
        bad, source = needs.packs[number], self.copy
        if source and packfiles.patch(self._layout, number, length, bad, source):
            self._say(f"{path}: made whole with {source.pack(number)}")
            return True
        self._say(f"{path}: {unopened(path)}neither parity nor a second copy makes it whole")
        return False

    def parity(self, worn: set[int], lengths: Lengths, leave: set[int]) -> None:
        """Make the parity of packs again that is worn or missing, but for packs to ``leave``."""
        sealed = {number for number, (_, is_sealed) in lengths.items() if is_sealed}
        wanted = worn | set(parity.missing(self._layout, sealed))
        for number in sorted(wanted - leave):
            try:
                files.clear(self._layout.parity(number))
                parity.make(self._layout, number)
            except (OSError, StoreError) as error:
                self._say(f"parity of pack {number}: {told(error)}")
            else:
                self._say(f"parity of pack {number} was made")

    def remove_left_overs(self, broken: set[int], *, journal_too: bool) -> None:
        """Remove what repairs that were cut have written and nobody needs: copies of packs that are there and
        not ``broken``, and of the journal's files that are there."""
        with contextlib.suppress(OSError, StoreError):  # The next repair does it.
            packfiles.remove_left(self._layout, broken)
            if journal_too:
                journalfiles.remove_left(self._layout)
