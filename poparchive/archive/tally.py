"""Counts what became of messages; apart, because whoever pulls has it before the archive is open."""

from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """Written by the storing thread; final after a flush."""

    archived: int = 0
    duplicates: int = 0
    unreadable: int = 0
    """Those of the duplicates that were to be proved, and that the packs did not give back."""
