"""The charset of text that has no label, from how often which octets come. A guess.

Only for text that is mostly not ASCII, as it is in Cyrillic, Greek, Hebrew, Chinese, Japanese and Korean:
Western languages are left to whoever asks. Never raises; looks at what it is given once.
"""

from typing import Final

from .late import late

_RUNS: Final = late(rb"[\x80-\xff]+")
_LETTERS: Final = bytes(o for o in range(128) if chr(o).isalpha())
_MIN_OCTETS: Final = 4


def charset(octets: bytes) -> str | None:
    """The codec that ``octets`` most likely need; None where they could be Western text."""
    runs = _RUNS.findall(octets)
    high = b"".join(runs)
    ascii_letters = len(octets) - len(octets.translate(None, _LETTERS))
    if len(high) < _MIN_OCTETS or len(high) <= ascii_letters or max(map(len, runs)) < 3:
        return None
    signs = _count(high, 0xA1, 0xBF)
    if signs * 8 > len(high):
        return _east_asian(runs, high)
    lower, upper = _count(high, 0xE0, 0xFF), _count(high, 0xC0, 0xDF)
    if upper + lower < len(high) * 0.8:
        return None
    if upper > lower:
        return "koi8_r"
    # Where Cyrillic has its commonest letters Greek has one that hardly occurs, and accents below.
    accents = _count(high, 0xDC, 0xDF)
    if high.count(0xE0) * 100 < len(high) and accents * 25 > len(high):
        return "cp1253"
    if not upper and not _count(high, 0xFB, 0xFF) and len(high) > 7:
        return "cp1255"
    return "cp1251"


def _east_asian(runs: list[bytes], high: bytes) -> str | None:
    if any(len(run) % 2 for run in runs):
        return None
    leads = b"".join([run[::2] for run in runs])
    if _count(leads, 0xA4, 0xA5) * 4 > len(leads):
        name = "euc_jp"
    elif _count(leads, 0xB0, 0xC8) * 20 > len(leads) * 19 and len(leads) > 3:
        name = "cp949"
    else:
        name = "gb18030"
    try:
        high.decode(name)
    except UnicodeDecodeError:
        return None
    return name


def _count(octets: bytes, first: int, last: int) -> int:
    return len(octets) - len(octets.translate(None, bytes(range(first, last + 1))))
