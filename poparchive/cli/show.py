"""``poparchive show``: one message, in the form that is asked for."""

import codecs
import io
import sys
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poparchive.cli import output
from poparchive.cli.paths import Settings
from poparchive.errors import PoparchiveError, UsageError

if TYPE_CHECKING:
    from poparchive.archive.read import Reader
    from poparchive.index.lookup import Located


class NoPartError(PoparchiveError):
    """The message has no such part."""


def show(
    context: typer.Context,
    identity: Annotated[
        str, typer.Argument(metavar="ID", help="Beginning of the id, or a Message-ID in <>.")
    ],
    raw: Annotated[
        bool, typer.Option("--raw", help="The exact octets that the server sent.")
    ] = False,
    headers: Annotated[bool, typer.Option("--headers", help="All header fields.")] = False,
    text: Annotated[bool, typer.Option("--text", help="The readable text (the default).")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    part: Annotated[
        int | None, typer.Option("--part", metavar="N", help="The content of leaf part N.")
    ] = None,
    save_attachments: Annotated[
        Path | None, typer.Option("--save-attachments", metavar="DIR", help="Write them there.")
    ] = None,
) -> None:
    """Show one message. Its octets are proved by their hash before anything is shown."""
    from poparchive.archive.read import Reader

    if sum(map(bool, (raw, headers, text, as_json, part is not None, save_attachments))) > 1:
        raise UsageError("show one thing at a time: --raw, --headers, --text, --json, --part ...")
    root = Settings.of(context).archive_dir()
    with Reader(root) as reader:
        message = reader.lookup.message(identity)
        if raw:
            _write(reader.octets(message))
        elif headers:
            block = reader.header(message).decode("utf-8", "surrogateescape")
            output.result(output.visible(block.replace("\r\n", "\n"), keep="\n\t"))
        elif part is not None:
            found = [p for p in reader.parts(message) if p.number == part]
            if not found:
                raise NoPartError(f"message {message.id.hex()[:12]} has no part {part}")
            _write([found[0].content])
        elif save_attachments is not None:
            _save(reader, message, save_attachments)
        elif as_json:
            output.result(output.json_line(_fields(reader, message)))
        else:
            _print(reader, message)


def _write(pieces: Iterable[bytes]) -> None:
    """Write exact octets; to a terminal, what they are as text that cannot act on it."""
    if sys.stdout.isatty():
        _write_visibly(pieces)
        return
    stream = sys.stdout.buffer
    for piece in pieces:
        stream.write(piece)
    stream.flush()


def _write_visibly(pieces: Iterable[bytes]) -> None:
    characters = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    # A character, and the end of a line, may stand in two pieces.
    lines = io.IncrementalNewlineDecoder(characters, translate=True)
    for piece in chain(pieces, [None]):
        text = lines.decode(piece or b"", final=piece is None)
        sys.stdout.write(output.visible(text, keep="\n\t"))
    output.note("\nthis is how a terminal may show it; a file or a pipe gets the exact octets")


def _print(reader: "Reader", message: "Located") -> None:
    from poparchive.mime.text import printable

    said = reader.text(message)
    text = printable(said, attachments=False)
    output.result(output.visible(text.rstrip("\n"), keep="\n\t"))
    parts = reader.lookup.attachments_of(message.key)
    attached = [
        f"{name or '(no name)'}  ({kind}, {output.human_size(size)}; --part {number})"
        for number, name, kind, size in parts
    ]
    # Files inside of text, and those of enclosed messages, are no parts of their own.
    named = {name for _, name, _, _ in parts}
    attached += [name for name in said.attachment_names if name and name not in named]
    if attached:
        output.result("\nAttachments:")
        for line in attached:
            output.result("  " + output.visible(line))
    output.note(
        f"\n{message.id.hex()}, {output.human_size(message.size_bytes)},"
        f" in {', '.join(reader.lookup.accounts_of(message.key))}"
    )
    if not said.whole:
        output.note(
            "this is not all of it: it is damaged, or has more than the 2 MiB of text, or the 65,536"
            " characters of a field, that are read; `show --raw` has every octet"
        )


def _fields(reader: "Reader", message: "Located") -> dict[str, object]:
    from poparchive.cli.found import fields
    from poparchive.index.results import Hit

    hit = Hit(
        message.key,
        message.id,
        message.date,
        message.sender,
        message.subject,
        message.size_bytes,
        tuple(reader.lookup.accounts_of(message.key)),
        attachments=(),
        thread=_thread(reader, message),
    )
    text = reader.text(message)
    attachments = [
        {"part": number, "name": name, "type": kind, "size_bytes": size}
        for number, name, kind, size in reader.lookup.attachments_of(message.key)
    ]
    return fields(hit, text) | {"attachments": attachments, "text": text.body}


def _thread(reader: "Reader", message: "Located") -> bytes | None:
    """Return the id of the oldest message of its conversation; None where the index cannot say: a message is
    shown without one."""
    from poparchive.index.search import Searcher

    layout = reader.layout
    try:
        with Searcher(layout.catalog, layout.search) as searcher:
            (hit,) = searcher.shown([message.key])
    except PoparchiveError:
        return None
    return hit.thread


def _save(reader: "Reader", message: "Located", directory: Path) -> None:
    from poparchive.formats.names import file_name

    directory.mkdir(parents=True, exist_ok=True)
    saved = 0
    for part in reader.parts(message):
        if part.name is None:
            continue
        name = file_name(part.name or f"part-{part.number}")
        path = directory / name
        count = 1
        while path.exists():
            count += 1
            path = directory / f"{count}-{name}"
        path.write_bytes(part.content)
        saved += 1
        output.result(str(path))
    if not saved:
        output.note(f"message {message.id.hex()[:12]} has no attachments")
