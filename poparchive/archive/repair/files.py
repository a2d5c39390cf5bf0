"""Damaged files made whole: packs by parity and by a second copy, journal files by a second copy."""

import contextlib
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from poparchive.archive.verify.findings import Counts
from poparchive.archive.verify.packs import PackWalk
from poparchive.store import heads, healing, identity, journal, twin
from poparchive.store.errors import DamageError, StoreError, UnreadableError, WriteError
from poparchive.store.fsio import (
    free_name,
    make_directory,
    reason,
    sync_directory,
    write_durably,
    writing,
)
from poparchive.store.journal import START, Position, TornEntryError
from poparchive.store.layout import DESCRIPTION, Layout, number_of
from poparchive.store.pack import PACK_HEADER_BYTES, keep_tail
from poparchive.store.packread import PackReader
from poparchive.store.records import PackRecord, Sealed
from poparchive.store.sidecar import Sidecar

_PIECE_BYTES = 1 << 20


def aside(path: Path) -> Path:
    """Return the name under which a damaged file stays: the one that it has already, from a repair that was
    cut, or a new one."""
    for other in path.parent.glob(path.name + ".damaged-*"):
        with contextlib.suppress(OSError):
            if other.samefile(path):
                return other
    return free_name(path)


def put_in_place(new: Path, path: Path) -> Path | None:
    """Give a whole file, which is synced, the name of a damaged one; return where that stays, if it was
    there. At no moment is there no file of the name, where the file system has links; and the whole one
    is there under one of its names, which the next repair knows."""
    kept = None
    with writing(path):
        # Also a directory that took its name, or a link that leads nowhere.
        if os.path.lexists(path):
            kept = aside(path)
            try:
                if not kept.exists():
                    os.link(path, kept)
            except OSError:
                path.rename(kept)
            sync_directory(path.parent)
        new.rename(path)
        sync_directory(path.parent)
    return kept


def clear(path: Path) -> None:
    """Move a directory aside that stands in the place of a file, which cannot be put over it."""
    if path.is_dir() and not path.is_symlink():
        with writing(path):
            path.rename(aside(path))
            sync_directory(path.parent)


def _healed(path: Path) -> Path:
    """Where a whole file is written that is to have the name ``path``."""
    return path.with_name(path.name + ".healed")


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
    target = _healed(layout.pack(number))
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
    target = _healed(layout.pack(number))
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
    target = _healed(path)
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
    target = _healed(layout.pack(number))
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
    target = _healed(path)
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
    put_in_place(target, path)
    return True


def _keeps_tail(layout: Layout, last: PackRecord, target: Path) -> bool:
    try:
        keep_tail(layout, last, layout.pack(last.number), target)
    except DamageError:
        return False
    return True


def make_directories(layout: Layout) -> list[Path]:
    """Make those of an archive's directories again that are missing, durably, and return them."""
    wanted = [layout.root / name for name in ("packs", "journal", "spool")]
    missing = [path for path in wanted if not os.path.lexists(path)]
    for path in missing:
        make_directory(path)
    return missing


def mend_description(layout: Layout, source: Layout | None) -> Path | None:
    """Write ``archive.toml`` anew, durably, for the layout's id; return where the one before stays.

    The caller has proved that id. What a second copy of the same archive has is taken as it is.
    """
    path = layout.root / DESCRIPTION
    octets = identity.description(layout, source.root if source else None)
    new = _healed(path)
    write_durably(new, octets)
    return put_in_place(new, path)


class Mended(NamedTuple):
    """A journal file that was put in place, and where the damaged one stays, if there was one."""

    path: Path
    kept: Path | None


