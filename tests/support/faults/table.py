"""Which faults are tried where: a sample for the tests, all for the table in ``docs/durability.md``."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from tests.support.faults.shim import How, Kind, Operation
from tests.support.faults.stage import Outcome, Played, Stage

FAULTS: dict[str, tuple[How, ...]] = {
    "kill -9": (How.KILL, How.TORN),
    "disk full": (How.NO_SPACE, How.NO_SPACE_FROM),
    "I/O error": (How.IO_ERROR, How.IO_ERROR_FROM),
    "power loss": (),
}
"""Fault by name; a power loss is computed and needs no run of its own."""

HOWS = tuple(how for hows in FAULTS.values() for how in hows)


def points(operations: Sequence[Operation]) -> list[int]:
    """Return the numbers of the operations at which faults are tried: every one, but for runs of octets
    that SQLite writes to stretch its shared memory, of which the first is."""
    pairs = pairwise([Operation(0, Kind.SYNC, ""), *operations])
    return [one.number for before, one in pairs if not (_shared(before) and _shared(one))]


def _shared(operation: Operation) -> bool:
    return operation.kind is Kind.WRITE and operation.path.endswith("-shm")


def all_outcomes(
    stage: Stage,
    played: Played,
    fault: str,
    *,
    every: int = 1,
    tries: int = 2,
    piece: tuple[int, int] = (0, 1),
) -> Iterator[Outcome]:
    """Try a fault at every point, or at every so many; of these only the first, second and so on of so
    many pieces, which together are all."""
    where = points(played.operations)[::every]
    if fault == "power loss":
        where = [0, *where]
    at, pieces = piece
    where = where[len(where) * at // pieces : len(where) * (at + 1) // pieces]
    if fault == "power loss":
        yield from stage.power_losses(played, where, tries)
    for how in FAULTS[fault]:
        for at in where:
            if outcome := stage.spoil(how, at):
                yield outcome


def sample(stage: Stage, played: Played, count: int, first: int) -> Iterator[Outcome]:
    """Try ``count`` faults spread over the run, and half as many losses of power.

    The kinds take turns, beginning with number ``first``: commands that begin with different ones try
    all of them together.
    """
    where = points(played.operations)
    for turn in range(count):
        how, at = (
            HOWS[(first + turn) % len(HOWS)],
            where[(2 * turn + 1) * len(where) // (2 * count)],
        )
        if outcome := stage.spoil(how, at):
            yield outcome
    losses = where[len(where) // count :: 2 * len(where) // count]
    yield from stage.power_losses(played, losses, 1)
