"""Two threads between the network and the disk, joined by bounded queues.

The storing thread compresses, writes and syncs; the indexing thread parses and fills the databases. Most
of both is C that runs without the interpreter's lock, so that with the network they use more than one core.
An error in either stops both: it is raised again from every later call.
"""

import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import NamedTuple

from poparchive.archive.indexer import Indexer
from poparchive.archive.spool import Spooled
from poparchive.archive.storer import BATCH_S, Batch, Received, Storer
from poparchive.store.errors import StoreError
from poparchive.store.records import Record

IN_FLIGHT_BYTES = 9 << 20
"""A batch that is being indexed and most of the next one; little enough for memory."""

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
        """Queue a record."""
        self._check()
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
        if threading.current_thread() is self._threads[0]:
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
                self._storer.note(item() if callable(item) else item)
            if item is None or self._waiting or self._storer.due:
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

    def _next_batch(self, *, blocking: bool = True) -> "_Work | _Nothing | None":
        """Return what the storing thread handed on; None when there will be no more."""
        while True:
            try:
                return self._batches.get(block=blocking, timeout=1)
            except queue.Empty:
                if self._error is not None:
                    return None
                if not blocking:
                    return _NOTHING

    def _index(self) -> None:
        work, begun = self._next_batch(), False
        while isinstance(work, _Work):
            ahead: _Work | _Nothing | None = _NOTHING
            try:
                if work.batch is not None:
                    ahead = self._index_batch(work.batch, begun=begun)
                if work.waiting:
                    self._indexer.flush()
            except BaseException as error:
                self._error = self._error or error
                for one in (work, ahead):
                    for done in one.waiting if isinstance(one, _Work) else ():
                        _refuse(done, error)
                raise
            for done in work.waiting:
                done.set_result(None)
            begun = isinstance(ahead, _Work)
            work = self._next_batch() if ahead is _NOTHING else ahead

    def _index_batch(self, batch: Batch, *, begun: bool) -> "_Work | _Nothing | None":
        """Apply a batch; let the one behind it be read meanwhile if it is at hand, and return it."""
        indexer = self._indexer
        if not begun:
            indexer.begin(batch.entry, batch.messages)
        facts = indexer.facts()
        batch.release()
        self._give_back(batch.weight)
        ahead: _Work | _Nothing | None = _NOTHING
        if indexer.reads_ahead:
            ahead = self._next_batch(blocking=False)
            if isinstance(ahead, _Work) and ahead.batch is not None:
                indexer.begin(ahead.batch.entry, ahead.batch.messages)
        indexer.finish(batch.entry, facts, batch.blobs)
        self._storer.applied(batch)
        return ahead


class _Nothing:
    """No item has come yet."""


_NOTHING = _Nothing()


def _refuse(done: Done, error: BaseException) -> None:
    with contextlib.suppress(InvalidStateError):
        done.set_exception(error)


def _weight(received: Received) -> int:
    """How much memory a message holds while it is on its way."""
    return (1 << 20) if isinstance(received.octets, Spooled) else len(received.octets)
