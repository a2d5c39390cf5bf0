"""Commands of the product in processes of their own that need not start Python and import it all.

A process that has imported what most commands need forks for each of them: what a test sees is a
process that begins at the product's entry. One such process serves all tests of a worker.
"""

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import BinaryIO


def run(
    arguments: Sequence[str], said: Path, timeout_s: float
) -> "subprocess.CompletedProcess[bytes]":
    """Run ``poparchive`` with ``arguments``, in this process's directory and environment.

    What it writes goes through files below ``said``, which is made if need be.
    """
    said.mkdir(exist_ok=True)
    out, err = said / "out", said / "err"
    asked = {
        "arguments": list(arguments),
        "directory": str(Path.cwd()),
        "environment": dict(os.environ),
        "out": str(out),
        "err": str(err),
    }
    parent = _parent()
    assert parent.stdin
    assert parent.stdout
    limit = threading.Timer(timeout_s, parent.kill)
    limit.start()
    try:
        parent.stdin.write(json.dumps(asked).encode() + b"\n")
        parent.stdin.flush()
        answer = parent.stdout.readline()
    finally:
        limit.cancel()
    if not answer:
        _parent.cache_clear()
        raise TimeoutError(f"poparchive {' '.join(arguments)}: not ended after {timeout_s} s")
    return subprocess.CompletedProcess(
        list(arguments), int(answer), out.read_bytes(), err.read_bytes()
    )


@cache
def _parent() -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.support.forks"]
    parent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    atexit.register(parent.communicate)  # which closes its input, and it ends
    return parent


def _serve(asked: BinaryIO, answers: BinaryIO) -> None:
    """Fork for each line that is ``asked``, until there are no more, and answer with exit codes."""
    import poparchive.archive.read
    import poparchive.archive.writer
    import poparchive.cli.app
    import poparchive.cli.pull
    import poparchive.cli.search
    import poparchive.cli.show  # noqa: F401

    for line in asked:
        child = os.fork()
        if not child:
            _become(**json.loads(line))
        _, status = os.waitpid(child, 0)
        answers.write(b"%d\n" % os.waitstatus_to_exitcode(status))
        answers.flush()


def _become(
    arguments: list[str], directory: str, environment: dict[str, str], out: str, err: str
) -> None:
    """Be the command; never returns."""
    try:
        write = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        for number, path, flags in ((0, os.devnull, os.O_RDONLY), (1, out, write), (2, err, write)):
            fd = os.open(path, flags, 0o600)
            os.dup2(fd, number)
            os.close(fd)
        os.chdir(directory)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv[1:] = arguments
        from poparchive.cli.main import entry

        entry()
    finally:
        os._exit(99)


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
