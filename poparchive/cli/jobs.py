"""From configured accounts to jobs of the sync part, and a pull of them with progress on the screen."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from poparchive import credentials, observe
from poparchive.cli import output, signals
from poparchive.config import Account, Config
from poparchive.errors import PoparchiveError, TryLaterError
from poparchive.pop3 import Contexts, Endpoint, Login, Proxy, Timeouts, TlsMode
from poparchive.store.errors import LockedError
from poparchive.store.fsio import Lock
from poparchive.store.layout import open_layout
from poparchive.sync.memory import Memory
from poparchive.sync.plan import Policy
from poparchive.sync.pull import AccountError, Job, Options, Puller
from poparchive.sync.result import DONE, FAILED, STOPPED, Result

if TYPE_CHECKING:
    from poparchive.archive.writer import Writer


def job_of(account: Account) -> Job:
    """Translate one account of the configuration."""

    proxy = account.proxy
    return Job(
        account.name,
        Endpoint(
            account.host,
            account.port,
            TlsMode(account.tls.value),
            account.allow_insecure,
            account.ca_file,
            account.tls_fingerprint,
            account.tls_minimum,
            account.tls_legacy,
            account.client_certificate,
            account.client_key,
            Proxy(proxy.host, proxy.port, proxy.user) if proxy else None,
        ),
        Login(account.user, _secret(account), account.auth, token=_token(account)),
        Policy(account.leave_on_server.after_s, account.max_message_bytes),
        Timeouts(account.connect_timeout_s, account.reply_timeout_s, account.stall_timeout_s),
    )


def _secret(account: Account) -> Callable[[], str] | None:
    """What gives the account's password; None for one without."""
    reference = account.password
    if reference is None:
        return None

    def secret() -> str:
        try:
            return credentials.fetch(reference, account=account.name).reveal()
        except credentials.CredentialError as error:
            raise AccountError(str(error)) from error

    return secret


def _token(account: Account) -> Callable[[bool], str] | None:
    """What gives the account's access tokens; None for one with a password."""
    if account.oauth is None:
        return None
    from poparchive.cli.tokens import source_of

    source = source_of(account)

    def token(fresh: bool) -> str:
        try:
            return source(fresh)
        except TryLaterError as error:
            raise _LaterError(str(error)) from error
        except PoparchiveError as error:
            raise AccountError(str(error)) from error
        except (ValueError, TypeError, ArithmeticError) as error:
            # The libraries believe what a provider says of its tokens.
            text = f"account {account.name}: its provider answers with nonsense: {type(error).__name__}"
            raise AccountError(text) from error

    return token


class _LaterError(AccountError, TryLaterError):
    """The account's identity provider does not answer now."""

    retry_after_s = 300


def options_of(config: Config, *, jobs: int | None, full: bool, dry_run: bool) -> Options:
    """The configuration's limits, or ``--jobs`` in their place."""
    limits = config.limits
    return Options(
        jobs or limits.connections,
        max(jobs or 0, limits.connections_per_host),
        full=full,
        dry_run=dry_run,
    )


@dataclass(slots=True)
class _Screen:
    """Shows pulls as bars, and logs a line for each when it ends."""

    progress: output.Progress
    hosts: dict[str, str]
    tasks: dict[str, output.Task] = field(default_factory=dict)

    def planned(self, name: str, messages: int, octets: int) -> None:
        if messages and name not in self.tasks:
            self.tasks[name] = self.progress.task(name, total=messages)

    def received(self, name: str, octets: int) -> None:
        self.tasks[name].advance(octets=octets)

    def ended(self, result: Result) -> None:
        if result.name in self.tasks:
            self.tasks[result.name].finish(("done", "failed", "stopped")[result.outcome])
        observe.log_pull(
            account=result.name,
            host=self.hosts[result.name],
            outcome=("ok", "failed", "stopped")[result.outcome],
            listed=result.listed,
            archived=result.tally.archived,
            duplicates=result.tally.duplicates,
            octets=result.octets,
            seconds=result.ended - result.started,
            failed=result.failed,
            deleted=result.deleted,
            error=result.error if result.outcome == FAILED else None,
        )