def mend_journal(layout: Layout, source: Layout, end: Position | None) -> list[Mended] | None:
    """Make the journal whole with what a second copy of the same archive has; return the files that were put
    in place, or None if the chain does not prove what comes out.

    ``end`` is where the catalog has come to: the chain has to lead there. A file that a newer version wrote
    is not replaced, nor is one beside it.
    """

    def made(number: int) -> bytes:
        # Where both have octets the copy's are tried; behind its end, ours.
        octets = _octets(source.journal(number))
        return octets + _octets(layout.journal(number))[len(octets) :]

    return _make_journal(layout, {*layout.journals(), *source.journals()}, made, end)


def resume_journal(layout: Layout, end: Position | None) -> list[Mended] | None:
    """Finish what a repair that was cut had proved, as ``mend_journal`` does. None if there is nothing."""
    left = {
        number: path
        for path in left_journals(layout)
        if (number := number_of(path.with_suffix(""), layout.journal))
    }
    if not left:
        return None

    def made(number: int) -> bytes:
        return _octets(left.get(number, layout.journal(number)))

    return _make_journal(layout, {*layout.journals(), *left}, made, end)


def left_journals(layout: Layout) -> list[Path]:
    """Return the whole journal files that a repair that was cut has not put in place."""
    return sorted(
        path
        for path in (layout.root / "journal").glob("*.journal.healed")
        if number_of(path.with_suffix(""), layout.journal) is not None
    )


def left_packs(layout: Layout) -> set[int]:
    """Return the numbers of the packs for which a repair that was cut has left a copy."""
    return {number for _, number in _left_packs(layout)}


def _left_packs(layout: Layout) -> Iterator[tuple[Path, int]]:
    for path in (layout.root / "packs").glob("*/*.pack.healed"):
        number = number_of(path.with_suffix(""), layout.pack)
        if number is not None:
            yield path, number


def remove_left_overs(layout: Layout, *, broken: Collection[int], journal_too: bool) -> None:
    """Remove what repairs that were cut have written and nobody needs: copies of packs that are there and
    not ``broken``, and of the journal's files that are there."""
    left = [path for path, number in _left_packs(layout) if number not in broken]
    if journal_too:
        left += left_journals(layout)
    for path in left:
        if path.with_suffix("").exists():
            with writing(path):
                path.unlink()


def _make_journal(
    layout: Layout,
    numbers: Collection[int],
    made: Callable[[int], bytes],
    end: Position | None,
) -> list[Mended] | None:
    """Put journal files that are ``made`` in place, if the chain proves them."""
    for number in layout.journals():
        heads.refuse_newer_file(layout.journal(number), heads.JOURNAL)
    scratch = layout.spool / "journal-repair"
    trial = layout._replace(root=scratch)
    with writing(scratch):
        shutil.rmtree(scratch, ignore_errors=True)
        trial.journal(1).parent.mkdir(mode=0o700, parents=True)
        try:
            for number in sorted(numbers):
                trial.journal(number).write_bytes(made(number))
            return _switch(trial, layout) if _leads(trial, layout, end) else None
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _switch(trial: Layout, layout: Layout) -> list[Mended]:
    """Put those files of a journal that was proved in place that are others."""
    mended = []
    for number in trial.journals():
        octets = trial.journal(number).read_bytes()
        path = layout.journal(number)
        if octets == _octets(path):
            continue
        new = _healed(path)
        write_durably(new, octets)
        mended.append(Mended(path, put_in_place(new, path)))
    return mended


def _octets(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _leads(trial: Layout, layout: Layout, end: Position | None) -> bool:
    """Whether the chain of ``trial`` is whole and has all that ours still has."""
    last = START
    met = end is None or not end.entry
    try:
        for entry in journal.read(trial):
            last = entry.after
            met = met or last == end
    except TornEntryError:
        pass
    except StoreError:
        return False
    return met and last.entry >= _last_of(layout).entry


def _last_of(layout: Layout) -> Position:
    """The last entry of a journal that can be read, whatever is damaged before it."""
    last = START
    for entry in journal.readable(layout):
        last = entry.after
    return last


Say = Callable[[str], None]
"""Called with a sentence for each thing that was done or could not be."""
