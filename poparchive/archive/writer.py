"""An archive opened for writing: one process at a time, any thread of it.

Opening repairs what a crash left (``docs/store-format.md``, the life of a batch). Closing finishes
what is queued.
"""

import contextlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from poparchive.archive.indexer import Indexer
from poparchive.archive.ingest import Done, Ingest
from poparchive.archive.opening import note, open_indexes, open_pack
from poparchive.archive.read import Reader
from poparchive.archive.spool import Spooled, SpoolWriter
from poparchive.archive.storer import BATCH_NOTED, Received, Storer
from poparchive.archive.tally import Tally
from poparchive.archive.training import dictionary_for, due
from poparchive.archive.verify.copies import remove_copies
from poparchive.archive.verify.unnamed import refuse_without_journal, remove_left
from poparchive.errors import PoparchiveError
from poparchive.index.lookup import NotFoundError
from poparchive.model import Fate, LedgerRow, MessageId
from poparchive.store import layout as layouts
from poparchive.store import parity
from poparchive.store.errors import DamageError, FormatError, StoreError
from poparchive.store.fsio import Lock, sync_directory, writing
from poparchive.store.journal import JournalWriter
from poparchive.store.pack import PACK_BYTES, PackWriter
from poparchive.store.packread import PackReader
from poparchive.store.records import (
    AccountRecord,
    FateRecord,
    ListedRecord,
    RunRecord,
    Sealed,
)


class Run(Protocol):
    """How a pull of an account went; ``outcome`` is 0 done, 1 failed, 2 stopped."""

    started: int
    ended: int
    outcome: int
    listed: int
    failed: int
    deleted: int
    octets: int
    error: str
    tally: Tally


