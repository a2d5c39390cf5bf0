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
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from poparchive.errors import PoparchiveError, TryLaterError, leaves
from poparchive.pop3 import (
    ClosedError,
    Endpoint,
    Login,
    LoginDelayError,
    Pop3Error,
    Session,
    TimedOutError,
    Timeouts,
    Window,
    connect,
)
from poparchive.sync.aside import Aside
from poparchive.sync.memory import Memory, login_delay_s
from poparchive.sync.plan import Plan, Policy, plan
from poparchive.sync.result import FAILED, STOPPED, Observer, Result
from poparchive.sync.sink import Sink, Unnamed
from poparchive.sync.steps import (
    check_uidls,
    delete,
    flush,
    note,
    number_of,
    set_aside,
    settle_deleted,
)

if TYPE_CHECKING:
    # Importing it takes as long as a server needs to answer: see ``Puller``.
    from poparchive.archive.writer import Writer

_SESSIONS_MOST = 2_000
"""Of one pull of one account: Gmail's 250 messages a session make half a million."""

PATIENCE_S = 30
"""So long a pull waits for the moment at which a server lets it log in; for a later one another comes."""

_ATTEMPTS = 5
"""A connection that breaks is made again, up to this many in all, as long as each one brings something
or tells which message breaks it."""


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
            result.retry_after_s = error.retry_after_s
            if result.sessions:
                # All that this pull could have is there; more may wait behind it.
                result.notes.append(str(error))
            else:
                result.skipped = result.broken = True
                result.outcome, result.error = FAILED, str(error)
        except (Pop3Error, AccountError) as error:
            result.broken = True
            result.outcome, result.error = FAILED, str(error)
            result.retry_after_s = getattr(error, "retry_after_s", None)
            if isinstance(error, LoginDelayError):
                await self._memory.hold(job.name, error.retry_after_s or 0)
            elif not result.sessions:
                # Whatever the reason was: the next log-in is to ask first.
                self._memory.forget(job.name)
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
            writer.ended(number_of(writer, job), result)

    async def _attempts(self, job: Job, result: Result) -> None:
        aside, broken = Aside(job.policy), 0
        while True:
            octets, verdicts, result.waited = result.octets, aside.verdicts, False
            try:
                # A server that shows a part of the mailbox shows more when that was retrieved.
                while await self._session(job, result, aside) and result.sessions < _SESSIONS_MOST:
                    pass
                return
            except Pop3Error as error:
                lost = isinstance(error, ClosedError | TimedOutError)
                # No server waits for ever while an archive is mended that a crash has left.
                worth = lost and (result.octets > octets or result.waited)
                broken += lost
                early = self._memory.wait_s(job.name) > PATIENCE_S
                if early or broken == _ATTEMPTS or not (worth or aside.verdicts > verdicts):
                    raise
                # It holds all that the session had, a million entries perhaps.
                error.__traceback__ = None
                await flush(await self._writer())

    async def _early(self, job: Job) -> None:
        """Wait until the server lets us log in, or raise ``TooEarlyError`` if that takes long."""
        wait_s = self._memory.wait_s(job.name)
        if wait_s > PATIENCE_S:
            raise TooEarlyError(job.name, job.endpoint.host, wait_s)
        await asyncio.sleep(wait_s)

    async def _session(self, job: Job, result: Result, aside: Aside) -> bool:
        """Pull what one session shows; return whether another one may show more."""
        await self._early(job)
        context = self._context(job.endpoint)
        login = replace(job.login, known=self._memory.offered(job.name, server_of(job)))
        async with connect(
            job.endpoint,
            login,
            account=job.name,
            timeouts=job.timeouts,
            window=job.window,
            context=context,
        ) as session:
            offers = (session.offered, session.capabilities)
            if delay_s := max(session.profile.login_delay_s, *map(login_delay_s, offers)):
                await self._memory.hold(job.name, delay_s)
            writer, number, todo = await self._planned(job, session, result)
            if self._options.dry_run:
                result.wanted = todo.wanted
                await session.quit()
                return False
            wanted, alone = aside.arrange(await note(writer, number, todo))
            result.wanted += len(wanted)
            self._observer.planned(job.name, len(wanted), sum(wanted.entries.sizes))
            unnamed = Unnamed(writer, number, todo.refused)
            full = self._options.full
            sink = Sink(writer, wanted, result, self._observer, unnamed, prove=full)
            try:
                most = job.policy.max_message_bytes
                many = len(wanted) - alone
                await session.retrieve(wanted.entries[:many], sink, most)
                for at in range(many, len(wanted)):
                    # What is asked for alone has nothing behind it that could run into it.
                    one = wanted.entries[at : at + 1]
                    await session.retrieve(one, sink, most, suspicious=False)
            except Pop3Error as error:
                if sink.done < len(wanted):
                    set_aside(wanted[sink.done], sink, aside, error, result)
                raise
            finally:
                sink.abandon()
            gone = await delete(writer, session, job, todo, wanted, result)
            if wanted or gone:
                # Gmail takes RETR and QUIT for "popped": all that came is kept before QUIT.
                await flush(writer)
            await session.quit()
            result.deleted += len(gone)
            if gone:
                await settle_deleted(writer, gone)
            result.sessions += 1
            return session.profile.drain and sink.named > 0 and not full

    async def _planned(
        self, job: Job, session: Session, result: Result
    ) -> tuple["Writer", int, Plan]:
        """Ask for the listing and compare it; only what is to be done outlives this.

        Returned with it are the archive and the account's number in it.
        """
        listing = await session.listing()
        result.notes += self._memory.met(job.name, server_of(job), session)
        result.listed = len(listing)
        result.waited = not self._opened.is_set()
        writer = await self._writer()
        number = number_of(writer, job)
        if session.without_uidl:
            await asyncio.to_thread(check_uidls, session, writer.ledger(number))
        full, now = self._options.full, result.started
        ledger = writer.ledger(number)
        todo = await asyncio.to_thread(plan, listing, ledger, job.policy, now, full=full)
        return writer, number, todo


def _cause(errors: BaseExceptionGroup) -> BaseException:
    """The one error that matters of those that ended a pull: a sentence of ours, if there is one."""
    found = leaves(errors)
    return next((error for error in found if isinstance(error, PoparchiveError)), found[0])


def server_of(job: Job) -> str:
    """What is remembered of a server is remembered of this one."""
    endpoint = job.endpoint
    return f"{endpoint.host}:{endpoint.port} {endpoint.tls}"
