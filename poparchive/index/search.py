"""Runs queries. Reads only, with the standard library only, and never waits for the writer.

Newest first is nearly the order of the rowids, so the first page of the commonest word costs as much as
that of a rare one. One ``Searcher`` belongs to one thread.
"""

import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from poparchive.errors import PoparchiveError
from poparchive.index.keys import GRANULE_S
from poparchive.index.lookup import open_read_only
from poparchive.index.matching import Matcher
from poparchive.index.plan import Known, Statement, plan
from poparchive.index.versions import refuse_newer_catalog, refuse_newer_index
from poparchive.query.parser import Saved, parse
from poparchive.query.tree import And, Near, Node, Or, Stem, Words

_DATE = "(SELECT d.date FROM cat.messages d WHERE d.id = {id})"

SORTS = ("newest", "relevance", "size")


class SearchError(PoparchiveError):
    """The index could not be asked."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One message found. ``attachments`` are (name, type, size in octets)."""

    key: int
    id: bytes
    date: int
    sender: str
    subject: str
    size_bytes: int
    accounts: tuple[str, ...]
    attachments: tuple[tuple[str, str, int], ...]


class Searcher:
    """Catalog and search index, opened for questions."""

    def __init__(self, catalog: Path, search: Path, *, saved: Saved = dict) -> None:
        """``saved`` gives the searches that a query may name with ``@``."""
        self._saved = saved
        self._planned: Known | None = None
        self._connection = open_read_only(search)
        refuse_newer_index(self._connection, search)
        quoted = str(catalog.absolute())
        for character in "%?#":
            quoted = quoted.replace(character, f"%{ord(character):02x}")
        if not catalog.exists():
            raise SearchError(f"{catalog}: not there; run `poparchive rebuild`")
        self._connection.execute("ATTACH ? AS cat", (f"file:{quoted}?mode=ro",))
        refuse_newer_catalog(self._connection, catalog, "cat")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def search(
        self, query: str, *, limit: int = 20, offset: int = 0, sort: str = "newest"
    ) -> list[Hit]:
        """Return one page of what a query finds. Raises ``QuerySyntaxError``."""
        if sort == "relevance":
            keys = self._ranked(query)[offset : offset + limit]
        else:
            keys = self._keys(self._plan(query), limit, offset, sort)
        return [self._hit(key) for key in keys]

    def count(self, query: str) -> int:
        """Return how many messages a query finds."""
        statement = self._plan(query, counting=True)
        row = self._run(statement.rows("count(*)"), statement.parameters).fetchone()
        return int(row[0])

    def keys(self, query: str) -> Iterator[int]:
        """Yield the row ids of all that a query finds, oldest first."""
        statement = self._plan(query)
        sql = statement.rows("{id}, " + _DATE) + " ORDER BY 2, 1"
        for row in self._run(sql, statement.parameters):
            yield row[0]

    def missing(self, query: str) -> tuple[str, ...]:
        """Name what a query asks and the index, made by an earlier version, cannot tell yet."""
        return self._plan(query).missing

    def explain(self, query: str) -> str:
        """Return how a query was understood, in plain words, and how it is run, in SQL."""
        from poparchive.index.explaining import explained

        tree = self._parse(query)
        statement = plan(tree, self._known())
        return explained(tree, statement, lambda sql, values: self._run(sql, values).fetchall())

    def _parse(self, query: str) -> Node:
        return parse(query, now=int(time.time()), saved=self._saved)

    def _plan(self, query: str, *, counting: bool = False) -> Statement:
        return plan(self._parse(query), self._known(), counting=counting)

    def _known(self) -> Known:
        if self._planned is None:
            columns = frozenset(row[1] for row in self._run("PRAGMA main.table_info(mail)", ()))
            find = "SELECT 1 FROM main.sqlite_master WHERE name = 'threads'"
            threads = self._run(find, ()).fetchone() is not None
            self._planned = Known(columns, self._forms, self._few, threads)
        return self._planned

    def _forms(self, word: str, languages: tuple[str, ...]) -> tuple[str, ...]:
        from poparchive.index.stems import forms

        return forms(self._connection, word, languages)

    def _few(self, select: str, values: tuple[object, ...], limit: int) -> bool:
        sql = f"SELECT count(*) FROM ({select} LIMIT {limit + 1})"  # noqa: S608
        return bool(self._run(sql, values).fetchone()[0] <= limit)

    def _ranked(self, query: str) -> list[int]:
        """Return the row ids of what may be relevant, best first; without words, the newest."""
        from poparchive.index.relevance import CANDIDATES, Ranking

        tree = self._parse(query)
        known = self._known()
        statement = plan(tree, known)
        if not statement.streams[0].match:
            return self._newest(statement, CANDIDATES)
        matcher = Matcher(known.columns, (), known.forms)
        columns = [row[1] for row in self._run("PRAGMA main.table_info(mail)", ())]
        return Ranking(self._run, statement, tree, matcher, columns).keys()

    def _keys(self, statement: Statement, limit: int, offset: int, sort: str) -> list[int]:
        if sort == "size":
            sql = (
                f"SELECT id FROM cat.messages WHERE id IN ({statement.rows()})"  # noqa: S608
                " ORDER BY size_bytes DESC, id DESC"
            )
            page = (*statement.parameters, limit, offset)
            return [row[0] for row in self._run(sql + " LIMIT ? OFFSET ?", page)]
        return self._newest(statement, offset + limit)[offset:]

    def _newest(self, statement: Statement, count: int) -> list[int]:
        """Return the row ids of the ``count`` newest that a statement finds, by date, newest first.

        Descending ids are descending dates but for messages whose own id was taken. These have a later
        id, never an earlier one, so that a row is settled once no id to come can have a later date.
        """
        sql = statement.newest("{id}, " + _DATE)
        found: list[tuple[int, int]] = []
        unsettled: list[int] = []
        settled = 0
        for key, date in self._run(sql, statement.parameters):
            found.append((key * GRANULE_S if date is None else date, key))
            heappush(unsettled, -found[-1][0])
            while unsettled and -unsettled[0] >= key * GRANULE_S:
                heappop(unsettled)
                settled += 1
            if settled >= count:
                break
        found.sort(reverse=True)
        return [key for _, key in found[:count]]

    def _run(self, sql: str, values: tuple[object, ...]) -> sqlite3.Cursor:
        try:
            return self._connection.execute(sql, values)
        except sqlite3.DatabaseError as error:
            raise SearchError(
                f"the search index could not be asked ({error}); `poparchive rebuild"
                " --search-only` makes it anew"
            ) from error

    def _hit(self, key: int) -> Hit:
        query = (
            "SELECT id, sha256, date, sender, subject, size_bytes FROM cat.messages WHERE id = ?"
        )
        row = self._run(query, (key,)).fetchone()
        if row is None:
            raise SearchError(
                "the search index names a message that the catalog does not have;"
                " `poparchive rebuild` makes both anew"
            )
        accounts = self._run(
            "SELECT DISTINCT a.name FROM cat.uidls u JOIN cat.accounts a ON a.id = u.account"
            " WHERE u.message = ? ORDER BY a.name",
            (key,),
        )
        attachments = self._run(
            "SELECT name, type, size_bytes FROM cat.parts"
            " WHERE message = ? AND segment = 0 AND name IS NOT NULL ORDER BY number",
            (key,),
        )
        named = tuple(name for (name,) in accounts)
        files = tuple((name, kind, size) for name, kind, size in attachments)
        values: tuple[Any, ...] = (*row, named, files)
        return Hit(*values)


def terms(query: str, *, saved: Saved = dict) -> list[Words]:
    """Return the words that a query wants in a message, for marking them in its text."""
    found: list[Words] = []

    def walk(node: Node) -> None:
        if isinstance(node, Words | Stem | Near) and node.field in ("", "subject", "body"):
            if isinstance(node, Near):
                found.extend(node.words)
            else:
                found.append(node if isinstance(node, Words) else Words(node.text))
        elif isinstance(node, And):
            for inner in node.all:
                walk(inner)
        elif isinstance(node, Or):
            for inner in node.any:
                walk(inner)

    walk(parse(query, now=int(time.time()), saved=saved))
    return found
