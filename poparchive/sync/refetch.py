"""Fetches single messages again that the archive has lost and a server still has. Changes nothing there."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from poparchive.archive.spool import Spooled, SpoolWriter
from poparchive.model import Listed
from poparchive.pop3 import Reply, connect

if TYPE_CHECKING:
    import ssl

    from poparchive.pop3 import Endpoint
    from poparchive.sync.pull import Job


async def refetch(
    job: "Job",
    wanted: Mapping[bytes, int],
    directory: Path,
    context: "Callable[[Endpoint], ssl.SSLContext | None]",
) -> list[Spooled]:
    """Return the messages with these UIDLs that the account's server lists and gives, each in a file in
    ``directory``. What they are is the caller's to prove. Raises ``Pop3Error``."""
    async with connect(
        job.endpoint,
        job.login,
        account=job.name,
        timeouts=job.timeouts,
        window=job.window,
        context=context(job.endpoint),
    ) as session:
        listing = await session.listing()
        rows = zip(listing.numbers, listing.uidls, listing.sizes, strict=True)
        asked = [Listed(*row) for row in rows if row[1] in wanted]
        sink = _Files(directory)
        await session.retrieve(asked, sink, job.policy.max_message_bytes)
        await session.quit()
    return sink.messages


class _Files:
    """Takes messages from a session into files."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.messages: list[Spooled] = []
        self._begun = 0

    def message(self, number: int, octets: bytes) -> None:
        large = self.begin(number)
        large.write(octets)
        large.close()

    def begin(self, number: int) -> "_File":
        self._begun += 1
        return _File(self, SpoolWriter(self._directory / f"again-{self._begun}"))

    def refused(self, number: int, reply: Reply) -> None:
        """What the server does not give stays lost."""

    def full(self) -> bool:
        return False

    async def room(self) -> None:
        """There always is."""


class _File:
    def __init__(self, files: _Files, spool: SpoolWriter) -> None:
        self._files = files
        self._spool = spool
        self._open = True

    def write(self, octets: bytes) -> None:
        self._spool.write(octets)

    def close(self) -> None:
        self._open = False
        self._files.messages.append(self._spool.finish())

    def abort(self) -> None:
        if self._open:
            self._open = False
            self._spool.discard()
