"""Carries out pulls: many accounts at a time, each by its plan, all into one archive.

A pull that is cut at any point loses nothing: what was kept is not fetched again, what was listed is in the
ledger. One bad account, message or server never stops the others; a failing store stops all.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from poparchive.archive.spool import SpoolWriter
from poparchive.archive.tally import Tally
from poparchive.errors import PoparchiveError, TryLaterError
from poparchive.model import Fate, LedgerRow, Listed
from poparchive.pop3 import (
    ClosedError,
    Endpoint,
    Login,
    LoginDelayError,
    Pop3Error,
    Reply,
    Session,
    TimedOutError,
    Timeouts,
    Window,
    connect,
)
from poparchive.sync.memory import Memory, login_delay_s
from poparchive.sync.plan import Plan, Policy, plan

if TYPE_CHECKING:
    # Importing it takes as long as a server needs to answer: see ``Puller``.
    from poparchive.archive.writer import Writer

DONE, FAILED, STOPPED = 0, 1, 2

PATIENCE_S = 30
"""So long a pull waits for the moment at which a server lets it log in; for a later one another comes."""

_ATTEMPTS = 5
"""A connection that breaks is made again this often, as long as each one brings something."""


class AccountError(PoparchiveError):
    """One account cannot be pulled, whatever its server says: its password cannot be had."""


class TooEarlyError(AccountError, TryLaterError):
    """The server wants more time between two log-ins (LOGIN-DELAY), so it is not asked yet."""

    def __init__(self, account: str, host: str, wait_s: int) -> None:
        at = time.strftime("%H:%M:%S", time.localtime(time.time() + wait_s))
        super().__init__(
            f"account {account}: {host} wants more time between log-ins; the next is possible at {at}"
        )
        self.retry_after_s = wait_s


@dataclass(frozen=True, slots=True)
class Job:
    """One account to pull."""

    name: str
    endpoint: Endpoint
    login: Login
    policy: Policy
    timeouts: Timeouts = field(default_factory=Timeouts)
    window: Window = field(default_factory=Window)


@dataclass(slots=True)
class Result:
    """How a pull of one account went. ``error`` is a sentence, empty if there was none."""

    name: str
    started: int
    ended: int = 0
    outcome: int = DONE
    listed: int = 0
    wanted: int = 0
    failed: int = 0
    deleted: int = 0
    octets: int = 0
    error: str = ""
    notes: list[str] = field(default_factory=list)
    """What a person should know although nothing failed, a sentence each."""
    retry_after_s: int | None = None
    """When to try again what failed, at the earliest; None if nothing did, or if it needs a person."""
    waited: bool = False
    """The archive was not open yet when the listing came."""
    skipped: bool = False
    """The server was not asked, because it was too early."""
    tally: Tally = field(default_factory=Tally)


class Observer(Protocol):
    """Is told how pulls come along; called on the event loop."""

    def planned(self, name: str, messages: int, octets: int) -> None: ...
    def received(self, name: str, octets: int) -> None: ...
    def ended(self, result: Result) -> None: ...


@dataclass(frozen=True, slots=True)
class Options:
    """How to pull: ``connections`` at a time in all, and to one host."""

    connections: int = 20
    connections_per_host: int = 10
    full: bool = False
    dry_run: bool = False


class Puller:
    """Pulls accounts into an archive, on one event loop.

    ``opening`` is the archive on its way to being open for writing. Servers are asked meanwhile; only when
    there is something to compare with the ledger, or a run to note, is it waited for.
    """

    def __init__(
        self,
        opening: "Future[Writer]",
        options: Options,
        observer: Observer,
        context: Callable[[Endpoint], ssl.SSLContext | None],
        memory: Memory,
    ) -> None:
        self._memory = memory
        self._opening = opening
        self._opened = asyncio.Event()
        self._options = options
        self._observer = observer
        self._context = context
        self._all = asyncio.Semaphore(options.connections)
        self._hosts: dict[str, asyncio.Semaphore] = {}

    async def pull(self, jobs: Sequence[Job]) -> list[Result]:
        """Pull all jobs and return their results in the same order.

        Raises only what concerns the archive itself. Cancelling ends all, and keeps what came.
        """
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._open())
                tasks = [group.create_task(self._limited(job)) for job in jobs]
        except BaseExceptionGroup as errors:
            raise _cause(errors) from errors
        return [task.result() for task in tasks]

    async def _open(self) -> None:
        # Whoever stops waiting does not stop the opening, which has a thread of its own.
        await asyncio.shield(asyncio.wrap_future(self._opening))
        self._opened.set()

    async def _writer(self) -> "Writer":
        """The open archive. If it cannot be opened, ``pull`` says so and cancels who waits here."""
        await self._opened.wait()
        return self._opening.result()

    async def _limited(self, job: Job) -> Result:
        host = self._hosts.setdefault(
            job.endpoint.host, asyncio.Semaphore(self._options.connections_per_host)
        )
        async with host, self._all:
            return await self._account(job)

    async def _account(self, job: Job) -> Result:
        result = Result(job.name, int(time.time()))
        try:
            await self._attempts(job, result)
        except TooEarlyError as error:
            result.skipped = True
            result.outcome, result.error = FAILED, str(error)
            result.retry_after_s = error.retry_after_s
        except (Pop3Error, AccountError) as error:
            result.outcome, result.error = FAILED, str(error)
            result.retry_after_s = getattr(error, "retry_after_s", None)
            if isinstance(error, LoginDelayError):
                self._memory.hold(job.name, error.retry_after_s or 0)
            await self._opened.wait()
        except asyncio.CancelledError:
            result.outcome, result.error = STOPPED, "stopped"
            raise
        except BaseException as error:
            result.outcome, result.error = FAILED, str(error)
            raise
        finally:
            result.ended = int(time.time())
            if self._opened.is_set() and not (self._options.dry_run or result.skipped):
                self._record(job, result)
            self._observer.ended(result)
        return result

    def _record(self, job: Job, result: Result) -> None:
        writer = self._opening.result()
        with contextlib.suppress(PoparchiveError):
            writer.ended(_number(writer, job), result)

    async def _attempts(self, job: Job, result: Result) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            before, result.waited = result.octets, False
            try:
                await self._session(job, result)
            except Pop3Error as error:
                lost = isinstance(error, ClosedError | TimedOutError)
                # No server waits for ever while an archive is mended that a crash has left.
                worth = result.octets > before or result.waited
                if not (lost and worth) or attempt == _ATTEMPTS:
                    raise
                await _flush(await self._writer())
            else:
                return

    async def _early(self, job: Job) -> None:
        """Wait until the server lets us log in, or raise ``TooEarlyError`` if that takes long."""
        wait_s = self._memory.wait_s(job.name)
        if wait_s > PATIENCE_S:
            raise TooEarlyError(job.name, job.endpoint.host, wait_s)
        await asyncio.sleep(wait_s)

    def _met(self, job: Job, session: Session, result: Result) -> None:
        """Remember the server, and tell what has changed for the worse."""
        result.notes += self._memory.met(job.name, session)

    async def _session(self, job: Job, result: Result) -> None:
        await self._early(job)
        context = self._context(job.endpoint)
        async with connect(
            job.endpoint,
            job.login,
            account=job.name,
            timeouts=job.timeouts,
            window=job.window,
            context=context,
        ) as session:
            if delay_s := max(map(login_delay_s, (session.offered, session.capabilities))):
                self._memory.hold(job.name, delay_s)
            listing = await session.listing()
            self._met(job, session, result)
            result.listed = len(listing)
            result.waited = not self._opened.is_set()
            writer = await self._writer()
            number = _number(writer, job)
            ledger = await asyncio.to_thread(writer.ledger, number)
            todo = plan(listing, ledger, job.policy, result.started, full=self._options.full)
            if self._options.dry_run:
                skipped = {id(entry) for entry, _ in todo.skip}
                result.wanted = len(todo.again) + sum(1 for e in todo.new if id(e) not in skipped)
                await session.quit()
                return
            wanted = _note(writer, number, todo)
            result.wanted += len(wanted)
            self._observer.planned(job.name, len(wanted), sum(e.size_bytes for e, _ in wanted))
            sink = _Sink(writer, {e.number: n for e, n in wanted}, result, self._observer)
            try:
                await session.retrieve([entry for entry, _ in wanted], sink)
            finally:
                sink.abandon()
            gone = await _delete(writer, session, job, todo, wanted, result)
            if wanted or gone:
                # Gmail takes RETR and QUIT for "popped": all that came is kept before QUIT.
                await _flush(writer)
            await session.quit()
            for ledger_number in gone:
                writer.settle(ledger_number, Fate.DELETED, "read again from disk and hashed equal")
            result.deleted += len(gone)
            if gone:
                await _flush(writer)


def _note(writer: "Writer", account: int, todo: Plan) -> list[tuple[Listed, int]]:
    """Put into the ledger what the plan says of it; return what to fetch, with ledger numbers."""
    numbers = writer.listed(account, [(e.uidl, e.size_bytes) for e in todo.new])
    rules = {id(entry): rule for entry, rule in todo.skip}
    wanted = [(entry, row.id) for entry, row in todo.again]
    for entry, ledger_number in zip(todo.new, numbers, strict=True):
        if id(entry) in rules:
            writer.settle(ledger_number, Fate.SKIPPED, rules[id(entry)])
        else:
            wanted.append((entry, ledger_number))
    for row in todo.vanished:
        writer.settle(row.id, Fate.VANISHED, "no longer listed")
    return sorted(wanted, key=lambda pair: pair[0].number)


async def _delete(
    writer: "Writer",
    session: Session,
    job: Job,
    todo: Plan,
    wanted: Sequence[tuple[Listed, int]],
    result: Result,
) -> list[int]:
    """Prove what the policy would delete, ask for its deletion, return its ledger numbers."""
    if job.policy.leave_s is None:
        return []
    if todo.doubt:
        result.notes.append(f"nothing is deleted: {todo.doubt}")
        return []
    await _flush(writer)
    candidates: list[tuple[Listed, LedgerRow]] = list(todo.delete)
    if job.policy.leave_s == 0 and wanted:
        # A UIDL that repeats is no obstacle: within a session the number says which one was fetched.
        entries = {number: entry for entry, number in wanted}
        rows = await asyncio.to_thread(writer.ledger_rows, [number for _, number in wanted])
        candidates += [(entries[row.id], row) for row in rows if row.message is not None]
    if not candidates:
        return []
    messages = [row.message for _, row in candidates if row.message is not None]
    proved, damages = await asyncio.to_thread(writer.prove, messages)
    if damages:
        result.outcome = FAILED
        result.error = f"{len(damages)} messages stay on the server: {damages[0]}"
    safe = [(entry, row) for entry, row in candidates if row.message in proved]
    refused = set(await session.delete([entry.number for entry, _ in safe]))
    return [row.id for entry, row in safe if entry.number not in refused]


async def _flush(writer: "Writer") -> None:
    await asyncio.wrap_future(writer.flush())


def _number(writer: "Writer", job: Job) -> int:
    """The account's number in the archive, which notes it when it is new or has changed."""
    endpoint = job.endpoint
    return writer.account(job.name, f"{endpoint.host}:{endpoint.port}", job.login.user)


