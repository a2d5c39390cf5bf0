"""optimize changes where octets stand, and nothing else; cut at any point it loses nothing."""

import contextlib
import itertools
import random
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from poparchive.archive import packlist
from poparchive.archive.optimize import Outcome, _Run, optimize
from poparchive.archive.pace import Limits, Pace
from poparchive.archive.read import Reader
from poparchive.archive.rebuild import rebuild
from poparchive.archive.repair import Needs, Repair
from poparchive.archive.source import Source
from poparchive.archive.tightpack import TightPack
from poparchive.archive.writer import Writer
from poparchive.errors import TryLaterError
from poparchive.index.fulltext import is_merged
from poparchive.index.lookup import Lookup
from poparchive.store import layout
from poparchive.store.errors import DamageError, StoreError
from poparchive.store.fsio import Lock
from poparchive.store.journal import JournalEntry, JournalWriter
from poparchive.store.pack import PackWriter
from poparchive.store.recipe import encode_base64
from poparchive.store.records import PackRecord, Record, Sealed
from tests.store.escape_hatch import Archive
from tests.support.archives import damages, fill, lasting, octets_of, put, rows
from tests.support.edge_mails import EDGE_MAILS
from tests.support.product import product

FRAME_BYTES = 20_000
PACK_BYTES = 60_000
PULL_PACK_BYTES = 8_000


def mail(number: int, account: str = "anna") -> bytes:
    """A mail of a list: its text and file are shared by others, the first fields are the account's."""
    chance = random.Random(number)
    words = " ".join(chance.choice(["invoice", "meeting", "zebra", "order"]) for _ in range(400))
    shared = random.Random(number % 3).randbytes(1500)
    return (
        b"Delivered-To: %s@example.com\r\nReceived: by %s id %s\r\nMessage-ID: <%d@list.example>\r\n"
        b"Subject: Number %d\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n%s\r\n--b\r\n"
        b"Content-Type: application/x-thing\r\n\r\n%s\r\n--b--\r\n"
        % (
            account.encode(),
            account.encode(),
            chance.randbytes(6).hex().encode(),
            number,
            number,
            words.encode(),
            shared.hex().encode(),
        )
    )


def made(root: Path, *, pulls: int = 2) -> list[bytes]:
    """An archive of several small packs, some sealed; returns what is in it."""
    if not root.exists():
        layout.create(root)
    mails = [octets for _, octets in EDGE_MAILS]
    for pull in range(pulls):
        for account in ("anna", "office", "shop"):
            new = [mail(n, account) for n in range(pull * 5, pull * 5 + 5)]
            mails += new
            with Writer(root, pack_bytes=PULL_PACK_BYTES) as writer:
                put(writer, new, account=account)
    with Writer(root, pack_bytes=PULL_PACK_BYTES) as writer:
        put(writer, [octets for _, octets in EDGE_MAILS])
    return sorted(set(mails))


