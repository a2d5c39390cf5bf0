"""Runs queries. Reads only, with the standard library only, and never waits for the writer.

Newest first is nearly the order of the rowids, so the first page of the commonest word costs as much as
that of a rare one. One ``Searcher`` belongs to one thread.
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from poparchive.errors import PoparchiveError
from poparchive.index import results
from poparchive.index.damage import DATABASE_ERRORS
from poparchive.index.failures import DatabaseBusyError, busy, refuse_busy
from poparchive.index.keys import GRANULE_S
from poparchive.index.known import FEW_WORDS, Known
from poparchive.index.lookup import foreign, is_foreign, open_read_only
from poparchive.index.matching import Matcher
from poparchive.index.plan import Statement, at_most, languages_of, plan
from poparchive.index.readonly import uri
from poparchive.index.results import Hit, SearchError
from poparchive.index.versions import refuse_newer_catalog, refuse_newer_index
from poparchive.query.parser import parse
from poparchive.query.reading import Saved
from poparchive.query.tree import And, Near, Node, Or, Stem, Words

if TYPE_CHECKING:
    from poparchive.index.facets import Facets
    from poparchive.index.relevance import Ranking

MEMBERS = (
    "SELECT message FROM threads WHERE thread = (SELECT thread FROM threads WHERE message = ?1)"
    " UNION SELECT ?1"
)
"""Gives the row ids of the messages in a message's thread."""

BEGINNINGS = 4_000
"""A beginning of at most so many words is looked for as these words: FTS5 takes 20 us for each."""

WORDS_OF_A_PAGE = 6
"""And of at most so many for each page that FTS5 would read instead, before the first row: 200 us a page."""


_DATE = "(SELECT d.date FROM cat.messages d WHERE d.id = {id})"

_TOO_MUCH = ("too large", "too big", "too many", "too complex", "stack overflow")

SORTS = ("newest", "relevance", "size")


