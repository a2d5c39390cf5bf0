"""Which messages are one conversation, kept up as messages are indexed.

A thread is a connected component: a message belongs with every message that it names in References or
In-Reply-To, with those that name the same one, whether that is here or not, and with copies of itself. A
reply that names nothing belongs with what it seems to answer: see ``SUBJECT_DAYS``. Every rule joins two
messages whatever came between them, so that the partition does not depend on the order in which messages
come. A batch is put in place with a fixed number of statements for every 500 of its rows.

Rows read grow with the messages, whatever their subjects and order are: what a reply may answer stands
together already where another reply answers it too, so that one of it is enough.

The writer looks into the catalog, which has an index over Message-IDs already. It believes no entry that
is not behind the one being indexed, so that a catalog that is ahead makes no difference.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from poparchive.index import bulk
from poparchive.index.failures import wait_for_locks
from poparchive.index.joining import Joining
from poparchive.index.keys import GRANULE_S
from poparchive.index.readonly import uri

SUBJECT_DAYS: Final = 14
"""A message whose subject has a reply's prefix, and that names no message, belongs with each that is no
more days older, has the same base subject, and was sent by somebody who takes part in the reply or came
over the same list."""

TABLES: Final = (
    "CREATE TABLE threads(message INTEGER PRIMARY KEY, thread INTEGER NOT NULL)",
    "CREATE INDEX threads_thread ON threads(thread)",
    "CREATE TABLE thread_ids(id INTEGER PRIMARY KEY, message INTEGER NOT NULL)",
    "CREATE TABLE thread_replies(subject INTEGER, message INTEGER, PRIMARY KEY (subject, message))"
    " WITHOUT ROWID",
    "CREATE TABLE thread_offers(subject INTEGER, message INTEGER, PRIMARY KEY (subject, message))"
    " WITHOUT ROWID",
    "CREATE TABLE thread_erased(count INTEGER NOT NULL)",
    "INSERT INTO thread_erased VALUES (0)",
)

_WINDOW: Final = SUBJECT_DAYS * 86_400 // GRANULE_S
_NEVER: Final = 1 << 62
"""Behind every row id."""

# An offer and a reply of the same subject belong together if the reply is behind the offer, by a window at
# most. All that a reply reaches are neighbours, so it is enough to join each reply with the offer before
# it, and two neighbours where some reply reaches both. With that, what one more message joins is:

_ANSWERING: Final = f"""
WITH new(subject, message, behind) AS (VALUES (?)),
a AS MATERIALIZED (
  SELECT subject, message, behind, (
    SELECT max(r.message) FROM thread_replies r WHERE r.subject = new.subject
      AND r.message < new.message AND r.message >= new.message - {_WINDOW}) AS before
  FROM new WHERE EXISTS (SELECT 1 FROM thread_offers t WHERE t.subject = new.subject))
SELECT a.message, o.message FROM a CROSS JOIN thread_offers o ON o.subject = a.subject
  AND o.message >= max(a.message - {_WINDOW}, ifnull(a.before, 0))
  AND o.message < min(a.message, a.behind - {_WINDOW})
UNION ALL
SELECT a.message, (
  SELECT max(o.message) FROM thread_offers o WHERE o.subject = a.subject
    AND o.message < a.message AND o.message >= a.message - {_WINDOW})
FROM a
UNION ALL
SELECT a.message, (
  SELECT max(o.message) FROM thread_offers o WHERE o.subject = a.subject
    AND o.message < a.before AND o.message >= a.message - {_WINDOW})
FROM a
"""  # noqa: S608
"""A reply with the offers that no reply reached: those between the replies around it, of which the one
behind was there before. Then with one that each of these replies reaches too. No offer is unreached twice."""

_OFFERING: Final = f"""
WITH new(subject, message, behind) AS (VALUES (?)),
o AS MATERIALIZED (
  SELECT subject, message, behind, (
    SELECT max(p.message) FROM thread_offers p WHERE p.subject = new.subject
      AND p.message < new.message AND p.message > new.message - {_WINDOW}) AS before, (
    SELECT min(n.message) FROM thread_offers n WHERE n.subject = new.subject
      AND n.message > new.message AND n.message < new.message + {_WINDOW}) AS next
  FROM new WHERE EXISTS (SELECT 1 FROM thread_replies t WHERE t.subject = new.subject))
SELECT o.message, r.message FROM o CROSS JOIN thread_replies r ON r.subject = o.subject
  AND r.message > max(o.message, ifnull(o.before + {_WINDOW}, 0))
  AND r.message <= min(o.behind, o.message + {_WINDOW})
UNION ALL
SELECT o.message, o.before FROM o WHERE EXISTS (
  SELECT 1 FROM thread_replies r WHERE r.subject = o.subject
    AND r.message > o.message AND r.message <= o.before + {_WINDOW})
