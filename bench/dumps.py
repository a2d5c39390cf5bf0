"""What stands in an archive's databases, row for row, as counts and hashes that can be compared."""

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from bench.product import DATABASES

ROWS_AT_A_TIME = 10_000
VOCABULARY = "temp.words"

Dump = dict[str, tuple[int, str]]
"""For each table how many rows it has, and a hash over all of them."""


def dumped(archive: Path) -> Dump:
    """All tables of the catalog, and all that the search index finds: each word with its places.

    How FTS5 lays its words out on its own pages depends on when it merged them; that is not compared.
    """
    catalog, search = (archive / name for name in DATABASES)
    with opened(catalog) as database:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        names = [name for (name,) in database.execute(query)]
        found = {name: rows_of(database, name) for name in names}
    with opened(search) as database:
        database.execute(f"CREATE VIRTUAL TABLE {VOCABULARY} USING fts5vocab(main, mail, instance)")
        for name in (VOCABULARY, "mail_docsize", "watermark"):
            found[f"search: {name}"] = rows_of(database, name)
    return found


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        yield database


def rows_of(database: sqlite3.Connection, table: str) -> tuple[int, str]:
    """Count and hash of a table's rows, in an order that nothing but their content decides."""
    digest = hashlib.sha256()
    count = 0
    # A vocabulary comes in the order of its words, and sorting it again would take all the time.
    columns = [
        row[1] for row in database.execute(f"PRAGMA table_info('{table.rpartition('.')[2]}')")
    ]
    order = ", ".join(f'"{column}"' for column in columns)
    sorting = "" if table == VOCABULARY else f" ORDER BY {order}"
    rows = database.execute(f"SELECT * FROM {table}{sorting}")
    while some := rows.fetchmany(ROWS_AT_A_TIME):
        count += len(some)
        digest.update(repr(some).encode())
    return count, digest.hexdigest()


def different(before: Dump, after: Dump) -> list[str]:
    """The tables that are not the same, with their counts of rows."""
    nothing = (0, "")
    return [
        f"{name} ({before.get(name, nothing)[0]:,} and {after.get(name, nothing)[0]:,} rows)"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def lose(archive: Path) -> None:
    """Remove both databases, as a disk or a hand would."""
    for name in DATABASES:
        for path in archive.glob(f"{name}*"):
            path.unlink()
