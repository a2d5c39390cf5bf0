"""Small documents of every kind that is read, each with the words that a test gives it."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

OOXML = "http://schemas.openxmlformats.org"
_RELATIONS = f"{OOXML}/package/2006/relationships"
_OFFICE = f"{OOXML}/officeDocument/2006/relationships"


def zipped(members: Mapping[str, bytes | str], *, stored: str = "") -> bytes:
    """A ZIP file; the member ``stored`` comes first and is not compressed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            method = zipfile.ZIP_STORED if name == stored else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), content, method)
    return out.getvalue()


def _types(parts: Mapping[str, str]) -> str:
    rows = "".join(
        f'<Override PartName="/{name}"'
        f' ContentType="application/vnd.openxmlformats-officedocument.{kind}+xml"/>'
        for name, kind in parts.items()
    )
    return (
        f'<?xml version="1.0"?><Types xmlns="{OOXML}/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{rows}</Types>'
    )


def _relations(rows: Mapping[str, tuple[str, str]]) -> str:
    inner = "".join(
        f'<Relationship Id="{name}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for name, (kind, target) in rows.items()
    )
    return f'<?xml version="1.0"?><Relationships xmlns="{_RELATIONS}">{inner}</Relationships>'


def docx(words: str, *, before: str = "") -> bytes:
    """``before`` stands before the root element: a document type, say."""
    text = (
        f'<?xml version="1.0"?>{before}<w:document xmlns:w="{OOXML}/wordprocessingml/2006/main">'
        f"<w:body><w:p><w:r><w:t>{words}</w:t></w:r></w:p></w:body></w:document>"
    )
    return zipped(
        {
            "[Content_Types].xml": _types({"word/document.xml": "wordprocessingml.document.main"}),
            "_rels/.rels": _relations({"rId1": ("officeDocument", "word/document.xml")}),
            "word/document.xml": text,
        }
    )


def xlsx(words: str, *, before: str = "") -> bytes:
    main = f"{OOXML}/spreadsheetml/2006/main"
    return zipped(
        {
            "[Content_Types].xml": _types(
                {
                    "xl/workbook.xml": "spreadsheetml.sheet.main",
                    "xl/worksheets/sheet1.xml": "spreadsheetml.worksheet",
                    "xl/sharedStrings.xml": "spreadsheetml.sharedStrings",
                }
            ),
            "_rels/.rels": _relations({"rId1": ("officeDocument", "xl/workbook.xml")}),
            "xl/workbook.xml": f'<?xml version="1.0"?><workbook xmlns="{main}" xmlns:r="{_OFFICE}"><sheets>'
            '<sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": _relations(
                {
                    "rId1": ("worksheet", "worksheets/sheet1.xml"),
                    "rId2": ("sharedStrings", "sharedStrings.xml"),
                }
            ),
            "xl/worksheets/sheet1.xml": f'<?xml version="1.0"?><worksheet xmlns="{main}"><sheetData>'
            '<row r="1"><c r="A1" t="s"><v>0</v></c></row></sheetData></worksheet>',
            "xl/sharedStrings.xml": f'<?xml version="1.0"?>{before}<sst xmlns="{main}" count="1"'
            f' uniqueCount="1"><si><t>{words}</t></si></sst>',
        }
    )


def pptx(words: str, *, before: str = "") -> bytes:
    main, drawing = f"{OOXML}/presentationml/2006/main", f"{OOXML}/drawingml/2006/main"
    return zipped(
        {
            "[Content_Types].xml": _types(
                {
                    "ppt/presentation.xml": "presentationml.presentation.main",
                    "ppt/slides/slide1.xml": "presentationml.slide",
                }
            ),
            "_rels/.rels": _relations({"rId1": ("officeDocument", "ppt/presentation.xml")}),
            "ppt/presentation.xml": f'<?xml version="1.0"?><p:presentation xmlns:p="{main}"'
            f' xmlns:r="{_OFFICE}"><p:sldIdLst><p:sldId id="256" r:id="rId1"/></p:sldIdLst></p:presentation>',
            "ppt/_rels/presentation.xml.rels": _relations({"rId1": ("slide", "slides/slide1.xml")}),
            "ppt/slides/slide1.xml": f'<?xml version="1.0"?>{before}<p:sld xmlns:p="{main}"'
            f' xmlns:a="{drawing}"><p:cSld><p:spTree><p:sp><p:txBody><a:p><a:r><a:t>{words}</a:t></a:r></a:p>'
            "</p:txBody></p:sp></p:spTree></p:cSld></p:sld>",
        }
    )


