"""``starter.py DESCRIPTOR LIMIT_S PROGRAM ARGUMENT...``: run a program, report what it took.

Writes exit code, wall seconds, CPU seconds and peak octets as JSON to the descriptor. It imports
next to nothing, because its own size is counted as the least peak of the program.
"""

import os
import signal
import sys
import time


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

    def kill(_signal: int, _frame: object) -> None:
        os.killpg(child, signal.SIGKILL)

    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, kill)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    _, status, usage = os.wait4(child, 0)
    wall_s = time.perf_counter() - began
    code = os.waitstatus_to_exitcode(status)
    cpu_s = usage.ru_utime + usage.ru_stime
    os.write(tell, f"[{code}, {wall_s}, {cpu_s}, {usage.ru_maxrss * 1024}]".encode())


main()
