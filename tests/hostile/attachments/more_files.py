"""The other half of the hostile files: PDF, markup, text, compound files, mail, pictures, locked, damaged."""

import gzip
import random
import struct
import zlib
from collections.abc import Callable, Iterator

from tests.hostile.attachments.files import (
    BOMB,
    BROKEN,
    LOCKED,
    MEBIBYTE,
    NO_READER,
    READ,
    SPENT,
    Hostile,
    nested_zip,
    same,
)
from tests.support import documents
from tests.support.documents import pdf, pdf_form, pdf_of, stream

_PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 3 0 R>>%s>>>>"
_FORM = b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X %d 0 R>>>>"
_ODD = READ | BROKEN | SPENT


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * min((width // 8 + 1) * height, 50 * MEBIBYTE), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


# ---- PDF -------------------------------------------------------------------------------------------------


def _filled_in() -> Iterator[Hostile]:
    """Forms whose fields are not what they should be."""

    def one(name: str, *fields: bytes, pages: int = 1) -> Hostile:
        return Hostile(
            f"pdf/{name}.pdf", lambda: pdf_form("kangaroo", *fields, pages=pages), READ | SPENT
        )

    box = b"/Type/Annot/Subtype/Widget/Rect[0 0 9 9]/FT/Tx"
    yield one("fields-100000", *[box + b"/T(%d)/V(emu %d)" % (n, n) for n in range(100_000)])
    yield one("fields-on-10000-pages", box + b"/T(a)/V(emu)", pages=10_000)
    yield one("field-its-own-parent", box + b"/T(a)/Parent 100000 0 R/Kids[100000 0 R]")
    yield one("field-its-own-value", box + b"/T(a)/V 100000 0 R/Opt[100000 0 R]")
    yield one(
        "fields-in-a-line-of-10000",
        *[
            b"/T(a)/FT/Tx/V(emu)/Kids[%d 0 R]/Parent %d 0 R" % (n + 1, n - 1)
            for n in range(100_000, 110_000)
        ],
        box + b"/Parent 109999 0 R",
    )
    yield one("fields-of-one-name", *[box + b"/T(a.b.c)/V(emu)"] * 20_000)
    yield one("name-of-many-parts", box + b"/V(emu)/T(" + b"a." * 200_000 + b")")
    yield one("value-of-8-million", box + b"/T(a)/V(" + b"emu " * 2_000_000 + b")")


def pdfs(secret: str, address: str) -> Iterator[Hostile]:
    def one(name: str, objects: dict[int, bytes], *, quick: bool = True) -> Hostile:
        return Hostile(f"pdf/{name}.pdf", lambda: pdf("kangaroo", objects=objects), _ODD, quick)

    def font(more: bytes, **objects: bytes) -> dict[int, bytes]:
        held = {3: b"<</Type/Font/Subtype/TrueType/BaseFont/X" + more + b">>"}
        return held | {int(number[1:]): content for number, content in objects.items()}

    rng = random.Random(5)
    noise = rng.randbytes(100_000)
    zeros = zlib.compress(b"\0" * (200 * MEBIBYTE), 9)
    yield Hostile("pdf/10000-pages.pdf", lambda: pdf("kangaroo", pages=10_000), READ | SPENT)
    yield Hostile("pdf/100000-pages.pdf", lambda: pdf("kangaroo", pages=100_000), _ODD, quick=False)
    yield one(
        "content-bomb",
        {4: b"<</Filter/FlateDecode/Length %d>>stream\n" % len(zeros) + zeros + b"\nendstream"},
    )
    twice = zlib.compress(zeros, 9)
    yield one("content-bomb-twice", {
        4: b"<</Filter[/FlateDecode/FlateDecode]/Length %d>>stream\n" % len(twice) + twice + b"\nendstream"
    })  # fmt: skip
    filters = b"/ASCIIHexDecode" * 500
    yield one("500-filters", {4: b"<</Filter[" + filters + b"]/Length 4>>stream\n3e3e\nendstream"})
    for name in (
        b"LZWDecode",
        b"RunLengthDecode",
        b"ASCII85Decode",
        b"DCTDecode",
        b"JPXDecode",
        b"JBIG2Decode",
        b"CCITTFaxDecode",
        b"Crypt",
        b"Nonsense",
    ):
        yield one(f"noise-{name.decode()}", {
            4: b"<</Filter/" + name + b"/Length %d>>stream\n" % len(noise) + noise + b"\nendstream"
        })  # fmt: skip
    yield one("own-parent", {2: b"<</Type/Pages/Kids[2 0 R]/Count 1>>"})
    yield one(
        "pages-in-a-ring",
        {
            2: b"<</Type/Pages/Kids[6 0 R]/Count 9>>",
            6: b"<</Type/Pages/Kids[2 0 R]/Parent 2 0 R/Count 9>>",
        },
    )
    yield one("count-2147483647", {2: b"<</Type/Pages/Kids[5 0 R]/Count 2147483647>>"})
    yield one("count-negative", {2: b"<</Type/Pages/Kids[5 0 R]/Count -5>>"})
    yield one(
        "kids-1000000",
        {2: b"<</Type/Pages/Kids[" + b"5 0 R " * 100_000 + b"]/Count 100000>>"},
        quick=False,
    )
    yield one("huge-page", {5: _PAGE.replace(b"612 792", b"1e30 1e30") % b""})
    yield one("deep-arrays", {6: b"[" * 200_000})
    yield one("deep-dictionaries", {6: b"<</a" * 100_000})
    yield one("form-in-itself", {
        5: _PAGE % b"/XObject<</X 6 0 R>>", 4: b"<</Length 5>>stream\n/X Do\nendstream",
        6: _FORM % 6 + b"/Length 5>>stream\n/X Do\nendstream",
    })  # fmt: skip
    forms = {n: _FORM % (n + 1) + b"/X Do " * 10 + b"\nendstream" for n in range(6, 20)}
    yield one(
        "forms-10-to-the-14",
        {5: _PAGE % b"/XObject<</X 6 0 R>>", 4: b"<</Length 5>>stream\n/X Do\nendstream", **forms},
    )
    yield from _filled_in()
    yield one(
        "font-of-noise",
        font(
            b"/FontDescriptor 6 0 R",
            o6=b"<</Type/FontDescriptor/FontName/X/Flags 4/FontFile2 7 0 R>>",
            o7=stream(noise),
        ),
    )
    yield one(
        "font-truetype-tables",
        font(
            b"/FontDescriptor 6 0 R",
            o6=b"<</Type/FontDescriptor/FontName/X/Flags 4/FontFile2 7 0 R>>",
            o7=stream(b"\0\1\0\0\xff\xff" + b"\xff" * 70_000),
        ),
    )
    yield one(
        "font-type1-noise",
        font(
            b"/FontDescriptor 6 0 R",
            o6=b"<</Type/FontDescriptor/FontName/X/Flags 4/FontFile 7 0 R>>",
            o7=stream(b"%!PS-AdobeFont\n" + noise),
        ),
    )
    yield one(
        "font-cff-noise",
        font(
            b"/FontDescriptor 6 0 R",
            o6=b"<</Type/FontDescriptor/FontName/X/Flags 4/FontFile3 7 0 R>>",
            o7=stream(b"\1\0\4\4" + noise, b"/Subtype/Type1C"),
        ),
    )
    yield one(
        "font-widths", font(b"/FirstChar 0/LastChar 2147483647/Widths[" + b"500 " * 200_000 + b"]")
    )
    yield one(
        "font-type3-in-itself",
        {
            3: b"<</Type/Font/Subtype/Type3/FontBBox[0 0 9 9]/FontMatrix[1 0 0 1 0 0]/FirstChar 97"
            b"/LastChar 122/CharProcs<</k 4 0 R>>/Encoding<</Differences[97/k]>>"
            b"/Resources<</Font<</F1 3 0 R>>>>>>"
        },
    )
    yield one(
        "font-descendant-ring",
        {3: b"<</Type/Font/Subtype/Type0/BaseFont/X/DescendantFonts[3 0 R]/Encoding/Identity-H>>"},
    )
    ranges = (
        b"1 begincmap\n"
        + b"100 beginbfrange\n"
        + b"<0000><ffff><0041>\n" * 5_000
        + b"endbfrange endcmap"
    )
    yield one("cmap-ranges", font(b"/ToUnicode 6 0 R", o6=stream(ranges)))
    yield one(
        "cmap-uses-itself",
        font(b"/ToUnicode 6 0 R", o6=stream(b"/X usecmap " * 1000, b"/UseCMap 6 0 R")),
    )
    yield one("million-operators", {4: stream(b"q " * 1_000_000)})
    yield one("million-strings", {4: stream(b"BT /F1 12 Tf " + b"(wallaby) Tj " * 300_000 + b"ET")})
    yield one("unclosed-string", {4: stream(b"BT (" + b"(" * 500_000)})
    yield one(
        "inline-image", {4: stream(b"BI /W 100000 /H 100000 /BPC 8 /CS /RGB ID " + b"x" * 1000)}
    )
    yield one(
        "image-60000",
        {
            5: _PAGE % b"/XObject<</X 6 0 R>>",
            4: b"<</Length 5>>stream\n/X Do\nendstream",
            6: stream(
                b"\0" * MEBIBYTE,
                b"/Type/XObject/Subtype/Image/Width 60000/Height 60000/ColorSpace/DeviceRGB"
                b"/BitsPerComponent 8",
            ),
        },
    )
    for length in (b"-1", b"99999999999", b"4 0 R", b"(x)", b"1e99"):
        yield one(
            f"length-{length.decode()}", {4: b"<</Length " + length + b">>stream\nBT ET\nendstream"}
        )
    for action in (
        b"/S/JavaScript/JS(while\\(1\\){})",
        b"/S/URI/URI(" + address.encode() + b")",
        b"/S/Launch/F(/bin/sh)",
        b"/S/SubmitForm/F(" + address.encode() + b")",
        b"/S/GoToR/F(" + secret.encode() + b")",
    ):
        kind = action.split(b"/")[2].partition(b"(")[0].decode()
        yield one(
            f"action-{kind}", {1: b"<</Type/Catalog/Pages 2 0 R/OpenAction<<" + action + b">>>>"}
        )
    yield one(
        "external-stream",
        {4: b"<</Length 0/F(" + secret.encode() + b")/FFilter/FlateDecode>>stream\n\nendstream"},
    )
    whole = pdf("kangaroo")
    yield same(
        "pdf/xref-points-at-itself.pdf",
        whole.replace(b"/Root", b"/Prev %d/Root" % whole.rindex(b"xref\n0"), 1),
        _ODD,
    )
    yield same("pdf/no-xref.pdf", whole.replace(b"xref", b"xrfe"), _ODD)
    yield same("pdf/xref-huge.pdf", whole.replace(b"xref\n0 ", b"xref\n0 9999999"), _ODD)
    yield same("pdf/only-header.pdf", b"%PDF-1.7\n", BROKEN)
    yield same("pdf/header-and-noise.pdf", b"%PDF-1.7\n" + noise, BROKEN)
    yield same("pdf/1000000-objects.pdf", b"%PDF-1.4\n" + b"1 0 obj null endobj\n" * 300_000, _ODD)
    yield same("pdf/root-is-a-number.pdf", pdf_of({1: b"42"}), BROKEN)
    yield same(
        "pdf/object-stream-in-itself.pdf",
        pdf_of({1: stream(b"1 0 <</Type/Catalog>>", b"/Type/ObjStm/N 1/First 4/Extends 1 0 R")}),
        BROKEN,
    )
    encrypt = b"/Encrypt<</Filter/Standard/V 2/R 3/Length 128/P -44/O<%s>/U<%s>>>/ID[<00><00>]" % (
        b"41" * 32,
        b"42" * 32,
    )
    yield same(
        "pdf/locked.pdf",
        pdf_of(
            {1: b"<</Type/Catalog/Pages 2 0 R>>", 2: b"<</Type/Pages/Kids[]/Count 0>>"},
            trailer=encrypt,
        ),
        LOCKED,
    )
    yield same(
        "pdf/locked-by-nonsense.pdf",
        pdf_of(
            {1: b"<</Type/Catalog/Pages 2 0 R>>", 2: b"<</Type/Pages/Kids[]/Count 0>>"},
            trailer=b"/Encrypt<</Filter/Nonsense/V 9>>",
        ),
        LOCKED | BROKEN,
    )


# ---- what is written in letters --------------------------------------------------------------------------


def markup() -> Iterator[Hostile]:
    traps = {
        "deep": b"<div>" * 400_000, "less": b"<" * 2_000_000, "open-comment": b"<!--x" * 400_000,
        "open-script": b"<script>" * 200_000, "attributes": b"<a " + b"b=c " * 500_000 + b">",
        "quotes": b"<a b='" + b'"' * 1_000_000, "entities": b"&#99999999999999;" * 100_000,
        "ampersands": b"&" * 2_000_000, "hidden": b"<p style=display:none>" * 100_000,
        "data": b"<img src='data:image/png;base64," + b"A" * 3_000_000 + b"'>",
        "utf-7": b"<html><meta charset=utf-7>+ADw-script+AD4-", "nul": b"<html><p>\0" * 100_000,
    }  # fmt: skip
    for name, content in traps.items():
        yield same(f"html/{name}.html", content, READ)


def texts() -> Iterator[Hostile]:
    rng = random.Random(7)
    yield same("text/one-line.txt", b"dingo " * 2_000_000, READ)
    yield same("text/no-blank.txt", b"x" * 12_000_000, READ)
    yield same("text/noise.txt", rng.randbytes(1_000_000), READ)
    yield same("text/escapes.txt", b"\x1b]0;owned\x07\x1b[2J" * 1000, READ)
    yield same("text/half-utf-16.txt", b"\xff\xfe" + b"\xd8" * 99_999, READ)
    yield same("text/half-utf-8.txt", b"\xf0\x9f" * 100_000, READ)
    yield same("text/uuencoded.txt", b"begin 644 a\n" * 100_000, READ)
    yield same("text/combining.txt", "a\u0301\u0301\u0301".encode() * 300_000, READ)
    yield same("text/formulas.csv", b"=cmd|' /C calc'!A0,\"" * 10_000, READ)
    yield same("text/quotes.csv", b'"' * 1_000_001, READ)
    for name, line in (
        ("colons", b"A;" * 300_000), ("quotes", b'ATTENDEE;CN="' * 100_000),
        ("folds", b"SUMMARY:x\n " * 300_000), ("alarms", b"BEGIN:VALARM\n" * 200_000),
        ("backslashes", b"SUMMARY:" + b"\\" * 1_000_000),
    ):  # fmt: skip
        yield same(f"ics/{name}.ics", b"BEGIN:VCALENDAR\n" + line, READ)
    for name, content in (
        ("deep", b"{" * 500_000), ("binary", b"\\bin2147483647 " + b"x" * 100),
        ("numbers", b"\\u-99999999999999 " * 50_000),
        ("objects", b"{\\object{\\*\\objdata " + b"41" * 300_000),
        ("controls", b"\\" * 1_000_000), ("unclosed", b"}" * 500_000),
    ):  # fmt: skip
        yield same(f"rtf/{name}.rtf", b"{\\rtf1 " + content, _ODD)


# ---- compound files, mail, pictures ----------------------------------------------------------------------


def compounds() -> Iterator[Hostile]:
    rng = random.Random(11)
    noise = rng.randbytes(20_000)
    message = documents.msg("emu", "cassowary")
    for ending, name in (
        ("doc", "WordDocument"),
        ("xls", "Workbook"),
        ("ppt", "PowerPoint Document"),
        ("msg", "__properties_version1.0"),
    ):
        whole = documents.compound({name: noise})
        yield same(f"ole/noise.{ending}", whole, BROKEN | SPENT | LOCKED)
        ring = bytearray(whole)
        table = len(whole) - 512
        struct.pack_into("<128I", ring, table, *([0] * 128))
        yield same(f"ole/ring.{ending}", bytes(ring), BROKEN | SPENT | LOCKED)
        shift = bytearray(whole)
        struct.pack_into("<HH", shift, 30, 31, 31)
        yield same(f"ole/shift.{ending}", bytes(shift), BROKEN | SPENT | LOCKED)
        huge = bytearray(whole)
        struct.pack_into("<IIII", huge, 44, 0x7FFFFFFF, 0x7FFFFFFF, 0, 4096)
        yield same(f"ole/huge.{ending}", bytes(huge), BROKEN | SPENT | LOCKED)
        yield same(f"ole/header-only.{ending}", whole[:512], BROKEN | NO_READER)
    for at in (600, 2000, 5000, 9000, len(message) - 700):
        damaged = bytearray(message)
        damaged[at : at + 400] = b"\xff" * 400
        yield same(f"ole/damaged-{at}.msg", bytes(damaged), BROKEN | SPENT)
    yield same("tnef/cut.dat", b"\x78\x9f\x3e\x22\1\0", BROKEN)
    yield same(
        "tnef/huge-attribute.dat",
        b"\x78\x9f\x3e\x22\1\0\2\x0f\x80\6\0\xff\xff\xff\x7f" + b"x" * 99,
        BROKEN,
    )
    yield same("tnef/noise.dat", b"\x78\x9f\x3e\x22" + noise, BROKEN)


def mails() -> Iterator[Hostile]:
    head = b"From: a@example.org\nSubject: %s\nMIME-Version: 1.0\n"
    deep = head % b"deep" + b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (n, n) for n in range(500)
    )
    yield same("mail/deep.eml", deep + b"\n\nlorikeet", READ | BOMB)
    inner = head % b"last" + b"\nkookaburra\n"
    for _ in range(60):
        inner = head % b"more" + b"Content-Type: message/rfc822\n\n" + inner
    yield same("mail/60-messages.eml", inner, READ | BOMB)
    parts = (
        head % b"wide" + b'Content-Type: multipart/mixed; boundary="b"\n\n' + b"--b\n\nx\n" * 50_000
    )
    yield same("mail/50000-parts.eml", parts, READ | BOMB)
    files = head % b"files" + b'Content-Type: multipart/mixed; boundary="b"\n\n'
    files += b"".join(
        b'--b\nContent-Type: text/plain\nContent-Disposition: attachment; filename="%d.txt"\n\nx\n'
        % n
        for n in range(5_000)
    )
    yield same("mail/5000-attachments.eml", files, BOMB)
    yield same(
        "mail/boundaries.eml",
        head % b"b" + b'Content-Type: multipart/mixed; boundary="b"\n\n' + b"--b" * 500_000,
        READ,
    )
    yield same("mail/long-header.eml", head % (b"x" * 3_000_000) + b"\n", READ)
    yield same("mail/words.eml", head % (b"=?utf-8?q?=?=" * 100_000) + b"\n", READ)
    zipped = nested_zip(3, 1, inner)
    yield same("mail/mail-in-zips-in-mail.eml", _carrying(zipped), READ | BOMB)
    zeros = MEBIBYTE * 300
    yield Hostile(
        "mail/bomb-in-mail.eml", lambda: _carrying(gzip.compress(b"\0" * zeros, 9)), BOMB | READ
    )


def _carrying(content: bytes) -> bytes:
    import base64

    return (
        b"From: a@example.org\nSubject: carries\nMIME-Version: 1.0\nContent-Type: application/octet-stream\n"
        b'Content-Disposition: attachment; filename="a.zip"\nContent-Transfer-Encoding: base64\n\n'
        + base64.encodebytes(content)
    )


def pictures() -> Iterator[Hostile]:
    yield Hostile("picture/60000x60000.png", lambda: _png(60_000, 60_000), READ | SPENT)
    yield same(
        "picture/claims.png", _png(8, 8)[:16] + b"\xff" * 8 + _png(8, 8)[24:], READ | SPENT | BROKEN
    )
    yield same("picture/cut.jpg", b"\xff\xd8\xff\xe0" + b"\0" * 50, READ | BROKEN)
    yield same(
        "picture/ring.tif", b"II*\0\x08\0\0\0\1\0" + b"\0" * 12 + b"\x08\0\0\0", READ | BROKEN
    )
    yield same("picture/cut.gif", b"GIF89a\xff\xff\xff\xff\xf7\0\0", READ | BROKEN)
    yield same(
        "picture/negative.bmp",
        b"BM" + b"\0" * 16 + struct.pack("<ii", -1, -(1 << 31)) + b"\0" * 99,
        READ | BROKEN,
    )


# ---- locked, damaged, misnamed ---------------------------------------------------------------------------


def locked() -> Iterator[Hostile]:
    flagged = bytearray(documents.zipped({"a.txt": b"taipan " * 99}))
    flagged[6] |= 1
    flagged[flagged.rindex(b"PK\x01\x02") + 8] |= 1
    yield same("locked/password.zip", bytes(flagged), LOCKED)
    package = documents.compound(
        {"EncryptionInfo": b"\4\0\4\0", "EncryptedPackage": b"\xaa" * 9000}
    )
    for ending in ("docx", "xlsx", "pptx"):
        yield same(f"locked/password.{ending}", package, LOCKED)
    manifest = (
        "<manifest:manifest><manifest:file-entry><manifest:encryption-data/></manifest:file-entry>"
        "</manifest:manifest>"
    )
    members: dict[str, bytes | str] = {
        "mimetype": "application/vnd.oasis.opendocument.text",
        "META-INF/manifest.xml": manifest,
        "content.xml": b"\xaa" * 999,
    }
    yield same("locked/password.odt", documents.zipped(members, stored="mimetype"), LOCKED)
    yield same("locked/message.asc", b"-----BEGIN PGP MESSAGE-----\n\n" + b"hQEMA" * 999, LOCKED)
    enveloped = b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0\x80" + b"\xaa" * 999
    yield same("locked/smime.p7m", enveloped, LOCKED)
    yield same("locked/archive.7z", b"7z\xbc\xaf\x27\x1c\0\4" + b"\xaa" * 999, NO_READER)
    yield same("locked/archive.rar", b"Rar!\x1a\x07\1\0" + b"\xaa" * 999, NO_READER)


def _whole() -> dict[str, bytes]:
    words = "the platypus and the bandicoot went to sea in a beautiful boat"
    return {
        "docx": documents.docx(words), "xlsx": documents.xlsx(words), "pptx": documents.pptx(words),
        "odt": documents.opendocument("text", words), "odp": documents.opendocument("presentation", words),
        "pdf": pdf(words), "rtf": documents.rtf(words), "msg": documents.msg("sea", words),
        "zip": documents.zipped({"a.txt": words * 50}), "gz": gzip.compress(words.encode() * 50),
    }  # fmt: skip


def cut_and_flipped() -> Iterator[Hostile]:
    for ending, content in _whole().items():
        for percent in (5, 40, 75, 97):
            yield same(
                f"cut/{percent}.{ending}",
                content[: len(content) * percent // 100],
                _ODD | NO_READER,
            )
        rng = random.Random(ending)
        for turn in range(3):
            damaged = bytearray(content)
            for _ in range(1 + len(content) // 200):
                damaged[rng.randrange(len(content))] = rng.randrange(256)
            yield same(f"flipped/{turn}.{ending}", bytes(damaged), _ODD | LOCKED | NO_READER)


def misnamed() -> Iterator[Hostile]:
    wholes: list[tuple[str, bytes]] = list(_whole().items())
    names = [ending for ending, _ in wholes]
    for at, (ending, content) in enumerate(wholes):
        other = names[(at + 3) % len(names)]
        yield same(f"misnamed/{ending}-as.{other}", content, READ)
    for ending in names:
        yield same(f"misnamed/text-as.{ending}", b"a lyrebird is no document\n" * 9, READ)
        yield same(f"misnamed/noise-as.{ending}", random.Random(3).randbytes(5_000), READ | BROKEN)


MAKERS: tuple[Callable[[], Iterator[Hostile]], ...] = (
    markup, texts, compounds, mails, pictures, locked, cut_and_flipped, misnamed,
)  # fmt: skip
