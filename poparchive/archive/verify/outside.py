"""Tells, in a verification, what stands outside of what the journal names: packs, and octets behind the
lengths of packs.

What a cut pull can have left is noted; what would be missed and was not left so is damage.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress

from poparchive.archive import packlist
from poparchive.archive.read import Reader
from poparchive.archive.verify import unnamed
from poparchive.archive.verify.findings import Counts, Damage, Kind
from poparchive.index.damage import DATABASE_ERRORS
from poparchive.store.fsio import is_locked
from poparchive.store.layout import Layout


def report(
    layout: Layout,
    named: Mapping[int, tuple[int, bool]],
    archive: Reader | None,
    counts: Counts,
) -> Iterator[Damage]:
    """Yield the packs that hold what the archive lacks and that no cut pull can have left, and note the
    others that are not ``named``. The same for what lies behind the lengths of those that are."""
    there = [number for number in layout.packs() if number not in named]
    # Without a catalog no pull has begun either.
    if archive is None and there and (lost := unnamed.lost_journal(layout, there)):
        yield Damage(lost, kind=Kind.JOURNAL)
        return
    retired = packlist.retired(layout) if there else set()
    missed = []
    for number in there:
        with suppress(FileNotFoundError):
            try:
                one = unnamed.look(layout, number, archive)
            except FileNotFoundError:
                raise
            except OSError as error:
                yield Damage(unnamed.unread(layout, number, error), kind=Kind.PACK)
                continue
            one.retired = number in retired
            if one.may_go:
                counts.notes.append(
                    f"{layout.pack(number)}: no entry of the journal names it; a command that was cut left"
                    " it, and `poparchive optimize` removes it"
                )
            elif archive is None or not _is_named_since(archive, number):
                missed.append(one)
    missed += _tails(layout, named, archive)
    if archive is not None:
        unnamed.judge(layout, missed, archive)
    few, many = unnamed.told(missed)
    counts.notes += (unnamed.kept(layout, one) for one in (missed if archive is None else few))
    if archive is not None:
        yield from (Damage(unnamed.kept(layout, one), kind=Kind.PACK) for one in many)


def _tails(
    layout: Layout, named: Mapping[int, tuple[int, bool]], archive: Reader | None
) -> Iterator[unnamed.Unnamed]:
    """Yield what lies behind the committed lengths of packs that are not sealed, and would be missed."""
    for number, (length, sealed) in named.items():
        # What cannot be looked at is told where the pack is read.
        with suppress(OSError):
            path = layout.pack(number)
            if sealed or not path.is_file() or path.stat().st_size <= length:
                continue
            one = unnamed.look(layout, number, archive, start=length)
            if not one.objects:
                # Nothing that anybody could read: it is cut off.
                continue
            # A pull that runs beside appends before it names, and the catalog follows later.
            if one.may_go or is_locked(layout.lock) or _length(archive, number) > length:
                continue
            yield one


def _length(archive: Reader | None, number: int) -> int:
    """How far a pack counts, as the catalog says now."""
    if archive is not None:
        with suppress(*DATABASE_ERRORS):
            return archive.lookup.packs().get(number, (0, False))[0]
    return 0


def _is_named_since(archive: Reader, number: int) -> bool:
    """Whether a command that runs beside has named a pack since we looked."""
    with suppress(*DATABASE_ERRORS):
        return number in archive.lookup.packs()
    return False
