"""Brings the text inside attachments into the search index: what is missing is read, once per content.

Runs beside pulls and searches; the archive's lock is held for moments. What was read is on the disk before
the index is told of it, so a run that is cut at any point loses at most what it had not written yet, and
the next goes on. Memory is that of one message, the contents that workers hold, and a batch.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from poparchive.archive.contents_index import ContentsIndex
from poparchive.archive.contents_missing import Missing
from poparchive.archive.describe import Stored, describe, document
from poparchive.archive.known import Attached, content_of, packed, text_of
from poparchive.archive.read import Reader
from poparchive.attachments import (
    VERSION,
    Job,
    Limits,
    Outcome,
    Pool,
    Status,
    likely,
    too_large,
)
from poparchive.errors import PoparchiveError
from poparchive.index.carried import Carried
from poparchive.index.contents import Content, ContentStore
from poparchive.index.fulltext import Document, FulltextWriter
from poparchive.index.lookup import Located, Lookup, NotFoundError
from poparchive.mime.structure import parse
from poparchive.model import Location, MessageId
from poparchive.store.errors import LockedError
from poparchive.store.fsio import Lock
from poparchive.store.layout import open_layout

BATCH_MESSAGES = 200
BATCH_CHARS = 8 << 20
BATCH_S = 20.0
"""A batch ends when it has so many messages or characters, or is so old: what was read can be found then."""

LOCK_S = 20.0
"""So long a batch waits for a pull to end; after that its messages are left for the end of the run."""

_MERGE_S = 0.5
"""So long the lock is held for merging at a time."""

RETRIED = (Status.BOMB, Status.TIMEOUT, Status.MEMORY, Status.DAMAGED)
"""What may end otherwise with other limits, or another version of a library."""

Progress = Callable[[int, int, int], None]
"""Called with messages done, messages in all, octets read by now."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How to read: ``most`` is after how many contents to stop, ``retry`` reads again what failed."""

    limits: Limits = field(default_factory=Limits)
    workers: int = 1
    most: int | None = None
    retry: bool = False


@dataclass(slots=True)
class Report:
    """What a run did. ``left`` are messages that are not brought up to date yet; of these ``waiting`` are
    read, and wait for the search index: for a pull that holds it, one that has them not yet, or, with
    ``index_older``, one that has to be made anew."""

    contents: int = 0
    octets: int = 0
    messages: int = 0
    left: int = 0
    waiting: int = 0
    index_older: bool = False
    unreadable: int = 0
    seconds: float = 0.0
    statuses: Counter[Status] = field(default_factory=Counter)
    layers: tuple[str, ...] = ()
    extra: str = ""
    ocr: bool = False


@dataclass(slots=True)
class _Message:
    """A message whose attachments are not all known yet, and what the index should hold for it."""

    located: Located
    plain: Document
    parts: list[Attached]
    missing: set[bytes]


def read_contents(
    root: Path, wish: Wish, progress: Progress, stopped: Callable[[], bool] = lambda: False
) -> Report:
    """Read what is missing, until it is ``stopped``, which is asked before each message and while another
    command holds the archive. Raises ``LockedError`` if another run is at it, ``ContentsError``,
    ``WorkerError``."""
    layout = open_layout(root)
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        stack.enter_context(Lock(layout.contents_lock))
        reader = stack.enter_context(Reader(root, layout))
        store = ContentStore.open(layout.contents)
        stack.callback(store.close)
        index = ContentsIndex(layout, store, stopped)
        pool: Pool[bytes] = stack.enter_context(Pool(wish.limits, wish.workers))
        index.look(LOCK_S)
        run = _Run(reader, store, index, pool, wish, progress, stopped)
        run.go()
    run.report.seconds = time.monotonic() - began
    return run.report


