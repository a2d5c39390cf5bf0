"""Gives messages back: exact octets, proved by their hash before they are served.

A ``Reader`` needs no lock and never waits; it sees what was committed when it looks. One thread each.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from poparchive.index.lookup import Located, Lookup
from poparchive.mime.structure import Octets, header_end, parse
from poparchive.mime.text import Extract, extract
from poparchive.model import Location
from poparchive.store import recipe
from poparchive.store.digest import sha256_of
from poparchive.store.errors import (
    DamageError,
    FormatError,
    MisplacedError,
    MissingObjectError,
    PackGoneError,
)
from poparchive.store.layout import Layout, open_layout
from poparchive.store.packread import PackReader

IN_MEMORY_BYTES = 32 << 20
"""Larger messages are hashed in a first reading and served in a second, so that memory stays small."""


class Part(NamedTuple):
    """A leaf part with its content decoded; ``name`` is None unless it is an attachment."""

    number: int
    type: str
    name: str | None
    content: bytes


class Reader:
    """An archive opened for reading."""

    def __init__(self, root: Path, layout: Layout | None = None, *, whole: bool = False) -> None:
        """``whole`` is for whoever reads most of what there is."""
        self.layout = layout or open_layout(root)
        self.lookup = Lookup(self.layout.catalog, self.layout.id)
        self._lookups: list[Lookup] = []  # earlier ones, of which somebody may still take rows
        self.packs = PackReader(self.layout, whole=whole)
        """What the octets are read with. Whoever reads much of the same shares what is decoded."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self.packs.close()
        for lookup in (self.lookup, *self._lookups):
            lookup.close()

    def octets(self, message: Located) -> Iterator[bytes]:
        """Yield the exact octets in pieces. Raises ``DamageError`` before the first piece if they
        are not the ones that were archived."""
        if message.size_bytes <= IN_MEMORY_BYTES:
            yield self.raw(message)
            return
        with self._telling(message):
            self._check(message, sha256_of(self._join(message)))
        yield from self._join(message)

    def raw(self, message: Located) -> bytes:
        """Return the exact octets at once, for messages that are known to be small."""
        with self._telling(message):
            octets = b"".join(self._join(message))
            self._check(message, hashlib.sha256(octets).digest())
        return octets

    def header(self, message: Located) -> bytes:
        """Return the header block, proved with the rest of the message."""
        with self.whole(message) as octets:
            return octets[0 : header_end(octets)]

    def text(self, message: Located) -> Extract:
        """Return what the message says. Memory is bounded whatever its size."""
        with self.whole(message) as octets:
            return extract(octets)

    def parts(self, message: Located) -> Iterator[Part]:
        """Yield the leaf parts with their content decoded, one in memory at a time."""
        from poparchive.mime import transfer

        with self.whole(message) as octets:
            for leaf in parse(octets).leaves():
                yield Part(
                    leaf.number, leaf.type, leaf.attachment_name, transfer.decoded(octets, leaf)
                )

    @contextlib.contextmanager
    def whole(self, message: Located) -> Iterator[Octets]:
        """Give the exact octets, in memory, or in a temporary file if they are many."""
        if message.size_bytes <= IN_MEMORY_BYTES:
            yield self.raw(message)
            return
        # Here, because few are so large, and people wait for what this module imports.
        import tempfile

        from poparchive.archive.spool import SpoolWriter

        with tempfile.TemporaryDirectory(prefix="poparchive-") as directory:
            writer = SpoolWriter(Path(directory) / "message")
            for piece in self.octets(message):
                writer.write(piece)
            spooled = writer.finish()
            try:
                yield spooled
            finally:
                spooled.discard()

    def forget(self) -> None:
        """Drop what is cached, so that the next message is read from disk."""
        self.packs.drop()

    @contextlib.contextmanager
    def _telling(self, message: Located) -> Iterator[None]:
        """Where a message cannot be read because packs are in each other's place, say that."""
        try:
            yield
        except (DamageError, FormatError) as error:
            # What stands at the right place of a wrong file may be anything.
            for pack in (message.pack, *self.lookup.blob_packs(message.key)):
                if told := self.packs.misplaced(pack):
                    raise MisplacedError(told) from error
            raise

    def _join(self, message: Located) -> Iterator[bytes]:
        place = Location(message.pack, message.frame, message.offset, message.length)
        try:
            made = self.packs.read(place)
        except PackGoneError:
            place = self._place_now(message, place)
            made = self.packs.read(place)
        return recipe.join(made, lambda reference: self._blob(reference, place))

    def _place_now(self, message: Located, before: Location) -> Location:
        """Return where ``optimize`` has put a message since its place was looked up."""
        # Anew, for the catalog may have been made anew.
        self._lookups.append(self.lookup)
        self.lookup = Lookup(self.layout.catalog, self.layout.id)
        now = self.lookup.by_id(message.id)
        place = Location(now.pack, now.frame, now.offset, now.length) if now else before
        if place == before:
            raise PackGoneError(
                f"message {message.id.hex()}: pack {before.pack}, which holds it, is missing;"
                " run `poparchive verify`"
            )
        return place

    def _blob(self, reference: recipe.Reference, place: Location) -> bytes:
        """Return a blob that the recipe at ``place`` refers to."""
        if not reference.id:
            return self.packs.read(place._replace(offset=reference.at, length=reference.length))
        return self.blob(reference.id)

    def blob(self, identity: bytes) -> bytes:
        """Return the octets that a blob's id stands for. They are not proved: whose they are does that."""
        found = self.blob_place(identity)
        try:
            return self.packs.read(found)
        except PackGoneError:
            now = self.blob_place(identity)
            if now == found:
                raise
            return self.packs.read(now)

    def blob_place(self, identity: bytes) -> Location:
        """Return where a blob stands."""
        found = self.lookup.blob(identity)
        if found is None:
            raise MissingObjectError(
                f"blob {identity.hex()} is not in the catalog; run `poparchive rebuild`"
            )
        return Location(*found)

    def _check(self, message: Located, digest: bytes) -> None:
        if digest != message.id:
            raise DamageError(
                f"message {message.id.hex()}: the stored octets are not the ones that were archived;"
                " run `poparchive verify`"
            )
