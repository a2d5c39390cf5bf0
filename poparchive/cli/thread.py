"""``poparchive thread``: the conversation that a message is in, as a tree."""

from typing import TYPE_CHECKING, Annotated

import typer

from poparchive.cli import output
from poparchive.cli.paths import Settings

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from poparchive.archive.read import Reader
    from poparchive.index.jwz import Message, Node
    from poparchive.index.lookup import Located
    from poparchive.index.results import Hit

MANY = 1_000
"""Messages of a thread that are read, the latest of them: what comes before is counted."""

_INDENT = 2
_DEEP = 12
"""Deeper answers are not moved further to the right."""


def thread(
    context: typer.Context,
    identity: Annotated[
        str, typer.Argument(metavar="ID", help="Beginning of the id, or a Message-ID in <>.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a line.")] = False,
    ids: Annotated[bool, typer.Option("--ids", help="Only the ids, oldest first.")] = False,
) -> None:
    """Show the conversation that a message is in: answers below what they answer."""
    from poparchive.archive.read import Reader
    from poparchive.index.lookup import several
    from poparchive.index.search import Searcher
    from poparchive.store.format import check_format

    root = Settings.of(context).archive_dir()
    check_format(root)
    with Reader(root) as reader:
        chosen = reader.lookup.messages(identity)
        with Searcher(root / "catalog.sqlite", root / "search.sqlite") as searcher:
            keys = searcher.thread(chosen[0].key)
            hits = searcher.shown(keys[-MANY:]) if as_json else []
        if not {one.key for one in chosen} <= set(keys):
            # Copies of one mail are in one conversation; others may have a Message-ID by mistake.
            raise several(identity, chosen)
        if ids:
            for key in keys:
                output.result(reader.lookup.by_key(key).id.hex())
            return
        if len(keys) > MANY:
            output.note(f"{len(keys):,} messages are in this thread; the latest {MANY:,} follow")
        found = {key: reader.lookup.by_key(key) for key in keys[-MANY:]}
        messages, rows = _read(reader, found, hits)
        if as_json:
            _print_json(messages, rows, reader.lookup.by_key(keys[0]).id.hex())
        else:
            _print(messages, found, {one.key for one in chosen})


def _read(
    reader: "Reader", found: "dict[int, Located]", hits: "list[Hit]"
) -> "tuple[list[Message], dict[int, dict[str, object]]]":
    """Return what decides where each message stands, and what JSON says of those that are ``hits``."""
    from poparchive.cli.found import fields
    from poparchive.errors import PoparchiveError
    from poparchive.index.jwz import Message

    hit_of = {hit.key: hit for hit in hits}
    messages, rows = [], {}
    for key, located in found.items():
        try:
            text = reader.text(located)
        except PoparchiveError as error:
            # It stands where its date puts it, and the others are shown.
            output.problem(output.visible(str(error)))
            text = None
        name, references = (text.message_id, text.references) if text else ("", ())
        messages.append(Message(key, located.date, name, references, located.subject))
        if key in hit_of:
            rows[key] = fields(hit_of[key], text)
    return messages, rows


def _print(
    messages: "Sequence[Message]", found: "dict[int, Located]", chosen: "Collection[int]"
) -> None:
    from poparchive.index.jwz import tree, walk

    subjects = {0: ""}
    for depth, node in walk(tree(messages)):
        above = subjects.get(depth - 1, "") if depth else ""
        _print_line(node, depth, found, chosen, above)
        subjects[depth] = node.message.subject if node.message else above


def _print_json(
    messages: "Sequence[Message]", rows: "dict[int, dict[str, object]]", thread: str
) -> None:
    """Print an object a line; for what is not in the archive, with its name and place alone."""
    from poparchive.index.jwz import tree, walk

    for depth, node in walk(tree(messages)):
        parent = node.parent
        row = rows[node.message.key] if node.message else {"id": None, "message_id": node.id}
        place = {
            "depth": depth,
            "parent": rows[parent.message.key]["id"] if parent and parent.message else None,
            "parent_message_id": parent.id if parent else None,
            "missing": node.message is None,
            "thread": thread,
        }
        output.result(output.json_line(row | place))


def _print_line(
    node: "Node", depth: int, found: "dict[int, Located]", chosen: "Collection[int]", above: str
) -> None:
    from poparchive.cli.found import name_of
    from poparchive.index.subjects import base

    indent = " " * (_INDENT * min(depth, _DEEP))
    width = output.terminal_width() if output.on_terminal() else 1 << 20
    if node.message is None:
        name = f"  <{node.id}>" if node.id else ""
        line = output.fit(output.visible(f"  {indent}(not in the archive){name}"), width)
        output.result(output.style(line, "dim"))
        return
    located = found[node.message.key]
    here = located.key in chosen
    head = f"{'>' if here else ' '} {indent}"
    day = output.human_date(located.date)
    line = f"{head}{day}  {located.id.hex()[:10]}  {output.visible(name_of(located.sender))}"
    if base(located.subject).text != base(above).text:
        line += "  " + output.visible(located.subject)
    line = output.fit(line, width)
    output.result(output.style(line, "bold") if here else line)
