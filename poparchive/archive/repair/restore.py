"""Stores messages again whose objects cannot be read: as ordinary frames, with an entry of the journal.

The copy that the journal committed last counts, so the catalog points at the new ones once the entry is
applied.
"""

import hashlib
from collections.abc import Iterator

from poparchive.archive.framing import Framer
from poparchive.archive.indexer import read_position
from poparchive.archive.opening import open_pack
from poparchive.archive.spool import Spooled
from poparchive.index.catalog import Catalog
from poparchive.mime.split import Literal, pieces
from poparchive.mime.structure import parse
from poparchive.model import Location
from poparchive.store import codec, recipe
from poparchive.store.digest import sha256
from poparchive.store.errors import DamageError, StoreError
from poparchive.store.frame import Object, ObjectKind
from poparchive.store.journal import JournalWriter
from poparchive.store.layout import Layout
from poparchive.store.pack import PackWriter
from poparchive.store.packread import PackReader
from poparchive.store.records import PackRecord

_BATCH_BYTES = 8 << 20


class Restorer:
    """Takes messages; they are kept when ``commit`` has returned. Needs a catalog up to the journal."""

    def __init__(self, layout: Layout, broken: set[int]) -> None:
        """``broken`` are packs that cannot be gone on with."""
        self._layout = layout
        self._catalog = Catalog(layout.catalog)
        last = open_pack(self._catalog)
        self._packs = PackWriter(layout, None if last and last.number in broken else last)
        self._journal = JournalWriter(layout, read_position(self._catalog.position()))
        self._reader = PackReader(layout)
        self._frames = Framer(self._packs)
        self._blobs: set[bytes] = set()
        self._pending = 0
        self.restored = 0

    def close(self) -> None:
        """Close without syncing what was not committed."""
        self._frames.close()
        self._packs.close()
        self._journal.close()
        self._reader.close()
        self._catalog.close()

    def add(self, identity: bytes, message: bytes | Spooled, now: int) -> None:
        """Store a message whose octets have this hash, and those of its blobs that cannot be read."""
        builder = recipe.Builder()
        for piece in pieces(message, parse(message).leaves()):
            if isinstance(piece, Literal):
                builder.literal(message[piece.start : piece.end])
                continue
            digest = sha256(piece.content)
            reference = recipe.Reference(
                digest, len(piece.content), piece.line, piece.lf, piece.closed
            )
            builder.reference(reference)
            if digest not in self._blobs and not self._there(digest):
                self._blobs.add(digest)
                blob = Object(ObjectKind.BLOB, digest, piece.content)
                self._frames.add([(blob, codec.compresses(piece.content))])
        self._frames.add([(Object(ObjectKind.RECIPE, identity, builder.finish()), True)])
        self._pending += min(len(message), _BATCH_BYTES)
        self.restored += 1
        if self._pending >= _BATCH_BYTES:
            self.commit(now)

    def commit(self, now: int) -> None:
        """Prove what was added from the pack itself, and note it in the journal."""
        self._frames.flush()
        blobs, recipes = self._frames.take()
        self._pending = 0
        if not recipes:
            return
        states = self._packs.commit()
        for identity, place in recipes.items():
            digest = hashlib.sha256()
            for piece in self._join(place, blobs):
                digest.update(piece)
            if digest.digest() != identity:
                raise DamageError(
                    f"message {identity.hex()} does not come out of the pack as it went in; it was not"
                    " stored again. The disk or the memory may be faulty."
                )
        self._journal.append([PackRecord(s.number, s.length, s.sealed) for s in states], now)

    def _join(self, place: Location, blobs: dict[bytes, Location]) -> Iterator[bytes]:
        def fetch(reference: recipe.Reference) -> bytes:
            where = blobs.get(reference.id) or self._catalog.blob_place(reference.id)
            if where is None:
                raise DamageError(f"blob {reference.id.hex()} is not where it should be")
            return self._reader.read(where)

        return recipe.join(self._reader.read(place), fetch)

    def _there(self, identity: bytes) -> bool:
        """Whether a blob that the catalog knows can be read."""
        place = self._catalog.blob_place(identity)
        if place is None:
            return False
        try:
            return sha256(self._reader.read(place)) == identity
        except StoreError:
            return False
