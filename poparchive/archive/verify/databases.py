"""Checks catalog and search index as files: what SQLite says of them, and whether they rotted."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from poparchive.archive.scrub import Scrub
from poparchive.archive.verify.findings import Damage, Kind
from poparchive.archive.verify.room import refuse_full
from poparchive.index import versions
from poparchive.index.damage import DATABASE_ERRORS
from poparchive.index.engine import open_catalog
from poparchive.index.failures import refuse_busy
from poparchive.index.lookup import Lookup
from poparchive.index.shadow import schema_of
from poparchive.index.terms import IndexProof, structure
from poparchive.store.layout import Layout

_PIECE_BYTES = 1 << 20
REBUILD = "`poparchive rebuild` makes it anew"
REBUILD_SEARCH = "`poparchive rebuild --search-only` makes it anew"


def unreadable(path: Path, error: BaseException, kind: Kind) -> Damage:
    """Say what reading a database ended in, and how it is made anew. Raises ``DatabaseBusyError`` if another
    program has it locked, and what ``room`` tells if the temporary directory is full: nothing is known of
    what is in it then."""
    refuse_busy(path, error)
    refuse_full(error)
    remedy = REBUILD_SEARCH if kind is Kind.SEARCH else REBUILD
    return Damage(f"{path}: {error}; {remedy}", kind=kind)


def rotten(path: Path, state: Scrub) -> bool:
    """Whether a file has other octets than when it was proved last, and was not written since.

    Finds what nothing else can: octets that hold no row, and mean nothing to SQLite.
    """
    told = state.databases.get(path.name)
    now = _told(path)
    return bool(told and now and told[:2] == now and told[2] != _hash(path))


def note(path: Path, state: Scrub) -> None:
    """Remember a file that was proved, for ``rotten``. One that is being written to is not remembered."""
    before = _told(path)
    digest = _hash(path) if before else ""
    state.databases.pop(path.name, None)
    if before and before == _told(path):
        state.databases[path.name] = [*before, digest]


def _told(path: Path) -> list[object] | None:
    """Size and time of last change; None if a part of the database is in its log."""
    log = path.with_name(path.name + "-wal")
    try:
        if log.exists() and log.stat().st_size:
            return None
        about = path.stat()
    except OSError:
        return None
    return [about.st_size, about.st_mtime_ns]


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as handle:
            while piece := handle.read(_PIECE_BYTES):
                digest.update(piece)
    except OSError as error:
        return f"unreadable: {error.strerror}"
    return digest.hexdigest()


def catalog_structure(layout: Layout, lookup: Lookup, scratch: Path) -> Iterator[Damage]:
    """Check the catalog's pages, indexes and tables; ``scratch`` is an empty directory."""
    path = layout.catalog
    try:
        found = False
        for text in structure(lookup.connection):
            found = True
            yield Damage(f"{path}: {text}; {REBUILD}", kind=Kind.CATALOG)
        if not found:
            # What a table looks like stands in the file too.
            fresh = scratch / "catalog.sqlite"
            open_catalog(fresh).dispose()
            with closing(sqlite3.connect(fresh)) as made:
                if schema_of(made) != schema_of(lookup.connection):
                    yield Damage(
                        f"{path}: has other tables than it should; {REBUILD}", kind=Kind.CATALOG
                    )
                elif versions.migrations_of(lookup.connection) != [versions.CATALOG]:
                    # No writer could go on from there.
                    yield Damage(
                        f"{path}: does not say that it has version {versions.CATALOG}, whose tables it has;"
                        f" {REBUILD}",
                        kind=Kind.CATALOG,
                    )
    except DATABASE_ERRORS as error:
        yield unreadable(path, error, Kind.CATALOG)


def search_structure(layout: Layout, proof: IndexProof) -> Iterator[Damage]:
    """Check the search index's pages, and that each word is found where it stands."""
    path = layout.search
    if proof.outdated:
        yield Damage(
            f"{path}: was made by another version of poparchive; {REBUILD_SEARCH}", kind=Kind.SEARCH
        )
        return
    try:
        for text in proof.problems():
            yield Damage(f"{path}: {text}; {REBUILD_SEARCH}", kind=Kind.SEARCH)
    except DATABASE_ERRORS as error:
        yield unreadable(path, error, Kind.SEARCH)
