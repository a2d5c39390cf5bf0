"""What the daemon does for the archive beside its pulls: a daily share of a verification, optimize, and
reading attachments."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from poparchive import observe
from poparchive.archive import scrub
from poparchive.archive.status import without_parity
from poparchive.archive.verify import Counts, Damage, Share, StoppedError, verify
from poparchive.errors import PoparchiveError

CHECK_S = 3600
"""So often is looked whether a day has passed."""

_LOGGED = 50


class Scrubber:
    """Runs in a thread of its own; pulls go on meanwhile, for a verification needs no lock."""

    def __init__(self, root: Path, within_s: int) -> None:
        self._root = root
        self._within_s = within_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start_if_due(self) -> None:
        """Begin a run, unless one is under way or one ended today."""
        if self._stop.is_set() or (self._thread and self._thread.is_alive()):
            return
        if scrub.due(self._root):
            self._thread = threading.Thread(target=self.run, name="verify", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End a run; the next one goes on where it was."""
        self._stop.set()

    def join(self) -> None:
        """Wait until what was begun has ended."""
        if self._thread:
            self._thread.join()

    def run(self) -> None:
        """Read a share and log what was found."""
        counts = Counts()
        try:
            damages = self._log(verify(self._root, counts, self._show, Share(None, self._within_s)))
        except PoparchiveError as error:
            observe.event("verify failed", level=40, error=str(error))
            return
        for note in counts.notes[:_LOGGED]:
            observe.event("verify note", note=note)
        # Of all packs, also those that this share did not come to.
        bare = without_parity(self._root)
        if bare:
            observe.event(
                "packs without parity",
                level=30,
                packs=",".join(map(str, bare[:_LOGGED])),
                remedy="poparchive verify --repair",
            )
        state = scrub.read(self._root)
        observe.event(
            "verify",
            level=40 if damages else 20,
            damages=damages,
            packs_without_parity=len(bare),
            messages=counts.messages,
            octets=counts.octets,
            round_done=round(state.done / state.total, 3) if state.began and state.total else 1.0,
        )

    def _log(self, found: Iterator[Damage]) -> int:
        damages = 0
        for damage in found:
            damages += 1
            if damages <= _LOGGED:
                message = damage.message
                observe.event(
                    "damage",
                    level=40,
                    kind=damage.kind.value,
                    damage=damage.what,
                    message=damage.identity.hex() if damage.identity else None,
                    accounts=",".join(damage.accounts),
                    subject=message.subject if message else None,
                )
        return damages

    def _show(self, what: str, done: int, total: int) -> None:
        if self._stop.is_set():
            raise StoppedError


class Child:
    """Runs a command of poparchive as a process of its own, whose memory ends with it; everything else on
    the machine goes first."""

    def __init__(self, options: Sequence[str], command: str, *limits: str) -> None:
        """``options`` are those before the command: which configuration, which archive."""
        main = [sys.executable, "-m", "poparchive", "--quiet"]
        self._name = command
        self._command = [*main, *options, command, "--nice", "--json", *limits]
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin a run, unless one is under way."""
        if self._stopped.is_set() or (self._thread and self._thread.is_alive()):
            return
        try:
            self._process = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        except OSError as error:
            # No memory, no process, or Python was just being replaced: pulls go on, and the next time may do.
            observe.event(f"{self._name} not begun", level=30, error=error.strerror or str(error))
            return
        self._thread = threading.Thread(target=self._follow, args=(self._process,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End a run; the next one goes on where it was."""
        self._stopped.set()
        if self._process:
            self._process.terminate()

    def join(self) -> None:
        """Wait until what was begun has ended."""
        if self._thread:
            self._thread.join()

    def _follow(self, process: "subprocess.Popen[str]") -> None:
        report, said = process.communicate()
        if self._stopped.is_set():
            observe.event(f"{self._name} stopped")
        elif process.returncode in (0, 1) and report:
            observe.event(self._name, level=40 if process.returncode else 20, report=report.strip())
        else:
            observe.event(f"{self._name} failed", level=40, error=said.strip()[-2000:])
