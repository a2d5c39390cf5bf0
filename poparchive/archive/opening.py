"""Opens the databases for writing: brought up to the journal, or made again. The caller holds the lock."""

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence

from poparchive.archive import packlist
from poparchive.archive.indexer import Indexer
from poparchive.archive.position import read_position
from poparchive.archive.rebuild import rebuild, remove_database
from poparchive.archive.replay import Replay, believed
from poparchive.archive.texts import Texts
from poparchive.index import versions
from poparchive.index.catalog import Catalog
from poparchive.index.fulltext import FulltextWriter, IndexOutdatedError
from poparchive.index.moves import NOTHING_MOVED, Moved
from poparchive.store.errors import DamageError, PackGoneError
from poparchive.store.fsio import Lock
from poparchive.store.journal import JournalWriter, Position
from poparchive.store.layout import Layout
from poparchive.store.pack import PackWriter
from poparchive.store.records import PackRecord, Record, Sealed

_log = logging.getLogger(__name__)


class Care:
    """An archive opened for what is done to it besides taking mail in: entries about packs.

    Belongs to one thread, which holds the lock.
    """

    def __init__(
        self, layout: Layout, catalog: Catalog, texts: Texts, journal: JournalWriter
    ) -> None:
        self.layout = layout
        self.catalog = catalog
        self.texts = texts
        self._indexer = Indexer(catalog, texts)
        self._journal = journal

    def note(self, records: Sequence[Record], moved: Moved = NOTHING_MOVED) -> None:
        """Write an entry and apply it, as the function of this name does."""
        note(self._journal, self._indexer, records, moved)

    @contextlib.contextmanager
    def packs(self) -> Iterator[PackWriter]:
        """Give the writer of the open pack; what it did is noted afterwards."""
        writer = PackWriter(self.layout, open_pack(self.catalog))
        try:
            yield writer
            states = writer.commit()
        finally:
            writer.close()
        if states:
            self.note(states)


def note(
    journal: JournalWriter,
    indexer: Indexer,
    records: Sequence[Record],
    moved: Moved = NOTHING_MOVED,
) -> None:
    """Write an entry without mail and apply it: durable, in journal and catalog, when this returns."""
    indexer.apply(journal.append(records, int(time.time())), [], {}, moved)
    indexer.flush()


@contextlib.contextmanager
def caring(layout: Layout, *, wait_s: float) -> Iterator[Care]:
    """Take the lock, briefly as others are told, and open the archive. Raises ``LockedError``."""
    with contextlib.ExitStack() as stack:
        lock = stack.enter_context(Lock(layout.lock, briefly=True, wait_s=wait_s))
        catalog, texts, position = open_indexes(layout, lock)
        stack.callback(catalog.close)
        stack.callback(texts.close)
        journal = JournalWriter(layout, position)
        stack.callback(journal.close)
        yield Care(layout, catalog, texts, journal)


def open_indexes(layout: Layout, lock: Lock) -> tuple[Catalog, Texts, Position]:
    """Open both databases and bring them up to the journal; what is missing is made again."""
    if layout.journals() and not layout.catalog.exists():
        _rebuild(layout)
    if versions.is_older_index(layout.search):
        _log.warning(
            "%s: an earlier version made it; it is made anew beside the old one, in which searches look"
            " until then",
            layout.search,
        )
        made = rebuild(layout, search_only=True)
        if made.kept:
            raise DamageError(
                f"{layout.search}: cannot be made anew: {made.lacking.messages} messages cannot be read, and"
                " the catalog lacks what came last. `poparchive verify` names them, and"
                " `poparchive verify --repair` mends what can be"
            )
        if made.lacking.messages:
            _log.warning(
                "%s: %d messages could not be read, and are not in it; `poparchive verify` says more",
                layout.search,
                made.lacking.messages,
            )
    try:
        return _open(layout, lock)
    except PackGoneError:
        # A catalog that came back from a backup, from before packs were retired. Where a pack is missing for
        # another reason this fails as well: a pull does not decide what to do without.
        _rebuild(layout)
        return _open(layout, lock)


def _rebuild(layout: Layout) -> None:
    """Make both databases anew; what is missing is an error that says what to do."""
    try:
        rebuild(layout, salvage=False)
    except DamageError as error:
        packs = packlist.counting(layout)
        gone = ", ".join(str(path) for path in map(layout.pack, packs) if not path.exists())
        if not gone:
            raise
        raise PackGoneError(
            f"{gone}: missing, and the catalog cannot be made again without ({error}). Put it back from a"
            " backup, or run `poparchive verify --repair`"
        ) from error


def _open(layout: Layout, lock: Lock) -> tuple[Catalog, Texts, Position]:
    with contextlib.ExitStack() as stack:
        catalog = Catalog(layout.catalog, archive=layout.id)
        stack.callback(catalog.close)
        fulltext = _open_fulltext(layout, read_position(catalog.position()))
        mark = fulltext.watermark
        texts = Texts(fulltext, layout.search, layout.catalog, keep=lock.filenos())
        stack.callback(texts.close)
        position = Replay(layout, catalog, Indexer(catalog, texts)).catch_up(mark)
        stack.pop_all()
    return catalog, texts, position


def open_pack(catalog: Catalog) -> PackRecord | None:
    """Return the pack to go on with, if there is one."""
    return open_of(catalog.packs())


def states_of(packs: Sequence[tuple[int, int, int]]) -> list[PackRecord]:
    """Return packs, given as number, committed length and how they are sealed, as the journal has them."""
    return [PackRecord(number, length, Sealed(how)) for number, length, how in packs]


def open_of(packs: Sequence[tuple[int, int, int]]) -> PackRecord | None:
    """Return the same of packs as number, committed length and how they are sealed, ascending."""
    pulls = [state for state in states_of(packs) if state.sealed is not Sealed.TIGHTLY]
    # One before the last that is not sealed was given up by a repair.
    return pulls[-1] if pulls and pulls[-1].sealed is Sealed.NO else None


def _open_fulltext(layout: Layout, position: Position) -> FulltextWriter:
    """Open the search index; one that is not this archive's is begun anew."""
    with contextlib.suppress(IndexOutdatedError):
        fulltext = FulltextWriter.open(layout.search, layout.catalog)
        if believed(layout, fulltext.watermark, position):
            return fulltext
        fulltext.close()
    remove_database(layout.search)
    return FulltextWriter.open(layout.search, layout.catalog)
