"""What an archive holds and how its accounts stand, counted from the catalog. Reads only."""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from poparchive.archive import scrub
from poparchive.archive.position import told, unapplied
from poparchive.archive.scrub import Scrub
from poparchive.index.contents import ContentsError, ContentStore
from poparchive.index.damage import DATABASE_ERRORS
from poparchive.index.failures import DatabaseBusyError
from poparchive.index.lookup import (
    CatalogDamagedError,
    CatalogMissingError,
    foreign,
    is_foreign,
    lacking_uidls,
    open_read_only,
)
from poparchive.index.readonly import uri
from poparchive.index.versions import is_older_index, refuse_newer_catalog
from poparchive.model import Fate
from poparchive.store.errors import StoreError
from poparchive.store.fsio import is_locked, reason
from poparchive.store.layout import Layout, open_layout


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """One account: its UIDLs by fate, and its last run (None if there was none)."""

    name: str
    host: str
    user: str
    fates: dict[Fate, int]
    messages: int
    last_ended: int | None
    last_outcome: int | None
    last_error: str | None
    lacking: int = 0
    """UIDLs whose messages were kept, and are not in the catalog."""

    @property
    def gaps(self) -> int:
        """UIDLs that were listed and are not accounted for: still to be fetched, or refused."""
        return self.fates.get(Fate.LISTED, 0) + self.fates.get(Fate.QUARANTINED, 0)


@dataclass(frozen=True, slots=True)
class AttachmentsStatus:
    """How far the text inside attachments is read: messages with attachments, and those whose attachments
    are all in the index; contents and octets by ``attachments.Status``, and contents by what they lack; what
    kept the last reader in. With ``index_older`` the index has to be made anew before any is in it."""

    messages: int = 0
    indexed: int = 0
    contents: dict[int, tuple[int, int]] = field(default_factory=dict)
    lacking: dict[str, int] = field(default_factory=dict)
    text_bytes: int = 0
    layers: str = ""
    error: str = ""
    index_older: bool = False


@dataclass(frozen=True, slots=True)
class ArchiveStatus:
    """Sizes in octets; ``indexed`` is how many messages the search index knows, ``pulling`` whether a
    writer is at work, ``scrub`` what was verified and found."""

    messages: int
    raw_bytes: int
    stored_bytes: int
    catalog_bytes: int
    search_bytes: int
    indexed: int
    accounts: tuple[AccountStatus, ...]
    pulling: bool
    scrub: Scrub
    attachments: AttachmentsStatus = AttachmentsStatus()
    without_parity: tuple[int, ...] = ()
    """Finished packs that nothing here heals."""
    behind: int = 0
    """Entries of the journal that the catalog lacks, and that no pull is about to apply."""
    problems: tuple[str, ...] = ()
    """What is seen without reading packs: files that are missing or too short, a catalog that is behind."""


def status(root: Path) -> ArchiveStatus:
    """Count. An archive that was never pulled into has no catalog, and counts as empty."""
    layout = open_layout(root)
    stored = layout.stored_bytes()
    try:
        connection = open_read_only(layout.catalog)
    except CatalogMissingError:
        if layout.journals() or layout.packs():
            raise
        return ArchiveStatus(0, 0, stored, 0, 0, 0, (), is_locked(layout.lock), Scrub())
    try:
        refuse_newer_catalog(connection, layout.catalog)
        if is_foreign(connection, layout.id):
            raise foreign(layout.catalog)
        query = "SELECT count(*), coalesce(sum(size_bytes), 0) FROM messages"
        messages, raw = connection.execute(query).fetchone()
        accounts = connection.execute('SELECT id, name, host, "user" FROM accounts ORDER BY name')
        lacking = lacking_uidls(connection)
        found = []
        for number, name, host, user in accounts.fetchall():
            fates = {
                Fate(fate): count
                for fate, count in connection.execute(
                    "SELECT fate, count(*) FROM uidls WHERE account = ? GROUP BY fate", (number,)
                )
            }
            (own,) = connection.execute(
                "SELECT count(DISTINCT message) FROM uidls WHERE account = ?", (number,)
            ).fetchone()
            last = connection.execute(
                "SELECT ended, outcome, error FROM runs WHERE account = ? ORDER BY id DESC LIMIT 1",
                (number,),
            ).fetchone()
            ended, outcome, error = last or (None, None, None)
            lacks = lacking.get(name, 0)
            found.append(AccountStatus(name, host, user, fates, own, ended, outcome, error, lacks))
        bare = _without_parity(layout, connection)
        problems = list(_short_packs(layout, connection))
    finally:
        connection.close()
    behind, problem = lag(layout)
    if problem:
        problems.append(problem)
    return ArchiveStatus(
        messages,
        raw,
        stored,
        _size(layout.catalog),
        _size(layout.search),
        _indexed(layout),
        tuple(found),
        is_locked(layout.lock),
        scrub.read(root),
        _attachments(layout),
        bare,
        behind,
        tuple(problems),
    )


