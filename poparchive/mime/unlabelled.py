"""The charset of text that has no usable label, from what its octets would be in each. A guess.

Three questions, and the first that is answered counts:

1. Are the octets pairs as in Shift_JIS or Big5, which may end in ASCII? Valid ones, mostly common ones.
2. Do they stand in runs, as in scripts other than Latin? Then that charset is meant in which they are the
   least rare letters: how rare is known in bits, and capitals must stand where words have them.
3. Else they are letters among Latin ones, for which ``latin`` looks for a language that has them all.

Where nothing is clearly better the text is windows-1252, as most is.

It serves instead of a library: the fast one that knows as much has no packages for newer Pythons, the well
kept one takes ten times as long, and either takes some Western text for something else.

``charset`` never raises, and looks only at what it is given.
"""

import codecs
import functools
from collections import Counter
from typing import Final

from . import latin
from .late import late

_RUNS: Final = late(rb"[\x80-\x9f\xa1-\xff]+")
"""Without the blank that does not break: alone it says nothing."""
_LETTERS: Final = bytes(o for o in range(128) if chr(o).isalpha())
_MIN_OCTETS: Final = 4
_MIN_DISTINCT: Final = 3
_MIN_AMONG_ASCII: Final = 12
_RUN: Final = 3
"""So many octets beyond ASCII in a row are rare in Latin text."""
_SAMPLE_OCTETS: Final = 1_000

_SCRIPTS: Final = {
    "cp1251 koi8_u iso8859-5 cp866": (
        "аеоинтрсвкпдлмузябчьйгіыжшфцхјюъщњљєэћїђёџґ",
        "3344444455555555666555777777777888869999999",
    ),
    "cp1253": ("αοετνιρσημπκυςλίδγήέόάχωθφύβώξζψϊϋΐΰ", "344444445555555556666666777888999999"),
    "cp1255": ("יוהלתארמבשנדקפםכחעסגטןזצךץף", "334444444555555556666667899"),
    "cp1256 iso8859-6": (
        "المريونتدبهةسعفحقشجكأخزصکطغإىپضگذثآءئظچـؤ",
        "33444444455555566666667777778888889999999",
    ),
    "cp874": (
        "าร่อกมน้เงดัลิีตสแยบทไวขะหจคปพืชใูำ์ุถ็ฟโณธผซึฐญภศษๆฏฉ",
        "444444555555555555566666666666666777777788888999999999",
    ),
}
"""The charsets of each script, and its letters with how rare they are: binary digits of their shares."""
_CAPITAL: Final = 0.5
_IN_PLACE: Final = dict.fromkeys("«»„“”‘’–—…№·§©®°€\u00a0", 6)
"""Signs that stand beside words in any language."""
_SIGN: Final = 10
_NOTHING: Final = 16
_CASES: Final = frozenset(["cp1251", "koi8_u", "iso8859-5", "cp866", "cp1253"])
_MISPLACED: Final = 5
_CAPITAL_BEHIND_CAPITAL: Final = 0.5
_FINAL_WITHIN: Final = late("[ךםןףץ](?=[א-ת])")
_RARER: Final = {"iso8859-5": 3, "cp866": 3, "iso8859-6": 3}
_ORDER: Final = {"cp874": 0.5}
"""What is known of a letter by the one before, where that is much: Thai vowels stand in few places."""
_MOST_BITS: Final = 6.0
"""For an octet: where the best reading says less, none of them is any."""

_PAIRS: Final = {
    "euc_jp": (0xB0, 0xCF, 5.5, "、。日本人年会社大月者事出時分中行"),
    "cp949": (0xB0, 0xC8, 15.0, "이다는에의을를하고지가기사로은한인스시도해서정리자습니있"),
    "gb18030": (
        0xB0,
        0xD7,
        15.0,
        "，。的一是不了在人有我他这中为和国以与及或其请您上个们到时大来公司",
    ),
}
"""Charsets whose letters are pairs of octets beyond ASCII: which ones the common letters begin with, how rare
kana are, and the commonest letters."""
_KANA_ROWS: Final = b"\xa4\xa5"
_SIGN_ROWS: Final = b"\xa1\xa3"
_COMMON_PAIR: Final = 6.0
_PAIR: Final = 10.0
_PAIR_SIGN: Final = 7.0
_RARE_PAIR: Final = 15.0
_PAIR_MARGIN: Final = 3.0
_PAIRS_932: Final = late(rb"[\x81-\x9f\xe0-\xfc][\x40-\x7e\x80-\xfc]")
_KANA_932: Final = late(rb"\x82[\x9f-\xf1]|\x83[\x40-\x96]")
_HALF_932: Final = late(rb"[\xa1-\xdf]")
_RUNS_BIG5: Final = late(rb"(?:[\xa1-\xf9][\x40-\x7e\xa1-\xfe]){2,}")


def charset(octets: bytes) -> str | None:
    """The codec that ``octets`` most likely need; None where they could be Western text."""
    runs = _RUNS.findall(octets)
    if len(octets) >= _SAMPLE_OCTETS and runs and octets.endswith(runs[-1]):
        runs[-1] = runs[-1][: len(runs[-1]) & -2]  # a pair may be cut
    high = b"".join(runs)
    if runs and max(map(len, runs)) < _RUN and latin.is_western(high):
        return None
    pairs = _pairs_with_ascii(octets, len(high))
    if pairs:
        return pairs
    if _in_runs(octets, runs, high):
        name = _of_runs(runs)
        if name:
            return name
    return latin.of_unlabelled(octets)


