"""``poparchive thread``: the conversation that a message is in, as a tree."""

from typing import TYPE_CHECKING, Annotated

import typer

from poparchive.cli import output
from poparchive.cli.paths import Settings

if TYPE_CHECKING:
    from poparchive.archive.read import Reader
    from poparchive.index.jwz import Node
    from poparchive.index.lookup import Located

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
        if not {one.key for one in chosen} <= set(keys):
            # Copies of one mail are in one conversation; others may have a Message-ID by mistake.
            raise several(identity, chosen)
        if ids:
            for key in keys:
                output.result(reader.lookup.by_key(key).id.hex())
            return
        if len(keys) > MANY:
            output.note(f"{len(keys):,} messages are in this thread; the latest {MANY:,} follow")
        _print(reader, {one.key for one in chosen}, keys[-MANY:], keys[0], as_json)


def _print(reader: "Reader", chosen: set[int], keys: list[int], oldest: int, as_json: bool) -> None:
    from poparchive.errors import PoparchiveError
    from poparchive.index.jwz import Message, tree, walk

    found = {key: reader.lookup.by_key(key) for key in keys}
    messages = []
    for key, located in found.items():
        try:
            text = reader.text(located)
        except PoparchiveError as error:
            # It stands where its date puts it, and the others are shown.
            output.problem(output.visible(str(error)))
            messages.append(Message(key, located.date, "", (), located.subject))
            continue
        messages.append(
            Message(key, located.date, text.message_id, text.references, located.subject)
        )
    whole = reader.lookup.by_key(oldest).id.hex()
    subjects = {0: ""}
    for depth, node in walk(tree(messages)):
        if as_json:
            output.result(output.json_line(_fields(reader, node, depth, found, whole)))
        else:
            above = subjects.get(depth - 1, "") if depth else ""
            _print_line(node, depth, found, chosen, above)
            said = node.message.subject if node.message else above
            subjects[depth] = said


def _fields(
    reader: "Reader", node: "Node", depth: int, found: "dict[int, Located]", thread: str
) -> dict[str, object]:
    parent = node.parent
    above = found[parent.message.key].id.hex() if parent and parent.message else None
    fields: dict[str, object] = {
        "id": None,
        "message_id": node.id,
        "depth": depth,
        "parent": above,
        "parent_message_id": parent.id if parent else None,
        "missing": node.message is None,
        "thread": thread,
    }
    if node.message:
        located = found[node.message.key]
        fields |= {
            "id": located.id.hex(),
            "date": output.rfc3339(located.date),
            "from": located.sender,
            "subject": located.subject,
            "accounts": reader.lookup.accounts_of(located.key),
        }
    return fields


def _print_line(
    node: "Node", depth: int, found: "dict[int, Located]", chosen: set[int], above: str
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
