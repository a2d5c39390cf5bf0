"""What a content is: by its first octets, then by the ending of its name, then by its media type.

Names and types are what a sender says. They are believed only where the octets say nothing.
"""

import enum
import re
from typing import Final


class Kind(enum.Enum):
    """What a content is, as far as reading it goes. The values are media types where a reader needs one."""

    TEXT = "text/plain"
    HTML = "text/html"
    XML = "text/xml"
    CALENDAR = "text/calendar"
    MAIL = "message/rfc822"
    TNEF = "application/ms-tnef"
    MSG = "application/vnd.ms-outlook"
    PDF = "application/pdf"
    RTF = "application/rtf"
    DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
    ODT = "application/vnd.oasis.opendocument.text"
    ODS = "application/vnd.oasis.opendocument.spreadsheet"
    ODP = "application/vnd.oasis.opendocument.presentation"
    EPUB = "application/epub+zip"
    DOC = "application/msword"
    XLS = "application/vnd.ms-excel"
    PPT = "application/vnd.ms-powerpoint"
    LOCKED_OFFICE = "application/x-encrypted-ooxml"
    OLE = "application/x-ole-storage"
    ZIP = "application/zip"
    GZIP = "application/gzip"
    BZIP2 = "application/x-bzip2"
    XZ = "application/x-xz"
    TAR = "application/x-tar"
    UUENCODED = "text/x-uuencode"
    PNG = "image/png"
    JPEG = "image/jpeg"
    TIFF = "image/tiff"
    BMP = "image/bmp"
    GIF = "image/gif"
    WEBP = "image/webp"
    ARMOR = "application/pgp"
    PKCS7 = "application/pkcs7"
    OTHER_ARCHIVE = "application/x-archive"
    NO_TEXT = "application/octet-stream"
    EMPTY = "application/x-empty"


IMAGES: Final = frozenset([Kind.PNG, Kind.JPEG, Kind.TIFF, Kind.BMP, Kind.GIF, Kind.WEBP])
ZIPPED: Final = frozenset(
    [Kind.DOCX, Kind.XLSX, Kind.PPTX, Kind.ODT, Kind.ODS, Kind.ODP, Kind.EPUB]
)
"""Documents that are ZIP files."""

_MAGIC: Final = (
    (b"PK\x03\x04", Kind.ZIP),
    (b"PK\x05\x06", Kind.ZIP),
    (b"\x1f\x8b", Kind.GZIP),
    (b"BZh", Kind.BZIP2),
    (b"\xfd7zXZ\0", Kind.XZ),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind.OLE),
    (b"\x78\x9f\x3e\x22", Kind.TNEF),
    (b"{\\rtf", Kind.RTF),
    (b"\x89PNG\r\n\x1a\n", Kind.PNG),
    (b"\xff\xd8\xff", Kind.JPEG),
    (b"GIF8", Kind.GIF),
    (b"II*\0", Kind.TIFF),
    (b"MM\0*", Kind.TIFF),
    (b"7z\xbc\xaf\x27\x1c", Kind.OTHER_ARCHIVE),
    (b"Rar!\x1a\x07", Kind.OTHER_ARCHIVE),
    (b"\x28\xb5\x2f\xfd", Kind.OTHER_ARCHIVE),
    (b"MSCF", Kind.OTHER_ARCHIVE),
    (b"\x7fELF", Kind.NO_TEXT),
    (b"OggS", Kind.NO_TEXT),
    (b"ID3", Kind.NO_TEXT),
    (b"fLaC", Kind.NO_TEXT),
    (b"\x1aE\xdf\xa3", Kind.NO_TEXT),
    (b"wOFF", Kind.NO_TEXT),
    (b"\0\1\0\0\0", Kind.NO_TEXT),
    (b"SQLite format 3\0", Kind.NO_TEXT),
)

