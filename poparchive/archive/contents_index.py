"""The search index, as whoever reads attachments sees it: looked at without a lock, written to for moments.

Promise: an index is never begun here, as one that is would not have the mail that came before.
"""

import contextlib
from collections.abc import Callable, Iterator

from poparchive.index import carried, versions
from poparchive.index.contents import ContentsError, ContentStore
from poparchive.index.damage import DATABASE_ERRORS
from poparchive.index.failures import refuse_busy
from poparchive.index.fulltext import FulltextWriter, IndexOutdatedError
from poparchive.index.lookup import open_read_only
from poparchive.store.fsio import Lock
from poparchive.store.layout import Layout


class ContentsIndex:
    """The index beside ``store``. ``older`` says, once it was looked at, that an earlier version made it: it
    can be told nothing, and will have what is known when it is made anew. Nobody waits for the archive's lock
    once the run is ``stopped``."""

    def __init__(
        self, layout: Layout, store: ContentStore, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self._layout = layout
        self._store = store
        self._stopped = stopped
        self.older = False

    def look(self, wait_s: float) -> None:
        """See that there is one, and that it speaks of this file or of none yet. A pull may be at work.

        Raises ``ContentsError``, and ``LockedError`` if it is being made anew and is not there yet.
        """
        path = self._layout.search
        try:
            version = versions.index_version(path)
            if not version:
                # A rebuild that is under way takes the old one away first.
                with self._locked(wait_s):
                    version = self._version()
            self.older = version < versions.SEARCH
            if self.older:
                return
            with contextlib.closing(open_read_only(path)) as run:
                versions.refuse_newer_index(run, path)
                named = carried.file_of(run)
        except DATABASE_ERRORS as error:
            refuse_busy(path, error)
            raise self._unusable(f"is damaged ({error})") from error
        if named not in (None, self._store.identity()):
            raise self._unusable(
                f"is made of texts of another {self._layout.contents.name} than is there"
            )

    @contextlib.contextmanager
    def writing(self, wait_s: float) -> Iterator[FulltextWriter]:
        """The index, for a moment, while nobody else writes to the archive. Raises ``LockedError``,
        ``ContentsError``."""
        with self._locked(wait_s):
            try:
                self._version()
                index = FulltextWriter.open(self._layout.search, self._layout.catalog)
            except (IndexOutdatedError, *DATABASE_ERRORS) as error:
                refuse_busy(self._layout.search, error)
                raise self._unusable(f"cannot be used ({error})") from error
            try:
                yield index
            finally:
                index.close()

    def _locked(self, wait_s: float) -> Lock:
        return Lock(self._layout.lock, briefly=True, wait_s=wait_s, given_up=self._stopped)

    def _version(self) -> int:
        """Return the index's version. Raises ``ContentsError`` if there is no index, or nothing in it."""
        version = versions.index_version(self._layout.search)
        if version:
            return version
        raise self._unusable("is not there" if version is None else "has nothing in it")

    def _unusable(self, why: str) -> ContentsError:
        return ContentsError(
            f"{self._layout.search}: {why}; `poparchive rebuild --search-only` makes it anew, then run this"
            " again"
        )
