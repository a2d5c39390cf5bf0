"""Files that are made to harm whoever reads them, each made by code when it is wanted.

``expected`` are the outcomes that are right for one; what harms nobody may well be
read. The ones that are ``quick`` take no more than a moment.
"""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from poparchive.attachments import Job, Status
from tests.support import documents

ANY = frozenset(Status)
READ = frozenset([Status.DONE, Status.EMPTY])
BROKEN = frozenset([Status.DAMAGED, Status.DONE, Status.EMPTY])
BOMB = frozenset([Status.BOMB])
SPENT = frozenset([Status.BOMB, Status.MEMORY, Status.TIMEOUT, Status.DAMAGED])
LOCKED = frozenset([Status.ENCRYPTED])
NO_READER = frozenset([Status.UNSUPPORTED])

MEBIBYTE = 1 << 20
SECRET = "quokka-in-the-passwd-file"
"""Stands in a file, and behind an address, that external entities name."""


Pack = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Hostile:
    """A file: how it is called, how it is made, and what may become of it."""

    name: str
    make: Callable[[], bytes]
    expected: frozenset[Status]
    quick: bool = True
    type: str = "application/octet-stream"

    def job(self) -> Job:
        return Job(self.make(), self.name.rpartition("/")[2], self.type)


def same(name: str, content: bytes, expected: frozenset[Status], *, quick: bool = True) -> Hostile:
    """A file that is made at once, for it is small."""
    return Hostile(name, lambda: content, expected, quick)


# ---- archives --------------------------------------------------------------------------------------------


def zeros_zip(mebibytes: int, members: int = 1) -> bytes:
    return documents.zipped({f"{i}.txt": b"\0" * (mebibytes * MEBIBYTE) for i in range(members)})


def nested_zip(depth: int, width: int = 1, seed: bytes = b"wombat") -> bytes:
    content = seed
    for level in range(depth):
        content = documents.zipped({f"{level}-{i}.zip": content for i in range(width)})
    return content


def overlapping_zip(entries: int, size: int) -> bytes:
    """All entries of the directory name the same deflated octets."""
    whole = documents.zipped({"a.txt": b"a" * size})
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        start = archive.start_dir
    entry = whole[start : whole.rindex(b"PK\x05\x06")]
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, entries & 0xFFFF, entries & 0xFFFF,
                      len(entry) * entries, start, 0)  # fmt: skip
    return whole[:start] + entry * entries + end


def lying_zip(compressed: int | None, size: int | None, *, crc: int | None = None) -> bytes:
    """A member whose sizes in the directory are not true."""
    whole = bytearray(documents.zipped({"a.txt": b"numbat " * 1000}))
    at = whole.rindex(b"PK\x01\x02")
    for place, value in ((16, crc), (20, compressed), (24, size)):
        if value is not None:
            struct.pack_into("<I", whole, at + place, value)
    return bytes(whole)


