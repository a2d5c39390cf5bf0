"""Journal files made whole by a second copy of the archive.

Promise: no file is put in place before the chain of all of them proves it, and has all that ours still has.
"""

import contextlib
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from poparchive.archive.repair import files
from poparchive.store import heads, journal
from poparchive.store.errors import StoreError
from poparchive.store.fsio import copy_durably, writing
from poparchive.store.journal import START, Position, TornEntryError
from poparchive.store.layout import Layout, number_of

_PIECE_BYTES = 1 << 20


class Mended(NamedTuple):
    """A journal file that was put in place, and where the damaged one stays, if there was one."""

    path: Path
    kept: Path | None


class _Part(NamedTuple):
    """What a journal file is made of: the octets of another up to ``end``, or all that it has."""

    path: Path
    end: int | None = None


_Making = Callable[[int], Sequence[_Part]]


def mend(layout: Layout, source: Layout, end: Position | None) -> list[Mended] | None:
    """Make the journal whole with what a second copy of the same archive has; return the files that were put
    in place, or None if the chain does not prove what comes out.

    ``end`` is where the catalog has come to: the chain has to lead there. A file that a newer version wrote
    is not replaced, nor is one beside it.
    """
    numbers = {*layout.journals(), *source.journals()}
    foreign = _foreign(layout)

    def made(number: int, kept: Position) -> list[_Part]:
        # Up to there ours stays. Then the copy's octets are tried, and ours behind its end.
        if number in foreign:
            return [_Part(source.journal(number))]
        ours, copy = layout.journal(number), source.journal(number)
        first = kept.offset if number == kept.file else None if number < kept.file else 0
        return [_Part(ours, first), _Part(copy), _Part(ours)]

    def lacking(number: int) -> list[_Part]:
        # Of a file that is ours nothing is to come from the copy, which may be damaged there.
        ours = number in layout.journals() and number not in foreign
        return [_Part((layout if ours else source).journal(number))]

    def theirs(number: int) -> list[_Part]:
        # Ours may have octets too many in it, or behind its end.
        copied = number in source.journals()
        return [_Part((source if copied else layout).journal(number))]

    last = _last_of(layout, foreign)
    wholes = dict.fromkeys((START, _whole_to(layout)))
    tried: list[_Making] = [*(partial(made, kept=kept) for kept in wholes), lacking, theirs]
    for one in tried:
        mended = _make(layout, numbers, one, end, last)
        if mended is not None:
            return mended
    return None


def goes_on(layout: Layout, source: Layout) -> Position | None:
    """Return where our journal ends, if it is whole to there and a second copy of the same archive has an
    entry that follows; else None. Without an entry of ours, whatever the copy holds was named by more."""
    end = START
    try:
        with contextlib.suppress(TornEntryError):
            for entry in journal.read(layout):
                end = entry.after
        if not end.entry:
            more = bool(source.packs()) or next(journal.readable(source), None) is not None
        else:
            more = journal.first_behind(source, end) is not None
    except StoreError:
        # Whoever verifies ours says what is wrong with it; a copy that has another entry there is of
        # another history, or damaged.
        return None
    return end if more else None


def resume(layout: Layout, end: Position | None) -> list[Mended] | None:
    """Finish what a repair that was cut had proved, as ``mend`` does. None if there is nothing."""
    copies = {
        number: path
        for path in left(layout)
        if (number := number_of(path.with_suffix(""), layout.journal))
    }
    if not copies:
        return None

    def made(number: int) -> list[_Part]:
        return [_Part(copies.get(number, layout.journal(number)))]

    last = _last_of(layout, _foreign(layout))
    return _make(layout, {*layout.journals(), *copies}, made, end, last)


def left(layout: Layout) -> list[Path]:
    """Return the whole journal files that a repair that was cut has not put in place."""
    return sorted(
        path
        for path in (layout.root / "journal").glob("*.journal.healed")
        if number_of(path.with_suffix(""), layout.journal) is not None
    )


def remove_left(layout: Layout) -> None:
    """Remove those of them whose file is there."""
    for path in left(layout):
        if path.with_suffix("").exists():
            with writing(path):
                path.unlink()


def _make(
    layout: Layout,
    numbers: Collection[int],
    made: _Making,
    end: Position | None,
    last: Position,
) -> list[Mended] | None:
    """Put journal files that are ``made`` in place, if the chain proves them (``_leads``)."""
    for number in layout.journals():
        heads.refuse_newer_file(layout.journal(number), heads.JOURNAL)
    scratch = layout.spool / "journal-repair"
    trial = layout._replace(root=scratch)
    with writing(scratch):
        shutil.rmtree(scratch, ignore_errors=True)
        trial.journal(1).parent.mkdir(mode=0o700, parents=True)
        try:
            for number in sorted(numbers):
                _write(trial.journal(number), made(number))
            return _switch(trial, layout) if _leads(trial, end, last) else None
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _switch(trial: Layout, layout: Layout) -> list[Mended]:
    """Put those files of a journal that was proved in place that are others."""
    mended = []
    for number in trial.journals():
        path = layout.journal(number)
        if _same(trial.journal(number), path):
            continue
        new = files.healed(path)
        copy_durably(trial.journal(number), new)
        mended.append(Mended(path, files.put_in_place(new, path)))
    return mended


def _write(path: Path, parts: Sequence[_Part]) -> None:
    """Make a file of these: each goes on at the octet where the one before it ended."""
    with path.open("wb") as out:
        path.chmod(0o600)
        for part in parts:
            for piece in _pieces(part.path, out.tell(), part.end):
                out.write(piece)


def _same(one: Path, other: Path) -> bool:
    """Whether two files have the same octets; one that is missing has none."""
    return all(a == b for a, b in zip_longest(_pieces(one), _pieces(other)))


def _pieces(path: Path, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """Yield the octets of a file, as far as it is there and can be read."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(start)
        while piece := file.read(_PIECE_BYTES if end is None else min(_PIECE_BYTES, end - start)):
            yield piece
            start += len(piece)


def _leads(trial: Layout, end: Position | None, last: Position) -> bool:
    """Whether the chain of ``trial`` is whole, has an entry, and has all that ours still has: the ``end`` to
    which the catalog has come, and the ``last`` entry that can be read, whose hash is over all before it."""
    led = end is None or not end.entry
    met = not last.entry
    after = START
    try:
        for entry in journal.read(trial):
            after = entry.after
            led = led or after == end
            met = met or (after.entry, after.hash) == (last.entry, last.hash)
    except TornEntryError:
        pass
    except StoreError:
        return False
    return led and met and after.entry > 0


def _whole_to(layout: Layout) -> Position:
    """Where the chain of a journal ends that is proved from its beginning."""
    last = START
    with contextlib.suppress(StoreError):
        for entry in journal.read(layout):
            last = entry.after
    return last


def _foreign(layout: Layout) -> set[int]:
    """The journal files whose header is that of another archive: their entries are none of ours."""
    return {
        number
        for number in layout.journals()
        if (head := heads.of_file(layout.journal(number), heads.JOURNAL))
        and head.archive != layout.id
    }


def _last_of(layout: Layout, foreign: Collection[int]) -> Position:
    """The last entry of a journal that can be read, whatever is damaged before it, in files that are not
    ``foreign``."""
    last = START
    for entry in journal.readable(layout):
        if entry.after.file not in foreign:
            last = entry.after
    return last
