"""Which messages are one conversation, kept up as messages are indexed.

A thread is a connected component: a message belongs with every message that it names in References or
In-Reply-To, with those that name the same one, whether that is here or not, and with copies of itself. A
reply that names nothing belongs with what it seems to answer: see ``SUBJECT_DAYS``. Every rule joins two
messages whatever came between them, so that the partition does not depend on the order in which messages
come. A message is put in place with a fixed number of statements for its whole batch.

The writer looks into the catalog, which has an index over Message-IDs already. It believes no entry that
is not behind the one being indexed, so that a catalog that is ahead makes no difference.
"""

import base64
import hashlib
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from poparchive.index import bulk
from poparchive.index.keys import GRANULE_S, hash_of
from poparchive.index.lookup import uri
from poparchive.index.subjects import base

SUBJECT_DAYS: Final = 14
"""A message whose subject has a reply's prefix, and that names no message, belongs with each that is no
more days older, has the same base subject, and was sent by somebody who takes part in the reply or came
over the same list."""

MARK: Final = "\ue000s"
"""Begins the flags that stand for a message's base subject, alone and with its list."""

TABLES: Final = (
    "CREATE TABLE threads(message INTEGER PRIMARY KEY, thread INTEGER NOT NULL)",
    "CREATE INDEX threads_thread ON threads(thread)",
    "CREATE TABLE thread_ids(id INTEGER PRIMARY KEY, message INTEGER NOT NULL)",
    "CREATE TABLE thread_replies(subject INTEGER, message INTEGER, PRIMARY KEY (subject, message))"
    " WITHOUT ROWID",
    "CREATE TABLE thread_erased(count INTEGER NOT NULL)",
    "INSERT INTO thread_erased VALUES (0)",
)

_WINDOW: Final = SUBJECT_DAYS * 86_400 // GRANULE_S
_LARGE: Final = 2_000
"""Threads are not counted further to find the largest."""
_PEOPLE: Final = 50
"""A reply to more is looked for by these."""
_ADDRESS: Final = re.compile(r"[^\s<>,;:\"()\[\]]+@[^\s<>,;:\"()\[\]]+")


class Joining(NamedTuple):
    """What of a message decides which thread it is in. ``id`` and ``references`` are hashes as in ``keys``.

    ``offers`` and ``answers`` are hashes of a base subject with an address or a list: what a reply may find
    it by, and what it looks for itself if it is a reply that names nothing. In that case ``people`` are
    the addresses and ``marks`` the flags that it looks for.
    """

    key: int
    id: int
    references: tuple[int, ...]
    offers: tuple[int, ...]
    answers: tuple[int, ...]
    people: frozenset[str]
    marks: tuple[str, ...]


def addresses(text: str) -> list[str]:
    """Return the addresses in a field, in lower case."""
    name, _, rest = text.partition("<")
    if rest.endswith(">") and "@" not in name and rest.count("@") == 1 and rest.isascii():
        return [rest[:-1].lower()]  # Nearly every sender, for a tenth of the time.
    return [one.lower().strip("'.") for one in _ADDRESS.findall(text)] if "@" in text else []


def subject_marks(subject: str, lists: str = "") -> list[str]:
    """Return the flags that stand for a subject, whatever prefixes it has, and for it with the list."""
    text = base(subject).text
    if not text:
        return []
    name = _list(lists)
    return [_mark(text), _mark(f"{name}\n{text}")] if name else [_mark(text)]


def _mark(text: str) -> str:
    """40 bits of a hash: two that are equal by chance are no copies of a reply's subject of the same days."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return MARK + base64.b32encode(digest[:5]).decode().lower()


def _list(lists: str) -> str:
    return " ".join(lists.lower().split())


def joining(
    key: int,
    message_id: str,
    references: Sequence[str],
    subject: str,
    sender: str,
    others: str,
    lists: str,
) -> Joining:
    """Return what decides. ``sender`` and ``others``, all recipients, hold addresses."""
    said = base(subject)
    offers: list[int] = []
    answers: list[int] = []
    people: list[str] = []
    name = _list(lists)
    if said.text:
        end = f"\n{said.text}"
        by = addresses(sender)[:1]
        offers = [_hash(one + end) for one in by]
        if name:
            offers.append(_hash(name + end))
        if said.reply and not references:
            people = list(dict.fromkeys(by + addresses(others)))[:_PEOPLE]
            answers = [_hash(one + end) for one in people]
            if name:
                answers.append(_hash(name + end))
    return Joining(
        key,
        hash_of(message_id),
        tuple(hash_of(one) for one in references),
        tuple(offers),
        tuple(answers),
        frozenset(people),
        tuple(subject_marks(subject, lists)) if answers else (),
    )


def _hash(text: str) -> int:
    return (
        int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")
        >> 1
    )


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
        self._note_replies(messages)
        joins += self._answered_by(messages)
        for one in messages:
            if one.answers:
                joins += ((one.key, other) for other in self._answered(one))
        if joins:
            self._join(joins)

    def erase(self, keys: Iterable[int]) -> None:
        """Take messages out. What only they held together stays together until the index is made anew."""
        run = self._run
        gone = 0
        for key in keys:
            gone += 1
            run.execute("DELETE FROM thread_replies WHERE message = ?", (key,))
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
        run.execute("UPDATE thread_erased SET count = count + ?", (gone,))

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
            self._catalog.execute("PRAGMA busy_timeout=10000")
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

    def _note_replies(self, messages: Sequence[Joining]) -> None:
        rows = sorted({(one, message.key) for message in messages for one in message.answers})
        for some in bulk.chunks(rows):
            marks, values = bulk.values(some)
            self._run.execute(f"INSERT OR IGNORE INTO thread_replies VALUES {marks}", values)  # noqa: S608

    def _answered_by(self, messages: Sequence[Joining]) -> Iterator[tuple[int, int]]:
        """Yield the messages with the later replies that name nothing and seem to answer them."""
        rows = [(one, message.key) for message in messages for one in message.offers]
        for some in bulk.chunks(sorted(rows)):
            marks, values = bulk.values(some)
            yield from self._run.execute(
                f"WITH o(subject, message) AS (VALUES {marks})"  # noqa: S608
                " SELECT o.message, r.message FROM o CROSS JOIN thread_replies r ON r.subject = o.subject"
                f" AND r.message > o.message AND r.message <= o.message + {_WINDOW}",
                values,
            )

    def _answered(self, reply: Joining) -> Iterator[int]:
        """Yield what is in the index already and a reply seems to answer."""
        match = (
            "SELECT rowid FROM mail WHERE mail MATCH ? AND rowid < ? AND rowid >= ? ORDER BY rowid"
        )
        within = (reply.key, reply.key - _WINDOW)
        by_subject, *by_list = (f'flags : "{mark}"' for mark in reply.marks)
        for one in by_list:
            for (key,) in self._run.execute(match, (one, *within)):
                yield key
        rows = self._run.execute(match, (by_subject, *within)).fetchall()
        for some in bulk.chunks(rows):
            marks, values = bulk.values(some)
            for key, sender in self._ask(
                f"SELECT id, sender FROM messages WHERE id IN (VALUES {marks})",  # noqa: S608
                values,
            ):
                if reply.people.intersection(addresses(sender)[:1]):
                    yield key

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
