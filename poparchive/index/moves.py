"""Objects that now stand in another pack: columns, because ``optimize`` moves a million at a time."""

from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from poparchive.index import bulk
from poparchive.model import Location


class Moves:
    """Row ids of messages or blobs, and the place in one pack where each of them is from now on."""

    def __init__(self, pack: int) -> None:
        self.pack = pack
        self.keys = array("q")
        self._frames: list[int] = []
        """Where each frame begins, once: most objects stand in the frame of the one before them."""
        self._numbers = array("I")
        self._offsets = array("I")
        self._lengths = array("I")

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, key: int, frame: int, offset: int, length: int) -> None:
        """Note that the object with row id ``key`` stands there."""
        if not self._frames or self._frames[-1] != frame:
            self._frames.append(frame)
        self.keys.append(key)
        self._numbers.append(len(self._frames) - 1)
        self._offsets.append(offset)
        self._lengths.append(length)

    def chunks(self) -> Iterator[list[tuple[int, Location]]]:
        """Yield (row id, place) in pieces of one statement each."""
        for start in range(0, len(self.keys), bulk.ROWS):
            stop = start + bulk.ROWS
            columns = (self.keys, self._numbers, self._offsets, self._lengths)
            yield [
                (key, Location(self.pack, self._frames[number], offset, length))
                for key, number, offset, length in zip(
                    *(column[start:stop] for column in columns), strict=True
                )
            ]


class Moved(NamedTuple):
    """What moved with one journal entry. A later one of the same object counts."""

    messages: Sequence[Moves] = ()
    blobs: Sequence[Moves] = ()


NOTHING_MOVED = Moved()
