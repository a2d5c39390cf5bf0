"""The journal: an append-only, hash-chained log of what came from where and what became of it.

``JournalWriter`` belongs to the one writing thread; an entry counts once ``append`` returned, which
is after it was synced. ``read`` checks every hash and the chain as it goes.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence

from poparchive.store import entries, heads
from poparchive.store.entries import (
    FILE_HEADER_BYTES,
    HASH_BYTES,
    START,
    JournalEntry,
    Position,
    TornEntryError,
)
from poparchive.store.errors import DamageError, StoreError, WriteError
from poparchive.store.fsio import (
    copy_durably,
    free_name,
    read_exactly,
    sync_directory,
    write_all,
    write_durably,
    writing,
)
from poparchive.store.layout import Layout
from poparchive.store.records import Record

__all__ = [
    "FILE_BYTES",
    "FILE_HEADER_BYTES",
    "START",
    "JournalEntry",
    "JournalWriter",
    "Position",
    "TornEntryError",
    "first_behind",
    "next_whole",
    "prove",
    "read",
    "readable",
    "settle",
]

_MISSING = (
    "the journal file is missing. Put it back from a backup, or let `poparchive verify --repair --from DIR`"
    " take it from a second copy"
)
FILE_BYTES = 64 << 20


class JournalWriter:
    """Appends entries behind ``position`` and cuts off whatever torn octets lie there.

    Raises ``DamageError``, and cuts nothing, where a whole entry lies there that was not read. Of a last
    entry that may have been whole once a copy stays beside the file, also where it is the first of its file.
    """

    def __init__(self, layout: Layout, position: Position, *, file_bytes: int = FILE_BYTES) -> None:
        self._layout = layout
        self._limit = file_bytes
        self._position = position
        self._broken = False
        self._fd = -1
        self._refuse_unread()
        prove(layout, position)
        if position.file:
            path = layout.journal(position.file)
            with writing(path):
                self._fd = os.open(path, os.O_RDWR)
                try:
                    self._keep_changed(position.file, position.offset)
                    if os.fstat(self._fd).st_size > position.offset:
                        os.ftruncate(self._fd, position.offset)
                        os.fdatasync(self._fd)
                    os.lseek(self._fd, position.offset, os.SEEK_SET)
                    self._remove_later_files(position.file)
                except BaseException:
                    self.close()
                    raise

    def _refuse_unread(self) -> None:
        """A whole entry behind the position was kept: whoever made this writer has not read it."""
        at = self._position
        unread = next_whole(self._layout, at.file or 1, at.offset - 1)
        if unread:
            raise DamageError(
                f"{self._layout.journal(unread.file)}: at octet {unread.offset}: holds entry"
                f" {unread.entry + 1}, which was not read; nothing was written. `poparchive verify` says more"
            )

    def _keep_changed(self, number: int, start: int) -> None:
        """Keep a copy of what may have been an entry, before its file is cut off, removed or begun anew."""
        path = self._layout.journal(number)
        with writing(path):
            fd = os.open(path, os.O_RDONLY)
            try:
                length = max(0, os.fstat(fd).st_size - start)
                octets = read_exactly(fd, length, start, path)
            finally:
                os.close(fd)
        if entries.may_have_been_whole(octets):
            write_durably(free_name(path), octets)

    def _give_up(self, number: int) -> None:
        """A file that is to be removed or begun anew has no entry that goes on from here. What may have been
        one is kept."""
        path = self._layout.journal(number)
        if path.stat().st_size > FILE_HEADER_BYTES:
            with contextlib.suppress(TornEntryError):
                for entry in _read_file(self._layout, number, self._position, last=True):
                    raise DamageError(f"{path}: holds entry {entry.number}, which was not read")
            self._keep_changed(number, FILE_HEADER_BYTES)

    def _remove_later_files(self, last: int) -> None:
        """A crash may leave a file that was begun and has no entry; behind it this one could not end
        in a torn entry again."""
        later = [number for number in self._layout.journals() if number > last]
        for number in later:
            self._give_up(number)
            self._layout.journal(number).unlink()
        if later:
            sync_directory(self._layout.journal(last).parent)

    @property
    def position(self) -> Position:
        return self._position

    def append(self, batch: Sequence[Record], time: int) -> JournalEntry:
        """Write one entry and sync it: when this returns, what it says is kept."""
        if self._broken:
            raise WriteError(f"{self._layout.root}: an earlier write to the journal failed")
        before = self._position
        number = before.entry + 1
        octets = entries.encode(batch, number, time, before.hash)
        self._broken = True
        if self._fd < 0 or before.offset + len(octets) > self._limit:
            before = self._begin(number)
        with writing(self._layout.journal(before.file)):
            write_all(self._fd, octets)
            os.fdatasync(self._fd)
        self._broken = False
        self._position = Position(
            before.file, before.offset + len(octets), number, octets[-HASH_BYTES:]
        )
        return JournalEntry(number, time, list(batch), self._position)

    def close(self) -> None:
        """Safe to call twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _begin(self, first: int) -> Position:
        """Start the next file; durable before an entry goes into it."""
        self.close()
        number = self._position.file + 1
        path = self._layout.journal(number)
        head = heads.encode(heads.JOURNAL, self._layout.id, number, first)
        # Asked of the file itself: a directory that may not be listed looks empty.
        if path.exists():
            self._give_up(number)
        with writing(path):
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            write_all(self._fd, head)
            os.fsync(self._fd)
            sync_directory(path.parent)
        return Position(number, FILE_HEADER_BYTES, first - 1, self._position.hash)