_ENDINGS: Final = {
    "htm": Kind.HTML, "html": Kind.HTML, "xhtml": Kind.HTML, "mht": Kind.MAIL, "mhtml": Kind.MAIL,
    "eml": Kind.MAIL, "mbox": Kind.MAIL, "ics": Kind.CALENDAR, "ical": Kind.CALENDAR, "ifb": Kind.CALENDAR,
    "vcs": Kind.CALENDAR, "xml": Kind.XML, "svg": Kind.XML, "rdf": Kind.XML, "rss": Kind.XML,
    "docx": Kind.DOCX, "docm": Kind.DOCX, "dotx": Kind.DOCX, "xlsx": Kind.XLSX, "xlsm": Kind.XLSX,
    "xltx": Kind.XLSX, "pptx": Kind.PPTX, "pptm": Kind.PPTX, "ppsx": Kind.PPTX, "odt": Kind.ODT,
    "ott": Kind.ODT, "ods": Kind.ODS, "odp": Kind.ODP, "epub": Kind.EPUB, "doc": Kind.DOC,
    "dot": Kind.DOC, "xls": Kind.XLS, "ppt": Kind.PPT, "pps": Kind.PPT, "msg": Kind.MSG,
    "pdf": Kind.PDF, "rtf": Kind.RTF, "zip": Kind.ZIP, "tar": Kind.TAR, "gz": Kind.GZIP,
    "tgz": Kind.GZIP, "bz2": Kind.BZIP2, "xz": Kind.XZ, "p7m": Kind.PKCS7, "p7s": Kind.PKCS7,
    "p7c": Kind.PKCS7,
}  # fmt: skip

_TYPES: Final = {
    "text/html": Kind.HTML, "application/xhtml+xml": Kind.HTML, "text/xml": Kind.XML,
    "application/xml": Kind.XML, "text/calendar": Kind.CALENDAR, "message/rfc822": Kind.MAIL,
    "message/global": Kind.MAIL, "multipart/related": Kind.MAIL, "application/mbox": Kind.MAIL,
    "application/pkcs7-mime": Kind.PKCS7, "application/x-pkcs7-mime": Kind.PKCS7,
    "application/pkcs7-signature": Kind.PKCS7, "application/x-pkcs7-signature": Kind.PKCS7,
}  # fmt: skip

_OPENDOCUMENT: Final = (
    (b"opendocument.text", Kind.ODT),
    (b"opendocument.spreadsheet", Kind.ODS),
    (b"opendocument.presentation", Kind.ODP),
    (b"epub+zip", Kind.EPUB),
)
_OLE_STREAMS: Final = (
    ("EncryptedPackage", Kind.LOCKED_OFFICE),
    ("__properties_version1.0", Kind.MSG),
    ("WordDocument", Kind.DOC),
    ("PowerPoint Document", Kind.PPT),
    ("Workbook", Kind.XLS),
    ("Book", Kind.XLS),
)
"""What a compound file has by what its directory names ([MS-CFB] 2.6.1: UTF-16)."""

_HEAD_BYTES: Final = 1024
_SAMPLE_BYTES: Final = 8192
_BOMS: Final = (b"\xff\xfe", b"\xfe\xff")
_WIDE_PART: Final = 8
"""One character in eight has a NUL, if blanks alone have one."""
_HEADER: Final = re.compile(
    rb"(?:From [^\n]*\n)?(?:(?:return-path|received|from|to|date|subject|message-id|mime-version|delivered-to"
    rb"|content-type|x-[\w-]+)[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*){2}",
    re.IGNORECASE,
)
_MARKUP: Final = re.compile(rb"<(?:!doctype\s+html|html|head|body|table|div|p)[\s>]", re.IGNORECASE)
_ARMOR: Final = re.compile(rb"\s*-----BEGIN (?:PGP|SSH|CERTIFICATE|[A-Z ]*KEY)")
_SOUNDING: Final = ("audio/", "video/", "font/")
"""What has no text although, as raw sound, it may look like letters of some charset."""
_UUENCODED: Final = re.compile(rb"begin [0-7]{3,4} [^\r\n]{1,255}\r?\n[ -`]{1,64}\r?\n")
_UNTEXTUAL: Final = bytes(o for o in range(32) if o not in b"\t\n\r\f\x1b") + b"\x7f"


