"""What the processes of a program held together at their most, as the kernel counts it."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

# A process begins with the peak of the one that started it, which pytest's would hide: this one is small.
_STARTER = Path(__file__).parents[2] / "bench" / "starter.py"

_LIMIT_S = 600
"""A program that takes longer has hung, and is killed."""


class Ended(NamedTuple):
    code: int
    said: str
    """On either output."""
    peak_bytes: int
    """Resident memory of all its processes, pages that they share counted once."""


def run(command: Sequence[str], log: Path) -> Ended:
    """Run a command to its end; ``log`` is a file for what it says."""
    told, tell = os.pipe()
    start = [sys.executable, "-I", "-S", str(_STARTER), str(tell), str(_LIMIT_S), *command]
    with open(told, "rb") as report, log.open("wb") as file:  # noqa: PTH123 - a pipe has no path
        subprocess.run(
            start, stdout=file, stderr=file, stdin=subprocess.DEVNULL, pass_fds=[tell], check=True
        )
        os.close(tell)
        code, _, _, peak_bytes = json.load(report)
    return Ended(code, log.read_text(errors="replace").rstrip("\n"), peak_bytes)
