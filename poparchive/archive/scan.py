"""Finds messages in packs without a catalog: reads the frames, and notes where each object stands."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial

from poparchive.model import Location
from poparchive.store import recipe
from poparchive.store.digest import sha256, sha256_of
from poparchive.store.errors import DamageError, MissingObjectError, StoreError
from poparchive.store.frame import PREFIX_BYTES, SHORT_PREFIX_BYTES, ObjectKind
from poparchive.store.layout import Layout
from poparchive.store.packread import Frame, PackReader


class Scan:
    """Where the objects are that were read. A temporary database holds what does not fit into memory."""

    def __init__(self, layout: Layout, elsewhere: Callable[[bytes], bytes] | None = None) -> None:
        """``elsewhere`` gives blobs that were not read here."""
        self._elsewhere = elsewhere
        self.reader = PackReader(layout)
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute('CREATE TABLE objects(id BLOB, pack, frame, "offset", length)')
        self._db.execute("CREATE INDEX by_id ON objects(id)")
        self._db.execute("CREATE TABLE needed(id BLOB PRIMARY KEY) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def close(self) -> None:
        self.reader.close()
        self._db.close()

    def add(self, frame: Frame) -> None:
        """Note what a frame holds: blobs by their hash, recipes by what its table says of them."""
        rows = []
        for entry in frame.entries:
            if entry.kind is ObjectKind.RECIPE:
                identity = entry.prefix
            else:
                identity = sha256(frame.payload[entry.offset : entry.offset + entry.length])
            rows.append((identity, *frame.location(entry)))
        self._db.executemany("INSERT INTO objects VALUES (?, ?, ?, ?, ?)", rows)

    def find(self, message: bytes) -> Location | None:
        """Return where a recipe stands that makes the message with this hash, which was proved."""
        for place in self._places(message[:PREFIX_BYTES], message[:SHORT_PREFIX_BYTES]):
            with contextlib.suppress(StoreError):
                if self.made(place) == message:
                    return place
        return None

    def made(self, place: Location) -> bytes:
        """Return the hash of what the recipe at a place makes."""
        return sha256_of(self.join(place))

    def need(self, place: Location) -> None:
        """Note the blobs that the recipe at a place, which can be carried out, refers to."""
        for one in recipe.operations(self.reader.read(place)):
            if isinstance(one, recipe.Reference):
                blob = one.id or sha256(self._blob(place, one))
                self._db.execute("INSERT OR IGNORE INTO needed VALUES (?)", (blob,))

    def is_needed(self, blob: bytes) -> bool:
        """Whether a recipe that was noted refers to a blob."""
        query = "SELECT 1 FROM needed WHERE id = ?"
        return self._db.execute(query, (blob,)).fetchone() is not None

    def join(self, place: Location) -> Iterator[bytes]:
        """Yield what the recipe at a place makes."""
        return recipe.join(self.reader.read(place), partial(self._blob, place))

    def _blob(self, here: Location, reference: recipe.Reference) -> bytes:
        if not reference.id:
            return self.reader.read(here._replace(offset=reference.at, length=reference.length))
        for place in self._places(reference.id):
            try:
                return self.reader.read(place)
            except DamageError:
                continue
        if self._elsewhere:
            return self._elsewhere(reference.id)
        raise MissingObjectError(f"blob {reference.id.hex()} cannot be read")

    def _places(self, *names: bytes) -> list[Location]:
        marks = ", ".join("?" * len(names))
        query = f'SELECT pack, frame, "offset", length FROM objects WHERE id IN ({marks})'  # noqa: S608
        return [Location(*row) for row in self._db.execute(query, names)]
