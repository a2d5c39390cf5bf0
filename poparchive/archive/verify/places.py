"""Looks at an archive's description, its directories and who may read its files, before what is in them."""

import contextlib
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from poparchive.archive.verify.findings import Counts, Damage, Kind
from poparchive.store.layout import Layout


def check(layout: Layout, wrong: str, counts: Counts) -> Iterator[Damage]:
    """Yield what is ``wrong`` with ``archive.toml``, as opening it said, and directories that are missing or
    cannot be listed; note files under odd names, and what this user may not read. The files themselves are
    told where they are read."""
    if wrong:
        remedy = "`poparchive verify --repair` writes it anew"
        yield Damage(f"{wrong}; {remedy}", kind=Kind.DESCRIPTION)
    denied: list[Path] = []
    for directory in _directories(layout):
        try:
            with os.scandir(directory) as listed:
                paths = [Path(entry.path) for entry in listed if entry.name.count(".")]
        except OSError as error:
            remedy = ""
            if isinstance(error, FileNotFoundError):
                remedy = "; `poparchive verify --repair` makes it again"
            elif isinstance(error, PermissionError):
                denied.append(directory)
            yield Damage(
                f"{directory}: cannot be read: {error.strerror}{remedy}", kind=Kind.DIRECTORY
            )
            continue
        denied += [path for path in paths if _is_denied(path)]
    with contextlib.suppress(OSError):
        counts.notes += [
            f"{path}: has not the name of a file of the archive, and nothing reads it; it may be moved"
            " elsewhere"
            for path in layout.misnamed()
        ]
    if denied:
        counts.notes.append(
            f"{denied[0]}{' and others' if len(denied) > 1 else ''}: may not be read by this user; run the"
            f" command as the user who owns the archive ({_owner(layout.root)}), or give the files back to it"
        )


def _directories(layout: Layout) -> Iterator[Path]:
    packs = layout.root / "packs"
    yield packs
    with contextlib.suppress(OSError):
        yield from sorted(path for path in packs.iterdir() if path.is_dir())
    yield layout.root / "journal"


def _is_denied(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _owner(path: Path) -> str:
    number = path.stat().st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