def lag(layout: Layout) -> tuple[int, str]:
    """Return by how many entries the catalog is behind the journal, and a sentence that says so, or that
    nothing tells; no sentence where it has all."""
    try:
        entries = unapplied(layout)
    except (CatalogDamagedError, StoreError) as error:
        return 0, f"whether the catalog has all that was kept cannot be told: {error}; {_VERIFY}"
    return entries, told(layout, entries) if entries else ""


def without_parity(root: Path) -> tuple[int, ...]:
    """Return the finished packs whose parity is missing; none where the catalog cannot be asked."""
    layout = open_layout(root)
    with (
        contextlib.suppress(CatalogMissingError, *DATABASE_ERRORS),
        contextlib.closing(open_read_only(layout.catalog)) as connection,
    ):
        return _without_parity(layout, connection)
    return ()


def _without_parity(layout: Layout, connection: sqlite3.Connection) -> tuple[int, ...]:
    """A pack that is missing itself is no matter of parity."""
    bare = set(layout.packs()) - set(layout.parities())
    finished = connection.execute("SELECT id FROM packs WHERE sealed ORDER BY id").fetchall()
    return tuple(number for (number,) in finished if number in bare)


_VERIFY = "`poparchive verify` says more"


def _short_packs(layout: Layout, connection: sqlite3.Connection) -> Iterator[str]:
    """Say which of the packs that the catalog names are missing or shorter than what was committed."""
    query = "SELECT CAST(id AS INTEGER), CAST(length AS INTEGER) FROM packs ORDER BY id"
    for number, length in connection.execute(query).fetchall():
        path = layout.pack(number)
        try:
            size = path.stat().st_size
        except OSError as error:
            what = f"cannot be looked at: {reason(error)}"
        else:
            what = f"has {size} octets, but {length} were committed" if size < length else ""
        # An optimize removes what it has retired.
        if what and connection.execute("SELECT 1 FROM packs WHERE id = ?", (number,)).fetchone():
            yield f"{path}: {what}; {_VERIFY}"


def _attachments(layout: Layout) -> AttachmentsStatus:
    """Count; what cannot be read is said and stops nothing."""
    messages = indexed = 0
    contents: dict[int, tuple[int, int]] = {}
    lacking: dict[str, int] = {}
    layers = error = ""
    older = is_older_index(layout.search)
    with (
        contextlib.suppress(CatalogMissingError, sqlite3.Error),
        contextlib.closing(open_read_only(layout.catalog)) as run,
    ):
        query = "SELECT count(DISTINCT message) FROM parts WHERE name IS NOT NULL AND segment = 0"
        (messages,) = run.execute(query).fetchone()
        run.execute("ATTACH ? AS search", (uri(layout.search),))
        (indexed,) = run.execute(
            "SELECT count(*) FROM (SELECT p.message FROM parts p WHERE p.name IS NOT NULL AND"
            " p.segment = 0 GROUP BY p.message HAVING count(*) ="
            " (SELECT count(*) FROM search.carried c WHERE c.message = p.message))"
        ).fetchone()
    try:
        store = ContentStore.read(layout.contents)
        if store is not None:
            with contextlib.closing(store):
                contents, lacking, layers = store.counts(), store.lacking(), store.layers()
    except (ContentsError, DatabaseBusyError) as caught:
        error = str(caught)
    # What the numbers in an older index mean is not known here.
    indexed = 0 if older else indexed
    size = _size(layout.contents)
    return AttachmentsStatus(messages, indexed, contents, lacking, size, layers, error, older)


def _size(path: Path) -> int:
    files = [path, path.with_name(path.name + "-wal")]
    return sum(f.stat().st_size for f in files if f.exists())


def _indexed(layout: Layout) -> int:
    try:
        index = open_read_only(layout.search)
    except CatalogMissingError:
        return 0
    try:
        return int(index.execute("SELECT count(*) FROM mail_docsize").fetchone()[0])
    finally:
        index.close()
