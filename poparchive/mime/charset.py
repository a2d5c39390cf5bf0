"""Octets to readable text, whatever their label says.

Promise: ``decode`` never raises, takes time linear in its input, and gives text that encodes to
UTF-8 and holds no control characters but tab and line feed.

Labels in mail are often absent, unknown or false. Octets that are valid UTF-8 with at least one
multi-octet character are UTF-8 whatever the label says of a single-octet charset: the chance that
other text looks so is nil beyond a few letters. Only what is left trusts the label, and only what
has no usable label is guessed.
"""

import re
from functools import lru_cache
from typing import Final

from . import latin, unlabelled
from .late import late

_GUESSED: Final = (
    "ascii usascii ansix341968 ansix341986 iso646us 646 us iso88591 latin1 l1 ibm819 cp819 "
    "windows1252 cp1252 ansi 8bit binary unknown unknown8bit unknownus default defaultcharset "
    "none null"
)
"""Labels that say nothing: senders put them on text of any charset (WHATWG: all windows-1252)."""

_NAMES: Final = {
    "utf-8": "utf8 unicode11utf8 utf8mb4 utf80 cp65001",
    "utf-7": "utf7 unicode11utf7",
    "utf-16": "utf16 ucs2 unicode iso10646ucs2",
    "utf-16-le": "utf16le",
    "utf-16-be": "utf16be",
    "utf-32": "utf32",
    "utf-32-le": "utf32le",
    "utf-32-be": "utf32be",
    # GB 18030 holds GBK and GB 2312 whole, and senders label all three as the smallest.
    "gb18030": "gb18030 gbk gb2312 gb23121980 gb cp936 euccn windows936",
    "hz": "hz hzgb2312 hzgb",
    "big5hkscs": "big5 big5hkscs big5tw cp950 windows950",
    "euc_jp": "eucjp ujis",
    "cp932": "shiftjis sjis cp932 mskanji windows31j windows932 ms932",
    "iso2022_jp_ext": "iso2022jp iso2022jp1 iso2022jp2 iso2022jp3 iso2022jpext cp50220 jis",
    "cp949": "euckr ksc5601 ksc56011987 ksc56011989 cp949 uhc windows949",
    "iso2022_kr": "iso2022kr",
    "johab": "johab",
    "koi8_r": "koi8r koi8",
    "koi8_u": "koi8u koi8ru",
    "cp874": "tis620 windows874 cp874 iso885911",
    "iso8859-2": "latin2 l2",
    "iso8859-3": "latin3",
    "iso8859-4": "latin4",
    "iso8859-5": "cyrillic",
    "iso8859-6": "arabic iso88596i",
    "iso8859-7": "greek",
    "iso8859-8": "hebrew iso88598i iso88598e",
    "iso8859-9": "latin5",
    "iso8859-10": "latin6",
    "iso8859-15": "latin9",
    "iso8859-16": "latin10",
    "mac_roman": "macintosh macroman mac",
    "mac_cyrillic": "maccyrillic macukrainian",
    "mac_latin2": "macce maccentraleurroman",
    "mac_greek": "macgreek",
    "mac_turkish": "macturkish",
    "kz1048": "kz1048",
    "ptcp154": "ptcp154",
}
"""Codecs, and the charset names (without punctuation) of each. A closed list on purpose: some of
Python's codecs take quadratic time (punycode, idna) or are no charsets at all."""

_ISO_PARTS: Final = (*range(2, 11), 13, 14, 15, 16)
_WINDOWS_PAGES: Final = (1250, 1251, 1253, 1254, 1255, 1256, 1257, 1258)
_DOS_PAGES: Final = (437, 737, 775, 850, 852, 855, 857, 858, 860, 861, 862, 863, 865, 866, 869)

_CODECS: Final[dict[str, str | None]] = {
    **{name: codec for codec, names in _NAMES.items() for name in names.split()},
    **{f"iso8859{part}": f"iso8859-{part}" for part in _ISO_PARTS},
    **{
        f"{kind}{page}": f"cp{page}"
        for page in _WINDOWS_PAGES
        for kind in ("windows", "cp", "win", "microsoftcp")
    },
    **{f"{kind}{page}": f"cp{page}" for page in _DOS_PAGES for kind in ("ibm", "cp", "dos")},
    **dict.fromkeys(_GUESSED.split()),
}

