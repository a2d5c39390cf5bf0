"""Faults at a sample of the writes of every command: nothing lost, nothing doubled, all clean after.

``make crash`` tries every write (``tests.crash.report``); here the kinds of faults take turns along
each command's run.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.crash.report import MAKER, PAGE, Row, joined, tried_before
from tests.support import tables
from tests.support.faults.powerloss import Disk, Luck
from tests.support.faults.runner import Runner
from tests.support.faults.scenes import SCENES
from tests.support.faults.shim import How, Kind, Operation, missing
from tests.support.faults.stage import Outcome, staged
from tests.support.faults.table import FAULTS, sample

needs_faults = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner() as made:
        yield made


@needs_faults
@pytest.mark.parametrize("name", SCENES)
def test_sample(name: str, runner: Runner) -> None:
    """Killed, without room, with a device that fails, or without power: the next start mends it."""
    with staged(SCENES[name], runner) as stage:
        played = stage.play()
        count = 6 if SCENES[name].command == "pull" else 4
        outcomes = list(sample(stage, played, count, 2 * list(SCENES).index(name)))
        wrong = [one for one in outcomes if one.verdict or one.words]
    assert wrong == []
    assert len(outcomes) > count


@needs_faults
def test_a_forgotten_sync_is_found(runner: Runner) -> None:
    """The judge has teeth: a trace that lacks syncs is one of a program that loses mail. Without any,
    the archive is as it was before, and clean: what the server has deleted is missing."""
    with staged(SCENES["pull, deleting"], runner) as stage:
        played = stage.play()
        for what, forgotten in FORGOTTEN.items():
            left = [one for one in played.operations if not forgotten(one)]
            assert left != played.operations
            lacking = replace(played, operations=left)
            outcomes = list(stage.power_losses(lacking, [left[-1].number], 1))
            found = [one.verdict.lost if what == "any" else one.verdict for one in outcomes]
            assert any(found), what


FORGOTTEN: dict[str, Callable[[Operation], bool]] = {
    "any": lambda one: one.kind in (Kind.SYNC, Kind.SYNC_DIRECTORY),
    "the packs'": lambda one: one.kind is Kind.SYNC and one.path.endswith(".pack"),
    "the journal's": lambda one: one.kind is Kind.SYNC and "journal/" in one.path,
    "the directories'": lambda one: one.kind is Kind.SYNC_DIRECTORY,
}


@needs_faults
def test_a_directory_that_is_not_synced_is_named(runner: Runner) -> None:
    """Also where no file is being written: before the first pack."""
    with staged(SCENES["pull, the first"], runner) as stage:
        operations = stage.play().operations
        syncs = [one.number for one in operations if one.kind is Kind.SYNC_DIRECTORY]
        outcomes = [stage.spoil(How.NO_SPACE, at) for at in syncs]
    assert syncs
    assert [one for one in outcomes if one and (one.verdict or one.words)] == []


@needs_faults
def test_killed_before_a_sync_and_then_without_power(runner: Runner) -> None:
    """What a killed pull has written and not synced is read by the next one, which deletes mail from
    the server because of it: not before it is synced."""
    with staged(SCENES["pull, deleting"], runner) as stage:
        syncs = [
            one.number
            for one in stage.play().operations
            if one.kind is Kind.SYNC and "journal/" in one.path
        ]
        outcomes: list[Outcome] = []
        for at in syncs[-3:]:
            again = stage.play_again(How.KILL, at)
            assert again
            last = again.operations[-1].number
            deleted = max((when for when, _ in again.deleted), default=last)
            outcomes += stage.power_losses(again, {deleted, deleted + 1, last}, 1)
    assert [one for one in outcomes if one.verdict] == []
    assert len(outcomes) > 3


@needs_faults
def test_no_room_for_what_optimize_writes(runner: Runner) -> None:
    """A disk that is full, or fills up, while a new pack or its parity is written: it says so, nothing is
    lost, no half of a pack counts or stays, and with room the next run does all that was left."""
    with staged(SCENES["optimize"], runner) as stage:
        writes: dict[str, list[int]] = {".pack.new": [], ".parity.new": []}
        for one in stage.play().operations:
            for name, numbers in writes.items():
                if one.kind is Kind.WRITE and one.path.endswith(name):
                    numbers.append(one.number)
        for numbers in writes.values():
            assert len(numbers) > 1
            for how in (How.NO_SPACE, How.NO_SPACE_FROM):
                for at in (numbers[0], numbers[len(numbers) // 2]):
                    outcome = stage.spoil(how, at)
                    assert outcome
                    assert not outcome.verdict, outcome
                    assert not outcome.words, outcome
                again = stage.play_again(how, numbers[-1])
                assert again
                done = {one.second for one in again.operations if one.kind is Kind.RENAME}
                assert any(path.endswith(".pack") for path in done)


@needs_faults
def test_no_log_meets_another_database(runner: Runner) -> None:
    """A killed pull leaves databases with logs. A rebuild puts new ones in their place: in no order of
    what reaches the disk does an old log lie beside a new database, which it would overwrite in part."""
    with staged(SCENES["rebuild, after a crash"], runner) as stage:
        played = stage.play()
    logs = {
        name: octets
        for name, octets in played.disk.crash(Luck.ALL, random.Random(1)).items()
        if name.endswith("-wal")
    }
    assert len(list(filter(None, logs.values()))) == 2
    began = played.disk.crash(Luck.ALL, random.Random(1))
    for operation in played.operations:
        played.disk.apply(operation)
    states = [played.disk.crash(luck, random.Random(n)) for n in range(200) for luck in LUCKS]
    for name, log in logs.items():
        database = name.removesuffix("-wal")
        new = [state for state in states if state.get(database) not in (None, began[database])]
        assert new
        assert not [state for state in new if state.get(name) == log]


LUCKS = (Luck.ANY, Luck.ALL_BUT_ONE)


def test_the_table_is_whole() -> None:
    """The page has a row for each command and fault, and nothing in it was lost, doubled or unclean."""
    rows = tables.rows(PAGE, MAKER)
    assert {(row[0], row[1]) for row in rows} == {
        (name, fault) for name in SCENES for fault in FAULTS
    }
    assert all(row[4:] == ["0"] * 4 for row in rows)


def test_a_table_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    """Pieces that were noted whole are read back as they were, and add up to their row."""
    one, two = (
        Row("pull", "kill -9", 9, 4, 0, 1, 0, 0, ("at 3",)),
        Row("pull", "kill -9", 8, 5, 0, 0, 0, 0, ()),
    )
    done = tmp_path / "done"
    lines = [json.dumps([at, asdict(row)]) + "\n" for at, row in enumerate((one, two))]
    done.write_text("".join(lines) + lines[0][:20])
    found = tried_before(done)
    assert found == {("pull", "kill -9", 0): one, ("pull", "kill -9", 1): two}
    assert done.read_text() == "".join(lines)
    assert joined(list(found.values())) == Row("pull", "kill -9", 9, 9, 0, 1, 0, 0, ("at 3",))


# ---- the disk that power losses are computed with --------------------------------------------------


def disk(root: Path, *operations: Operation) -> Disk:
    (root / "old").write_bytes(b"old")
    made = Disk(root)
    for operation in operations:
        made.apply(operation)
    return made


NEW = Operation(1, Kind.CREATE, "new", 7)
WRITE = Operation(2, Kind.WRITE, "new", 7, 0, b"x" * 1024)
SYNC = Operation(3, Kind.SYNC, "new", 7)
NAMED = Operation(4, Kind.SYNC_DIRECTORY, ".")


def some(made: Disk) -> list[dict[str, bytes | None]]:
    return [made.crash(Luck.ANY, random.Random(seed)) for seed in range(60)]


def test_what_was_not_synced_may_be_missing(tmp_path: Path) -> None:
    """A write, its last sector, its octets but not their number, the file: each alone."""
    made = disk(tmp_path, NEW, NAMED, WRITE)
    assert made.crash(Luck.NONE, random.Random(1)) == {"old": b"old", "new": b""}
    assert made.crash(Luck.ALL, random.Random(1))["new"] == b"x" * 1024
    assert made.crash(Luck.ZEROS, random.Random(1))["new"] == bytes(1024)
    assert {state["new"] for state in some(made)} == {
        b"",
        b"x" * 512,
        bytes(1024),
        b"x" * 1024,
    }


def test_what_was_synced_is_there(tmp_path: Path) -> None:
    """Octets by the file's sync, its name by the directory's, each without the other."""
    made = disk(tmp_path, NEW, WRITE, SYNC)
    assert made.crash(Luck.NONE, random.Random(1)) == {"old": b"old"}
    assert {state.get("new") for state in some(made)} == {None, b"x" * 1024}
    made.apply(NAMED)
    assert {state.get("new") for state in some(made)} == {b"x" * 1024}


def test_a_rename_is_whole(tmp_path: Path) -> None:
    """The old name or the new one, and the file that was there before until then."""
    made = disk(tmp_path, NEW, WRITE, SYNC, NAMED, Operation(5, Kind.RENAME, "new", second="old"))
    states = {(*sorted(state), state["old"]) for state in some(made)}
    assert states == {("new", "old", b"old"), ("old", b"x" * 1024)}


def test_changes_of_a_directory_come_in_any_order(tmp_path: Path) -> None:
    """A name may be gone while an older change to the directory is not there yet."""
    made = disk(tmp_path, NEW, WRITE, SYNC, Operation(4, Kind.UNLINK, "old"))
    assert {tuple(sorted(state)) for state in some(made)} == {
        (),
        ("new",),
        ("old",),
        ("new", "old"),
    }
