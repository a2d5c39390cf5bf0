"""What was filled into the forms of a PDF. kreuzberg does not give it: PDFium, by which it reads, is asked.

Promise: where the library is not loaded, or says of a file that it has no form, there is nothing, and no
error. Only values that somebody typed or chose are read, in the order of the pages, each once.
"""

import ctypes
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Final

from poparchive.attachments.outcome import TEXT_CHARS

_UNPACKED: Final = "kreuzberg-pdfium/libpdfium.so"
"""Below the directory for temporary files: where kreuzberg unpacks the library."""

_COMBO_BOX, _LIST_BOX, _TEXT_FIELD = 4, 5, 6
_WRITTEN: Final = frozenset([_COMBO_BOX, _LIST_BOX, _TEXT_FIELD])
"""Kinds of fields whose values are words (fpdf_formfill.h). Of a box that is ticked it is a name that
nobody sees."""

_INFO_BYTES: Final = 1024
_INFO_VERSION: Final = 2
"""Of FPDF_FORMFILLINFO, which begins with its version; all else is calls that may be missing."""

_MAX_FIELDS: Final = 5_000
"""Boxes and notes that are looked at. The library goes through all of a page for each of them."""

_POINTER, _INT, _LONG = ctypes.c_void_p, ctypes.c_int, ctypes.c_ulong
_CALLS: Final = {
    "FPDF_InitLibrary": (None, ()),
    "FPDF_LoadMemDocument64": (_POINTER, (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p)),
    "FPDF_CloseDocument": (None, (_POINTER,)),
    "FPDF_GetFormType": (_INT, (_POINTER,)),
    "FPDF_GetPageCount": (_INT, (_POINTER,)),
    "FPDF_LoadPage": (_POINTER, (_POINTER, _INT)),
    "FPDF_ClosePage": (None, (_POINTER,)),
    "FPDFDOC_InitFormFillEnvironment": (_POINTER, (_POINTER, _POINTER)),
    "FPDFDOC_ExitFormFillEnvironment": (None, (_POINTER,)),
    "FPDFPage_GetAnnotCount": (_INT, (_POINTER,)),
    "FPDFPage_GetAnnot": (_POINTER, (_POINTER, _INT)),
    "FPDFPage_CloseAnnot": (None, (_POINTER,)),
    "FPDFAnnot_GetFormFieldType": (_INT, (_POINTER, _POINTER)),
    "FPDFAnnot_GetFormFieldValue": (_LONG, (_POINTER, _POINTER, _POINTER, _LONG)),
}


def path() -> Path:
    """Return where the library is once it is unpacked."""
    return Path(tempfile.gettempdir()) / _UNPACKED


@lru_cache(maxsize=1)
def load() -> ctypes.CDLL:
    """Load the library, if that is not done. Raises ``OSError`` where it is not, ``AttributeError`` where it
    lacks a call."""
    found = ctypes.CDLL(str(path()))
    for name, (result, arguments) in _CALLS.items():
        call = getattr(found, name)
        call.restype, call.argtypes = result, arguments
    return found


def values(content: bytes) -> str:
    """Return what was filled in, a line for each field."""
    try:
        library = load()
    except (OSError, AttributeError):
        return ""
    library.FPDF_InitLibrary()
    document = library.FPDF_LoadMemDocument64(content, len(content), None)
    if not document:
        return ""
    try:
        if not library.FPDF_GetFormType(document):
            return ""
        return "\n".join(dict.fromkeys(_values(library, document)))
    finally:
        library.FPDF_CloseDocument(document)


def _values(library: ctypes.CDLL, document: int) -> Iterator[str]:
    info = ctypes.create_string_buffer(_INFO_BYTES)
    ctypes.c_int.from_buffer(info).value = _INFO_VERSION
    form = library.FPDFDOC_InitFormFillEnvironment(document, info)
    if not form:
        return
    characters, fields = TEXT_CHARS, _MAX_FIELDS
    try:
        for number in range(library.FPDF_GetPageCount(document)):
            page = library.FPDF_LoadPage(document, number)
            if not page:
                continue
            try:
                here = min(library.FPDFPage_GetAnnotCount(page), fields)
                fields -= here
                # A field is closed before its page.
                with closing(_of_page(library, form, page, here)) as found:
                    for value in found:
                        characters -= len(value) + 1
                        if characters < 0:
                            return
                        yield value
            finally:
                library.FPDF_ClosePage(page)
    finally:
        library.FPDFDOC_ExitFormFillEnvironment(form)


def _of_page(library: ctypes.CDLL, form: int, page: int, most: int) -> Generator[str, None, None]:
    for number in range(most):
        field = library.FPDFPage_GetAnnot(page, number)
        if not field:
            continue
        try:
            if library.FPDFAnnot_GetFormFieldType(form, field) in _WRITTEN:
                value = _value(library, form, field)
                if value.strip():
                    yield value
        finally:
            library.FPDFPage_CloseAnnot(field)


def _value(library: ctypes.CDLL, form: int, field: int) -> str:
    """Return a field's value, which the library has in UTF-16 with a NUL behind it."""
    length = library.FPDFAnnot_GetFormFieldValue(form, field, None, 0)
    if not 2 < length <= 2 * TEXT_CHARS:
        return ""
    held = ctypes.create_string_buffer(length)
    library.FPDFAnnot_GetFormFieldValue(form, field, held, length)
    return held.raw[: length - 2].decode("utf-16-le", "replace")