def _cause(errors: BaseExceptionGroup) -> BaseException:
    """The one error that matters of those that ended a pull: a sentence of ours, if there is one."""
    leaves: list[BaseException] = []
    groups = [errors]
    for group in groups:
        for error in group.exceptions:
            if isinstance(error, BaseExceptionGroup):
                groups.append(error)
            else:
                leaves.append(error)
    return next((error for error in leaves if isinstance(error, PoparchiveError)), leaves[0])


class _Sink:
    """Hands messages from a session to the archive."""

    def __init__(
        self, writer: "Writer", ledger: dict[int, int], result: Result, observer: Observer
    ) -> None:
        self._writer = writer
        self._ledger = ledger
        self._result = result
        self._observer = observer
        self._large: _Large | None = None

    def message(self, number: int, octets: bytes) -> None:
        self._writer.keep(self._ledger[number], octets, self._result.tally)
        self.count(len(octets))

    def begin(self, number: int) -> "_Large":
        self._large = _Large(self, self._writer, self._writer.spool(), self._ledger[number])
        return self._large

    def refused(self, number: int, reply: Reply) -> None:
        self._result.failed += 1
        self._result.outcome = FAILED
        self._result.error = f"message {number} was refused: {reply}"
        self._writer.settle(self._ledger[number], Fate.QUARANTINED, f"RETR was refused: {reply}")

    def full(self) -> bool:
        return self._writer.full()

    async def room(self) -> None:
        loop = asyncio.get_running_loop()
        free = asyncio.Event()
        self._writer.when_room(partial(loop.call_soon_threadsafe, free.set))
        await free.wait()

    def count(self, octets: int) -> None:
        self._result.octets += octets
        self._observer.received(self._result.name, octets)

    def abandon(self) -> None:
        """Remove the file of a large message that did not arrive whole."""
        if self._large is not None:
            self._large.abort()

    def keep_large(self, ledger: int, spool: SpoolWriter) -> None:
        self._large = None
        self._writer.keep(ledger, spool.finish(), self._result.tally)
        self.count(spool.size_bytes)


class _Large:
    """Takes one large message in pieces."""

    def __init__(self, sink: _Sink, writer: "Writer", spool: SpoolWriter, ledger: int) -> None:
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
