"""What sort of file an attachment is, as people name it: ``pdf``, ``docx``, ``jpg``.

The ending of its name, and what its media type stands for: mailers send a PDF as ``octet-stream`` named
``.pdf``, or as ``application/pdf`` without a name. Never raises.
"""

from typing import Final

_MAX_CHARS: Final = 12
"""A longer ending is none: a sentence with a full stop, or a host's name."""

_ENDINGS: Final = {
    "application/epub+zip": "epub",
    "application/gzip": "gz",
    "application/ics": "ics",
    "application/java-archive": "jar",
    "application/json": "json",
    "application/ms-tnef": "tnef",
    "application/msexcel": "xls",
    "application/mspowerpoint": "ppt",
    "application/msword": "doc",
    "application/pdf": "pdf",
    "application/pgp-signature": "asc",
    "application/pkcs7-mime": "p7m",
    "application/pkcs7-signature": "p7s",
    "application/postscript": "ps",
    "application/rtf": "rtf",
    "application/vnd.ms-excel": "xls",
    "application/vnd.ms-outlook": "msg",
    "application/vnd.ms-powerpoint": "ppt",
    "application/vnd.ms-tnef": "tnef",
    "application/vnd.oasis.opendocument.presentation": "odp",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.rar": "rar",
    "application/x-7z-compressed": "7z",
    "application/x-bzip2": "bz2",
    "application/x-gzip": "gz",
    "application/x-pdf": "pdf",
    "application/x-pkcs7-mime": "p7m",
    "application/x-pkcs7-signature": "p7s",
    "application/x-rar-compressed": "rar",
    "application/x-tar": "tar",
    "application/x-xz": "xz",
    "application/x-zip-compressed": "zip",
    "application/xml": "xml",
    "application/zip": "zip",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "image/bmp": "bmp",
    "image/gif": "gif",
    "image/heic": "heic",
    "image/jpeg": "jpg",
    "image/jpg": "jpg",
    "image/pjpeg": "jpg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/tiff": "tif",
    "image/webp": "webp",
    "image/x-png": "png",
    "message/rfc822": "eml",
    "text/calendar": "ics",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
    "text/rtf": "rtf",
    "text/vcard": "vcf",
    "text/x-diff": "diff",
    "text/x-patch": "patch",
    "text/x-vcard": "vcf",
    "text/xml": "xml",
    "video/mp4": "mp4",
    "video/mpeg": "mpg",
    "video/quicktime": "mov",
}


SAME: Final = {"htm": "html", "jpe": "jpg", "jpeg": "jpg", "jfif": "jpg", "tiff": "tif"}
"""Endings of one kind of file, and the one that stands for all."""


def endings(name: str, media_type: str) -> tuple[str, ...]:
    """What an attachment is known as: none, one or two endings, in lower case, ASCII letters and digits."""
    stem, dot, ending = name.rpartition(".")
    ending = ending.strip(" \"'").lower()
    if not (dot and stem and len(ending) <= _MAX_CHARS and ending.isascii() and ending.isalnum()):
        ending = ""
    # The name says more of text: patches and logs are all sent as text/plain.
    meant = _ENDINGS.get(media_type, "txt" if media_type == "text/plain" and not ending else "")
    return tuple(one for one in dict.fromkeys((SAME.get(ending, ending), meant)) if one)
