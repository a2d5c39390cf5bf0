"""What a program's process took at its most, as the kernel counted it."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

# A process begins with the peak of the one that started it, which pytest's would hide: this one is small.
_START = """
import os, sys
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
print(usage.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""


class Ended(NamedTuple):
    code: int
    said: str
    """On either output."""
    peak_bytes: int
    """Resident memory of the process, or of a helper that it waited for if that took more."""


def run(command: Sequence[str], log: Path) -> Ended:
    """Run a command to its end; ``log`` is a file for what it says."""
    with log.open("wb") as file:
        start = [sys.executable, "-I", "-S", "-c", _START, *command]
        done = subprocess.run(start, stdout=file, stderr=file, stdin=subprocess.DEVNULL)
    said, _, peak = log.read_text(errors="replace").rstrip("\n").rpartition("\n")
    return Ended(done.returncode, said, int(peak) * 1024)
