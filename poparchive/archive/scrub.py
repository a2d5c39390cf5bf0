"""How far the verification of an archive has come: a small file beside it, no part of its content.

It lies in ``scrub.json``. Losing it costs a round that is begun anew, and nothing else. Whoever verifies
writes it, whole, now and then and in the end; of two shares that are read at the same time the later counts.
"""

import contextlib
import json
import statistics
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from poparchive.store.errors import WriteError
from poparchive.store.fsio import write_durably

NAME = "scrub.json"
DAY_S = 86_400
_LONGEST_BYTES = 16 << 20
_RUNS = 12
_NUMBERS = ("began", "pack", "frame", "done", "total", "full")
MAX_DAMAGES = 200
"""So many damages are remembered for ``status``; ``verify`` names all."""


@dataclass(slots=True)
class Scrub:
    """Times are seconds since the epoch; ``pack`` and ``frame`` say where the round goes on."""

    began: int = 0
    """When the round under way was begun; 0 if none is."""
    pack: int = 0
    frame: int = 0
    done: int = 0
    """Octets of packs that the round has read."""
    total: int = 0
    full: int = 0
    """When the last full round was finished; 0 if none ever was."""
    runs: list[int] = field(default_factory=list)
    """When the last few runs with a share ended; those that were cut do not count."""
    damages: list[str] = field(default_factory=list)
    """Damage that is known and was not found mended since."""
    fresh: list[str] = field(default_factory=list)
    """What the round under way has found."""
    databases: dict[str, list[object]] = field(default_factory=dict)
    """Size, time of last change, and hash of each database when it was proved last."""

    def share(self, total: int, percent: float | None, within_s: int | None, now: int) -> int:
        """Return how many octets of packs to read in this run.

        ``within_s`` asks for so many that the round ends in that time, if runs come as they came lately.
        """
        if percent is not None:
            return max(1, int(total * percent / 100))
        if within_s is None:
            return max(1, total)
        gaps = [b - a for a, b in zip(self.runs, self.runs[1:], strict=False) if b > a]
        gap = max(60, int(statistics.median(gaps))) if gaps else DAY_S
        # One run less than there is time for: one may be missed.
        left = ((self.began or now) + within_s - now) // gap - 1
        return max(1, -(-(total - min(self.done, total)) // max(1, left)))


def read(root: Path) -> Scrub:
    """Return the state; a new one if there is no file, or if it is not what was written."""
    path = root / NAME
    try:
        if path.stat().st_size > _LONGEST_BYTES:
            return Scrub()
        found = json.loads(path.read_bytes())
        numbers = {name: int(found[name]) for name in _NUMBERS}
        now = int(time.time())
        # A clock that was wrong wrote what lies in the future.
        numbers["began"] = min(numbers["began"], now)
        if numbers["full"] > now:
            numbers["full"] = 0
        return Scrub(
            **numbers,
            runs=[int(one) for one in found["runs"]],
            damages=[str(one) for one in found["damages"]],
            fresh=[str(one) for one in found["fresh"]],
            databases={str(name): list(one) for name, one in found["databases"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Scrub()


def write(root: Path, state: Scrub) -> None:
    """Replace the file, durably; where that cannot be, the next run begins where this one began."""
    state.runs = state.runs[-_RUNS:]
    state.damages = state.damages[:MAX_DAMAGES]
    state.fresh = state.fresh[:MAX_DAMAGES]
    octets = json.dumps(asdict(state), indent=1, sort_keys=True).encode()
    with contextlib.suppress(WriteError, OSError):
        write_durably(root / NAME, octets + b"\n")


def due(root: Path, now: float | None = None) -> bool:
    """Whether a daily run is due: none ended in the last 23 hours. One that ended in the future did so by a
    clock that was wrong."""
    state = read(root)
    moment = time.time() if now is None else now
    return not (state.runs and 0 <= moment - state.runs[-1] < DAY_S - 3600)
