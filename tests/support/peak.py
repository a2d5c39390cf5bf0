"""What a program's process took at its most, as the kernel counted it."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Ended(NamedTuple):
    code: int
    said: str
    peak_bytes: int
    """Resident memory of the process itself; helpers that it waited for count if they took more."""


def run(command: Sequence[str], log: Path) -> Ended:
    """Run a command to its end; what it says goes through the file ``log``."""
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Ended(process.returncode, log.read_text(errors="replace"), usage.ru_maxrss * 1024)
