"""Stores messages again whose objects cannot be read: as ordinary frames, with an entry of the journal.

The copy that the journal committed last counts, so the catalog points at the new ones once the entry is
applied.
"""

import hashlib
from collections.abc import Container, Iterator, Sequence

from poparchive.archive.framing import Framer
from poparchive.archive.opening import open_pack
from poparchive.archive.position import read_position
from poparchive.archive.repair.scratch import Places
from poparchive.archive.spool import Spooled
from poparchive.archive.verify.unnamed import RECOVERED
from poparchive.index.catalog import Catalog
from poparchive.index.lookup import Lookup
from poparchive.mime.split import Body, Literal, halves, pieces
from poparchive.mime.structure import parse
from poparchive.model import Location, MessageId
from poparchive.store import codec, recipe
from poparchive.store.digest import sha256
from poparchive.store.errors import DamageError, StoreError
from poparchive.store.frame import Object, ObjectKind
from poparchive.store.journal import JournalWriter
from poparchive.store.layout import Layout
from poparchive.store.pack import PackWriter
from poparchive.store.packread import PackReader
from poparchive.store.records import (
    AccountRecord,
    ArchivedRecord,
    ListedRecord,
    Record,
    RetiredRecord,
)

_BATCH_BYTES = 8 << 20


class Restorer:
    """Takes messages; they are kept when ``commit`` has returned. Needs a catalog up to the journal."""

    def __init__(self, layout: Layout, broken: set[int]) -> None:
        """``broken`` are packs that cannot be gone on with, and of which nothing is to be needed."""
        self._layout = layout
        self._broken = broken
        self._catalog = Catalog(layout.catalog, archive=layout.id)
        last = open_pack(self._catalog)
        # Before the open pack is cut, as in ``Writer``.
        self._journal = JournalWriter(layout, read_position(self._catalog.position()))
        self._packs = PackWriter(layout, None if last and last.number in broken else last)
        self._reader = PackReader(layout)
        self._lookup = Lookup(layout.catalog, layout.id)
        self._frames = Framer(self._packs)
        self._blobs = Places()
        """Where those are that were stored; the catalog learns it from the entries later."""
        self._queued: set[bytes] = set()
        self._pending = 0
        self._account: int | None = None
        self._next_ledger = self._catalog.next_numbers()[1]
        self._taken: list[tuple[bytes, int]] = []
        """Messages of no known account, and their sizes, since the last entry."""
        self.restored = 0

    def close(self) -> None:
        """Close without syncing what was not committed."""
        self._blobs.close()
        self._frames.close()
        self._packs.close()
        self._journal.close()
        self._reader.close()
        self._lookup.close()
        self._catalog.close()

    def add(self, identity: bytes, message: bytes | Spooled, now: int) -> None:
        """Store a message whose octets have this hash, and those of its blobs that cannot be read."""
        small = isinstance(message, bytes)
        builder = recipe.Builder()
        blobs: dict[bytes, bytes] = {}
        keep = blobs.__setitem__ if small else self._blob
        made = hashlib.sha256()
        for piece in self._cut(identity, message):
            if isinstance(piece, Literal):
                octets = message[piece.start : piece.end]
                builder.literal(octets)
                made.update(octets)
                continue
            digest = sha256(piece.content)
            reference = recipe.Reference(
                digest, len(piece.content), piece.line, piece.lf, piece.closed
            )
            builder.reference(reference)
            made.update(reference.make(piece.content))
            if not self._has(digest) and not self._there(digest):
                keep(digest, piece.content)
        if made.digest() == identity:
            for digest, content in blobs.items():
                self._blob(digest, content)
            octets = builder.finish()
        else:
            octets = recipe.of_literal(message[0 : len(message)])
        self._frames.add([(Object(ObjectKind.RECIPE, identity, octets), True)])
        self._pending += min(len(message), _BATCH_BYTES)
        self.restored += 1
        if self._pending >= _BATCH_BYTES:
            self.commit(now)

    def _cut(self, identity: bytes, message: bytes | Spooled) -> Iterator[Literal | Body]:
        """Split a message as when it came: the catalog knows its parts, and the blobs that they are in. One
        that came while the blob of a part was damaged is without that."""
        known = self._lookup.by_id(identity)
        named = {row[2] for row in self._lookup.facts_of(known.key)[1] if row[2]} if known else None
        for piece in pieces(message, parse(message).leaves(), prove=not isinstance(message, bytes)):
            yield from _as_named(message, piece, named)

    def take_in(self, identity: bytes, message: bytes | Spooled, now: int) -> None:
        """Store a message that the journal does not know, as one of the account for such."""
        self._taken.append((identity, len(message)))
        self.add(identity, message, now)

    def _origins(self) -> list[Record]:
        """Say where the messages came from that were taken in: their UIDLs are their ids."""
        if not self._taken:
            return []
        taken, self._taken = self._taken, []
        made: list[Record] = []
        if self._account is None:
            # One of this name that somebody has configured does as well.
            known = self._catalog.accounts().get(RECOVERED)
            self._account = known[0] if known else self._catalog.next_numbers()[0]
            made += [] if known else [AccountRecord(self._account, RECOVERED, "", "")]
        first, self._next_ledger = self._next_ledger, self._next_ledger + len(taken)
        pairs = tuple((identity.hex().encode(), size) for identity, size in taken)
        made.append(ListedRecord(self._account, first, pairs))
        made += [
            ArchivedRecord(first + n, MessageId(identity)) for n, (identity, _) in enumerate(taken)
        ]
        return made

    def add_blob(self, digest: bytes, content: bytes, now: int) -> None:
        """Store a blob that has this hash, unless a message has brought it."""
        if self._has(digest):
            return
        self._blob(digest, content)
        self._pending += len(content)
        if self._pending >= _BATCH_BYTES:
            self.commit(now)

    def retire(self, packs: Sequence[int], now: int) -> None:
        """Note that these packs hold nothing that is not in others. They may be removed when it returns."""
        self._journal.append([RetiredRecord(number) for number in packs], now)

    def _has(self, digest: bytes) -> bool:
        """Whether a blob was stored, or is queued."""
        return digest in self._queued or self._blobs.get(digest) is not None

    def _blob(self, digest: bytes, content: bytes) -> None:
        self._queued.add(digest)
        blob = Object(ObjectKind.BLOB, digest, content)
        self._frames.add([(blob, codec.compresses(content))])

    def leave(self, now: int) -> bool:
        """Begin a pack if the one that pulls append to is broken, so that they can go on; say whether."""
        last = open_pack(self._catalog)
        if last is None or last.number not in self._broken:
            return False
        self._packs.begin()
        self._note(now)
        return True

    def _note(self, now: int) -> None:
        states = self._packs.commit()
        self._journal.append(states, now)

    def commit(self, now: int) -> None:
        """Prove what was added from the pack itself, and note it in the journal."""
        self._frames.flush()
        blobs, recipes = self._frames.take()
        self._pending = 0
        if not recipes and not blobs:
            return
        states = self._packs.commit()
        for identity, place in blobs.items():
            if sha256(self._reader.read(place)) != identity:
                raise DamageError(
                    f"blob {identity.hex()} does not come out of the pack as it went in; it was not stored"
                    " again. The disk or the memory may be faulty."
                )
        self._blobs.add(blobs)
        self._queued.clear()
        for identity, place in recipes.items():
            digest = hashlib.sha256()
            for piece in self._join(place):
                digest.update(piece)
            if digest.digest() != identity:
                raise DamageError(
                    f"message {identity.hex()} does not come out of the pack as it went in; it was not"
                    " stored again. The disk or the memory may be faulty."
                )
        self._journal.append([*self._origins(), *states], now)

    def _join(self, place: Location) -> Iterator[bytes]:
        def fetch(reference: recipe.Reference) -> bytes:
            where = self._blobs.get(reference.id) or self._catalog.blob_place(reference.id)
            if where is None:
                raise DamageError(f"blob {reference.id.hex()} is not where it should be")
            return self._reader.read(where)

        return recipe.join(self._reader.read(place), fetch)

    def _there(self, identity: bytes) -> bool:
        """Whether a blob that the catalog knows can be read, and from a pack that may stay."""
        place = self._catalog.blob_place(identity)
        if place is None or place.pack in self._broken:
            return False
        try:
            return sha256(self._reader.read(place)) == identity
        except StoreError:
            return False


def _as_named(
    message: bytes | Spooled, piece: Literal | Body, named: Container[object] | None
) -> Iterator[Literal | Body]:
    """Yield a piece so that it needs no blob besides those ``named``, if they are known: as a literal, and of
    a large message in halves, as far as they are named."""
    if named is None or isinstance(piece, Literal) or sha256(piece.content) in named:
        yield piece
    elif isinstance(message, bytes):
        yield Literal(piece.start, piece.end)
    else:
        both = halves(message, piece)
        if not any(sha256(half.content) in named for half in both):
            yield piece
            return
        for half in both:
            yield from _as_named(message, half, named)
