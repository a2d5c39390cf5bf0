"""Packs made whole: by their parity, the second copy of their dictionary, or a second copy of the archive.

Promise: no pack is put in place that was not read from its beginning to its end.
"""

import contextlib
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from poparchive.archive.repair import files
from poparchive.archive.verify.findings import Counts
from poparchive.archive.verify.packs import PackWalk
from poparchive.store import heads, healing, twin
from poparchive.store.errors import DamageError, StoreError, UnreadableError, WriteError
from poparchive.store.fsio import make_directory, reason, writing
from poparchive.store.layout import Layout, number_of
from poparchive.store.pack import PACK_HEADER_BYTES, keep_tail
from poparchive.store.packread import PackReader
from poparchive.store.records import PackRecord, Sealed
from poparchive.store.sidecar import Sidecar

_PIECE_BYTES = 1 << 20


def whole(layout: Layout, number: int, length: int, path: Path) -> bool:
    """Whether a file is that pack, whole: every frame, and the seal if it has one."""
    reader = PackReader(layout, cache_bytes=0, path=lambda _: path)
    walk = PackWalk(layout, reader, Counts(), number, length, lambda *_: None, path)
    try:
        return not any(True for _ in walk.walk(0, 1 << 62, lambda _: None))
    finally:
        reader.close()


def resume(layout: Layout, number: int, length: int) -> bool:
    """Make a pack whole with the copy that a repair that was cut had finished, if there is one."""
    target = files.healed(layout.pack(number))
    return target.exists() and _take(layout, number, length, target)


def _given_up(target: Path, error: Exception) -> bool:
    """Remove what was made of a whole file. That it cannot be written now says nothing of what could heal the
    damaged one: it is raised."""
    target.unlink(missing_ok=True)
    if isinstance(error, WriteError):
        raise error
    return False


def heal(layout: Layout, number: int, length: int) -> bool:
    """Heal a pack by its parity; True if it is whole now."""
    target = files.healed(layout.pack(number))
    try:
        make_directory(target.parent)
        if not healing.heal(layout, number, target):
            return whole(layout, number, length, layout.pack(number))
    except StoreError as error:
        return _given_up(target, error)
    return _take(layout, number, length, target)


def heal_unnamed(layout: Layout, number: int) -> str:
    """Make a pack whole whose length no entry says: by its parity, which says it, or by the second copy of
    its dictionary. Return by what; empty if there is no need to, or nothing that does.

    No octet that can be read changes: a sidecar may be that of another pack, which had the number once.
    """
    path = layout.pack(number)
    if not path.exists():
        # A repair that was cut has proved the healed copy, and not put it in place.
        length = _length_by_parity(layout, number)
        return "its parity" if length and resume(layout, number, length) else ""
    size = path.stat().st_size
    bad = _bad(layout, number, size)
    if not bad:
        return ""
    target = files.healed(path)
    try:
        made = healing.heal(layout, number, target)
    except StoreError as error:
        made = _given_up(target, error)
    if made:
        if _agrees(path, target, bad) and _take(layout, number, target.stat().st_size, target):
            return "its parity"
        target.unlink(missing_ok=True)
    return "the second copy of its dictionary" if double(layout, number, size) else ""


def _length_by_parity(layout: Layout, number: int) -> int:
    try:
        with Sidecar(layout, number) as sidecar:
            return sidecar.header.length
    except StoreError:
        return 0


def _bad(layout: Layout, number: int, length: int) -> list[tuple[int, int]]:
    """What cannot be read of a pack, from where to where, ascending."""
    with contextlib.closing(PackReader(layout, cache_bytes=0)) as reader:
        walk = PackWalk(layout, reader, Counts(), number, length, lambda *_: None)
        return [(one.start, one.end) for one in walk.walk(0, 1 << 62, lambda _: None)]


def _agrees(path: Path, healed: Path, bad: Sequence[tuple[int, int]]) -> bool:
    """Whether all that is not bad stands in the healed copy too."""
    size = path.stat().st_size
    with path.open("rb") as ours, healed.open("rb") as made:
        at = 0
        for start, end in [*bad, (size, size)]:
            ours.seek(at)
            made.seek(at)
            for left in range(start - at, 0, -_PIECE_BYTES):
                length = min(_PIECE_BYTES, left)
                if ours.read(length) != made.read(length):
                    return False
            at = end
    return True