UNION ALL
SELECT o.message, o.next FROM o WHERE EXISTS (
  SELECT 1 FROM thread_replies r WHERE r.subject = o.subject
    AND r.message > o.next AND r.message <= o.message + {_WINDOW})
"""  # noqa: S608
"""An offer with the replies that reached none, and with its neighbours where a reply reaches both. No
reply reaches nothing twice."""

_LARGE: Final = 2_000
"""Threads are not counted further to find the largest."""


class ThreadWriter:
    """Keeps the tables of a search index up, in the transaction that its caller has begun."""

    def __init__(self, connection: sqlite3.Connection, catalog: Path) -> None:
        """``catalog`` is opened when the first message comes, and may be made until then."""
        self._run = connection
        self._path = catalog
        self._catalog: sqlite3.Connection | None = None

    def close(self) -> None:
        """Safe to call twice."""
        if self._catalog is not None:
            self._catalog.close()
            self._catalog = None

    def add(self, messages: Sequence[Joining], entry: int) -> None:
        """Put the messages of a journal entry in their threads, before their words are in the index.

        The catalog knows them. All messages of earlier entries are in the index.
        """
        if not messages:
            return
        joins: list[tuple[int, int]] = []
        joins += self._by_id(messages, entry)
        joins += self._by_subject(messages)
        if joins:
            self._join(joins)

    def erase(self, keys: Iterable[int]) -> None:
        """Take messages out. What only they held together stays together until the index is made anew."""
        run = self._run
        keys = list(keys)
        for table in ("thread_replies", "thread_offers"):
            for some in bulk.chunks([(key,) for key in keys]):
                marks, values = bulk.values(some)
                run.execute(f"DELETE FROM {table} WHERE message IN (VALUES {marks})", values)  # noqa: S608
        for key in keys:
            row = run.execute("SELECT thread FROM threads WHERE message = ?", (key,)).fetchone()
            heir = None
            if row:
                run.execute("DELETE FROM threads WHERE message = ?", (key,))
                others = "SELECT min(message), max(message) FROM threads WHERE thread = ?"
                heir, last = run.execute(others, row).fetchone()
                if heir == last:
                    run.execute("DELETE FROM threads WHERE message = ?", (heir,))
                elif row[0] == key:
                    run.execute("UPDATE threads SET thread = ? WHERE thread = ?", (heir, key))
            # What it named may still come, and then belongs with those it stood together with.
            if heir is None:
                run.execute("DELETE FROM thread_ids WHERE message = ?", (key,))
            else:
                run.execute("UPDATE thread_ids SET message = ? WHERE message = ?", (heir, key))
        run.execute("UPDATE thread_erased SET count = count + ?", (len(keys),))

    def _by_id(self, messages: Sequence[Joining], entry: int) -> Iterator[tuple[int, int]]:
        """Yield what belongs together by Message-IDs, and note ids that no message has yet."""
        here: dict[int, int] = {}
        for message in messages:
            if message.id:
                first = here.setdefault(message.id, message.key)
                if first != message.key:
                    yield message.key, first
        named = {one for message in messages for one in message.references}
        known = self._known(here.keys() | named, entry)
        waiting = self._waiting((here.keys() | named) - known.keys())
        arrived = [one for one in here if one in waiting]
        for one in arrived:
            yield here[one], waiting.pop(one)
        for some in bulk.chunks([(one,) for one in arrived]):
            marks, values = bulk.values(some)
            self._run.execute(f"DELETE FROM thread_ids WHERE id IN (VALUES {marks})", values)  # noqa: S608
        missing: dict[int, int] = {}
        for message in messages:
            if message.id in known:
                yield message.key, known[message.id]
            for one in message.references:
                other = here.get(one) or known.get(one) or waiting.get(one)
                if other is None:
                    other = missing.setdefault(one, message.key)
                if other != message.key:
                    yield message.key, other
        for new in bulk.chunks(sorted(missing.items())):
            marks, values = bulk.values(new)
            self._run.execute(f"INSERT INTO thread_ids VALUES {marks}", values)  # noqa: S608

    def _ask(self, sql: str, values: Sequence[object]) -> sqlite3.Cursor:
        """Ask the catalog."""
        if self._catalog is None:
            # One thread at a time, but not the one that opened it when it is closed.
            self._catalog = sqlite3.connect(
                uri(self._path), uri=True, check_same_thread=False, isolation_level=None
            )
            wait_for_locks(self._catalog)
        return self._catalog.execute(sql, values)

    def _known(self, ids: Iterable[int], entry: int) -> dict[int, int]:
        """Return a message of earlier entries with each id. One is enough: its copies are with it."""
        found: dict[int, int] = {}
        for some in bulk.chunks([(one,) for one in sorted(ids)]):
            marks, values = bulk.values(some)
            rows = self._ask(
                f"WITH wanted(id) AS (VALUES {marks}) SELECT id, (SELECT m.id FROM messages m"  # noqa: S608
                " WHERE m.message_id_hash = wanted.id AND m.entry < ? LIMIT 1) FROM wanted",
                (*values, entry),
            )
            found.update((one, key) for one, key in rows if key is not None)
        return found

    def _waiting(self, ids: Iterable[int]) -> dict[int, int]:
        """Return a message that names each id that no message has had so far."""
        found: dict[int, int] = {}
        for some in bulk.chunks([(one,) for one in sorted(ids)]):
            marks, values = bulk.values(some)
            rows = self._run.execute(
                f"SELECT id, message FROM thread_ids WHERE id IN (VALUES {marks})",  # noqa: S608
                values,
            )
            found.update(rows)
        return found

    def _by_subject(self, messages: Sequence[Joining]) -> Iterator[tuple[int, int]]:
        """Yield what belongs together by the subject, and note the messages for those to come."""
        offers = sorted({(one, message.key) for message in messages for one in message.offers})
        answers = sorted({(one, message.key) for message in messages for one in message.answers})
        # Before they are noted: what was there already reaches what needs no more looking at.
        offering = self._followed(offers, "thread_offers")
        answering = self._followed(answers, "thread_replies")
        self._note(offers, "thread_offers")
        self._note(answers, "thread_replies")
        for query, rows in ((_ANSWERING, answering), (_OFFERING, offering)):
            for some in bulk.chunks(rows):
                marks, values = bulk.values(some)
                for one, other in self._run.execute(query.replace("(?)", marks), values):
                    if other is not None:
                        yield one, other

    def _followed(self, rows: Sequence[tuple[int, int]], table: str) -> list[tuple[int, int, int]]:
        """Return the rows with the next message of the same subject in a table."""
        found: list[tuple[int, int, int]] = []
        for some in bulk.chunks(rows):
            marks, values = bulk.values(some)
            found += self._run.execute(
                f"WITH new(subject, message) AS (VALUES {marks})"  # noqa: S608
                " SELECT subject, message, ifnull((SELECT min(t.message) FROM"
                f" {table} t WHERE t.subject = new.subject AND t.message > new.message), {_NEVER})"
                " FROM new",
                values,
            )
        return found

    def _note(self, rows: Sequence[tuple[int, int]], table: str) -> None:
        for some in bulk.chunks(rows):
            marks, values = bulk.values(some)
            self._run.execute(f"INSERT OR IGNORE INTO {table} VALUES {marks}", values)  # noqa: S608

    def _join(self, joins: Iterable[tuple[int, int]]) -> None:
        """Write down that the messages of each pair belong together."""
        pairs = [pair for pair in joins if pair[0] != pair[1]]
        labels = self._labels({key for pair in pairs for key in pair})
        union = _Union()
        for a, b in pairs:
            union.join(labels.get(a, a), labels.get(b, b))
        groups: dict[int, set[int]] = defaultdict(set)
        for label in {labels.get(key, key) for pair in pairs for key in pair}:
            groups[union.find(label)].add(label)
        old = set(labels.values())
        target: dict[int, int] = {}
        for group in groups.values():
            chosen = self._largest(sorted(group & old)) if group & old else min(group)
            for label in group:
                target[label] = chosen
                if label in old and label != chosen:
                    self._run.execute(
                        "UPDATE threads SET thread = ? WHERE thread = ?", (chosen, label)
                    )
        new = sorted({key for pair in pairs for key in pair if key not in labels})
        for some in bulk.chunks([(key, target[key]) for key in new]):
            marks, values = bulk.values(some)
            self._run.execute(f"INSERT INTO threads VALUES {marks}", values)  # noqa: S608

    def _labels(self, keys: Iterable[int]) -> dict[int, int]:
        found: dict[int, int] = {}
        for some in bulk.chunks([(one,) for one in sorted(keys)]):
            marks, values = bulk.values(some)
            found.update(
                self._run.execute(
                    f"SELECT message, thread FROM threads WHERE message IN (VALUES {marks})",  # noqa: S608
                    values,
                )
            )
        return found

    def _largest(self, labels: Sequence[int]) -> int:
        """Return the thread with most messages, so that joining rewrites few rows."""
        if len(labels) == 1:
            return labels[0]
        count = f"SELECT count(*) FROM (SELECT 1 FROM threads WHERE thread = ? LIMIT {_LARGE})"  # noqa: S608
        return max(labels, key=lambda one: (self._run.execute(count, (one,)).fetchone()[0], -one))


class _Union:
    """Disjoint sets of numbers."""

    def __init__(self) -> None:
        self._parents: dict[int, int] = {}

    def find(self, one: int) -> int:
        root = one
        while (parent := self._parents.get(root, root)) != root:
            root = parent
        while (parent := self._parents.get(one, one)) != root:
            self._parents[one] = root
            one = parent
        return root

    def join(self, a: int, b: int) -> None:
        a, b = self.find(a), self.find(b)
        if a != b:
            self._parents[max(a, b)] = min(a, b)