def kind_of(content: bytes, name: str, media_type: str) -> Kind:
    """Say what a content is. Never raises; reads little of it, but for compound files."""
    if not content.strip(b"\0 \t\r\n"):
        return Kind.EMPTY
    head = content[:_HEAD_BYTES]
    if b"%PDF-" in head:
        return Kind.PDF
    if head.startswith(b"BM") and len(content) > 26 and content[6:10] == b"\0\0\0\0":
        return Kind.BMP
    if head.startswith(b"RIFF"):
        return Kind.WEBP if head[8:12] == b"WEBP" else Kind.NO_TEXT
    if head[4:8] == b"ftyp":
        return Kind.NO_TEXT
    if head.startswith(b"MZ") and b"PE\0\0" in content[:4096]:
        return Kind.NO_TEXT
    if content[257:262] == b"ustar":
        return Kind.TAR
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return _zip(content) if kind is Kind.ZIP else _ole(content, name, kind)
    return _by_name(content, head.lstrip(b"\xef\xbb\xbf \t\r\n"), name, media_type)


def _by_name(content: bytes, head: bytes, name: str, media_type: str) -> Kind:
    """What a content is that begins like no binary file."""
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    said = _ENDINGS.get(ending) or _TYPES.get(media_type.lower())
    if said is Kind.PKCS7:
        return said
    if not textual(content):
        # A name that promises a document makes this one that is damaged.
        return said if said in _PROMISED else Kind.NO_TEXT
    if media_type.startswith(_SOUNDING):
        return Kind.NO_TEXT
    if _UUENCODED.match(head):
        return Kind.UUENCODED
    if _ARMOR.match(head):
        return Kind.ARMOR
    if head.startswith(b"BEGIN:V"):
        return Kind.CALENDAR
    if said in _WRITTEN:
        return said
    if ending not in _TEXTS and not media_type.startswith("text/") and _HEADER.match(head):
        return Kind.MAIL
    if head.startswith(b"<?xml"):
        return Kind.HTML if b"<html" in head.lower() else Kind.XML
    if _MARKUP.match(head):
        return Kind.HTML
    # A sender calls it a document, and it is text: rather a word too many than none.
    return Kind.TEXT


_TEXTS: Final = frozenset(["txt", "text", "log", "patch", "diff"])
"""Header fields in these are what somebody shows, and no message."""
_WRITTEN: Final = frozenset([Kind.HTML, Kind.XML, Kind.CALENDAR, Kind.MAIL])
_PROMISED: Final = ZIPPED | {Kind.PDF, Kind.DOC, Kind.XLS, Kind.PPT, Kind.ZIP, Kind.GZIP, Kind.MSG}


def textual(content: bytes) -> bool:
    """Whether a content is text in some charset, as far as its beginning tells."""
    sample = content[:_SAMPLE_BYTES]
    if wide(content):
        return True
    control = len(sample) - len(sample.translate(None, _UNTEXTUAL))
    return control * 50 <= len(sample)


def wide(content: bytes) -> str:
    """Say of which sort of UTF-16 a content is, empty if it is of none.

    Where it does not begin by saying so, NULs tell: they are many, all at even or all at odd places, and what
    comes out is printable but for a fiftieth.
    """
    if content.startswith(_BOMS):
        return "utf-16"
    sample = content[: min(_SAMPLE_BYTES, len(content)) // 2 * 2]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if min(even, odd) or max(even, odd) * 2 * _WIDE_PART < len(sample) or not sample:
        return ""
    charset = "utf-16-le" if odd else "utf-16-be"
    text = "".join(sample.decode(charset, "replace").split())
    odd_ones = sum(not letter.isprintable() or letter == "\ufffd" for letter in text)
    return charset if odd_ones * 50 <= len(text) else ""


def _zip(content: bytes) -> Kind:
    """Which document a ZIP file is, if it is one: by the member that comes first, or the part names."""
    first = content[30:200]
    if first.startswith(b"mimetype"):
        for word, kind in _OPENDOCUMENT:
            if word in first:
                return kind
    # The directory at the end names the parts; names are not compressed.
    tail = content[-(256 << 10) :]
    if b"[Content_Types].xml" in tail or b"[Content_Types].xml" in first:
        for part, kind in ((b"word/", Kind.DOCX), (b"xl/", Kind.XLSX), (b"ppt/", Kind.PPTX)):
            if part in tail:
                return kind
    return Kind.ZIP


def _ole(content: bytes, name: str, kind: Kind) -> Kind:
    if kind is not Kind.OLE:
        return kind
    for stream, found in _OLE_STREAMS:
        if stream.encode("utf-16-le") in content:
            return found
    said = _ENDINGS.get(name.rpartition(".")[2].lower())
    return said if said in (Kind.DOC, Kind.XLS, Kind.PPT, Kind.MSG) else Kind.OLE