class Searcher:
    """Catalog and search index, opened for questions."""

    def __init__(
        self, catalog: Path, search: Path, *, archive: bytes | None = None, saved: Saved = dict
    ) -> None:
        """``archive`` is the id of the archive whose catalog it has to be; without, that is not asked.
        ``saved`` gives the searches that a query may name with ``@``."""
        self._archive = archive
        self._saved = saved
        self._planned: Known | None = None
        self._files = {"main": search, "cat": catalog}
        self._connection = open_read_only(search)
        try:
            self._open(search, catalog)
        except BaseException:
            self._connection.close()
            raise

    def _open(self, search: Path, catalog: Path) -> None:
        # Damage is told when something is asked, but what is locked would be waited for again.
        with contextlib.suppress(*DATABASE_ERRORS):
            self._look("main")
        refuse_newer_index(self._connection, search)
        if not catalog.exists():
            raise SearchError(f"{catalog}: not there; run `poparchive rebuild`")
        with _unless_locked(catalog):
            self._connection.execute("ATTACH ? AS cat", (uri(catalog),))
        with contextlib.suppress(*DATABASE_ERRORS):
            self._look("cat")
        refuse_newer_catalog(self._connection, catalog, "cat")
        if self._archive is not None and is_foreign(self._connection, self._archive, "cat"):
            raise foreign(catalog)

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
        self,
        query: str,
        *,
        limit: int = 20,
        offset: int = 0,
        sort: str = "newest",
        fold: bool = True,
    ) -> list[Hit]:
        """Return one page of what a query finds. Raises ``QuerySyntaxError``.

        With ``fold`` a message and its copies are one hit, and ``offset`` counts such hits.
        """
        with self._asking():
            if fold:
                keys = self._folded(query, offset + limit, sort)[offset:]
            elif sort == "relevance":
                keys = self._ranked(query)[offset : offset + limit]
            else:
                keys = self._keys(self._plan(query), limit, offset, sort)
            return results.hits(self._run, keys, threads=self._known().threads, fold=fold)

    def shown(self, keys: Sequence[int]) -> list[Hit]:
        """Return what a list shows of these messages, each for itself."""
        with self._asking():
            return results.hits(self._run, keys, threads=self._known().threads, fold=False)

    def facets(self, query: str, kinds: Sequence[str]) -> "Facets":
        """Return how many messages of each kind a query finds, copies counted one by one."""
        from poparchive.index.facets import COUNTED, facets

        with self._asking():
            keys = self._keys(self._plan(query), COUNTED + 1, 0, "newest")
            whole = len(keys) <= COUNTED
            return facets(self._run, keys[:COUNTED], kinds, self._types, whole=whole)

    def _types(self) -> list[str]:
        """The sorts of files that the index knows of."""
        from poparchive.index.vocabulary import marked

        return marked(self._connection, "type") if "contents" in self._known().columns else []

    def thread(self, key: int) -> list[int]:
        """Return the row ids of the messages in a message's thread, oldest first."""
        with self._asking():
            if not self._known().threads:
                return [key]
            return [row[0] for row in self._run(MEMBERS + " ORDER BY 1", (key,))]

    def count(self, query: str) -> int:
        """Return how many messages a query finds."""
        with self._asking():
            statement = self._plan(query, counting=True)
            row = self._run(statement.counted(), statement.parameters).fetchone()
            return int(row[0])

    def keys(self, query: str) -> Iterator[int]:
        """Yield the row ids of all that a query finds, oldest first."""
        with self._asking():
            statement = self._plan(query, counting=True)
            sql = statement.rows("{id}, " + _DATE) + " ORDER BY 2, 1"
            for row in self._run(sql, statement.parameters):
                yield row[0]

    def missing(self, query: str) -> tuple[str, ...]:
        """Name what a query asks and the index, made by an earlier version, cannot tell yet."""
        with self._asking():
            known = self._known()
            # How it would be run does not matter here, and finding that out takes looks into the index.
            return plan(self._parse(query), Known(known.columns, threads=known.threads)).missing

    def absent(self, query: str) -> list[str]:
        """Say which kinds of attachments and languages a query names that no message has."""
        if not any(one in query.lower() for one in ("filetype", "lang", "@")):
            return []
        from poparchive.index.absent import absent

        with self._asking():
            tree = self._parse(query)
            return absent(tree, self._connection) if "contents" in self._known().columns else []

    def terms(self, query: str) -> list[Words]:
        """Return the words that a query wants in a message, in every form of those with a ``~``."""
        with self._asking():
            known = self._known()
            tree = self._parse(query)
            return [
                form
                for one in _wanted(tree)
                for form in (
                    [
                        Words(word, field=one.field)
                        for word in known.forms(one.text, languages_of(tree))
                    ]
                    or [Words(one.text, field=one.field)]
                    if isinstance(one, Stem)
                    else [one]
                )
            ]

    def explain(self, query: str, *, sort: str = "newest") -> str:
        """Return how a query was understood, in plain words, and how it is run, in SQL."""
        from poparchive.index.explaining import How, explained

        with self._asking():
            tree = self._parse(query)
            statement = plan(tree, self._known())
            how = How()
            if sort == "size":
                how = How("all is read, and sorted by size, from", _by_size(statement))
            elif sort == "relevance":
                ranking = self._ranking(tree, statement)
                said = ranking.described() if ranking else ["there are no words to rank by"]
                how = how._replace(ranked=tuple(said))
            return explained(
                tree, statement, lambda sql, values: self._run(sql, values).fetchall(), how
            )

    def _parse(self, query: str) -> Node:
        return parse(query, now=int(time.time()), saved=self._saved, accounts=self._accounts)

    def _accounts(self) -> list[str]:
        return [name for (name,) in self._run("SELECT name FROM cat.accounts", ())]

    def _plan(self, query: str, *, counting: bool = False) -> Statement:
        return plan(self._parse(query), self._known(), counting=counting)

    def _known(self) -> Known:
        if self._planned is None:
            columns = frozenset(row[1] for row in self._run("PRAGMA main.table_info(mail)", ()))
            find = "SELECT 1 FROM main.sqlite_master WHERE name = 'threads'"
            threads = self._run(find, ()).fetchone() is not None
            self._planned = Known(columns, self._forms, self._beginning, self._few, threads)
        return self._planned

    def _forms(self, word: str, languages: tuple[str, ...]) -> tuple[str, ...]:
        from poparchive.index.stems import forms

        return forms(self._connection, word, languages)

    def _beginning(self, beginning: str) -> tuple[str, ...]:
        from poparchive.index.vocabulary import pages, words

        most = min(BEGINNINGS, WORDS_OF_A_PAGE * pages(self._connection, beginning))
        found = tuple(words(self._connection, beginning, most + 1))
        return found if len(found) <= most else ()

    def _few(self, select: str, values: tuple[object, ...], limit: int) -> bool:
        sql = f"SELECT count(*) FROM ({select} LIMIT {limit + 1})"  # noqa: S608
        return bool(self._run(sql, values).fetchone()[0] <= limit)

    def _folded(self, query: str, count: int, sort: str) -> list[int]:
        """Return the first ``count`` row ids, each message for its copies."""
        statement = None if sort == "relevance" else self._plan(query)
        asked = count + count // 4 + 10
        while True:
            if statement is None:
                keys, asked = self._ranked(query), 0
            else:
                keys = self._keys(statement, asked, 0, sort)
            found = list(islice(results.once(self._run, keys), count))
            if len(found) == count or len(keys) < asked or not asked:
                return found
            asked *= 4

    def _ranked(self, query: str) -> list[int]:
        """Return the row ids of what may be relevant, best first; without words, the newest."""
        from poparchive.index.relevance import CANDIDATES

        tree = self._parse(query)
        statement = plan(tree, self._known())
        ranking = self._ranking(tree, statement)
        return ranking.keys() if ranking else self._newest(statement, CANDIDATES)

    def _ranking(self, tree: Node, statement: Statement) -> "Ranking | None":
        """Return what ranks for a query; None where there are no words to rank by."""
        from poparchive.index.relevance import Ranking

        if not statement.streams[0].match:
            return None
        known = self._known()
        # All of what is looked for in subjects and addresses is read.
        beginning = at_most(FEW_WORDS, known.beginning)
        matcher = Matcher(known.columns, languages_of(tree), known.forms, beginning)
        columns = [row[1] for row in self._run("PRAGMA main.table_info(mail)", ())]
        narrow = plan(tree, known, narrow=True)
        return Ranking(self._run, (statement, narrow), tree, matcher, columns)

    def _keys(self, statement: Statement, limit: int, offset: int, sort: str) -> list[int]:
        if sort == "size":
            sql = _by_size(statement) + " LIMIT ? OFFSET ?"
            page = (*statement.parameters, limit, offset)
            return [row[0] for row in self._run(sql, page)]
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

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """What is asked within sees the index, and the catalog, as they were at one moment each, and no
        longer than that: a snapshot that is held keeps the writer from beginning its log anew."""
        run = self._connection
        if run.in_transaction:
            yield
            return
        try:
            run.execute("BEGIN")
            # The index first: what it names is in the catalog before.
            self._look("main")
            self._look("cat")
            yield
        except DATABASE_ERRORS as error:
            raise _refused(error) from error
        finally:
            with contextlib.suppress(sqlite3.Error):
                run.execute("COMMIT")

    def _look(self, schema: str) -> None:
        """Begin to read a database."""
        with _unless_locked(self._files[schema]):
            self._run(f"SELECT 1 FROM {schema}.sqlite_master LIMIT 1", ()).fetchone()  # noqa: S608

    def _run(self, sql: str, values: tuple[object, ...]) -> sqlite3.Cursor:
        return self._connection.execute(sql, values)


