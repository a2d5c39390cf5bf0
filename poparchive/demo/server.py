"""A POP3 server on loopback: for ``poparchive demo``, and for tests, which tell it to misbehave.

It serves the mailboxes it is given from memory, removes messages only at QUIT, and keeps a log of
what it was asked. Standard library only, but for SCRAM. One event loop, no threads of its own;
mailboxes, gates and the log may be used from other threads meanwhile.
"""

import asyncio
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import NamedTuple, Self

from poparchive.demo.behaviour import Behaviour
from poparchive.demo.mailbox import Mailbox
from poparchive.demo.session import House, Session
from poparchive.errors import PoparchiveError

GOOD = Behaviour()


class ServerError(PoparchiveError):
    """The demo server cannot listen."""


class Asked(NamedTuple):
    """One command of the log. ``argument`` has no secrets: of APOP and AUTH only the first word."""

    session: int
    command: str
    argument: str


class Pop3Server:
    """Serves ``mailboxes`` (by user name) while it is entered, at ``host`` and ``port``.

    ``behaviour`` is that of all sessions, or a sequence: one for each session in the order in which
    they connect, the last for all that follow. With ``tls`` the server offers STLS, or speaks TLS
    from the start if ``implicit_tls``. ``certificate``, its own in DER, lets it offer channel
    binding; a client's certificate lets it offer EXTERNAL, for the user of its common name. Port 0
    is any free one; ``port`` says which.

    To be entered once; from code without an event loop by ``running``. What goes wrong in a session
    through no fault of its client, as in a message's ``chunks``, is raised when the server is left.
    """

    def __init__(
        self,
        mailboxes: Mapping[str, Mailbox],
        *,
        behaviour: Behaviour | Sequence[Behaviour] = GOOD,
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        certificate: bytes | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        if implicit_tls and tls is None:
            raise ValueError("implicit TLS needs a context")
        self.host = host
        self.port = port
        self.log: list[Asked] = []
        self.sessions = 0
        """How many there were so far; they are numbered from 1."""
        self.most_at_once = 0
        """The largest number of sessions that were open at the same time."""
        self._behaviours = (behaviour,) if isinstance(behaviour, Behaviour) else tuple(behaviour)
        self._tls = tls
        self._implicit_tls = implicit_tls
        self._house = House(
            mailboxes, tls, certificate, lambda *asked: self.log.append(Asked(*asked))
        )
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._failures: list[BaseException] = []

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        try:
            self._listener = await asyncio.start_server(
                self._connected,
                self.host,
                self.port,
                ssl=self._tls if self._implicit_tls else None,
            )
        except OSError as error:
            raise ServerError(
                f"The demo server cannot listen on {self.host} port {self.port}: {error.strerror}."
            ) from error
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()
        for task, writer in list(self._open.items()):
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._listener.wait_closed()
        if self._failures and error is None:
            raise self._failures[0]

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behaviour = self._behaviours[min(self.sessions, len(self._behaviours) - 1)]
        self.sessions += 1
        session = Session(self._house, self.sessions, behaviour, reader, writer)
        task = self._loop.create_task(session.run())
        self._open[task] = writer
        self.most_at_once = max(self.most_at_once, len(self._open))
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._open[task]
        if not task.cancelled() and (failure := task.exception()):
            self._failures.append(failure)

    def asked(self, command: str, *, session: int | None = None) -> list[str]:
        """The arguments with which this command came, in order; of one session or of all."""
        return [
            entry.argument
            for entry in self.log
            if entry.command == command and session in (None, entry.session)
        ]

    async def idle(self) -> None:
        """Wait until no session is open: then the log holds all that the clients sent."""
        while self._open:
            await asyncio.wait(list(self._open))

    def wait_idle(self, timeout_s: float) -> None:
        """``idle`` from another thread than the server's; raises TimeoutError."""
        asyncio.run_coroutine_threadsafe(self.idle(), self._loop).result(timeout_s)


@contextmanager
def running(server: Pop3Server) -> Iterator[Pop3Server]:
    """Enter ``server`` in a thread of its own, for code that has no event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="pop3-demo", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result()
        try:
            yield server
        finally:
            asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
