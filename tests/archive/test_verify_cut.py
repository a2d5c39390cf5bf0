"""A verification that is cut, however, remembers how far it came and what it found."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from poparchive.archive import scrub
from poparchive.archive.verify import Counts, Kind, Share, verify
from poparchive.archive.writer import Writer
from poparchive.store import layout
from tests.support.archives import damages, put
from tests.support.damage import mails

COUNT = 24


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Several small packs of small frames, the last one open."""
    monkeypatch.setattr("poparchive.archive.storer.BATCH_MESSAGES", 4)
    monkeypatch.setattr("poparchive.archive.framing.FRAME_BYTES", 4000)
    path = tmp_path / "archive"
    layout.create(path)
    with Writer(path, pack_bytes=6000) as writer:
        for first in range(0, COUNT, 3):
            put(writer, mails(first, first + 3))
    assert len(layout.open_layout(path).packs()) > 4
    return path


def flip(root: Path, number: int) -> None:
    """Change the octet in the middle of a pack; once more changes it back."""
    path = layout.open_layout(root).pack(number)
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 0x10
    path.write_bytes(octets)


class _CutError(Exception):
    """What nobody foresees."""


def cutting(after: float, error: type[BaseException]) -> Callable[[str, int, int], None]:
    """Raise once so large a part of the packs is read."""

    def progress(what: str, done: int, total: int) -> None:
        if what == "packs" and done > total * after:
            raise error

    return progress


def share(root: Path, progress: Callable[[str, int, int], None] = lambda *_: None) -> Counts:
    """Read all of the round that is left."""
    counts = Counts()
    assert list(verify(root, counts, progress, Share(percent=100))) == []
    return counts


@pytest.mark.parametrize("error", [KeyboardInterrupt, _CutError])
def test_a_share_goes_on_where_it_was_cut(root: Path, error: type[BaseException]) -> None:
    """What was read with its messages is not read again; the rest is, and only then the round is over."""
    with pytest.raises(error):
        share(root, cutting(0.5, error))
    state = scrub.read(root)
    assert 0 < state.done < state.total
    assert (state.full, state.runs) == (0, [])
    left = share(root).messages
    assert 0 < left < COUNT
    assert scrub.read(root).full


def test_a_round_is_not_over_before_its_last_run(root: Path) -> None:
    """Lost messages are told when all packs are read; cut there, the next run has nothing of them to read."""
    flip(root, 1)
    with closing(verify(root, Counts(), lambda *_: None, Share(percent=100))) as found:
        assert any(one.kind is Kind.MESSAGE for one in found)
    state = scrub.read(root)
    assert (state.full, state.done) == (0, state.total)
    assert share(root).messages == 0
    state = scrub.read(root)
    assert state.full
    assert state.damages


def test_messages_count_before_their_pack_does(root: Path) -> None:
    """A pack whose frames are read and whose messages are not is read again."""
    seen = 0

    def stop(what: str, done: int, total: int) -> None:
        nonlocal seen
        if what == "messages":
            seen = done
            raise _CutError

    with pytest.raises(_CutError):
        share(root, stop)
    assert seen == 1
    assert scrub.read(root).done == 0
    assert share(root).messages == COUNT


def test_a_large_pack_counts_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only whole: the archive of a year may be one pack. Its seal is proved where all of it is read."""
    monkeypatch.setattr("poparchive.archive.framing.FRAME_BYTES", 1000)
    monkeypatch.setattr("poparchive.archive.verify.check.PIECE_BYTES", 3000)
    root = tmp_path / "archive"
    layout.create(root)
    with Writer(root) as writer:
        put(writer, mails(0, COUNT))
    (pack,) = layout.open_layout(root).packs()
    with pytest.raises(_CutError):
        share(root, cutting(0.5, _CutError))
    state = scrub.read(root)
    assert state.pack == pack
    assert 0 < state.frame < layout.open_layout(root).pack(pack).stat().st_size
    assert 0 < share(root).messages < COUNT
    assert share(root).messages == COUNT


def test_pieces_prove_a_seal(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A seal with a good header and digest that is of other octets is found in whatever pieces."""
    from poparchive.store import frame

    path = layout.open_layout(root).pack(1)
    layout.open_layout(root).parity(1).unlink()
    wrong = frame.encode_seal(bytes(32))
    path.write_bytes(path.read_bytes()[: -len(wrong)] + wrong)
    for piece in (1, 1 << 30):
        monkeypatch.setattr("poparchive.archive.verify.check.PIECE_BYTES", piece)
        (root / scrub.NAME).unlink(missing_ok=True)
        (found,) = verify(root, Counts(), lambda *_: None, Share(percent=100))
        assert "seal is not the hash" in found.what


@pytest.mark.parametrize("part", [None, Share(percent=100)])
def test_damage_is_known_at_once(root: Path, part: Share | None) -> None:
    """Whoever has seen one line and goes away leaves a note of it, and no claim of more."""
    flip(root, 2)
    found = verify(root, Counts(), lambda *_: None, part)
    first = next(found)
    assert scrub.read(root).damages
    found.close()
    state = scrub.read(root)
    assert first.what in state.damages
    assert state.full == 0
    assert bool(state.began) == (part is not None)


