"""Runs commands with faults in them, one after the other, without starting an interpreter for each.

    LD_PRELOAD=faults.so python -m tests.support.faults.runner

Reads requests, one JSON object a line, from standard input; answers each with one. A command runs in a
fork of this process, which has imported everything and no thread, as the leader of a process group.
Limits are small, so that boundaries of frames, batches, packs and files are met all the time.
"""

import ctypes
import gc
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.faults.shim import Orders, library

_LIMITS: dict[str, dict[str, int]] = {
    "poparchive.archive.ingest": {"GROUP_MESSAGES": 3},
    "poparchive.archive.storer": {"BATCH_MESSAGES": 5},
    "poparchive.archive.framing": {"FRAME_BYTES": 2_000},
    "poparchive.archive.objects": {"IN_MEMORY_BYTES": 9_000},
    "poparchive.index.fulltext": {"_MANY_DOCUMENTS": 5},
}
PACK_BYTES = 6_000
TIGHT_BYTES = 12_000
FRAME_BYTES = 3_000
JOURNAL_BYTES = 1_500
SPOOL_BYTES = 9_000


def small() -> None:
    """Make the limits of this process small."""
    import importlib

    for name, limits in _LIMITS.items():
        module = importlib.import_module(name)
        for limit, value in limits.items():
            assert hasattr(module, limit), (name, limit)
            setattr(module, limit, value)
    from poparchive.archive.optimize import optimize
    from poparchive.archive.writer import Writer
    from poparchive.pop3 import client
    from poparchive.store.journal import JournalWriter

    defaults: list[tuple[Any, str, int]] = [
        (Writer.__init__, "pack_bytes", PACK_BYTES),
        (optimize, "pack_bytes", TIGHT_BYTES),
        (optimize, "frame_bytes", FRAME_BYTES),
        (JournalWriter.__init__, "file_bytes", JOURNAL_BYTES),
        (client.connect.__wrapped__, "spool_bytes", SPOOL_BYTES),  # type: ignore[attr-defined]
    ]
    for function, name, value in defaults:
        assert name in function.__kwdefaults__, (function, name)
        function.__kwdefaults__[name] = value


def helped(*, wanted: bool) -> None:
    """Let a helper process read the messages from the first batch on, or never."""
    from poparchive.archive import texts

    texts.MANY_MESSAGES = 3 if wanted else 1 << 40
    texts.cores = lambda: 2


@dataclass(slots=True)
class Runner:
    """The process that runs commands. Entered once; for one thread."""

    _process: "subprocess.Popen[bytes] | None" = field(default=None)

    def __enter__(self) -> "Runner":
        command = [sys.executable, "-m", __name__]
        environ = os.environ | {
            "LD_PRELOAD": str(library()),
            "PYTHONPATH": str(Path(__file__).parents[3]),
        }
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environ)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(60)
        assert self._process.stdout
        self._process.stdout.close()

    def run(self, orders: Orders, arguments: list[str], *, helper: bool = False) -> tuple[int, str]:
        """Run a command under orders; return its exit code, negative for a signal, and what it said."""
        assert self._process
        assert self._process.stdin
        assert self._process.stdout
        said = orders.state.with_name("said")
        request = {
            "environ": orders.environ(),
            "arguments": arguments,
            "said": str(said),
            "helper": helper,
        }
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the runner has ended"
        return json.loads(answer)["code"], said.read_text(errors="replace")


def _serve() -> None:
    small()
    _import_all()
    # A fork that collects garbage would copy every page of what was imported.
    gc.freeze()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        process = os.fork()
        if not process:
            _become(request)
        _, status = os.waitpid(process, 0)
        answer = {"code": os.waitstatus_to_exitcode(status)}
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


def _become(request: dict[str, Any]) -> None:
    """Run a command in this process, which ends with it."""
    from poparchive.cli.main import entry

    os.setsid()
    os.environ.update(request["environ"])
    said = os.open(request["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for given, number in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(given, number)
    helped(wanted=request["helper"])
    sys.argv = ["poparchive", *request["arguments"]]
    ctypes.CDLL(None).faults_load()
    entry()


def _import_all() -> None:
    """Import what commands would import when they run."""
    import alembic.command
    import sqlalchemy.dialects.sqlite.pysqlite

    import poparchive.archive.helper
    import poparchive.archive.optimize
    import poparchive.archive.writer
    import poparchive.cli.app
    import poparchive.cli.jobs
    import poparchive.cli.optimize
    import poparchive.cli.pull
    import poparchive.cli.rebuild

    assert alembic.command
    assert sqlalchemy
    assert poparchive


if __name__ == "__main__":
    _serve()
