"""The order of a repair: what is nearest and proves itself comes first, strangers last."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from poparchive.archive import packlist
from poparchive.archive.opening import open_indexes
from poparchive.archive.read import Reader
from poparchive.archive.rebuild import rebuild
from poparchive.archive.repair import others, retire, strays
from poparchive.archive.repair.needs import Needs
from poparchive.archive.repair.restore import Restorer
from poparchive.archive.repair.told import Say, told
from poparchive.archive.repair.truth import Lengths, Truth
from poparchive.archive.spool import Spooled
from poparchive.archive.verify.check import verify
from poparchive.archive.verify.findings import Counts, Damage, Kind
from poparchive.archive.verify.unnamed import RECOVERED, refuse_without_journal
from poparchive.errors import PoparchiveError
from poparchive.index.damage import DATABASE_ERRORS
from poparchive.index.lookup import Lookup
from poparchive.store.digest import sha256
from poparchive.store.errors import DamageError, StoreError
from poparchive.store.fsio import Lock
from poparchive.store.layout import Layout


class Lost(NamedTuple):
    """A message that a server may still have: its id, the account, the UIDL, and the LIST size."""

    id: bytes
    account: str
    uidl: bytes
    size_bytes: int


Fetch = Callable[[Sequence[Lost]], Iterable[bytes | Spooled]]
"""Asks servers for messages that are lost here, and yields what they have, in any order."""


_FAILURES = (OSError, PoparchiveError, *DATABASE_ERRORS)
"""What a step ends in that cannot do its work; the next has its turn."""


class Repair:
    """One repair. ``say`` is told what was done."""

    def __init__(
        self,
        layout: Layout,
        lock: Lock,
        source: Layout | None,
        fetch: Fetch | None,
        say: Say,
        look: Callable[[], Iterable[Damage]] | None = None,
    ) -> None:
        """``look`` verifies the archive again, where that is to be seen; else it is done unseen."""
        self._layout = layout
        self._lock = lock
        self._source = source
        self._fetch = fetch
        self._say = say
        self._look = look or (lambda: verify(layout.root, Counts(), lambda *_: None, held=True))
        self._truth = Truth(layout, source, say)
        self._kept = False
        """Whether the catalog stayed, damaged as it is: a new one would lack messages that it names."""
        self._stored = False
        """Whether messages were stored again."""
        self._newer: set[int] = set()

    @property
    def left(self) -> list[Damage]:
        """What could not be mended and no verification of this archive alone can find."""
        return self._truth.left

    def run(self, needs: Needs) -> None:
        """Mend what can be. Verify again to learn what is left."""
        if Kind.DESCRIPTION in needs.kinds:
            self._truth.description()
        self._truth.directories()
        whole = 0 not in needs.newer and self._truth.journal_is_whole(needs)
        if self._truth.journal_changed:
            # It names packs and messages at which nobody has looked.
            needs = Needs.of(self._look())
            whole = whole and Kind.JOURNAL not in needs.kinds
        self._mend(needs, whole=whole)

    def _mend(self, needs: Needs, *, whole: bool) -> None:
        """Mend what the journal names, whose chain is ``whole`` now or not, and what is made of it."""
        for what in needs.newer.values():
            self._say(f"{what}. It stays as it is")
        self._newer = set(needs.newer)
        try:
            refuse_without_journal(self._layout)
        except DamageError as error:
            self._say(str(error))
            return
        if whole:
            self._ready_strays()
        lengths = self._truth.lengths()
        broken = self._truth.packs(sorted(needs.packs.keys() - self._newer), needs, lengths)
        self._truth.parity(needs.parity, lengths, broken | self._newer)
        anew = Kind.CATALOG in needs.kinds
        if anew or (needs.behind and not self._brought_up()):
            self._rebuild(search_only=False, search_too=Kind.SEARCH in needs.kinds)
        elif Kind.SEARCH in needs.kinds:
            self._rebuild(search_only=True)
        self._truth.remove_left_overs(broken, journal_too=whole)
        # Nothing is appended to a pack that a newer version went on with.
        stores = all(lengths.get(number, (0, True))[1] for number in self._newer)
        if whole and stores:
            self._take_in(broken)
        if broken and stores:
            self._messages(needs, broken, lengths)
        if self._kept and self._stored:
            self._rebuild(search_only=False)
        if whole:
            self._remove_strays()

    # ---- databases -----------------------------------------------------------------------------------

    def _brought_up(self) -> bool:
        """Bring a catalog that is behind the journal up to it; False if it has to be made again."""
        try:
            self._catch_up()
        except _FAILURES:
            return False
        self._say("the catalog was brought up to the journal")
        return True

    def _rebuild(self, *, search_only: bool, search_too: bool = False) -> None:
        """Make databases again; with ``search_too`` the search index also if the catalog has to stay."""
        try:
            made = rebuild(self._layout, search_only=search_only)
        except (OSError, PoparchiveError) as error:
            self._say(f"catalog and search index cannot be made again: {told(error)}")
            return
        self._kept = made.kept
        lacking = made.lacking
        if made.kept:
            self._say(
                f"{self._layout.catalog}: stays as it is: it names {lacking.named} messages that cannot be"
                " read now, and one made anew would lack them"
            )
            if search_too:
                self._rebuild(search_only=True)
                self._kept = True
            return
        self._say(
            ("search index" if search_only else "catalog and search index")
            + " made again"
            + (f", without {lacking.messages} that cannot be read now" if lacking.messages else "")
        )

    # ---- messages ------------------------------------------------------------------------------------

    def _messages(self, needs: Needs, broken: set[int], lengths: Lengths) -> None:
        """Store again what another archive or a server still has, and let go of packs that are not needed."""
        try:
            self._catch_up()
            wanted = {identity for identity in needs.messages if not self._whole(identity)}
            for name, found in self._sources(wanted):
                restorer = Restorer(self._layout, broken)
                with contextlib.closing(restorer):
                    for octets in found:
                        identity = octets.digest if isinstance(octets, Spooled) else sha256(octets)
                        if identity in wanted:
                            wanted.discard(identity)
                            restorer.add(identity, octets, int(time.time()))
                        if isinstance(octets, Spooled):
                            octets.discard()
                    restorer.commit(int(time.time()))
                if restorer.restored:
                    self._stored = True
                    self._say(f"{restorer.restored} messages were stored again, from {name}")
                    self._catch_up()
                    if retire.unknown(self._layout):
                        self._rebuild(search_only=False)
            with contextlib.closing(Restorer(self._layout, broken)) as last:
                left = last.leave(int(time.time()))
            if left:
                self._say("pulls go on in a new pack")
                self._catch_up()
            # One that lacked nothing but a blob has it again with another message.
            self._let_go(broken, lengths, {one for one in wanted if not self._whole(one)})
        except _FAILURES as error:
            self._say(f"messages cannot be stored again: {told(error)}")

    def _let_go(self, broken: set[int], lengths: Lengths, lost: set[bytes]) -> None:
        """Remove the packs that nothing makes whole, if all that they held stands elsewhere.

        While a message is lost all of them stay: any may hold what is left of it.
        """
        why = f"{len(lost)} messages cannot be read anywhere" if lost else ""
        if self._newer:
            # What it holds, and what of this pack it needs, only that version knows.
            why = why or "a newer version wrote another part of the archive"
        if not why and (moved := retire.move_out(self._layout, broken)):
            self._say(f"{moved} messages were moved out of damaged packs")
        if not why:
            self._catch_up()
            if retire.unknown(self._layout):
                # A catalog that was made again while they were lost.
                self._rebuild(search_only=False)
            if missing := retire.unknown(self._layout):
                why = f"the catalog does not know message {min(missing).hex()}"
        gone = []
        for number in sorted(broken):
            length, _ = lengths.get(number, (0, False))
            stays = why or packlist.newer(self._layout, number)
            stays = stays or (retire.held(self._layout, number, length) if length else "")
            stays = stays or (self._behind(number, length) if length else "")
            if stays:
                self._say(f"{self._layout.pack(number)}: stays as it is: {stays}")
            elif length:
                gone.append(number)
        if not gone:
            return
        with contextlib.closing(Restorer(self._layout, broken)) as last:
            last.retire(gone, int(time.time()))
        self._catch_up()
        for number in gone:
            packlist.remove(self._layout, number)
            self._say(
                f"{self._layout.pack(number)}: was removed; all that it held stands in other packs,"
                " proved by its hashes"
            )

    def _behind(self, number: int, length: int) -> str:
        """Say so if something lies behind a pack's end that could not be kept."""
        path = self._layout.pack(number)
        if path.is_file() and path.stat().st_size > length:
            return f"the octets behind {length} may be mail that is nowhere else"
        return ""

    # ---- what the journal does not name ----------------------------------------------------------------

    def _ready_strays(self) -> None:
        """Before anything is done to packs, for that ends them at their committed length."""
        try:
            strays.cut_tails(self._layout, self._say, self._truth.copy)
            # The mail of a pack that is gone may stand in one of them.
            strays.heal(self._layout, self._say)
        except StoreError as error:
            self._say(str(error))

    def _take_in(self, broken: set[int]) -> None:
        """Store the mail again that stands in packs which the journal does not name, and in broken ones."""
        try:
            if not broken and not strays.Strays(self._layout):
                return
            self._catch_up()
            found, known = strays.Strays(self._layout).take_in(broken)
            if found or known:
                self._catch_up()
            if found:
                self._say(
                    f"{found} messages that the journal does not name were stored again, as those of an"
                    f" account {RECOVERED}"
                )
            if known:
                self._say(f"{known} messages that the catalog did not know were stored again")
                self._rebuild(search_only=False)
        except _FAILURES as error:
            self._say(f"mail that the journal does not name cannot be stored again: {told(error)}")

    def _remove_strays(self) -> None:
        try:
            strays.Strays(self._layout).remove(self._say)
        except _FAILURES as error:
            self._say(told(error))

    def _catch_up(self) -> None:
        """Bring the catalog up to the journal."""
        catalog, texts, _ = open_indexes(self._layout, self._lock)
        texts.close()
        catalog.close()

    def _whole(self, identity: bytes) -> bool:
        with Reader(self._layout.root, self._layout) as reader:
            located = reader.lookup.by_id(identity)
            if located is None:
                return False
            try:
                for _ in reader.octets(located):
                    pass
            except PoparchiveError:
                return False
            return True

    def _sources(self, wanted: set[bytes]) -> Iterator[tuple[str, Iterable[bytes | Spooled]]]:
        if wanted:
            yield "packs that the journal does not name", strays.lost(self._layout, set(wanted))
        if self._source is not None and wanted:
            yield (
                str(self._source.root),
                others.messages(self._source, self._layout, set(wanted), self._say),
            )
        if self._fetch is not None and wanted:
            yield "servers", self._fetch(self._asked(wanted))

    def _asked(self, wanted: set[bytes]) -> list[Lost]:
        lookup = Lookup(self._layout.catalog, self._layout.id)
        try:
            return [Lost(identity, *row) for identity in wanted for row in lookup.sources(identity)]
        finally:
            lookup.close()
