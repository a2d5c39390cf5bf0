"""Plays a scene again and again, each time with another fault, and judges what it leaves."""

import contextlib
import copy
import functools
import hashlib
import random
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from poparchive.demo.server import Pop3Server, running
from tests.support.faults.judge import Box, Mail, Verdict, acknowledged, judge
from tests.support.faults.powerloss import Disk, Luck, State, put_down
from tests.support.faults.runner import Runner
from tests.support.faults.scenes import Scene
from tests.support.faults.shim import How, Operation, Orders
from tests.support.product import Product, product

_MEMORY = Path("/dev/shm")
_ADVICE = re.compile(
    r"run the command again|make room|poparchive rebuild|look at the (disk|device)"
)
_PROGRAM = re.compile(r"Traceback|this is a bug|Error\(|Exception ignored|sqlalche|sqlite3\.")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one fault led to. ``where`` says which; ``words`` what is wrong with what the command said."""

    where: str
    verdict: Verdict
    words: str = ""


@dataclass(slots=True)
class Played:
    """A run without faults: its operations, and when the server deleted what."""

    disk: Disk
    """As it was before the first of them."""
    operations: list[Operation]
    deleted: list[tuple[int, bytes]] = field(default_factory=list)


class Stage:
    """A scene with its server and its archive. Made by ``staged``."""

    def __init__(
        self, scene: Scene, runner: Runner, server: Pop3Server, box: Box, room: Path
    ) -> None:
        self._scene = scene
        self._runner = runner
        self._server = server
        self._box = box
        self._room = room
        self._mail = scene.mail()
        self._orders_at = room / "orders"
        self._orders_at.mkdir()
        account: dict[str, object] = {"host": "127.0.0.1", "port": server.port}
        self._keeping = self._product("keeping", account)
        self._product_of_scene = self._keeping
        if scene.delete:
            deleting = account | {"leave_on_server": "delete"}
            self._product_of_scene = self._product("deleting", deleting)
        self._template = room / "template"
        self._judged: dict[bytes, Verdict] = {}
        scene.make(self)
        shutil.move(self.archive, self._template)

    def _product(self, name: str, account: dict[str, object]) -> Product:
        directory = self._room / name
        directory.mkdir()
        return product(directory, {"anna": account}, tls="none", allow_insecure=True)

    @property
    def archive(self) -> Path:
        """The archive that the scene's ``make`` works on."""
        return self._keeping.archive

    def pull(self, mail: Mail, how: How = How.NOTHING, at: int = 0) -> int:
        """For ``make``: pull ``mail`` into the archive, killed if so ordered; return the exit code."""
        self._box.restock(mail)
        orders = Orders.given(self.archive, self._orders_at, how, at)
        code, said = self._runner.run(orders, ["--config", str(self._keeping.config), "pull"])
        assert how is not How.NOTHING or not code, said
        self._server.wait_idle(30)
        return code

    def _play(self, how: How, at: int) -> tuple[Disk, Orders, int, str]:
        made = self._product_of_scene
        shutil.rmtree(made.archive, ignore_errors=True)
        shutil.copytree(self._template, made.archive)
        disk = Disk(made.archive)
        self._box.restock(self._mail)
        self._server.log.clear()
        return disk, *self._run(how, at)

    def _run(self, how: How, at: int) -> tuple[Orders, int, str]:
        """Run the command on the archive and the mailbox as they are."""
        made = self._product_of_scene
        orders = Orders.given(made.archive, self._orders_at, how, at)
        self._box.clock = lambda: orders.finished
        arguments = ["--config", str(made.config), *self._scene.arguments]
        code, said = self._runner.run(orders, arguments, helper=self._scene.helper)
        self._server.wait_idle(30)
        return orders, code, said

    def play(self) -> Played:
        """Play the scene without a fault."""
        disk, orders, code, said = self._play(How.NOTHING, 0)
        assert not code, said
        return Played(disk, orders.operations(), list(self._box.deleted))

    def play_again(self, how: How, at: int) -> Played | None:
        """Play it with a fault, and then once more without; return the second run, on the disk as the first
        left it: what that had not synced may still be lost. None if the first was over before."""
        disk, orders, _, _ = self._play(how, at)
        if not orders.hits:
            return None
        for operation in orders.operations():
            disk.apply(operation)
        before = [(0, uidl) for _, uidl in self._box.deleted]
        self._box.deleted = []
        orders, code, said = self._run(How.NOTHING, 0)
        assert not code, said
        return Played(disk, orders.operations(), before + self._box.deleted)

    def spoil(self, how: How, at: int) -> Outcome | None:
        """Play it with a fault at an operation; None if it was over before."""
        disk, orders, code, said = self._play(how, at)
        if not orders.hits:
            return None
        for operation in orders.operations():
            disk.apply(operation)
        archive = self._product_of_scene.archive
        verdict = self._judge_once(archive, disk)
        words = ""
        if how not in (How.KILL, How.TORN):
            words = self._wrong_words(code, said)
        elif code >= 0:
            words = f"exit code {code} of a process that was killed"
        return Outcome(f"{how.name} at {at}", verdict, words)

    def _judge_once(self, archive: Path, disk: Disk) -> Verdict:
        """Judge what a run has left; a verdict on the same octets, mail and promises holds again. A command
        that fails and cleans up behind itself leaves the same for many faults."""
        digest = hashlib.sha256(
            repr((sorted(self._box.held()), sorted(self._promises(disk).items()))).encode()
        )
        for path in sorted(archive.rglob("*")):
            about = path.lstat()
            octets = path.read_bytes() if path.is_file() else b""
            name = str(path.relative_to(archive))
            digest.update(repr((name, about.st_mode, len(octets))).encode() + octets)
        key = digest.digest()
        if key not in self._judged:
            self._judged[key] = self._judge(archive, disk)
        return self._judged[key]

    def _promises(self, disk: Disk) -> dict[int, bytes]:
        description = (self._template / "archive.toml").read_bytes()
        return _promised(tuple(sorted(disk.synced("journal").items())), description)

    def _judge(self, archive: Path, disk: Disk) -> Verdict:
        promised = self._promises(disk)
        return judge(
            archive, self._server, self._box, self._mail, promised, delete=self._scene.delete
        )

    def _wrong_words(self, code: int, said: str) -> str:
        if _PROGRAM.search(said):
            return f"speaks of the program: {said}"
        if code == 0:
            # The command did without what failed. Whether it could is for the verdict to say.
            return ""
        # SQLite tells some errors of a device as a lock.
        if code not in (1, 75):
            return f"exit code {code}: {said}"
        # A reader's error comes from SQLite, which does not say which of its files it was.
        if str(self._product_of_scene.archive) not in said and "catalog.sqlite" not in said:
            return f"names no file: {said}"
        return "" if _ADVICE.search(said) else f"says not what to do: {said}"

    def power_losses(self, played: Played, at: Iterable[int], tries: int) -> Iterator[Outcome]:
        """Let the power go after each of these numbers of operations of a run, in the extreme ways and in
        ``tries`` others; states that were judged already are passed over."""
        wanted = set(at)
        seen: set[bytes] = set()
        disk = copy.deepcopy(played.disk)
        for operation in (None, *played.operations):
            if operation:
                disk.apply(operation)
            number = operation.number if operation else 0
            if number not in wanted:
                continue
            gone = {uidl for when, uidl in played.deleted if when <= number}
            lucks = [Luck.NONE, Luck.ALL, *[Luck.ALL_BUT_ONE, Luck.ANY] * tries, Luck.ZEROS]
            for turn, luck in enumerate(lucks):
                state = disk.crash(luck, random.Random(f"{self._scene.name} {number} {turn}"))
                digest = _digest(state, gone)
                if digest in seen:
                    continue
                seen.add(digest)
                where = f"power loss after {number}, turn {turn}: {luck.value}"
                yield Outcome(where, self._judge_state(state, disk, gone))

    def _judge_state(self, state: State, disk: Disk, gone: set[bytes]) -> Verdict:
        with tempfile.TemporaryDirectory(dir=self._room) as scratch:
            archive = Path(scratch) / "archive"
            put_down(state, archive)
            self._box.clock = lambda: 0
            self._box.restock({u: one for u, one in self._mail.items() if u not in gone})
            self._server.log.clear()
            verdict = self._judge(archive, disk)
            self._server.wait_idle(30)
            return verdict


@functools.lru_cache(maxsize=8)
def _promised(journals: tuple[tuple[str, bytes], ...], description: bytes) -> dict[int, bytes]:
    return acknowledged(dict(journals), description)


def _digest(state: State, gone: set[bytes]) -> bytes:
    digest = hashlib.sha256(repr(sorted(gone)).encode())
    for name, octets in state.items():
        if not name.startswith("spool/") and name != "lock":
            digest.update(f"{name} {-1 if octets is None else len(octets)} ".encode())
            digest.update(octets or b"")
    return digest.digest()


@contextlib.contextmanager
def staged(scene: Scene, runner: Runner) -> Iterator[Stage]:
    """Set a scene up, in memory if there is room for files there."""
    box = Box()
    place = _MEMORY if _MEMORY.is_dir() else None
    with (
        tempfile.TemporaryDirectory(dir=place, prefix="poparchive-faults-") as room,
        running(Pop3Server({"anna": box})) as server,
    ):
        yield Stage(scene, runner, server, box, Path(room).resolve())