def _in_runs(octets: bytes, runs: list[bytes], high: bytes) -> bool:
    """Whether what is beyond ASCII is words in themselves, not letters in Latin words."""
    if len(high) < _MIN_OCTETS or max(map(len, runs)) < _RUN or len(set(high)) < _MIN_DISTINCT:
        return False
    ascii_letters = len(octets) - len(octets.translate(None, _LETTERS))
    if len(high) > ascii_letters:
        return True
    long = sum([len(run) for run in runs if len(run) >= _RUN])
    return len(high) >= _MIN_AMONG_ASCII and long * 5 > len(high) * 4


def _of_runs(runs: list[bytes]) -> str | None:
    """The charset that says most by these octets: in which they are the least rare ones."""
    sample = b" ".join(runs)[:_SAMPLE_OCTETS]
    runs = sample.split(b" ")
    if len(sample) == _SAMPLE_OCTETS:
        runs[-1] = runs[-1][: len(runs[-1]) & -2]
    bits = _single_octets(sample) | _double_octets(runs)
    name = min(bits, key=bits.__getitem__)
    return name if bits[name] <= _MOST_BITS * (len(sample) - len(runs) + 1) else None


def _single_octets(sample: bytes) -> dict[str, float]:
    counts = Counter(sample)
    del counts[0x20]
    total = counts.total()
    bits: dict[str, float] = {}
    for name, weights in _weights().items():
        bits[name] = sum([weights[octet] * count for octet, count in counts.items()])
        bits[name] += _RARER.get(name, 0) - _ORDER.get(name, 0) * total
        if name in _CASES:
            bits[name] += _misplaced_capitals(sample.decode(name, "replace"))
        elif name == "cp1255":
            finals = _FINAL_WITHIN.findall(sample.decode(name, "replace"))
            bits[name] += _MISPLACED * len(finals)
    return bits


def _misplaced_capitals(text: str) -> float:
    before, lost = " ", 0.0
    for letter in text:
        if letter.isupper():
            if before.islower():
                lost += _MISPLACED
            elif before.isupper():
                lost += _CAPITAL_BEHIND_CAPITAL
        before = letter
    return lost


@functools.cache
def _weights() -> dict[str, list[float]]:
    """For each codec how many bits each of its octets is worth."""
    made: dict[str, list[float]] = {}
    for names, (letters, digits) in _SCRIPTS.items():
        bits = dict(zip(letters, map(float, digits), strict=True))
        bits |= {
            letter.upper(): its + _CAPITAL
            for letter, its in bits.items()
            if letter.upper() not in bits
        }
        bits |= _IN_PLACE
        for name in names.split():
            row = [0.0] * 256
            for octet in range(128, 256):
                letter = bytes([octet]).decode(name, "ignore")
                nothing = not letter or letter < "\u00a0"
                row[octet] = _NOTHING if nothing else bits.get(letter, _SIGN)
            made[name] = row
    return made


def _double_octets(runs: list[bytes]) -> dict[str, float]:
    """What the octets are worth as pairs, where all of them are."""
    if any(len(run) % 2 for run in runs):
        return {}
    pairs = Counter([run[at : at + 2] for run in runs for at in range(0, len(run), 2)])
    high = b"".join(runs)
    return {
        name: _PAIR_MARGIN + sum([_pair_bits(name, pair) * times for pair, times in pairs.items()])
        for name in _PAIRS
        if _is_valid(high, name)
    }


def _pair_bits(name: str, pair: bytes) -> float:
    first, last, kana, _ = _PAIRS[name]
    lead = pair[0]
    if pair in _common(name):
        return _COMMON_PAIR
    if first <= lead <= last:
        return _PAIR
    if lead in _KANA_ROWS:
        return kana
    return _PAIR_SIGN if lead in _SIGN_ROWS else _RARE_PAIR


@functools.cache
def _common(name: str) -> frozenset[bytes]:
    return frozenset([letter.encode(name) for letter in _PAIRS[name][3]])


def _pairs_with_ascii(octets: bytes, high: int) -> str | None:
    """Shift_JIS or Big5, whose pairs may end in an octet of ASCII."""
    if high < _MIN_OCTETS:
        return None
    pairs = len(_PAIRS_932.findall(octets))
    kana = len(_KANA_932.findall(octets))
    if kana * 8 > pairs and _is_valid(octets, "cp932"):
        half_width = len(_HALF_932.findall(_PAIRS_932.sub(b"", octets)))
        if half_width * 2 < pairs:
            return "cp932"
    found = b"".join(_RUNS_BIG5.findall(octets))
    leads = found[::2]
    low = _count(found[1::2], 0x40, 0x7E)
    if low * 10 > len(leads) > 2 and _is_valid(octets, "big5hkscs"):
        common = _count(leads, 0xA1, 0xC6)
        if common * 10 > len(leads) * 9 and (len(leads) * 2 - low) * 10 > high * 7:
            return "big5hkscs"
    return None


def _is_valid(octets: bytes, name: str) -> bool:
    """Whether it is valid but for a letter that is cut off at the end."""
    try:
        codecs.getincrementaldecoder(name)().decode(octets)
    except UnicodeDecodeError:
        return False
    return True


def _count(octets: bytes, first: int, last: int) -> int:
    return len(octets) - len(octets.translate(None, bytes(range(first, last + 1))))
