"""Two threads between the network and the disk, joined by bounded queues.

The storing thread compresses, writes and syncs; the indexing thread has messages read and fills databases.
Much of both is C that runs without the interpreter's lock, and a helper process may do the reading.
An error in either stops both: it is raised again from every later call.
"""

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from itertools import chain
from typing import NamedTuple

from poparchive.archive.indexer import Indexer
from poparchive.archive.spool import Spooled
from poparchive.archive.storer import BATCH_S, Batch, Received, Storer, noted
from poparchive.store.errors import StoreError
from poparchive.store.records import Record

IN_FLIGHT_BYTES = 9 << 20
"""What was received and is not read yet: two batches and most of the next; little enough for memory."""

_NOTED_BYTES = 200
"""What a UIDL or a fate takes on its way into the catalog, about."""

GROUP_MESSAGES = 250
_GROUP_BYTES = 2 << 20

Done = Future[None]

LateRecord = Callable[[], Record]
"""A record that is made when its turn comes, because it counts what was queued before it."""

_Item = Received | Record | LateRecord | Done


class IngestStoppedError(StoreError):
    """An earlier error stopped the storing of messages."""


class _Work(NamedTuple):
    """What the storing thread hands to the indexing thread: a batch, and who waits for it."""

    batch: Batch | None
    waiting: list[Done]


