"""Archives written octet by octet from docs/store-format.md: what no writer writes (yet), or never should.

Shares no code with poparchive. Every field can be given another value than the page's.
"""

import hashlib
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import zstandard

ID = UUID("00112233-4455-6677-8899-aabbccddeeff")
TIME = 1_700_000_000
BLOB, RECIPE = 1, 2

Objects = Sequence[tuple[int, bytes, bytes]]
"""Kind, octets, and what they are known by: a blob itself, for a recipe the message that it makes."""


def varint(value: int) -> bytes:
    """LEB128."""
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def sized(octets: bytes) -> bytes:
    """A length and the octets."""
    return varint(len(octets)) + octets


def header(
    magic: bytes, number: int, last: int, *, version: int = 1, flags: int = 0, archive: UUID = ID
) -> bytes:
    """The header of a pack or journal file."""
    head = struct.pack("<8sHH16sIQ", magic, version, flags, archive.bytes, number, last)
    return head + struct.pack("<I", zlib.crc32(head))


def table_1(objects: Objects) -> bytes:
    """The table of a frame of version 1."""
    return b"".join(
        struct.pack("<BI8s", kind, len(octets), hashlib.sha256(known).digest())
        for kind, octets, known in objects
    )


def table_2(objects: Objects) -> bytes:
    """The table of a frame of version 2: columns, in one zstd frame."""
    columns = bytes(kind for kind, _, _ in objects)
    columns += b"".join(struct.pack("<I", len(octets)) for _, octets, _ in objects)
    columns += b"".join(hashlib.sha256(known).digest()[:4] for _, _, known in objects)
    return zstandard.compress(columns)


def frame(
    objects: Objects,
    *,
    version: int = 1,
    kind: int = 1,
    codec: int = 0,
    flags: int = 0,
    dictionary: int = 0,
    known: bytes = b"",
    extra: bytes = b"",
    payload: bytes | None = None,
) -> bytes:
    """A frame of objects, or of ``payload``. ``known`` is the dictionary, ``dictionary`` its place."""
    payload = b"".join(octets for _, octets, _ in objects) if payload is None else payload
    stored = payload
    if codec == 1:
        data = zstandard.ZstdCompressionDict(known) if known else None
        stored = zstandard.ZstdCompressor(level=3, dict_data=data).compress(payload)
    table = b"" if not objects else table_2(objects) if version == 2 else table_1(objects)
    lengths = (len(objects), len(extra), len(table), len(payload), len(stored))
    head = struct.pack("<4sBBBBIIIIQQ", b"PAFR", version, kind, codec, flags, dictionary, *lengths)
    head += struct.pack("<I", zlib.crc32(head))
    rest = extra + table + stored
    return head + hashlib.sha256(head + rest).digest() + rest


def seal(pack: bytes) -> bytes:
    """The frame that ends a pack."""
    return frame((), kind=3, payload=hashlib.sha256(pack).digest())


def entry(
    number: int,
    previous: bytes,
    records: bytes,
    *,
    version: int = 1,
    codec: int = 0,
    flags: int = 0,
) -> bytes:
    """A journal entry; ``previous`` is the one before, or nothing."""
    before = previous[-32:] if previous else bytes(32)
    stored = zstandard.compress(records) if codec == 1 else records
    head = struct.pack(
        "<4sBBHQQII32s",
        *(b"PAJE", version, codec, flags, number, TIME, len(records), len(stored), before),
    )
    octets = head + struct.pack("<I", zlib.crc32(head)) + stored
    return octets + hashlib.sha256(octets).digest()


def account(number: int, name: str, host: str = "pop.example.com:995", user: str = "u") -> bytes:
    """Record 1."""
    return b"\x01" + varint(number) + b"".join(sized(t.encode()) for t in (name, host, user))


def listed(number: int, first: int, pairs: Sequence[tuple[bytes, int]]) -> bytes:
    """Record 2; ``number`` is the account's."""
    found = b"\x02" + varint(number) + varint(first) + varint(len(pairs))
    return found + b"".join(varint(size) + sized(uidl) for uidl, size in pairs)


def archived(ledger: int, message: bytes) -> bytes:
    """Record 3, for a message given by its octets."""
    return b"\x03" + varint(ledger) + hashlib.sha256(message).digest()


def committed(number: int, length: int, sealed: int = 0) -> bytes:
    """Record 7."""
    return b"\x07" + varint(number) + varint(length) + varint(sealed)


def literal(octets: bytes) -> bytes:
    """Operation 1."""
    return b"\x01" + sized(octets)


def write(root: Path, packs: dict[int, bytes], journal: Sequence[bytes], *, form: int = 1) -> None:
    """Write an archive of whole packs, and of entries that go into one journal file."""
    for directory in ("packs", "journal", "spool"):
        (root / directory).mkdir(parents=True)
    (root / "archive.toml").write_text(
        f'format = {form}\nid = "{ID}"\ncreated = 2023-11-14T22:13:20Z\n'
    )
    for number, octets in packs.items():
        path = root / "packs" / f"{number % 256:02x}" / f"{number:08}.pack"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(octets)
    (root / "journal" / "00000001.journal").write_bytes(
        header(b"POPAJRNL", 1, 1) + b"".join(journal)
    )
