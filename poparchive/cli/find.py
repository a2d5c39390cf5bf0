"""What ``poparchive search`` does. Imports only what it uses: people wait for it."""

import signal
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from poparchive.cli import output
from poparchive.cli.paths import Settings
from poparchive.errors import UsageError, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from poparchive.index.facets import Facets

_PRINTED = {
    "--count": "it prints a number",
    "--facets": "it prints numbers of messages, not messages",
    "--explain": "it prints text for people",
    "--save": "it prints nothing",
    "--saved": "it prints names and queries",
    "--forget": "it prints nothing",
}
_WITH_JSON = ("--count", "--facets")
"""Facets have a form of their own, and a number is JSON as it is."""

_SMALL = frozenset(("or", "and", "not"))

_SORTS = {"date": "newest", "relevance": "relevance", "size": "size"}


def find(
    settings: Settings,
    query: "Sequence[str]",
    *,
    sort: str = "date",
    limit: int = 20,
    offset: int = 0,
    count: bool = False,
    as_json: bool = False,
    ids: bool = False,
    facets: str | None = None,
    all_copies: bool = False,
    explain: bool = False,
    save: str | None = None,
    saved: bool = False,
    forget: str | None = None,
) -> None:
    """Print what a query finds, or what the options ask of it instead."""
    from poparchive.archive import searches
    from poparchive.index.search import Searcher
    from poparchive.store.format import check_format

    if sort not in _SORTS:
        raise UsageError(f"--sort {quoted(sort)!r}: there are {', '.join(_SORTS)}")
    instead = {
        "--count": count,
        "--facets": facets is not None,
        "--explain": explain,
        "--save": save is not None,
        "--saved": saved,
        "--forget": forget is not None,
    }
    _refuse([name for name, given in instead.items() if given], query, as_json=as_json, ids=ids)
    root = settings.archive_dir()
    archive = check_format(root)
    text = " ".join(query)
    remark(text)
    if save is not None or forget is not None or saved:
        _keep(root, text, save, forget)
        return
    catalog, index = root / "catalog.sqlite", root / "search.sqlite"
    saved_as = partial(searches.load, root)
    with (
        _ended_at_once(),
        Searcher(catalog, index, archive=archive, saved=saved_as) as searcher,
    ):
        if unknown := searcher.missing(text):
            output.note(
                f"the index cannot tell {', '.join(unknown)} yet, which finds nothing until it is made"
                " anew: `poparchive rebuild --search-only`"
            )
        for said in searcher.absent(text):
            output.note(said)
        if explain:
            output.result(output.visible(searcher.explain(text, sort=_SORTS[sort]), keep="\n"))
            return
        if count:
            output.result(str(searcher.count(text)))
            return
        if facets is not None:
            _print_facets(searcher.facets(text, _kinds(facets)), as_json, limit)
            return
        hits = searcher.search(
            text, limit=limit, offset=offset, sort=_SORTS[sort], fold=not all_copies
        )
        wanted = searcher.terms(text) if as_json or output.on_terminal() else []
    if ids:
        for hit in hits:
            output.result(hit.id.hex())
    elif as_json:
        from poparchive.cli.found import print_json

        print_json(root, hits, wanted)
    elif output.on_terminal():
        from poparchive.cli.found import print_list

        print_list(root, hits, wanted)
    else:
        for hit in hits:
            cells = (output.rfc3339(hit.date), hit.id.hex()[:12], hit.sender, hit.subject)
            output.result("\t".join(output.visible(cell) for cell in cells))
    if not hits:
        output.note(f"nothing found behind the first {offset}" if offset else "nothing found")
    elif len(hits) == limit and not (as_json or ids):
        which = f"{offset + 1} to {offset + limit}" if offset else f"the first {limit}"
        output.note(f"{which}; --limit and --offset show more, --count counts")


@contextmanager
def _ended_at_once() -> "Iterator[None]":
    """Let Ctrl-C end the process within: a search only reads, and Python looks at a signal when SQLite comes
    back, which may take long."""
    # Where a shell has it ignored, it stays so.
    ends = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ends:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        if ends:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def remark(query: str) -> None:
    """Say which words of a query were taken otherwise than they look. A mistake is left to who parses it."""
    from poparchive.query.tokens import straight

    text = straight(query)
    words = text.lower().replace("(", " ").replace("{", " ").split()
    operators = any(sign in text for sign in "({:") and not _SMALL.isdisjoint(words)
    odd = any("*" in word.rstrip("*") or word[0] == "@" or word == "near" for word in words)
    if not operators and not odd and '"*' not in text:
        return
    from poparchive.query.errors import QuerySyntaxError
    from poparchive.query.remarks import remarks

    try:
        for said in remarks(query):
            output.note(output.visible(said))
    except QuerySyntaxError:
        return


def _refuse(instead: "Sequence[str]", query: "Sequence[str]", *, as_json: bool, ids: bool) -> None:
    """Raise ``UsageError`` for two that cannot both be done. ``instead`` do something else than to list
    messages."""
    if len(instead) > 1:
        raise UsageError(
            f"{instead[0]} and {instead[1]}: each does something else than to list messages; give one of them"
        )
    form = "--ids" if ids else "--json" if as_json else ""
    if ids and as_json:
        raise UsageError("--ids and --json: --json tells the ids too; give one of them")
    if form and instead and not (as_json and instead[0] in _WITH_JSON):
        raise UsageError(f"{form} and {instead[0]}: {_PRINTED[instead[0]]}; leave {form} out")
    if query and instead and instead[0] in ("--saved", "--forget"):
        raise UsageError(f"{instead[0]} and a query: nothing is searched for; leave the query out")


def _kinds(given: str) -> list[str]:
    from poparchive.index.facets import KINDS

    kinds = list(dict.fromkeys(one.strip() for one in given.split(",")))
    if wrong := [one for one in kinds if one not in KINDS]:
        raise UsageError(f"--facets {quoted(wrong[0])!r}: there are {', '.join(KINDS)}")
    return kinds


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


def _print_facets(found: "Facets", as_json: bool, limit: int) -> None:
    """Print the first values of each kind."""
    if not found.looked_at:
        output.note("nothing found")
    if as_json:
        row: dict[str, object] = {"looked_at": found.looked_at, "whole": found.whole}
        for kind, values in found.counts.items():
            row[kind] = [
                {"value": value, "count": count}
                | ({"name": found.names.get(value, "")} if kind == "from" else {})
                for value, count in values[:limit]
            ]
        output.result(output.json_line(row))
        return
    if not found.looked_at:
        return
    for number, (kind, values) in enumerate(found.counts.items()):
        shown = [
            (str(count), f"{name} <{value}>" if kind == "from" and name else value)
            for value, count in values[:limit]
            for name in [found.names.get(value, "")]
        ]
        if not output.on_terminal():
            for count, value in shown:
                output.result("\t".join(map(output.visible, (kind, value, count))))
            continue
        if number:
            output.result("")
        output.table(("messages", kind), shown, right={0})
    if not found.whole:
        output.note(f"\nof the newest {found.looked_at:,} messages found; --count counts all")
