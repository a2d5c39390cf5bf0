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


def dictionary_for(layout: Layout, pack: int, length: int) -> bytes | None:
    """Return a dictionary for mail like that in a pack; None where it would be of no use.

    What cannot be read is passed over: it is for ``verify`` to tell.
    """
    if not ENOUGH_BYTES <= length <= _MOST_BYTES:
        return None
    reader = PackReader(layout)
    samples: list[bytes] = []
    frames = size = 0
    try:
        for frame in reader.frames(pack, 0, length):
            frames += 1
            for entry in frame.entries:
                octets = frame.payload[entry.offset :][: min(entry.length, _SAMPLE_BYTES)]
                if size < _SAMPLES_BYTES:
                    samples.append(octets)
                    size += len(octets)
    except DamageError:
        pass
    finally:
        reader.close()
    if not frames or length // frames > _SMALL_FRAME_BYTES:
        return None
    return codec.train(samples, min(codec.DICTIONARY_BYTES, size // 8))
