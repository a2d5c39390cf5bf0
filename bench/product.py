"""poparchive as its users meet it: a configuration, an archive, commands.

Everything goes through the commands that are documented, so that nothing in the product can know
that it is measured. What is proved here after each pull costs none of the measured time.
"""

import contextlib
import hashlib
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.mailbox import Mailboxes
from bench.measure import BenchError, Command, Skipped, octets_of, text_of
from bench.peers import private
from bench.samples import sampled
from bench.servers import Endpoint
from poparchive.model import Fate

PROJECT = Path(__file__).resolve().parents[1]
CONNECTIONS = 50
SAMPLES = 5
DATABASES = ("catalog.sqlite", "search.sqlite")
"""The beginnings of the names of what can be made again; everything else is what is kept."""


def program() -> list[str]:
    """How to start poparchive: as installed beside this Python, else from the checkout."""
    installed = Path(sys.executable).with_name("poparchive")
    if installed.exists():
        return [str(installed)]
    return [sys.executable, "-c", "from poparchive.cli.main import main; main()"]


class Poparchive:
    """poparchive, set up in a place of its own; a ``Puller`` like its peers."""

    name = "poparchive"

    def check(self, place: Path) -> None:
        """It is the one thing that cannot be missing."""

    def prepare(self, place: Path, endpoint: Endpoint) -> Command:
        make_archive(place, configuration(place, endpoint))
        return command(place, "pull")

    def kept(self, place: Path) -> int | None:
        with catalog(place) as database:
            settled = (Fate.ARCHIVED, Fate.DUPLICATE)
            query = "SELECT count(*) FROM uidls WHERE fate IN (?, ?)"
            count: int = database.execute(query, settled).fetchone()[0]
        return count


def command(place: Path, *arguments: str) -> Command:
    """A poparchive command on the configuration and the archive in ``place``."""
    options = ["--config", str(place / "config.toml"), "--archive", str(archive(place))]
    return Command([*program(), *options, *arguments], env={"PYTHONPATH": str(PROJECT)})


def archive(place: Path) -> Path:
    return place / "archive"


def configuration(place: Path, endpoint: Endpoint | None) -> str:
    lines = [
        f'archive = "{archive(place)}"',
        "[limits]",
        f"connections = {CONNECTIONS}",
        f"connections_per_host = {CONNECTIONS}",
    ]
    if endpoint:
        password = private(place / "password", endpoint.password + "\n")
        lines += [
            "[defaults]",
            f'host = "{endpoint.host}"',
            f"port = {endpoint.port}",
            f'password = {{ file = "{password}" }}',
            'tls = "none"',
            # As its peers log in here; by itself it takes SCRAM, which has more to say and to compute.
            'auth = "user"',
            "allow_insecure = true",
        ]
        for user in endpoint.users:
            lines += [f"[accounts.{user}]", f'user = "{user}"']
    return "\n".join(lines) + "\n"


def make_archive(place: Path, configuration: str) -> None:
    """Make an archive as a new user does: ``init``, then write the configuration."""
    text_of(command(place, "init"))
    private(place / "config.toml", configuration)


def ingest(place: Path, maildirs: Path) -> Command:
    """The process that takes every message below ``maildirs`` into the archive in ``place``."""
    argv = [sys.executable, "-m", "bench.ingest", str(archive(place)), str(maildirs)]
    return Command(argv, env={"PYTHONPATH": str(PROJECT)})


@contextlib.contextmanager
def catalog(place: Path) -> Iterator[sqlite3.Connection]:
    """The catalog, read as it lies on disk."""
    path = archive(place) / DATABASES[0]
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        yield database


def check_contents(place: Path, mail: Mailboxes, *, from_files: bool = False) -> None:
    """Raise ``BenchError`` unless samples of the mail are found by their text and come back."""
    for sample in sampled(mail, SAMPLES, seed=7):
        digest = sample.file_digest if from_files else sample.digest
        options = ("--ids", "--all-copies", "--limit", "1000")
        found = text_of(command(place, "search", f'"{sample.phrase}"', *options))
        if digest not in found:
            raise BenchError(f"poparchive does not find a message by {sample.phrase!r}")
        shown = octets_of(command(place, "show", digest, "--raw"))
        if hashlib.sha256(shown).hexdigest() != digest:
            raise BenchError(f"poparchive shows other octets than it was given: {digest}")


def kept_octets(place: Path) -> int:
    """The octets of all messages that the archive keeps, each counted for each UIDL that had it."""
    with catalog(place) as database:
        query = "SELECT sum(m.size_bytes) FROM uidls u JOIN messages m ON m.id = u.message"
        total: int = database.execute(query).fetchone()[0]
    return total


def sizes(place: Path) -> tuple[int, int]:
    """Octets on disk: of what is kept, and of both databases."""
    kept = databases = 0
    for path in archive(place).rglob("*"):
        if path.is_file():
            size = path.stat().st_size
            if path.name.startswith(DATABASES):
                databases += size
            else:
                kept += size
    return kept, databases


def store_sizes(place: Path) -> tuple[int, int]:
    """Octets on disk: of packs and journal, which are the archive, and of the parity beside them."""
    store = parity = 0
    for below in ("packs", "journal"):
        for path in (archive(place) / below).rglob("*"):
            size = path.stat().st_size if path.is_file() else 0
            if path.suffix == ".parity":
                parity += size
            else:
                store += size
    return store, parity


def optimizer(place: Path) -> Command:
    """The command that makes the store small; raises ``Skipped`` where there is none."""
    asked = replace(command(place, "optimize", "--help"), accepted=(0, 2))
    # A command that is not known ends with 2, and says so on standard error only.
    if not text_of(asked):
        raise Skipped("no optimize")
    return command(place, "optimize")
