"""Frames that are dictionaries of others, decoded: few of them, for each takes as much as a first frame.

Each is held once, as zstd wants it, which can be looked into only by copying all of it: what is read of it
is cut from a few pieces that are kept. For one thread.
"""

from collections import OrderedDict

from poparchive.store.codec import Dictionary

Key = tuple[int, int]
"""A pack, and where in it the frame begins."""

_PIECE_BYTES = 1 << 20
_PIECES = 4
"""Who reads message after message, forward or back, is at two places in turn: recipes, and the blobs behind
them."""


class Dictionaries:
    """The last ``most`` that were needed."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[Key, Dictionary] = OrderedDict()
        self._pieces: OrderedDict[tuple[Key, int], bytes] = OrderedDict()

    def __contains__(self, key: Key) -> bool:
        return key in self._held

    def get(self, key: Key) -> Dictionary | None:
        found = self._held.get(key)
        if found:
            self._held.move_to_end(key)
        return found

    def hold(self, key: Key, payload: bytes) -> Dictionary:
        """Keep a frame's payload, and let go of what was not needed for longest."""
        self._held.pop(key, None)
        while len(self._held) >= self._most:
            self._drop(next(iter(self._held)))
        found = self._held[key] = Dictionary(payload)
        return found

    def cut(self, key: Key, start: int, end: int) -> bytes | None:
        """Return octets of a frame's payload, fewer behind its end; None unless it is here."""
        known = self.get(key)
        if known is None:
            return None
        first = start - start % _PIECE_BYTES
        piece = self._pieces.get((key, first), b"")
        if end > first + len(piece):
            piece = known.octets[first : max(end, first + _PIECE_BYTES)]
            # One that is much larger is not for keeping.
            if len(piece) <= 2 * _PIECE_BYTES:
                self._pieces[key, first] = piece
                if len(self._pieces) > _PIECES:
                    self._pieces.popitem(last=False)
        if (key, first) in self._pieces:
            self._pieces.move_to_end((key, first))
        return piece[start - first : end - first]

    def forget(self, pack: int) -> None:
        """Let go of what is of a pack."""
        for key in [one for one in self._held if one[0] == pack]:
            self._drop(key)

    def clear(self) -> None:
        """Let go of all."""
        self._held.clear()
        self._pieces.clear()

    def _drop(self, key: Key) -> None:
        del self._held[key]
        for one in [one for one in self._pieces if one[0] == key]:
            del self._pieces[one]
