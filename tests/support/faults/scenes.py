"""Commands that write an archive, each with the state it begins in.

A further command is one more ``Scene`` in ``SCENES``: how its archive is made, and its arguments.
"""

import base64
import contextlib
import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from alembic.config import Config

from alembic import command
from poparchive.archive import packlist
from poparchive.index.engine import migrations
from poparchive.store import layout, tail
from tests.support.faults.judge import Mail
from tests.support.faults.shim import How


class Maker(Protocol):
    """What a scene's archive is made with: pulls of the command line, from a server that shows some mail."""

    @property
    def archive(self) -> Path: ...
    def pull(self, mail: Mail, how: How = How.NOTHING, at: int = 0) -> int: ...


def _text(number: int) -> bytes:
    return (
        b"From: anna@example.com\r\nSubject: number %d\r\nDate: Tue, 3 Nov 2026 10:%02d:00 +0000\r\n"
        b"\r\n%s\r\n" % (number, number, b"Hello %d, dear reader. " % number * 12)
    )


def _attachment(number: int, content: bytes) -> bytes:
    return (
        b"From: bert@example.com\r\nSubject: attached %d\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\n\r\nHello, see attached.\r\n'
        b"--x\r\nContent-Type: application/octet-stream; name=a.bin\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n%s--x--\r\n"
        % (number, base64.encodebytes(content).replace(b"\n", b"\r\n"))
    )


def mail() -> Mail:
    """Messages by UIDL: small ones, two with the same attachment, one that goes through the spool, and
    two that are equal."""
    dice = random.Random(7)
    contents = [_text(number) for number in range(12)]
    contents[3] = _attachment(3, shared := dice.randbytes(1_500))
    contents[6] = _attachment(6, shared)
    contents[8] = _attachment(8, dice.randbytes(12_000))
    contents.append(contents[1])
    return {b"uidl-%02d" % number: octets for number, octets in enumerate(contents)}


def more() -> Mail:
    """Those, behind so many others that few pages of the databases are in a log that a crash leaves."""
    dice = random.Random(8)
    words = [f"{dice.choice('bdfgklmnprst')}{dice.choice('aeiou')}{at:x}" for at in range(3_000)]
    older = {
        b"older-%02d" % number: b"From: carl@example.com\r\nSubject: old %d\r\n\r\nHello %s\r\n"
        % (number, " ".join(dice.sample(words, 150)).encode())
        for number in range(40)
    }
    return older | mail()


def _some(whole: Mail, count: int) -> Mail:
    return dict(list(whole.items())[:count])


@dataclass(frozen=True, slots=True)
class Scene:
    """``make`` leaves the archive as the command finds it. ``delete``: the account's mail is deleted
    from the server. ``helper``: a process of its own reads the messages."""

    command: str
    about: str
    make: Callable[["Maker"], None]
    arguments: tuple[str, ...]
    mail: Callable[[], Mail] = mail
    """All that is on the server when the command starts."""
    delete: bool = False
    helper: bool = False

    @property
    def name(self) -> str:
        return f"{self.command}, {self.about}" if self.about else self.command


def _nothing(_: Maker) -> None:
    """The archive is empty."""


def _half(maker: Maker) -> None:
    maker.pull(_some(mail(), 5))


def _whole(maker: Maker) -> None:
    maker.pull(mail())


def _after_a_crash(maker: Maker) -> None:
    """Databases with what they hold still in their logs."""
    maker.pull(_some(more(), 43))
    code = maker.pull(more(), How.KILL, 130)
    assert code < 0, "the pull that was to be killed was not"


def _with_a_tail(maker: Maker) -> None:
    """Whole frames stand behind the end of the open pack: pulls were killed between packs and journal."""
    maker.pull(_some(mail(), 9))
    for at in range(40, 200, 2):
        assert maker.pull(mail(), How.KILL, at) < 0, "no killed pull left what it was to leave"
        if _has_a_tail(layout.open_layout(maker.archive)):
            return


def _has_a_tail(archive: layout.Layout) -> bool:
    for number, state in packlist.counting(archive).items():
        path = archive.pack(number)
        with path.open("rb") as file:
            size = path.stat().st_size
            if not state.sealed and tail.survey(file.fileno(), state.length, size, path).objects:
                return True
    return False


def _old_catalog(maker: Maker) -> None:
    """A catalog from before the first migration, as the real migration leaves it."""
    maker.pull(mail())
    config = Config()
    config.set_main_option("script_location", str(migrations()).replace("%", "%%"))
    config.attributes["url"] = f"sqlite:///{maker.archive}/catalog.sqlite"
    command.downgrade(config, "base")


def _old_index(maker: Maker) -> None:
    maker.pull(mail())
    with contextlib.closing(sqlite3.connect(f"{maker.archive}/search.sqlite")) as index:
        index.execute("PRAGMA user_version = 1")


SCENES = {
    scene.name: scene
    for scene in (
        Scene("pull", "the first", _nothing, ("pull",)),
        Scene("pull", "deleting", _half, ("pull",), delete=True),
        Scene("pull", "deleting, with a helper", _half, ("pull",), delete=True, helper=True),
        Scene("pull", "after a crash, deleting", _with_a_tail, ("pull",), delete=True),
        Scene("optimize", "", _whole, ("optimize",)),
        Scene("rebuild", "", _whole, ("rebuild",)),
        Scene("rebuild", "after a crash", _after_a_crash, ("rebuild",), more),
        Scene("rebuild", "--search-only", _after_a_crash, ("rebuild", "--search-only"), more),
        Scene("migrate", "catalog", _old_catalog, ("pull",)),
        Scene("migrate", "search index", _old_index, ("pull",)),
    )
}