class Writer:
    """The archive's one writer. Raises ``LockedError`` if another process has it open."""

    def __init__(
        self, root: Path, *, lock: Lock | None = None, pack_bytes: int = PACK_BYTES
    ) -> None:
        """``lock`` is the archive's, from who has it already; it is released with the rest."""
        self.layout = layouts.open_layout(root)
        with contextlib.ExitStack() as stack:
            lock = lock or Lock(self.layout.lock)
            stack.callback(lock.release)
            refuse_without_journal(self.layout)
            _empty(self.layout.spool)
            self._catalog, self._texts, position = open_indexes(self.layout, lock)
            stack.callback(self._catalog.close)
            stack.callback(self._texts.close)
            if not position.entry:
                # Before the first pack: that there is a catalog says that no journal was lost.
                sync_directory(self.layout.root)
            # Before the open pack is cut: that may be done by what this journal says, and no other.
            self._journal = JournalWriter(self.layout, position)
            stack.callback(self._journal.close)
            self._sealed_before = self._sealed()
            self._packs = PackWriter(self.layout, open_pack(self._catalog), pack_bytes=pack_bytes)
            stack.callback(self._packs.close)
            # What cannot be removed or looked at now is by the next pull.
            with contextlib.suppress(StoreError, OSError):
                remove_copies(self.layout, self._named())
            self._began = self._packs.number, self._packs.length
            reader = PackReader(self.layout)
            stack.callback(reader.close)
            self._accounts = self._catalog.accounts()
            account, ledger, run = self._catalog.next_numbers()
            self._account_numbers = itertools.count(account)
            self._next_ledger = ledger
            self._run_numbers = itertools.count(run)
            self._spool_numbers = itertools.count()
            storer = Storer(self._catalog, self._packs, self._journal, reader)
            stack.callback(storer.close)
            self._indexer = Indexer(self._catalog, self._texts)
            self._ingest = Ingest(storer, self._indexer)
            self._open = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
            return
        # What stopped us is on its way up already; a store that failed would only say it again.
        with contextlib.suppress(Exception):
            self.close(tidy=False)

    def close(self, *, tidy: bool = True) -> None:
        """Finish what is queued, then let go of the archive.

        Without ``tidy`` the search index is not merged: somebody waits.
        """
        try:
            self._ingest.close()
            if tidy:
                self._texts.compact()
                self._learn()
                self._protect()
                self._clear()
        finally:
            self._open.close()

    def _learn(self) -> None:
        """Begin the next pack with a dictionary, once there is enough to make one of."""
        packs = self._packs
        number, before = self._began
        if packs.dictionary or not due(before if packs.number == number else 0, packs.length):
            return
        dictionary = dictionary_for(self.layout, packs.number, packs.length)
        if dictionary:
            packs.begin(dictionary)
            note(self._journal, self._indexer, packs.commit())

    def _protect(self) -> None:
        """Make the parity of packs that were sealed since this was opened, and of one of those before that
        have none: a pull that was killed leaves what it sealed without."""
        for number in self._sealed() - self._sealed_before:
            # A pack that its seal does not prove is for ``verify`` to tell.
            with contextlib.suppress(DamageError, FormatError):
                parity.make(self.layout, number)
        bare = (self._sealed_before & {*self.layout.packs()}) - {*self.layout.parities()}
        for number in sorted(bare, reverse=True):
            # The same; and what cannot be written now is by another pull.
            with contextlib.suppress(StoreError, OSError):
                parity.make(self.layout, number)
                break

    def _named(self) -> set[int]:
        return {self._packs.number, *(number for number, _, _ in self._catalog.packs())}

    def _clear(self) -> None:
        """Remove what pulls that were cut have left, if what it holds was fetched again."""
        # The same.
        with contextlib.suppress(StoreError, OSError):
            remove_left(
                self.layout,
                self._named(),
                lambda: Reader(self.layout.root, self.layout),
            )

    def _sealed(self) -> set[int]:
        return {number for number, _, how in self._catalog.packs() if how != Sealed.NO}

    def account(self, name: str, host: str, user: str) -> int:
        """Return the number of an account, noting a new one or a changed host or user."""
        known = self._accounts.get(name)
        if known is not None and known[1:] == (host, user):
            return known[0]
        number = known[0] if known else next(self._account_numbers)
        self._accounts[name] = (number, host, user)
        self._ingest.note(AccountRecord(number, name, host, user))
        return number

    def ledger(self, account: int) -> Iterator[LedgerRow]:
        """Yield what is known of an account's UIDLs, in the order they were first listed.

        It is what the catalog held when the first row was asked for; one thread walks it, to its end.
        """
        return self._catalog.ledger(account)

    def listed(self, account: int, pairs: Sequence[tuple[bytes, int]]) -> range:
        """Note (UIDL, LIST size) pairs seen for the first time; return their ledger numbers.

        Never blocks; whoever notes many asks ``full`` between.
        """
        numbers = range(self._next_ledger, self._next_ledger + len(pairs))
        self._next_ledger = numbers.stop
        for start in range(0, len(pairs), BATCH_NOTED):
            some = tuple(pairs[start : start + BATCH_NOTED])
            self._ingest.note(ListedRecord(account, numbers.start + start, some))
        return numbers

    def kept_unnamed(self, account: int) -> set[MessageId]:
        """Return the messages that are kept for an account from a server that gave no UIDL for them."""
        return self._catalog.kept_unnamed(account)

    def ledger_rows(self, numbers: Sequence[int]) -> list[LedgerRow]:
        """Return the rows with these ledger numbers."""
        return self._catalog.ledger_rows(numbers)

    def keep(
        self,
        ledger: int,
        octets: bytes | Spooled,
        tally: Tally | None = None,
        *,
        prove: bool = False,
    ) -> None:
        """Queue a message for its UIDL. It is kept once a ``flush`` that follows is done. With ``prove`` one
        that was kept before is read, and counted if that cannot be."""
        self._ingest.keep(Received(ledger, octets, tally or Tally(), prove))

    def settle(self, ledger: int, fate: Fate, reason: str) -> None:
        """Queue any other fate of a UIDL."""
        self._ingest.note(FateRecord(ledger, fate, reason))

    def ended(self, account: int, run: Run) -> None:
        """Queue the record of a pull that ended, behind all that it brought."""
        number = next(self._run_numbers)
        self._ingest.note(
            lambda: RunRecord(
                number,
                account,
                run.started,
                run.ended,
                run.outcome,
                run.listed,
                run.tally.archived,
                run.tally.duplicates,
                run.failed,
                run.deleted,
                run.octets,
                run.error,
            )
        )

    def spool(self) -> SpoolWriter:
        """Return a file for a message that is too large for memory."""
        path = self.layout.spool / f"{os.getpid()}-{next(self._spool_numbers)}"
        return SpoolWriter(path)

    def full(self) -> bool:
        """Whether the sender should wait; see ``when_room``."""
        return self._ingest.full()

    def when_room(self, call: Callable[[], object]) -> None:
        """Call once, from any thread, when more can be taken in."""
        self._ingest.when_room(call)

    def flush(self) -> Done:
        """Return a future: done when all queued so far is kept, in the catalog and searchable."""
        return self._ingest.flush()

    def prove(self, messages: Sequence[int]) -> tuple[set[int], list[PoparchiveError]]:
        """Read messages, given by row id, from disk again. Return those whose octets have the right
        hash, and what is wrong with the others.

        This is the proof that comes before ``DELE``. Call it after a ``flush`` that followed them.
        """
        proved = set()
        damages: list[PoparchiveError] = []
        with Reader(self.layout.root, self.layout) as reader:
            for key in messages:
                try:
                    for _ in reader.octets(reader.lookup.by_key(key)):
                        pass
                except (StoreError, NotFoundError) as error:
                    damages.append(error)
                else:
                    proved.add(key)
        return proved, damages


def _empty(directory: Path) -> None:
    with writing(directory):
        directory.mkdir(mode=0o700, exist_ok=True)
        for path in directory.iterdir():
            if path.is_dir() and not path.is_symlink():
                # Of a repair that was cut.
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
