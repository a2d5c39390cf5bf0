"""Takes mail into the archive that stands in packs which the journal does not name.

Such packs are left where a journal was lost, or came back from a backup. What account their mail is of was
in that journal only, so it becomes that of an account of its own; when a server still has a message, the next
pull notes where it came from as well. A pack goes once each object in it is read from elsewhere.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress

from poparchive.archive import packlist
from poparchive.archive.objects import gather, readable
from poparchive.archive.read import Reader
from poparchive.archive.repair import packfiles, retire
from poparchive.archive.repair.restore import Restorer
from poparchive.archive.repair.scratch import Seen
from poparchive.archive.repair.told import Say
from poparchive.archive.scan import Scan
from poparchive.archive.spool import Spooled
from poparchive.archive.verify import unnamed
from poparchive.errors import PoparchiveError
from poparchive.store.digest import sha256
from poparchive.store.errors import DamageError, StoreError
from poparchive.store.frame import ObjectKind
from poparchive.store.fsio import writing
from poparchive.store.layout import Layout
from poparchive.store.pack import cut_tail, highest_given
from poparchive.store.records import PackRecord, Sealed


def cut_tails(layout: Layout, say: Say, copy: Layout | None) -> None:
    """Copy what lies behind the committed lengths of packs that are not sealed into packs of their own, and
    cut it off. What cannot be copied stays.

    A second ``copy`` of this archive may have gone on: numbers that it has given are those of other packs.

    :raises StoreError: The journal is damaged.
    """
    for number, state in packlist.counting(layout).items():
        path = layout.pack(number)
        if state.sealed is not Sealed.NO or not os.path.lexists(path):
            continue
        try:
            with writing(path):
                if not path.is_file() or path.stat().st_size <= state.length:
                    continue
                last = PackRecord(number, state.length, Sealed.NO)
                cut_tail(layout, last, given=_given_by(copy))
        except PoparchiveError as error:
            say(str(error))


def _given_by(copy: Layout | None) -> int:
    if copy is None:
        return 0
    return max(highest_given(copy), *copy.packs(), *copy.new_packs(), *copy.parities(), 0)


def heal(layout: Layout, say: Say) -> None:
    """Make packs whole that the journal does not name, where what stands beside or in them can.

    :raises StoreError: The journal is damaged.
    """
    named = packlist.counting(layout)
    gone = packfiles.left(layout) - set(layout.packs()) - set(named) - packlist.retired(layout)
    for number in sorted({*unnamed.of(layout, named), *gone}):
        path = layout.pack(number)
        try:
            with writing(path):
                by = packfiles.heal_unnamed(layout, number)
        except StoreError as error:
            say(str(error))
        else:
            if by:
                say(f"{path}: no entry of the journal names it; it was healed by {by}")


def messages(
    layout: Layout, packs: Sequence[int], archive: Callable[[bytes], bytes]
) -> Iterator[tuple[bytes, Callable[[], bytes | Spooled]]]:
    """Yield the id of each message that can be made from these packs, and what makes it again.

    ``archive`` gives blobs that are not in them.
    """
    with closing(Scan(layout, archive)) as scan:
        for number in packs:
            for frame in readable(layout, scan.reader, number, layout.pack(number).stat().st_size):
                scan.add(frame)
        for number in packs:
            for frame in readable(layout, scan.reader, number, layout.pack(number).stat().st_size):
                for entry in frame.entries:
                    if entry.kind is not ObjectKind.RECIPE:
                        continue
                    place = frame.location(entry)
                    # What one lacks costs none of the others.
                    with suppress(PoparchiveError):
                        identity = scan.made(place)
                        if identity.startswith(entry.prefix):
                            yield identity, lambda at=place: gather(scan.join(at), layout)  # type: ignore[misc]


def lost(layout: Layout, wanted: set[bytes]) -> Iterator[bytes | Spooled]:
    """Yield those of these messages that stand in packs which the journal does not name."""
    packs = unnamed.of(layout, packlist.counting(layout))
    if not packs or not wanted:
        return
    with Reader(layout.root, layout) as archive:
        for identity, make in messages(layout, packs, archive.blob):
            if identity in wanted:
                yield make()


class Strays:
    """The packs that the journal does not name. The caller holds both locks, and the catalog is up to the
    journal."""

    def __init__(self, layout: Layout) -> None:
        """:raises StoreError: The journal is damaged, so that what it names is not known."""
        self._layout = layout
        self._packs = unnamed.of(layout, packlist.counting(layout))

    def __bool__(self) -> bool:
        return bool(self._packs)

    def take_in(self, broken: set[int]) -> tuple[int, int]:
        """Store what the catalog does not know; return how many messages that were of which the journal does
        not know either, and how many of which it does. The catalog is behind then, and lacks the latter.

        ``broken`` are packs that cannot be gone on with, which may hold some too.
        """
        found = known = 0
        lacking = retire.unknown(self._layout)
        with ExitStack() as stack:
            taken = stack.enter_context(closing(Seen()))
            restorer = stack.enter_context(closing(Restorer(self._layout, broken)))
            archive = stack.enter_context(Reader(self._layout.root, self._layout))
            there = [number for number in broken if self._layout.pack(number).exists()]
            for identity, make in messages(self._layout, [*there, *self._packs], archive.blob):
                if identity in taken or archive.lookup.by_id(identity) is not None:
                    continue
                taken.add(identity)
                octets = make()
                if (octets.digest if isinstance(octets, Spooled) else sha256(octets)) != identity:
                    raise DamageError(f"message {identity.hex()} was read twice and differs")
                if identity in lacking:
                    restorer.add(identity, octets, int(time.time()))
                    known += 1
                else:
                    restorer.take_in(identity, octets, int(time.time()))
                    found += 1
                if isinstance(octets, Spooled):
                    octets.discard()
            restorer.commit(int(time.time()))
        return found, known

    def remove(self, say: Say) -> None:
        """Remove those that nobody would miss now, and say why the others stay."""
        if not self._packs:
            return

        def tell(error: StoreError) -> None:
            say(str(error))

        retired = packlist.retired(self._layout)
        with Reader(self._layout.root, self._layout) as archive:
            looked = [
                one
                for number in self._packs
                if (
                    one := unnamed.look_or_tell(
                        self._layout, number, archive, tell, retired=number in retired
                    )
                )
            ]
            gone = [one for one in looked if one.may_go]
            left = [one for one in looked if not one.may_go]
            unnamed.judge(self._layout, left, archive)
        for one in gone:
            packlist.remove(self._layout, one.number)
            say(
                f"{self._layout.pack(one.number)}: was removed; no entry of the journal names it, and all"
                " that it held stands in other packs, proved by its hashes"
            )
        for one in left:
            say(f"{self._layout.pack(one.number)}: stays as it is: {unnamed.stays(one)}")
