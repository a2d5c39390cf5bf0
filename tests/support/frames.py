"""Frames as ``optimize`` writes them."""

from collections.abc import Sequence

from poparchive.store import frame
from poparchive.store.codec import TightDictionary
from poparchive.store.frame import Object, Slot


def tightly(
    objects: Sequence[Object], dictionary: tuple[TightDictionary, int] | None = None
) -> bytes:
    """A frame of version 2 with these objects."""
    slots = [Slot(one.kind, one.id, len(one.octets)) for one in objects]
    return frame.encode_tightly(slots, b"".join(one.octets for one in objects), dictionary)
