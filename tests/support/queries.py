"""Random trees of the search language, random mail for them, and what each tree means: by brute force."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import strategies as st

from poparchive.index.keys import hash_of, rowid_of
from poparchive.index.matching import COLUMNS_OF
from poparchive.query import fields
from poparchive.query.tree import (
    And,
    Dated,
    FileType,
    HasAttachment,
    HasMessageId,
    Identified,
    InAccount,
    InThread,
    Is,
    Language,
    Near,
    Node,
    Not,
    Or,
    Sized,
    Stem,
    Words,
)

COLUMNS = (
    *("body", "subject", "sender", "recipients", "copies", "blind", "lists", "labels"),
    *("attachments", "contents", "flags"),
)
TEXTS = COLUMNS[:-1]
ACCOUNTS = ("anna", "office")
FORMS = {"ab": ("ab", "aba"), "b": ("b", "ba")}
"""What a stemmer would say: forms of two of the words."""

WORDS = ("aa", "ab", "aba", "b", "ba", "c")
_DATES = (0, 31, 32, 33, 64, 70, 96, 1000)
_IDS = ("aaaa" + "0" * 60, "aaaa" + "1" * 60, "bbbb" + "0" * 60)
_MESSAGE_IDS = ("one@example.com", "two@example.com")


@dataclass(frozen=True)
class Mail:
    """One message as index, catalog and ledger have it."""

    key: int
    date: int
    size: int
    id: str
    message_id: str
    accounts: tuple[str, ...]
    thread: int
    marks: frozenset[str]
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)


@st.composite
def mails(draw: st.DrawFn) -> list[Mail]:
    """A few messages; some push each other's row ids away."""
    found: list[Mail] = []
    taken: set[int] = set()
    for number in range(draw(st.integers(0, 8))):
        date = draw(st.sampled_from(_DATES))
        key = next(n for n in itertools.count(rowid_of(date)) if n not in taken)
        taken.add(key)
        texts = draw(
            st.dictionaries(
                st.sampled_from(TEXTS), st.lists(st.sampled_from(WORDS), max_size=6).map(tuple)
            )
        )
        found.append(
            Mail(
                key,
                date,
                draw(st.integers(0, 3)),
                f"{draw(st.sampled_from(('aaaa', 'bbbb')))}{number:060x}",
                draw(st.sampled_from(_MESSAGE_IDS)),
                tuple(draw(st.lists(st.sampled_from(ACCOUNTS), min_size=1, max_size=3))),
                draw(st.sampled_from((0, 7, 8))),
                frozenset(
                    draw(st.sets(st.sampled_from(("attachment", "signed", "typepdf", "langpl"))))
                ),
                texts,
            )
        )
    return found


_texts = st.sampled_from([*WORDS, "aa b", "b ba", "ab-ab"])
_text_fields = st.sampled_from(["", *fields.TEXT])
_words = st.builds(Words, _texts, st.just(False), _text_fields) | st.builds(
    Words, st.sampled_from(["a", "b", "aa-b"]), st.just(True), _text_fields
)


@st.composite
def _nears(draw: st.DrawFn) -> Near:
    name = draw(_text_fields)
    some = draw(st.lists(_words, min_size=2, max_size=3))
    words = tuple(Words(one.text, one.prefix, name) for one in some)
    return Near(words, draw(st.integers(0, 3)), name)


@st.composite
def _dates(draw: st.DrawFn) -> Dated:
    edges = st.none() | st.sampled_from(_DATES)
    start, end = draw(edges), draw(edges)
    if start is None and end is None:
        start = 32
    if start is not None and end is not None and start >= end:
        end = start + 1
    return Dated(start, end)


