"""Memory that long work with large blocks gives back to the system."""

import ctypes

_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 1 << 20


def keep_large_blocks_apart() -> None:
    """Let every block of a mebibyte or more be the system's own, which it is given back at once.

    By itself glibc (``mallopt(3)``) puts blocks up to the largest that was ever freed among the small ones,
    where they leave holes: a run with blocks of 24 MiB ends with half as much again as it needs. Other
    libraries have no such call, and are left alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def give_back() -> None:
    """Give the system what is free between the small blocks (``malloc_trim(3)``)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