def settle(layout: Layout, position: Position) -> None:
    """Sync what lies behind ``position``, before anybody relies on it.

    Its writer may have been killed between write and sync. Where the sync failed, the kernel may take
    the octets for written, and another sync would do nothing: the last file, which has all that can be
    unsynced, is written once more. Not in its place: there a loss of power could cost what was synced long
    ago.
    """
    numbers = [number for number in layout.journals() if number >= position.file]
    for number in numbers:
        path = layout.journal(number)
        start = position.offset if number == position.file else 0
        with writing(path):
            if path.stat().st_size <= start:
                continue
            if number == numbers[-1]:
                copy_durably(path)
                continue
            fd = os.open(path, os.O_RDWR)
            try:
                os.fdatasync(fd)
            finally:
                os.close(fd)


def prove(layout: Layout, position: Position) -> None:
    """Read the entry that a position is behind: it ends there, has the position's number, and its octets have
    the position's hash. Raises ``StoreError`` otherwise.

    Whoever appends names that hash, and whoever says that nothing is missing relies on it. The hash written
    behind the entry says nothing of its octets, which may have changed. Costs one entry's reading.
    """
    if not position.file:
        return
    path = layout.journal(position.file)
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise DamageError(f"{path}: cannot open: {error.strerror}") from error
    try:
        if position.offset > (size := os.fstat(fd).st_size):
            raise DamageError(f"{path}: has {size} octets, but {position.offset} were synced")
        if entries.ends_at(fd, position, path):
            return
        why = "ends another entry than the catalog knows"
    except TornEntryError as error:
        why = f"ends an entry that is damaged ({error})"
    finally:
        os.close(fd)
    raise DamageError(
        f"{path}: at octet {position.offset}: {why}: the catalog is of another journal, or the entry is"
        " damaged; nothing was written. `poparchive verify` says which. A damaged journal is mended from a"
        " second copy (`verify --repair --from DIR`): a rebuild would make a catalog without that entry"
    )


def first_behind(layout: Layout, position: Position) -> JournalEntry | None:
    """Return the first whole entry behind ``position``; one that is torn was never acknowledged. Raises
    ``StoreError`` where the journal that is there has never come by the position: an entry that follows
    names the hash of the one before, and where none does that one is proved."""
    with contextlib.suppress(TornEntryError):
        if first := next(read(layout, position), None):
            return first
    prove(layout, position)
    return None


