"""Readers of documents and pictures, which are kreuzberg's: PDF, sheets, older Office, EPUB, Outlook's
messages.

The library is an extra. Where it is not installed these kinds are ``unsupported``, and looked at again once
it is.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from poparchive.attachments import forms
from poparchive.attachments.kinds import Kind
from poparchive.attachments.outcome import Abilities, Lacking, Limits, Status
from poparchive.attachments.parts import ReadError, Within

KINDS: Final = frozenset(
    [
        *(Kind.PDF, Kind.XLSX, Kind.ODS, Kind.EPUB, Kind.DOC, Kind.XLS, Kind.PPT, Kind.MSG),
    ]
)
"""What it reads."""

TESSDATA: Final = (
    Path("/usr/share/tesseract-ocr/5/tessdata"),
    Path("/usr/share/tesseract-ocr/4.00/tessdata"),
    Path("/usr/share/tessdata"),
    Path("/usr/local/share/tessdata"),
    Path("/opt/homebrew/share/tessdata"),
)
"""Where distributions put what tesseract knows of languages."""

_TINY_PDF: Final = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj"
    b" 3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
)
_PASSWORD: Final = re.compile(r"password|encrypt", re.IGNORECASE)
_NOT_A_PDF: Final = re.compile("Pdfium.*FormatError")
_MAX_PIXELS: Final = 60_000_000
"""A page in colour at 600 dots an inch has half as many."""
_OCR_TEXT_CHARS: Final = 16
"""A PDF with less text than that is a picture of a page."""


@lru_cache(maxsize=1)
def library() -> ModuleType | None:
    """Return kreuzberg, None where it is not installed or does not load."""
    try:
        found = import_module("kreuzberg")
        _settings(found, "")
    except Exception:
        return None
    return found


def likely(limits: Limits) -> Abilities:
    """Return what a worker here will say that it can do, without starting one or loading the library."""
    there = find_spec("kreuzberg") is not None
    ocr = there and limits.ocr and tessdata(limits.ocr_languages) is not None
    return Abilities("?" if there else "", ocr, ())


def version() -> str:
    """Return the library's version, empty where it is not there."""
    found = library()
    return str(getattr(found, "__version__", "?")) if found else ""


def tessdata(languages: str) -> Path | None:
    """Return where tesseract's data for all of these languages is, None where it is not."""
    names = [f"{language}.traineddata" for language in languages.split("+")]
    for directory in TESSDATA:
        if all((directory / name).is_file() for name in names):
            return directory
    return None


def warm() -> None:
    """Read a PDF, so that the library unpacks what it needs on disk. For a process that ends then."""
    found = library()
    if found:
        found.extract_bytes_sync(_TINY_PDF, Kind.PDF.value, _settings(found, ""))


def register() -> None:
    """Let the library look for what recognizes letters: it wants to make a directory, and later it cannot."""
    found = library()
    if found:
        found.list_ocr_backends()


def document(content: bytes, kind: Kind, within: Within) -> None:
    """Read a document; a PDF that is a picture of its pages by OCR, where that is on."""
    result = _read(content, kind.value, None)
    text = str(result.content)
    within.found.add(text)
    # Notes on a picture of a page are no text of it.
    within.found.add("\n".join(_notes(result)))
    if kind is Kind.PDF:
        within.found.add(forms.values(content))
    if kind is not Kind.PDF or len(text.strip()) >= _OCR_TEXT_CHARS:
        return
    if within.limits.ocr:
        within.found.add(str(_read(content, kind.value, within.limits).content))
    elif not text.strip():
        within.found.note(Status.EMPTY, "its pages are pictures, which OCR may read", Lacking.OCR)


def picture(content: bytes, kind: Kind, within: Within) -> None:
    """Recognize the letters in a picture, where that is on."""
    if not within.limits.ocr:
        within.found.note(Status.EMPTY, "it is a picture, which OCR may read", Lacking.OCR)
        return
    width, height = _pixels(content, kind)
    if width * height > _MAX_PIXELS:
        raise ReadError(Status.BOMB, f"it is a picture of {width} by {height} points")
    if min(width, height) and (width < 40 or height < 12):
        return  # A dot, a line, an icon: no word is so small.
    within.found.add(str(_read(content, kind.value, within.limits).content))


def _notes(result: Any) -> Iterator[str]:
    """Yield what people wrote on a PDF: notes, text in boxes, stamps. The content of a link is its target."""
    for note in result.annotations or ():
        if note.annotation_type != "link" and note.content:
            yield str(note.content)


def _read(content: bytes, media_type: str, ocr: Limits | None) -> Any:
    """Return the library's result. Raises ``ReadError``."""
    found = library()
    if found is None:
        raise ReadError(
            Status.UNSUPPORTED,
            "reading it needs `pip install 'poparchive[attachments]'`",
            Lacking.EXTRA,
        )
    settings = _settings(found, ocr.ocr_languages if ocr else "")
    try:
        return found.extract_bytes_sync(content, media_type, settings)
    except MemoryError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        if _PASSWORD.search(text):
            raise ReadError(Status.ENCRYPTED, "it has a password") from error
        raise ReadError(Status.DAMAGED, _plain(text) or type(error).__name__) from error


def _plain(text: str) -> str:
    """Say in a sentence what the library tells as a chain of its errors, each with the one before it."""
    if _NOT_A_PDF.search(text):
        return "it is no PDF, or its beginning or end is missing"
    last = text.rpartition("Error: ")[2]
    return (last if last.count(" ") > 1 else text)[:200]


def _settings(library: ModuleType, languages: str) -> Any:
    more: Mapping[str, Any] = {}
    if languages:
        more = {"ocr": library.OcrConfig(backend="tesseract", language=languages)}
    # Nothing is kept on disk, and nothing is done to the text: an index wants the words as they are.
    return library.ExtractionConfig(
        use_cache=False,
        enable_quality_processing=False,
        pdf_options=library.PdfConfig(extract_metadata=False, extract_annotations=True),
        **more,
    )


def _pixels(content: bytes, kind: Kind) -> tuple[int, int]:
    """Return width and height as the file claims them, (0, 0) where that takes more than a look."""
    if kind is Kind.PNG:
        return int.from_bytes(content[16:20]), int.from_bytes(content[20:24])
    if kind is Kind.GIF:
        return int.from_bytes(content[6:8], "little"), int.from_bytes(content[8:10], "little")
    if kind is Kind.BMP:
        width = int.from_bytes(content[18:22], "little", signed=True)
        height = int.from_bytes(content[22:26], "little", signed=True)
        return abs(width), abs(height)
    if kind is Kind.JPEG:
        return _jpeg_pixels(content)
    return 0, 0


def _jpeg_pixels(content: bytes) -> tuple[int, int]:
    at = 2
    while at + 9 < len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(content[at + 7 : at + 9]), int.from_bytes(
                content[at + 5 : at + 7]
            )
        at += 2 + int.from_bytes(content[at + 2 : at + 4])
    return 0, 0
