"""Objects that now stand in another pack: columns, because ``optimize`` moves a million at a time."""

from array import array
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

from poparchive.index import bulk
from poparchive.model import Location


class Moves:
    """Row ids of messages or blobs, and the place in one pack where each of them is from now on."""

    def __init__(self, pack: int) -> None:
        self.pack = pack
        self.keys = array("q")
        self._lengths = array("I")
        # Runs of objects that follow one another in a frame: where in the columns each begins, and the place
        # of its first.
        self._firsts = array("Q")
        self._frames = array("Q")
        self._offsets = array("I")
        self._next = (-1, 0)

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, key: int, frame: int, offset: int, length: int) -> None:
        """Note that the object with row id ``key`` stands there."""
        if self._next != (frame, offset):
            self._firsts.append(len(self.keys))
            self._frames.append(frame)
            self._offsets.append(offset)
        self.keys.append(key)
        self._lengths.append(length)
        self._next = frame, offset + length

    def chunks(self) -> Iterator[list[tuple[int, Location]]]:
        """Yield (row id, place) in pieces of one statement each."""
        places = self._places()
        for start in range(0, len(self.keys), bulk.ROWS):
            keys = self.keys[start : start + bulk.ROWS]
            yield list(zip(keys, islice(places, len(keys)), strict=True))

    def _places(self) -> Iterator[Location]:
        ends = chain(islice(self._firsts, 1, None), [len(self.keys)])
        for first, frame, offset, end in zip(
            self._firsts, self._frames, self._offsets, ends, strict=True
        ):
            for length in self._lengths[first:end]:
                yield Location(self.pack, frame, offset, length)
                offset += length


class Moved(NamedTuple):
    """What moved with one journal entry. A later one of the same object counts."""

    messages: Sequence[Moves] = ()
    blobs: Sequence[Moves] = ()


NOTHING_MOVED = Moved()