def read(
    layout: Layout, position: Position = START, *, header: bool = True
) -> Iterator[JournalEntry]:
    """Yield the entries behind ``position``. Without ``header``, that of the file in which it is was looked
    at before: who reads on behind damage is not to meet it with each entry again.

    Raises ``TornEntryError`` where the last file ends in something that is no whole entry (a crash
    leaves that), and ``DamageError`` for anything wrong before the end. A missing file ends the reading
    where it should follow: what stands before it is yielded first.
    """
    numbers = set(layout.journals())
    end = max(numbers, default=0)
    if position.file > end:
        raise DamageError(f"{layout.journal(position.file)}: {_MISSING}")
    # Who begins at a position relies on all before it; who reads on behind damage was told of that.
    for number in range(1 if header else position.file, end + 1):
        if number not in numbers:
            raise _gap(layout, number, min(one for one in numbers if one > number))
        if number < position.file:
            continue
        known = not header and number == position.file
        for entry in _read_file(layout, number, position, last=number == end, header=not known):
            yield entry
            position = entry.after


def _gap(layout: Layout, first: int, behind: int) -> DamageError:
    """The error of the journal files from ``first`` on that are missing before the file ``behind``."""
    more = f" (and those up to {layout.journal(behind - 1).name})" if behind - first > 1 else ""
    return DamageError(f"{layout.journal(first)}{more}: {_MISSING}")


def readable(layout: Layout) -> Iterator[JournalEntry]:
    """Yield the entries that can be read, whatever is damaged before or between them; nothing is proved by it
    about those that cannot."""
    position: Position | None = START
    while position is not None:
        before, position = position, None
        try:
            for entry in read(layout, before, header=before is START):
                before = entry.after
                yield entry
        except StoreError:
            position = next_whole(layout, before.file or 1, before.offset - 1)


def next_whole(layout: Layout, file: int, offset: int) -> Position | None:
    """Return the place before the first whole entry behind an octet of a file, to read on behind damage.

    Nothing is proved by it about what lies between. None if no file has one from there on.
    """
    for number in layout.journals():
        if number < file:
            continue
        path = layout.journal(number)
        try:
            fd = os.open(path, os.O_RDONLY)
        except OSError:
            continue
        try:
            size = os.fstat(fd).st_size
            with contextlib.suppress(DamageError):
                for at in entries.places(fd, offset + 1 if number == file else 0, size, path):
                    before = entries.before(fd, number, at, size, path)
                    if before is not None:
                        return before
        finally:
            os.close(fd)
    return None


def _read_file(
    layout: Layout, number: int, position: Position, *, last: bool, header: bool = True
) -> Iterator[JournalEntry]:
    path = layout.journal(number)
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise DamageError(f"{path}: cannot open: {error.strerror}") from error
    try:
        size = os.fstat(fd).st_size
        if last and size < FILE_HEADER_BYTES and position.file < number:
            raise TornEntryError(path, 0, "the file ends inside its header")
        if header:
            head = read_exactly(fd, FILE_HEADER_BYTES, 0, path)
            alone = last and size == FILE_HEADER_BYTES and position.file < number
            if alone and heads.decode(head, heads.JOURNAL) is None:
                raise TornEntryError(path, 0, "the file ends behind a header that is damaged")
            entries.check_header(layout, number, head)
        if position.file < number:
            position = Position(number, FILE_HEADER_BYTES, position.entry, position.hash)
        while position.offset < size:
            try:
                entry = entries.read_entry(fd, position, size, path)
            except TornEntryError as error:
                if last and entries.nothing_follows(fd, error.offset, size, path):
                    raise
                raise DamageError(str(error)) from error
            yield entry
            position = entry.after
        if position.offset > size:
            raise DamageError(f"{path}: has {size} octets, but {position.offset} were synced")
    finally:
        os.close(fd)
