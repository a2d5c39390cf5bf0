"""What is found in contents of each kind, and what a content is taken for."""

import binascii
import gzip
import random
import struct
import tarfile
import zipfile
from io import BytesIO

import pytest

from poparchive.attachments import (
    Job,
    Lacking,
    Limits,
    Outcome,
    Status,
    office,
    packed,
    parts,
    reading,
)
from poparchive.attachments.kinds import Kind, kind_of
from poparchive.attachments.outcome import TEXT_CHARS
from tests.support import documents

WORDS = "the kookaburra laughs"

needs_library = pytest.mark.skipif(
    office.library() is None, reason="kreuzberg is not installed (the extra `attachments`)"
)


def read(content: bytes, name: str = "", media_type: str = "") -> Outcome:
    return reading.read(Job(content, name, media_type), Limits())


def tarred(name: str, content: bytes) -> bytes:
    out = BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, BytesIO(content))
    return out.getvalue()


MAIL = (
    b"From: Anna <anna@example.org>\nSubject: A bird\nMIME-Version: 1.0\n"
    b'Content-Type: multipart/mixed; boundary="b"\n\n--b\n\nSee below.\n--b\n'
    b'Content-Type: text/html\nContent-Disposition: attachment; filename="bird.html"\n\n'
    b"<p>the kookaburra laughs</p>\n--b--\n"
)
CALENDAR = (
    b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:the kooka\r\n burra laughs\r\n"
    b"END:VEVENT\r\nEND:VCALENDAR\r\n"
)
PLAIN = {
    "a.txt": WORDS.encode(),
    "a.csv": b"id;bird\n1;the kookaburra laughs\n",
    "utf-16.txt": WORDS.encode("utf-16"),
    "a.html": b"<html><script>hidden</script><p>the <b>kookaburra</b> laughs",
    "a.xml": b'<?xml version="1.0"?><a><b>the kookaburra</b> laughs</a>',
    "a.ics": CALENDAR,
    "a.vcf": b"BEGIN:VCARD\nFN:the kookaburra laughs\nEND:VCARD\n",
    "a.rtf": documents.rtf(WORDS),
    "a.docx": documents.docx(WORDS),
    "a.pptx": documents.pptx(WORDS),
    "a.odt": documents.opendocument("text", WORDS),
    "a.odp": documents.opendocument("presentation", WORDS),
    "a.eml": MAIL,
    "a.zip": documents.zipped({"b.txt": WORDS}),
    "zip-in-zip.zip": documents.zipped({"b.zip": documents.zipped({"c.eml": MAIL})}),
    "a.uue": b"begin 644 b.txt\n" + binascii.b2a_uu(WORDS.encode()) + b"`\nend\n",
    "a.txt.gz": gzip.compress(WORDS.encode()),
    "a.tgz": gzip.compress(tarred("b.txt", WORDS.encode())),
}
LIBRARYS = {
    "a.pdf": documents.pdf(WORDS),
    "a.xlsx": documents.xlsx(WORDS),
    "a.ods": documents.opendocument("spreadsheet", WORDS),
    "a.msg": documents.msg("A bird", WORDS),
}


@pytest.mark.parametrize("name", PLAIN)
def test_what_needs_no_library(name: str) -> None:
    """These are read wherever the package is."""
    found = read(PLAIN[name], name)
    assert found.status is Status.DONE, found
    assert WORDS in " ".join(found.text.split())


@needs_library
@pytest.mark.parametrize("name", LIBRARYS)
def test_what_the_library_reads(name: str) -> None:
    """So are these with the extra, and within a ZIP file."""
    for found in (
        read(LIBRARYS[name], name),
        read(documents.zipped({name: LIBRARYS[name]}), "z.zip"),
    ):
        assert found.status is Status.DONE, found
        assert WORDS in " ".join(found.text.split())


