"""Which catalogs and search indexes this program reads. Standard library only.

A database of a newer version is refused and left as it is: what it holds may mean something else. One
of an older version is brought up, or made anew, by whoever writes.
"""

import contextlib
import sqlite3
from pathlib import Path

from poparchive.errors import PoparchiveError
from poparchive.index.damage import DATABASE_ERRORS
from poparchive.index.failures import wait_for_locks
from poparchive.index.readonly import uri

CATALOG = "0002"
"""The newest migration. A test keeps it equal to what alembic finds."""

FACTS = 3
"""Raised when a message would be described otherwise in the catalog: its date, subject, sender, parts."""

SEARCH = 7
"""Raised when the same text would be indexed otherwise."""


class NewerDatabaseError(PoparchiveError):
    """A newer poparchive made the database."""


def refuse_newer_catalog(connection: sqlite3.Connection, path: Path, schema: str = "main") -> None:
    """Raise ``NewerDatabaseError`` if a migration made the catalog that this program does not know."""
    try:
        query = f"SELECT version_num FROM {schema}.alembic_version"  # noqa: S608
        row = connection.execute(query).fetchone()
    except DATABASE_ERRORS:
        return  # No catalog, or a damaged one: whoever reads on says so.
    # Where a disk forgot the octets there is no text.
    if row and isinstance(row[0], str) and row[0] > CATALOG:
        raise NewerDatabaseError(
            f"{path}: the catalog has version {row[0]}; this poparchive reads up to {CATALOG}. Install a"
            " newer version, or run `poparchive rebuild`, which makes it anew."
        )


def migrations_of(connection: sqlite3.Connection) -> list[object]:
    """Return what stands where a catalog names the migration that made it: one text, if it is whole."""
    return [row[0] for row in connection.execute("SELECT version_num FROM alembic_version")]


def facts_version(connection: sqlite3.Connection) -> int:
    """Return the version that described the messages of a catalog, which stands in its header; 0 before there
    was one. Only a catalog that is made anew gets another."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def index_version(path: Path) -> int | None:
    """Return the version of the search index; None where none is, 0 where the file is empty. Reads only;
    raises ``sqlite3.DatabaseError`` if it is damaged."""
    if not path.exists():
        return None
    with contextlib.closing(sqlite3.connect(uri(path), uri=True)) as connection:
        wait_for_locks(connection)
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def is_older_index(path: Path) -> bool:
    """Whether an earlier poparchive made the search index that is there."""
    try:
        return 0 < (index_version(path) or 0) < SEARCH
    except DATABASE_ERRORS:
        return False


def refuse_newer_index(connection: sqlite3.Connection, path: Path) -> None:
    """Raise ``NewerDatabaseError`` if a newer poparchive made the search index."""
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    except DATABASE_ERRORS:
        return
    if version > SEARCH:
        raise NewerDatabaseError(
            f"{path}: the search index has version {version}; this poparchive reads up to {SEARCH}. Install"
            " a newer version, or run `poparchive rebuild --search-only`, which makes it anew."
        )
