"""Turns a query's tree into one SQL statement over search index and catalog.

What FTS5 can do goes into one MATCH, whose rows come newest first by themselves because the rowid is the
date; ranges of dates are ranges of rowids. What it cannot do is a condition on each row, or a stream of rows
of its own. Streams are put together by UNION, INTERSECT and EXCEPT under ORDER BY, which SQLite does by
merging them as they come: so a page of results costs what it takes to reach it, not what there is.

``conditions`` has the SQL of single conditions, ``matching`` the language of FTS5.
The statement's tables are ``mail`` (the index) and ``cat`` (the catalog, attached).
"""

from collections.abc import Callable, Iterator

from poparchive.index import conditions, normal
from poparchive.index.conditions import Sql
from poparchive.index.known import (
    COUNTED_WORDS,
    FEW,
    FEW_WORDS,
    MANY,
    MANY_COUNTED,
    SIZES,
    SIZES_COUNTED,
    Known,
)
from poparchive.index.matching import Match, Matcher, all_of
from poparchive.index.normal import Accounts, All, Any, Leaf, Normal, Row
from poparchive.query.frozen import Frozen
from poparchive.query.tree import (
    And,
    Dated,
    HasMessageId,
    Identified,
    InThread,
    Is,
    Language,
    Node,
    Not,
    Or,
    Sized,
)


class Stream(Frozen):
    """Rows of one table: ``match`` is what FTS5 is asked, empty if the table is another one."""

    table: str
    key: str
    where: tuple[Sql, ...] = ()
    match: str = ""
    tail: str = ""

    def sql(self, columns: str = "{id}", *, distinct: bool = False) -> Sql:
        """Return the SELECT of ``columns``, where ``{id}`` stands for the row id."""
        texts = ["mail MATCH ?"] if self.match else []
        values: list[object] = [self.match] if self.match else []
        for one in self.where:
            texts.append(one.on(self.key))
            values += one.values
        clause = f" WHERE {conditions.balanced(' AND ', texts)}" if texts else ""
        what = ("DISTINCT " if distinct else "") + columns.replace("{id}", self.key)
        return Sql(f"SELECT {what} FROM {self.table}{clause}{self.tail}", tuple(values))  # noqa: S608


_MAIL = Stream("mail", "mail.rowid")
_MATCHES = "SELECT 1 FROM mail WHERE mail MATCH ?"
_CATALOG = Stream("cat.messages AS m", "m.id")


class Statement(Frozen):
    """Streams that are put together from the left: ``joins`` stand between them.

    ``missing`` names what the index cannot be asked yet: nothing is found by it.
    """

    streams: tuple[Stream, ...]
    joins: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def match(self) -> str:
        """What FTS5 is asked if it is all that gives rows; else empty."""
        return "" if self.joins else self.streams[0].match

    @property
    def key(self) -> str:
        """The column that is a message's row id."""
        return "found.id" if self._composed else self.streams[0].key

    @property
    def parameters(self) -> tuple[object, ...]:
        return tuple(value for stream in self.streams for value in stream.sql().values)

    @property
    def _composed(self) -> bool:
        """Whether rows are had by a subquery: from several streams, or from one that repeats itself."""
        return bool(self.joins) or "uidls" in self.streams[0].table

    def rows(self, columns: str = "{id}") -> str:
        """Return the SQL that selects ``columns`` of all rows, where ``{id}`` stands for the row id."""
        first, *others = self.streams
        if not self._composed:
            return first.sql(columns).text
        text = first.sql("{id} AS id", distinct=not (others or first.tail)).text
        for join, stream in zip(self.joins, others, strict=True):
            text += f" {join} {stream.sql().text}"
        named = columns.replace("{id}", "found.id")
        # Only in order are streams merged, not kept; the LIMIT keeps SQLite from leaving the order out.
        return f"SELECT {named} FROM ({text} ORDER BY 1 DESC LIMIT -1) AS found"  # noqa: S608

    def counted(self) -> str:
        """Return the SQL that counts all rows. It takes the values of ``rows``."""
        if len(self.streams) == 2 and self.joins == ("EXCEPT",) and self.streams[0] == _CATALOG:
            # What is in the index is in the catalog.
            what = "count(*)" if self.streams[1].match else "count(DISTINCT {id})"
            match = self.streams[1].sql(what).text
            return f"SELECT (SELECT count(*) FROM cat.messages) - ({match})"  # noqa: S608
        first = self.streams[0]
        if self._composed and not self.joins and not first.tail:
            return first.sql("count(DISTINCT {id})").text
        return self.rows("count(*)")

    def newest(self, columns: str = "{id}") -> str:
        """Return the SQL that selects ``columns`` of all rows by descending row id, as they are found."""
        order = "" if self._composed else f" ORDER BY {self.key} DESC"
        return self.rows(columns) + order


