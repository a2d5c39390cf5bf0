"""The SQL of single conditions on a message's row. Values are parameters always: no text is syntax."""

from collections.abc import Iterable, Sequence

from poparchive.index.keys import hash_of, rowid_of
from poparchive.index.normal import Accounts
from poparchive.model import Fate
from poparchive.query.frozen import Frozen
from poparchive.query.tree import (
    Dated,
    HasMessageId,
    Identified,
    InThread,
    Is,
    Node,
    Sized,
)


class Sql(Frozen):
    """A piece of SQL with its values. ``{id}``, ``{date}`` and ``{size}`` stand for columns of the row."""

    text: str
    values: tuple[object, ...] = ()

    def on(self, key: str) -> str:
        """Return it for rows of a table whose column ``key`` is the row id."""
        columns = _CATALOGS if key == "m.id" else _LOOKED_UP
        text = self.text
        for name, column in columns:
            text = text.replace(name, column)
        return text.replace("{id}", key)


_CATALOGS = (("{date}", "m.date"), ("{size}", "m.size_bytes"))
_LOOKED_UP = (
    ("{date}", "(SELECT d.date FROM cat.messages d WHERE d.id = {id})"),
    ("{size}", "(SELECT s.size_bytes FROM cat.messages s WHERE s.id = {id})"),
)


_IN_A_ROW = 16


def joined(operator: str, parts: Iterable[Sql], empty: str) -> Sql:
    """Put conditions together in parentheses; ``empty`` stands for none."""
    found = list(parts)
    text = balanced(operator, [one.text for one in found]) or empty
    return Sql(f"({text})", tuple(value for one in found for value in one.values))


def balanced(operator: str, texts: Sequence[str]) -> str:
    """Put texts together, halves in parentheses: SQLite's trees may be 1,000 deep, and a row of operators is
    as deep as it is long."""
    if len(texts) <= _IN_A_ROW:
        return operator.join(texts)
    half = len(texts) // 2
    return f"({balanced(operator, texts[:half])}){operator}({balanced(operator, texts[half:])})"


def matched(expression: str, *, wanted: bool, one_row: bool) -> Sql:
    """A condition that FTS5 answers: for one row at a time, or by all rows that match, once."""
    if one_row:
        text = "EXISTS (SELECT 1 FROM mail WHERE mail MATCH ? AND mail.rowid = {id})"
        return Sql(text if wanted else f"NOT {text}", (expression,))
    sign = "IN" if wanted else "NOT IN"
    text = f"{{id}} {sign} (SELECT rowid FROM mail WHERE mail MATCH ?)"  # noqa: S608
    return Sql(text, (expression,))


def condition(node: Node | Accounts, *, wanted: bool) -> Sql:
    """Return the condition that a leaf of the tree is, or its opposite."""
    one = _condition(node)
    return one if wanted else Sql(f"NOT ({one.text})", one.values)


def _condition(node: Node | Accounts) -> Sql:
    if isinstance(node, Dated):
        return _dated(node)
    if isinstance(node, Sized):
        return _sized(node, "{size}")
    if isinstance(node, Accounts):
        is_it = account_is(node)
        text = f"EXISTS (SELECT 1 FROM cat.uidls u WHERE u.message = {{id}} AND {is_it.text})"  # noqa: S608
        return Sql(text, is_it.values)
    if isinstance(node, Is):
        if node.state == "duplicate":
            return Sql("(SELECT count(*) FROM cat.uidls u WHERE u.message = {id}) > 1")
        text = "EXISTS (SELECT 1 FROM cat.uidls u WHERE u.message = {id} AND u.fate = ?)"
        return Sql(text, (int(Fate.QUARANTINED),))
    if isinstance(node, InThread):
        of = _identified(node.of)
        # A message that is alone in its conversation is not in the table.
        text = (
            f"{{id}} IN (SELECT t.message FROM threads t WHERE t.thread IN (SELECT o.thread FROM"  # noqa: S608
            f" threads o WHERE o.message IN ({of.text})) UNION {of.text})"
        )
        return Sql(text, of.values * 2)
    assert isinstance(node, Identified | HasMessageId)
    of = _identified(node)
    return Sql(f"{{id}} IN ({of.text})", of.values)


