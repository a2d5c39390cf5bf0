"""Empties packs that nothing makes whole, and tells whether one may go.

A pack goes only when every message that the journal names can be made without it: what it held has been
stored again, read back and compared by its hash. An object that cannot be read anywhere keeps its pack.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from itertools import islice

from poparchive.archive import packlist
from poparchive.archive.objects import gather, readable
from poparchive.archive.read import Reader
from poparchive.archive.repair.restore import Restorer
from poparchive.archive.spool import Spooled
from poparchive.errors import PoparchiveError
from poparchive.index.catalog import Catalog
from poparchive.index.ordering import Ordering
from poparchive.store import journal
from poparchive.store.digest import sha256
from poparchive.store.errors import DamageError
from poparchive.store.journal import TornEntryError
from poparchive.store.layout import Layout
from poparchive.store.packread import PackReader
from poparchive.store.records import ArchivedRecord, DuplicateRecord

_AT_A_TIME = 500


def move_out(layout: Layout, packs: Iterable[int]) -> int:
    """Store again all that can be read of these packs; return how many messages that were.

    The catalog has to be up to the journal, and is behind it afterwards.
    """
    with (
        closing(Restorer(layout, set(packs))) as restorer,
        closing(Ordering(layout.catalog)) as ordering,
        closing(PackReader(layout)) as reader,
        Reader(layout.root, layout) as archive,
    ):
        for message in ordering.standing("messages", ordering.messages(list(packs))):
            try:
                octets = gather(archive.octets(archive.lookup.by_key(message.key)), layout)
            except PoparchiveError:
                continue
            restorer.add(message.id, octets, int(time.time()))
            if isinstance(octets, Spooled):
                octets.discard()
        for blob in ordering.standing("blobs", ordering.blobs(list(packs))):
            try:
                content = reader.read(blob.place)
            except DamageError:
                continue
            if sha256(content) == blob.id:
                restorer.add_blob(blob.id, content, int(time.time()))
        restorer.commit(int(time.time()))
        return restorer.restored


def unknown(layout: Layout) -> set[bytes]:
    """Return the messages that the journal names and the catalog does not have."""
    missing: set[bytes] = set()
    with closing(Catalog(layout.catalog, archive=layout.id)) as catalog:
        named = _named(layout)
        while some := list(islice(named, _AT_A_TIME)):
            missing |= set(some) - catalog.known_messages(some)
    return missing


def _named(layout: Layout) -> Iterator[bytes]:
    # A torn last entry was never acknowledged.
    with suppress(TornEntryError):
        for entry in journal.read(layout):
            for record in entry.records:
                if isinstance(record, ArchivedRecord | DuplicateRecord):
                    yield record.message


def held(layout: Layout, number: int, length: int) -> str:
    """Say what a pack holds that is not elsewhere, by the catalog and by the pack's own tables; empty if
    that is nothing."""
    with closing(Ordering(layout.catalog)) as ordering, closing(PackReader(layout)) as reader:
        count = ordering.holds([number]).get(number)
        if count:
            return f"{count} objects stand there and cannot be moved"
        for frame in readable(layout, reader, number, length):
            if not packlist.stands_elsewhere(ordering, frame):
                return f"the frame at {frame.start} holds an object that the catalog does not know"
    return ""