def zip_named(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            member = zipfile.ZipInfo("x")
            member.filename = name
            archive.writestr(member, b"quoll")
    return out.getvalue()


def zip_by(method: int, *, flags: int = 0) -> bytes:
    """A member whose method of compression is another than it says, or with other flags."""
    whole = bytearray(documents.zipped({"a.txt": b"bilby " * 100}))
    for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = whole.rindex(magic) if magic == b"PK\x01\x02" else 0
        struct.pack_into("<HH", whole, at + place, flags, method)
    return bytes(whole)


def quine_zip() -> bytes:
    """ZIP and gzip in each other, deeper than anybody looks: to a reader what holds itself looks no other."""
    content = b"echidna"
    for _ in range(40):
        content = gzip.compress(documents.zipped({"quine.zip": content}))
    return content


def archives() -> Iterator[Hostile]:
    yield Hostile("zip/zeros-300M.zip", lambda: zeros_zip(300), BOMB)
    yield Hostile("zip/zeros-1000M.zip", lambda: zeros_zip(1000), BOMB | READ, quick=False)
    yield Hostile("zip/zeros-40x10M.zip", lambda: zeros_zip(10, 40), BOMB | READ)
    yield Hostile("zip/bzip2-bomb.zip", lambda: _zip_with(zipfile.ZIP_BZIP2), SPENT)
    yield Hostile("zip/lzma-bomb.zip", lambda: _zip_with(zipfile.ZIP_LZMA), SPENT)
    yield Hostile("zip/5000-members.zip", lambda: zip_named(*map(str, range(5000))), BOMB)
    yield Hostile("zip/60000-members.zip", lambda: zip_named(*map(str, range(60_000))), BOMB)
    yield Hostile("zip/overlap-60000.zip", lambda: overlapping_zip(60_000, 1000), BOMB)
    yield Hostile(
        "zip/overlap-1000x1M.zip", lambda: overlapping_zip(1000, MEBIBYTE), BOMB | READ | BROKEN
    )
    yield Hostile("zip/quine.zip", quine_zip, BOMB)
    yield Hostile("zip/wide-and-deep.zip", lambda: nested_zip(5, 8), BOMB)
    for depth in (5, 7, 20, 100, 400):
        yield Hostile(
            f"zip/deep-{depth}.zip", partial(nested_zip, depth), READ if depth < 7 else BOMB
        )
    for compressed, size in (
        (0xFFFFFFFE, None), (None, 0xFFFFFFFE), (0, None), (None, 0), (1, 1), (0x7FFFFFFF, 0x7FFFFFFF),
    ):  # fmt: skip
        yield same(f"zip/lying-{compressed}-{size}.zip", lying_zip(compressed, size), BROKEN)
    yield same("zip/wrong-crc.zip", lying_zip(None, None, crc=1), BROKEN)
    names = {
        "slip": "../../../../etc/cron.d/x", "absolute": "/etc/passwd", "drive": "C:\\Windows\\x.txt",
        "nul": "a\0b.txt", "long": "n" * 60_000, "bidi": "\u202etxt.exe", "escape": "\x1b]0;x\x07.txt",
        "empty": "", "dots": "..", "device": "/dev/zero", "proc": "/proc/self/mem",
    }  # fmt: skip
    for name, path in names.items():
        yield same(f"zip/named-{name}.zip", zip_named(path), READ | BROKEN)
    yield same("zip/named-twice.zip", zip_named(*["same.txt"] * 500), READ)
    for method in (1, 9, 14, 93, 97, 99, 65535):
        yield same(f"zip/method-{method}.zip", zip_by(method), BROKEN | LOCKED)
    yield same("zip/only-end.zip", b"PK\x05\x06" + b"\0" * 18, BROKEN)
    yield same("zip/end-says-65535.zip", b"PK\x05\x06" + b"\xff" * 18, BROKEN)
    yield same("zip/zip64-huge.zip", _zip64(), BROKEN)


def _zip_with(method: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("a.txt", b"\0" * (300 * MEBIBYTE))
    return out.getvalue()


def _zip64() -> bytes:
    whole = documents.zipped({"a.txt": b"bandicoot"})
    record = struct.pack(
        "<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1 << 60, 1 << 60, 1 << 61, 0
    )
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, len(whole) - 22, 1)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return whole[:-22] + record + locator + end


def streams() -> Iterator[Hostile]:
    packers: tuple[tuple[str, Pack], ...] = (
        ("gz", gzip.compress),
        ("bz2", bz2.compress),
        ("xz", lzma.compress),
    )
    for name, pack in packers:
        zeros = b"\0" * (300 * MEBIBYTE)
        yield Hostile(f"stream/zeros-300M.{name}", partial(pack, zeros), BOMB)
        del zeros
        yield Hostile(f"stream/nested-30.{name}", partial(_again, pack, b"dunnart" * 99, 30), BOMB)
        yield same(f"stream/100000-empty.{name}", pack(b"") * 100_000, BOMB | BROKEN)
        yield same(f"stream/garbage-behind.{name}", pack(b"kowari") + b"\xff" * 999, BROKEN)
        yield same(f"stream/cut.{name}", pack(b"kowari " * 9999)[:-9], BROKEN)
    yield same("stream/long-name.gz", b"\x1f\x8b\x08\x08" + b"\0" * 6 + b"n" * 500_000, BROKEN)
    yield same("stream/reserved.gz", b"\x1f\x8b\x08\xff" + b"\xff" * 600, BROKEN)
    huge = lzma.compress(
        b"x", filters=[{"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": 1 << 29}]
    )
    yield same("stream/dictionary-512M.xz", huge, BROKEN | SPENT)


def _again(pack: Pack, content: bytes, times: int) -> bytes:
    for _ in range(times):
        content = pack(content)
    return content


def tars() -> Iterator[Hostile]:
    def one(**values: object) -> bytes:
        member = tarfile.TarInfo("a.txt")
        for name, value in values.items():
            setattr(member, name, value)
        return member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")

    end = b"\0" * 1024
    yield same("tar/huge-size.tar", one(size=1 << 50) + end, BROKEN)
    yield same("tar/symlink.tar", one(type=tarfile.SYMTYPE, linkname="/etc/passwd") + end, READ)
    yield same("tar/hardlink.tar", one(type=tarfile.LNKTYPE, linkname="/etc/passwd") + end, READ)
    yield same("tar/device.tar", one(type=tarfile.CHRTYPE, devmajor=1, devminor=5) + end, READ)
    yield same("tar/fifo.tar", one(type=tarfile.FIFOTYPE) + end, READ)
    yield same("tar/slip.tar", one(name="../../etc/cron.d/x") + end, READ)
    yield same("tar/100000-members.tar", one() * 100_000 + end, READ | BOMB)
    yield same("tar/no-end.tar", one(size=10_000) + b"x" * 100, BROKEN)
    yield same("tar/bad-sum.tar", one()[:148] + b"9999999\0" + one()[156:] + end, BROKEN)
    yield same("tar/long-name.tar", one(type=tarfile.GNUTYPE_LONGNAME, size=1 << 40) + end, BROKEN)
    yield same(
        "tar/pax.tar",
        one(type=tarfile.XHDTYPE, size=512) + b"999999999999 a=b\n".ljust(512, b"x") + end,
        BROKEN,
    )
    yield same("tar/sparse.tar", one(type=tarfile.GNUTYPE_SPARSE, size=1 << 45) + end, BROKEN)


# ---- XML -------------------------------------------------------------------------------------------------


def laughs(levels: int = 10) -> str:
    rows = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, levels))
    return f'<!DOCTYPE x [<!ENTITY l0 "ha">{rows}]>'


