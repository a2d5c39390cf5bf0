"""Tells which messages of the journal are not in databases that were made anew, and what an old catalog
knows of these. Reads only."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from poparchive.archive.indexer import changes_of
from poparchive.archive.position import read_position
from poparchive.index.damage import DATABASE_ERRORS
from poparchive.index.failures import refuse_busy
from poparchive.index.lookup import is_foreign, open_read_only
from poparchive.index.shadow import Shadow
from poparchive.index.terms import structure
from poparchive.store import journal
from poparchive.store.errors import DamageError, FormatError, StoreError
from poparchive.store.fsio import reason
from poparchive.store.journal import Position, TornEntryError
from poparchive.store.layout import Layout


class Lacking(NamedTuple):
    """How many messages are lacking, also by account: one of two accounts counts in both."""

    messages: int = 0
    by_account: dict[str, int] = {}  # noqa: RUF012  # nobody changes it
    named: int = 0
    """How many of them the old catalog names."""


def lacking(
    layout: Layout, catalog: Path, *, search: Path | None = None, old: Path | None = None
) -> Lacking:
    """Compare a catalog, or a search index with its catalog, with all of the journal."""
    with _shadow() as shadow:
        # A torn last entry was never acknowledged.
        with suppress(TornEntryError):
            for entry in journal.read(layout):
                shadow.apply(changes_of(entry))
        shadow.hold(catalog, search)
        try:
            shadow.note_lacking()
        finally:
            shadow.release()
        messages, by_account = shadow.count_lacking()
        named = _named(layout, old, shadow.lacking_ids()) if old is not None and messages else 0
        return Lacking(messages, by_account, named)


def behind(layout: Layout) -> str:
    """Say so if a sound catalog has applied what the journal that is there does not have: nothing else knows
    accounts, UIDLs and fates then. One whose rows are those of the journal has not, whatever place in it it
    names. Raises ``DamageError`` if the catalog may not be read, and
    ``DatabaseBusyError``."""
    if not _is_there(layout.catalog):
        return ""
    try:
        with closing(open_read_only(layout.catalog)) as catalog:
            if is_foreign(catalog, layout.id):
                return ""
            position = _position(catalog)
            try:
                journal.first_behind(layout, position)
            except FormatError:
                return ""
            except StoreError as error:
                # To prove a catalog takes long: only where it matters.
                if not position.entry or any(structure(catalog)) or _says_the_same(layout):
                    return ""
                return (
                    f"{error}. The catalog has applied entry {position.entry}, and one made anew would lack"
                    " what the journal has lost"
                )
    except (*DATABASE_ERRORS, ValueError, KeyError, TypeError) as error:
        refuse_busy(layout.catalog, error)
    return ""


def _says_the_same(layout: Layout) -> bool:
    """Whether the catalog has, row for row, nothing but what a journal says that is whole."""
    with _shadow() as shadow, suppress(StoreError):
        for entry in journal.read(layout):
            shadow.apply(changes_of(entry))
        shadow.hold(layout.catalog)
        return next(shadow.differences(), None) is None
    return False


@contextmanager
def _shadow() -> Iterator[Shadow]:
    """A shadow that has taken nothing yet, gone afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="poparchive-") as scratch,
        closing(Shadow(Path(scratch) / "shadow.sqlite")) as shadow,
    ):
        yield shadow


def _named(layout: Layout, old: Path, ids: Iterator[bytes]) -> int:
    """Return how many of these messages a catalog names. One that is damaged, or is not this journal's, is of
    no use to anybody, and counts as naming none. Raises as ``behind`` does."""
    if not _is_there(old):
        return 0
    try:
        # Whichever version made it.
        with closing(open_read_only(old)) as catalog:
            if is_foreign(catalog, layout.id) or not _is_of(layout, _position(catalog)):
                return 0
            query = "SELECT 1 FROM messages WHERE sha256 = ?"
            named = sum(catalog.execute(query, (one,)).fetchone() is not None for one in ids)
            return 0 if named and any(structure(catalog)) else named
    except (*DATABASE_ERRORS, ValueError, KeyError, TypeError) as error:
        refuse_busy(old, error)
        return 0


def _is_there(catalog: Path) -> bool:
    """Whether there is a catalog. What may not be read is not known to be of no use."""
    try:
        with catalog.open("rb") as file:
            file.read(1)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise DamageError(f"{catalog}: cannot be read ({reason(error)}); it stays") from error
    return True


def _position(catalog: sqlite3.Connection) -> Position:
    row = catalog.execute("SELECT value FROM state WHERE key = 'position'").fetchone()
    return read_position(row[0] if row else None)


def _is_of(layout: Layout, position: Position) -> bool:
    """Whether a catalog that has come to this position belongs to the journal that is there."""
    try:
        journal.first_behind(layout, position)
    except StoreError:
        return False
    return True
