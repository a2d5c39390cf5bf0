"""``poparchive verify``: reads and hashes everything again."""

from typing import Annotated

import typer

from poparchive.cli import output
from poparchive.cli.paths import Settings


def verify(
    context: typer.Context,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object for each damage.")
    ] = False,
) -> int:
    """Prove every frame, blob and message, the journal's chain, and the databases against them.

    Exits with 1 if anything is damaged. Needs no lock: pulls may run beside it.
    """
    from poparchive.archive.verify import Counts
    from poparchive.archive.verify import verify as prove

    counts = Counts()
    damages = 0
    with output.progress("verify", unit="steps") as bars:
        tasks: dict[str, tuple[output.Task, int]] = {}

        def show(what: str, done: int, total: int) -> None:
            task, before = tasks.get(what) or (bars.task(what, total=total), 0)
            task.advance(done - before)
            tasks[what] = (task, done)

        for damage in prove(Settings.of(context).archive_dir(), counts, show):
            damages += 1
            message = damage.message
            if as_json:
                row: dict[str, object] = {"damage": damage.what}
                if message is not None:
                    row["id"] = message.id.hex()
                    row["date"] = output.rfc3339(message.date)
                    row["subject"] = message.subject
                    row["accounts"] = damage.accounts
                output.result(output.json_line(row))
                continue
            text = damage.what
            if message is not None:
                text += (
                    f" ({message.id.hex()[:12]}, {output.human_date(message.date)},"
                    f" from {message.sender}:"
                    f" {message.subject}; accounts: {', '.join(damage.accounts)})"
                )
            output.result(output.visible(text))
    output.note(
        f"{counts.messages} messages ({output.human_size(counts.message_octets)}),"
        f" {counts.frames} frames ({output.human_size(counts.octets)}),"
        f" {counts.entries} journal entries: "
        + (f"{damages} damaged" if damages else "all as they were archived")
    )
    return int(damages > 0)