def xml(secret: str, address: str) -> Iterator[Hostile]:
    last = "&l9;"
    external = {
        "file": (f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{secret}">]>', "&e;"),
        "http": (f'<!DOCTYPE x [<!ENTITY e SYSTEM "{address}">]>', "&e;"),
        "parameter": (f'<!DOCTYPE x [<!ENTITY % p SYSTEM "{address}">%p;]>', "x"),
        "dtd": (f'<!DOCTYPE x SYSTEM "{address}">', "x"),
    }
    traps = {"laughs": (laughs(), last), **external}
    big = "A" * 100_000
    traps["quadratic"] = (f'<!DOCTYPE x [<!ENTITY a "{big}">]>', "&a;" * 20_000)
    writers: dict[str, Callable[[str, str], bytes]] = {
        "docx": lambda words, before: documents.docx(words, before=before),
        "xlsx": lambda words, before: documents.xlsx(words, before=before),
        "pptx": lambda words, before: documents.pptx(words, before=before),
        "odt": lambda words, before: documents.opendocument("text", words, before=before),
        "ods": lambda words, before: documents.opendocument("spreadsheet", words, before=before),
        "odp": lambda words, before: documents.opendocument("presentation", words, before=before),
        "xml": lambda words, before: f'<?xml version="1.0"?>{before}<x>{words}</x>'.encode(),
        "svg": lambda words, before: (
            f'<?xml version="1.0"?>{before}<svg><text>{words}</text></svg>'.encode()
        ),
        "xhtml": lambda words, before: (
            f'<?xml version="1.0"?>{before}<html><p>{words}</p></html>'.encode()
        ),
    }
    for trap, (before, words) in traps.items():
        for ending, write in writers.items():
            made = partial(write, words, before)
            yield Hostile(f"xml/{trap}.{ending}", made, READ | BROKEN | SPENT)
    deep = "<a>" * 300_000
    for ending, write in list(writers.items())[:7]:
        yield Hostile(f"xml/deep.{ending}", partial(write, deep, ""), READ | BROKEN | SPENT)
    for name, line in (
        ("paragraphs.docx", "</w:t><w:p>"),
        ("fallbacks.docx", "</w:t><mc:Fallback><w:p>"),
        ("texts.docx", "</w:t><w:t>a"),
        ("paragraphs.pptx", "<a:p>"),
        ("paragraphs.odt", "<text:p>"),
    ):
        made = partial(writers[name.rpartition(".")[2]], line * 300_000, "")
        yield Hostile(f"xml/many-{name}", made, READ | BROKEN | SPENT)
    yield same("xml/attributes.xml", b"<a " + b'b="c" ' * 300_000 + b"/>", READ)
    yield same("xml/comment.xml", b"<!--" * 300_000, READ)
    yield same("xml/include.xml", f'<x><xi:include href="file://{secret}"/></x>'.encode(), READ)
    yield Hostile(
        "xml/bomb.docx", lambda: documents.docx("A" * (400 * MEBIBYTE)), BOMB, quick=False
    )
    yield Hostile("xml/huge-sheet.xlsx", _huge_sheet, READ | BROKEN | SPENT)


def _huge_sheet() -> bytes:
    """A cell in the last row and column: whoever makes a table of it has 17 thousand million cells."""
    whole = documents.xlsx("potoroo")
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    sheet = members["xl/worksheets/sheet1.xml"].replace(b'r="A1"', b'r="XFD1048576"')
    members["xl/worksheets/sheet1.xml"] = sheet.replace(b'<row r="1">', b'<row r="1048576">')
    return documents.zipped(members)