def driving(node: Node | Accounts) -> Sql:
    """Return a condition that gives its rows before it is asked of others."""
    if isinstance(node, Accounts):
        of = of_account(node)
        return Sql(f"{{id}} IN ({of.text})", of.values)
    if isinstance(node, Sized):
        of = of_size(node)
        return Sql(f"{{id}} IN ({of.text})", of.values)
    if isinstance(node, Is):
        text = (
            "{id} IN (SELECT u.message FROM cat.uidls u WHERE u.fate = ? AND u.message IS NOT NULL)"
        )
        return Sql(text, (int(Fate.QUARANTINED),))
    return _condition(node)


def among(node: Node | Accounts) -> Sql:
    """Return the condition that a message is one of those of a size, which are found once, before."""
    assert isinstance(node, Sized)
    of = of_size(node)
    # The plus keeps FTS5 from being asked once for each row id.
    return Sql(f"+{{id}} IN ({of.text})", of.values)


def _identified(node: Identified | HasMessageId) -> Sql:
    """Select the row ids of the messages that are called so, by an index of the catalog."""
    if isinstance(node, HasMessageId):
        text = "SELECT i.id FROM cat.messages i WHERE i.message_id_hash = ?"
        return Sql(text, (hash_of(node.message_id),))
    low = bytes.fromhex(node.digits.ljust(64, "0"))
    high = bytes.fromhex(node.digits.ljust(64, "f"))
    return Sql("SELECT i.id FROM cat.messages i WHERE i.sha256 BETWEEN ? AND ?", (low, high))


def account_is(node: Accounts) -> Sql:
    """The condition on a row ``u`` of the ledger."""
    if len(node.names) == 1:
        return Sql("u.account = (SELECT a.id FROM cat.accounts a WHERE a.name = ?)", node.names)
    marks = ", ".join("?" * len(node.names))
    text = f"u.account IN (SELECT a.id FROM cat.accounts a WHERE a.name IN ({marks}))"  # noqa: S608
    return Sql(text, node.names)


def of_account(node: Accounts) -> Sql:
    """Select the row ids of the messages of accounts, some of them repeatedly."""
    is_it = account_is(node)
    text = f"SELECT u.message FROM cat.uidls u WHERE {is_it.text} AND u.message IS NOT NULL"  # noqa: S608
    return Sql(text, is_it.values)


def of_size(node: Sized) -> Sql:
    """Select the row ids of the messages of a size."""
    is_it = _sized(node, "z.size_bytes")
    return Sql(f"SELECT z.id FROM cat.messages z WHERE {is_it.text}", is_it.values)  # noqa: S608


def _sized(node: Sized, size: str) -> Sql:
    limits = ((f"{size} > ?", node.above), (f"{size} < ?", node.below))
    given = [(text, limit) for text, limit in limits if limit is not None]
    return Sql(" AND ".join(text for text, _ in given), tuple(limit for _, limit in given))


_RUN_END = (
    "ifnull((SELECT r.id + 1 FROM cat.messages r WHERE r.id >= ? AND NOT EXISTS"
    " (SELECT 1 FROM cat.messages n WHERE n.id = r.id + 1) ORDER BY r.id LIMIT 1), 0)"
)


def _dated(node: Dated) -> Sql:
    """Return SQL for a range of dates: a range of ids, and a look at the date where that is not enough.

    A message may have a later id than its date's, if that was taken; then every id between is taken.
    So a limit's id, and the run of ids behind it, hold messages from both sides of the limit.
    """
    texts: list[str] = []
    values: list[object] = []
    if node.start is not None:
        edge = rowid_of(node.start)
        values += (edge, edge, node.start)
        texts.append(f"{{id}} >= ? AND ({{id}} >= {_RUN_END} OR {{date}} >= ?)")
    if node.end is not None:
        edge = rowid_of(node.end)
        values += (edge, edge, edge, node.end)
        texts.append(f"{{id}} < max(?, {_RUN_END}) AND ({{id}} < ? OR {{date}} < ?)")
    return Sql(" AND ".join(texts), tuple(values))
