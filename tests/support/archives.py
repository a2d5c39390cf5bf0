"""Small archives for tests, and ways to compare them."""

import hashlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from poparchive.archive.read import Reader
from poparchive.archive.verify import Counts, Damage, verify
from poparchive.archive.writer import Writer
from poparchive.store import layout

Rows = dict[str, list[tuple[object, ...]]]


def fill(root: Path, messages: Iterable[bytes], *, account: str = "anna") -> None:
    """Keep messages as one account's, in one pull; makes the archive if need be."""
    if not (root / "archive.toml").exists():
        layout.create(root)
    with Writer(root) as writer:
        put(writer, messages, account=account)


def put(writer: Writer, messages: Iterable[bytes], *, account: str = "anna") -> list[int]:
    """Keep messages through an open writer; return their ledger numbers."""
    held = list(messages)
    number = writer.account(account, "pop.example.com:995", account)
    pairs = [(hashlib.md5(m).hexdigest().encode(), len(m)) for m in held]
    ledger = list(writer.listed(number, pairs))
    for one, octets in zip(ledger, held, strict=True):
        writer.keep(one, octets)
    writer.flush().result()
    return ledger


def octets_of(root: Path) -> list[bytes]:
    """Return every message of an archive, read from its packs."""
    with Reader(root) as reader:
        return [b"".join(reader.octets(m)) for m in reader.lookup.stored_order()]


def damages(root: Path) -> list[Damage]:
    """Verify an archive."""
    return list(verify(root, Counts(), lambda *_: None))


def lasting(root: Path) -> list[Damage]:
    """Verify an archive before its next start, which brings a catalog up that is behind the journal."""
    return [one for one in damages(root) if not one.behind]


def rows(path: Path) -> Rows:
    """Return all rows of all tables of a database, the search index's shadow tables apart."""
    connection = sqlite3.connect(path)
    names = [
        row[0]
        for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        if not row[0].startswith(("sqlite_", "mail_"))
    ]
    found = {
        name: sorted(connection.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr)
        for name in names
        if name != "mail"
    }
    connection.close()
    return found