class _Run:
    def __init__(
        self,
        reader: Reader,
        store: ContentStore,
        index: ContentsIndex,
        pool: Pool[bytes],
        wish: Wish,
        progress: Progress,
        stopped: Callable[[], bool],
    ) -> None:
        self._reader = reader
        self._layout = reader.layout
        self._store = store
        self._index = index
        self.report = Report(index_older=index.older)
        self._missing = Missing(
            self._layout, store, wish.limits.content_bytes, index_older=index.older
        )
        self._pool = pool
        self._wish = wish
        self._progress = progress
        self._stopped = stopped
        self._looked: set[bytes] = set()
        self._asked: dict[bytes, tuple[int, list[_Message]]] = {}
        self._rows: list[Content] = []
        self._ready: list[_Message] = []
        self._chars = 0
        self._since = time.monotonic()
        self._done = self._total = 0
        self._enough = False
        self._complete = 0
        self._waiting: set[int] = set()

    @property
    def _going(self) -> bool:
        return not (self._enough or self._stopped())

    def go(self) -> None:
        """Read and index until nothing is missing, or it is to stop."""
        missing = self._missing
        if self._wish.retry:
            missing.again = set(RETRIED)
        if not self.report.index_older:
            self._store.forget_replaced(self._layout.search)
            self._store.forget_looked()
        missing.can(likely(self._wish.limits))
        if not missing.messages():
            self.report.left = self.report.waiting = missing.told_later
            return
        abilities = self._pool.abilities()
        missing.can(abilities)
        self.report.layers, self.report.extra = abilities.layers, abilities.extra
        self.report.ocr = abilities.ocr
        self._store.set_layers(" ".join(abilities.layers))
        keys = missing.messages()
        self._total = len(keys)
        self._read(keys)
        self._flush()
        self.report.left = len(keys) - self._complete + len(self._waiting)
        if self._going and (late := missing.indexed(self._waiting)):
            # What a pull was in the way of: its contents are known by now.
            missing.again.clear()
            self._read(late)
            self._flush(patience_s=10 * LOCK_S)
        if not missing.again:
            self.report.left = len(missing.messages())
        self.report.waiting = len(self._waiting)
        if self.report.index_older:
            self.report.left = len(missing.messages()) + missing.told_later
            self.report.waiting = missing.told_later
        self._merge()

    def _read(self, keys: Sequence[int]) -> None:
        """Read what these messages carry, and bring it into the index, batch after batch."""
        for tag, outcome in self._pool.read(self._jobs(keys)):
            self._settle(tag, outcome)
            self._flush_if_due()

    def _jobs(self, keys: Sequence[int]) -> Iterator[tuple[bytes, Job]]:
        """Yield the contents that have to be read, and settle the messages that need none."""
        for key in keys:
            if not self._going:
                return
            try:
                located = self._reader.lookup.by_key(key)
                yield from self._contents(located)
            except NotFoundError:
                pass
            except PoparchiveError:
                # Damage is for verify to name; here it costs a message its attachments.
                self.report.unreadable += 1
            self._done += 1
            self._progress(self._done, self._total, self.report.octets)
            self._flush_if_due()

    def _contents(self, located: Located) -> Iterator[tuple[bytes, Job]]:
        with self._reader.whole(located) as octets:
            root = parse(octets)
            place = Location(located.pack, located.frame, located.offset, located.length)
            stored = Stored(MessageId(located.id), octets, (), place, root)
            plain = document(located.key, *describe(stored, located.date))
            message = _Message(located, plain, [], set())
            # Held back until all parts were looked at, however early an answer comes.
            message.missing.add(b"")
            for leaf in root.leaves():
                name = leaf.attachment_name
                if name is None:
                    continue
                most = self._wish.limits.content_bytes
                identity, size, content = content_of(octets, leaf, most)
                message.parts.append(Attached(leaf.number, identity))
                if self._is_known(identity):
                    continue
                message.missing.add(identity)
                if identity in self._asked:
                    self._asked[identity][1].append(message)
                elif not self._may_read():
                    self._enough = True
                else:
                    self._asked[identity] = (size, [message])
                    if size > most:
                        self._settle(identity, too_large(size, most))
                    else:
                        yield identity, Job(content, name, leaf.type)
        message.missing.discard(b"")
        self._settled(message)

    def _may_read(self) -> bool:
        most = self._wish.most
        return most is None or self.report.contents + len(self._asked) < most

    def _is_known(self, identity: bytes) -> bool:
        if identity in self._looked:
            return True
        known = self._store.latest([identity]).get(identity)
        return known is not None and self._missing.is_read(known)

    # ---- what was read -------------------------------------------------------------------------------

    def _settle(self, identity: bytes, outcome: Outcome) -> None:
        """Take in what became of a content."""
        size, waiting = self._asked.pop(identity)
        text, length = packed(outcome.text)
        self._rows.append(
            Content(
                identity,
                size,
                int(outcome.status),
                VERSION,
                str(outcome.lacking),
                outcome.note,
                length,
                text,
            )
        )
        self._looked.add(identity)
        self._chars += len(outcome.text)
        self.report.contents += 1
        self.report.octets += size
        self.report.statuses[outcome.status] += 1
        for message in waiting:
            # One that carries a content twice waits for it twice.
            if identity in message.missing:
                message.missing.discard(identity)
                self._settled(message)

    def _settled(self, message: _Message) -> None:
        if not message.missing:
            self._complete += 1
            self._waiting.add(message.located.key)
            self._ready.append(message)
            self._chars += sum(len(text) for text in message.plain[1:])

    def _flush_if_due(self) -> None:
        if (
            len(self._ready) >= BATCH_MESSAGES
            or self._chars >= BATCH_CHARS
            or time.monotonic() - self._since >= BATCH_S
        ):
            self._flush()

    def _flush(self, patience_s: float | None = None) -> None:
        """Write what was read, then let the index know."""
        rows, self._rows = self._rows, []
        ready, self._ready = self._ready, []
        self._chars = 0
        if rows:
            self._store.add(rows)
        if ready and self.report.index_older:
            self._missing.note_looked(MessageId(message.located.id) for message in ready)
        elif ready:
            with (
                contextlib.suppress(LockedError),
                self._index.writing(patience_s or LOCK_S) as index,
            ):
                self._replace(index, ready)
        self._since = time.monotonic()

    def _replace(self, index: FulltextWriter, ready: Sequence[_Message]) -> None:
        """Put documents with their contents in the place of those without. The archive's lock is held."""
        if index.contents_file is None:
            index.name_contents_file(self._store.identity())
        if index.contents_file != self._store.identity():
            return
        pairs = []
        made_of: list[Carried] = []
        with contextlib.closing(Lookup(self._layout.catalog, self._layout.id)) as lookup:
            for message in ready:
                key = message.located.key
                if not _is_still(lookup, message.located):
                    continue
                latest = self._store.latest([part.sha256 for part in message.parts])
                now = [
                    Carried(key, part.place, latest[part.sha256].id)
                    for part in message.parts
                    if part.sha256 in latest
                ]
                before = index.carried_by(key)
                plain = message.plain
                old = plain._replace(contents=text_of(self._store, before))
                new = plain._replace(contents=text_of(self._store, now))
                pairs.append((old, new))
                made_of += now
        replaced = index.replace(pairs, made_of)
        self._waiting -= replaced
        self.report.messages += len(replaced)

    def _merge(self) -> None:
        """Give back the room of what was replaced, a moment at a time. It can wait for the next run."""
        merged = self.report.messages == 0
        with contextlib.suppress(LockedError):
            while not merged and self._going:
                with self._index.writing(LOCK_S) as index:
                    merged = index.merge(_MERGE_S)


def _is_still(lookup: Lookup, located: Located) -> bool:
    """Whether the row id means the same message as when it was looked up: the catalog may have been made
    anew."""
    try:
        return lookup.by_key(located.key).id == located.id
    except NotFoundError:
        return False
