"""What pulls that were cut one after the other have left: the same mail again and again, of which one copy is
enough.

Else a pull that is killed whenever it comes to some message would fill the disk.
"""

from collections.abc import Collection, Iterable
from contextlib import closing

from poparchive.archive import packlist
from poparchive.archive.verify.findings import Counts
from poparchive.archive.verify.packs import PackWalk
from poparchive.archive.verify.unnamed import closed, is_readable, without_parity
from poparchive.store import frame
from poparchive.store.digest import sha256
from poparchive.store.layout import Layout
from poparchive.store.packread import Frame, PackReader

_DIGEST_BYTES = 16
_OBJECTS_MOST = 2_000_000
"""Some 200 MB of memory. No cut pulls leave so much: it is mail whose journal is lost, and stays."""


class _TooManyError(Exception):
    """There are more objects than may be held in memory."""


def remove_copies(layout: Layout, named: Iterable[int]) -> None:
    """Remove packs that no entry names where another of them holds each object that they hold.

    The caller holds the lock. Unless a pull was cut since the journal was written, nothing is read.
    """
    left = without_parity(layout, named)
    if len(left) < 2 or not _is_new(layout, left):
        return
    held: dict[int, set[bytes] | None] = {}
    room = _OBJECTS_MOST
    for number in left:
        try:
            held[number] = _objects(layout, number, room)
        except _TooManyError:
            return
        room -= len(held[number] or ())
    for number in left:
        objects = held.pop(number)
        if objects is None or not any(one and objects <= one for one in held.values()):
            held[number] = objects
        else:
            packlist.remove(layout, number)


def _is_new(layout: Layout, packs: Collection[int]) -> bool:
    last = max((layout.journal(one).stat().st_mtime_ns for one in layout.journals()), default=0)
    return max(layout.pack(number).stat().st_mtime_ns for number in packs) >= last


def _objects(layout: Layout, number: int, most: int) -> set[bytes] | None:
    """Return what a pack holds, by kind and hash; None if it has more than whole frames of pulls."""
    found: set[bytes] = set()
    alone = True
    size = layout.pack(number).stat().st_size

    def seen(one: Frame) -> None:
        nonlocal alone
        # In other frames a recipe may name blobs by their place.
        alone = alone and one.header.version == frame.PLAIN
        for entry in one.entries:
            octets = one.payload[entry.offset : entry.offset + entry.length]
            found.add(bytes([entry.kind]) + sha256(octets)[:_DIGEST_BYTES])
        if len(found) > most:
            raise _TooManyError

    with closing(PackReader(layout)) as reader:
        walk = PackWalk(layout, reader, Counts(), number, size, lambda *_: None)
        bad = list(walk.walk(0, size, seen))
    # Bad octets at its end are of a frame that was being written.
    torn = all(one.end == size and not closed(layout, number, one) for one in bad)
    return found if alone and torn and (not bad or is_readable(layout, number)) else None
