"""What a verification remembers, also if it is cut: how far it came, and what it found.

The first damage is noted before anybody is told of it; what follows, and how far a share came, every few
seconds. That covers only what was read with its messages. A run that is cut forgets no damage that is
known, for it has not read everything again; one that comes to its end does. A note that cannot be written,
as on a medium that is read only, stops nothing.
"""

import time
from pathlib import Path

from poparchive.archive import scrub
from poparchive.archive.scrub import Scrub
from poparchive.archive.verify import databases
from poparchive.archive.verify.findings import Damage, Kind
from poparchive.archive.verify.names import Found

NOTE_S = 2.0
"""Notes are at least so far apart: each waits for the disk twice."""


class Notebook:
    """The notes of one run. ``state`` is what earlier ones left, and for a share where this one is."""

    def __init__(self, root: Path, *, shared: bool) -> None:
        self._root = root
        self._shared = shared
        self._noted_s = time.monotonic()
        self._all_read = False
        self.state = scrub.read(root)
        self._before = frozenset(self.state.damages)
        self.found = Found()

    def begin(self, total: int) -> None:
        """Begin or go on with a round over ``total`` octets of packs."""
        if not self.state.began:
            self.state.began = int(time.time())
            self.state.fresh = []
        self.state.total = total

    def damage(self, damage: Damage) -> None:
        """Note what was found: the first at once, for ``status`` to know that there is some."""
        first = not self.found.sentences
        self.found.append(damage)
        self._note(at_once=first)

    def reached(self, pack: int, frame: int, done: int) -> None:
        """All before was read, and the messages in it: a share that is cut goes on here."""
        if self._shared:
            self.state.pack, self.state.frame, self.state.done = pack, frame, done
            self._note()

    def all_read(self) -> None:
        """No pack is left to read: the round is over once the run is."""
        self._all_read = True

    def cut(self) -> None:
        """Note what was done and found by a run that does not come to its end."""
        if self._shared or self.found.sentences:
            self._note(at_once=True)

    def end(self, proved: dict[Path, Kind]) -> None:
        """Note that the run did all that it was to do. The hashes of ``proved`` databases are remembered
        after a run without a share, where nothing of their kind was found."""
        if self._shared:
            self._meanwhile()
            self._add(self.state)
            self.state.runs.append(int(time.time()))
            if self._all_read:
                _end_round(self.state, self.state.fresh)
            scrub.write(self._root, self.state)
            return
        # Shares may have been read meanwhile.
        state = scrub.read(self._root)
        for path, kind in proved.items():
            if kind not in self.found.kinds:
                databases.note(path, state)
        _end_round(state, self.found.sentences)
        scrub.write(self._root, state)

    def _note(self, *, at_once: bool = False) -> None:
        if not at_once and time.monotonic() - self._noted_s < NOTE_S:
            return
        state = self._meanwhile() if self._shared else scrub.read(self._root)
        self._add(state)
        scrub.write(self._root, state)
        self._noted_s = time.monotonic()

    def _meanwhile(self) -> Scrub:
        """Take over what a run over everything has found since this share began."""
        known = scrub.read(self._root)
        self.state.full = known.full
        # Where the octets were read before they were found bad, the round's end must not forget them.
        self.state.fresh += [one for one in known.damages if one not in self._before]
        self.state.damages = known.damages
        return self.state

    def _add(self, state: Scrub) -> None:
        """Put what was found to what is known, and to what the round under way has found."""
        found = self.found.sentences
        state.damages = list(dict.fromkeys([*state.damages, *found]))
        state.fresh = list(dict.fromkeys([*state.fresh, *found]))


def _end_round(state: Scrub, found: list[str]) -> None:
    """All was read again: what was not found again is no more."""
    state.pack = state.frame = state.done = state.began = 0
    state.full = int(time.time())
    state.damages, state.fresh = found, []
