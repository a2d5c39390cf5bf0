"""How far the catalog has come in the journal, for those who only read. Without SQLAlchemy."""

import contextlib
import json

from poparchive.index.lookup import CatalogDamagedError, Lookup
from poparchive.store import journal
from poparchive.store.fsio import is_locked
from poparchive.store.journal import START, Position, TornEntryError
from poparchive.store.layout import Layout


def write_position(position: Position) -> str:
    """A journal position as the catalog keeps it."""
    return json.dumps(
        {
            "entry": position.entry,
            "file": position.file,
            "offset": position.offset,
            "hash": position.hash.hex(),
        }
    )


def read_position(text: str | None) -> Position:
    """The position that ``write_position`` wrote; the journal's start if there is none."""
    if text is None:
        return START
    values = json.loads(text)
    return Position(
        values["file"], values["offset"], values["entry"], bytes.fromhex(values["hash"])
    )


def applied(layout: Layout) -> Position:
    """Where the catalog that has the name now has come to. Raises what opening and asking it raise."""
    with contextlib.closing(Lookup(layout.catalog, layout.id)) as lookup:
        text = lookup.position()
    try:
        return read_position(text)
    except (ValueError, KeyError, TypeError) as error:
        raise CatalogDamagedError(
            f"{layout.catalog}: does not say how far it has come; `poparchive rebuild` makes it anew"
        ) from error


def behind(layout: Layout, last: int, *, held: bool = False) -> int:
    """Return how many entries of the journal, up to ``last``, the catalog lacks and nobody is about to apply.

    A writer that is at work applies what it has appended. Unless the caller has ``held`` the lock it is
    looked at first: whoever let go of it since the entries were read has applied them.
    """
    if not last or (not held and is_locked(layout.lock)):
        return 0
    return max(0, last - applied(layout).entry)


def unapplied(layout: Layout) -> int:
    """Return how many entries ``behind`` counts, of the journal as it is. Raises ``StoreError`` where the
    journal that is there has not what the catalog has applied, or is damaged behind that."""
    last = 0
    position = applied(layout)
    with contextlib.suppress(TornEntryError):
        for entry in journal.read(layout, position):
            last = entry.number
    if not last:
        # One that follows would have named it.
        journal.prove(layout, position)
    return behind(layout, last)


def told(layout: Layout, entries: int) -> str:
    """Say what ``behind`` counted."""
    counted = "1 entry" if entries == 1 else f"{entries} entries"
    return (
        f"{layout.catalog}: is {counted} behind the journal, and lacks the messages that came with that; the"
        " next pull or `poparchive rebuild` brings it up"
    )