_ids = st.sampled_from([Identified("aaaa"), Identified("bbbb" + "0" * 59), Identified("abcd")])
_message_ids = st.sampled_from([HasMessageId(one) for one in (*_MESSAGE_IDS, "none@example.com")])
_leaves = st.one_of(
    _words,
    _words,
    st.builds(Stem, st.sampled_from(["ab", "b"]), _text_fields),
    _nears(),
    st.just(HasAttachment()),
    st.builds(Is, st.sampled_from(list(fields.STATES))),
    st.sampled_from([FileType("pdf"), FileType("doc"), Language("pl"), Language("de")]),
    _dates(),
    st.builds(Sized, st.integers(0, 3), st.none()),
    st.builds(Sized, st.none(), st.integers(0, 3)),
    st.builds(InAccount, st.sampled_from([*ACCOUNTS, "nobody"])),
    _ids,
    _message_ids,
    st.builds(InThread, _ids | _message_ids),
)


def grown(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    """Return operators with some of these below them."""
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.builds(Not, inner) | st.builds(And, several) | st.builds(Or, several)


trees: st.SearchStrategy[Node] = st.recursive(_leaves, grown, max_leaves=8)
"""Trees as the parser makes them."""


def found(tree: Node, mail: list[Mail]) -> set[int]:
    """Return the row ids of what a tree means, looking at each message."""
    return {one.key for one in mail if _means(tree, one, mail)}


def _means(node: Node, mail: Mail, all_mail: list[Mail]) -> bool:
    if isinstance(node, Not):
        return not _means(node.inner, mail, all_mail)
    if isinstance(node, And):
        return all(_means(one, mail, all_mail) for one in node.all)
    if isinstance(node, Or):
        return any(_means(one, mail, all_mail) for one in node.any)
    if isinstance(node, Words):
        return any(
            next(_places(node, text), None) is not None for text in _searched(node.field, mail)
        )
    if isinstance(node, Stem):
        return any(set(FORMS[node.text]) & set(text) for text in _searched(node.field, mail))
    if isinstance(node, Near):
        return any(_near(node, text) for text in _searched(node.field, mail))
    if isinstance(node, Dated):
        late = node.start is None or mail.date >= node.start
        return late and (node.end is None or mail.date < node.end)
    if isinstance(node, Sized):
        return mail.size > node.above if node.above is not None else mail.size < (node.below or 0)
    if isinstance(node, InThread):
        named = [one for one in all_mail if _means(node.of, one, all_mail)]
        return mail in named or bool(mail.thread and mail.thread in {n.thread for n in named})
    return _simple(node, mail)


def _simple(node: Node, mail: Mail) -> bool:
    if isinstance(node, InAccount):
        return node.name in mail.accounts
    if isinstance(node, Identified):
        return mail.id.startswith(node.digits)
    if isinstance(node, HasMessageId):
        return hash_of(mail.message_id) == hash_of(node.message_id)
    if isinstance(node, HasAttachment):
        return "attachment" in mail.marks
    if isinstance(node, FileType):
        return f"type{node.ending}" in mail.marks
    if isinstance(node, Language):
        return f"lang{node.code}" in mail.marks
    assert isinstance(node, Is)
    if node.state == "duplicate":
        return len(mail.accounts) > 1
    return node.state in mail.marks


def _searched(name: str, mail: Mail) -> Iterator[tuple[str, ...]]:
    for column in COLUMNS_OF[name] if name else TEXTS:
        yield mail.columns.get(column, ())


def _places(node: Words, text: tuple[str, ...]) -> Iterator[int]:
    """Yield where in a column a phrase begins."""
    *whole, last = re.findall(r"\w+", node.text)
    for at in range(len(text) - len(whole)):
        end = text[at + len(whole)]
        hit = end.startswith(last) if node.prefix else end == last
        if hit and list(text[at : at + len(whole)]) == whole:
            yield at


def _near(node: Near, text: tuple[str, ...]) -> bool:
    """The rule of FTS5: from the end of each phrase to the beginning of the last one are so many words."""
    lengths = [len(re.findall(r"\w+", one.text)) for one in node.words]
    for places in itertools.product(*(list(_places(one, text)) for one in node.words)):
        last = max(places)
        if all(p + n + node.distance >= last for p, n in zip(places, lengths, strict=True)):
            return True
    return False
