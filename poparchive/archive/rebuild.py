"""Makes catalog and search index again from journal and packs, beside the old ones, and switches."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from poparchive.archive.heap import keep_large_blocks_apart
from poparchive.archive.indexer import Indexer
from poparchive.archive.lacking import Lacking, behind, lacking
from poparchive.archive.objects import Elsewhere
from poparchive.archive.replay import Replay
from poparchive.archive.texts import Texts
from poparchive.index.catalog import Catalog
from poparchive.index.damage import DATABASE_ERRORS
from poparchive.index.fulltext import FulltextWriter, Mark
from poparchive.index.lookup import open_read_only
from poparchive.store.errors import DamageError, StoreError
from poparchive.store.fsio import sync_directory, writing
from poparchive.store.journal import JournalEntry
from poparchive.store.layout import Layout


class Rebuilt(NamedTuple):
    """What the databases hold: rows of messages in the catalog, and how many of these can be searched."""

    messages: int
    searchable: int
    lacking: Lacking = Lacking()
    """Messages that the journal names and that are not in what was made."""
    kept: bool = False
    """Whether the old databases stayed."""
    aside: Path | None = None
    """Where the old catalog is, which knows more than the journal."""


def rebuild(
    layout: Layout,
    done: Callable[[JournalEntry], None] | None = None,
    *,
    search_only: bool = False,
    salvage: bool = True,
    leave_out: bool = False,
    to_journal: bool = False,
) -> Rebuilt:
    """Make catalog and search index anew beside the old ones, then switch. The caller holds the lock.

    With ``search_only`` the catalog stays, and is brought up to the journal, unless that cannot be done with
    the packs that there are. Messages that no pack makes are not in what comes out, which ``verify`` then
    names; unless it is to ``salvage`` they are an error instead. Where the old catalog is sound and names any
    of them both old databases stay, for nothing else would know date, sender and subject, unless these are to
    be ``leave_out``.

    Where a sound catalog has applied what the journal has lost, nothing is made, and it is an error; only for
    who wants databases as the journal is (``to_journal``) it gives way, and is put aside.
    """
    keep_large_blocks_apart()
    ahead = behind(layout)
    if ahead and not to_journal:
        raise DamageError(f"{ahead}. It stays")
    if search_only:
        for lenient in (False, True) if salvage else (False,):
            with contextlib.suppress(DamageError):
                return _rebuild_search(layout, done, salvage=lenient)
    aside = _put_aside(layout.catalog) if ahead else None
    try:
        return _rebuild(layout, done)._replace(aside=aside)
    except DamageError:
        # What can be read is found wherever it is, for the price of reading all tables first: also what a
        # repair has put elsewhere.
        made = _rebuild(layout, done, thorough=True, salvage=salvage, leave_out=leave_out)
        return made._replace(aside=aside)


def _rebuild_search(
    layout: Layout, done: Callable[[JournalEntry], None] | None, *, salvage: bool
) -> Rebuilt:
    """Make the search index anew. Where messages are the catalog knows."""
    search = layout.search.with_suffix(".new")
    remove_database(search)
    with contextlib.ExitStack() as stack:
        texts = Texts(FulltextWriter.open(search, layout.catalog), search, layout.catalog)
        stack.callback(texts.close)
        catalog = Catalog(layout.catalog, archive=layout.id)
        stack.callback(catalog.close)
        replay = Replay(layout, catalog, Indexer(catalog, texts), salvage=salvage)
        replay.catch_up(Mark(0, None), done)
        texts.compact()
    missing = lacking(layout, layout.catalog, search=search) if replay.left_out else Lacking()
    made = Rebuilt(_count(layout.catalog, "messages"), _count(search, "mail_docsize"), missing)
    _switch(search, layout.search)
    return made


def _rebuild(
    layout: Layout,
    done: Callable[[JournalEntry], None] | None,
    *,
    thorough: bool = False,
    salvage: bool = False,
    leave_out: bool = False,
) -> Rebuilt:
    search = layout.search.with_suffix(".new")
    catalog = layout.catalog.with_suffix(".new")
    remove_database(search)
    remove_database(catalog)
    with contextlib.ExitStack() as stack:
        texts = Texts(FulltextWriter.open(search, catalog), search, catalog)
        stack.callback(texts.close)
        opened = Catalog(catalog, archive=layout.id, draft=True)
        stack.callback(opened.close)
        # All tables may be read, and what is missing still be an error.
        elsewhere = Elsewhere(layout, salvage=thorough)
        stack.callback(elsewhere.close)
        replay = Replay(layout, opened, Indexer(opened, texts), elsewhere, salvage=salvage)
        replay.catch_up(Mark(0, None), done)
        texts.compact()
    missing = lacking(layout, catalog, old=layout.catalog) if replay.left_out else Lacking()
    made = Rebuilt(_count(catalog, "messages"), _count(search, "mail_docsize"), missing)
    if missing.named and not leave_out:
        remove_database(search)
        remove_database(catalog)
        return made._replace(kept=True)
    _switch(catalog, layout.catalog)
    _switch(search, layout.search)
    return made


def _put_aside(catalog: Path) -> Path:
    """Copy a catalog, with what its log holds, durably; return where the copy is."""
    aside = catalog.with_name(f"{catalog.name}.ahead-{int(time.time())}")
    with writing(aside):
        aside.unlink(missing_ok=True)
        try:
            with contextlib.closing(open_read_only(catalog)) as database:
                database.execute("VACUUM INTO ?", (str(aside),))
        except DATABASE_ERRORS as error:
            raise StoreError(f"{aside}: cannot write: {error}. Nothing was changed") from error
        with aside.open("rb") as handle:
            os.fsync(handle.fileno())
        sync_directory(aside.parent)
    return aside


def _count(path: Path, table: str) -> int:
    with contextlib.closing(open_read_only(path)) as database:
        return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608


def remove_database(path: Path) -> None:
    """Remove a database with its write-ahead log, for good: when this returns no loss of power brings
    the log back to meet another file of that name. The file goes first: without its log it may be torn,
    and SQLite removes a log that it finds beside an empty file."""
    with writing(path):
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        sync_directory(path.parent)


def _switch(new: Path, old: Path) -> None:
    # Its log must be in it. Whoever wrote it may have ended without closing it.
    try:
        busy = _checkpoint(new)
    except DATABASE_ERRORS as error:
        raise StoreError(
            f"{new}: cannot write: {error}. What was there before stays; make room, or look at the"
            " disk, and run the command again."
        ) from error
    if busy:
        raise StoreError(f"{new}: another process still writes to it; run the command again")
    with writing(new):
        with new.open("rb") as handle:
            os.fsync(handle.fileno())
        for suffix in ("-wal", "-shm"):
            new.with_name(new.name + suffix).unlink(missing_ok=True)
    if not _is_whole(old):
        remove_database(old)
    with writing(old):
        for suffix in ("-wal", "-shm"):
            old.with_name(old.name + suffix).unlink(missing_ok=True)
        sync_directory(old.parent)
        new.rename(old)
        sync_directory(old.parent)


def _is_whole(path: Path) -> bool:
    """Move what a database's log holds into it; whether it can do without the log now."""
    if not path.exists():
        return False
    try:
        return not _checkpoint(path)
    except DATABASE_ERRORS:
        return False


def _checkpoint(path: Path) -> bool:
    """Move a database's log into it; whether somebody was in the way."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        (busy, _, _) = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return bool(busy)
