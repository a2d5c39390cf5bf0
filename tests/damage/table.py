"""Damages a small archive at random, again and again, and counts what verify, readers and repair make of it.

    python -m tests.damage.table [COUNT [SEED]]

writes the table into ``docs/durability.md``. Exits with 1 if a damage was not found, was served, or was
not healed where it could be; standard error says which. Each damage is one changed octet, one cut, or one
block of zeros, in any file of the archive but ``archive.toml``; times of last change stay, as when a disk
forgets.
"""

import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from unittest.mock import patch

from poparchive.archive import framing
from poparchive.archive.optimize import optimize
from poparchive.archive.pace import Limits
from poparchive.archive.read import Reader
from poparchive.archive.repair import Needs, Repair
from poparchive.archive.verify import Damage, Kind
from poparchive.archive.writer import Writer
from poparchive.errors import PoparchiveError
from poparchive.index.damage import DATABASE_ERRORS
from poparchive.store import layout, parity
from poparchive.store.fsio import Lock
from tests.support import tables
from tests.support.archives import damages, octets_of, put
from tests.support.damage import mails

FILES = (
    "sealed pack",
    "optimized pack",
    "open pack",
    "parity",
    "journal",
    "catalog",
    "search index",
)
ALL = "all"
PAGE, MAKER = tables.DOCS / "durability.md", "tests.damage.table"
PIECE = 100
"""So many damages are one process's work at a time."""
PACKS = FILES[:3]
HOWS = ("octet", "octet", "octet", "cut", "zeros")
COLUMNS = ("damaged", "detected", "wrong octets served", "healed", "named")
_ZEROS = (16, 512, 4096)


@dataclass(frozen=True, slots=True)
class Change:
    """One damage: which file, and how."""

    kind: str
    path: Path
    how: str
    at: int
    octets: bytes

    def __str__(self) -> str:
        return f"{self.how} at {self.at} of {self.path}"


@dataclass(slots=True)
class Table:
    """What came of the damages, by kind of file."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """What must not be: damage that was not found, octets that are not a message's, a repair that failed."""

    def __str__(self) -> str:
        lines = [tables.row("file", *COLUMNS), tables.row(*["---"] * (1 + len(COLUMNS)))]
        for kind in (*FILES, ALL):
            kinds = FILES if kind == ALL else (kind,)
            numbers = [sum(self.counts[one, column] for one in kinds) for column in COLUMNS]
            lines.append(tables.row(kind, *map(str, numbers)))
        return "\n".join(lines)


