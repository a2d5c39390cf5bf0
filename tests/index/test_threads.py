"""Threads: the tree of a conversation, and the tables that say which messages are one."""

import itertools
import random
import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poparchive.index import threads
from poparchive.index.joining import Joining, addresses, joining
from poparchive.index.jwz import Message, Node, tree, walk
from poparchive.index.keys import hash_of, rowid_of
from poparchive.index.search import MEMBERS
from poparchive.index.subjects import base
from poparchive.index.threads import SUBJECT_DAYS, ThreadWriter
from poparchive.mime.text import extract
from tests.support.corpus import CORPUS, corpus_mails, corpus_missing

DAY = 86_400 // 32
"""In row ids."""


# ---- subjects ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "text", "reply"),
    [
        ("hello", "hello", False),
        ("Re: hello", "hello", True),
        ("RE: Hello ", "hello", True),
        ("Re : hello", "hello", True),
        ("Re[2]: hello", "hello", True),
        ("Re: AW: Antw: SV: Odp: Fwd: hello", "hello", True),
        ("Fwd: hello", "hello", False),
        ("WG: hello (fwd)", "hello", False),
        ("[list] Re: hello", "hello", True),
        ("Re: [list] hello", "hello", True),
        ("[only]", "[only]", False),
        ("回复：你好", "你好", True),
        ("Re: two\t words", "two words", True),
        ("Re:", "", True),
        ("Regarding: x", "regarding: x", False),
        ("", "", False),
    ],
)
def test_base_subjects(subject: str, text: str, reply: bool) -> None:
    """What a reply shares with the message it answers is what is left, in any mailer's language."""
    assert base(subject) == (text, reply)


@given(st.text(alphabet="Re:[] (fwd)aAW：", max_size=60))
def test_a_base_has_no_more_to_take_off(subject: str) -> None:
    """A base subject is its own base, unless what is left is a trailer's or a prefix's own letters."""
    once = base(subject).text
    assert base("Re: " + subject).text == once
    assert len(once) <= len(subject)


# ---- the tree ------------------------------------------------------------------------------------

IDS = st.sampled_from("abcdefgh")
MESSAGES = st.lists(
    st.tuples(
        st.integers(0, 5),
        IDS | st.just(""),
        st.lists(IDS, max_size=5),
        st.sampled_from(["s", "Re: s", "t", "Re: t", "", "Re:"]),
    ),
    max_size=12,
).map(lambda rows: [Message(key, *row) for key, row in enumerate(rows)])


def shape(roots: Sequence[Node]) -> list[tuple[int, int | str]]:
    return [(depth, node.message.key if node.message else node.id) for depth, node in walk(roots)]


@given(MESSAGES, st.randoms(use_true_random=False))
def test_any_messages_become_a_forest(messages: list[Message], rnd: random.Random) -> None:
    """Each message stands once, children know their parents, no place of a missing one is useless; and
    the order in which messages are given does not matter."""
    roots = tree(messages)
    nodes = [node for _, node in walk(roots)]
    assert sorted(n.message.key for n in nodes if n.message) == [m.key for m in messages]
    assert len({id(node) for node in nodes}) == len(nodes)
    for node in nodes:
        assert all(child.parent is node for child in node.children)
        assert node.message or node.children
    assert all(root.parent is None for root in roots)
    shuffled = list(messages)
    rnd.shuffle(shuffled)
    assert shape(tree(shuffled)) == shape(roots)


def of(*rows: tuple[str, str, str]) -> list[Message]:
    """Messages by (id, references, subject), a second apart."""
    return [Message(at, at, i, refs.split(), subject) for at, (i, refs, subject) in enumerate(rows)]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param(
            of(("a", "", "s"), ("b", "a", "Re: s"), ("c", "a b", "Re: s"), ("d", "a", "Re: s")),
            [(0, 0), (1, 1), (2, 2), (1, 3)],
            id="references",
        ),
        pytest.param(
            of(("b", "a", "Re: s"), ("c", "a", "Re: s")),
            [(0, "a"), (1, 0), (1, 1)],
            id="a parent that is missing",
        ),
        pytest.param(
            of(("d", "a b c", "Re: s")), [(0, "c"), (1, 0)], id="a row of missing ones is one"
        ),
        pytest.param(
            of(("a", "b", "s"), ("b", "a", "s")), [(0, 1), (1, 0)], id="two that name each other"
        ),
        pytest.param(of(("a", "a", "s")), [(0, 0)], id="one that names itself"),
        pytest.param(
            of(("a", "", "s"), ("a", "", "s"), ("b", "a", "Re: s")),
            [(0, 0), (1, 2), (0, 1)],
            id="a copy",
        ),
        pytest.param(
            of(("a", "", "hello"), ("b", "", "Re: hello")),
            [(0, 0), (1, 1)],
            id="a reply that names nothing",
        ),
        pytest.param(of(("a", "", "hello"), ("b", "", "hello")), [(0, 0), (0, 1)], id="no replies"),
        pytest.param(
            of(("c", "a b", "Re: s"), ("b", "", "s"), ("a", "", "s")),
            [(0, 2), (1, 1), (2, 0)],
            id="what others say where a message says nothing",
        ),
    ],
)
def test_trees(messages: list[Message], expected: list[tuple[int, int | str]]) -> None:
    """What stands under what."""
    assert shape(tree(messages)) == expected


