"""What is found in documents that are ZIP files of XML: whole words, once, wherever they stand."""

import io
import zipfile

import pytest

from poparchive.attachments import Job, Limits, Outcome, Status, office, reading
from tests.support import documents

HEAD = '<?xml version="1.0"?>'

needs_library = pytest.mark.skipif(
    office.library() is None, reason="kreuzberg is not installed (the extra `attachments`)"
)


def read(content: bytes, name: str) -> Outcome:
    return reading.read(Job(content, name, ""), Limits())


def lines(content: bytes, name: str) -> list[str]:
    found = read(content, name)
    assert found.status is Status.DONE, found
    return found.text.split("\n")


def with_members(document: bytes, members: dict[str, str]) -> bytes:
    """The document with members besides, or others in the place of its own."""
    with zipfile.ZipFile(io.BytesIO(document)) as archive:
        own = {name: archive.read(name) for name in archive.namelist()}
    return documents.zipped({**own, **members}, stored="mimetype")


def docx(body: str, **parts: str) -> bytes:
    members = {"document": f"<w:document><w:body>{body}</w:body></w:document>", **parts}
    return with_members(
        documents.docx(""), {f"word/{name}.xml": HEAD + text for name, text in members.items()}
    )


def run(text: str, style: str = "") -> str:
    return f'<w:r><w:rPr>{style}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(*runs: str) -> str:
    return f'<w:p w:rsidR="00>1"><w:pPr><w:tabs><w:tab/></w:tabs></w:pPr>{"".join(runs)}</w:p>'


def pptx(slide: str, **parts: str) -> bytes:
    members = {"slides/slide1": f"<p:sld>{slide}</p:sld>", **parts}
    return with_members(
        documents.pptx(""), {f"ppt/{name}.xml": HEAD + text for name, text in members.items()}
    )


def opendocument(kind: str, inner: str, **parts: str) -> bytes:
    content = f"{HEAD}<office:body><text:p>first</text:p>{inner}</office:body>"
    members = {"content.xml": content, **{f"{name}.xml": text for name, text in parts.items()}}
    return with_members(documents.opendocument(kind, ""), members)


def test_words_are_not_glued_by_what_stands_for_a_blank() -> None:
    """Tabs and line breaks between runs of a DOCX part words, in tables and lists of contents as well."""
    body = (
        paragraph(run("Invoice"), "<w:r><w:tab/></w:r>", run("Total"))
        + paragraph(run("left"), '<w:r><w:ptab w:alignment="right"/></w:r>', run("right"))
        + paragraph("<w:r><w:t>one</w:t><w:cr/><w:t>two</w:t><w:br w:type='page'/><w:t>3</w:t></w:r>")
        + f"<w:tr><w:tc>{paragraph(run('cell'))}</w:tc><w:tc>{paragraph(run('next'))}</w:tc></w:tr>"
        + paragraph(run("e"), "<w:r><w:noBreakHyphen/></w:r>", run("mail"))
    )  # fmt: skip
    assert lines(docx(body), "a.docx") == [
        *("Invoice Total", "left right", "one", "two", "3", "cell", "next", "e-mail")
    ]


def test_words_are_not_cut_where_their_style_changes() -> None:
    body = paragraph(run("Quart", "<w:b/>"), "<w:proofErr/>", run("erly"), run(" A&amp;B"))
    ruby = f"<w:ruby><w:rt>{run('reading')}</w:rt><w:rubyBase>{run('ba')}</w:rubyBase></w:ruby>"
    assert lines(docx(body + paragraph(ruby, run("se"))), "a.docx") == [
        "Quarterly A&B",
        "reading",
        "base",
    ]


def test_text_is_read_wherever_it_is_in_a_docx_and_once() -> None:
    """In fields, links, content controls and boxes, which cut no word, and what was inserted or moved; not
    the codes of fields, nor what was deleted, nor a shape that is there again for an older reader."""
    box = f"<w:txbxContent>{paragraph(run('boxed'))}</w:txbxContent>"
    body = (
        paragraph("<w:r><w:instrText>HYPERLINK</w:instrText></w:r>", run("field"))
        + f"<w:sdt><w:sdtContent>{paragraph(run('control'))}</w:sdtContent></w:sdt>"
        + paragraph(f"<w:hyperlink>{run('link')}</w:hyperlink>", "<w:del><w:delText>gone</w:delText></w:del>",
                    f"<w:ins>{run('ed')}</w:ins>")
        + paragraph(run("anch"), f"<mc:AlternateContent><mc:Choice><wp:x>12</wp:x>{box}</mc:Choice>"
                    f"<mc:Fallback><w:pict>{box}<mc:Fallback>{box}</mc:Fallback>{box}</w:pict></mc:Fallback>"
                    "</mc:AlternateContent>", run("or"))
        + paragraph(f"<w:moveFrom>{run('moved')}</w:moveFrom>", f"<w:moveTo>{run('moved')}</w:moveTo>")
        + "<w:p/>" + paragraph("<m:f><m:num><m:t>1</m:t></m:num><m:den><m:t>2</m:t></m:den></m:f>")
    )  # fmt: skip
    assert lines(docx(body), "a.docx") == [
        *("field", "control", "linked", "boxed", "anchor", "moved", "1", "2")
    ]


