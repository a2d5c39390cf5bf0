"""The storing stage: messages become recipes and blobs, then frames, then a journal entry.

``commit`` is steps 1 and 2 of the commit order (``docs/store-format.md``). One thread runs it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from poparchive.archive.describe import Stored
from poparchive.archive.framing import Framer
from poparchive.archive.spool import Spooled
from poparchive.archive.tally import Tally
from poparchive.index.catalog import Catalog
from poparchive.mime.split import Body, Literal, halves, pieces
from poparchive.mime.structure import Octets, Part, parse
from poparchive.model import Location, MessageId
from poparchive.store import codec, recipe
from poparchive.store.digest import sha256, sha256_of
from poparchive.store.errors import DamageError, FormatError
from poparchive.store.frame import Object, ObjectKind
from poparchive.store.journal import JournalEntry, JournalWriter
from poparchive.store.pack import PackWriter
from poparchive.store.packread import PackReader
from poparchive.store.recipe import Placed, Reference
from poparchive.store.records import (
    ArchivedRecord,
    DuplicateRecord,
    FateRecord,
    ListedRecord,
    Record,
)

BATCH_BYTES = 3 << 20
BATCH_MESSAGES = 400
BATCH_NOTED = 20_000
"""UIDLs that were listed for the first time, and fates: a drop of a million is noted in pieces."""
BATCH_S = 2.0
_SAMPLED_BYTES = 1 << 10
_MOST_PROVED = 100_000
"""Frames that are remembered as read in this run."""


class Received(NamedTuple):
    """A message on its way in, for the UIDL with this ledger number. One that is kept already is read if that
    is to be proved."""

    ledger: int
    octets: bytes | Spooled
    tally: Tally
    prove: bool = False


@dataclass(slots=True)
class Batch:
    """What one commit kept. ``blobs`` says where the batch's new blobs are, ``weight`` how many octets
    of memory its messages hold, ``ids`` which they are."""

    entry: JournalEntry
    messages: list[Stored]
    blobs: dict[bytes, Location]
    ids: list[MessageId]
    weight: int = 0

    def release(self) -> None:
        """Let go of the messages, which have been read."""
        for one in self.messages:
            if isinstance(one.message, Spooled):
                one.message.discard()
        self.messages = []


@dataclass(slots=True)
class _Open:
    """The batch that is being filled."""

    records: list[Record] = field(default_factory=list)
    messages: list[tuple[MessageId, Octets, Part, Sequence[Placed]]] = field(default_factory=list)
    octets: int = 0
    noted: int = 0
    began: float = 0.0


class Storer:
    """Fills batches and commits them. After an error it must not be used again."""

    def __init__(
        self, catalog: Catalog, packs: PackWriter, journal: JournalWriter, reader: PackReader
    ) -> None:
        self._catalog = catalog
        self._packs = packs
        self._journal = journal
        self._reader = reader
        self._open = _Open()
        self._frames = Framer(packs)
        # Stored, but perhaps not in the catalog yet. Asked before the catalog is, so that there is
        # no moment in which an object is in neither.
        self._pending_messages: set[bytes] = set()
        self._pending_blobs: dict[bytes, Location | None] = {}
        self._proved: set[tuple[int, int]] = set()

    @property
    def due(self) -> bool:
        """Whether the batch is large or old enough to be committed."""
        batch = self._open
        return bool(batch.records) and (
            batch.octets >= BATCH_BYTES
            or batch.noted >= BATCH_NOTED
            or len(batch.messages) >= BATCH_MESSAGES
            or time.monotonic() - batch.began >= BATCH_S
        )

    def note(self, record: Record) -> None:
        """Put a record into the batch."""
        if not self._open.records:
            self._open.began = time.monotonic()
        self._open.records.append(record)
        self._open.noted += noted(record)

    def take(self, received: Sequence[Received]) -> None:
        """Put messages into the batch; what is kept already costs a record."""
        ids = [_identity(r.octets) for r in received]
        # The indexing thread takes ids out of the pending ones at any moment: look once.
        known = self._pending_messages.intersection(ids)
        known |= self._catalog.known_messages([i for i in ids if i not in known])
        fresh: list[tuple[MessageId, bytes, Part, list[Literal | Body]]] = []
        for identity, one in zip(ids, received, strict=True):
            if identity in known or identity in self._pending_messages:
                self._open.octets += len(one.octets)
                self.note(DuplicateRecord(one.ledger, identity))
                one.tally.duplicates += 1
                if one.prove and identity not in self._pending_messages:
                    one.tally.unreadable += not self._comes_out(identity)
                if isinstance(one.octets, Spooled):
                    one.octets.discard()
                continue
            self._pending_messages.add(identity)
            if isinstance(one.octets, Spooled):
                # Messages stand in the batch in the order of their records.
                self._small(fresh)
                fresh = []
                self._large(identity, one.octets)
            else:
                root = parse(one.octets)
                cut = list(pieces(one.octets, root.leaves(), prove=False))
                fresh.append((identity, one.octets, root, cut))
            self.note(ArchivedRecord(one.ledger, identity))
            one.tally.archived += 1
        self._small(fresh)

    def _comes_out(self, identity: MessageId) -> bool:
        """Whether the packs give back a message that the catalog knows."""
        found = self._catalog.message_places([identity]).get(identity)
        if found is None:
            return False
        place = found[1]

        def blob(reference: Reference) -> bytes:
            if reference.id:
                return self._blob(reference)
            return self._reader.read(place._replace(offset=reference.at, length=reference.length))

        try:
            return sha256_of(recipe.join(self._reader.read(place), blob)) == identity
        except (DamageError, FormatError):
            return False

    def _small(self, fresh: list[tuple[MessageId, bytes, Part, list[Literal | Body]]]) -> None:
        contents = {}
        ids = {}
        for _, _, _, cut in fresh:
            for piece in cut:
                if isinstance(piece, Body):
                    digest = sha256(piece.content)
                    contents[digest] = piece.content
                    ids[id(piece)] = digest
        known = self._known(contents)
        for identity, octets, root, cut in fresh:
            blobs: list[tuple[Object, bool]] = []
            builder = recipe.Builder()
            for piece in cut:
                if isinstance(piece, Body) and self._serves(ids[id(piece)], piece.content, known):
                    self._refer(builder, piece, ids[id(piece)], known, blobs)
                else:
                    builder.literal(octets[piece.start : piece.end])
            made, placed = builder.finish(), builder.placed
            if b"".join(recipe.join(made, lambda one: contents[one.id])) != octets:
                # Base64 that does not come back as it was. No blob may be in a pack that no recipe names.
                for one, _ in blobs:
                    del self._pending_blobs[one.id]
                blobs = []
                made, placed = recipe.of_literal(octets), []
            self._recipe(identity, made, blobs)
            self._finish(identity, octets, root, placed)

    def _large(self, identity: MessageId, message: Spooled) -> None:
        """Store a message that is too large for memory, and prove it from the pack itself."""
        root = parse(message)
        builder = recipe.Builder()
        for piece in pieces(message, root.leaves()):
            self._large_piece(builder, message, piece)
        made = builder.finish()
        self._recipe(identity, made, [])
        self._finish(identity, message, root, builder.placed)
        self._frames.flush()
        if sha256_of(recipe.join(made, self._blob)) != identity:
            raise DamageError(
                f"message {identity.hex()} does not come out of the pack as it went in;"
                " it was not kept. The disk or the memory may be faulty."
            )

    def _large_piece(
        self, builder: recipe.Builder, message: Spooled, piece: Literal | Body
    ) -> None:
        """Put a piece into a recipe. Where its blob cannot be read, the halves of its octets are other blobs:
        as literals they would all be held in memory."""
        start, end = piece.start, piece.end
        if isinstance(piece, Literal):
            builder.literal(message[start:end])
            return
        digest = sha256(piece.content)
        known = self._known({digest: piece.content})
        if self._serves(digest, piece.content, known):
            blobs: list[tuple[Object, bool]] = []
            self._refer(builder, piece, digest, known, blobs)
            self._frames.add(blobs)
        elif end - start <= _SAMPLED_BYTES:
            builder.literal(message[start:end])
        else:
            for half in halves(message, piece):
                self._large_piece(builder, message, half)

    def _blob(self, reference: Reference) -> bytes:
        identity = reference.id
        place = (
            self._frames.blobs.get(identity)
            or self._pending_blobs.get(identity)
            or self._catalog.blob_place(identity)
        )
        if place is None:
            raise DamageError(f"blob {identity.hex()} is not where it should be")
        return self._reader.read(place)

    def _known(self, contents: dict[bytes, bytes]) -> dict[bytes, Location | None]:
        """Return which blobs are stored, and where; None for those of this run that may not be yet."""
        # As with messages: whether one is pending is looked at once.
        known: dict[bytes, Location | None] = {
            i: None for i in contents if i in self._pending_blobs
        }
        known.update(self._catalog.blob_places([i for i in contents if i not in known]))
        return known

    def _serves(self, identity: bytes, content: bytes, known: dict[bytes, Location | None]) -> bool:
        """Whether a message may refer to this blob: a new one, one of this run, or one that can be read. Each
        frame is looked at once."""
        place = known.get(identity)
        if place is None:
            return True
        frame = place.pack, place.frame
        if frame in self._proved:
            return True
        try:
            if self._reader.read(place) != content:
                return False
        except (DamageError, FormatError):
            # ``verify`` tells. The message that came needs nothing of it.
            return False
        if len(self._proved) >= _MOST_PROVED:
            self._proved.clear()
        self._proved.add(frame)
        return True

    def _refer(
        self,
        builder: recipe.Builder,
        piece: Body,
        identity: bytes,
        known: dict[bytes, Location | None],
        blobs: list[tuple[Object, bool]],
    ) -> None:
        if identity not in known and identity not in self._pending_blobs:
            self._pending_blobs[identity] = None
            solid = (
                not piece.line
                or len(piece.content) < _SAMPLED_BYTES
                or codec.compresses(piece.content)
            )
            blobs.append((Object(ObjectKind.BLOB, identity, piece.content), solid))
        builder.reference(
            Reference(identity, len(piece.content), piece.line, piece.lf, piece.closed)
        )

    def _recipe(self, identity: MessageId, made: bytes, blobs: list[tuple[Object, bool]]) -> None:
        # The recipe first: headers and body then stand in the order in which they compress best.
        self._frames.add([(Object(ObjectKind.RECIPE, identity, made), True), *blobs])

    def _finish(
        self, identity: MessageId, message: Octets, root: Part, placed: Sequence[Placed]
    ) -> None:
        self._open.messages.append((identity, message, root, placed))
        self._open.octets += min(len(message), BATCH_BYTES)

    def commit(self) -> Batch | None:
        """Sync the packs, then the journal. When this returns, the batch is kept."""
        batch, self._open = self._open, _Open()
        if not batch.records:
            return None
        self._frames.flush()
        blobs, recipes = self._frames.take()
        self._pending_blobs.update(blobs)
        if blobs or recipes:
            batch.records.extend(self._packs.commit())
        entry = self._journal.append(batch.records, int(time.time()))
        messages = [
            Stored(identity, message, placed, recipes[identity], root)
            for identity, message, root, placed in batch.messages
        ]
        return Batch(entry, messages, blobs, [one.id for one in messages])

    def close(self) -> None:
        """Safe to call twice."""
        self._frames.close()

    def applied(self, batch: Batch) -> None:
        """Tell that the catalog knows the batch now. Called from the indexing thread."""
        self._pending_messages.difference_update(batch.ids)
        for identity in batch.blobs:
            self._pending_blobs.pop(identity, None)


def noted(record: Record) -> int:
    """How many UIDLs a record notes, or the fates of how many."""
    match record:
        case ListedRecord():
            return len(record.listed)
        case FateRecord():
            return 1
        case _:
            return 0


def _identity(octets: bytes | Spooled) -> MessageId:
    if isinstance(octets, Spooled):
        return MessageId(octets.digest)
    return MessageId(sha256(octets))