class Stop:
    """Ends a pull from any thread, whether its event loop has started or not."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = False
        self._cancel: Callable[[], object] | None = None

    @property
    def wanted(self) -> bool:
        """Whether it was ``set``."""
        return self._wanted

    def set(self) -> None:
        with self._lock:
            self._wanted = True
            self._act()

    def attach(self, cancel: Callable[[], object]) -> None:
        """Say how to end what runs now."""
        with self._lock:
            self._cancel = cancel
            self._act()

    def _act(self) -> None:
        """Once, for a second cancellation would cut short what the first one is tidying up."""
        if self._wanted and self._cancel is not None:
            cancel, self._cancel = self._cancel, None
            # The event loop may have ended by itself meanwhile.
            with contextlib.suppress(RuntimeError):
                cancel()


def pull(
    root: Path,
    accounts: Sequence[Account],
    options: Options,
    *,
    stop: Stop | None = None,
    contexts: Contexts | None = None,
) -> list[Result]:
    """Pull accounts into the archive and return how each went.

    ``contexts`` is for whoever pulls again and again: TLS sessions are resumed then.

    SIGINT and SIGTERM (or ``stop``) end all sessions and raise ``KeyboardInterrupt``; what came
    until then is kept, and is not fetched again.
    """
    jobs = [job_of(account) for account in accounts]
    hosts = {account.name: account.host for account in accounts}
    with contextlib.ExitStack() as stack:
        if stop is None:
            stop = Stop()
            stack.enter_context(signals.ending(stop.set))
        opening = stack.enter_context(_opening(root, stop))
        bars = stack.enter_context(output.progress("pull"))
        memory = Memory(root)
        screen, contexts = _Screen(bars, hosts), contexts or Contexts()
        puller = partial(Puller, opening, options, screen, contexts, memory)
        try:
            results = asyncio.run(_pull(puller, jobs, stop))
        finally:
            memory.save()
        if results is None:
            raise KeyboardInterrupt
    return results


@contextlib.contextmanager
def _opening(root: Path, stop: Stop) -> Iterator["Future[Writer]"]:
    """Lock the archive, open it in a thread, and close it in the end.

    The lock comes first: nobody is to log in anywhere for an archive that another pull is at. Whoever
    stops does not wait for it any longer.
    """
    try:
        lock = Lock(open_layout(root).lock, given_up=lambda: stop.wanted)
    except LockedError:
        if stop.wanted:
            raise KeyboardInterrupt from None
        raise

    def open_writer() -> "Writer":
        from poparchive.archive.writer import Writer

        return Writer(root, lock=lock)

    with lock, ThreadPoolExecutor(1, "open") as thread:
        opening = thread.submit(open_writer)
        try:
            yield opening
        except BaseException:
            # What stopped us is on its way up already; a store that failed would only say it again.
            with contextlib.suppress(Exception):
                opening.result().close(tidy=False)
            raise
        opening.result().close()


async def _pull(make: Callable[[], Puller], jobs: Sequence[Job], stop: Stop) -> list[Result] | None:
    """Return None if the pull was stopped."""
    task = asyncio.ensure_future(make().pull(jobs))
    loop = asyncio.get_running_loop()
    stop.attach(partial(loop.call_soon_threadsafe, task.cancel))
    try:
        return await task
    except asyncio.CancelledError:
        return None


def exit_code(results: Sequence[Result]) -> int:
    """0 if all went well, 75 if all that failed may go well later, else 1."""
    failed = [r for r in results if r.outcome != DONE]
    if not failed:
        return 0
    later = all(r.retry_after_s is not None or r.outcome == STOPPED for r in failed)
    return 75 if later else 1
