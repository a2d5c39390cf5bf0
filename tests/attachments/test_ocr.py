"""Letters in pictures, and in PDFs that are pictures, are recognized where that is on."""

import struct
import zlib

import pytest

from poparchive.attachments import Job, Limits, Pool, Status, office
from tests.support import documents

ON = Limits(ocr=True)

pytestmark = pytest.mark.skipif(
    office.library() is None or office.tessdata("eng") is None,
    reason="kreuzberg or tesseract's data is missing (the extra `attachments`; Debian: tesseract-ocr)",
)

FONT = {
    "T": "11111 00100 00100 00100 00100 00100 00100",
    "E": "11111 10000 10000 11110 10000 10000 11111",
    "I": "01110 00100 00100 00100 00100 00100 01110",
    "L": "10000 10000 10000 10000 10000 10000 11111",
    " ": "00 00 00 00 00 00 00",
}
SCALE = 12


def bitmap(text: str) -> tuple[int, int, list[bytes]]:
    """Draw capital letters in black on white: width, height, and rows of an octet a point."""
    rows = [""] * 7
    for letter in text:
        for at, bits in enumerate(FONT[letter].split()):
            rows[at] += bits + "00"
    margin = 60
    width = len(rows[0]) * SCALE + 2 * margin
    blank = b"\xff" * width
    drawn = []
    for row in rows:
        line = b"".join((b"\0" if bit == "1" else b"\xff") * SCALE for bit in row)
        drawn += [b"\xff" * margin + line + b"\xff" * margin] * SCALE
    lines = [blank] * margin + drawn + [blank] * margin
    return width, len(lines), lines


def png(text: str) -> bytes:
    width, height, rows = bitmap(text)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def scan(text: str) -> bytes:
    """A PDF whose only page is a picture."""
    width, height, rows = bitmap(text)
    about = (
        b"/Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceGray/BitsPerComponent 8"
    )
    draw = b"q 500 0 0 150 50 500 cm /X Do Q"
    return documents.pdf(
        objects={
            4: b"<</Length %d>>stream\n" % len(draw) + draw + b"\nendstream",
            5: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R"
            b"/Resources<</XObject<</X 6 0 R>>>>>>",
            6: documents.stream(b"".join(rows), about % (width, height)),
        }
    )


def test_pictures_and_scans_are_read_when_it_is_on() -> None:
    """By a worker that can read tesseract's data and nothing else."""
    jobs = {
        "a.png": Job(png("LITTLE TILE"), "a.png", ""),
        "a.pdf": Job(scan("LITTLE TILE"), "a.pdf", ""),
    }
    with Pool[str](ON) as pool:
        assert pool.abilities().ocr
        found = dict(pool.read(jobs.items()))
    for name, outcome in found.items():
        assert outcome.status is Status.DONE, (name, outcome)
        assert "TILE" in outcome.text.upper(), (name, outcome)


def test_they_are_not_when_it_is_off() -> None:
    with Pool[str](Limits()) as pool:
        (picture,) = [
            outcome for _, outcome in pool.read([("a.png", Job(png("LITTLE TILE"), "a.png", ""))])
        ]
    assert picture.status is Status.EMPTY