@contextlib.contextmanager
def _unless_locked(path: Path) -> Iterator[None]:
    """Tell which database somebody else has locked, and leave what else is wrong to whoever reads on."""
    try:
        yield
    except DATABASE_ERRORS as error:
        refuse_busy(path, error)
        raise


def _by_size(statement: Statement) -> str:
    return (
        f"SELECT id FROM cat.messages WHERE id IN ({statement.rows()})"  # noqa: S608
        " ORDER BY size_bytes DESC, id DESC"
    )


def _refused(error: Exception) -> PoparchiveError:
    """SQLite has limits for what it is asked; else it is a file, and SQLite does not say which."""
    if busy(error):
        return DatabaseBusyError("the search index, or the catalog beside it")
    if any(said in str(error) for said in _TOO_MUCH):
        return SearchError(f"the query asks too much at once ({error}); take fewer words or values")
    return SearchError(
        f"the search index, or the catalog beside it, could not be asked ({error});"
        " `poparchive rebuild --search-only` makes the index anew, and says so if it is the catalog"
    )


def _wanted(tree: Node) -> Iterator[Words | Stem]:
    """Yield the words that stand in the text of what a query finds."""
    if isinstance(tree, Words | Stem | Near):
        if tree.field in ("", "subject", "body", "attachment"):
            yield from tree.words if isinstance(tree, Near) else (tree,)
    elif isinstance(tree, And | Or):
        for inner in tree.all if isinstance(tree, And) else tree.any:
            yield from _wanted(inner)
