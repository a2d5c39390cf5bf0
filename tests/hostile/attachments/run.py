"""``python -m tests.hostile.attachments.run [--quick] [--every N] [--only WORD]``: reads hostile files.

Says what became of them, what that cost, and whether anything was reached that must not be.
"""

import argparse
import contextlib
import json
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from poparchive.attachments import Job, Limits, Pool, Status
from tests.hostile.attachments import files, more_files
from tests.hostile.attachments.files import SECRET, Hostile

LIMITS = Limits(cpu_s=5, memory_bytes=384 << 20)
SANE = Job(b"<p>still a wonderful sanctuary", "sane.html", "text/html")


def hostile(secret: str, address: str) -> Iterator[Hostile]:
    """Yield all. ``secret`` is a file and ``address`` a URL that nothing may be read from."""
    yield from files.archives()
    yield from files.streams()
    yield from files.tars()
    yield from files.xml(secret, address)
    yield from more_files.pdfs(secret, address)
    for make in more_files.MAKERS:
        yield from make()


@contextlib.contextmanager
def listening(heard: list[str]) -> Iterator[str]:
    """Give an address that notes who comes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        if connection.recv(1) != b"!":
                            heard.append("somebody came")

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/{SECRET}"
        # Whoever came before us in the queue has been heard when we are.
        with socket.create_connection(server.getsockname()) as last:
            last.sendall(b"!")
            last.recv(1)


def run(*, quick: bool, only: str = "", every: int = 1) -> dict[str, object]:
    """Read them and return what is to be asserted."""
    heard: list[str] = []
    wrong: list[str] = []
    statuses: Counter[str] = Counter()
    costs: list[tuple[float, str]] = []
    count = sane = octets = peak = 0
    with tempfile.TemporaryDirectory() as directory, listening(heard) as address:
        secret = Path(directory) / "secret"
        secret.write_text(SECRET)
        with Pool[str](LIMITS) as pool:
            for at, one in enumerate(hostile(str(secret), address)):
                if (quick and not one.quick) or only not in one.name or at % every:
                    continue
                job = one.job()
                began = time.monotonic()
                ((_, outcome),) = pool.read([(one.name, job)])
                costs.append((time.monotonic() - began, one.name))
                count += 1
                octets += len(job.content)
                peak = max([peak, *map(_peak_kib, pool.pids)])
                statuses[outcome.status.name] += 1
                if outcome.status not in one.expected or SECRET in outcome.text:
                    wrong.append(f"{one.name}: {outcome.status.name} {outcome.note}")
            ((_, outcome),) = pool.read([("sane", SANE)])
            sane = int(outcome.status is Status.DONE and "sanctuary" in outcome.text)
        left = sorted(path.name for path in Path(directory).iterdir())
    return {
        "files": count,
        "octets": octets,
        "statuses": dict(sorted(statuses.items())),
        "wrong": wrong,
        "heard": heard,
        "left": left,
        "sane": sane,
        "seconds": round(sum(cost for cost, _ in costs), 1),
        "slowest": [f"{name} {cost:.1f} s" for cost, name in sorted(costs, reverse=True)[:10]],
        "worker_peak_mib": peak >> 10,
    }


def _peak_kib(pid: int) -> int:
    """The most memory that a process has had so far."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("--only", default="", help="only those with this in their name")
    arguments.add_argument("--every", type=int, default=1, help="only every so manieth")
    given = arguments.parse_args()
    found = run(quick=given.quick, only=given.only, every=given.every)
    print(json.dumps(found, indent=1))
    sys.exit(bool(found["wrong"] or found["heard"] or not found["sane"]))


if __name__ == "__main__":
    main()
