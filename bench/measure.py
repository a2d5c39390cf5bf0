"""Runs programs and says what they took: wall time, CPU time, peak memory.

The figures come from the kernel through ``wait4``: CPU time is that of the program and of all the
children it waited for; peak memory is what its processes held together, shared pages counted once.
A process starts with its parent's peak on its account, so programs are started by a small
interpreter of their own (``starter.py``), whose size is the floor of what can be seen.
"""

import json
import math
import os
import pwd
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LIMIT_S = 1_800
"""A program that takes longer has hung; it is killed, and its bench fails and says so."""

TAIL_OCTETS = 600

STARTER = Path(__file__).with_name("starter.py")


class BenchError(Exception):
    """A contestant failed or a bench cannot be done; the message says which and why."""


class Skipped(BenchError):  # noqa: N818 (it is no error: what the bench needs is not on the machine)
    """Something that the bench needs is missing here."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run. ``env`` is added to the environment; ``user`` is who runs it, if root."""

    argv: Sequence[str | Path]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    user: str | None = None
    accepted: tuple[int, ...] = (0,)
    """Exit codes that mean that the work was done."""

    def full_argv(self) -> list[str]:
        argv = [str(argument) for argument in self.argv]
        if self.user and os.geteuid() == 0:
            entry = pwd.getpwnam(self.user)
            ids = ["--reuid", str(entry.pw_uid), "--regid", str(entry.pw_gid)]
            return ["setpriv", *ids, "--clear-groups", *argv]
        return argv

    def environment(self) -> dict[str, str]:
        env = {**os.environ, "LC_ALL": "C.UTF-8", **self.env}
        # Where this is set, an imported checkout is compiled anew by every process.
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        return env


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of a program took."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


def run(command: Command, *, output: Path | None = None, limit_s: float = LIMIT_S) -> Run:
    """Run the program to its end and measure it.

    Standard output goes to the file ``output``, or with standard error to a scratch file of which
    the end stands in the error. Dirty pages that others left are written out before the start.
    """
    told, tell = os.pipe()
    log = os.memfd_create("bench-log")
    out = log
    if output:
        out = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.sync()
    try:
        starter: list[str | Path] = [sys.executable, "-I", "-S", STARTER, str(tell), str(limit_s)]
        subprocess.run(
            [*starter, *command.full_argv()],
            env=command.environment(),
            cwd=command.cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=log,
            pass_fds=(tell,),
            check=True,
        )
        os.close(tell)
        tell = -1
        with open(told, closefd=False) as pipe:
            code, wall_s, cpu_s, peak_bytes = json.load(pipe)
        if code not in command.accepted:
            raise BenchError(f"{command.argv[0]} {ended(code, limit_s)}: {tail(log)}")
        return Run(wall_s, cpu_s, peak_bytes)
    finally:
        for descriptor in {told, tell, log, out} - {-1}:
            os.close(descriptor)


def ended(code: int, limit_s: float) -> str:
    if code == -signal.SIGKILL:
        return f"was killed (after {limit_s:.0f} s, or for want of memory)"
    return f"ended with {code}"


def tail(log: int) -> str:
    size = os.lseek(log, 0, os.SEEK_END)
    text = os.pread(log, TAIL_OCTETS, max(0, size - TAIL_OCTETS)).decode(errors="replace")
    return text.strip() or "it said nothing"


def text_of(command: Command) -> str:
    """What the program prints, for set-up and checks that are not measured."""
    return octets_of(command).decode(errors="replace")


def octets_of(command: Command) -> bytes:
    """What the program prints, to the octet."""
    done = subprocess.run(
        command.full_argv(),
        env=command.environment(),
        cwd=command.cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=LIMIT_S,
    )
    if done.returncode not in command.accepted:
        said = (done.stderr or done.stdout)[-TAIL_OCTETS:].decode(errors="replace").strip()
        raise BenchError(f"{command.argv[0]} {ended(done.returncode, LIMIT_S)}: {said}")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Series:
    """The runs of one contestant; what is quoted is the median."""

    runs: tuple[Run, ...]

    @property
    def wall_s(self) -> float:
        return statistics.median(run.wall_s for run in self.runs)

    @property
    def cpu_s(self) -> float:
        return statistics.median(run.cpu_s for run in self.runs)

    @property
    def peak_bytes(self) -> int:
        return max(run.peak_bytes for run in self.runs)

    @property
    def least_s(self) -> float:
        return min(run.wall_s for run in self.runs)

    @property
    def most_s(self) -> float:
        return max(run.wall_s for run in self.runs)


def in_turn(
    rounds: int, contestants: Mapping[str, Callable[[], Run]], say: Callable[[str], None]
) -> tuple[dict[str, Series], dict[str, str]]:
    """Let the contestants run one after the other, round after round (A B A B ...).

    Others use the machine too, and what they take changes over minutes: contestants are compared
    only where they ran beside each other. One that fails is left out of the rounds that follow;
    the second of the results says why it failed.
    """
    runs: dict[str, list[Run]] = {name: [] for name in contestants}
    failures: dict[str, str] = {}
    for number in range(rounds):
        for name, contestant in contestants.items():
            if name in failures:
                continue
            try:
                result = contestant()
            except BenchError as error:
                failures[name] = str(error)
                continue
            runs[name].append(result)
            say(
                f"{name}, run {number + 1}: {result.wall_s:.2f} s, CPU {result.cpu_s:.2f} s, "
                f"peak {result.peak_bytes / 1e6:.0f} MB"
            )
    taken = {name: Series(tuple(runs[name])) for name in contestants if name not in failures}
    return taken, failures


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