_SHIFTED: Final = frozenset(["utf-7", "hz", "iso2022_jp_ext", "iso2022_kr"])
_WIDE: Final = frozenset(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
_CENTRAL_EUROPEAN: Final = frozenset(["cp1250", "iso8859-2"])
_DOUBLE_OCTET: Final = frozenset(["gb18030", "big5hkscs", "euc_jp", "cp932", "cp949", "johab"])

_LINE_ENDS: Final = b"\v\f"
_CONTROLS: Final = bytes(o for o in range(32) if o not in b"\t\n" + _LINE_ENDS) + b"\x7f"
"""What is left out; CR among them, for it stands before an LF then."""
_AS_LINE_FEEDS: Final = bytes.maketrans(_LINE_ENDS, b"\n\n")
_LONE_CR: Final = late(rb"\r(?!\n)")
_SAMPLE_OCTETS: Final = 4_000
"""What is looked at to tell charsets apart."""
_C1: Final = bytes(range(0x80, 0xA0))
_UNDEFINED_1252: Final = b"\x81\x8d\x8f\x90\x9d"
_ESCAPE: Final = 0x1B
_JAPANESE_SHIFT: Final = late(rb"\x1b\$[@B]|\x1b\(J")
_JIS_RUN: Final = late(rb"\x1b\$[@B]((?:[\x21-\x7e][\x21-\x7e])*)")
_JIS_HALF: Final = late(rb"\x1b\(I([\x21-\x5f]*)")
_UTF8_C1_LEAD: Final = 0xC2
_UTF8_C1: Final = late(rb"\xc2[\x80-\x9f]")
_UNWANTED: Final = late("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_STRAY: Final = late("[\udc80-\udcff]+")


@lru_cache(maxsize=1024)
def codec(label: str) -> str | None:
    """The codec for a charset's name as mail writes it; None where the name says nothing."""
    name = "".join(filter(str.isalnum, label[:64].lower()))
    return _CODECS.get(name) or _CODECS.get(name.removeprefix("x").removeprefix("cs"))


def decode(octets: bytes, label: str = "") -> str:
    """The text of ``octets``; ``label`` is the charset that the sender claims, empty for none.

    Line ends become LF, those of pages (FF), of forms (VT) and of mainframes (NEL) too.
    """
    name = codec(label) if label else None
    if name in _SHIFTED or (_ESCAPE in octets and _JAPANESE_SHIFT.search(octets)):
        name = name if name in _SHIFTED else "iso2022_jp_ext"
        text = octets.decode(name, "replace")
        if "\ufffd" in text and name == "iso2022_jp_ext":
            text = _windows_jis(octets)
        return clean(text)
    if name in _WIDE:
        # Without a NUL there is no line end in UTF-16: the label is false.
        if b"\0" in octets:
            return clean(octets.decode(name, "replace"))
        name = None
    if _LONE_CR.search(octets):
        octets = _LONE_CR.sub(b"\n", octets)
    octets = octets.translate(_AS_LINE_FEEDS, _CONTROLS)
    if octets.isascii():
        return octets.decode("ascii")
    if name in _DOUBLE_OCTET:
        return clean(_double_octet(octets, name))
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        return _not_utf8(octets, name)
    return clean(text) if _UTF8_C1_LEAD in octets and _UTF8_C1.search(octets) else text


def clean(text: str) -> str:
    """``text`` with LF line ends and without control characters and lone surrogates."""
    if text.isprintable():
        return text
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNWANTED.sub(_instead, text)


def _instead(control: re.Match[str]) -> str:
    return "\n" if control[0] in "\v\f\x85" else ""


def _windows_jis(octets: bytes) -> str:
    """Decode ISO-2022-JP with letters of Windows in it, such as ① and ㈱, which the standard has not."""

    def shifted(run: re.Match[bytes]) -> bytes:
        made = bytearray()
        for row, cell in zip(run[1][::2], run[1][1::2], strict=False):
            made.append((row - 0x21 >> 1) + (0x81 if row < 0x5F else 0xC1))
            made.append(cell + (0x1F if cell < 0x60 else 0x20) if row % 2 else cell + 0x7E)
        return bytes(made)

    octets = _JIS_RUN.sub(shifted, octets)
    octets = _JIS_HALF.sub(lambda run: bytes(octet | 0x80 for octet in run[1]), octets)
    return re.sub(rb"\x1b[($][A-Z@]|\x1b\$\([A-Z]", b"", octets).decode("cp932", "replace")


def _double_octet(octets: bytes, name: str) -> str:
    # The order differs from single-octet charsets: two Chinese letters may well be valid UTF-8.
    for attempt in (name, "utf-8"):
        try:
            return octets.decode(attempt)
        except UnicodeDecodeError:
            continue
    return octets.decode(name, "replace")


def _not_utf8(octets: bytes, name: str | None) -> str:
    if name is None or name == "utf-8":
        # Either a false label or a few foreign octets, as from a list's footer or a cut letter.
        valid = octets.decode("utf-8", "ignore")
        length = len(valid.encode())
        stray, beyond_ascii = len(octets) - length, length - len(valid)
        if stray > beyond_ascii:
            return _guess(octets)
        text = octets.decode("utf-8", "surrogateescape")
        text = _STRAY.sub(lambda run: _guess(run[0].encode("utf-8", "surrogateescape")), text)
        return clean(text)
    if name == "iso8859-2" and octets.translate(None, _C1) != octets:
        name = "cp1250"  # ISO 8859-2 has no letters there
    elif name in _CENTRAL_EUROPEAN:
        name = latin.of_labelled(octets[:_SAMPLE_OCTETS], name)
    text = octets.decode(name, "replace")
    return clean(text) if name.startswith("iso") else text  # only these have controls there


def _guess(octets: bytes) -> str:
    name = unlabelled.charset(octets[:_SAMPLE_OCTETS])
    if name is None:
        return octets.translate(None, _UNDEFINED_1252).decode("cp1252")
    text = octets.decode(name, "replace")
    return text if name in _DOUBLE_OCTET else clean(text)
