"""The planner: whatever a query means, its statement finds exactly that, by whichever way it goes."""

import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poparchive.index.keys import hash_of
from poparchive.index.known import FEW, MANY, MANY_COUNTED, SIZES, SIZES_COUNTED, Known
from poparchive.index.plan import plan
from poparchive.query import parse
from poparchive.query.tree import And, Node, Not, Or, Words
from tests.support.queries import ACCOUNTS, COLUMNS, FORMS, TEXTS, WORDS, Mail, found, mails, trees

OLD = ("body", "subject", "sender", "recipients", "attachments", "flags")


class Database:
    """Index and catalog in memory, in the layout of docs/search-index.md."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        run = self.connection.execute
        run("ATTACH ':memory:' AS cat")
        options = "content='', tokenize='unicode61 remove_diacritics 2'"
        run(f"CREATE VIRTUAL TABLE mail USING fts5({', '.join(COLUMNS)}, {options})")
        run("CREATE TABLE threads(message INTEGER PRIMARY KEY, thread INTEGER NOT NULL)")
        run(
            "CREATE TABLE cat.messages(id INTEGER PRIMARY KEY, sha256 BLOB UNIQUE, date INTEGER,"
            " size_bytes INTEGER, message_id_hash INTEGER)"
        )
        run("CREATE TABLE cat.accounts(id INTEGER PRIMARY KEY, name TEXT)")
        run("CREATE TABLE cat.uidls(id INTEGER PRIMARY KEY, account INT, fate INT, message INT)")
        run("CREATE INDEX cat.ix_uidls_message ON uidls(message)")
        run("CREATE INDEX cat.ix_uidls_account ON uidls(account)")
        run("CREATE INDEX cat.ix_hash ON messages(message_id_hash)")
        self.connection.executemany("INSERT INTO accounts VALUES (?, ?)", enumerate(ACCOUNTS, 1))

    def hold(self, mail: list[Mail]) -> None:
        """Hold these messages and no others."""
        run = self.connection.execute
        run("BEGIN")
        run("INSERT INTO mail(mail) VALUES ('delete-all')")
        for table in ("threads", "messages", "uidls"):
            run(f"DELETE FROM {table}")
        marks = ", ".join("?" * (1 + len(COLUMNS)))
        for one in mail:
            texts = [" ".join(one.columns.get(name, ())) for name in TEXTS]
            flags = " ".join(f"\ue000{mark}" for mark in sorted(one.marks))
            run(
                f"INSERT INTO mail(rowid, {', '.join(COLUMNS)}) VALUES ({marks})",
                (one.key, *texts, flags),
            )
            row = (one.key, bytes.fromhex(one.id), one.date, one.size, hash_of(one.message_id))
            run("INSERT INTO messages VALUES (?, ?, ?, ?, ?)", row)
            for name in one.accounts:
                number = ACCOUNTS.index(name) + 1
                run("INSERT INTO uidls(account, fate, message) VALUES (?, 1, ?)", (number, one.key))
            if one.thread:
                run("INSERT INTO threads VALUES (?, ?)", (one.key, one.thread))
        # One that was never kept.
        run("INSERT INTO uidls(account, fate, message) VALUES (1, 4, NULL)")
        run("COMMIT")


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    one = Database()
    yield one
    one.connection.close()


def beginnings(beginning: str) -> tuple[str, ...]:
    return tuple(word for word in WORDS if word.startswith(beginning))


def forms(word: str, languages: tuple[str, ...]) -> tuple[str, ...]:
    return FORMS[word]


rows = st.sampled_from([0, FEW + 1, SIZES + 1, MANY + 1, SIZES_COUNTED + 1, MANY_COUNTED + 1])
"""How many rows there are said to be: on each side of what decides."""


@settings(max_examples=200, deadline=None)
@given(
    tree=trees,
    mail=mails(),
    few=st.booleans(),
    matches=rows,
    others=rows,
    counting=st.booleans(),
    narrow=st.booleans(),
)
def test_a_statement_finds_what_its_tree_means(
    database: Database,
    tree: Node,
    mail: list[Mail],
    few: bool,
    matches: int,
    others: int,
    counting: bool,
    narrow: bool,
) -> None:
    """Equal to looking at each message, whichever way is thought the shorter one, newest first."""
    database.hold(mail)
    known = Known(
        frozenset(COLUMNS),
        forms,
        beginnings if few else lambda beginning: (),
        lambda select, values, limit: (matches if "MATCH" in select else others) <= limit,
    )
    statement = plan(tree, known, counting=counting, narrow=narrow)
    run = database.connection.execute
    expected = found(tree, mail)
    rows = [row[0] for row in run(statement.rows(), statement.parameters)]
    assert sorted(rows) == sorted(expected)
    rows = [row[0] for row in run(statement.newest("{id}, 1"), statement.parameters)]
    assert rows == sorted(expected, reverse=True)
    assert run(statement.counted(), statement.parameters).fetchone()[0] == len(expected)


@settings(max_examples=100, deadline=None)
@given(tree=trees, mail=mails())
def test_an_older_index_finds_nothing_that_is_not_meant(
    database: Database, tree: Node, mail: list[Mail]
) -> None:
    """What an index has no column for is named, and the rest is answered without it."""
    # The old index had one column for all recipients and another mark for attachments.
    known = Known(frozenset(OLD), forms, threads=False)
    statement = plan(tree, known)
    database.hold(mail)
    rows = {row[0] for row in database.connection.execute(statement.rows(), statement.parameters)}
    if not statement.missing and not _asks(tree, ("to", "addr", "")) and "Attach" not in repr(tree):
        assert rows == found(tree, mail)


def _asks(tree: Node, names: tuple[str, ...]) -> bool:
    return any(f"field='{name}'" in repr(tree) for name in names)


@pytest.mark.parametrize(
    ("query", "missing"),
    [
        ("cc:a", ("cc:",)),
        ("a OR label:b OR is:signed", ("label:", "is:signed")),
        ("-attachment:a", ("attachment:",)),
        ("thread:<a@b>", ("thread:",)),
        ("to:a addr:b from:c has:attachment", ()),
    ],
)
def test_an_older_index_says_what_it_cannot_tell(query: str, missing: tuple[str, ...]) -> None:
    """Fields without a column are named; those with one of several are asked there."""
    statement = plan(parse(query, now=0), Known(frozenset(OLD), threads=False))
    assert statement.missing == missing


def test_no_word_finds_a_mark(database: Database) -> None:
    """The column of marks is no text: neither a mark's word nor what begins so finds it."""
    mail = [
        Mail(1, 32, 1, "aaaa" + "0" * 60, "a@b", ("anna",), 0, frozenset({"signed", "typepdf"}))
    ]
    database.hold(mail)
    for text in ("signed", "\ue000signed", "\ue000", "\ue000s", "typepdf", "pdf"):
        for prefix in (False, True):
            statement = plan(Words(text, prefix), Known(frozenset(COLUMNS)))
            rows = database.connection.execute(statement.rows(), statement.parameters)
            assert rows.fetchall() == []
    statement = plan(parse("is:signed filetype:pdf", now=0), Known(frozenset(COLUMNS)))
    rows = database.connection.execute(statement.rows(), statement.parameters)
    assert rows.fetchall() == [(1,)]


