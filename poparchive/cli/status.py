"""``poparchive status``: how the accounts and the archive stand."""

from typing import Annotated

import typer

from poparchive.cli import output
from poparchive.cli.paths import Settings


def status(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, an object a line.")] = False,
) -> int:
    """Show each account's last pull, messages, gaps and errors, and the archive's size.

    Exits with 1 if an account's last pull failed or has gaps.
    """
    from poparchive.archive.status import status as count

    found = count(Settings.of(context).archive_dir())
    ratio = found.raw_bytes / found.stored_bytes if found.stored_bytes else 0.0
    bad = [a for a in found.accounts if a.gaps or a.last_outcome]
    if as_json:
        for a in found.accounts:
            fates = {fate.name.lower(): number for fate, number in sorted(a.fates.items())}
            last = None if a.last_ended is None else output.rfc3339(a.last_ended)
            row = {"account": a.name, "host": a.host, "user": a.user, "messages": a.messages}
            row |= {"uidls": fates, "gaps": a.gaps, "last_pull": last, "error": a.last_error}
            output.result(output.json_line(row))
        row = {"messages": found.messages, "raw_bytes": found.raw_bytes}
        row |= {"stored_bytes": found.stored_bytes, "ratio": round(ratio, 2)}
        row |= {"catalog_bytes": found.catalog_bytes, "search_bytes": found.search_bytes}
        row |= {"indexed": found.indexed}
        output.result(output.json_line(row))
        return int(bool(bad))
    output.table(
        ("ACCOUNT", "MESSAGES", "GAPS", "LAST PULL", "STATE"),
        [
            (
                a.name,
                str(a.messages),
                str(a.gaps),
                "never" if a.last_ended is None else output.human_date(a.last_ended),
                a.last_error or ("" if a.last_outcome is None else "ok"),
            )
            for a in found.accounts
        ],
        right=(1, 2),
    )
    output.result(
        f"{found.messages} messages, {output.human_size(found.raw_bytes)} of mail in"
        f" {output.human_size(found.stored_bytes)} (ratio {ratio:.2f}); {found.indexed} searchable;"
        f" catalog {output.human_size(found.catalog_bytes)},"
        f" search index {output.human_size(found.search_bytes)}"
    )
    return int(bool(bad))
