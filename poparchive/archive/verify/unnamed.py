"""Packs that no entry of the journal names, and octets behind what it names of one: left by a command that
was cut, or mail whose journal is lost.

Nothing tells one from the other for certain, so such a pack goes only if nothing in it would be missed: each
object in it is read from elsewhere first. What lies behind the committed length of a pack becomes one as soon
as somebody appends to that (``store.pack.keep_tail``).
"""

import os
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field

from poparchive.archive import packlist
from poparchive.archive.ingest import GROUP_MESSAGES
from poparchive.archive.read import Reader
from poparchive.archive.storer import BATCH_MESSAGES
from poparchive.archive.verify.findings import Bad, Counts
from poparchive.archive.verify.intake import is_elsewhere, shares
from poparchive.archive.verify.packs import PackWalk
from poparchive.store import journal, tail
from poparchive.store.errors import DamageError, FormatError, StoreError, UnreadableError
from poparchive.store.frame import SHORT_PREFIX_BYTES, ObjectKind
from poparchive.store.layout import Layout
from poparchive.store.packread import Frame, PackReader

RECOVERED = "recovered"
"""The account that mail gets of which no journal says where it came from."""

_ALL = 1 << 62

_AT_MOST = BATCH_MESSAGES + GROUP_MESSAGES
"""So many messages a batch has: it is looked at after each group."""


@dataclass(slots=True)
class Unnamed:
    """A pack that no entry names, or the end of one from ``start`` on, and what would be missed without."""

    number: int
    start: int = 0
    objects: int = 0
    messages: int = 0
    some: set[bytes] = field(default_factory=set)
    """What their ids begin with: of all, or of more than a batch."""
    unknown: int = 0
    """Objects that cannot be read from anywhere else."""
    closed: int = 0
    """Those of them, at least, that stand in frames that are whole and cannot be read."""
    stores: int | None = None
    """Messages that a repair can store again; None as long as nobody has looked (``judge``)."""
    stuck: int = 0
    """Objects that it cannot."""
    has_parity: bool = False
    damaged: bool = False
    """Octets that are no frame lie before others, and not only at its end, as a crash leaves them, or in a
    pack that has parity. What they were is not known, so they stay, whether or not others can be read; but in
    a pack that was retired they were elsewhere once."""
    retired: bool = False
    unreadable: bool = False
    """The device does not give all of it back."""
    newer: str = ""
    """Why nothing of it is to be touched, if its header, or that of its parity, is of a newer version."""

    @property
    def is_closed(self) -> bool:
        """Whether it was retired, and nothing keeps it but frames that are whole and cannot be read.

        Their tables name what they hold by no more than the first octets of its hash, which is no proof that
        the same stands elsewhere.
        """
        return self.retired and not self.unreadable and 0 < self.unknown == self.closed

    @property
    def may_go(self) -> bool:
        damaged = self.damaged and not self.retired
        return not (self.unknown or damaged or self.unreadable or self.newer)


def told(packs: Iterable[Unnamed]) -> tuple[list[Unnamed], list[Unnamed]]:
    """Return those that are worth a note, and those that are damage.

    A pull that was cut leaves no more than one batch, which was not kept yet, and no parity: that is made of
    what an entry names, and by ``optimize``. A pack with parity says that the journal is older than they are,
    so that the others may hold what was kept. What was retired says nothing of them.
    """
    missed = list(packs)
    others = [one for one in missed if one.unknown and not one.retired]
    # A pull that was cut again has left the same mail again.
    some = set[bytes]().union(*(one.some for one in others))
    older = len(some) > _AT_MOST or any(one.has_parity for one in others)
    few: list[Unnamed] = []
    many: list[Unnamed] = []
    for one in missed:
        (many if one.unknown and (older or one.retired) else few).append(one)
    return few, many


def look(
    layout: Layout,
    number: int,
    archive: Reader | None,
    *,
    start: int = 0,
    briefly: bool = False,
) -> Unnamed:
    """Read all of such a pack, or what lies behind ``start``, and the same objects from where ``archive`` has
    them; ``briefly``, no more than it takes to know that something would be missed."""
    found = Unnamed(number, start, has_parity=layout.parity(number).exists())
    found.newer = packlist.newer(layout, number)
    size = layout.pack(number).stat().st_size
    with closing(PackReader(layout)) as reader:

        def seen(one: Frame) -> None:
            for entry in one.entries:
                found.objects += 1
                if entry.kind is ObjectKind.RECIPE:
                    found.messages += 1
                    if len(found.some) <= _AT_MOST:
                        found.some.add(entry.prefix[:SHORT_PREFIX_BYTES])
                found.unknown += not is_elsewhere(archive, one, entry)

        walk = PackWalk(layout, reader, Counts(), number, size, lambda *_: None)
        at = start
        while at < size and not (briefly and (found.unknown or found.damaged)):
            for bad in walk.walk(at, 1 if briefly else _ALL, seen):
                # One with parity was whole once: its end too is no frame that was being written.
                found.damaged |= bad.end < size or found.has_parity
                found.unreadable = found.unreadable or not is_readable(layout, number)
                lost = closed(layout, number, bad)
                found.objects += lost
                found.unknown += lost
                found.closed += lost
            at = walk.end
    return found


