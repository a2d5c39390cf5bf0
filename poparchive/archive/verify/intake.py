"""What of packs that no entry names a repair can store again, and what it cannot.

A message can be if it comes out of them, with blobs that stand there or that the archive has: then its blobs
are stored again too. What no such message needs is in nobody's reach for now.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass

from poparchive.archive.objects import readable
from poparchive.archive.read import Reader
from poparchive.archive.scan import Scan
from poparchive.errors import PoparchiveError
from poparchive.index.damage import DATABASE_ERRORS
from poparchive.store import recipe
from poparchive.store.digest import sha256
from poparchive.store.errors import MissingObjectError
from poparchive.store.frame import Entry, ObjectKind
from poparchive.store.layout import Layout
from poparchive.store.packread import Frame


@dataclass(slots=True)
class Share:
    """What is in one pack that the archive does not have."""

    messages: int = 0
    """Those that can be stored again."""
    stuck: int = 0
    """Objects in frames that can be read which cannot be."""


def shares(layout: Layout, starts: Mapping[int, int], archive: Reader) -> dict[int, Share]:
    """Read packs from where each begins to be of interest, and return what each of them has."""
    found = {number: Share() for number in starts}
    with closing(Scan(layout, archive.blob)) as scan:

        def frames(number: int) -> Iterator[Frame]:
            # One that a pull beside has removed has nothing.
            with suppress(FileNotFoundError):
                size = layout.pack(number).stat().st_size
                yield from readable(layout, scan.reader, number, size, starts[number])

        for number in starts:
            for frame in frames(number):
                scan.add(frame)
        for number, share in found.items():
            for frame in frames(number):
                for entry in frame.entries:
                    if entry.kind is not ObjectKind.RECIPE:
                        continue
                    comes_out = _comes_out(scan, frame, entry)
                    if not is_elsewhere(archive, frame, entry):
                        share.messages += comes_out
                        share.stuck += not comes_out
        for number, share in found.items():
            for frame in frames(number):
                for entry in frame.entries:
                    if entry.kind is not ObjectKind.BLOB:
                        continue
                    octets = frame.payload[entry.offset : entry.offset + entry.length]
                    share.stuck += not scan.is_needed(sha256(octets)) and not is_elsewhere(
                        archive, frame, entry
                    )
    return found


def _comes_out(scan: Scan, frame: Frame, entry: Entry) -> bool:
    """Whether a message can be made; its blobs are noted then."""
    place = frame.location(entry)
    try:
        if not scan.made(place).startswith(entry.prefix):
            return False
        scan.need(place)
    except (PoparchiveError, *DATABASE_ERRORS):
        return False
    return True


def is_elsewhere(archive: Reader | None, one: Frame, entry: Entry) -> bool:
    """Whether the archive has an object of an unnamed pack, read from the place that the catalog says."""
    if archive is None:
        return False
    octets = one.payload[entry.offset : entry.offset + entry.length]

    def fetch(reference: recipe.Reference) -> bytes:
        if reference.id:
            return archive.blob(reference.id)
        return one.payload[reference.at : reference.at + reference.length]

    try:
        if entry.kind is ObjectKind.BLOB:
            return archive.blob(sha256(octets)) == octets
        digest = hashlib.sha256()
        for piece in recipe.join(octets, fetch):
            digest.update(piece)
        located = archive.lookup.by_id(digest.digest())
        if located is None:
            raise MissingObjectError(f"message {digest.hexdigest()} is not in the catalog")
        for _ in archive.octets(located):
            pass
    except (PoparchiveError, *DATABASE_ERRORS):
        return False
    return True
