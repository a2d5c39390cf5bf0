"""``starter.py DESCRIPTOR LIMIT_S PROGRAM ARGUMENT...``: run a program, report what it took.

Writes exit code, wall seconds, CPU seconds and peak octets as JSON to the descriptor. It imports
next to nothing, because its own size is counted as the least peak of the program.

The peak is the resident set of the program's largest process, as the kernel knows it, or what all
of its processes held at a time, if that is more: looked at twenty times a second, pages that several
of them share counted once.
"""

import os
import signal
import sys
import time

LOOK_S = 0.05


def main() -> None:
    tell, limit_s, argv = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    os.set_inheritable(tell, False)
    began = time.perf_counter()
    try:
        # Its own process group: at the limit its children go with it.
        child = os.posix_spawnp(argv[0], argv, os.environ, setpgroup=0)
    except OSError as error:
        sys.stderr.write(f"cannot be started: {error.strerror}\n")
        os.write(tell, b"[127, 0, 0, 0]")
        return

    together = 0

    def kill(_signal: int, _frame: object) -> None:
        os.killpg(child, signal.SIGKILL)

    def look(_signal: int, _frame: object) -> None:
        nonlocal together
        if time.perf_counter() - began > limit_s:
            os.killpg(child, signal.SIGKILL)
        processes = family(child)
        if len(processes) > 1:
            together = max(together, sum(map(held_octets, processes)))
        # Only now: on a busy machine a look takes longer than that, and would be broken into by the next.
        signal.setitimer(signal.ITIMER_REAL, LOOK_S)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, kill)
    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, LOOK_S)
    _, status, usage = os.wait4(child, 0)
    wall_s = time.perf_counter() - began
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    code = os.waitstatus_to_exitcode(status)
    cpu_s = usage.ru_utime + usage.ru_stime
    peak_bytes = max(usage.ru_maxrss * 1024, together)
    os.write(tell, f"[{code}, {wall_s}, {cpu_s}, {peak_bytes}]".encode())


def family(process: int) -> list[int]:
    """The process and all that descend from it; it alone where the system does not tell."""
    found = [process]
    for one in found:
        try:
            for thread in os.listdir(f"/proc/{one}/task"):  # noqa: PTH208 - pathlib would add to the least peak
                with open(f"/proc/{one}/task/{thread}/children") as children:  # noqa: PTH123
                    found.extend(int(word) for word in children.read().split())
        except OSError:
            continue
    return found


def held_octets(process: int) -> int:
    """What a process holds of memory, shared pages by their share."""
    try:
        with open(f"/proc/{process}/smaps_rollup") as rollup:  # noqa: PTH123
            for line in rollup:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


main()
