"""Text of RTF as Exchange wraps it in mail: decompressed (MS-OXRTFCP), and read (RTF 1.9, MS-OXRTFEX).

Promise: never raises, takes time linear in its input and output, and gives no more than ``MAX_BYTES``.
Damaged input gives what stands before the damage.
"""

from typing import Final

from .charset import clean, decode
from .late import late

MAX_BYTES: Final = 4 << 20
"""Of decompressed RTF; compression is up to eighteenfold."""

_PRESET: Final = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript "
    b"\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par "
    b"\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
_RING: Final = 4096

_TOKEN: Final = late(
    rb"\\(?:([a-zA-Z]{1,32})(-?\d{1,10})? ?|'([0-9a-fA-F]{2})|([^a-zA-Z']))|([{}])|[\r\n]+|([^\\{}\r\n]+)"
)
_SKIPPED: Final = frozenset(
    [
        *(
            b"fonttbl",
            b"colortbl",
            b"stylesheet",
            b"info",
            b"pict",
            b"object",
            b"themedata",
            b"datastore",
        ),
        *(
            b"listtable",
            b"listoverridetable",
            b"rsidtbl",
            b"generator",
            b"fldinst",
            b"bkmkstart",
            b"bkmkend",
        ),
        *(b"header", b"footer", b"pntext", b"xmlnstbl", b"latentstyles", b"filetbl", b"revtbl"),
    ]
)
_CHARACTERS: Final = {
    b"par": "\n", b"line": "\n", b"row": "\n", b"sect": "\n", b"page": "\n", b"cell": "\t", b"tab": "\t",
    b"emdash": "—", b"endash": "–", b"lquote": "‘", b"rquote": "’", b"ldblquote": "“", b"rdblquote": "”",
    b"bullet": "•", b"emspace": " ", b"enspace": " ",
}  # fmt: skip
_MAX_DEPTH: Final = 1000


def decompress(octets: bytes) -> bytes:
    """Undo MS-OXRTFCP: what PR_RTF_COMPRESSED holds."""
    if len(octets) < 16:
        return b""
    raw_size = int.from_bytes(octets[4:8], "little")
    kind = octets[8:12]
    if kind == b"MELA":
        return octets[16 : 16 + min(raw_size, MAX_BYTES)]
    if kind != b"LZFu":
        return b""
    ring = bytearray(_RING)
    ring[: len(_PRESET)] = _PRESET
    write = len(_PRESET)
    out = bytearray()
    limit = min(raw_size, MAX_BYTES)
    at, end = 16, len(octets)
    while at < end and len(out) < limit:
        control = octets[at]
        at += 1
        for bit in range(8):
            if at >= end:
                break
            if control >> bit & 1:
                if at + 1 >= end:
                    return bytes(out)
                token = octets[at] << 8 | octets[at + 1]
                at += 2
                offset, length = token >> 4, (token & 15) + 2
                if offset == write:
                    return bytes(out[:limit])
                for step in range(length):
                    octet = ring[(offset + step) % _RING]
                    out.append(octet)
                    ring[write] = octet
                    write = (write + 1) % _RING
            else:
                out.append(octets[at])
                ring[write] = octets[at]
                write = (write + 1) % _RING
                at += 1
    return bytes(out[:limit])


def text_of(octets: bytes) -> tuple[str, bool]:
    """The text of RTF, and whether it is HTML: RTF that was made of HTML holds it whole."""
    octets = octets[:MAX_BYTES]
    html = b"\\fromhtml1" in octets[:1000]
    codepage = "cp1252"
    pieces: list[str] = []
    pending = bytearray()  # octets of the code page, which may be two to a letter
    silent = False  # inside a group that is not text
    muted = False  # \htmlrtf: what only stands for those who do not read the HTML
    following = 0  # characters to skip behind \u, for those who do not know it
    skip_after_unicode = 1
    groups: list[tuple[bool, bool, int]] = []
    starred = False

    def flush() -> None:
        if pending:
            pieces.append(decode(bytes(pending), codepage))
            pending.clear()

    for word, number, code, symbol, brace, text in _TOKEN.findall(octets):
        if brace == b"{":
            if len(groups) >= _MAX_DEPTH:
                break
            groups.append((silent, muted, skip_after_unicode))
            starred, following = False, 0
        elif brace:
            if not groups:
                continue
            silent, muted, skip_after_unicode = groups.pop()
            starred, following = False, 0
        elif word:
            following = 0
            if starred:
                starred = False
                # The tags of the HTML that the RTF was made of.
                silent = silent or not (html and word == b"htmltag")
            elif word in _SKIPPED:
                silent = True
            elif word == b"htmlrtf":
                muted = html and number != b"0"
            elif word == b"ansicpg" and number:
                codepage = f"cp{number.decode()}"
            elif word == b"uc" and number:
                skip_after_unicode = min(max(int(number), 0), 10)
            elif silent or muted:
                pass
            elif word == b"u" and number:
                flush()
                value = int(number) % 65536
                pieces.append(chr(value))
                following = skip_after_unicode
            elif word in _CHARACTERS:
                flush()
                pieces.append(_CHARACTERS[word])
        elif symbol == b"*":
            starred = True
        elif silent or muted:
            continue
        elif code:
            if following:
                following -= 1
            else:
                pending += bytes.fromhex(code.decode())
        elif symbol:
            if symbol in b"\\{}":
                pending += symbol
            elif symbol == b"~":
                pending += b" "
            elif symbol in b"\r\n":
                pending += b"\n"
        elif text:
            if following:
                text, following = text[following:], max(following - len(text), 0)
            pending += text
    flush()
    joined = "".join(pieces)
    # Characters beyond the first plane are written as two numbers.
    joined = joined.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return clean(joined), html
