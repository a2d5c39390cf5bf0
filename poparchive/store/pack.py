"""Packs: files of frames that are appended, sealed, and never edited.

``PackWriter`` belongs to the one thread that writes the archive. What it appended counts only after
``commit`` returned; until then a crash leaves octets behind the committed length. The next writer cuts them
off, and first copies what is whole among them into a pack of its own, for behind an older journal it may
be mail that is nowhere else. After a failed write or sync it stays dead. ``packread`` has the other side.
"""

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from poparchive.errors import PoparchiveError
from poparchive.model import Location
from poparchive.store import frame, heads, journal, tail, twin
from poparchive.store.errors import CrossedError, DamageError, UnreadableError, WriteError
from poparchive.store.frame import HEADER_BYTES, Object
from poparchive.store.fsio import Lock, read_exactly, sync_directory, write_all, writing
from poparchive.store.layout import Layout
from poparchive.store.records import PackRecord, RetiredRecord, Sealed

PACK_HEADER_BYTES = heads.HEADER_BYTES

PACK_BYTES = 256 << 20
"""Large enough that an archive of decades has few files, small enough to copy and check in one go."""

_SEAL_BYTES = HEADER_BYTES + 32
_PIECE_BYTES = 1 << 20
_NO_LIMIT = 1 << 62


