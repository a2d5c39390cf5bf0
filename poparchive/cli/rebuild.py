"""``poparchive rebuild``: makes catalog and search index again from packs and journal."""

from typing import Annotated

import typer

from poparchive.cli import output
from poparchive.cli.paths import Settings


def rebuild(
    context: typer.Context,
    search_only: Annotated[
        bool, typer.Option("--search-only", help="Only the search index.")
    ] = False,
) -> None:
    """Make catalog and search index again. Searches go on with the old ones meanwhile."""
    from poparchive.archive.rebuild import rebuild as make
    from poparchive.store.fsio import Lock
    from poparchive.store.journal import JournalEntry
    from poparchive.store.layout import open_layout
    from poparchive.store.records import ArchivedRecord

    layout = open_layout(Settings.of(context).archive_dir())
    done = 0
    with Lock(layout.optimize_lock), Lock(layout.lock), output.progress("rebuild") as bars:
        task = bars.task("messages")

        def show(entry: JournalEntry) -> None:
            nonlocal done
            new = sum(isinstance(r, ArchivedRecord) for r in entry.records)
            done += new
            task.advance(new)

        make(layout, show, search_only=search_only)
    output.note(f"{done} messages are in the catalog and searchable")
