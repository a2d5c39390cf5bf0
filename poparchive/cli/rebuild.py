"""``poparchive rebuild``: makes catalog and search index again from packs and journal."""

from typing import TYPE_CHECKING, Annotated

import typer

from poparchive.cli import output
from poparchive.cli.paths import Settings

if TYPE_CHECKING:
    from poparchive.archive.rebuild import Rebuilt


def rebuild(
    context: typer.Context,
    search_only: Annotated[
        bool, typer.Option("--search-only", help="Only the search index.")
    ] = False,
    leave_out: Annotated[
        bool,
        typer.Option(
            "--leave-out-unreadable",
            help="Take the new catalog also where it lacks messages that the old one names.",
        ),
    ] = False,
) -> int:
    """Make catalog and search index again. Searches go on with the old ones meanwhile.

    Exits with 1 if messages that the journal names cannot be read. A catalog that names them stays.
    """
    from poparchive.archive.rebuild import rebuild as make
    from poparchive.store.fsio import Lock
    from poparchive.store.journal import JournalEntry
    from poparchive.store.layout import open_layout
    from poparchive.store.records import ArchivedRecord

    layout = open_layout(Settings.of(context).archive_dir())
    with Lock(layout.optimize_lock), Lock(layout.lock), output.progress("rebuild") as bars:
        task = bars.task("messages")

        def show(entry: JournalEntry) -> None:
            task.advance(sum(isinstance(r, ArchivedRecord) for r in entry.records))

        made = make(
            layout, show, search_only=search_only, leave_out=leave_out, to_journal=not search_only
        )
    if not made.kept:
        some = "" if made.searchable == made.messages else f", {made.searchable} of them are"
        output.note(f"{made.messages} messages are in the catalog{some or ' and'} searchable")
    if made.aside:
        output.problem(
            f"the old catalog knew more than the journal that is there: it is kept as {made.aside}. If the"
            " journal that it was made from comes back from a backup, run this again; else `poparchive"
            " verify --repair` stores what the packs have beyond the journal"
        )
    if made.lacking.messages:
        output.problem(output.visible(_told(made)))
    return int(bool(made.aside or made.lacking.messages))


def _told(made: "Rebuilt") -> str:
    """Say what cannot be read, what became of it, and what to do."""
    lacking = made.lacking
    accounts = ", ".join(f"{name} {count}" for name, count in lacking.by_account.items())
    begins = (
        f"{lacking.messages} messages that the journal names cannot be read from the packs"
        f" ({accounts or 'of no account'})"
    )
    if made.kept:
        return (
            f"{begins}. Catalog and search index stay as they were: the catalog names {lacking.named} of"
            " these messages, and a new one would lack their dates, senders and subjects. Run"
            " `poparchive verify --repair`. To take the new ones all the same:"
            " `poparchive rebuild --leave-out-unreadable`"
        )
    return (
        f"{begins}, and cannot be found now. Run `poparchive verify --repair`, then `poparchive rebuild`"
        " again; `poparchive verify` names what is left"
    )
