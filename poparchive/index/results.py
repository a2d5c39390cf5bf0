"""What a list shows of messages that were found: their rows, accounts, attachments, copies and threads.

Copies are messages that differ only in what servers wrote on the way: same Message-ID, subject and sender,
other octets. A list shows one of them for all.
"""

# ruff: noqa: S608 - what stands in the statements are numbers and names of columns.

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from poparchive.errors import PoparchiveError
from poparchive.index import bulk

MANY_COPIES: Final = 100
"""No more copies of one message are looked up: broken mailers give all their messages one id."""

_TOGETHER: Final = 100
"""So many messages are looked up in one statement: a statement for each takes longer to begin than to run."""

_LONG_THREAD: Final = 100
"""In longer ones copies count too: to tell them apart takes a look into the catalog for each message."""

_COPIES: Final = (
    "(SELECT group_concat(id) FROM (SELECT c.id FROM cat.messages c"
    " WHERE c.message_id_hash = m.message_id_hash AND m.message_id_hash <> 0 AND c.subject = m.subject"
    f" AND c.sender = m.sender AND c.id <> m.id LIMIT {MANY_COPIES}))"
)

Run = Callable[[str, tuple[object, ...]], sqlite3.Cursor]


class SearchError(PoparchiveError):
    """The index could not be asked."""


class Hit(NamedTuple):
    """One message found. ``attachments`` are (name, type, size in octets).

    ``accounts`` are those of all its ``copies`` too, whose ids they are. ``thread`` is the id of the
    oldest message of its thread, None where the index does not know threads, and ``together`` how many are
    in it, with copies folded each with its copies as one, if it is not long.
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


def once(run: Run, keys: Sequence[int]) -> Iterator[int]:
    """Leave out each message of which a copy came before."""
    seen: set[tuple[object, ...]] = set()
    for some in _pieces(keys):
        columns = "id, message_id_hash, subject, sender"
        rows = {row[0]: row[1:] for row in _messages(run, columns, some)}
        for key in some:
            row = rows.get(key)
            if row is None or not row[0] or row not in seen:
                yield key
                if row and row[0]:
                    seen.add(row)


def hits(run: Run, keys: Sequence[int], *, threads: bool, fold: bool) -> list[Hit]:
    """Return what is to be shown of messages; with ``fold``, each for its copies as well."""
    found = []
    for some in _pieces(keys):
        found += _hits(run, some, threads=threads, fold=fold)
    return found


def _hits(run: Run, keys: Sequence[int], *, threads: bool, fold: bool) -> list[Hit]:
    columns = f"id, sha256, date, sender, subject, size_bytes, {_COPIES if fold else 'NULL'}"
    rows = {row[0]: row for row in _messages(run, columns, keys)}
    if not all(key in rows for key in keys):
        raise SearchError(
            "the search index names a message that the catalog does not have;"
            " `poparchive rebuild` makes both anew"
        )
    copies = {key: sorted(map(int, row[6].split(","))) for key, row in rows.items() if row[6]}
    together = _threads(run, keys, fold=fold) if threads else {}
    others = {one for some in copies.values() for one in some}
    accounts = _accounts(run, {*keys, *others})
    attachments = _attachments(run, keys)
    ids = {key: row[1] for key, row in rows.items()}
    others.update(oldest for oldest, _ in together.values())
    ids.update(_messages(run, "id, sha256", others - ids.keys()))
    found = []
    for key in keys:
        more = copies.get(key, [])
        named = sorted({name for one in (key, *more) for name in accounts.get(one, ())})
        oldest, many = together.get(key, (key, 1))
        values: tuple[Any, ...] = (
            *rows[key][:6],
            tuple(named),
            tuple(attachments.get(key, ())),
            tuple(ids[one] for one in more),
            ids.get(oldest) if threads else None,
            many,
        )
        found.append(Hit(*values))
    return found


def _pieces(keys: Sequence[int]) -> Iterator[Sequence[int]]:
    return (keys[at : at + _TOGETHER] for at in range(0, len(keys), _TOGETHER))


def _messages(run: Run, columns: str, keys: Collection[int]) -> Iterable[tuple[Any, ...]]:
    """Select columns of these messages, in any order."""
    if not keys:
        return ()
    query = f"SELECT {columns} FROM cat.messages AS m WHERE m.id IN {bulk.LISTED}"
    return run(query, bulk.listed(keys))


def _accounts(run: Run, keys: Iterable[int]) -> dict[int, list[str]]:
    rows = run(
        # The message first, whatever SQLite thinks of the number of accounts.
        "SELECT u.message, a.name FROM cat.uidls u CROSS JOIN cat.accounts a ON a.id = u.account"
        f" WHERE u.message IN {bulk.LISTED}",
        bulk.listed(keys),
    )
    return _grouped(rows)


def _attachments(run: Run, keys: Iterable[int]) -> dict[int, list[tuple[str, str, int]]]:
    rows = run(
        "SELECT message, name, type, size_bytes FROM cat.parts"
        f" WHERE message IN {bulk.LISTED} AND segment = 0 AND name IS NOT NULL"
        " ORDER BY message, number",
        bulk.listed(keys),
    )
    return _grouped((message, one) for message, *some in rows for one in (tuple(some),))


def _grouped(rows: Iterable[tuple[int, Any]]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for key, value in rows:
        found.setdefault(key, []).append(value)
    return found


def _threads(run: Run, keys: Iterable[int], *, fold: bool) -> dict[int, tuple[int, int]]:
    """Return the oldest message of each message's thread, and how many are in it; of those that are not
    alone."""
    query = f"SELECT message, thread FROM threads WHERE message IN {bulk.LISTED}"
    thread_of = dict(run(query, bulk.listed(keys)).fetchall())
    if not thread_of:
        return {}
    rows = run(
        "SELECT thread, min(message), count(*) FROM threads"
        f" WHERE thread IN {bulk.LISTED} GROUP BY thread",
        bulk.listed(set(thread_of.values())),
    )
    threads = {thread: (oldest, many) for thread, oldest, many in rows}
    if fold:
        short = [thread for thread, (_, many) in threads.items() if many <= _LONG_THREAD]
        for thread, many in _without_copies(run, short):
            threads[thread] = (threads[thread][0], many)
    return {key: threads[thread] for key, thread in thread_of.items()}


def _without_copies(run: Run, threads: Collection[int]) -> Iterable[tuple[int, int]]:
    """Return of each thread how many messages are in it that are no copies of another."""
    return run(
        "SELECT t.thread, count(DISTINCT CASE m.message_id_hash WHEN 0 THEN m.id"
        " ELSE m.message_id_hash || char(10) || m.subject || char(10) || m.sender END)"
        " FROM threads t CROSS JOIN cat.messages m ON m.id = t.message"
        f" WHERE t.thread IN {bulk.LISTED} GROUP BY t.thread",
        bulk.listed(threads),
    )
