"""Times and sizes as people write them."""

import re

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d{1,9}) ?([smhd])", re.ASCII)

_BYTES = {"": 1, "b": 1} | {
    prefix + suffix: base**power
    for power, prefix in enumerate("kmgt", start=1)
    for suffix, base in (("b", 1000), ("ib", 1024))
}
_SIZE = re.compile(r"(\d{1,15})(\.\d{1,9})? ?([a-z]{0,3})", re.ASCII)


def duration_s(text: str) -> int | None:
    """Seconds for ``90s``, ``15m``, ``12h`` or ``30d``; None for anything else."""
    match = _DURATION.fullmatch(text)
    return int(match[1]) * _SECONDS[match[2]] if match else None


def size_bytes(text: str) -> int | None:
    """Octets for ``2GiB`` (powers of 1024), ``500 MB`` (powers of 1000) or ``4096``.

    Letters may be of either case; a fraction is cut to whole octets. None for anything else.
    """
    match = _SIZE.fullmatch(text.strip().lower())
    if not match or match[3] not in _BYTES:
        return None
    fraction = match[2] or ".0"
    scaled = int(match[1] + fraction[1:]) * _BYTES[match[3]]
    return int(scaled // 10 ** len(fraction[1:]))
