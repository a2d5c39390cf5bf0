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
        self._frames = array("q")
        self._offsets = array("I")
        self._lengths = array("I")

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, key: int, frame: int, offset: int, length: int) -> None:
        """Note that the object with row id ``key`` stands there."""
        self.keys.append(key)
        self._frames.append(frame)
        self._offsets.append(offset)
        self._lengths.append(length)

    def chunks(self) -> Iterator[list[tuple[int, Location]]]:
        """Yield (row id, place) in pieces of one statement each."""
        for start in range(0, len(self.keys), bulk.ROWS):
            stop = start + bulk.ROWS
            columns = (self._frames, self._offsets, self._lengths)
            places = zip(*(column[start:stop] for column in columns), strict=True)
            yield [
                (key, Location(self.pack, *place))
                for key, place in zip(self.keys[start:stop], places, strict=True)
            ]


class Moved(NamedTuple):
    """What moved with one journal entry. A later one of the same object counts."""

    messages: Sequence[Moves] = ()
    blobs: Sequence[Moves] = ()


NOTHING_MOVED = Moved()
