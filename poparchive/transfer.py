"""Export: messages of an archive into other programs' files, in constant memory."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from poparchive.archive import searches
from poparchive.archive.read import Reader
from poparchive.formats.eml import EmlWriter
from poparchive.formats.mbox import MboxWriter
from poparchive.index.lookup import Located
from poparchive.index.search import Searcher


def choose(reader: Reader, query: str, account: str | None) -> list[int]:
    """Return the row ids of what to export: in the order of dates if there is a query, else in the
    order of the packs, which is the fastest to read."""
    if not query:
        return [m.key for m in reader.lookup.stored_order(account)]
    if account is not None:
        query = f'({query}) account:"{account}"'
    layout = reader.layout
    saved = partial(searches.load, layout.root)
    with Searcher(layout.catalog, layout.search, saved=saved) as searcher:
        return list(searcher.keys(query))


class MboxTarget:
    """One mbox."""

    def __init__(self, stream: BinaryIO, dialect: str) -> None:
        self._writer = MboxWriter(stream, dialect)

    def write(self, pieces: Iterator[bytes], message: Located) -> None:
        # The first piece comes after the whole message was proved: damage leaves no half of one.
        first = next(pieces, b"")
        self._writer.write(
            _chain(first, pieces), sender=_address(message.sender), date=message.date
        )


class EmlTarget:
    """A directory of files, one a message, with its exact octets."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._writer = EmlWriter(directory)

    def write(self, pieces: Iterator[bytes], message: Located) -> None:
        self._writer.write(pieces, date=message.date, subject=message.subject, identity=message.id)


def _address(sender: str) -> str:
    """The bare address of a From field, for the From_ line."""
    found = re.search(r"<([^<>\s]+)>", sender) or re.search(r"([^<>\s,;]+@[^<>\s,;]+)", sender)
    return found[1] if found else ""


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