def test_a_cut_run_forgets_no_damage(root: Path) -> None:
    """It has not read all again: what it finds is known beside what was known. One that ends forgets."""
    flip(root, 5)
    known = {one.what for one in damages(root)}
    before = scrub.read(root)
    assert before.damages
    flip(root, 5)
    flip(root, 1)
    with pytest.raises(_CutError):
        list(verify(root, Counts(), cutting(0.5, _CutError)))
    after = scrub.read(root)
    assert set(before.damages) < set(after.damages)
    assert after.full == before.full
    flip(root, 1)
    assert damages(root) == []
    assert known
    assert scrub.read(root).damages == []


def test_a_run_over_all_does_not_move_a_round(root: Path) -> None:
    """Cut, it leaves shares where they were; what it found outlives their round, which does not come there
    again. The next one does."""
    list(verify(root, Counts(), lambda *_: None, Share(percent=40)))
    before = scrub.read(root)
    assert before.done
    flip(root, 1)
    with pytest.raises(_CutError):
        list(verify(root, Counts(), cutting(0.9, _CutError)))
    after = scrub.read(root)
    assert (after.pack, after.frame, after.done) == (before.pack, before.frame, before.done)
    assert after.damages
    flip(root, 1)
    share(root)
    assert scrub.read(root).damages
    share(root)
    assert scrub.read(root).damages == []


def test_a_message_that_cannot_be_made_is_known_at_once(root: Path) -> None:
    """Without any bad octets: it is told in the end, and the share has passed it by then."""
    with sqlite3.connect(root / "catalog.sqlite") as catalog:
        catalog.execute(
            'UPDATE messages SET "offset" = "offset" + 1 WHERE id = (SELECT min(id) FROM messages)'
        )
    catalog.close()
    found = verify(root, Counts(), cutting(0.9, _CutError), Share(percent=100))
    with pytest.raises(_CutError):
        list(found)
    state = scrub.read(root)
    assert state.done
    assert any("Number 0" in one for one in state.damages)


def test_no_note_can_be_written(root: Path) -> None:
    """As on a medium that is read only: what is there is proved all the same."""
    (root / scrub.NAME).mkdir()
    assert damages(root) == []
    flip(root, 1)
    assert list(verify(root, Counts(), lambda *_: None, Share(percent=100)))


_VICTIM = """
import os, signal, sys
from poparchive.archive.verify import check, notebook
from poparchive.archive.verify.packs import PackWalk
from poparchive.cli.main import entry
notebook.NOTE_S = 0
left = int(sys.argv[2])
number = getattr(signal, sys.argv[3])
real = PackWalk.walk
def walk(*arguments):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), number)
    return real(*arguments)
PackWalk.walk = walk
sys.argv = ["poparchive", "--archive", sys.argv[1], *sys.argv[4:]]
entry()
"""


def victim(root: Path, moment: int, name: str, *command: str) -> int:
    """Run a command that ends itself when it begins its n-th pack."""
    given = [sys.executable, "-c", _VICTIM, str(root), str(moment), name, *command]
    return subprocess.run(given, capture_output=True, timeout=120).returncode


@pytest.mark.parametrize(
    ("name", "code"),
    [("SIGINT", 130), ("SIGTERM", -signal.SIGTERM), ("SIGKILL", -signal.SIGKILL)],
)
@pytest.mark.parametrize("sample", [("--sample", "100%"), ()])
def test_signals(root: Path, name: str, code: int, sample: tuple[str, ...]) -> None:
    """The damage of the second pack is known to ``status`` after a signal in the fourth, and where it was."""
    flip(root, 2)
    assert victim(root, 4, name, "verify", *sample) == code
    state = scrub.read(root)
    assert state.damages
    assert state.full == 0
    assert state.pack == (3 if sample else 0)
    status = [sys.executable, "-m", "poparchive", "--archive", str(root), "status"]
    told = subprocess.run(status, capture_output=True, timeout=120)
    assert told.returncode == 1
    assert b"damaged: " in told.stderr
    if sample:
        flip(root, 2)
        assert victim(root, 99, name, "verify", *sample) == 0
        assert scrub.read(root).full


@pytest.mark.parametrize("sample", [("--sample", "100%"), ()])
def test_the_reader_goes_away(root: Path, sample: tuple[str, ...]) -> None:
    """As with ``| head``: the line that nobody took is known."""
    flip(root, 2)
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = [sys.executable, "-m", "poparchive", "--archive", str(root), "verify", *sample]
        done = subprocess.run(
            command,
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=120,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    finally:
        os.close(writing)
    assert done.returncode == 1
    assert b"bug" not in done.stderr
    state = scrub.read(root)
    assert state.damages
    assert state.full == 0
    assert bool(state.done) == bool(sample)


def test_a_share_forgets_nothing_that_another_run_finds_meanwhile(root: Path) -> None:
    """Damage that is known when a share began counts as little as damage that came to be known since."""
    known: list[str] = []

    def meanwhile(what: str, done: int, total: int) -> None:
        if what == "packs" and not known and done > total * 0.5:
            flip(root, 1)  # of what this share has read
            assert damages(root)
            known.extend(scrub.read(root).damages)

    list(verify(root, Counts(), meanwhile, Share(percent=100)))
    assert known
    assert set(known) <= set(scrub.read(root).damages)
