"""Dictionaries for the small frames of everyday pulls, trained on the archive's own mail.

A pull of three messages has too little to compress well by itself. Once a pack has some of them, what they
have in common becomes the first frame of the next pack, and every small frame in it is compressed as if that
stood before it.
"""

from poparchive.store import codec
from poparchive.store.errors import DamageError
from poparchive.store.layout import Layout
from poparchive.store.packread import PackReader

ENOUGH_BYTES = 192 << 10
"""Of a pack, as stored: about a mebibyte of mail. With less a dictionary is worth less than it takes."""

_MOST_BYTES = 16 << 20
"""A larger pack was not filled by everyday pulls, or was looked at before."""

_SMALL_FRAME_BYTES = 64 << 10
_SAMPLE_BYTES = 16 << 10
_SAMPLES_BYTES = 6 << 20


def due(before: int, length: int) -> bool:
    """Whether a pack has grown from ``before`` to a length at which to try: enough for the first time, or
    twice as much as when it was tried last. Mail that gives no dictionary now gives none a little later."""
    return _doublings(length) > _doublings(before)


def _doublings(length: int) -> int:
    return (length // ENOUGH_BYTES).bit_length()


def dictionary_for(layout: Layout, pack: int, length: int) -> bytes | None:
    """Return a dictionary for mail like that in a pack; None where it would be of no use.

    What cannot be read is passed over: it is for ``verify`` to tell.
    """
    if not ENOUGH_BYTES <= length <= _MOST_BYTES:
        return None
    reader = PackReader(layout)
    samples: list[bytes] = []
    size = 0
    try:
        # Asked at the end of each pull, so nothing is decoded before it is known to be of use.
        if length // max(1, reader.count(pack, length)) > _SMALL_FRAME_BYTES:
            return None
        for frame in reader.frames(pack, 0, length):
            for entry in frame.entries:
                end = entry.offset + min(entry.length, _SAMPLE_BYTES)
                octets = frame.payload[entry.offset : end]
                if size < _SAMPLES_BYTES:
                    samples.append(octets)
                    size += len(octets)
    except DamageError:
        pass
    finally:
        reader.close()
    return codec.train(samples, min(codec.DICTIONARY_BYTES, size // 8))