def look_or_tell(
    layout: Layout,
    number: int,
    archive: Reader,
    tell: Callable[[StoreError], None],
    *,
    retired: bool = False,
) -> Unnamed | None:
    """Look at such a pack, as ``look`` does; if the file cannot be got at, tell that and return None."""
    try:
        one = look(layout, number, archive)
    except OSError as error:
        tell(UnreadableError(unread(layout, number, error)))
        return None
    one.retired = retired
    return one


def unread(layout: Layout, number: int, error: OSError) -> str:
    """Say of such a pack that the file cannot be got at."""
    return (
        f"{layout.pack(number)}: no entry of the journal names it, and it cannot be looked at:"
        f" {error.strerror or error}. It stays as it is; look at the disk and the file's rights,"
        " and run the command again"
    )


def is_readable(layout: Layout, number: int) -> bool:
    """Whether the device gives all octets of a pack back, good or bad."""
    try:
        with layout.pack(number).open("rb") as file:
            return tail.is_readable(file.fileno(), 0, os.fstat(file.fileno()).st_size)
    except FileNotFoundError:
        # Who pulls beside has removed it.
        raise
    except OSError:
        return False


def closed(layout: Layout, number: int, bad: Bad) -> int:
    """Return how many objects stand in frames that are whole among the bad octets of a pack, and cannot be
    read: a newer version wrote them, or their dictionary is damaged. One, where that cannot be told."""
    path = layout.pack(number)
    try:
        with path.open("rb") as file:
            return tail.survey(
                file.fileno(), bad.start, min(bad.end, path.stat().st_size), path
            ).objects
    except (OSError, StoreError):
        return 1


def kept(layout: Layout, one: Unnamed) -> str:
    """Say of such a pack why it stays, and what to do."""
    if one.newer:
        return f"{one.newer}. No entry of the journal names it; it was kept"
    where = f"{layout.pack(one.number)}: "
    if one.start:
        where += f"behind octet {one.start}, where it ended when the journal last named it: "
    if one.unreadable:
        return (
            f"{where}no entry of the journal names it, and the device does not give all of it back, so what"
            " it holds is not known; it was kept. Look at the disk"
        )
    if one.is_closed:
        return f"{where}{_closed(one)} `poparchive verify --repair` heals it if it can; else: {_BY_HAND}"
    if not one.unknown and one.start:
        return (
            f"{where}some of the octets are no frame; all else there stands elsewhere too. The next pull puts"
            " it into a pack of its own"
        )
    if not one.unknown:
        return (
            f"{where}no entry of the journal names it, and some of its octets are no frame; all else in it"
            " stands elsewhere too. It was kept; it may be removed by hand"
        )
    begins = f"{where}holds what the journal does not name and the archive has nowhere else, "
    if one.stores is None:
        return (
            f"{begins}{one.unknown} objects; it was kept. {_NEXT} `poparchive verify` says how much of it"
            " can be stored again"
        )
    if not one.stores:
        return f"{begins}and no message of it can be read now; it was kept. {_NEXT} {stuck(one)}"
    return (
        f"{where}holds mail that the journal does not name, {one.stores} messages; it was kept. {_NEXT}"
        " Without one, `poparchive verify --repair` stores this mail again, as that of an account"
        f" {RECOVERED}" + (f". {stuck(one)}" if one.stuck else "")
    )


_NEXT = (
    "If a pull that was cut has left it, the next one fetches the same, and it goes. If the journal came back"
    " from a backup, put one back that has all of it."
)


_BY_HAND = (
    "put a whole copy of it from a backup in its place, and run `poparchive optimize`; or, if"
    " `poparchive verify` finds no other damage, each message that the journal names is whole without it, and"
    " it may be removed by hand"
)


def _closed(one: Unnamed) -> str:
    """Say why a pack ``is_closed``."""
    return (
        "the journal has retired it, for no message needs it any more; but at least"
        f" {one.closed} objects in it are in frames whose dictionary is damaged, or which a newer version"
        " wrote, so nothing proves that these stand elsewhere too, and it was kept."
    )


