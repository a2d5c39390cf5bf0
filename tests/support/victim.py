"""An archive that holds mail already and pulls, in this process, from servers that mean no good."""

import asyncio
import ssl
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from poparchive.archive.writer import Writer
from poparchive.demo.behaviour import Behaviour
from poparchive.demo.mailbox import Content, Mailbox
from poparchive.demo.server import Pop3Server, running
from poparchive.model import Fate
from poparchive.pop3 import Endpoint, Login, Timeouts, TlsMode
from poparchive.sync.memory import Memory
from poparchive.sync.plan import Policy
from poparchive.sync.pull import Job, Options, Puller
from poparchive.sync.result import Result
from tests.support.archives import damages, fill, octets_of, rows

SECRET = "dont-tell-anybody"
PATIENT = Timeouts(30, 30, 30)
"""Nothing that a test does right waits so long."""
IMPATIENT = Timeouts(30, 0.3, 0.3)
"""For servers that never answer."""


def mails(count: int, first: int = 1) -> list[bytes]:
    """Small ones, all different."""
    return [
        b"From: anna@example.com\r\nSubject: number %d\r\n\r\nHello %d\r\n" % (n, n)
        for n in range(first, first + count)
    ]


BEFORE = mails(3, first=1000)
"""What the archive holds before anything bad happens."""


@contextmanager
def serving(
    contents: Sequence[bytes | Content],
    *behaviours: Behaviour,
    tls: ssl.SSLContext | None = None,
    implicit_tls: bool = False,
) -> Iterator[Pop3Server]:
    """A server with one mailbox; a behaviour for each session, the last for all that follow."""
    boxes = {"anna": Mailbox(contents, password=SECRET)}
    with running(
        Pop3Server(boxes, behaviour=behaviours, tls=tls, implicit_tls=implicit_tls)
    ) as server:
        yield server


class _Nobody:
    def planned(self, name: str, messages: int, octets: int) -> None: ...
    def received(self, name: str, octets: int) -> None: ...
    def ended(self, result: Result) -> None: ...


@dataclass(frozen=True, slots=True)
class Victim:
    """The archive below ``root``."""

    root: Path

    @classmethod
    def made(cls, root: Path) -> "Victim":
        fill(root, BEFORE)
        return cls(root)

    def pull(
        self,
        server: Pop3Server,
        *,
        auth: str = "user",
        policy: Policy | None = None,
        timeouts: Timeouts = PATIENT,
        tls: TlsMode = TlsMode.NONE,
        fingerprint: str | None = None,
        context: ssl.SSLContext | None = None,
        memory: Memory | None = None,
    ) -> Result:
        """Pull once, as the user whose mailbox the server has; with ``memory`` as one of many pulls."""
        insecure = tls is TlsMode.NONE
        job = Job(
            "anna",
            Endpoint(server.host, server.port, tls, insecure, fingerprint=fingerprint),
            Login("anna", lambda: SECRET, auth),
            policy or Policy(),
            timeouts,
        )
        with Writer(self.root) as writer:
            opened: Future[Writer] = Future()
            opened.set_result(writer)
            memory = memory or Memory(self.root / "no such directory")
            puller = Puller(opened, Options(), _Nobody(), lambda _: context, memory)
            (result,) = asyncio.run(puller.pull([job]))
        return result

    def fails(self, server: Pop3Server, *words: str, **how: object) -> Result:
        """Pull, which must fail with an error that says whose, where, and all of ``words``."""
        result = self.pull(server, **how)  # type: ignore[arg-type]
        for word in ("account anna", f"{server.host}:{server.port}", *words):
            assert word in result.error, (word, result.error)
        assert SECRET not in result.error
        assert result.error.isprintable()
        return result

    def holds(self, *more: bytes, perhaps: Sequence[bytes] = ()) -> None:
        """What it held, and ``more``, and nothing else but what is ``perhaps``; all of it sound."""
        held = [octets for octets in octets_of(self.root) if octets not in perhaps]
        assert sorted(held) == sorted([*BEFORE, *more])
        assert damages(self.root) == []

    def fates(self) -> list[Fate]:
        """Of what was listed since, in the order in which it was first listed."""
        found = sorted(
            rows(self.root / "catalog.sqlite")["uidls"], key=lambda row: int(str(row[0]))
        )
        return [Fate(int(str(row[4]))) for row in found][len(BEFORE) :]

    def reasons(self) -> list[str]:
        """Why, in the same order."""
        table = rows(self.root / "catalog.sqlite")["uidls"]
        return [str(row[-1]) for row in sorted(table, key=lambda row: int(str(row[0])))][3:]
