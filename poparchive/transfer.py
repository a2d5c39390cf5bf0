"""Export: messages of an archive into other programs' files, in constant memory."""

import re
from array import array
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from poparchive.archive import searches
from poparchive.archive.read import IN_MEMORY_BYTES, Reader
from poparchive.archive.sweep import sweep
from poparchive.formats.eml import EmlWriter
from poparchive.formats.mbox import MboxWriter
from poparchive.index.lookup import Located
from poparchive.index.search import Searcher

Pieces = Iterable[bytes]
"""A message's octets. Where they come one by one, damage raises before the first."""


class Chosen:
    """Messages to export: in the order of dates if there is a query, else in the order of the packs, which
    is the fastest to read."""

    def __init__(self, reader: Reader, query: str, account: str | None) -> None:
        self._reader = reader
        self._by_date = bool(query)
        if not query:
            self._keys = reader.lookup.stored_keys(account)
            return
        if account is not None:
            query = f'({query}) account:"{account}"'
        layout = reader.layout
        saved = partial(searches.load, layout.root)
        with Searcher(layout.catalog, layout.search, saved=saved) as searcher:
            self._keys = array("q", searcher.keys(query))

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[tuple[Located, Pieces]]:
        reader = self._reader
        if self._by_date:
            for message in reader.lookup.by_keys(self._keys):
                yield message, reader.octets(message)
        else:
            for message, octets in sweep(reader, self._keys):
                yield message, reader.octets(message) if octets is None else (octets,)


class MboxTarget:
    """One mbox."""

    def __init__(self, stream: BinaryIO, dialect: str) -> None:
        self._writer = MboxWriter(stream, dialect)

    def write(self, pieces: Pieces, message: Located) -> None:
        # The first piece comes after the whole message was proved: damage leaves no half of one.
        rest = iter(pieces)
        first = next(rest, b"")
        sender, date = _address(message.sender), message.date
        if len(first) == message.size_bytes <= IN_MEMORY_BYTES:
            self._writer.write_whole(first, sender=sender, date=date)
        else:
            self._writer.write(chain((first,), rest), sender=sender, date=date)


class EmlTarget:
    """A directory of files, one a message, with its exact octets."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._writer = EmlWriter(directory)

    def write(self, pieces: Pieces, message: Located) -> None:
        self._writer.write(pieces, date=message.date, subject=message.subject, identity=message.id)


def _address(sender: str) -> str:
    """The bare address of a From field, for the From_ line."""
    found = re.search(r"<([^<>\s]+)>", sender) or re.search(r"([^<>\s,;]+@[^<>\s,;]+)", sender)
    return found[1] if found else ""
