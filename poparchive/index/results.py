"""What a list shows of messages that were found: their rows, accounts, attachments, copies and threads.

Copies are messages that differ only in what servers wrote on the way: same Message-ID, subject and sender,
other octets. A list shows one of them for all.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from poparchive.errors import PoparchiveError

MANY_COPIES: Final = 100
"""No more copies of one message are looked up: broken mailers give all their messages one id."""

Run = Callable[[str, tuple[object, ...]], sqlite3.Cursor]


class SearchError(PoparchiveError):
    """The index could not be asked."""


class Hit(NamedTuple):
    """One message found. ``attachments`` are (name, type, size in octets).

    ``accounts`` are those of all its ``copies`` too, whose ids they are. ``thread`` is the id of the
    oldest message of its thread, None where the index does not know threads, and ``together`` how many are
    in it.
    """

    key: int
    id: bytes
    date: int
    sender: str
    subject: str
    size_bytes: int
    accounts: tuple[str, ...]
    attachments: tuple[tuple[str, str, int], ...]
    copies: tuple[bytes, ...] = ()
    thread: bytes | None = None
    together: int = 1


def once(run: Run, keys: Iterable[int]) -> Iterator[int]:
    """Leave out each message of which a copy came before."""
    seen: set[tuple[object, ...]] = set()
    for key in keys:
        row = run(
            "SELECT message_id_hash, subject, sender FROM cat.messages WHERE id = ?", (key,)
        ).fetchone()
        if row is None or not row[0] or row not in seen:
            yield key
            if row and row[0]:
                seen.add(row)


def hits(run: Run, keys: Sequence[int], *, threads: bool, fold: bool) -> list[Hit]:
    """Return what is to be shown of messages; with ``fold``, each for its copies as well."""
    return [_hit(run, key, threads=threads, fold=fold) for key in keys]


def _hit(run: Run, key: int, *, threads: bool, fold: bool) -> Hit:
    query = (
        "SELECT id, sha256, date, sender, subject, size_bytes, message_id_hash"
        " FROM cat.messages WHERE id = ?"
    )
    row = run(query, (key,)).fetchone()
    if row is None:
        raise SearchError(
            "the search index names a message that the catalog does not have;"
            " `poparchive rebuild` makes both anew"
        )
    *shown, message_id = row
    copies = _copies(run, key, message_id, shown[4], shown[3]) if fold and message_id else []
    listed = ",".join(str(one) for one, _ in [(key, b""), *copies])
    accounts = run(
        "SELECT DISTINCT a.name FROM cat.uidls u JOIN cat.accounts a ON a.id = u.account"  # noqa: S608
        f" WHERE u.message IN ({listed}) ORDER BY a.name",
        (),
    )
    attachments = run(
        "SELECT name, type, size_bytes FROM cat.parts"
        " WHERE message = ? AND segment = 0 AND name IS NOT NULL ORDER BY number",
        (key,),
    )
    named = tuple(name for (name,) in accounts)
    files = tuple((name, kind, size) for name, kind, size in attachments)
    thread, together = _thread(run, key) if threads else (None, 1)
    others = tuple(one for _, one in copies)
    values: tuple[Any, ...] = (*shown, named, files, others, thread, together)
    return Hit(*values)


def _copies(
    run: Run, key: int, message_id: int, subject: str, sender: str
) -> list[tuple[int, bytes]]:
    query = (
        "SELECT id, sha256 FROM cat.messages WHERE message_id_hash = ? AND subject = ?"
        " AND sender = ? AND id <> ? LIMIT ?"
    )
    return run(query, (message_id, subject, sender, key, MANY_COPIES)).fetchall()


def _thread(run: Run, key: int) -> tuple[bytes | None, int]:
    oldest, together = run(
        "SELECT ifnull(min(message), ?1), max(count(*), 1) FROM threads"
        " WHERE thread = (SELECT thread FROM threads WHERE message = ?1)",
        (key,),
    ).fetchone()
    row = run("SELECT sha256 FROM cat.messages WHERE id = ?", (oldest,)).fetchone()
    return (row[0] if row else None), together
