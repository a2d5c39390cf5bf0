"""Which packs count: what the journal says of packs, folded. One home for what its records 7 and 8 mean."""

import contextlib
from collections.abc import Container, Iterable, Iterator

from poparchive.index.ordering import Ordering
from poparchive.store import heads, journal
from poparchive.store.errors import DamageError, FormatError
from poparchive.store.frame import ObjectKind
from poparchive.store.fsio import sync_directory, writing
from poparchive.store.journal import TornEntryError
from poparchive.store.layout import Layout
from poparchive.store.packread import Frame
from poparchive.store.records import PackRecord, RetiredRecord
from poparchive.store.sidecar import Sidecar


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
    return fold(told(layout))


def fold(records: Iterable[PackRecord | RetiredRecord]) -> dict[int, PackRecord]:
    """Return what ``counting`` does, of what the journal says."""
    found: dict[int, PackRecord] = {}
    for record in records:
        if isinstance(record, PackRecord):
            found[record.number] = record
        else:
            found.pop(record.number, None)
    return found


def stands_elsewhere(ordering: Ordering, frame: Frame) -> bool:
    """Whether every object that a frame's table names stands in another pack, by the catalog."""
    return all(
        ordering.knows(
            "messages" if entry.kind is ObjectKind.RECIPE else "blobs",
            entry.prefix,
            besides=frame.pack,
        )
        for entry in frame.entries
    )


def newer(layout: Layout, number: int) -> str:
    """Say that a newer version wrote a pack or its parity, so that both stay as they are; else nothing."""
    try:
        heads.refuse_newer_file(layout.pack(number), heads.PACK)
        with contextlib.suppress(DamageError):
            Sidecar(layout, number).close()
    except FormatError as error:
        return str(error)
    return ""


def remove(layout: Layout, number: int) -> None:
    """Remove a pack that does not count, and what heals it. Durable when it returns.

    :raises FormatError: A newer version wrote one of them; nothing was removed.
    """
    if told := newer(layout, number):
        raise FormatError(told)
    path = layout.pack(number)
    with writing(path):
        path.unlink(missing_ok=True)
        layout.parity(number).unlink(missing_ok=True)
        sync_directory(path.parent)


def retired(layout: Layout) -> set[int]:
    """Return the packs that a record 8 names, as far as the journal can be read: a crash may leave their
    files. No number is given twice."""
    return {
        record.number
        for entry in journal.readable(layout)
        for record in entry.records
        if isinstance(record, RetiredRecord)
    }


def remove_unfinished(layout: Layout, named: Container[int]) -> None:
    """Remove packs and parity that were being written when a run was cut, and parity without a pack.

    Not if the pack is ``named``: one that is missing may come back, and not whole. The caller holds
    both locks: nobody writes such files now.
    """
    unfinished = [layout.new_pack(number) for number in layout.new_packs()]
    alone = [
        layout.parity(one)
        for one in layout.parities()
        if one not in named and not layout.pack(one).exists() and not newer(layout, one)
    ]
    for path in (*unfinished, *alone, *(layout.root / "packs").glob("*/*.parity.new")):
        with writing(path):
            path.unlink()