def run(root: Path, limits: Limits | None = None) -> Outcome:
    return optimize(
        root,
        limits or Limits(),
        lambda *_: None,
        pack_bytes=PACK_BYTES,
        frame_bytes=FRAME_BYTES,
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "archive"


def test_octets_and_rows_stay(root: Path) -> None:
    """Every message comes back; the catalog differs in places alone, and made again it is equal."""
    mails = made(root)
    before = rows(root / "catalog.sqlite")
    outcome = run(root)
    assert outcome.damages == []
    assert outcome.after_bytes < outcome.before_bytes
    assert octets_of(root) != mails
    assert sorted(octets_of(root)) == mails
    assert damages(root) == []
    after = rows(root / "catalog.sqlite")
    for table in ("uidls", "runs", "accounts", "parts"):
        assert before[table] == after[table]
    assert {how for _, _, how in after["packs"]} == {Sealed.TIGHTLY}
    rebuild(layout.open_layout(root))
    assert rows(root / "catalog.sqlite") == after
    assert sorted(octets_of(root)) == mails


def test_the_page_is_enough_to_read_it(root: Path) -> None:
    """What optimize writes is what the format's page says."""
    mails = made(root)
    run(root)
    with Writer(root) as writer:
        put(writer, [mail(1000)])
    assert sorted(octets for _, octets in Archive(root).messages()) == sorted([*mails, mail(1000)])


def test_copies_stand_together(root: Path) -> None:
    """One mail in many accounts takes little more than in one, for its copies are neighbours."""
    made(root)
    run(root)
    lookup = Lookup(root / "catalog.sqlite")
    placed = lookup.connection.execute(
        'SELECT message_id_hash FROM messages WHERE message_id_hash ORDER BY pack, frame, "offset"'
    ).fetchall()
    lookup.close()
    copies = [row[0] for row in placed]
    pairs = sum(a == b for a, b in itertools.pairwise(copies))
    assert pairs == sum(n - 1 for n in Counter(copies).values())


def test_a_second_run_has_nothing_to_do(root: Path) -> None:
    """Packs that were made are not made again, until there is enough new mail beside them."""
    made(root)
    run(root)
    packs = layout.open_layout(root).packs()
    assert run(root).messages == 0
    assert layout.open_layout(root).packs() == packs


def test_pulls_go_on_in_packs_of_their_own(root: Path) -> None:
    """What comes after it, also what is known already, is kept, found and gathered by the next run."""
    mails = made(root)
    run(root)
    new = [mail(n, "anna") for n in range(25, 60)]
    fill(root, new)
    assert damages(root) == []
    run(root)
    assert damages(root) == []
    assert sorted(octets_of(root)) == sorted({*mails, *new})
    after = rows(root / "catalog.sqlite")
    rebuild(layout.open_layout(root))
    assert rows(root / "catalog.sqlite") == after


def test_the_entry_without_the_catalog(root: Path) -> None:
    """A catalog from before, as a backup may give back: it is brought up though the old packs are gone."""
    mails = made(root)
    before = (root / "catalog.sqlite").read_bytes()
    run(root)
    after = rows(root / "catalog.sqlite")
    (root / "catalog.sqlite").write_bytes(before)
    with Writer(root):
        pass
    assert rows(root / "catalog.sqlite") == after
    assert sorted(octets_of(root)) == mails
    assert damages(root) == []


def test_a_reader_that_looked_up_before_reads_after(root: Path) -> None:
    """Places that were looked up before the switch lead to the octets after it."""
    mails = made(root)
    with Reader(root) as reader:
        located = list(reader.lookup.stored_order())
        run(root)
        reader.forget()
        assert sorted(reader.raw(one) for one in located) == mails


def test_what_cannot_be_read_stays(root: Path) -> None:
    """A damaged frame is told and left where it is; everything else is moved, and nothing is dropped."""
    mails = made(root)
    pack = layout.open_layout(root).pack(2)
    octets = bytearray(pack.read_bytes())
    octets[len(octets) // 2] ^= 1
    pack.write_bytes(octets)
    outcome = run(root)
    assert outcome.damages
    assert pack.read_bytes() == octets
    octets[len(octets) // 2] ^= 1
    pack.write_bytes(octets)
    assert sorted(octets_of(root)) == mails
    assert run(root).damages == []
    assert not pack.exists()
    assert damages(root) == []


def _spoilt(path: Path) -> bytes:
    """Change an octet in the middle of a file; return what it was."""
    octets = path.read_bytes()
    at = len(octets) // 2
    path.write_bytes(octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :])
    return octets


def test_what_cannot_be_read_is_no_work_for_the_next_run(root: Path) -> None:
    """What can be moved is moved once. The rest is told by each run, which makes nothing anew, until the
    pack is whole again."""
    mails = made(root)
    where = layout.open_layout(root)
    pack = where.pack(2)
    whole = _spoilt(pack)
    first = run(root)
    assert first.messages
    packs = where.packs()
    assert 2 in packs
    for _ in range(2):
        again = run(root)
        assert again.messages == 0
        assert again.damages
        assert where.packs() == packs
    fill(root, [mail(700)])
    assert run(root).messages
    pack.write_bytes(whole)
    assert run(root).damages == []
    assert not pack.exists()
    assert sorted(octets_of(root)) == sorted([*mails, mail(700)])
    assert damages(root) == []


def test_a_pack_that_a_repair_gave_up(root: Path) -> None:
    """It is not sealed, and pulls go on in another: what can be read is moved, the rest told each time."""
    made(root)
    where = layout.open_layout(root)
    pack = where.pack(where.packs()[-1])
    at = [found.start() for found in re.finditer(b"PAFR", pack.read_bytes())][-1]
    octets = bytearray(pack.read_bytes())
    octets[at + 90] ^= 1
    pack.write_bytes(octets)
    readable = _readable(root)
    needs = Needs()
    for damage in damages(root):
        needs.add(damage)
    with Lock(where.lock) as lock:
        Repair(where, lock, None, None, lambda _: None).run(needs)
    first = run(root)
    assert first.messages
    assert any(str(pack) in one for one in first.damages)
    again = run(root)
    assert again.messages == 0
    assert any(str(pack) in one for one in again.damages)
    assert pack.read_bytes() == octets
    pack.rename(pack.with_suffix(".aside"))
    assert _readable(root) == readable


def _readable(root: Path) -> set[bytes]:
    found = set()
    with Reader(root) as reader:
        for message in reader.lookup.stored_order():
            with contextlib.suppress(DamageError):
                found.add(b"".join(reader.octets(message)))
    return found


@pytest.mark.parametrize("how", ["cut", "header", "last frame"])
def test_a_broken_open_pack(root: Path, how: str) -> None:
    """It is told and stays as it is, is not sealed with its damage, and all other packs are made anew."""
    mails = made(root)
    where = layout.open_layout(root)
    number = where.packs()[-1]
    pack = where.pack(number)
    whole = pack.read_bytes()
    match how:
        case "cut":
            pack.write_bytes(whole[:-30])
        case "header":
            pack.write_bytes(b"?" + whole[1:])
        case "last frame":
            pack.write_bytes(whole[:-30] + bytes([whole[-30] ^ 1]) + whole[-29:])
    broken = pack.read_bytes()
    outcome = run(root)
    assert any(str(pack) in damage and "--repair" in damage for damage in outcome.damages)
    assert outcome.messages
    assert pack.read_bytes() == broken
    assert run(root).messages == 0
    pack.write_bytes(whole)
    assert run(root).damages == []
    assert not pack.exists()
    assert sorted(octets_of(root)) == mails
    assert damages(root) == []


def test_when_the_time_is_up(root: Path) -> None:
    """What was copied by then counts, and the next run does the rest."""
    mails = made(root)
    outcome = run(root, Limits(time_s=0))
    assert outcome.out_of_time
    assert damages(root) == []
    assert sorted(octets_of(root)) == mails
    for _ in range(2):
        assert run(root, Limits(time_s=0)).out_of_time
    assert run(root).damages == []
    assert sorted(octets_of(root)) == mails
    rebuilt = rows(root / "catalog.sqlite")
    rebuild(layout.open_layout(root))
    assert rows(root / "catalog.sqlite") == rebuilt


def test_no_frame_begins_when_the_time_is_up(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is gathered by then makes one more, the pack is finished, and what is left is said to be."""
    mails = made(root, pulls=4)
    frames: list[TightPack] = []
    write = TightPack._write

    def counted(pack: TightPack) -> None:
        frames.append(pack)
        write(pack)

    monkeypatch.setattr(TightPack, "_write", counted)
    monkeypatch.setattr(Pace, "is_over", lambda _: bool(frames))
    outcome = run(root)
    assert outcome.out_of_time
    assert 0 < outcome.messages < len(mails)
    assert len(frames) == 2
    assert damages(root) == []


def test_all_was_moved_and_the_index_is_left(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is up between the two: it says so, and the next run merges, however short its time is."""
    made(root)
    assert not is_merged(root / "search.sqlite")
    over = False
    retire = _Run._retire

    def then_over(*arguments: Any) -> None:
        nonlocal over
        retire(*arguments)
        over = True

    monkeypatch.setattr(_Run, "_retire", then_over)
    monkeypatch.setattr(Pace, "is_over", lambda _: over)
    assert run(root).out_of_time
    assert not is_merged(root / "search.sqlite")
    outcome = run(root)
    assert (outcome.messages, outcome.out_of_time) == (0, False)
    assert is_merged(root / "search.sqlite")


def test_nothing_was_left_when_the_time_was_up(root: Path) -> None:
    """Then it is not said to be: whoever runs it until it is not comes to an end."""
    fill(root, [mail(1)])
    outcome = run(root, Limits(time_s=0))
    assert (outcome.messages, outcome.out_of_time) == (1, False)


def test_a_message_larger_than_a_pack(root: Path) -> None:
    """A pack becomes as large as its last message needs, and holds all of it."""
    layout.create(root)
    octets = random.Random(1).randbytes(5 * PACK_BYTES)
    head = b"Content-Type: x/y; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    mails = [mail(1), head + encode_base64(octets, 76, b"\r\n", closed=False), mail(2)]
    fill(root, mails)
    outcome = run(root)
    assert outcome.damages == []
    assert outcome.messages == len(mails)
    assert sorted(octets_of(root)) == sorted(mails)
    assert damages(root) == []
    rebuild(layout.open_layout(root))
    assert sorted(octets_of(root)) == sorted(mails)


def test_one_at_a_time(root: Path) -> None:
    """A second optimize is told to try later."""
    made(root, pulls=1)
    with Lock(layout.open_layout(root).optimize_lock), pytest.raises(TryLaterError):
        run(root)


def assert_nothing_is_left_over(root: Path) -> None:
    """After an optimize: packs that count, each with its parity, and no other file among them."""
    where = layout.open_layout(root)
    named = {name(one) for one in packlist.counting(where) for name in (where.pack, where.parity)}
    assert set(root.glob("packs/*/*")) == named


def test_left_over_files_go(root: Path) -> None:
    """An unfinished pack, and one that no entry names, are removed by the next run; others never."""
    mails = made(root, pulls=1)
    where = layout.open_layout(root)
    number = where.packs()[-1] + 5
    where.pack(number).parent.mkdir(exist_ok=True)
    where.pack(number).write_bytes(b"left over")
    where.new_pack(number + 1).parent.mkdir(exist_ok=True)
    where.new_pack(number + 1).write_bytes(b"left over")
    where.parity(number).write_bytes(b"left over")
    where.parity(number + 1).write_bytes(b"left over")
    where.parity(1).with_suffix(".parity.new").write_bytes(b"left over")
    run(root)
    assert number not in where.packs()
    assert where.new_packs() == []
    there = {path.name for path in root.glob("packs/*/*")}
    assert there == {name(one).name for one in where.packs() for name in (where.pack, where.parity)}
    assert sorted(octets_of(root)) == mails


def test_the_parity_of_a_pack_that_is_missing_stays(root: Path) -> None:
    """The pack may come back, from a disk that was not there, and need it."""
    made(root)
    run(root)
    where = layout.open_layout(root)
    missing = where.packs()[0]
    parity = where.parity(missing).read_bytes()
    where.pack(missing).unlink()
    made(root, pulls=3)
    run(root)
    assert where.parity(missing).read_bytes() == parity


def test_a_pulls_new_pack_is_nobodys_left_over(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An optimize that begins while a pull has begun a pack, which no entry names yet, does not remove it."""
    mails = made(root, pulls=1)
    waiting = threading.Event()

    class Told(Lock):
        def _take(self) -> None:
            waiting.set()
            super()._take()

    def call() -> None:
        outcomes.append(run(root))

    outcomes: list[Outcome] = []
    thread = threading.Thread(target=call)
    append = JournalWriter.append

    def and_optimize(writer: JournalWriter, batch: Sequence[Record], time: int) -> JournalEntry:
        new = [one.number for one in batch if isinstance(one, PackRecord) and not one.sealed]
        if new and thread.ident is None:
            named = {row[0] for row in rows(root / "catalog.sqlite")["packs"]}
            assert not named.issuperset(new)
            assert set(layout.open_layout(root).packs()) >= set(new)
            monkeypatch.setattr("poparchive.archive.opening.Lock", Told)
            thread.start()
            assert waiting.wait(60)
        return append(writer, batch, time)

    with Writer(root, pack_bytes=200) as writer:
        monkeypatch.setattr(JournalWriter, "append", and_optimize)
        put(writer, [mail(800)])
    thread.join()
    (outcome,) = outcomes
    assert outcome.damages == []
    assert sorted(octets_of(root)) == sorted([*mails, mail(800)])
    assert damages(root) == []


@pytest.mark.parametrize("moment", range(1, 15, 2))
def test_killed(root: Path, moment: int) -> None:
    """SIGKILL at the n-th change of a file's name or end: nothing is lost, and the next run goes on."""
    mails = made(root)
    done = subprocess.run(
        [sys.executable, "-c", _VICTIM, str(root), str(moment), "KILL"],
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert lasting(root) == []
    assert sorted(octets_of(root)) == mails
    with Writer(root) as writer:
        put(writer, [mail(500)])
    assert damages(root) == []
    run(root)
    assert damages(root) == []
    assert sorted(octets_of(root)) == sorted([*mails, mail(500)])
    assert_nothing_is_left_over(root)
    after = rows(root / "catalog.sqlite")
    rebuild(layout.open_layout(root))
    assert rows(root / "catalog.sqlite") == after


@pytest.mark.parametrize("moment", range(1, 15, 2))
def test_interrupted(tmp_path: Path, moment: int) -> None:
    """SIGINT at the same moments, in the middle of a switch too: a sentence, no traceback, nothing lost, and
    the next run goes on."""
    home = product(tmp_path, {})
    mails = made(home.archive)
    victim = [sys.executable, "-c", _VICTIM, str(home.archive), str(moment), "INT"]
    done = subprocess.run(victim, capture_output=True, timeout=120)
    assert done.returncode == 130, done.stderr.decode()
    assert b"the next run goes on" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert lasting(home.archive) == []
    assert sorted(octets_of(home.archive)) == mails
    outcome = run(home.archive)
    assert outcome.damages == []
    where = layout.open_layout(home.archive)
    assert {how for _, _, how in rows(where.catalog)["packs"]} == {Sealed.TIGHTLY}
    assert_nothing_is_left_over(home.archive)
    assert damages(home.archive) == []
    assert sorted(octets_of(home.archive)) == mails


_VICTIM = """
import os, signal, sys
from pathlib import Path
from poparchive.archive.optimize import optimize
from poparchive.cli.main import entry
from poparchive.index.catalog import Catalog
from tests.archive import test_optimize as limits
left = int(sys.argv[2])
number = getattr(signal, "SIG" + sys.argv[3])
optimize.__kwdefaults__.update(pack_bytes=limits.PACK_BYTES, frame_bytes=limits.FRAME_BYTES)
def ending(where, name):
    real = getattr(where, name)
    def call(*arguments, **named):
        global left
        left -= 1
        if not left:
            os.kill(os.getpid(), number)
        return real(*arguments, **named)
    setattr(where, name, call)
for name in ("fdatasync", "rename", "unlink"):
    ending(os, name)
ending(Catalog, "apply")
sys.argv = ["poparchive", "--archive", sys.argv[1], "optimize"]
entry()
"""


def test_the_command(tmp_path: Path) -> None:
    """As a user types it: what was won is told, and the mail is found as before."""
    home = product(tmp_path, {})
    mails = made(home.archive)
    said = home.run("optimize").stderr.decode()
    assert "packs and journal: " in said
    assert f"{len(mails)} messages moved" in said
    (report,) = home.json("optimize")
    assert report["messages"] == 0
    assert home.run("search", "--count", "invoice").stdout.strip() == b"30"
    home.run("optimize", "--time-limit", "soon", code=2)
    assert list((home.archive / "spool").iterdir()) == []


def test_a_catalog_made_anew_meanwhile(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose rows are those of another catalog ends before it switches; the next goes on."""
    mails = made(root)
    prove = Source.prove

    def and_rebuild(source: Source, pack: TightPack, state: PackRecord) -> None:
        prove(source, pack, state)
        rebuild(layout.open_layout(root))

    monkeypatch.setattr(Source, "prove", and_rebuild)
    with pytest.raises(StoreError, match="made anew"):
        run(root)
    monkeypatch.undo()
    assert sorted(octets_of(root)) == mails
    assert run(root).damages == []
    assert sorted(octets_of(root)) == mails
    assert damages(root) == []


def test_rebuild_waits_its_turn(tmp_path: Path) -> None:
    """Neither rebuild nor a repair begins while an optimize runs."""
    home = product(tmp_path, {})
    made(home.archive, pulls=1)
    with Lock(layout.open_layout(home.archive).optimize_lock):
        home.run("rebuild", code=75)
        home.run("verify", "--repair", code=75)


def test_a_number_is_given_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that begin a pack at the same time, each having looked before the other's was there."""
    where = layout.create(root)
    real = layout.Layout.new_packs
    looks = iter([True])
    where.new_pack(1).parent.mkdir()
    where.new_pack(1).touch()
    monkeypatch.setattr(
        layout.Layout, "new_packs", lambda it: [] if next(looks, False) else real(it)
    )
    writer = PackWriter(where, None)
    writer.begin()
    assert writer.number == 2
    writer.close()


def test_lost_fetched_again_and_healed(root: Path) -> None:
    """A message that a rebuild left out, and that came again, stands once in whatever is made later."""
    layout.create(root)
    fill(root, [mail(1)])
    pack = layout.open_layout(root).pack(1)
    whole = pack.read_bytes()
    pack.write_bytes(whole[:200] + b"?" + whole[201:])
    with Writer(root) as writer:
        (ledger,) = put(writer, [mail(2)])
    rebuild(layout.open_layout(root), leave_out=True)
    assert octets_of(root) == [mail(2)]
    with Writer(root) as writer:
        writer.keep(ledger - 1, mail(1))
    rebuild(layout.open_layout(root))
    assert sorted(octets_of(root)) == sorted([mail(1), mail(2)])
    healed = pack.read_bytes()
    pack.write_bytes(whole[:201] + healed[201:])
    rebuild(layout.open_layout(root))
    assert sorted(octets_of(root)) == sorted([mail(1), mail(2)])
    assert damages(root) == []
