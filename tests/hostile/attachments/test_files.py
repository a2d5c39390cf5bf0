"""Whatever an attachment is made of costs its status, and neither the workers nor anybody else anything."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.attachments import run

ROOT = Path(__file__).parents[3]
MEMORY_MIB = (run.LIMITS.memory_bytes >> 20) + 200
"""What a worker may take, and what it takes that does nothing."""


@pytest.fixture(scope="module")
def read() -> dict[str, Any]:
    """A share of the files was read, by a process of its own; ``make hostile`` reads all of them."""
    command = [sys.executable, "-m", "tests.hostile.attachments.run", "--quick", "--every", "7"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_file_gets_a_status_that_is_right(read: dict[str, Any]) -> None:
    """None is read as what it is not, and no text of it comes from elsewhere."""
    assert read["files"] > 40
    assert read["wrong"] == []


def test_nobody_was_asked_and_nothing_was_written(read: dict[str, Any]) -> None:
    """An address in a file is not connected to, and no file appears beside the one that was there."""
    assert read["heard"] == []
    assert read["left"] == ["secret"]


def test_the_pool_goes_on(read: dict[str, Any]) -> None:
    """After all of them a good file is read, by a worker whose memory was bounded."""
    assert read["sane"]
    assert read["worker_peak_mib"] < MEMORY_MIB
