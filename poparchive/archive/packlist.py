"""Which packs count: what the journal says of packs, folded. One home for what its records 7 and 8 mean."""

import contextlib
from collections.abc import Collection, Iterator

from poparchive.store import journal
from poparchive.store.fsio import sync_directory, writing
from poparchive.store.journal import TornEntryError
from poparchive.store.layout import Layout
from poparchive.store.records import PackRecord, RetiredRecord


def told(layout: Layout) -> Iterator[PackRecord | RetiredRecord]:
    """Yield what the journal says of packs, in its order. A torn last entry was never acknowledged.

    :raises DamageError: The journal is damaged.
    """
    with contextlib.suppress(TornEntryError):
        for entry in journal.read(layout):
            for record in entry.records:
                if isinstance(record, PackRecord | RetiredRecord):
                    yield record


def counting(layout: Layout) -> dict[int, PackRecord]:
    """Return the last state of each pack that is named and not retired. Raises as ``told`` does."""
    found: dict[int, PackRecord] = {}
    for record in told(layout):
        if isinstance(record, PackRecord):
            found[record.number] = record
        else:
            found.pop(record.number, None)
    return found


def remove(layout: Layout, number: int) -> None:
    """Remove a pack that does not count, and what heals it. Durable when it returns."""
    path = layout.pack(number)
    with writing(path):
        path.unlink(missing_ok=True)
        layout.parity(number).unlink(missing_ok=True)
        sync_directory(path.parent)


def remove_left_overs(layout: Layout, named: Collection[int]) -> None:
    """Remove what a run that was cut has left: packs without their name, halves of parity, and packs and
    parity of none that is ``named``.

    The caller holds both locks: nobody writes such files now, and a pull's new pack is not on the disk
    without being named.
    """
    unfinished = [layout.new_pack(number) for number in layout.new_packs()]
    for path in (*unfinished, *(layout.root / "packs").glob("*/*.parity.new")):
        with writing(path):
            path.unlink()
    for number in {*layout.packs(), *layout.parities()}.difference(named):
        remove(layout, number)