def plan(
    tree: Node, known: Known | None = None, *, counting: bool = False, narrow: bool = False
) -> Statement:
    """Return the statement that finds what a tree means.

    ``counting``: all rows will be read, so that the first ones need not come at once. ``narrow``: FTS5 will
    be asked for more besides, so that it gives few rows, on each of which conditions are tried.
    """
    known = known or Known()
    languages = languages_of(tree)
    # FTS5 reads all that a beginning finds before it gives a row. One after the other the words give
    # the first rows at once, and all rows more slowly.
    few_words = at_most(FEW_WORDS, known.beginning)
    beginnings = {True: few_words if narrow else known.beginning, False: few_words}
    if counting:
        beginnings = dict.fromkeys((True, False), at_most(COUNTED_WORDS, known.beginning))
    matchers = {
        wanted: Matcher(known.columns, languages, known.forms, beginning)
        for wanted, beginning in beginnings.items()
    }
    planner = _Planner(matchers, known, counting, narrow)
    return planner.statement(planner.normal(tree, wanted=True))


def at_most(most: int, words: Callable[[str], tuple[str, ...]]) -> Callable[[str], tuple[str, ...]]:
    """Leave beginnings of more words to FTS5."""

    def few(beginning: str) -> tuple[str, ...]:
        found = words(beginning)
        return found if len(found) <= most else ()

    return few


def languages_of(tree: Node) -> tuple[str, ...]:
    """The languages that are asked for anywhere in a query; what is left out by NOT does not count."""
    if isinstance(tree, Language):
        return (tree.code,)
    inner: tuple[Node, ...] = ()
    if isinstance(tree, And):
        inner = tree.all
    elif isinstance(tree, Or):
        inner = tree.any
    return tuple(dict.fromkeys(code for one in inner for code in languages_of(one)))


class _Planner:
    def __init__(
        self, matchers: dict[bool, Matcher], known: Known, counting: bool, narrow: bool
    ) -> None:
        """``matchers`` are that of what is wanted, and that of what is not."""
        self._matchers = matchers
        self._known = known
        self._counting = counting
        self._narrow = narrow
        self._missing: dict[str, None] = {}

    def normal(self, node: Node, *, wanted: bool) -> Normal:
        """Return the tree with NOT at the leaves, and all that FTS5 can answer together in one Match."""
        if isinstance(node, Not):
            return self.normal(node.inner, wanted=not wanted)
        if isinstance(node, And | Or):
            inner = node.all if isinstance(node, And) else node.any
            parts = (self.normal(one, wanted=wanted) for one in inner)
            return normal.every(parts) if isinstance(node, And) == wanted else normal.some(parts)
        match = self._matchers[wanted].match(node)
        if match is not None:
            if match.expression:
                return match if wanted else match.opposite()
            self._missing.update(dict.fromkeys(match.missing))
            # Whatever is asked of it is not known, its opposite neither.
            return Any()
        if isinstance(node, InThread) and not self._known.threads:
            self._missing["thread:"] = None
            return Any()
        return normal.row(node, wanted)

    def statement(self, tree: Normal) -> Statement:
        missing = tuple(self._missing)
        arms = normal.arms_of(tree)
        if arms is None:
            arms = [[tree if not isinstance(tree, All) else Any((tree,))]]
        if len(arms) == 1:
            streams, joins = self._alone(arms[0])
            return Statement(streams, joins, missing)
        if not arms:
            return Statement((_CATALOG_NONE,), (), missing)
        united = tuple(self._stream(arm) for arm in arms)
        return Statement(united, ("UNION",) * (len(arms) - 1), missing)

    def _alone(self, leaves: "list[Leaf]") -> tuple[tuple[Stream, ...], tuple[str, ...]]:
        """Return the streams of a query that is one conjunction."""
        match, unwanted, ids, rest = self._sorted(leaves)
        dates = tuple(_sql(one) for one in rest if _is_dated(one))
        if ids:
            return (self._stream(leaves),), ()
        among = [one for one in rest if self._is_noted(one, match)]
        rest = [one for one in rest if one not in among]
        own = [one for one in rest if self._has_stream(one, match)][: normal.MAX_ARMS]
        without = [one for one in rest if self._counting and _leaves_out_account(one)][
            : normal.MAX_ARMS
        ]
        others = tuple(_sql(one) for one in rest if one not in own and one not in without)
        others += tuple(conditions.among(one.node) for one in among if isinstance(one, Row))
        streams = [_on_streams(one, dates) for one in own]
        if match:
            streams.insert(0, Stream(_MAIL.table, _MAIL.key, others, match.expression))
        elif not streams or len(others) > len(dates):
            streams.insert(0, Stream(_CATALOG.table, _CATALOG.key, others))
        joins = ["INTERSECT"] * (len(streams) - 1)
        if unwanted:
            streams.append(Stream(_MAIL.table, _MAIL.key, dates, unwanted.expression))
            joins.append("EXCEPT")
        for one in without:
            streams.append(_on_streams(one, dates))
            joins.append("EXCEPT")
        return tuple(streams), tuple(joins)

    def _is_noted(self, leaf: "Leaf", match: Match | None) -> bool:
        """Whether the messages that a condition is true of are had first, and each match looked for there."""
        if (
            self._narrow
            or not match
            or not isinstance(leaf, Row)
            or not isinstance(leaf.node, Sized)
        ):
            return False
        few = self._known.few
        if few(_MATCHES, (match.expression,), MANY):
            return False
        select = conditions.of_size(leaf.node)
        return few(select.text, select.values, SIZES_COUNTED if self._counting else SIZES)

    def _has_stream(self, leaf: "Leaf", match: Match | None) -> bool:
        """Whether a condition is better asked by itself than of each row of the others."""
        if not isinstance(leaf, Row) or not leaf.wanted:
            return False
        node = leaf.node
        if isinstance(node, Accounts):
            # Rows of several accounts would have to be put in order first.
            if not self._counting or len(node.names) > 1:
                return False
        elif not (isinstance(node, Sized) and match) and node != Is("duplicate"):
            return False
        if match is None:
            return True
        if self._narrow:
            return False
        many = MANY_COUNTED if self._counting and isinstance(node, Sized) else MANY
        return not self._known.few(_MATCHES, (match.expression,), many)

    def _stream(self, leaves: "list[Leaf]") -> Stream:
        """Return one conjunction as one stream."""
        match, unwanted, ids, rest = self._sorted(leaves)
        where = [_sql(one) for one in rest]
        if unwanted:
            where.append(conditions.matched(unwanted.expression, wanted=False, one_row=bool(ids)))
        if ids:
            where = [conditions.driving(one.node) for one in ids if isinstance(one, Row)] + where
            if match:
                where.append(conditions.matched(match.expression, wanted=True, one_row=True))
        elif match:
            return Stream(_MAIL.table, _MAIL.key, tuple(where), match.expression)
        return Stream(_CATALOG.table, _CATALOG.key, tuple(where))

    def _sorted(
        self, leaves: "list[Leaf]"
    ) -> "tuple[Match | None, Match | None, list[Leaf], list[Leaf]]":
        """Tell apart what FTS5 is to find, what it is to leave out, what gives few rows, and the rest."""
        matches = [one for one in leaves if isinstance(one, Match)]
        rows: list[Leaf] = [one for one in leaves if not isinstance(one, Match)]
        match = all_of(matches) if matches else None
        unwanted: Match | None = None
        if match is not None and match.negated:
            match, unwanted = None, match
        ids = [one for one in rows if self._gives_few(one, match)]
        return match, unwanted, ids, [one for one in rows if one not in ids]

    def _gives_few(self, leaf: "Leaf", match: Match | None) -> bool:
        if not isinstance(leaf, Row) or not leaf.wanted:
            return False
        if isinstance(leaf.node, Identified | HasMessageId | InThread) or leaf.node == Is(
            "quarantined"
        ):
            return True
        if match is not None and match.words > FEW_WORDS:
            return False
        if isinstance(leaf.node, Accounts):
            select = conditions.of_account(leaf.node)
        elif isinstance(leaf.node, Sized):
            select = conditions.of_size(leaf.node)
        else:
            return False
        return self._known.few(select.text, select.values, FEW)


