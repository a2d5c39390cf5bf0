"""From a session into the archive: messages as they come, and what was refused."""

import asyncio
import hashlib
from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

from poparchive.archive.spool import SpoolWriter
from poparchive.model import Fate, LedgerRow, MessageId
from poparchive.pop3 import Reply
from poparchive.sync.plan import Numbered, Wanted
from poparchive.sync.result import FAILED, Observer, Result

if TYPE_CHECKING:
    from poparchive.archive.writer import Writer


class Unnamed:
    """Messages of a server that has no UIDL and no TOP: each is known by its octets alone.

    They are fetched at every pull. The ledger has an entry for each that brought new octets to the
    account, made when it has come, and one for each that was refused.
    """

    def __init__(self, writer: "Writer", account: int, refused: Sequence[LedgerRow]) -> None:
        """``refused`` has the rows of those that did not come in earlier pulls."""
        self._writer = writer
        self._account = account
        self._rows = refused

    @cached_property
    def _kept(self) -> set[MessageId]:
        return self._writer.kept_unnamed(self._account)

    @cached_property
    def _refused(self) -> dict[int, list[int]]:
        """Ledger numbers by size, of what was refused before."""
        found: dict[int, list[int]] = {}
        for row in self._rows:
            found.setdefault(row.size_bytes, []).append(row.id)
        return found

    def ledger(self, digest: bytes, size_bytes: int) -> int | None:
        """Return the ledger number for a message that came; None if the account has it already."""
        if digest in self._kept:
            return None
        self._kept.add(MessageId(digest))
        return self._new(size_bytes)

    def refused(self, size_bytes: int) -> int:
        """Return the ledger number for a message that did not come; it may have one from before."""
        before = self._refused.get(size_bytes)
        return before.pop() if before else self._new(size_bytes)

    def _new(self, size_bytes: int) -> int:
        return self._writer.listed(self._account, [(b"", size_bytes)])[0]


class Sink:
    """Hands messages from a session to the archive. ``unnamed`` is for those without a ledger number."""

    def __init__(
        self,
        writer: "Writer",
        wanted: Numbered,
        result: Result,
        observer: Observer,
        unnamed: Unnamed,
        *,
        prove: bool = False,
    ) -> None:
        """With ``prove`` the archive reads what it has kept before."""
        self._writer = writer
        self._wanted = wanted
        self._unnamed = unnamed
        self._result = result
        self._observer = observer
        self._prove = prove
        self._large: Large | None = None
        self.done = 0
        """Messages that came or were refused; they do so in the order in which they were asked for."""
        self.named = 0
        """Messages that came and will be known by their UIDL the next time."""

    def message(self, number: int, octets: bytes) -> None:
        ledger = self._next(number)[1]
        self.done += 1
        if ledger is None:
            ledger = self._unnamed.ledger(hashlib.sha256(octets).digest(), len(octets))
        else:
            self.named += 1
        if ledger is not None:
            self._writer.keep(ledger, octets, self._result.tally, prove=self._prove)
        self.count(len(octets))

    def begin(self, number: int) -> "Large":
        self._large = Large(self, self._writer.spool(), self._next(number)[1])
        return self._large

    def refused(self, number: int, reply: Reply) -> None:
        wanted = self._next(number)
        self.done += 1
        self._result.failed += 1
        self._result.outcome = FAILED
        self._result.error = f"message {number} was refused: {reply}"
        self.settle(wanted, Fate.QUARANTINED, f"RETR was refused: {reply}")

    def _next(self, number: int) -> Wanted:
        """What comes now: messages come in the order in which they were asked for."""
        wanted = self._wanted[self.done]
        assert wanted[0].number == number
        return wanted

    def settle(self, wanted: Wanted, fate: Fate, reason: str) -> None:
        """Note what became of a message that did not come."""
        entry, ledger = wanted
        if ledger is None:
            ledger = self._unnamed.refused(entry.size_bytes)
        self._writer.settle(ledger, fate, reason)

    def full(self) -> bool:
        return self._writer.full()

    async def room(self) -> None:
        await room(self._writer)

    def count(self, octets: int) -> None:
        self._result.octets += octets
        self._observer.received(self._result.name, octets)

    def abandon(self) -> None:
        """Remove the file of a large message that did not arrive whole."""
        if self._large is not None:
            self._large.abort()

    def keep_large(self, ledger: int | None, spool: SpoolWriter) -> None:
        self._large = None
        self.done += 1
        spooled = spool.finish()
        if ledger is None:
            ledger = self._unnamed.ledger(spooled.digest, spool.size_bytes)
        else:
            self.named += 1
        if ledger is None:
            spooled.discard()
        else:
            self._writer.keep(ledger, spooled, self._result.tally, prove=self._prove)
        self.count(spool.size_bytes)


async def room(writer: "Writer") -> None:
    """Return when the archive can take in more."""
    loop = asyncio.get_running_loop()
    free = asyncio.Event()
    writer.when_room(partial(loop.call_soon_threadsafe, free.set))
    await free.wait()


class Large:
    """Takes one large message in pieces."""

    def __init__(self, sink: Sink, spool: SpoolWriter, ledger: int | None) -> None:
        self._sink = sink
        self._spool = spool
        self._ledger = ledger
        self._open = True

    def write(self, octets: bytes) -> None:
        self._spool.write(octets)

    def close(self) -> None:
        self._open = False
        self._sink.keep_large(self._ledger, self._spool)

    def abort(self) -> None:
        if self._open:
            self._open = False
            self._spool.discard()
