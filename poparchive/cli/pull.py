"""``poparchive pull``: fetches what is new from some or all accounts."""

from typing import TYPE_CHECKING, Annotated

import typer

from poparchive.cli import output
from poparchive.cli.paths import Settings

if TYPE_CHECKING:
    from poparchive.sync.result import Result


def pull(
    context: typer.Context,
    accounts: Annotated[
        list[str] | None, typer.Argument(metavar="[ACCOUNT]...", help="Only these accounts.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be fetched, and fetch nothing.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, metavar="N", help="Accounts at a time.")
    ] = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full", help="Ask for every message again, known or not; read those that were kept."
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object for each account.")
    ] = False,
) -> int:
    """Fetch what is new. Mail that is kept already is not fetched again."""
    from poparchive.cli import jobs as running

    settings = Settings.of(context)
    config = settings.config()
    settings.start_logging(told=True)
    chosen = config.select(accounts or [])
    if not chosen:
        output.note("there is no account to pull; `poparchive account add` makes one")
    options = running.options_of(config, jobs=jobs, full=full, dry_run=dry_run)
    results = running.pull(settings.archive_dir(), chosen, options)
    for result in results:
        if as_json:
            output.result(output.json_line(_fields(result)))
        elif not result.error:
            output.note(f"{result.name}: {_sentence(result, dry_run=dry_run)}")
        if result.error:
            # Most errors begin with the account that they are of.
            named = result.error.startswith(f"account {result.name}")
            start = "" if named else f"{result.name}: "
            output.problem(f"{start}{output.visible(result.error)}")
        for note in _notes(result):
            output.problem(f"{result.name}: {output.visible(note)}")
    # What the archive has lost does not come back later by itself.
    return 1 if any(one.tally.unreadable for one in results) else running.exit_code(results)


def _sentence(result: "Result", *, dry_run: bool) -> str:
    if dry_run:
        return f"{result.listed} listed, {result.wanted} would be fetched"
    text = f"{result.tally.archived} new"
    if readable := result.tally.duplicates - result.tally.unreadable:
        text += f", {readable} kept already"
    if result.deleted:
        text += f", {result.deleted} deleted from the server"
    return f"{text}, {result.listed} on the server, {output.human_size(result.octets)} fetched"


def _notes(result: "Result") -> list[str]:
    """What a person should know although nothing failed."""
    if not result.tally.unreadable:
        return result.notes
    what = output.counted(result.tally.unreadable, "message")
    return [
        *result.notes,
        f"{what} that the archive has kept could not be read from it: run `poparchive verify --repair` while"
        " the server still has them",
    ]


def _fields(result: "Result") -> dict[str, object]:
    return {
        "account": result.name,
        "outcome": ("ok", "failed", "stopped")[result.outcome],
        "listed": result.listed,
        "wanted": result.wanted,
        "archived": result.tally.archived,
        "duplicates": result.tally.duplicates,
        "unreadable": result.tally.unreadable,
        "failed": result.failed,
        "deleted": result.deleted,
        "octets": result.octets,
        "seconds": result.ended - result.started,
        "error": result.error or None,
        "retry_after_s": result.retry_after_s,
        "notes": _notes(result),
    }
