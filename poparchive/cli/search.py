"""``poparchive search`` as typer reads it. ``quick`` reads the usual command lines of it without."""

from typing import Annotated

import typer

from poparchive.cli.find import find
from poparchive.cli.paths import Settings
from poparchive.cli.quick import MOST


def search(
    context: typer.Context,
    query: Annotated[
        list[str] | None,
        typer.Argument(metavar="[QUERY]...", help="Words; docs/search.md has the language."),
    ] = None,
    sort: Annotated[str, typer.Option(metavar="relevance|date|size")] = "date",
    limit: Annotated[int, typer.Option(min=1, max=MOST, metavar="N", help="At most so many.")] = 20,
    offset: Annotated[
        int, typer.Option(min=0, max=MOST, metavar="N", help="Leave out the first N.")
    ] = 0,
    count: Annotated[bool, typer.Option("--count", help="Only how many there are.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a line.")] = False,
    ids: Annotated[bool, typer.Option("--ids", help="Only the ids.")] = False,
    facets: Annotated[
        str | None,
        typer.Option(metavar="KIND,...", help="Count by from, year, account, filetype instead."),
    ] = None,
    all_copies: Annotated[
        bool, typer.Option("--all-copies", help="A line for each copy of a message.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="How the query was understood, and how it is run.")
    ] = False,
    save: Annotated[
        str | None, typer.Option("--save", metavar="NAME", help="Keep the query as @NAME.")
    ] = None,
    saved: Annotated[bool, typer.Option("--saved", help="List the saved searches.")] = False,
    forget: Annotated[
        str | None, typer.Option("--forget", metavar="NAME", help="Remove a saved search.")
    ] = None,
) -> None:
    """Find messages, newest first."""
    find(
        Settings.of(context),
        query or [],
        sort=sort,
        limit=limit,
        offset=offset,
        count=count,
        as_json=as_json,
        ids=ids,
        facets=facets,
        all_copies=all_copies,
        explain=explain,
        save=save,
        saved=saved,
        forget=forget,
    )