class Subject:
    """The archive: two accounts, sealed packs with parity, some of them by optimize, and an open one; frames
    of either codec."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "archive"
        self.layout = layout.create(self.root)
        self._put(0, 9, "office")
        optimize(self.root, Limits(), lambda *_: None, pack_bytes=6_000, frame_bytes=1_000)
        self.optimized = self.layout.packs()
        self._put(9, 45, "anna")
        self.sealed = self.layout.packs()[len(self.optimized) : -1]
        self.open = self.layout.packs()[-1]
        for number in self.sealed:
            parity.make(self.layout, number)
        self.messages = octets_of(self.root)
        # The hashes of the databases are taken by the first run that finds nothing.
        assert damages(self.root) == []
        self.tidy()
        self._files = {
            path: (path.read_bytes(), path.stat().st_mtime_ns)
            for path in self.root.rglob("*")
            if path.is_file()
        }

    def _put(self, first: int, last: int, account: str) -> None:
        """Take in mail, in small frames and packs."""
        with (
            patch.object(framing, "FRAME_BYTES", 3000),
            Writer(self.root, pack_bytes=6000) as writer,
        ):
            for one in range(first, last, 3):
                put(writer, mails(one, one + 3), account=account)

    def of(self, kind: str) -> list[Path]:
        """The files of a kind."""
        return {
            "sealed pack": [self.layout.pack(n) for n in self.sealed],
            "optimized pack": [self.layout.pack(n) for n in self.optimized],
            "open pack": [self.layout.pack(self.open)],
            "parity": [self.layout.parity(n) for n in (*self.optimized, *self.sealed)],
            "journal": [self.layout.journal(1)],
            "catalog": [self.layout.catalog],
            "search index": [self.layout.search],
        }[kind]

    def change(self, chance: random.Random) -> Change:
        """Choose a damage that changes something."""
        while True:
            kind, how = chance.choice(FILES), chance.choice(HOWS)
            path = chance.choice(self.of(kind))
            octets = bytearray(self._files[path][0])
            at = chance.randrange(len(octets))
            if how == "octet":
                octets[at] ^= chance.randrange(1, 256)
            elif how == "cut":
                del octets[at:]
            else:
                size = chance.choice(_ZEROS)
                at -= at % size
                octets[at : at + size] = bytes(len(octets[at : at + size]))
            if octets != self._files[path][0]:
                return Change(kind, path, how, at, bytes(octets))

    def apply(self, change: Change) -> None:
        change.path.write_bytes(change.octets)
        moment = self._files[change.path][1]
        os.utime(change.path, ns=(moment, moment))

    def restore(self) -> None:
        """Make the archive what it was."""
        self.tidy()
        for path in self.root.rglob("*"):
            if path.is_file() and path not in self._files:
                path.unlink()
        for path, (octets, moment) in self._files.items():
            if (
                not path.exists()
                or path.stat().st_mtime_ns != moment
                or path.read_bytes() != octets
            ):
                path.write_bytes(octets)
                os.utime(path, ns=(moment, moment))

    def tidy(self) -> None:
        """Remove what readers of the databases leave."""
        for name in ("catalog", "search"):
            for suffix in ("-wal", "-shm"):
                (self.root / f"{name}.sqlite{suffix}").unlink(missing_ok=True)

    def unreadable(self) -> Iterator[bytes | None]:
        """Read all messages; yield the ids of those that cannot be read, None for octets that are none."""
        try:
            with Reader(self.root) as reader:
                for located in reader.lookup.stored_order():
                    try:
                        octets = b"".join(reader.octets(located))
                    except PoparchiveError:
                        yield located.id
                    else:
                        if octets not in self.messages:
                            yield None
        except (PoparchiveError, *DATABASE_ERRORS):
            return

    def repair(self, found: list[Damage]) -> None:
        needs = Needs()
        for damage in found:
            needs.add(damage)
        with Lock(self.layout.lock) as lock:
            Repair(self.layout, lock, None, None, lambda _: None).run(needs)


def run(subject: Subject, chance: random.Random, count: int, table: Table) -> None:
    """Do it ``count`` times."""
    for _ in range(count):
        change = subject.change(chance)
        subject.apply(change)
        try:
            _one(subject, change, table)
        except Exception as error:
            # Whatever it is: no damage may end a command like this.
            table.wrong.append(f"{type(error).__name__}: {error}: {change}")
        finally:
            subject.restore()


def _one(subject: Subject, change: Change, table: Table) -> None:
    def count(column: str) -> None:
        table.counts[change.kind, column] += 1

    count("damaged")
    found = damages(subject.root)
    if found:
        count("detected")
    else:
        table.wrong.append(f"not detected: {change}")
    lost = list(subject.unreadable())
    if None in lost:
        count("wrong octets served")
        table.wrong.append(f"wrong octets: {change}")
    named = {d.identity for d in found if d.kind is Kind.MESSAGE}
    if change.kind in PACKS and named != set(lost):
        table.wrong.append(f"{len(lost)} messages lost and {len(named)} named: {change}")
    subject.repair(found)
    left = damages(subject.root)
    if not left and sorted(octets_of(subject.root)) == sorted(subject.messages):
        count("healed")
    elif change.kind in ("open pack", "journal"):
        # Of what is not sealed there is no parity, and of the journal neither.
        count("named")
        if not left or {d.identity for d in left if d.kind is Kind.MESSAGE} != set(lost):
            table.wrong.append(f"not named after the repair: {change}")
    else:
        table.wrong.append(f"not healed: {change}: {left[:2]}")


def piece(seed: int, number: int, count: int) -> Table:
    """Some of the damages, in a process of its own."""
    table = Table()
    with tempfile.TemporaryDirectory() as directory:
        run(Subject(Path(directory)), random.Random(f"{seed} {number}"), count, table)
    return table


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    sizes = [min(PIECE, count - at) for at in range(0, count, PIECE)]
    whole = Table()
    cores = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
        pieces = [pool.submit(piece, seed, *one) for one in enumerate(sizes)]
        for done, future in enumerate(as_completed(pieces), 1):
            table = future.result()
            whole.counts += table.counts
            whole.wrong += table.wrong
            sys.stderr.writelines(f"    {line}\n" for line in table.wrong)
            sys.stderr.write(f"{min(done * PIECE, count)} of {count}\n")
    tables.put(PAGE, MAKER, str(whole))
    sys.exit(bool(whole.wrong))


if __name__ == "__main__":
    main()
