"""``python -m bench.frames ARCHIVE``: seconds that a zstd decoder alone needs for all frames, as JSON.

It is the machine's share of reading an archive. The packs are walked by the page that specifies them
(``docs/store-format.md``) and without poparchive; nothing is checked, joined or hashed.
"""

import json
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import zstandard

PACK_HEADER_OCTETS = 44
HEADER = struct.Struct("<4sBBBBIIIIQQI32s")
ZSTD = 1
DICTIONARY_MAGIC = struct.pack("<I", 0xEC30A437)


def decoded(pack: bytes) -> Iterator[tuple[float, int]]:
    """For each compressed frame, the seconds that it took and the octets that came out."""
    dictionaries: dict[int, zstandard.ZstdCompressionDict] = {}
    at = PACK_HEADER_OCTETS
    while at < len(pack):
        head = HEADER.unpack_from(pack, at)
        _, _, _, codec, _, place, _, extra, table, raw, stored, _, _ = head
        begin = at + HEADER.size + extra + table
        if codec == ZSTD:
            began = time.perf_counter()
            dictionary = None
            if place:
                dictionary = dictionaries.get(place)
                if dictionary is None:
                    # One at a time: whoever reads in order needs no other.
                    dictionaries = {place: dictionary_at(pack, place)}
                    dictionary = dictionaries[place]
            payload = decompressor(dictionary).decompress(
                pack[begin : begin + stored], max_output_size=raw
            )
            yield time.perf_counter() - began, len(payload)
        at = begin + stored


def dictionary_at(pack: bytes, at: int) -> zstandard.ZstdCompressionDict:
    """The payload of a frame, as what stands before that of others."""
    _, _, _, codec, _, _, _, extra, table, raw, stored, _, _ = HEADER.unpack_from(pack, at)
    begin = at + HEADER.size + extra + table
    payload = pack[begin : begin + stored]
    if codec == ZSTD:
        payload = decompressor(None).decompress(payload, max_output_size=raw)
    whole = payload.startswith(DICTIONARY_MAGIC)
    kind = zstandard.DICT_TYPE_FULLDICT if whole else zstandard.DICT_TYPE_RAWCONTENT
    return zstandard.ZstdCompressionDict(payload, dict_type=kind)


_decompressors: dict[int, zstandard.ZstdDecompressor] = {}


def decompressor(
    dictionary: zstandard.ZstdCompressionDict | None,
) -> zstandard.ZstdDecompressor:
    key = id(dictionary)
    if key not in _decompressors:
        _decompressors.clear()
        _decompressors[key] = (
            zstandard.ZstdDecompressor(dict_data=dictionary)
            if dictionary
            else zstandard.ZstdDecompressor()
        )
    return _decompressors[key]


def main() -> None:
    began_cpu = time.process_time()
    wall_s = 0.0
    octets = 0
    for path in sorted(Path(sys.argv[1]).glob("packs/*/*.pack")):
        for took_s, length in decoded(path.read_bytes()):
            wall_s += took_s
            octets += length
    cpu_s = time.process_time() - began_cpu
    print(json.dumps({"octets": octets, "wall_s": wall_s, "cpu_s": cpu_s}))


if __name__ == "__main__":
    main()