_CATALOG_NONE = Stream(_CATALOG.table, _CATALOG.key, (Sql("0"),))


def _leaves_out_account(leaf: Normal) -> bool:
    return isinstance(leaf, Row) and isinstance(leaf.node, Accounts) and not leaf.wanted


def _is_dated(leaf: Normal) -> bool:
    return isinstance(leaf, Row) and isinstance(leaf.node, Dated)


def _on_streams(leaf: "Leaf", dates: tuple[Sql, ...]) -> Stream:
    assert isinstance(leaf, Row)
    if isinstance(leaf.node, Accounts):
        where = (Sql("u.message IS NOT NULL"), conditions.account_is(leaf.node), *dates)
        return Stream("cat.uidls AS u", "u.message", where)
    if isinstance(leaf.node, Is):
        where = (Sql("u.message IS NOT NULL"), *dates)
        tail = " GROUP BY u.message HAVING count(*) > 1"
        return Stream("cat.uidls AS u", "u.message", where, tail=tail)
    return Stream(_CATALOG.table, _CATALOG.key, (_sql(leaf), *dates))


def _sql(tree: Normal) -> Sql:
    """Return the condition on one row."""
    if isinstance(tree, Match):
        return conditions.matched(tree.expression, wanted=not tree.negated, one_row=False)
    if isinstance(tree, Row):
        return conditions.condition(tree.node, wanted=tree.wanted)
    word, empty = (" AND ", "1") if isinstance(tree, All) else (" OR ", "0")
    return conditions.joined(word, map(_sql, tree.parts), empty)


def described(statement: Statement) -> Iterator[str]:
    """Say in plain words which streams a statement reads."""
    for at, stream in enumerate(statement.streams):
        join = f"{statement.joins[at - 1].lower()} " if at else ""
        if stream.match:
            yield f"{join}search index: {stream.match}"
        else:
            yield f"{join}catalog: {stream.table.partition(' ')[0].removeprefix('cat.')}"
