"""The words of the search index in their order.

FTS5's own table of its vocabulary is asked for one word behind the other: 20 to 100 us each, and up to 10 ms
behind a word that a million messages have, whose places it reads on the way. So the pages of FTS5 that begin
words are read as they lie in its tables, as the head of SQLite's ``fts5_index.c`` describes them: 10 us a
page and 1 us a word. Words of erased messages may be among them until FTS5 merges; they find nothing.
What the same connection wrote and did not commit is in no page yet. An index in a format that is not known
here is asked by the table.
"""

import sqlite3
from collections.abc import Iterator
from heapq import merge
from itertools import groupby, islice
from typing import NamedTuple

from poparchive.index.columns import MARK

MARKS_MOST = 500
"""Of one kind; there are some dozens."""

_FORMAT = 4
_STRUCTURE = 10
_SECOND_STRUCTURE = b"\xff\x00\x00\x01"
_MAIN = b"0"
"""Stands before every word that is not of an index of prefixes."""


class _Span(NamedTuple):
    """Pages of one segment where the words of a beginning, and their places, stand."""

    segment: int
    first: int
    end: int
    least: bytes
    above: bytes


class _UnknownFormatError(Exception):
    pass


def words(connection: sqlite3.Connection, beginning: str, limit: int) -> Iterator[str]:
    """Yield the words that begin so, at most ``limit`` of them. ``beginning`` is as the tokenizer has it."""
    try:
        spans = _spans(connection, beginning)
        some = [list(islice(_words(connection, span), limit)) for span in spans]
        # Octets of UTF-8 have the order of their characters.
        found = [one.decode() for one, _ in islice(groupby(merge(*some)), limit)]
    except (_UnknownFormatError, IndexError, UnicodeDecodeError):
        yield from _asked(connection, beginning, limit)
    else:
        yield from found


def marked(connection: sqlite3.Connection, kind: str) -> list[str]:
    """Return what the index marks messages with, by the kind of mark: ``pdf`` for ``type``. Some may be of
    erased messages only, as with words."""
    mark = f"{MARK}{kind}"
    return [word.removeprefix(mark) for word in words(connection, mark, MARKS_MOST)]


def pages(connection: sqlite3.Connection, beginning: str) -> int:
    """Return how many pages FTS5 reads to find all that begins so; 0 if that is not known."""
    try:
        return sum(max(span.end - span.first, 0) for span in _spans(connection, beginning))
    except (_UnknownFormatError, IndexError):
        return 0


def _asked(connection: sqlite3.Connection, beginning: str, limit: int) -> Iterator[str]:
    create = "CREATE VIRTUAL TABLE IF NOT EXISTS temp.vocabulary USING fts5vocab('main', 'mail', 'instance')"
    connection.execute(create)
    query = "SELECT term FROM temp.vocabulary WHERE term >= ? LIMIT 1"
    at = beginning
    for _ in range(limit):
        row = connection.execute(query, (at,)).fetchone()
        if row is None or not row[0].startswith(beginning):
            return
        yield row[0]
        at = row[0] + "\0"


def _spans(connection: sqlite3.Connection, beginning: str) -> list[_Span]:
    least = _MAIN + beginning.encode()
    above = least + b"\xff"
    spans = []
    for segment, oldest, newest in _segments(connection):
        query = "SELECT pgno >> 1 FROM main.mail_idx WHERE segid = ? AND term"
        before = f"{query} <= ? ORDER BY term DESC LIMIT 1"
        row = connection.execute(before, (segment, least)).fetchone()
        first = max(row[0] if row else 0, oldest)
        row = connection.execute(f"{query} >= ? ORDER BY term LIMIT 1", (segment, above)).fetchone()
        # The last word before may begin on the page where the next one does.
        spans.append(_Span(segment, first, (row[0] if row else newest + 1), least, above))
    return spans


def _segments(connection: sqlite3.Connection) -> list[tuple[int, int, int]]:
    """Return number, first and last page of each segment."""
    run = connection.execute
    row = run("SELECT v FROM main.mail_config WHERE k = 'version'").fetchone()
    if row is None or row[0] != _FORMAT:
        raise _UnknownFormatError
    row = run("SELECT block FROM main.mail_data WHERE id = ?", (_STRUCTURE,)).fetchone()
    if row is None or row[0][4:8] == _SECOND_STRUCTURE:
        raise _UnknownFormatError
    block: bytes = row[0]
    levels, at = _varint(block, 4)
    _, at = _varint(block, at)
    _, at = _varint(block, at)
    found = []
    for _ in range(levels):
        _, at = _varint(block, at)
        count, at = _varint(block, at)
        for _ in range(count):
            segment, at = _varint(block, at)
            first, at = _varint(block, at)
            last, at = _varint(block, at)
            found.append((segment, first, last))
    return found


def _words(connection: sqlite3.Connection, span: _Span) -> Iterator[bytes]:
    """Yield the words of one segment, in the order of their octets."""
    query = "SELECT pgno >> 1 FROM main.mail_idx WHERE segid = ? AND term > ? AND term < ? ORDER BY term"
    rows = connection.execute(query, (span.segment, span.least, span.above)).fetchall()
    for number in [span.first, *(page for (page,) in rows if page > span.first)]:
        key = (span.segment << 37) + number
        row = connection.execute("SELECT block FROM main.mail_data WHERE id = ?", (key,)).fetchone()
        # A merge that is under way has taken its first pages away already.
        for term in _terms(row[0]) if row else ():
            if term >= span.above:
                return
            if term >= span.least:
                yield term[len(_MAIN) :]


def _terms(page: bytes) -> Iterator[bytes]:
    """Yield the words that begin on a page. Behind its first octets the page says where each of them is."""
    at = page[2] << 8 | page[3]
    place = 0
    term = b""
    while at < len(page):
        step, at = _varint(page, at)
        kept, begin = _varint(page, place + step) if place else (0, step)
        place += step
        more, begin = _varint(page, begin)
        term = term[:kept] + page[begin : begin + more]
        yield term


def _varint(block: bytes, at: int) -> tuple[int, int]:
    """Return the number that stands there, and where it ends."""
    octet = block[at]
    if octet < 0x80:
        return octet, at + 1
    value = 0
    for n in range(8):
        octet = block[at + n]
        value = value << 7 | octet & 0x7F
        if octet < 0x80:
            return value, at + n + 1
    return value << 8 | block[at + 8], at + 9
