"""Journal files made whole by a second copy of the archive.

Promise: no file is put in place before the chain of all of them proves it, and has all that ours still has.
"""

import contextlib
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from poparchive.archive.repair import files
from poparchive.store import heads, journal
from poparchive.store.errors import StoreError
from poparchive.store.fsio import write_durably, writing
from poparchive.store.journal import START, Position, TornEntryError
from poparchive.store.layout import Layout, number_of


class Mended(NamedTuple):
    """A journal file that was put in place, and where the damaged one stays, if there was one."""

    path: Path
    kept: Path | None


def mend(layout: Layout, source: Layout, end: Position | None) -> list[Mended] | None:
    """Make the journal whole with what a second copy of the same archive has; return the files that were put
    in place, or None if the chain does not prove what comes out.

    ``end`` is where the catalog has come to: the chain has to lead there. A file that a newer version wrote
    is not replaced, nor is one beside it.
    """

    foreign = _foreign(layout)
    for kept in {START, _whole_to(layout)}:

        def made(number: int, kept: Position = kept) -> bytes:
            # Up to there ours stays. Then the copy's octets are tried, and ours behind its end.
            ours = b"" if number in foreign else _octets(layout.journal(number))
            first = kept.offset if number == kept.file else len(ours) if number < kept.file else 0
            octets = ours[:first] + _octets(source.journal(number))[first:]
            return octets + ours[len(octets) :]

        mended = _make(layout, {*layout.journals(), *source.journals()}, made, end)
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

    def made(number: int) -> bytes:
        return _octets(copies.get(number, layout.journal(number)))

    return _make(layout, {*layout.journals(), *copies}, made, end)


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
        new = files.healed(path)
        write_durably(new, octets)
        mended.append(Mended(path, files.put_in_place(new, path)))
    return mended


def _octets(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _leads(trial: Layout, layout: Layout, end: Position | None) -> bool:
    """Whether the chain of ``trial`` is whole, has an entry, and has all that ours still has: where the
    catalog has come to, and the last entry that can be read, whose hash is over all before it."""
    last = _last_of(layout)
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


def _last_of(layout: Layout) -> Position:
    """The last entry of a journal that can be read, whatever is damaged before it."""
    foreign = _foreign(layout)
    last = START
    for entry in journal.readable(layout):
        if entry.after.file not in foreign:
            last = entry.after
    return last
