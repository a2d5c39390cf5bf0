"""Turns a query's tree into one SQL statement over search index and catalog.

What FTS5 can do goes into one MATCH, whose rows come newest first by themselves because the rowid is
the date; ranges of dates are ranges of rowids. The rest are conditions on each row. The statement's
tables are ``mail`` (the index) and ``cat`` (the catalog, attached).
"""

from dataclasses import dataclass

from poparchive.index.fold import fold_query
from poparchive.index.fulltext import ATTACHMENT
from poparchive.index.keys import rowid_of
from poparchive.index.query import And, Dated, HasAttachment, InAccount, Node, Not, Or, Sized, Words


@dataclass(frozen=True, slots=True)
class Statement:
    """``match`` is what FTS5 is asked (empty: the catalog is asked instead); ``where`` the rest."""

    match: str
    where: str
    values: tuple[object, ...]

    def rows(self, columns: str = "{id}") -> str:
        """Return the SQL that selects ``columns`` of all rows, where ``{id}`` stands for the row id."""
        table, key = "mail" if self.match else "cat.messages", self.key
        conditions = ["mail MATCH ?"] if self.match else []
        if self.where:
            conditions.append(self.where.replace("{id}", key))
        clause = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return f"SELECT {columns.replace('{id}', key)} FROM {table}{clause}"  # noqa: S608

    @property
    def key(self) -> str:
        """The column that is a message's row id."""
        return "mail.rowid" if self.match else "cat.messages.id"

    @property
    def parameters(self) -> tuple[object, ...]:
        return (self.match, *self.values) if self.match else self.values


def plan(tree: Node) -> Statement:
    """Return the statement that finds what a tree means."""
    parts = tree.all if isinstance(tree, And) else (tree,)
    match = " AND ".join(m for part in parts if (m := _match(part)) is not None)
    rest = [part for part in parts if _match(part) is None]
    if match:
        for part in list(rest):
            if isinstance(part, Not) and (unwanted := _match(part.inner)) is not None:
                match = f"({match}) NOT {unwanted}"
                rest.remove(part)
    values: list[object] = []
    where = " AND ".join(_condition(part, values) for part in rest)
    return Statement(match, where, tuple(values))


def _match(node: Node) -> str | None:
    """Return the FTS5 expression of a tree, or None if FTS5 alone cannot tell."""
    if isinstance(node, Words):
        return _words(node)
    if isinstance(node, HasAttachment):
        return f'flags : "{ATTACHMENT}"'
    if isinstance(node, Or):
        inner = [_match(n) for n in node.any]
        return None if None in inner else "(" + " OR ".join(i for i in inner if i) + ")"
    if isinstance(node, And) and node.all:
        wanted = [m for n in node.all if not isinstance(n, Not) and (m := _match(n))]
        unwanted = [m for n in node.all if isinstance(n, Not) and (m := _match(n.inner))]
        if not wanted or len(wanted) + len(unwanted) < len(node.all):
            return None
        expression = "(" + " AND ".join(wanted) + ")"
        for one in unwanted:
            expression = f"({expression} NOT {one})"
        return expression
    return None


def _words(node: Words) -> str:
    folded = fold_query(node.text)
    quoted = '"' + folded.strip().replace('"', '""') + '"'
    star = "*" if node.prefix or folded.endswith("*") else ""
    quoted = quoted.replace("*", " ") + star
    return f"{node.column} : {quoted}" if node.column else quoted


def _condition(node: Node, values: list[object]) -> str:
    """Return SQL for one row, with ``{id}`` for the row's id."""
    expression = _match(node)
    if expression is not None:
        values.append(expression)
        return "{id} IN (SELECT rowid FROM mail WHERE mail MATCH ?)"
    if isinstance(node, Not):
        return f"NOT ({_condition(node.inner, values)})"
    if isinstance(node, And):
        return "(" + (" AND ".join(_condition(n, values) for n in node.all) or "1") + ")"
    if isinstance(node, Or):
        return "(" + " OR ".join(_condition(n, values) for n in node.any) + ")"
    if isinstance(node, Dated):
        return _dated(node, values)
    if isinstance(node, Sized):
        values.append(node.above if node.above is not None else node.below)
        sign = ">" if node.above is not None else "<"
        return f"(SELECT s.size_bytes FROM cat.messages s WHERE s.id = {{id}}) {sign} ?"  # noqa: S608
    assert isinstance(node, InAccount)
    values.append(node.name)
    return (
        "EXISTS (SELECT 1 FROM cat.uidls u WHERE u.message = {id}"
        " AND u.account = (SELECT a.id FROM cat.accounts a WHERE a.name = ?))"
    )


_DATE = "(SELECT d.date FROM cat.messages d WHERE d.id = {id})"
_RUN_END = (
    "ifnull((SELECT r.id + 1 FROM cat.messages r WHERE r.id >= ? AND NOT EXISTS"
    " (SELECT 1 FROM cat.messages n WHERE n.id = r.id + 1) ORDER BY r.id LIMIT 1), 0)"
)


def _dated(node: Dated, values: list[object]) -> str:
    """Return SQL for a range of dates: a range of ids, and a look at the date where that is not enough.

    A message may have a later id than its date's, if that was taken; then every id between is taken.
    So a limit's id, and the run of ids behind it, hold messages from both sides of the limit.
    """
    conditions = []
    if node.start is not None:
        edge = rowid_of(node.start)
        values += (edge, edge, node.start)
        conditions.append(f"({{id}} >= ? AND ({{id}} >= {_RUN_END} OR {_DATE} >= ?))")
    if node.end is not None:
        edge = rowid_of(node.end)
        values += (edge, edge, edge, node.end)
        conditions.append(f"({{id}} < max(?, {_RUN_END}) AND ({{id}} < ? OR {_DATE} < ?))")
    return "(" + " AND ".join(conditions) + ")"