def streams(query: str, *, few: bool = False, counting: bool = False) -> list[str]:
    known = Known(frozenset(COLUMNS), few=lambda *_: few)
    statement = plan(parse(query, now=0), known, counting=counting)
    names = [one.match or one.table.split()[0] for one in statement.streams]
    return [names[0], *(f"{j} {n}" for j, n in zip(statement.joins, names[1:], strict=True))]


def test_all_that_fts5_can_answer_is_one_match() -> None:
    """Whatever stands between words, and a NOT alone is a difference of two streams."""
    assert streams("a b OR -(c d)") == ["cat.messages", 'EXCEPT (("c" AND "d") NOT ("a" AND "b"))']
    assert streams("a -b") == ['("a" NOT "b")']
    assert streams("-a") == ["cat.messages", 'EXCEPT "a"']


def test_an_alternative_of_words_and_numbers_is_a_union() -> None:
    """No million rows are looked at for the one side, nor kept for the other."""
    assert streams("a OR larger:5M") == ['"a"', "UNION cat.messages"]
    assert streams("c (a OR after:2024)") == ['("c" AND "a")', 'UNION "c"']
    assert streams("during:2020 OR during:2022") == ["cat.messages", "UNION cat.messages"]


def conditions_of(query: str) -> list[tuple[str, tuple[object, ...]]]:
    (stream,) = plan(parse(query, now=0), Known(frozenset(COLUMNS))).streams
    return [(one.text, one.values) for one in stream.where]


def test_ranges_that_overlap_are_one() -> None:
    """The tightest limits count, once; what nothing can be in looks at no message."""
    assert conditions_of("larger:1M larger:5M smaller:9M") == [
        ("{size} > ? AND {size} < ?", (5 << 20, 9 << 20))
    ]
    assert conditions_of("-larger:9 larger:5") == conditions_of("larger:5 smaller:10")
    dates = "after:2024-01-01 before:2024-06-01"
    assert conditions_of(f"{dates} after:2023-01-01 before:2025-01-01") == conditions_of(dates)
    for nothing in ("larger:5 smaller:6", "during:2020 during:2021", "a smaller:5 larger:5"):
        assert conditions_of(nothing) == [("0", ())], nothing
    assert conditions_of("larger:5 smaller:7") != [("0", ())]