_ODF = "urn:oasis:names:tc:opendocument:xmlns"


def opendocument(kind: str, words: str, *, before: str = "") -> bytes:
    """``kind`` is text, spreadsheet or presentation."""
    paragraph = f"<text:p>{words}</text:p>"
    inner = {
        "text": paragraph,
        "spreadsheet": '<table:table table:name="S"><table:table-row><table:table-cell'
        f' office:value-type="string">{paragraph}</table:table-cell></table:table-row></table:table>',
        "presentation": f'<draw:page draw:name="p"><draw:frame><draw:text-box>{paragraph}</draw:text-box>'
        "</draw:frame></draw:page>",
    }[kind]
    media = f"application/vnd.oasis.opendocument.{kind}"
    return zipped(
        {
            "mimetype": media,
            "META-INF/manifest.xml": '<?xml version="1.0"?><manifest:manifest'
            f' xmlns:manifest="{_ODF}:manifest:1.0"><manifest:file-entry manifest:full-path="/"'
            f' manifest:media-type="{media}"/></manifest:manifest>',
            "content.xml": f'<?xml version="1.0"?>{before}<office:document-content'
            f' xmlns:office="{_ODF}:office:1.0" xmlns:text="{_ODF}:text:1.0" xmlns:table="{_ODF}:table:1.0"'
            f' xmlns:draw="{_ODF}:drawing:1.0"><office:body><office:{kind}>{inner}</office:{kind}>'
            "</office:body></office:document-content>",
        },
        stored="mimetype",
    )


def rtf(words: str) -> bytes:
    return b"{\\rtf1\\ansi\\deff0{\\fonttbl{\\f0 Times;}}\\f0 " + words.encode("ascii") + b"\\par}"


def pdf(words: str = "", *, pages: int = 1, objects: Mapping[int, bytes] | None = None) -> bytes:
    """A PDF with the same words on all pages. ``objects`` replace some, or come besides."""
    stream = f"BT /F1 12 Tf 72 700 Td ({words}) Tj ET".encode()
    kids = b" ".join(b"%d 0 R" % (5 + at) for at in range(pages))
    held: dict[int, bytes] = {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        2: b"<</Type/Pages/Kids[" + kids + b"]/Count %d>>" % pages,
        3: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        4: b"<</Length %d>>stream\n" % len(stream) + stream + b"\nendstream",
    }
    for at in range(pages):
        held[5 + at] = (
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R"
            b"/Resources<</Font<</F1 3 0 R>>>>>>"
        )
    held.update(objects or {})
    return pdf_of(held)


def pdf_form(words: str, *fields: bytes, pages: int = 1) -> bytes:
    """A PDF with a form, whose fields are objects from 100,000 on; those on pages are on the first one."""
    numbers = b" ".join(b"%d 0 R" % (100_000 + at) for at in range(len(fields)))
    objects = {100_000 + at: b"<<" + field + b">>" for at, field in enumerate(fields)}
    objects[1] = b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[" + numbers + b"]>>>>"
    objects[5] = (
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 3 0 R>>>>"
        b"/Annots[" + numbers + b"]>>"
    )
    return pdf(words, pages=pages, objects=objects)