def test_a_very_deep_thread() -> None:
    """Depth costs no stack, and no more than the square of a small number."""
    messages = of(
        *[(str(n), " ".join(map(str, range(max(0, n - 3), n))), "s") for n in range(3000)]
    )
    assert [depth for depth, _ in walk(tree(messages))] == list(range(3000))


# ---- the tables ----------------------------------------------------------------------------------


class Tables:
    """A search index of threads alone, and a catalog that knows what comes before it is indexed."""

    def __init__(self) -> None:
        name = f"file:threads{id(self)}?mode=memory&cache=shared"
        self.catalog = sqlite3.connect(name, uri=True, isolation_level=None)
        self.catalog.execute(
            "CREATE TABLE messages(id INTEGER PRIMARY KEY, message_id_hash INT, sender TEXT, entry INT)"
        )
        self.catalog.execute("CREATE INDEX by_hash ON messages(message_id_hash)")
        self.index = sqlite3.connect(":memory:", isolation_level=None)
        for table in threads.TABLES:
            self.index.execute(table)
        self.writer = ThreadWriter(self.index, Path("unused"))
        self.writer._catalog = self.catalog

    def know(self, message: "Mail", entry: int) -> None:
        self.catalog.execute(
            "INSERT INTO messages VALUES (?, ?, ?, ?)",
            (message.key, hash_of(message.id), message.sender, entry),
        )

    def add(self, messages: Sequence["Mail"], entry: int) -> None:
        self.writer.add([one.joining for one in messages], entry)

    def partition(self, keys: Iterable[int]) -> dict[int, int]:
        """Message to the oldest of its thread."""
        oldest = f"SELECT min(message) FROM ({MEMBERS})"
        return {key: self.index.execute(oldest, (key,)).fetchone()[0] for key in keys}

    def close(self) -> None:
        self.index.close()
        self.catalog.close()


@dataclass
class Mail:
    """A message as far as threads are concerned."""

    key: int
    id: str
    refs: Sequence[str] = ()
    subject: str = ""
    sender: str = "a@x"
    to: str = ""
    list: str = ""

    @property
    def joining(self) -> Joining:
        return joining(self.key, self.id, self.refs, self.subject, self.sender, self.to, self.list)


def by_the_rules(mails: Sequence[Mail]) -> dict[int, int]:
    """The partition as its definition has it, every pair looked at."""
    group = {mail.key: {mail.key} for mail in mails}

    def join(a: int, b: int) -> None:
        if group[a] is not group[b]:
            group[a] |= group[b]
            for key in group[b]:
                group[key] = group[a]

    for a, b in itertools.combinations(mails, 2):
        ids = {a.id, *a.refs} - {""}
        if ids & ({b.id, *b.refs} - {""}):
            join(a.key, b.key)
        for reply, other in ((a, b), (b, a)):
            said = base(reply.subject)
            people = {*addresses(reply.sender)[:1], *addresses(reply.to)}
            by = set(addresses(other.sender)[:1])
            if (
                said.reply
                and said.text
                and not reply.refs
                and said.text == base(other.subject).text
                and 0 < reply.key - other.key <= SUBJECT_DAYS * DAY
                and (by & people or (reply.list and reply.list == other.list))
            ):
                join(reply.key, other.key)
    return {key: min(members) for key, members in group.items()}


