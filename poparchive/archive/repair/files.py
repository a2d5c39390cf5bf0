"""Whole files in the place of damaged ones, directories made again, ``archive.toml`` and saved searches.

Promise: a damaged file that a whole one replaces stays beside it under another name.
"""

import contextlib
import os
from pathlib import Path

from poparchive.archive import searches
from poparchive.store import identity
from poparchive.store.fsio import (
    free_name,
    make_directory,
    sync_directory,
    write_durably,
    writing,
)
from poparchive.store.layout import DESCRIPTION, Layout


def aside(path: Path) -> Path:
    """Return the name under which a damaged file stays: the one that it has already, from a repair that was
    cut, or a new one."""
    for other in path.parent.glob(path.name + ".damaged-*"):
        with contextlib.suppress(OSError):
            if other.samefile(path):
                return other
    return free_name(path)


def put_in_place(new: Path, path: Path) -> Path | None:
    """Give a whole file, which is synced, the name of a damaged one; return where that stays, if it was
    there. At no moment is there no file of the name, where the file system has links; and the whole one
    is there under one of its names, which the next repair knows."""
    kept = None
    with writing(path):
        # Also a directory that took its name, or a link that leads nowhere.
        if os.path.lexists(path):
            kept = aside(path)
            try:
                if not kept.exists():
                    os.link(path, kept)
            except OSError:
                path.rename(kept)
            sync_directory(path.parent)
        new.rename(path)
        sync_directory(path.parent)
    return kept


def clear(path: Path) -> None:
    """Move a directory aside that stands in the place of a file, which cannot be put over it."""
    if path.is_dir() and not path.is_symlink():
        with writing(path):
            path.rename(aside(path))
            sync_directory(path.parent)


def healed(path: Path) -> Path:
    """Where a whole file is written that is to have the name ``path``."""
    return path.with_name(path.name + ".healed")


def make_directories(layout: Layout) -> list[Path]:
    """Make those of an archive's directories again that are missing, durably, and return them."""
    wanted = [layout.root / name for name in ("packs", "journal", "spool")]
    missing = [path for path in wanted if not os.path.lexists(path)]
    for path in missing:
        make_directory(path)
    return missing


def mend_description(layout: Layout, source: Layout | None) -> Path | None:
    """Write ``archive.toml`` anew, durably, for the layout's id; return where the one before stays.

    The caller has proved that id. What a second copy of the same archive has is taken as it is.
    """
    path = layout.root / DESCRIPTION
    octets = identity.description(layout, source.root if source else None)
    new = healed(path)
    write_durably(new, octets)
    return put_in_place(new, path)


def take_searches(layout: Layout, source: Layout) -> Path | None:
    """Take the saved searches of a second copy where there are none, durably; return the file, if so."""
    path, other = layout.root / searches.FILE, source.root / searches.FILE
    if os.path.lexists(path) or not other.is_file():
        return None
    write_durably(path, other.read_bytes())
    return path