def stuck(one: Unnamed) -> str:
    """Say how much of such a pack cannot be stored again, why, and what to do."""
    reasons, ways = [], []
    if one.closed:
        reasons.append(
            "a newer version wrote the frames in which they stand, or the dictionary of those is damaged"
        )
        ways.append("run the newest version of poparchive")
    if one.stuck > one.closed:
        reasons.append(
            "they are messages that lack an attachment, or attachments that lack their message"
        )
    if not one.start:
        ways.append("put a whole copy of this pack from a backup in its place")
    least = "at least " if one.closed else ""
    what = f"What cannot be stored again now, {least}{one.stuck} objects, stays as it is: "
    way = f". To have it: {', or '.join(ways)}, then `poparchive verify --repair`" if ways else ""
    return what + "; or ".join(reasons) + way


def stays(one: Unnamed) -> str:
    """Say why such a pack stays when a repair has stored what it can."""
    if one.newer:
        return one.newer
    if one.unreadable:
        return "the device does not give all of it back, so what it holds is not known. Look at the disk"
    if one.is_closed:
        return f"{_closed(one)} To be rid of it: {_BY_HAND}"
    if one.stores:
        return f"{one.stores} messages in it are not elsewhere yet; run `poparchive verify --repair` again"
    if one.unknown:
        return f"it holds what cannot be read. {stuck(one)}"
    return "some of its octets are no frame; all else in it stands elsewhere too. It may be removed by hand"


def judge(layout: Layout, packs: Iterable[Unnamed], archive: Reader) -> None:
    """Learn of packs that hold what is nowhere else how much of that a repair can store again."""
    some = {one.number: one for one in packs if one.unknown}
    for number, share in shares(
        layout, {number: one.start for number, one in some.items()}, archive
    ).items():
        some[number].stores = share.messages
        some[number].stuck = share.stuck + some[number].closed


def of(layout: Layout, named: Iterable[int]) -> list[int]:
    """Return the packs that are not ``named``. Those that were retired are among them: one that came back may
    hold what the archive has lost since."""
    return sorted(set(layout.packs()) - set(named))


def without_parity(layout: Layout, named: Iterable[int]) -> list[int]:
    """Return the packs that are not ``named`` and that a pull that was cut may have left: those with parity
    are others' to judge, and so are those that were retired, which take long to look at."""
    there = [number for number in of(layout, named) if not layout.parity(number).exists()]
    retired = packlist.retired(layout) if there else set()
    return [number for number in there if number not in retired]


def remove_left(layout: Layout, named: Iterable[int], archive: Callable[[], Reader]) -> None:
    """Remove what pulls that were cut have left, once what it holds is kept.

    The caller holds the lock, and its catalog is up to the journal.
    """
    left = without_parity(layout, named)
    if not left:
        return
    with archive() as reader:
        for number in left:
            with suppress(FileNotFoundError):
                if look(layout, number, reader, briefly=True).may_go:
                    packlist.remove(layout, number)


def refuse_without_journal(layout: Layout) -> None:
    """Raise ``DamageError`` if there is mail, and neither a journal nor a catalog that say of what account.

    An archive whose first pull was cut before its first entry has a catalog: an empty one.
    """
    if not layout.catalog.exists() and (lost := lost_journal(layout, layout.packs())):
        raise DamageError(lost)


def lost_journal(layout: Layout, packs: Iterable[int]) -> str:
    """Say so if there is no entry of a journal, and any of these packs holds mail; else nothing."""
    if _has_entries(layout) or not any(_holds_mail(layout, number) for number in packs):
        return ""
    return (
        f"{layout.root / 'journal'}: there is no entry of a journal, but packs hold mail, so what account"
        " it is of and which of it counts is not known; nothing was changed. Put the journal back from a"
        " backup, or let `poparchive verify --repair --from DIR` take it from a second copy. Without any:"
        " `poparchive rebuild` lets pulls begin anew, beside these packs, which stay"
    )


def _holds_mail(layout: Layout, number: int) -> bool:
    """Whether a pack holds objects; one that cannot be looked at may."""
    try:
        return look(layout, number, None).objects > 0
    except OSError:
        return True


def _has_entries(layout: Layout) -> bool:
    """Whether there is an entry of a journal, or what a newer version wrote as one."""
    try:
        next(journal.read(layout), None)
    except FormatError:
        return True
    except StoreError:
        pass
    return next(journal.readable(layout), None) is not None
