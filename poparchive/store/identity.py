"""An archive's identity where ``archive.toml`` does not give it: what the headers of packs and journal prove.

Promise: an id counts only if every header that can be read says it, and ``archive.toml`` is written anew with
no other. A single file of another archive among them, or of a newer version, and nothing is proved.
"""

import contextlib
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from poparchive.store import heads
from poparchive.store.errors import DescriptionError, FormatError
from poparchive.store.heads import JOURNAL, PACK, Head
from poparchive.store.layout import DESCRIPTION, Layout, described, open_layout


class Proved(NamedTuple):
    """What headers agree on. ``created`` is when the first pack that is there was; 0 without any."""

    id: bytes
    created: int
    packs: int
    journals: int

    def __str__(self) -> str:
        said = uuid.UUID(bytes=self.id)
        return f"the headers of {self.packs} packs and {self.journals} journal files say {said}"


def proved(root: Path) -> Proved | None:
    """Read the headers of all packs and journal files; those that are damaged say nothing. None if they do
    not agree, or a newer version wrote one, or there is none."""
    there = Layout(root, b"", 0)
    packs = list(_heads(PACK, (there.pack(number) for number in there.packs())))
    journals = list(_heads(JOURNAL, (there.journal(number) for number in there.journals())))
    ids = {head.archive for head in (*packs, *journals)}
    if len(ids) != 1 or any(head.newer for head in (*packs, *journals)):
        return None
    return Proved(
        ids.pop(), min((head.last for head in packs), default=0), len(packs), len(journals)
    )


def _heads(magic: bytes, paths: Iterator[Path]) -> Iterator[Head]:
    for path in paths:
        if head := heads.of_file(path, magic):
            yield head


def open_proved(root: Path) -> tuple[Layout, str]:
    """Open an archive, and say what is wrong with ``archive.toml`` if the headers of packs and journal prove
    that something is; then the layout has the id that they prove.

    A description that can be read is believed, unless headers of both packs and journal contradict it: one
    pack of another archive is not to make an archive another.

    :raises FormatError: There is no archive, a newer version made it, or nothing proves its id.
    """
    path = root / DESCRIPTION
    try:
        layout = open_layout(root)
    except DescriptionError as error:
        told = proved(root)
        if told is None:
            raise DescriptionError(
                f"{error}. The headers of packs and journal do not prove the archive's id either: put"
                f" {DESCRIPTION} back from a backup"
            ) from error
        return Layout(root, told.id, told.created), f"{error.what}, but {told}"
    told = proved(root)
    if told is None or told.id == layout.id or not (told.packs and told.journals):
        return layout, ""
    said = uuid.UUID(bytes=layout.id)
    return layout._replace(id=told.id), f"{path}: says that the archive is {said}, but {told}"


def description(layout: Layout, source: Path | None) -> bytes:
    """Return what ``archive.toml`` should hold: that of another copy of the same archive, if there is one and
    it is whole, else one made anew."""
    if source is not None:
        with contextlib.suppress(OSError, FormatError):
            octets = (source / DESCRIPTION).read_bytes()
            if open_layout(source).id == layout.id:
                return octets
    return described(layout.id, layout.created or int(time.time()))
