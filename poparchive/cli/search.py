"""``poparchive search``: finds messages. Imports only what it uses: people wait for it."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from poparchive.cli import output
from poparchive.cli.paths import Settings
from poparchive.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from poparchive.index.search import Hit
    from poparchive.mime.text import Extract

    Snippet = tuple[str, list[tuple[int, int]]]

_SORTS = {"date": "newest", "relevance": "relevance", "size": "size"}


def search(
    context: typer.Context,
    query: Annotated[
        list[str] | None,
        typer.Argument(metavar="[QUERY]...", help="Words; docs/search.md has the language."),
    ] = None,
    sort: Annotated[str, typer.Option(metavar="relevance|date|size")] = "date",
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many.")] = 20,
    offset: Annotated[int, typer.Option(min=0, metavar="N", help="Leave out the first N.")] = 0,
    count: Annotated[bool, typer.Option("--count", help="Only how many there are.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a line.")] = False,
    ids: Annotated[bool, typer.Option("--ids", help="Only the ids.")] = False,
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
    from poparchive.archive import searches
    from poparchive.index.search import Searcher
    from poparchive.store.format import check_format

    if sort not in _SORTS:
        raise UsageError(f"--sort {sort!r}: there are {', '.join(_SORTS)}")
    root = Settings.of(context).archive_dir()
    check_format(root)
    text = " ".join(query or [])
    if save is not None or forget is not None or saved:
        _keep(root, text, save, forget)
        return
    with Searcher(
        root / "catalog.sqlite", root / "search.sqlite", saved=partial(searches.load, root)
    ) as searcher:
        if unknown := searcher.missing(text):
            output.note(
                f"the index cannot tell {', '.join(unknown)} yet, which finds nothing until it is made"
                " anew: `poparchive rebuild --search-only`"
            )
        if explain:
            output.result(output.visible(searcher.explain(text), keep="\n"))
            return
        if count:
            output.result(str(searcher.count(text)))
            return
        hits = searcher.search(text, limit=limit, offset=offset, sort=_SORTS[sort])
    if ids:
        for hit in hits:
            output.result(hit.id.hex())
    elif as_json:
        _print_json(context, text, hits)
    elif output.on_terminal():
        _print_with_snippets(context, text, hits)
    else:
        for hit in hits:
            cells = (output.rfc3339(hit.date), hit.id.hex()[:12], hit.sender, hit.subject)
            output.result("\t".join(output.visible(cell) for cell in cells))
    if not hits:
        output.note("nothing found")
    elif len(hits) == limit and not (as_json or ids):
        output.note(f"the first {limit}; --limit and --offset show more, --count counts")


def _keep(root: "Path", query: str, save: str | None, forget: str | None) -> None:
    """Save or remove a search; list all without either."""
    import time

    from poparchive.archive import searches

    if save is not None:
        searches.save(root, save, query, now=int(time.time()))
        output.note(f"saved; `poparchive search @{save}` runs it")
    if forget is not None:
        searches.forget(root, forget)
        output.note(f"@{forget} is forgotten")
    if save is None and forget is None:
        for name, text in sorted(searches.load(root).items()):
            output.result(f"@{name}\t{output.visible(text)}")


def _print_json(context: typer.Context, query: str, hits: "list[Hit]") -> None:
    for hit, text, (snippet, _) in _with_text(context, query, hits):
        row = {
            "id": hit.id.hex(),
            "message_id": text.message_id if text else "",
            "date": output.rfc3339(hit.date),
            "from": hit.sender,
            "to": text.recipients if text else "",
            "cc": text.copies if text else "",
            "subject": hit.subject,
            "size_bytes": hit.size_bytes,
            "accounts": hit.accounts,
            "attachments": [
                {"name": name, "type": kind, "size_bytes": size}
                for name, kind, size in hit.attachments
            ],
            "snippet": snippet,
            "thread": None,
        }
        output.result(output.json_line(row))


def _print_with_snippets(context: typer.Context, query: str, hits: "list[Hit]") -> None:
    width = output.terminal_width()
    for hit, _, (snippet, marks) in _with_text(context, query, hits):
        head = f"{output.human_date(hit.date)}  {hit.id.hex()[:12]}  "
        sender = output.fit(output.visible(hit.sender), 30)
        room = width - len(head) - output.cells(sender) - 2
        subject = output.fit(output.visible(hit.subject), max(room, 10))
        output.result(
            output.style(head, "dim") + output.style(sender, "cyan") + "  "
            + output.style(subject, "bold")
        )  # fmt: skip
        pieces = []
        at = 0
        for start, end in marks:
            pieces.append(output.visible(snippet[at:start]))
            pieces.append(output.style(output.visible(snippet[start:end]), "yellow"))
            at = end
        pieces.append(output.visible(snippet[at:]))
        if snippet:
            output.result("    " + "".join(pieces))
        if hit.attachments:
            names = ", ".join(name or "(unnamed)" for name, _, _ in hit.attachments)
            output.result("    " + output.style("attached: " + output.visible(names), "green"))


def _with_text(
    context: typer.Context, query: str, hits: "list[Hit]"
) -> "Iterator[tuple[Hit, Extract | None, Snippet]]":
    """Read the messages found, and take from each what shows best why it was."""
    from poparchive.archive import searches
    from poparchive.archive.read import Reader
    from poparchive.errors import PoparchiveError
    from poparchive.index.search import terms
    from poparchive.index.snippet import snippet

    if not hits:
        return
    root = Settings.of(context).archive_dir()
    wanted = terms(query, saved=partial(searches.load, root))
    with Reader(root) as reader:
        for hit in hits:
            try:
                text = reader.text(reader.lookup.by_key(hit.key))
            except PoparchiveError as error:
                # One damaged message must not hide the others that were found.
                output.problem(output.visible(str(error)))
                yield hit, None, ("", [])
                continue
            yield hit, text, snippet(text.body, wanted)
