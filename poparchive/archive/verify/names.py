"""Names for what is damaged: sentences about it, and messages by the journal where the catalog fails."""

import hashlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial

from poparchive.archive.scrub import MAX_DAMAGES
from poparchive.archive.verify.findings import Bad, Damage, Kind
from poparchive.index.shadow import Shadow
from poparchive.model import Location
from poparchive.store import recipe
from poparchive.store.errors import DamageError, MissingObjectError, StoreError
from poparchive.store.frame import ObjectKind
from poparchive.store.layout import Layout
from poparchive.store.pack import PACK_HEADER_BYTES
from poparchive.store.packread import PackReader


def day(moment: int) -> str:
    """A date for a sentence, UTC; what no calendar has is shown as it is."""
    try:
        return time.strftime("%Y-%m-%d", time.gmtime(moment))
    except (OverflowError, OSError, ValueError):
        return f"@{moment}"


def sentence(damage: Damage) -> str:
    """Say it in one line. The text of mail in it is as it came."""
    message = damage.message
    if message is None:
        return damage.what
    return (
        f"{', '.join(damage.accounts) or 'no account'}, {day(message.date)}, from {message.sender}:"
        f" {message.subject} ({message.id.hex()[:12]}): {damage.what}"
    )


class Found:
    """What a run found: kinds, and the first sentences."""

    def __init__(self) -> None:
        self.kinds: set[Kind] = set()
        self.sentences: list[str] = []

    def append(self, damage: Damage) -> None:
        self.kinds.add(damage.kind)
        if len(self.sentences) < MAX_DAMAGES:
            self.sentences.append(sentence(damage))


def without_catalog(layout: Layout, shadow: Shadow, bad: Sequence[Bad]) -> Iterator[Damage]:
    """Find out from journal and packs alone which messages cannot be made, and name them by account and
    UIDL. Only where octets of packs are bad: else a rebuild is all that is needed."""
    if not bad:
        return
    with closing(_Objects(layout)) as objects:
        for number, (length, _) in sorted(shadow.packs().items()):
            objects.read(number, length, [one for one in bad if one.pack == number])
        lost = [message for message in shadow.messages() if not objects.makes(message)]
    named = sorted((shadow.origins(message), message) for message in lost)
    for origins, message in named:
        accounts = sorted({one.account for one in origins})
        where = "; ".join(
            f"UIDL {one.uidl!a} of account {one.account}, kept {day(one.time)}" for one in origins
        )
        yield Damage(
            f"message {message.hex()} cannot be made from what the packs hold ({where})",
            None,
            tuple(accounts),
            Kind.MESSAGE,
            message,
        )


class _Objects:
    """Where the objects are that can be read, found in the packs themselves."""

    def __init__(self, layout: Layout) -> None:
        self._reader = PackReader(layout)
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute('CREATE TABLE objects(id BLOB, pack, frame, "offset", length)')
        self._db.execute("CREATE INDEX by_id ON objects(id)")
        self._db.execute("BEGIN")

    def close(self) -> None:
        self._reader.close()
        self._db.close()

    def read(self, number: int, length: int, bad: Sequence[Bad]) -> None:
        """Note what the frames hold between the octets that are bad."""
        at = PACK_HEADER_BYTES
        gaps = {one.start: one.end for one in bad}
        while at < length:
            if at in gaps:
                at = max(gaps[at], at + 1)
                continue
            try:
                frame = self._reader.frame(number, at)
            except StoreError:
                return
            rows = []
            for entry in frame.entries:
                if entry.kind is ObjectKind.RECIPE:
                    identity = entry.prefix
                else:
                    octets = frame.payload[entry.offset : entry.offset + entry.length]
                    identity = hashlib.sha256(octets).digest()
                rows.append((identity, *frame.location(entry)))
            self._db.executemany("INSERT INTO objects VALUES (?, ?, ?, ?, ?)", rows)
            at = frame.end

    def makes(self, message: bytes) -> bool:
        """Whether the packs make a message."""
        for place in self._places(message[:8], message[:4]):
            try:
                digest = hashlib.sha256()
                made = self._reader.read(place)
                for piece in recipe.join(made, partial(self._blob, place)):
                    digest.update(piece)
            except StoreError:
                continue
            if digest.digest() == message:
                return True
        return False

    def _blob(self, here: Location, reference: recipe.Reference) -> bytes:
        if not reference.id:
            return self._reader.read(here._replace(offset=reference.at, length=reference.length))
        for place in self._places(reference.id):
            try:
                return self._reader.read(place)
            except DamageError:
                continue
        raise MissingObjectError(f"blob {reference.id.hex()} cannot be read")

    def _places(self, *names: bytes) -> list[Location]:
        marks = ", ".join("?" * len(names))
        query = f'SELECT pack, frame, "offset", length FROM objects WHERE id IN ({marks})'  # noqa: S608
        return [Location(*row) for row in self._db.execute(query, names)]
