"""What became of each attachment and why, as the search index and the file of texts have it. Reads only."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from poparchive.archive.contents_index import ContentsIndex
from poparchive.attachments.outcome import Status
from poparchive.index.contents import ContentsError, ContentStore
from poparchive.index.damage import DATABASE_ERRORS
from poparchive.index.failures import refuse_busy
from poparchive.index.lookup import open_read_only
from poparchive.index.readonly import uri
from poparchive.model import MessageId
from poparchive.store.layout import open_layout

_QUERY = (
    "SELECT m.sha256, p.name, k.status, k.note FROM contents.contents k"
    " JOIN search.carried c ON c.content = k.id JOIN messages m ON m.id = c.message"
    " JOIN parts p ON p.message = c.message AND p.number = c.place AND p.segment = 0"
    " WHERE ? IS NULL OR k.status = ? ORDER BY c.message DESC, c.place"
)


class Listed(NamedTuple):
    """An attachment: its message, its name there, and what became of it. ``reason`` may be empty."""

    message: MessageId
    name: str
    status: Status
    reason: str


def list_contents(root: Path, only: Status | None = None) -> Iterator[Listed]:
    """Yield the attachments that the index is told of, of the newest message first; with ``only``, those of
    that status. Raises ``ContentsError``, ``LockedError``."""
    layout = open_layout(root)
    store = ContentStore.read(layout.contents)
    if store is None:
        return
    with contextlib.closing(store):
        index = ContentsIndex(layout, store)
        index.look(wait_s=0)
    if index.older:
        raise ContentsError(
            f"{layout.search}: an earlier version made it; the next pull, or `poparchive rebuild"
            " --search-only`, makes it anew"
        )
    try:
        with contextlib.closing(open_read_only(layout.catalog)) as run:
            run.execute("ATTACH ? AS search", (uri(layout.search),))
            run.execute("ATTACH ? AS contents", (uri(layout.contents),))
            for sha256, name, status, reason in run.execute(_QUERY, (only, only)):
                yield Listed(MessageId(sha256), name or "", Status(status), reason)
    except DATABASE_ERRORS as error:
        refuse_busy(layout.contents, error)
        raise ContentsError(f"{layout.contents}: cannot be listed: {error}") from error
