"""Keeps long work to limits of time and of what it reads and writes, so that others have the disk too."""

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may take: seconds, and octets read and written in a second; None for no limit.

    When the time is up, what was done by then counts.
    """

    time_s: float | None = None
    io_bytes_per_s: float | None = None


class Pace:
    """Keeps a run to its limits."""

    def __init__(self, limits: Limits) -> None:
        self._began = time.monotonic()
        self._limits = limits
        self._octets = 0

    def is_over(self) -> bool:
        limit = self._limits.time_s
        return limit is not None and time.monotonic() - self._began >= limit

    def took(self, octets: int) -> None:
        """Count what was read or written, and wait until that much is allowed."""
        self._octets += octets
        rate = self._limits.io_bytes_per_s
        if rate:
            ahead_s = self._octets / rate - (time.monotonic() - self._began)
            if ahead_s > 0:
                time.sleep(ahead_s)
