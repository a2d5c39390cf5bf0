"""Signals for a thread of another process that is not its main one."""

import ctypes
import os
import signal
import sys
from pathlib import Path

import pytest

TGKILL = 234 if os.uname().machine == "x86_64" else 131
"""The system call's number; 131 is that of the architectures that came after."""


def signal_other_thread(process: int, number: signal.Signals) -> None:
    """Send a signal so that the process's main thread is not woken by it. Skips where that cannot be."""
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux sends signals to single threads")
    others = [
        int(p.name) for p in Path(f"/proc/{process}/task").iterdir() if int(p.name) != process
    ]
    assert others, "the process has one thread"
    failed = ctypes.CDLL(None, use_errno=True).syscall(TGKILL, process, others[0], int(number))
    assert not failed, os.strerror(ctypes.get_errno())