PEOPLE = st.sampled_from(["a@x", "b@x", "c@x"])
MAILS = st.lists(
    st.builds(
        Mail,
        st.just(0),
        IDS | st.just(""),
        st.lists(IDS, max_size=3, unique=True),
        st.sampled_from(["s", "Re: s", "t", "Re: t", "", "Re:"]),
        PEOPLE,
        st.lists(PEOPLE, max_size=2).map(", ".join),
        st.sampled_from(["", "", "l.x"]),
    ),
    max_size=14,
)


@given(
    MAILS,
    st.sampled_from((20, 40, 100)).flatmap(
        lambda days: st.lists(st.integers(1, days * DAY), min_size=14, max_size=14, unique=True)
    ),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_the_partition_is_the_rules_in_any_order(
    mails: list[Mail], keys: list[int], rnd: random.Random, ahead: bool
) -> None:
    """However messages come, one by one or in batches, and whether the catalog is ahead or not, the tables
    give the connected components of what belongs together."""
    for mail, key in zip(mails, keys, strict=False):
        mail.key = key
    rnd.shuffle(mails)
    tables = Tables()
    batches = []
    rest = list(mails)
    while rest:
        size = rnd.randint(1, len(rest))
        batches.append(rest[:size])
        rest = rest[size:]
    if ahead:
        for entry, batch in enumerate(batches, 1):
            for mail in batch:
                tables.know(mail, entry)
    for entry, batch in enumerate(batches, 1):
        if not ahead:
            for mail in batch:
                tables.know(mail, entry)
        tables.add(batch, entry)
    expected = by_the_rules(mails)
    assert tables.partition(expected) == expected
    stored = tables.index.execute("SELECT thread, count(*) FROM threads GROUP BY thread").fetchall()
    assert all(count > 1 for _, count in stored)
    ids = {hash_of(mail.id) for mail in mails if mail.id}
    named = {hash_of(one) for mail in mails for one in mail.refs}
    assert {row[0] for row in tables.index.execute("SELECT id FROM thread_ids")} == named - ids
    tables.close()


def test_a_late_message_joins_two_threads() -> None:
    """Two conversations are one when the message comes that both have in common."""
    tables = Tables()
    mails = [Mail(1, "b", ["a"]), Mail(2, "c", ["b"]), Mail(3, "e", ["d"]), Mail(4, "d", ["a"])]
    for entry, mail in enumerate(mails, 1):
        tables.know(mail, entry)
        tables.add([mail], entry)
        if entry == 3:
            assert tables.partition([1, 2, 3]) == {1: 1, 2: 1, 3: 3}
    assert tables.partition([1, 2, 3, 4]) == dict.fromkeys([1, 2, 3, 4], 1)
    assert [row[0] for row in tables.index.execute(MEMBERS, (3,))] == [1, 2, 3, 4]
    tables.close()


@pytest.mark.parametrize(
    ("second", "joins"),
    [
        (Mail(DAY, "b", (), "Re: hello", "bob@x", "alice@x"), True),
        (Mail(DAY, "b", (), "AW: Hello", "alice@x", ""), True),
        (Mail(DAY, "b", (), "hello", "bob@x", "alice@x"), False),
        (Mail(DAY, "b", (), "Fwd: hello", "bob@x", "alice@x"), False),
        (Mail(DAY, "b", ["z"], "Re: hello", "bob@x", "alice@x"), False),
        (Mail(DAY, "b", (), "Re: hello", "bob@x", "carol@x"), False),
        (Mail(DAY, "b", (), "Re: hallo", "bob@x", "alice@x"), False),
        (Mail((SUBJECT_DAYS + 1) * DAY, "b", (), "Re: hello", "bob@x", "alice@x"), False),
        (Mail(SUBJECT_DAYS * DAY, "b", (), "Re: hello", "bob@x", "alice@x"), True),
    ],
)
def test_the_subject_alone(second: Mail, joins: bool) -> None:
    """Only a reply that names nothing is looked for by its subject, among what its people wrote days before;
    whichever of both comes first."""
    first = Mail(5, "a", (), "hello", "Alice <alice@x>", "me@x")
    for order in ((first, second), (second, first)):
        tables = Tables()
        for entry, mail in enumerate(order, 1):
            tables.know(mail, entry)
            tables.add([mail], entry)
        assert (tables.partition([second.key])[second.key] == 5) is joins
        tables.close()


def flood(count: int, kind: str, rnd: random.Random) -> list[Mail]:
    """Messages of one subject, sender and list within the days of the rule, or some times that."""
    subjects = {"replies": "Re: backup", "both": "backup"}
    mails = []
    for n in range(count):
        subject = subjects["replies" if kind != "both" or n % 2 else "both"]
        mails.append(Mail(0, f"{n}@x", (), subject, "cron@x", "ops@x", "l.x"))
    span = 60 * DAY if kind == "spread" else SUBJECT_DAYS * DAY
    for mail, key in zip(mails, sorted(rnd.sample(range(1, span), count)), strict=True):
        mail.key = key
    return mails


@pytest.mark.parametrize("kind", ["replies", "both", "spread"])
@pytest.mark.parametrize(
    "order", ["forward", "backward", "shuffled", "answers first", "answers last"]
)
@pytest.mark.parametrize("size", [1, 2, 40])
def test_what_is_read_grows_with_the_messages(kind: str, order: str, size: int) -> None:
    """Four times as many replies that name nothing cost about four times the steps of SQLite, whatever their
    order and batches: anybody can send them."""

    def steps(count: int) -> int:
        rnd = random.Random(count)
        mails = flood(count, kind, rnd)
        if order == "backward":
            mails.reverse()
        elif order != "forward":
            rnd.shuffle(mails)
        if order.startswith("answers"):
            mails.sort(key=lambda one: base(one.subject).reply != (order == "answers first"))
        tables = Tables()
        taken = 0

        def count_step() -> None:
            nonlocal taken
            taken += 1

        for connection in (tables.index, tables.catalog):
            connection.set_progress_handler(count_step, 10)
        for entry, start in enumerate(range(0, count, size), 1):
            for mail in mails[start : start + size]:
                tables.know(mail, entry)
            tables.add(mails[start : start + size], entry)
        if kind != "spread":
            # The last ones of a kind may stand alone; the flood is one thread.
            (most,) = tables.index.execute(
                "SELECT max(n) FROM (SELECT count(*) AS n FROM threads GROUP BY thread)"
            ).fetchone()
            assert most >= count // 2
        tables.close()
        return taken

    assert steps(320) < 6 * steps(80)


# ---- real mail -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["list_cake", "list_openbmc"])
def test_lists_are_threaded_by_the_rules(name: str) -> None:
    """On real lists the tables give what the definition gives, and each thread is one forest."""
    if reason := corpus_missing():
        pytest.skip(reason)
    mails, messages = [], {}
    for number, (_, octets) in enumerate(corpus_mails([name], limit=250)):
        said = extract(octets)
        key = rowid_of(said.date or 0) * 1000 + number
        others = f"{said.recipients}, {said.copies}, {said.blind}"
        mail = Mail(
            key, said.message_id, said.references, said.subject, said.sender, others, said.lists
        )
        mails.append(mail)
        messages[key] = Message(key, key, said.message_id, said.references, said.subject)
    random.Random(1).shuffle(mails)
    tables = Tables()
    for entry, start in enumerate(range(0, len(mails), 40), 1):
        for mail in mails[start : start + 40]:
            tables.know(mail, entry)
        tables.add(mails[start : start + 40], entry)
    expected = by_the_rules(mails)
    assert tables.partition(expected) == expected
    tables.close()
    threads_of: dict[int, list[Message]] = {}
    for key, first in expected.items():
        threads_of.setdefault(first, []).append(messages[key])
    assert 10 < len(threads_of) < len(mails)
    for members in threads_of.values():
        nodes = [node for _, node in walk(tree(members))]
        assert sorted(n.message.key for n in nodes if n.message) == sorted(m.key for m in members)


def test_threads_of_imap_servers_tests() -> None:
    """The mailboxes that IMAP servers' threading is tried with: loops, missing and repeated ids."""
    if reason := corpus_missing():
        pytest.skip(reason)
    for path in sorted((CORPUS / "imaptest").glob("thread*.mbox")):
        pieces = re.split(rb"(?m)^From user@domain.*\n", path.read_bytes())[1:]
        said = [extract(piece) for piece in pieces]
        messages = [
            Message(n, n, one.message_id, one.references, one.subject) for n, one in enumerate(said)
        ]
        nodes = [node for _, node in walk(tree(messages))]
        assert sorted(n.message.key for n in nodes if n.message) == list(range(len(messages)))
        if path.name == "thread.mbox":
            # Each names another: 2 is below 1, and 3, which is above 2 by its name, cannot be above 1.
            assert len([node for node in nodes if node.parent is None]) == 1
