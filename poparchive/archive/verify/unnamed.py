"""Packs that no entry of the journal names: left by a command that was cut, or mail whose journal is lost.

Nothing tells one from the other for certain, so such a pack goes only if nothing in it would be missed: each
object in it is read from elsewhere first.
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass

from poparchive.archive import packlist
from poparchive.archive.ingest import GROUP_MESSAGES
from poparchive.archive.read import Reader
from poparchive.archive.storer import BATCH_MESSAGES
from poparchive.archive.verify.findings import DATABASE_ERRORS, Counts, Damage, Kind
from poparchive.archive.verify.packs import PackWalk
from poparchive.errors import PoparchiveError
from poparchive.store import journal, recipe
from poparchive.store.digest import sha256
from poparchive.store.errors import DamageError, FormatError, MissingObjectError, StoreError
from poparchive.store.frame import Entry, ObjectKind
from poparchive.store.layout import Layout
from poparchive.store.packread import Frame, PackReader

_ALL = 1 << 62

_AT_MOST = BATCH_MESSAGES + GROUP_MESSAGES
"""So many messages a batch has: it is looked at after each group."""


@dataclass(slots=True)
class Unnamed:
    """A pack that no entry names, and what would be missed without it."""

    number: int
    objects: int = 0
    messages: int = 0
    unknown: int = 0
    """Objects that cannot be read from anywhere else."""
    has_parity: bool = False
    damaged: bool = False
    """Octets that are no frame lie before others, and not only at its end, as a crash leaves them."""

    @property
    def may_go(self) -> bool:
        return not self.objects or not (self.unknown or self.damaged)


def are_of_a_cut_pull(packs: Sequence[Unnamed]) -> bool:
    """Whether they have no more than a pull that was cut leaves: one batch, which was not kept yet. Parity is
    made of what an entry names, and by ``optimize``."""
    count = sum(one.messages for one in packs)
    return count <= _AT_MOST and not any(one.has_parity for one in packs)


def look(layout: Layout, number: int, archive: Reader | None) -> Unnamed:
    """Read all of such a pack, and the same objects from where ``archive`` has them."""
    found = Unnamed(number, has_parity=layout.parity(number).exists())
    path = layout.pack(number)
    size = path.stat().st_size
    with closing(PackReader(layout)) as reader:

        def seen(one: Frame) -> None:
            for entry in one.entries:
                found.objects += 1
                found.messages += entry.kind is ObjectKind.RECIPE
                found.unknown += not _is_elsewhere(archive, one, entry)

        walk = PackWalk(layout, reader, Counts(), number, size, lambda *_: None)
        for bad in walk.walk(0, _ALL, seen):
            found.damaged |= bad.end < size
    return found


def _is_elsewhere(archive: Reader | None, one: Frame, entry: Entry) -> bool:
    """Whether the archive has an object of an unnamed pack, read from the place that the catalog says."""
    if archive is None:
        return False
    octets = one.payload[entry.offset : entry.offset + entry.length]

    def fetch(reference: recipe.Reference) -> bytes:
        if reference.id:
            return archive.blob(reference.id)
        return one.payload[reference.at : reference.at + reference.length]

    try:
        if entry.kind is ObjectKind.BLOB:
            return archive.blob(sha256(octets)) == octets
        digest = hashlib.sha256()
        for piece in recipe.join(octets, fetch):
            digest.update(piece)
        located = archive.lookup.by_id(digest.digest())
        if located is None:
            raise MissingObjectError(f"message {digest.hexdigest()} is not in the catalog")
        for _ in archive.octets(located):
            pass
    except (PoparchiveError, *DATABASE_ERRORS):
        return False
    return True


def kept(layout: Layout, number: int) -> str:
    """Say of such a pack why it stays."""
    return (
        f"{layout.pack(number)}: holds mail that the journal does not name; it was kept. Put the journal back"
        " from a backup that has all of it; or, if a pull that was cut has left the pack, let the next one"
        " fetch what it holds: then `poparchive optimize` removes it"
    )


def report(
    layout: Layout, named: Collection[int], archive: Reader | None, counts: Counts
) -> Iterator[Damage]:
    """Yield the packs that hold what the archive lacks and that no cut pull can have left, and note the
    others that are not ``named``."""
    there = [number for number in layout.packs() if number not in named]
    if not there:
        return
    # Without a catalog no pull has begun either.
    nothing = archive is None and not _has_entries(layout)
    if nothing and any(look(layout, number, None).objects for number in there):
        yield Damage(_no_journal(layout), kind=Kind.JOURNAL)
        return
    retired = packlist.retired(layout)
    missed = []
    for number in there:
        with suppress(FileNotFoundError):
            one = look(layout, number, archive)
            if number in retired or one.may_go:
                counts.notes.append(
                    f"{layout.pack(number)}: no entry of the journal names it; a command that was cut left"
                    " it, and `poparchive optimize` removes it"
                )
            elif archive is None or not _is_named_since(archive, number):
                missed.append(one)
    if archive is None or are_of_a_cut_pull(missed):
        counts.notes += (kept(layout, one.number) for one in missed)
        return
    for one in missed:
        yield Damage(kept(layout, one.number), kind=Kind.PACK)


def _is_named_since(archive: Reader, number: int) -> bool:
    """Whether a command that runs beside has named a pack since we looked."""
    with suppress(*DATABASE_ERRORS):
        return number in archive.lookup.packs()
    return False


def refuse_without_journal(layout: Layout) -> None:
    """Raise ``DamageError`` if there is mail, and neither a journal nor a catalog that say of what account.

    An archive whose first pull was cut before its first entry has a catalog: an empty one.
    """
    if layout.catalog.exists() or _has_entries(layout):
        return
    if any(look(layout, number, None).objects for number in layout.packs()):
        raise DamageError(_no_journal(layout))


def _has_entries(layout: Layout) -> bool:
    """Whether there is an entry of a journal, or what a newer version wrote as one."""
    try:
        next(journal.read(layout), None)
    except FormatError:
        return True
    except StoreError:
        pass
    return next(journal.readable(layout), None) is not None


def _no_journal(layout: Layout) -> str:
    return (
        f"{layout.root / 'journal'}: there is no entry of a journal, but packs hold mail, so what account"
        " it is of and which of it counts is not known; nothing was changed. Put the journal back from a"
        " backup, or let `poparchive verify --repair --from DIR` take it from a second copy. Without any:"
        " `poparchive rebuild` lets pulls begin anew, beside these packs, which stay"
    )