def test_notes_comments_headers_and_footers_of_a_docx() -> None:
    """They are read, each once however many pages have it; words that are cut by tags are whole."""
    header = f"<w:hdr>{paragraph(run('Inv'), run('oice&amp;Co'))}</w:hdr>"
    parts = {
        "header1": header,
        "header2": header,
        "footer1": f"<w:ftr>{paragraph(run('page'))}</w:ftr>",
        "footnotes": f"<w:footnotes><w:footnote>{paragraph(run('footnote'))}</w:footnote></w:footnotes>",
        "endnotes": f"<w:endnotes><w:endnote>{paragraph(run('endnote'))}</w:endnote></w:endnotes>",
        "comments": f"<w:comments><w:comment>{paragraph(run('remark'))}</w:comment></w:comments>",
        "diagrams/data1": "<dgm:t><a:p><a:r><a:t>diagram</a:t></a:r></a:p></dgm:t>",
        "settings": "<w:settings><w:zoom/>not text</w:settings>",
    }
    found = lines(docx(paragraph(run("main")), **parts), "a.docx")
    assert found[0] == "main"
    assert sorted(found[1:]) == ["Invoice&Co", "diagram", "endnote", "footnote", "page", "remark"]


def test_a_document_that_is_not_whole() -> None:
    """What is there before it breaks off is read; of what has no text where it should be nothing is."""
    assert lines(docx("<w:p><w:r><w:t>begun</w:t></w:r><w:r><w:t>cut o"), "a.docx") == ["begun"]
    odd = documents.zipped({"[Content_Types].xml": "", "word/other/document.xml": "<w:t>x</w:t>"})
    assert read(odd, "a.docx").status is Status.DAMAGED
    bomb = docx("", header1="<w:p>" + " " * (64 << 20))
    assert read(bomb, "a.docx").status is Status.BOMB


def test_a_part_in_utf_16() -> None:
    with zipfile.ZipFile(io.BytesIO(docx(paragraph(run("Żółw"))))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["word/document.xml"] = members["word/document.xml"].decode().encode("utf-16")
    assert lines(documents.zipped(members), "a.docx") == ["Żółw"]


def test_slides_with_notes_and_comments() -> None:
    """A word is whole where its style changes, fields are read, and slides come in their order."""
    slide = (
        "<p:txBody><a:p><a:r><a:rPr/><a:t>Quart</a:t></a:r><a:r><a:rPr><a:sym/></a:rPr><a:t>erly</a:t></a:r>"
        "<a:br><a:rPr/></a:br><a:fld type='x'><a:t>field</a:t></a:fld></a:p><a:p/>"
        "<a:p><a:r><a:t>table</a:t></a:r></a:p></p:txBody>"
    )
    shown = "<p:sld><a:p><a:r><a:t>%s</a:t></a:r></a:p></p:sld>"
    parts = {
        "slides/slide10": shown % "tenth",
        "slides/slide2": shown % "second",
        "notesSlides/notesSlide1": shown % "note",
        "comments/comment1": "<p:cmLst><p:cm><p:text>remark</p:text></p:cm></p:cmLst>",
        "comments/modernComment_1": shown % "answer",
    }
    found = lines(pptx(slide, **parts), "a.pptx")
    assert found[:5] == ["Quarterly", "field", "table", "second", "tenth"]
    assert sorted(found[5:]) == ["answer", "note", "remark"]


@pytest.mark.parametrize("kind", ["text", "presentation"])
def test_opendocument_text_and_slides(kind: str) -> None:
    """Spans, notes and annotations cut no word; numbers of notes and dates are no words of the text."""
    inner = (
        "<text:h>inter<text:span>nat</text:span>ional</text:h>"
        "<text:p>Total:<text:s/>4711<text:tab/>sum<text:line-break/>line</text:p>"
        "<text:p>anno<office:annotation><dc:creator>Anna</dc:creator><dc:date>2024</dc:date>"
        "<text:p>remark</text:p></office:annotation>tated<text:note><text:note-citation>1</text:note-citation>"
        "<text:note-body><text:p>footnote</text:p></text:note-body></text:note> word</text:p>"
        "<text:p>on <text:date>May 1st</text:date> by <text:creator>Jan</text:creator>e</text:p>"
        "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>"
        "<text:p>box<draw:frame><svg:title>title</svg:title><draw:text-box><text:p>in</text:p></draw:text-box>"
        "</draw:frame></text:p>"
    )
    assert lines(opendocument(kind, inner), f"a.od{kind[0]}") == [
        *("first", "international", "Total: 4711 sum", "line", "Anna", "remark", "footnote"),
        *("annotated word", "on May 1st by Jane", "title", "in", "box"),
    ]


def test_headers_and_footers_of_an_opendocument_text() -> None:
    styles = "<style:header><text:p>above</text:p></style:header>"
    assert lines(opendocument("text", "", styles=styles), "a.odt") == ["first", "above"]


@needs_library
def test_comments_in_sheets() -> None:
    """And the text of shapes; comments in an OpenDocument sheet are read once, and its cells too."""
    parts = {
        "xl/comments1.xml": "<comments><authors><author>Anna</author></authors><commentList><comment>"
        "<text><r><t>too mu</t></r><r><t>ch</t></r></text></comment></commentList></comments>",
        "xl/threadedComments/threadedComment1.xml": "<x><threadedComment><text>indeed</text>"
        "</threadedComment></x>",
        "xl/drawings/drawing1.xml": "<xdr:sp><a:p><a:r><a:t>shape</a:t></a:r></a:p></xdr:sp>",
    }
    found = lines(with_members(documents.xlsx("cell"), parts), "a.xlsx")
    assert sorted(found[-4:]) == ["Anna", "indeed", "shape", "too much"]
    cell = "kiwi</text:p><office:annotation><text:p>remark</text:p></office:annotation><text:p>emu"
    text = read(documents.opendocument("spreadsheet", cell), "a.ods").text
    assert [text.count(word) for word in ("kiwi", "remark", "emu")] == [1, 1, 1]