def patch(
    layout: Layout, number: int, length: int, bad: Sequence[tuple[int, int]], source: Layout
) -> bool:
    """Make a pack whole with the octets that a second copy has in the place of bad ones.

    What is good in ours stays as it is; so the copy may be damaged itself, elsewhere, or end sooner.
    """
    target = files.healed(layout.pack(number))
    try:
        make_directory(target.parent)
        with contextlib.ExitStack() as stack:
            copy = stack.enter_context(source.pack(number).open("rb"))
            ours = None
            # One that is missing, or cannot be opened, is bad from its beginning to its end.
            with contextlib.suppress(OSError):
                ours = stack.enter_context(layout.pack(number).open("rb"))
            with writing(target):
                fd = os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
                out = stack.enter_context(os.fdopen(fd, "wb"))
                at = 0
                for start, end in [*sorted(bad), (length, length)]:
                    if ours is not None:
                        _copy(ours, out, at, start)
                    _copy(copy, out, max(at, start), end)
                    at = max(at, end)
                out.flush()
                os.fsync(out.fileno())
    except (OSError, StoreError) as error:
        return _given_up(target, error)
    return _take(layout, number, length, target)


def double(layout: Layout, number: int, length: int) -> bool:
    """Make a pack whole of which nothing but its dictionary is damaged, which it holds twice."""
    path = layout.pack(number)
    target = files.healed(path)
    try:
        with path.open("rb") as ours:
            found = twin.whole(ours.fileno(), PACK_HEADER_BYTES, path)
            if found is None:
                return False
            octets, second = found
            with writing(target):
                fd = os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
                with os.fdopen(fd, "wb") as out:
                    _copy(ours, out, 0, length)
                    for at in (PACK_HEADER_BYTES, second):
                        out.seek(at)
                        out.write(octets)
                    out.flush()
                    os.fsync(out.fileno())
    except (OSError, StoreError) as error:
        return _given_up(target, error)
    return _take(layout, number, length, target)


def _copy(source: BinaryIO, out: BinaryIO, start: int, end: int) -> None:
    source.seek(start)
    out.seek(start)
    while start < end:
        try:
            piece = source.read(min(_PIECE_BYTES, end - start))
        except OSError as error:
            # Not to be taken for one of writing.
            raise UnreadableError(f"{source.name}: cannot be read: {reason(error)}") from error
        if not piece:
            return
        out.write(piece)
        start += len(piece)


def _take(layout: Layout, number: int, length: int, target: Path) -> bool:
    path = layout.pack(number)
    newer = heads.of_file(path, heads.PACK)
    good = not (newer and newer.newer)
    good = good and target.stat().st_size == length and whole(layout, number, length, target)
    if good and os.path.isfile(path):  # noqa: PTH113  # also where nobody may look
        # The whole one ends where the journal says. Behind that may stand what the journal has lost.
        with contextlib.suppress(OSError):
            good = _keeps_tail(layout, PackRecord(number, length, Sealed.NO), target)
    if not good:
        target.unlink(missing_ok=True)
        return False
    files.put_in_place(target, path)
    return True


def _keeps_tail(layout: Layout, last: PackRecord, target: Path) -> bool:
    try:
        keep_tail(layout, last, layout.pack(last.number), target)
    except DamageError:
        return False
    return True


def left(layout: Layout) -> set[int]:
    """Return the numbers of the packs for which a repair that was cut has left a copy."""
    return {number for _, number in _left_over(layout)}


def _left_over(layout: Layout) -> Iterator[tuple[Path, int]]:
    for path in (layout.root / "packs").glob("*/*.pack.healed"):
        number = number_of(path.with_suffix(""), layout.pack)
        if number is not None:
            yield path, number


def remove_left(layout: Layout, broken: Collection[int]) -> None:
    """Remove the copies that repairs that were cut have left of packs that are there and not ``broken``."""
    for path, number in _left_over(layout):
        if number not in broken and path.with_suffix("").exists():
            with writing(path):
                path.unlink()