@pytest.mark.parametrize("name", LIBRARYS)
def test_without_the_library(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What needs it is unsupported, and says what to install; an archive's names are read all the same."""
    monkeypatch.setattr(office, "library", lambda: None)
    found = read(LIBRARYS[name], name)
    assert (found.status, found.lacking) == (Status.UNSUPPORTED, Lacking.EXTRA)
    assert "poparchive[attachments]" in found.note
    within = read(documents.zipped({f"bilby-{name}": LIBRARYS[name]}), "z.zip")
    assert within.status is Status.DONE
    assert f"bilby-{name}" in within.text
    assert within.lacking is Lacking.EXTRA


@pytest.mark.parametrize("name", [*PLAIN, *LIBRARYS])
def test_a_false_name_misleads_nobody(name: str) -> None:
    """What the octets say goes before name and type."""
    content = {**PLAIN, **LIBRARYS}[name]
    kind = kind_of(content, name, "")
    if kind not in (Kind.TEXT, Kind.MAIL):
        assert kind_of(content, "x.txt", "text/plain") is kind


def test_names_count_where_the_octets_say_nothing() -> None:
    assert kind_of(b"<b>x</b>", "a.html", "") is Kind.HTML
    assert kind_of(b"<b>x</b>", "", "text/html") is Kind.HTML
    assert kind_of(b"x", "a.docx", "") is Kind.TEXT
    assert kind_of(b"\0\1\2\3", "a.docx", "") is Kind.DOCX
    assert kind_of(b"\0\1\2\3", "a.bin", "") is Kind.NO_TEXT
    assert kind_of(b" \n", "a.pdf", "") is Kind.EMPTY


@pytest.mark.parametrize("charset", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "text",
    [
        "Windows \u200bRegistry\r\n\tregword with some more words of it, so that one may be odd\n",
        "Жёлтый ёж и синий кит\n",
        "日本語 のメモ と英語 memo\n",
    ],
)
def test_utf_16_that_does_not_say_so(text: str, charset: str) -> None:
    """It is text if it has NULs at every other place, and as such is printable; numbers and sound are not."""
    found = read(text.encode(charset), "a.txt", "text/plain")
    assert found.status is Status.DONE
    assert found.text.split() == text.split()
    assert read(text.encode(charset) * 2000, "a").text.split()[:3] == text.split()[:3]


@pytest.mark.parametrize("code", ["<H", ">H", "<I"])
def test_numbers_are_no_utf_16(code: str) -> None:
    content = b"".join(struct.pack(code, n % 251) for n in range(3000))
    assert read(content, "a.dat").status is Status.EMPTY


def test_letters_that_are_no_words() -> None:
    """A signature gives no text, and a message that is encrypted says so."""
    assert read(b"-----BEGIN PGP SIGNATURE-----\n\niQEz\n").status is Status.EMPTY
    assert read(b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQEN\n").status is Status.EMPTY
    assert read(b"-----BEGIN PGP MESSAGE-----\n\nhQEM\n").status is Status.ENCRYPTED


def test_a_long_text_is_cut_and_says_so() -> None:
    found = read(b"bandicoot " * (TEXT_CHARS // 5))
    assert found.status is Status.DONE
    assert len(found.text) <= TEXT_CHARS
    assert "cut" in found.note


def test_what_was_read_before_the_damage_is_there() -> None:
    """A gzip file that breaks off gives what came before."""
    whole = gzip.compress(b"".join(b"wallaby %d\n" % n for n in range(50_000)))
    found = read(whole[: len(whole) // 2])
    assert found.status is Status.DONE
    assert "wallaby 100\n" in found.text
    assert "breaks off" in found.note


def test_what_a_stream_unpacks_to_beyond_what_is_read_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Zeros beyond the limit make a bomb, of which the text before them is there; below it they do not, nor
    does as much text that is not packed so tightly."""
    monkeypatch.setattr(packed, "_MEMBER_BYTES", 1 << 20)
    monkeypatch.setattr(parts, "MAX_UNPACKED_BYTES", 6 << 20)
    for zeros, status in ((8 << 20, Status.BOMB), (4 << 20, Status.DONE)):
        found = read(gzip.compress(WORDS.encode() + b" " * (1 << 20) + b"\0" * zeros))
        assert found.status is status
        assert WORDS in found.text
    digits = random.Random(1).randbytes(4 << 20).hex().encode()
    assert read(gzip.compress(WORDS.encode() + digits)).status is Status.DONE
    assert read(gzip.compress(b"\0" * (8 << 20))).status is Status.BOMB
    assert read(gzip.compress(b"\0" * (4 << 20))).status is Status.EMPTY


@needs_library
@pytest.mark.parametrize("content", [b"%PDF-1.4 junk", documents.pdf(WORDS)[:200]])
def test_a_damaged_pdf_is_told_of_in_a_sentence(content: bytes) -> None:
    """Not as the chain of the library's errors."""
    found = read(content, "a.pdf")
    assert found.status is Status.DAMAGED
    assert found.note == "it is no PDF, or its beginning or end is missing"


@needs_library
def test_notes_on_the_pages_of_a_pdf() -> None:
    """Also where the page is a picture, which OCR may read all the same; targets of links are no text."""
    notes = [
        b"/Subtype/FreeText/Contents(boxed)",
        b"/Subtype/Text/Contents(sticky)",
        b"/Subtype/Link/A<</S/URI/URI(http://quoll.example/)>>",
    ]
    objects = {20 + at: b"<</Type/Annot/Rect[0 0 9 9]" + n + b">>" for at, n in enumerate(notes)}
    objects[5] = (
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 3 0 R>>>>"
        b"/Annots[20 0 R 21 0 R 22 0 R]>>"
    )
    found = read(documents.pdf(WORDS, objects=objects), "a.pdf")
    assert found.text.split() == [*WORDS.split(), "boxed", "sticky"]
    found = read(documents.pdf(objects=objects), "a.pdf")
    assert (found.text.split(), found.lacking) == (["boxed", "sticky"], Lacking.OCR)


@needs_library
def test_what_is_filled_into_the_form_of_a_pdf() -> None:
    """What was typed or chosen, also where the value is that of a field of several boxes; no ticks, and no
    value twice."""
    box = b"/Type/Annot/Subtype/Widget/Rect[0 0 9 9]"
    found = read(
        documents.pdf_form(
            WORDS,
            box + b"/FT/Tx/T(a)/V(a quoll)",
            b"/FT/Tx/T(b)/V<FEFF017C00F3014202750020>/Kids[100002 0 R 100003 0 R]",
            box + b"/Parent 100001 0 R",
            box + b"/Parent 100001 0 R",
            box + b"/FT/Ch/Ff 131072/T(c)/V(wombat)/Opt[(wombat)(bilby)]",
            box + b"/FT/Btn/T(d)/V/Ticked/AS/Ticked",
            box + b"/FT/Tx/T(e)/V(a quoll)",
            box + b"/FT/Tx/T(f)",
        ),
        "a.pdf",
    )
    assert found.text.split("\n")[-3:] == ["a quoll", "żółɵ ", "wombat"]
    assert WORDS in found.text
    assert "Ticked" not in found.text


@needs_library
@pytest.mark.parametrize(
    "field",
    [
        b"/Parent 100000 0 R",
        b"/FT/Tx/V 100000 0 R",
        b"/FT/Ch/V[(a)(b)]/Opt 7",
        b"/FT/Tx/V<</A 1>>/Kids[100000 0 R]",
    ],
)
def test_odd_forms_cost_nothing_of_the_text(field: bytes) -> None:
    """Fields that are their own parents, and values of other kinds."""
    found = read(
        documents.pdf_form(WORDS, b"/Type/Annot/Subtype/Widget/Rect[0 0 9 9]/T(a)" + field), "a.pdf"
    )
    assert found.status is Status.DONE
    assert WORDS in found.text


def test_an_odd_member_costs_the_others_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ZIP member that this Python cannot unpack is named and left out; those behind it are read."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("odd.txt", "a quoll", zipfile.ZIP_BZIP2)
        archive.writestr("good.txt", WORDS)
    monkeypatch.setattr(zipfile, "bz2", None)
    found = read(out.getvalue(), "a.zip")
    assert found.status is Status.DONE
    assert WORDS in found.text
    assert "odd.txt" in found.note


def test_a_picture_wants_ocr() -> None:
    """Without it, it is empty, and says what would make a difference."""
    found = read(b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "a.png")
    assert (found.status, found.lacking) == (Status.EMPTY, Lacking.OCR)


def test_measured_data_is_left_out_of_long_texts() -> None:
    """Lines of numbers behind the first 65,536 characters are; those that hold a word are not."""
    numbers = "".join(f"{n / 7}\n" for n in range(20_000))
    found = read(f"{numbers}the kookaburra laughs\n17\n".encode())
    assert "kookaburra" in found.text
    assert f"{1 / 7}\n" in found.text
    assert f"{19_999 / 7}" not in found.text
    assert len(found.text) < 80_000


_SEPARATOR = b"From anna@example.org Mon Jan  1 00:00:00 2024\n"


def _mbox(*texts: bytes, end: bytes = b"\n") -> bytes:
    messages = [
        _SEPARATOR + b"From: Anna <anna@example.org>\nSubject: A bird\n\n%s\n\n" % text
        for text in texts
    ]
    return b"".join(messages).replace(b"\n", end)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    ("name", "media_type"), [("a.mbox", "text/plain"), ("", "application/mbox")]
)
def test_every_message_of_an_mbox_is_read(name: str, media_type: str, end: bytes) -> None:
    """With its attachments; a line of a text that begins with From separates nothing."""
    first = b"one bilby\n>From here on\nFrom there\nSubject: to change at 10:30\n\nFrom 10:30 on\n quiet\n"
    first += b"From 11:30 to 12:30 we sing\nAgenda: a song"
    found = read(
        _mbox(first, b"two quolls", end=end) + _SEPARATOR + MAIL + b"\n" + _mbox(b"a wombat"),
        name,
        media_type,
    )
    assert found.status is Status.DONE
    lines = found.text.splitlines()
    assert [line for line in lines if "From" in line] == [
        "From here on",
        "From there",
        "From 10:30 on",
        "From 11:30 to 12:30 we sing",
    ]
    for words in (
        "Agenda: a song",
        "one bilby",
        "Subject: to change at 10:30",
        "two quolls",
        WORDS,
        "a wombat",
    ):
        assert words in lines
    assert found.text.count("A bird") == 4


def test_an_mbox_of_many_messages_is_read() -> None:
    """They are no members of an archive, of which so many would be a bomb."""
    found = read(_mbox(*[b"bilby %d" % n for n in range(parts.MAX_MEMBERS + 1)]), "a.mbox")
    assert found.status is Status.DONE
    assert found.text.endswith(f"bilby {parts.MAX_MEMBERS}")


def test_one_message_with_a_separator_is_no_deeper() -> None:
    """Programs save a single mail so."""
    assert WORDS in read(_SEPARATOR + MAIL, "a.mbox").text


def test_separators_take_linear_time() -> None:
    """Lines that are nearly one."""
    for line in (b"From " + b"1:11" * 500_000, b"From a 1:11\n" * 200_000, b"From " * 400_000):
        read(_SEPARATOR + b"A: b\n\n" + line, "a.mbox")
