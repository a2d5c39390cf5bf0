"""zstd (RFC 8878) for frames: fast for what pulls write, tight for what ``optimize`` writes.

Contexts are large and not to be shared, so each thread has its own. Dictionaries may be shared.
"""

import threading
from collections.abc import Sequence

import zstandard

from poparchive.store.errors import DamageError

Octets = bytes | bytearray

LEVEL = 5
"""Level 5 stores 6% less than level 3 and still compresses faster than POP3 servers deliver."""

TIGHT_LEVEL = 19
_CHAIN_LOG, _HASH_LOG = 24, 21
"""Level 19 as it is for windows of 8 MiB, whatever the window: tables of 72 MB; larger ones take 640. Half of
the chains is 1.1% larger."""

_CHAIN_LOG_KNOWING = 22
"""With a dictionary there are two sets of tables, its own and the payload's, of 24 MB each, for 1% more."""

DICTIONARY_BYTES = 16 << 10
"""It stands in every pack, twice, so a larger one takes more of an archive that ``optimize`` has made small
than it wins before that: a thousand pulls of six mails each are 3.50 times smaller than raw with it, and 3.56
times with 32 KiB."""

MAX_RAW_BYTES = 1 << 30
"""No writer makes a frame near this; a header that claims more is damage, not a reason to allocate."""


class Dictionary:
    """What both sides know before a payload begins: a trained dictionary, or octets that stand before it."""

    def __init__(self, octets: Octets) -> None:
        self._data = zstandard.ZstdCompressionDict(octets)
        self._threads = threading.local()

    @property
    def octets(self) -> bytes:
        """The dictionary itself, copied: it may be large, and is held once."""
        return self._data.as_bytes()

    def decompressor(self) -> zstandard.ZstdDecompressor:
        """Return this thread's own."""
        found: zstandard.ZstdDecompressor | None = getattr(self._threads, "decompressor", None)
        if found is None:
            found = self._threads.decompressor = self.new_decompressor()
        return found

    def new_decompressor(self) -> zstandard.ZstdDecompressor:
        """Return one that nobody else uses."""
        return _new_decompressor(self._data)

    def compress(self, octets: bytes) -> bytes:
        """As ``compress`` does without a dictionary."""
        found: zstandard.ZstdCompressor | None = getattr(self._threads, "compressor", None)
        if found is None:
            found = zstandard.ZstdCompressor(
                level=LEVEL, dict_data=self._data, write_checksum=False, write_dict_id=False
            )
            self._threads.compressor = found
        return found.compress(octets)


class TightDictionary:
    """Octets that stand before what is to be compressed tightly. For one thread."""

    def __init__(self, octets: Octets) -> None:
        self._data = zstandard.ZstdCompressionDict(octets)
        self._parameters: zstandard.ZstdCompressionParameters | None = None

    def compress(self, octets: Octets) -> bytes:
        """As ``compress_tightly`` does without a dictionary. The dictionary's tables, of 24 MB, are made at
        the first call and stay; those of the octets go with each."""
        if self._parameters is None:
            self._parameters = _tight(len(octets), _CHAIN_LOG_KNOWING, len(self._data))
            self._data.precompute_compress(compression_params=self._parameters)
        compressor = zstandard.ZstdCompressor(
            compression_params=self._parameters, dict_data=self._data
        )
        return compressor.compress(octets)


def _new_decompressor(
    dictionary: zstandard.ZstdCompressionDict | None = None,
) -> zstandard.ZstdDecompressor:
    return zstandard.ZstdDecompressor(dict_data=dictionary, max_window_size=MAX_RAW_BYTES)


def train(samples: Sequence[bytes], size: int = DICTIONARY_BYTES) -> bytes | None:
    """Return a dictionary for octets like these; None where they are too few or too much alike."""
    try:
        return zstandard.train_dictionary(size, list(samples), level=LEVEL).as_bytes()
    except zstandard.ZstdError:
        return None


class _Coders(threading.local):
    """zstd contexts are large and not to be shared between threads: one of each a thread."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=False)
        self.sampler = zstandard.ZstdCompressor(level=1, write_checksum=False)
        self.decompressor = _new_decompressor()


_coders = _Coders()


def compresses(octets: bytes) -> bool:
    """Tell from a sample whether compressing these octets is worth it."""
    sample = octets[: 1 << 14] if len(octets) <= 1 << 16 else octets[len(octets) // 2 :][: 1 << 14]
    return len(_coders.sampler.compress(sample)) < len(sample) * 0.97


def compress(octets: bytes) -> bytes:
    """One zstd frame with the content size in it."""
    return _coders.compressor.compress(octets)


def compress_tightly(octets: Octets) -> bytes:
    """As small as it gets in bounded memory (some 100 MB), at about a mebibyte a second."""
    parameters = _tight(len(octets), _CHAIN_LOG)
    return zstandard.ZstdCompressor(compression_params=parameters).compress(octets)


def _tight(length: int, chain_log: int, known: int = 0) -> zstandard.ZstdCompressionParameters:
    """For so many octets, behind a dictionary of so many that are ``known``."""
    reach = _window_log(length + known)
    return zstandard.ZstdCompressionParameters.from_level(
        TIGHT_LEVEL,
        source_size=length,
        dict_size=known,
        window_log=reach,
        chain_log=min(chain_log, reach),
        hash_log=min(_HASH_LOG, reach),
        write_checksum=False,
        write_dict_id=False,
    )


def _window_log(reach: int) -> int:
    return max(20, (reach - 1).bit_length())


def decompress(octets: bytes, raw_length: int, dictionary: Dictionary | None = None) -> bytes:
    """Undo what compressed; anything else than ``raw_length`` octets is damage."""
    _check_length(raw_length)
    decompressor = dictionary.decompressor() if dictionary else _coders.decompressor
    try:
        raw = decompressor.decompress(octets, max_output_size=raw_length)
    except zstandard.ZstdError as error:
        raise DamageError(f"a payload does not decompress: {error}") from error
    if len(raw) != raw_length:
        raise DamageError("a payload has another length than its header says")
    return raw


class Partial:
    """A payload that is decompressed as far as it is asked for, each octet of it once. One thread."""

    def __init__(
        self, octets: bytes, raw_length: int, dictionary: Dictionary | None = None
    ) -> None:
        _check_length(raw_length)
        # Its own: it is in the middle of the payload when others are read, and goes with a buffer as large as
        # the frame's window.
        own = dictionary.new_decompressor() if dictionary else _new_decompressor()
        self._reader = own.stream_reader(octets, closefd=False)
        self.raw_length = raw_length
        self._done = 0

    def more(self, end: int) -> bytes:
        """Return what follows up to the octet ``end``. Fewer octets than ``raw_length`` are damage."""
        wanted = min(end, self.raw_length) - self._done
        try:
            piece = self._reader.read(wanted) if wanted > 0 else b""
        except zstandard.ZstdError as error:
            raise DamageError(f"a payload does not decompress: {error}") from error
        if len(piece) < wanted:
            raise DamageError("a payload has another length than its header says")
        self._done += len(piece)
        return piece


def _check_length(octets: int) -> None:
    if octets > MAX_RAW_BYTES:
        raise DamageError(f"a payload claims {octets} octets")