def test_one_of_several_accounts_is_one_condition() -> None:
    """Each message is looked up in the ledger once, however many accounts are given."""
    ((text, values),) = conditions_of("account:anna OR account:office OR account:anna")
    assert text.count("cat.uidls") == 1
    assert "a.name IN (?, ?)" in text
    assert values == ("anna", "office")
    assert streams("account:anna OR account:office", counting=True) == ["cat.messages"]


def test_what_is_rare_drives() -> None:
    """Ids are looked up first, and an account with little mail."""
    assert streams("a id:abcdef") == ["cat.messages"]
    assert streams("a account:anna", few=True) == ["cat.messages"]
    assert streams("a account:anna") == ['"a"']
    assert streams("account:anna") == ["cat.messages"]
    assert streams("a account:anna", counting=True) == ['"a"', "INTERSECT cat.uidls"]
    assert streams("a larger:5M") == ['"a"', "INTERSECT cat.messages"]
    assert streams("a larger:5M", few=True) == ["cat.messages"]


def test_a_size_of_few_among_many_matches_is_noted_first() -> None:
    """The sizes of all matches are not looked up one by one, nor all messages read."""
    known = Known(
        frozenset(COLUMNS), few=lambda select, values, limit: "MATCH" not in select and limit > FEW
    )
    (one,) = plan(parse("a larger:5M", now=0), known).streams
    assert one.match == '"a"'
    assert (
        "+mail.rowid IN (SELECT z.id FROM cat.messages z WHERE z.size_bytes > ?)" in one.sql().text
    )


def test_a_beginning_of_few_words_is_these_words() -> None:
    """FTS5 would read all that it finds first. A phrase's is its own, and one of many words where all it
    finds may have to be read."""
    known = Known(frozenset(COLUMNS), beginning=lambda text: (text, f"{text}x"))
    tree = parse('subject:AB* "c d" c-d*', now=0)
    assert plan(tree, known).match == '((subject : ("ab" OR "abx")) AND "c d" AND "c-d"*)'
    assert plan(tree, known, counting=True).match == plan(tree, known).match
    many = Known(frozenset(COLUMNS), beginning=lambda text: tuple(f"{text}{n}" for n in range(201)))
    assert plan(parse("a*", now=0), many).match.startswith('("a0" OR "a1" OR')
    assert plan(parse("a*", now=0), many, counting=True).match == '"a"*'
    assert plan(parse("b -a*", now=0), many).match == '("b" NOT "a"*)'


def test_a_message_that_came_twice_counts_once(database: Database) -> None:
    """An account has several UIDLs of one message; sums and differences count messages."""
    twice = Mail(1, 32, 1, "aa" * 32, "a@b", ("anna", "anna"), 0, frozenset())
    other = Mail(2, 64, 1, "bb" * 32, "c@d", ("office",), 0, frozenset())
    database.hold([twice, other])
    for query, expected in (("account:anna", 1), ("-account:anna", 1), ("-account:office", 1)):
        for few in (False, True):
            known = Known(frozenset(COLUMNS), few=lambda *_, few=few: few)
            statement = plan(parse(query, now=0), known, counting=True)
            row = database.connection.execute(statement.counted(), statement.parameters).fetchone()
            assert row == (expected,)


def test_streams_come_in_order_without_sorting(database: Database) -> None:
    """SQLite merges them: a temporary B-tree would read all rows before the first."""
    for query in ("a", "-a", "a OR after:2024", "a larger:5M", "-a larger:1", "is:duplicate"):
        statement = plan(parse(query, now=0), Known(frozenset(COLUMNS)))
        sql = f"EXPLAIN QUERY PLAN {statement.newest()}"
        steps = [row[-1] for row in database.connection.execute(sql, statement.parameters)]
        assert not [step for step in steps if "TEMP B-TREE" in step and "LIST" not in step], query


def test_a_query_of_very_many_alternatives_is_answered(database: Database) -> None:
    """More arms than a union may have are decided row by row."""
    pairs = [Or((Words("aa"), Not(Words("b")), parse(f"larger:{n}", now=0))) for n in range(6)]
    tree = And(tuple(pairs))
    mail = [Mail(n, 32 * n, n, f"{n:064x}", "a@b", ("anna",), 0, frozenset()) for n in range(9)]
    mail[3].columns["body"] = ("b",)
    mail[8].columns["body"] = ("b",)
    database.hold(mail)
    statement = plan(tree, Known(frozenset(COLUMNS)))
    rows = database.connection.execute(statement.newest(), statement.parameters).fetchall()
    assert {row[0] for row in rows} == found(tree, mail)
