"""Clears up what an optimize that was cut has left: files it was writing, and packs that do not count.

Nothing goes that would be missed: of a pack, each object is read from elsewhere first. What stays is told.
"""

from collections.abc import Callable, Set

from poparchive.archive import packlist
from poparchive.archive.opening import caring
from poparchive.archive.read import Reader
from poparchive.archive.verify import unnamed
from poparchive.store.errors import DamageError, StoreError
from poparchive.store.layout import Layout
from poparchive.store.records import RetiredRecord

Tell = Callable[[StoreError], None]


def clear(layout: Layout, tell: Tell, *, wait_s: float) -> int:
    """Remove unfinished packs, and packs that nobody would miss. Return the highest number of a pack that any
    entry names.

    The caller holds the lock of optimize; for that of the archive so long is waited.
    """
    with caring(layout, wait_s=wait_s) as care:
        alive = {number for number, _, _ in care.catalog.packs()}
        told = list(packlist.told(layout))
        named = set(packlist.fold(told))
        if alive != named:
            raise DamageError(
                f"{layout.catalog}: does not name the packs that the journal names; run"
                " `poparchive verify`, then `poparchive rebuild`"
            )
        packlist.remove_unfinished(layout, named)
        retired = {one.number for one in told if isinstance(one, RetiredRecord)}
        left = set(layout.packs()) - named
        _remove(layout, left - retired, retired, tell)
        given = max((one.number for one in told), default=0)
    # Nobody else touches these, and to read them may take long.
    _remove(layout, left & retired, retired, tell)
    return given


def _remove(layout: Layout, left: Set[int], retired: Set[int], tell: Tell) -> None:
    """Remove the packs in which nothing is that cannot be read from elsewhere; tell of the others."""
    if not left:
        return
    missed = []
    with Reader(layout.root, layout) as archive:
        for number in sorted(left):
            if one := unnamed.look_or_tell(
                layout, number, archive, tell, retired=number in retired
            ):
                if one.may_go:
                    packlist.remove(layout, number)
                else:
                    missed.append(one)
    for one in unnamed.told(missed)[1]:
        tell(DamageError(unnamed.kept(layout, one)))
