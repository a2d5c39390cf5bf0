"""Reads an archive without poparchive. Written from docs/store-format.md alone; shares no code with it.

`python escape_hatch.py ARCHIVE DIRECTORY` writes each message to DIRECTORY/HASH.eml, and a line for each
UIDL to DIRECTORY/ledger.tsv. It stops at the first thing that is damaged or newer than the page.
"""

import base64
import hashlib
import struct
import sys
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import zstandard

HEADER = struct.Struct("<8sHH16sIQI")  # of packs and of journal files
FRAME = struct.Struct("<4sBBBBIIIIQQI32s")
ENTRY = struct.Struct("<4sBBHQQII32sI")
FATES = ("listed", "archived", "duplicate", "skipped", "quarantined", "vanished", "deleted")


def check(right: bool, what: str) -> None:
    if not right:
        raise ValueError(what)


class Cursor:  # takes fields off octets
    def __init__(self, octets: bytes) -> None:
        self.octets, self.at = octets, 0

    def take(self, length: int) -> bytes:
        self.at += length
        check(self.at <= len(self.octets), "octets end too early")
        return self.octets[self.at - length : self.at]

    def varint(self) -> int:
        octet = self.take(1)[0]
        return octet & 127 | (self.varint() << 7 if octet > 127 else 0)

    def sized(self) -> bytes:
        return self.take(self.varint())


def decoded(codec: int, octets: bytes, dictionary: bytes = b"") -> bytes:
    check(codec in (0, 1), f"codec {codec} is newer than this program")
    known = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
    zstd = zstandard.ZstdDecompressor(known, max_window_size=1 << 30).decompressobj()
    return zstd.decompress(octets) if codec else octets


def check_header(path: Path, octets: bytes, wanted: bytes) -> None:
    magic, version, flags, _, n, _, crc = HEADER.unpack(octets[:44])
    check((magic, crc, n) == (wanted, zlib.crc32(octets[:40]), int(path.stem)), f"{path}: header")
    check(version == 1 and not flags, f"{path}: version {version}, flags {flags}: newer")


@lru_cache(8)
def frame(path: Path, start: int) -> tuple[int, bytes, list[tuple[int, int]]]:
    """Decode the frame at ``start``: where the next one begins, payload, kind and length of objects."""
    with path.open("rb") as file:
        file.seek(start)
        head = file.read(FRAME.size)
        magic, version, kind, codec, flags, place, count, extra, *rest = FRAME.unpack(head)
        length, raw, stored, crc, digest = rest
        body = file.read(extra + length + stored)
    where = f"{path}, frame at {start}"
    check(magic == b"PAFR" and crc == zlib.crc32(head[:40]), f"{where}: header")
    check(version < 3 and kind < 4 and not flags, f"{where}: {version=} {kind=} {flags=}: newer")
    check(hashlib.sha256(head[:44] + body).digest() == digest, f"{where}: digest")
    payload = decoded(codec, body[extra + length :], frame(path, place)[1] if place else b"")
    table = decoded(1 if version == 2 and length else 0, body[extra : extra + length])
    if version == 1:
        objects = [entry[:2] for entry in struct.iter_unpack("<BIQ", table)]
    else:
        lengths = struct.unpack_from(f"<{count}I", table, count)
        objects = list(zip(table[:count], lengths, strict=True))
    check((len(payload), len(objects)) == (raw, count), f"{where}: lengths")
    return start + len(head) + len(body), payload, objects


