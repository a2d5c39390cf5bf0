"""Messages that a second copy of an archive still has, or another archive that holds the same mail."""

import contextlib
from collections.abc import Iterator

from poparchive.archive.objects import gather, readable
from poparchive.archive.read import Reader
from poparchive.archive.repair.told import Say
from poparchive.archive.scan import Scan
from poparchive.archive.spool import Spooled
from poparchive.errors import PoparchiveError
from poparchive.index.damage import DATABASE_ERRORS
from poparchive.index.lookup import CatalogMissingError
from poparchive.index.versions import NewerDatabaseError
from poparchive.store.layout import Layout


def messages(
    source: Layout, layout: Layout, wanted: set[bytes], say: Say
) -> Iterator[bytes | Spooled]:
    """Yield what the other archive has of these: by its catalog, else by its packs alone. Large ones go
    through the spool of ``layout``."""
    try:
        with Reader(source.root, source) as reader:
            for identity in sorted(wanted):
                with contextlib.suppress(PoparchiveError):
                    located = reader.lookup.by_id(identity)
                    if located is not None:
                        yield gather(reader.octets(located), layout)
    except (CatalogMissingError, NewerDatabaseError, *DATABASE_ERRORS):
        say(f"{source.root}: no catalog of use there; its packs are looked through")
        yield from _from_packs(source, layout, wanted)


def _from_packs(source: Layout, layout: Layout, wanted: set[bytes]) -> Iterator[bytes | Spooled]:
    with contextlib.closing(Scan(source)) as scan:
        for number in source.packs():
            length = source.pack(number).stat().st_size
            for frame in readable(source, scan.reader, number, length):
                scan.add(frame)
        for identity in sorted(wanted):
            # One that cannot be read a second time costs none of the others.
            with contextlib.suppress(PoparchiveError):
                place = scan.find(identity)
                if place is not None:
                    yield gather(scan.join(place), layout)