class PackWriter:
    """Appends frames to the last pack, seals full packs and begins new ones."""

    def __init__(
        self,
        layout: Layout,
        last: PackRecord | None,
        *,
        pack_bytes: int = PACK_BYTES,
        path: Callable[[int], Path] | None = None,
        given: int | None = None,
    ) -> None:
        """``last`` is the pack to go on with, if one is not sealed; ``path`` says where new ones are. Numbers
        up to ``given`` are taken; without it the journal is asked when a pack is begun."""
        self._layout = layout
        self._limit = pack_bytes
        self._path = path or layout.pack
        self._given = given
        self._fd = -1
        self._number = 0
        self._length = 0
        self._broken = False
        self._unsynced: list[PackRecord] = []
        self._begin_of_objects = PACK_HEADER_BYTES
        self.dictionary: bytes | None = None
        """What the first frame of the open pack holds, if it is a dictionary."""
        if last and not last.sealed:
            self._open(last)

    @property
    def number(self) -> int:
        """The open pack's."""
        return self._number

    @property
    def length(self) -> int:
        """Octets of the open pack so far; 0 if there is none."""
        return self._length if self._fd >= 0 else 0

    @property
    def is_empty(self) -> bool:
        """Whether the open pack, if there is one, has no objects yet."""
        return self.length <= self._begin_of_objects

    def has_room(self, octets: int) -> bool:
        """Whether a frame of so many octets goes into the open pack."""
        return self._fd >= 0 and self._length + octets + _SEAL_BYTES <= self._limit

    def append(self, objects: Sequence[Object], octets: bytes) -> list[Location]:
        """Write a frame, which ``frame`` made of these objects; return where each of them is."""
        return self.append_frame([len(one.octets) for one in objects], octets)

    def append_frame(self, lengths: Sequence[int], octets: bytes) -> list[Location]:
        """Write a frame of objects that have these lengths; return where each of them is.

        Durable only after ``commit``. Unless the pack ``has_room`` the frame begins a new one.
        """
        self._alive()
        if not self.has_room(len(octets)):
            self.begin(self.dictionary)
        number, start = self._number, self._length
        self._write(octets)
        found = []
        offset = 0
        for length in lengths:
            found.append(Location(number, start, offset, length))
            offset += length
        return found

    def begin(self, dictionary: bytes | None = None) -> None:
        """Seal the open pack, if there is one, and begin the next, with this dictionary in front,
        twice: it is what all others need."""
        self._alive()
        self.end()
        self._begin()
        self.dictionary = dictionary
        if dictionary:
            self._write(twin.encode(dictionary))
        self._begin_of_objects = self._length

    def end(self, how: Sealed = Sealed.YES) -> None:
        """Seal the open pack, if there is one."""
        self._alive()
        if self._fd >= 0:
            self._seal(how)

    def copy(self, fd: int, start: int, end: int, path: Path) -> None:
        """Append octets of another file as they are, whatever they hold; zeros for sectors that cannot be
        read. Durable only after ``commit``."""
        self._alive()
        for at in range(start, end, _PIECE_BYTES):
            self._write(twin.octets(fd, at, min(_PIECE_BYTES, end - at), path))

    def commit(self) -> list[PackRecord]:
        """Sync what was appended and return the state of each pack that changed."""
        self._alive()
        states, self._unsynced = self._unsynced, []
        if self._fd >= 0:
            with self._dying():
                os.fdatasync(self._fd)
            states.append(PackRecord(self._number, self._length, Sealed.NO))
        return states

    def close(self) -> None:
        """Close without syncing. Safe to call twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _dying(self) -> "_Dying":
        return _Dying(self)

    def _alive(self) -> None:
        if self._broken:
            raise WriteError(
                f"{self._layout.root}: an earlier write failed, so nothing more is written;"
                " mend the cause and run the command again"
            )

    def _open(self, last: PackRecord) -> None:
        """Take up an unsealed pack at its committed length; what lies behind it does not count."""
        path = self._layout.pack(last.number)
        try:
            self._fd = os.open(path, os.O_RDWR)
        except FileNotFoundError as error:
            raise DamageError(
                f"{path}: the pack is missing, and new mail goes behind what it holds. Put it back from a"
                " backup, or run `poparchive verify --repair`"
            ) from error
        except OSError as error:
            raise DamageError(f"{path}: cannot open: {error.strerror}") from error
        size = os.fstat(self._fd).st_size
        if size < last.length:
            os.close(self._fd)
            self._fd = -1
            raise DamageError(
                f"{path}: has {size} octets, but {last.length} were committed: it was cut."
                " `poparchive verify` names the messages in the missing part."
            )
        head = read_exactly(self._fd, PACK_HEADER_BYTES, 0, path)
        self._number, self._length = last.number, last.length
        try:
            heads.check_pack(head, self._layout.id, last.number, path)
            self.dictionary, self._begin_of_objects = twin.begins_with(
                self._fd, PACK_HEADER_BYTES, path
            )
            if size > last.length:
                with writing(path):
                    cut_tail(self._layout, last)
        except (UnreadableError, CrossedError):
            # It stays, and who appends goes on in a new pack: the disk may be better another day, or the
            # journal be put back that belongs to it.
            self.close()
            self._number = self._length = 0
            return
        except BaseException:
            self.close()
            raise
        os.lseek(self._fd, last.length, os.SEEK_SET)

    def _begin(self) -> None:
        with self._dying():
            if self._given is None:
                self._given = highest_given(self._layout)
            self._number, self._fd = _create(self._layout, self._path, self._given)
            path = self._path(self._number)
            head = heads.encode(heads.PACK, self._layout.id, self._number, int(time.time()))
            self._length = 0
            with writing(path):
                write_all(self._fd, head)
                os.fsync(self._fd)
            sync_directory(path.parent)
            sync_directory(path.parent.parent)
        self._length = PACK_HEADER_BYTES

    def _seal(self, how: Sealed) -> None:
        digest = hashlib.sha256()
        path = self._path(self._number)
        at = 0
        while at < self._length:
            piece = read_exactly(self._fd, min(_PIECE_BYTES, self._length - at), at, path)
            digest.update(piece)
            at += len(piece)
        self._write(frame.encode_seal(digest.digest()))
        with self._dying():
            os.fdatasync(self._fd)
        self._unsynced.append(PackRecord(self._number, self._length, how))
        os.close(self._fd)
        self._fd = -1

    def _write(self, octets: bytes) -> None:
        with self._dying():
            write_all(self._fd, octets)
        self._length += len(octets)


def highest_given(layout: Layout) -> int:
    """Return the highest number of a pack that any entry of the journal names, also of one that was removed:
    a number means one pack for ever. Reads all of the journal."""
    return max(
        (
            record.number
            for entry in journal.readable(layout)
            for record in entry.records
            if isinstance(record, PackRecord | RetiredRecord)
        ),
        default=0,
    )


def cut_tail(layout: Layout, last: PackRecord, *, given: int = 0) -> None:
    """Cut a pack back to its committed length, and keep what is whole behind it, as ``keep_tail`` does.
    Numbers up to ``given`` are taken, whatever the journal says."""
    path = layout.pack(last.number)
    heads.refuse_newer_file(path, heads.PACK)
    keep_tail(layout, last, path, path, given=given)
    with writing(path):
        os.truncate(path, last.length)


def keep_tail(
    layout: Layout, last: PackRecord, source: Path, whole: Path, *, given: int = 0
) -> int:
    """Copy what ``source`` holds behind the committed length of a pack into a pack of its own, which no entry
    names, if a frame in it is whole. Return its number, else 0. Durable when it returns.

    ``whole`` has the pack's dictionary. Octets between whole frames come along as they are. Raises
    ``DamageError`` if the frames need a dictionary that cannot be read, ``CrossedError`` if one begins
    before that length, ``UnreadableError`` if the device does not give all octets back.
    """
    with contextlib.ExitStack() as stack:
        fd = os.open(source, os.O_RDONLY)
        stack.callback(os.close, fd)
        size = os.fstat(fd).st_size
        if not tail.is_readable(fd, last.length, size):
            raise UnreadableError(
                f"{source}: the device does not give back what stands behind octet {last.length}, which may"
                " be mail that is nowhere else; nothing was cut off. Look at the disk"
            )
        if crossed := tail.crossing(fd, PACK_HEADER_BYTES, last.length, size, source):
            raise CrossedError(
                f"{source}: a whole frame stands from octet {crossed} on, across octet {last.length}, where"
                " the journal ends the pack: pack and journal are of different times, and it may hold mail"
                " that is nowhere else; nothing was cut off. Put the journal back that belongs to the pack"
            )
        found = tail.survey(fd, last.length, size, source)
        if not found.objects:
            return 0
        dictionary = _dictionary_of(whole)
        if found.dictionaries - ({PACK_HEADER_BYTES} if dictionary else set()):
            raise DamageError(
                f"{source}: behind octet {last.length} stands mail that may be nowhere else, and the"
                " dictionary that it needs is damaged; nothing was cut off. `poparchive verify --repair`"
                " mends it"
            )
        _remove_unfinished(layout)
        given = max(given, highest_given(layout))
        writer = PackWriter(layout, None, pack_bytes=_NO_LIMIT, path=layout.new_pack, given=given)
        stack.callback(writer.close)
        try:
            writer.begin(dictionary)
            writer.copy(fd, last.length, found.end, source)
            writer.commit()
            path = layout.pack(writer.number)
            with writing(path):
                layout.new_pack(writer.number).rename(path)
                sync_directory(path.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                layout.new_pack(writer.number).unlink(missing_ok=True)
            raise
        return writer.number


def _remove_unfinished(layout: Layout) -> None:
    """Remove what was left of copies whose making was cut, else each that is cut again leaves one more.

    The caller holds the lock. Those that an ``optimize`` writes beside have the same names, so nothing is
    removed while one runs, and its end is not waited for: the next one removes them.
    """
    left = layout.new_packs()
    if not left:
        return
    # What cannot be removed now is in nobody's way.
    with (
        contextlib.suppress(PoparchiveError),
        Lock(layout.optimize_lock, briefly=True, given_up=lambda: True),
    ):
        for number in left:
            path = layout.new_pack(number)
            with writing(path):
                if not layout.pack(number).exists():
                    # One that an optimize had made, which is not to be that of the next pack of this number.
                    layout.parity(number).unlink(missing_ok=True)
                path.unlink(missing_ok=True)


def _create(layout: Layout, path: Callable[[int], Path], given: int) -> tuple[int, int]:
    """Make a pack with a number that no other has, nor had; return the number and the open file.

    Two may do so at a time: who writes, and ``optimize``.
    """
    while True:
        # Parity without its pack is of one that was being written, or that a repair is putting in place.
        taken = given, *layout.packs(), *layout.new_packs(), *layout.parities()
        number = max(taken) + 1
        with writing(path(number)):
            path(number).parent.mkdir(mode=0o700, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                fd = os.open(path(number), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
                # Each looks for the other's file when its own is there, so that one of them sees it.
                others = {layout.pack(number), layout.new_pack(number)} - {path(number)}
                if not any(other.exists() for other in others):
                    return number, fd
                os.close(fd)
                path(number).unlink()


def _dictionary_of(path: Path) -> bytes | None:
    fd = os.open(path, os.O_RDONLY)
    try:
        return twin.begins_with(fd, PACK_HEADER_BYTES, path)[0]
    finally:
        os.close(fd)


class _Dying:
    """Around a write: translate the error, and leave the writer dead if there was one."""

    def __init__(self, writer: PackWriter) -> None:
        self._writer = writer
        self._context = writing(writer._path(writer._number))

    def __enter__(self) -> None:
        self._context.__enter__()

    def __exit__(self, *about: object) -> None:
        if about[0] is not None:
            self._writer._broken = True
        self._context.__exit__(*about)  # type: ignore[arg-type]  # passed through as it came
