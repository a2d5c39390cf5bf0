"""How a pull of one account goes, for whoever shows it, notes it, or decides when to try again."""

from dataclasses import dataclass, field
from typing import Protocol

from poparchive.archive.tally import Tally

DONE, FAILED, STOPPED = 0, 1, 2


@dataclass(slots=True)
class Result:
    """How a pull of one account went. ``error`` is a sentence, empty if there was none."""

    name: str
    started: int
    ended: int = 0
    outcome: int = DONE
    listed: int = 0
    wanted: int = 0
    failed: int = 0
    deleted: int = 0
    octets: int = 0
    error: str = ""
    notes: list[str] = field(default_factory=list)
    """What a person should know although nothing failed, a sentence each."""
    retry_after_s: int | None = None
    """When to try again what failed, at the earliest; None if nothing did, or if it needs a person."""
    sessions: int = 0
    """How many came to their end."""
    broken: bool = False
    """The account as a whole could not be pulled, and not only some message of it."""
    waited: bool = False
    """The archive was not open yet when the listing came."""
    skipped: bool = False
    """The server was not asked, because it was too early."""
    tally: Tally = field(default_factory=Tally)


class Observer(Protocol):
    """Is told how pulls come along; called on the event loop."""

    def planned(self, name: str, messages: int, octets: int) -> None: ...
    def received(self, name: str, octets: int) -> None: ...
    def ended(self, result: Result) -> None: ...
