"""Judges an archive after a fault: starts it again, and counts what is lost, doubled or not clean."""

import asyncio
import contextlib
import hashlib
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from poparchive.archive import packlist
from poparchive.archive.read import Reader
from poparchive.archive.verify import unnamed
from poparchive.archive.writer import Writer
from poparchive.demo.mailbox import Mailbox, Message
from poparchive.demo.server import Pop3Server
from poparchive.errors import leaves
from poparchive.index.search import Searcher
from poparchive.model import Fate
from poparchive.pop3 import Endpoint, Login, Timeouts, TlsMode
from poparchive.store import journal, layout
from poparchive.store.errors import StoreError
from poparchive.store.records import ArchivedRecord, DuplicateRecord
from poparchive.sync.memory import Memory
from poparchive.sync.plan import Policy
from poparchive.sync.pull import Job, Options, Puller
from poparchive.sync.result import DONE, Result
from tests.support.archives import damages, octets_of

SECRET = "secret"

Mail = dict[bytes, bytes]
"""Messages by UIDL."""


@dataclass(slots=True)
class Verdict:
    """What is wrong; empty lists if nothing is."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unclean: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.lost or self.doubled or self.unclean)


class Box(Mailbox):
    """A mailbox that notes at which operation of the command each message was deleted."""

    def __init__(self) -> None:
        super().__init__(password=SECRET)
        self.deleted: list[tuple[int, bytes]] = []
        self.clock: Callable[[], int] = lambda: 0
        """Gives the number of the last operation that has ended."""

    def restock(self, mail: Mail) -> None:
        """Hold these messages and no others."""
        self.remove(*(one.uidl for one in self.messages))
        for uidl, octets in mail.items():
            self.deliver(octets, uidl=uidl)
        self.deleted = []

    def expunge(self, messages: Collection[Message]) -> None:
        at = self.clock()
        self.deleted += [(at, one.uidl) for one in messages]
        super().expunge(messages)

    def held(self) -> set[bytes]:
        return {one.uidl for one in self.messages}


class _Nobody:
    def planned(self, name: str, messages: int, octets: int) -> None: ...
    def received(self, name: str, octets: int) -> None: ...
    def ended(self, result: Result) -> None: ...


def acknowledged(journals: dict[str, bytes], description: bytes) -> dict[int, bytes]:
    """Return what synced journal files say is kept: message ids by ledger number."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        (root / "journal").mkdir()
        (root / "archive.toml").write_bytes(description)
        for name, octets in journals.items():
            (root / name).write_bytes(octets)
        found = {}
        with contextlib.suppress(StoreError):
            for entry in journal.read(layout.open_layout(root)):
                for record in entry.records:
                    if isinstance(record, ArchivedRecord | DuplicateRecord):
                        found[record.ledger] = bytes(record.message)
    return found


def judge(
    root: Path,
    server: Pop3Server,
    box: Box,
    mail: Mail,
    promised: dict[int, bytes],
    *,
    delete: bool,
) -> Verdict:
    """Start the archive at ``root`` again, verify it, and pull once more from the server.

    ``mail`` is all that ever was on the server; ``promised`` what the archive had acknowledged.
    """
    found = Verdict()
    try:
        _judge(root, server, box, mail, promised, found, delete=delete)
    except Exception as error:
        # Whatever it is: after a fault nothing may be in the way of the next start.
        found.unclean += [f"{type(one).__name__}: {one}" for one in leaves(error)]
    return found