class Ingest:
    """Takes messages and records from any thread, in order."""

    def __init__(self, storer: Storer, indexer: Indexer) -> None:
        self._storer = storer
        self._indexer = indexer
        self._inbox: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._batches: queue.Queue[_Work | None] = queue.Queue(maxsize=1)
        self._error: BaseException | None = None
        self._waiting: list[Done] = []
        self._taken: deque[_Work] = deque()  # the indexing thread's, not finished yet
        self._all_taken = False
        self._lock = threading.Lock()
        self._in_flight = 0
        self._on_room: list[Callable[[], object]] = []
        self._threads = [
            threading.Thread(target=self._run, args=(body,), name=name, daemon=True)
            for name, body in (("store", self._store), ("index", self._index))
        ]
        for thread in self._threads:
            thread.start()

    def keep(self, received: Received) -> None:
        """Queue a message. Never blocks; ask ``full`` first."""
        self._check()
        with self._lock:
            self._in_flight += _weight(received)
        self._inbox.put(received)

    def note(self, record: Record | LateRecord) -> None:
        """Queue a record. Never blocks; whoever has many asks ``full`` between."""
        self._check()
        if weight := _weight(record):
            with self._lock:
                self._in_flight += weight
        self._inbox.put(record)

    def full(self) -> bool:
        """Whether the sender should wait for ``when_room``."""
        return self._in_flight > IN_FLIGHT_BYTES and self._error is None

    def when_room(self, call: Callable[[], object]) -> None:
        """Call once, from another thread, when there is room (or an error)."""
        with self._lock:
            waits = self._in_flight > IN_FLIGHT_BYTES and self._error is None
            if waits:
                self._on_room.append(call)
        if not waits:
            call()

    def flush(self) -> Done:
        """Return a future that is done when all queued so far is kept, in the catalog and searchable."""
        self._check()
        done: Done = Future()
        # Whoever waits may be cancelled; what was queued is kept all the same.
        done.set_running_or_notify_cancel()
        self._inbox.put(done)
        if self._error is not None:
            # It may have come after those that waited were told.
            _refuse(done, self._error)
        return done

    def close(self) -> None:
        """Finish what is queued and end both threads. Raises what went wrong, once."""
        self._inbox.put(None)
        for thread in self._threads:
            thread.join()
        if self._error is not None:
            raise self._error

    def _check(self) -> None:
        if self._error is not None:
            raise IngestStoppedError(f"nothing more is kept: {self._error}") from self._error

    def _run(self, body: Callable[[], None]) -> None:
        try:
            body()
        except BaseException as error:
            self._fail(error)
        else:
            if self._error is not None:
                # The other thread failed; whoever came to wait since then has to be told too.
                self._fail(self._error)

    def _fail(self, error: BaseException) -> None:
        self._error = self._error or error
        with contextlib.suppress(queue.Full):
            self._batches.put_nowait(None)
        self._inbox.put(None)
        self._give_back(0)
        for done in self._waiting:
            _refuse(done, self._error)
        if threading.current_thread() is self._threads[1]:
            for done in chain.from_iterable(work.waiting for work in self._taken):
                _refuse(done, self._error)
        else:
            # Only this thread hands batches on: what is left when the other has ended, nobody takes.
            self._threads[1].join()
            with contextlib.suppress(queue.Empty):
                while True:
                    for done in (self._batches.get_nowait() or _Work(None, [])).waiting:
                        _refuse(done, self._error)
        while True:
            try:
                left = self._inbox.get_nowait()
            except queue.Empty:
                break
            if isinstance(left, Future):
                _refuse(left, self._error)
        self._inbox.put(None)

    def _give_back(self, weight: int) -> None:
        with self._lock:
            self._in_flight -= weight
            if self._in_flight > IN_FLIGHT_BYTES and self._error is None:
                return
            calls, self._on_room = self._on_room, []
        for call in calls:
            # Its event loop may be closed: then nobody waits any more.
            with contextlib.suppress(RuntimeError):
                call()

    def _store(self) -> None:
        weight = 0
        while True:
            group: list[Received] = []
            group_bytes = 0
            item = self._next(blocking=True)
            while isinstance(item, Received):
                group.append(item)
                weight += _weight(item)
                group_bytes += len(item.octets)
                if len(group) >= GROUP_MESSAGES or group_bytes >= _GROUP_BYTES:
                    item = _NOTHING
                    break
                item = self._next(blocking=False)
            if group:
                self._storer.take(group)
            if isinstance(item, Future):
                self._waiting.append(item)
            elif item is not None and not isinstance(item, Received | _Nothing):
                weight += _weight(item)
                self._storer.note(item() if callable(item) else item)
            # Accounts that end together share a batch: it has three syncs.
            asked = self._waiting and self._inbox.empty()
            if item is None or asked or self._storer.due:
                if not self._hand_on(self._storer.commit(), weight):
                    return
                weight = 0
            if item is None:
                self._put(None)
                return

    def _next(self, *, blocking: bool) -> "_Item | _Nothing | None":
        try:
            return self._inbox.get(timeout=BATCH_S / 4) if blocking else self._inbox.get_nowait()
        except queue.Empty:
            return _NOTHING

    def _hand_on(self, batch: Batch | None, weight: int) -> bool:
        """Give a batch, and who waits for it, to the indexing thread; False if that has failed."""
        if batch is not None:
            batch.weight = weight
        if not self._put(_Work(batch, self._waiting)):
            return False
        self._waiting = []
        return True

    def _put(self, item: _Work | None) -> bool:
        while self._error is None:
            try:
                self._batches.put(item, timeout=1)
            except queue.Full:
                continue
            return True
        return False

    def _index(self) -> None:
        while self._taken or self._take(blocking=True):
            self._finish(self._taken[0])
            self._taken.popleft()

    def _take(self, *, blocking: bool) -> bool:
        """Take over what the storing thread handed on next, and let its messages be read.

        False if nothing is at hand; if ``blocking``, when there will be no more.
        """
        while not self._all_taken:
            try:
                work = self._batches.get(block=blocking, timeout=1)
            except queue.Empty:
                if blocking and self._error is None:
                    continue
                return False
            if work is None:
                self._all_taken = True
                return False
            # First of all: whoever waits for it is told of any error from here on.
            self._taken.append(work)
            if work.batch is not None:
                self._indexer.begin(work.batch.entry, work.batch.messages)
            return True
        return False

    def _finish(self, work: "_Work") -> None:
        """Apply a batch; the one behind it is read meanwhile, if it is at hand."""
        batch = work.batch
        if batch is not None:
            facts = self._indexer.facts()
            batch.release()
            self._give_back(batch.weight)
            if self._indexer.reads_ahead:
                self._take(blocking=False)
            self._indexer.finish(batch.entry, facts, batch.blobs)
            self._storer.applied(batch)
        if work.waiting:
            self._indexer.flush()
        for done in work.waiting:
            done.set_result(None)


class _Nothing:
    """No item has come yet."""


_NOTHING = _Nothing()


def _refuse(done: Done, error: BaseException) -> None:
    with contextlib.suppress(InvalidStateError):
        done.set_exception(error)


def _weight(item: Received | Record | LateRecord) -> int:
    """How much memory a message or a record holds while it is on its way."""
    if isinstance(item, Received):
        return (1 << 20) if isinstance(item.octets, Spooled) else len(item.octets)
    return 0 if callable(item) else noted(item) * _NOTED_BYTES