class Archive:
    """By number: ``accounts`` as [name, host, user], ``ledger`` as [account, size, UIDL, fate, message,
    reason], with an empty message until one is kept. ``runs`` are as the page has them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.accounts: dict[int, list[str]] = {}
        self.ledger: dict[int, list[Any]] = {}
        self.runs: list[list[Any]] = []
        self.packs: dict[int, int] = {}  # number and committed length
        self.blobs: dict[bytes, list[Any]] = {}
        number, previous = 1, bytes(32)
        for path in (files := sorted((root / "journal").glob("*.journal"))):
            octets, at = path.read_bytes(), 44
            if path == files[-1] and len(octets) < at:
                break  # cut while it was written: it has no entry yet
            check_header(path, octets, b"POPAJRNL")
            while at < len(octets):
                fields = ENTRY.unpack(head := octets[at : at + 68].ljust(68))
                magic, version, codec, flags, this, _, _, stored, before, crc = fields
                end = at + 68 + stored
                if path == files[-1] and end + 32 > len(octets):
                    break  # cut while it was written: never kept
                digest = hashlib.sha256(octets[at:end]).digest()
                check(magic == b"PAJE" and crc == zlib.crc32(head[:64]), f"{path}: entry at {at}")
                check(version == 1 and not flags, f"{path}: entry at {at} is newer")
                found = (this, before, octets[end : end + 32])
                check(found == (number, previous, digest), f"{path}: the chain breaks at {at}")
                self.apply(Cursor(decoded(codec, octets[at + 68 : end])))
                number, previous, at = number + 1, digest, end + 32
        for octets, _, *place in self.objects(1):
            self.blobs[hashlib.sha256(octets).digest()] = place

    def apply(self, records: Cursor) -> None:
        while records.at < len(records.octets):
            code, number = records.take(1)[0], records.varint()
            if code == 1:
                self.accounts[number] = [records.sized().decode() for _ in range(3)]
            elif code == 2:
                first = records.varint()
                for ledger in range(first, first + records.varint()):
                    self.ledger[ledger] = [number, records.varint(), records.sized(), 0, b"", ""]
            elif code in (3, 4):
                self.ledger[number][3:] = [code - 2, records.take(32), ""]
            elif code == 5:
                self.ledger[number][3::2] = records.varint(), records.sized().decode()
            elif code == 6:
                run = [records.varint() for _ in range(10)]
                self.runs.append([number, *run, records.sized().decode()])
            elif code == 7:
                self.packs[number], _ = records.varint(), records.varint()
            elif code == 8:
                self.packs.pop(number, None)
            else:
                check(code >= 128, f"a journal record with the code {code} is newer")
                records.take(number)

    def objects(self, wanted: int) -> Iterator[tuple[bytes, bytes, Path, int, int]]:
        """Yield all objects of a kind: octets, payload of the frame, path, frame, place in it."""
        for number, length in sorted(self.packs.items()):
            path, start = self.root / f"packs/{number & 255:02x}/{number:08}.pack", 44
            check_header(path, path.open("rb").read(44), b"POPAPACK")
            while start < length:
                at, (after, payload, objects) = 0, frame(path, start)
                for kind, size in objects:
                    check(kind in (1, 2), f"{path}: object of kind {kind} is newer")
                    if kind == wanted:
                        yield payload[at : at + size], payload, path, start, at
                    at += size
                start = after
            check(start == length, f"{path}: a frame crosses the committed length")

    def carry_out(self, recipe: Cursor, payload: bytes) -> Iterator[bytes]:
        while recipe.at < len(recipe.octets):
            code = recipe.take(1)[0]
            check(code in range(1, 6), f"an operation with the code {code} is newer")
            if code == 1:
                octets = recipe.sized()
            elif code in (2, 3):
                path, start, at = self.blobs[recipe.take(32)]
                octets = frame(path, start)[1][at : at + recipe.varint()]
            else:
                at = int.from_bytes(recipe.take(4), "little")
                octets = payload[at : at + recipe.varint()]
            if code in (3, 5):
                line, end = recipe.varint(), recipe.take(1)[0]
                text, newline = base64.b64encode(octets), b"\n" if end & 1 else b"\r\n"
                octets = newline.join(text[n : n + line] for n in range(0, len(text), line))
                octets += newline if end & 2 and text else b""
            yield octets

    def messages(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the hash and the octets of each message that the journal names."""
        missing = {row[4] for row in self.ledger.values()} - {b""}
        for recipe, payload, *_ in self.objects(2):
            octets = b"".join(self.carry_out(Cursor(recipe), payload))
            if (digest := hashlib.sha256(octets).digest()) in missing:
                missing.remove(digest)
                yield digest, octets
        check(not missing, f"{len(missing)} messages have no recipe that makes them")


def main(root: Path, target: Path) -> None:
    archive = Archive(root)
    target.mkdir()
    for digest, octets in archive.messages():
        (target / f"{digest.hex()}.eml").write_bytes(octets)
    with (target / "ledger.tsv").open("w", encoding="utf-8") as out:
        for number, (account, size, uidl, fate, *more) in sorted(archive.ledger.items()):
            fields = (number, *archive.accounts[account], uidl.decode("latin-1"), size, FATES[fate])
            print(*fields, more[0].hex(), more[1], sep="\t", file=out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