def _judge(
    root: Path,
    server: Pop3Server,
    box: Box,
    mail: Mail,
    promised: dict[int, bytes],
    found: Verdict,
    *,
    delete: bool,
) -> None:
    with Writer(root):
        pass
    found.unclean += [f"verify: {one.what}" for one in damages(root)]
    ledger = _ledger(root)
    held = octets_of(root)
    ids = {hashlib.sha256(octets).digest() for octets in held}
    for number, identity in promised.items():
        row = ledger.get(number)
        if identity not in ids or row is None or row[2] != identity:
            found.lost.append(f"acknowledged: ledger number {number}, {identity.hex()[:12]}")
    on_server = box.held()
    for uidl, octets in mail.items():
        if uidl not in on_server and hashlib.sha256(octets).digest() not in ids:
            found.lost.append(f"deleted from the server and not in the archive: {uidl!r}")
    found.doubled += _doubled(root, held)
    kept = {uidl for uidl, fate, _ in ledger.values() if fate in _KEPT}
    before = len(server.asked("RETR"))
    result = _pull(root, server, delete=delete)
    if result.outcome != DONE:
        found.unclean.append(f"pull: {result.error}")
    fetched = len(server.asked("RETR")) - before
    missing = len(on_server - kept)
    if fetched > missing:
        found.doubled.append(f"{missing} were missing, and {fetched} were fetched")
    _complete(root, mail, found)
    if delete and box.held():
        found.unclean.append(f"{len(box.held())} messages stay on the server")


def _left(root: Path) -> list[Path]:
    """What killed pulls have left and nothing would be missed without. Its own octets that are no frame
    keep a pack for a person to look at."""
    archive = layout.open_layout(root)
    with Reader(root) as reader:
        return [
            archive.pack(number)
            for number in unnamed.without_parity(archive, packlist.counting(archive))
            if not unnamed.look(archive, number, reader).damaged
        ]


_KEPT = (Fate.ARCHIVED, Fate.DUPLICATE, Fate.DELETED)


def _complete(root: Path, mail: Mail, found: Verdict) -> None:
    """After one more pull all that ever was on the server is there, once, and is found."""
    held = octets_of(root)
    whole = set(mail.values())
    found.lost += [f"never came: {one[:60]!r}" for one in whole - set(held)]
    found.doubled += _doubled(root, held)
    found.doubled += [f"never sent: {one[:60]!r}" for one in set(held) - whole]
    fates = {uidl: fate for uidl, fate, _ in _ledger(root).values()}
    found.lost += [f"no fate: {uidl!r}" for uidl in mail if fates.get(uidl) not in _KEPT]
    found.unclean += [f"verify after the pull: {one.what}" for one in damages(root)]
    found.unclean += [f"nobody removed {path}" for path in _left(root)]
    with Searcher(root / "catalog.sqlite", root / "search.sqlite") as searcher:
        if (hits := searcher.count("hello")) != len(whole):
            found.unclean.append(f"a search finds {hits} of {len(whole)}")


def _ledger(root: Path) -> dict[int, tuple[bytes, Fate, bytes | None]]:
    """UIDL, fate and message id by ledger number."""
    with contextlib.closing(sqlite3.connect(root / "catalog.sqlite")) as connection:
        rows = connection.execute(
            "SELECT u.id, u.uidl, u.fate, m.sha256 FROM uidls u LEFT JOIN messages m ON m.id = u.message"
        ).fetchall()
    return {
        key: (uidl.encode("latin-1"), Fate(fate), identity) for key, uidl, fate, identity in rows
    }


def _doubled(root: Path, held: list[bytes]) -> list[str]:
    found = [f"{one[:60]!r}" for one, times in Counter(held).items() if times > 1]
    with contextlib.closing(sqlite3.connect(root / "catalog.sqlite")) as connection:
        for table, what in (
            ("uidls", "account, uidl"),
            ("blobs", "sha256"),
            ("messages", "sha256"),
        ):
            query = f"SELECT count(*), {what} FROM {table} GROUP BY {what} HAVING count(*) > 1"
            found += [f"{table}: {row}" for row in connection.execute(query)]
    return found


def _pull(root: Path, server: Pop3Server, *, delete: bool) -> Result:
    job = Job(
        "anna",
        Endpoint(server.host, server.port, TlsMode.NONE, True),
        Login("anna", lambda: SECRET),
        Policy(0) if delete else Policy(),
        Timeouts(30, 30, 30),
    )
    with Writer(root) as writer:
        opened: Future[Writer] = Future()
        opened.set_result(writer)
        puller = Puller(
            opened, Options(), _Nobody(), lambda _: None, Memory(root / "no such directory")
        )
        (result,) = asyncio.run(puller.pull([job]))
    return result