def pdf_of(objects: Mapping[int, bytes], *, trailer: bytes = b"") -> bytes:
    out = bytearray(b"%PDF-1.7\n")
    places = {}
    for number, content in sorted(objects.items()):
        places[number] = len(out)
        out += b"%d 0 obj\n" % number + content + b"\nendobj\n"
    start = len(out)
    last = max(objects)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (last + 1)
    for number in range(1, last + 1):
        at = places.get(number)
        out += b"%010d 00000 n \n" % at if at is not None else b"0000000000 65535 f \n"
    out += b"trailer<</Size %d/Root 1 0 R" % (last + 1) + trailer + b">>\nstartxref\n"
    return bytes(out + b"%d\n%%%%EOF\n" % start)


def stream(content: bytes, more: bytes = b"") -> bytes:
    """A PDF stream, deflated."""
    packed = zlib.compress(content, 9)
    head = b"<</Filter/FlateDecode/Length %d" % len(packed) + more + b">>stream\n"
    return head + packed + b"\nendstream"


def compound(streams: Mapping[str, bytes]) -> bytes:
    """A compound file ([MS-CFB] version 3). Streams are padded so that none goes into the mini stream."""
    sectors: list[bytes] = []
    chains: list[int] = []
    entries = [("Root Entry", 5, 0xFFFFFFFE, 0)]
    for name, content in streams.items():
        padded = content + b"\0" * (max(4096, -(-len(content) // 512) * 512) - len(content))
        first = len(sectors)
        count = len(padded) // 512
        sectors += [padded[at : at + 512] for at in range(0, len(padded), 512)]
        chains += [*range(first + 1, first + count), 0xFFFFFFFE]
        entries.append((name, 2, first, max(len(content), 4096)))
    order = sorted(
        range(1, len(entries)), key=lambda i: (len(entries[i][0]), entries[i][0].upper())
    )
    right = {order[i]: order[i + 1] for i in range(len(order) - 1)}
    directory = b""
    for at, (name, kind, first, size) in enumerate(entries):
        text = name.encode("utf-16-le")
        child = order[0] if at == 0 and order else 0xFFFFFFFF
        directory += text.ljust(64, b"\0") + struct.pack("<HBB", len(text) + 2, kind, 1)
        directory += struct.pack("<III", 0xFFFFFFFF, right.get(at, 0xFFFFFFFF), child)
        directory += b"\0" * 36 + struct.pack("<IQ", first, size)
    directory += b"\0" * (-len(directory) % 512)
    at_directory = len(sectors)
    count = len(directory) // 512
    sectors += [directory[at : at + 512] for at in range(0, len(directory), 512)]
    chains += [*range(at_directory + 1, at_directory + count), 0xFFFFFFFE]
    tables = 1
    while (len(sectors) + tables) > tables * 128:
        tables += 1
    at_table = len(sectors)
    chains += [0xFFFFFFFD] * tables
    chains += [0xFFFFFFFF] * (tables * 128 - len(chains))
    packed = struct.pack(f"<{len(chains)}I", *chains)
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 16
    header += struct.pack("<HHHHH6xIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, tables, at_directory, 0, 4096,
                          0xFFFFFFFE, 0, 0xFFFFFFFE, 0)  # fmt: skip
    places = [at_table + i for i in range(min(tables, 109))]
    header += struct.pack("<109I", *places, *[0xFFFFFFFF] * (109 - len(places)))
    return header + b"".join(sectors) + packed


def msg(subject: str, body: str) -> bytes:
    """An Outlook message ([MS-OXMSG]) with a subject and a body."""
    values = {"001A": "IPM.Note", "0037": subject, "1000": body, "0C1A": "Anna Example"}
    streams = {
        f"__substg1.0_{tag}001F": text.ljust(2048).encode("utf-16-le")
        for tag, text in values.items()
    }
    properties = b"\0" * 32
    for tag, text in values.items():
        size = len(text.ljust(2048)) * 2 + 2
        properties += struct.pack("<HHIII", 0x1F, int(tag, 16), 6, size, 0)
    return compound({"__properties_version1.0": properties, **streams})
