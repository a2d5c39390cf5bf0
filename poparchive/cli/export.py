"""``poparchive export``: messages out of the archive, for other programs."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from poparchive.cli import output
from poparchive.cli.paths import Settings
from poparchive.errors import UsageError

if TYPE_CHECKING:
    from poparchive.archive.read import Reader
    from poparchive.index.lookup import Located

_BUFFER_BYTES = 1 << 20


def export(
    context: typer.Context,
    query: Annotated[
        list[str] | None, typer.Argument(metavar="[QUERY]...", help="Without one: all messages.")
    ] = None,
    kind: Annotated[str, typer.Option("--format", metavar="mbox|eml")] = "mbox",
    target: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="PATH", help="A file for mbox, a directory for eml; - is stdout."
        ),
    ] = None,
    account: Annotated[
        str | None, typer.Option("--account", metavar="NAME", help="Only this account's mail.")
    ] = None,
    dialect: Annotated[str, typer.Option("--dialect", metavar="mboxrd")] = "mboxrd",
) -> int:
    """Export messages. Each one's octets are proved by their hash first; a damaged one is named and
    left out, and the exit code is then 1."""
    from poparchive.archive.read import Reader
    from poparchive.archive.status import lag
    from poparchive.cli.find import remark
    from poparchive.index.lookup import lacking_uidls
    from poparchive.store.errors import DamageError, FormatError
    from poparchive.transfer import Chosen, EmlTarget, MboxTarget

    if kind not in ("mbox", "eml"):
        raise UsageError(f"--format {kind!r}: this version writes mbox and eml")
    if kind == "eml" and (target is None or str(target) == "-"):
        raise UsageError("--format eml writes one file a message: name a directory with --output")
    root = Settings.of(context).archive_dir()
    text = " ".join(query or [])
    remark(text)
    done = damaged = lacking = 0
    behind = ""
    with Reader(root) as reader, contextlib.ExitStack() as stack:
        stack.enter_context(_room(target))
        known = reader.lookup.accounts()
        if account is not None and account not in known:
            names = ", ".join(known) or "none"
            raise UsageError(f"--account {account}: no mail came from it; there are {names}")
        chosen = Chosen(reader, text, account)
        writer: EmlTarget | MboxTarget
        if kind == "eml":
            assert target is not None
            writer = EmlTarget(target)
        else:
            writer = MboxTarget(stack.enter_context(_stream(target)), dialect)
        bars = stack.enter_context(output.progress("export"))
        task = bars.task("messages", total=len(chosen))
        if not text:
            # By a query they cannot be told from others.
            for name, uidls in lacking_uidls(reader.lookup.connection).items():
                if account in (None, name):
                    lacking += uidls
                    output.problem(output.lacking(name, uidls))
            behind = lag(reader.layout)[1]
            if behind:
                output.problem(behind)
        for message, pieces in chosen:
            try:
                writer.write(pieces, message)
                done += 1
            except (DamageError, FormatError) as error:
                damaged += 1
                output.problem(_told(reader, message, error))
            task.advance(octets=message.size_bytes)
    output.note(
        output.counted(done, "message") + " exported" + (f", {damaged} damaged" if damaged else "")
    )
    return int(damaged > 0 or lacking > 0 or bool(behind) or (done == 0 and bool(text)))


def _told(reader: "Reader", message: "Located", error: Exception) -> str:
    """Name a damaged message in a line, and say where it lies."""
    where = str(reader.layout.pack(message.pack))
    what = str(error)
    if str(reader.layout.root) not in what:
        what += f" ({where}: the frame at octet {message.frame})"
    accounts = ", ".join(reader.lookup.accounts_of(message.key)) or "no account"
    return output.visible(
        f"{accounts}, {output.human_date(message.date)}, {message.id.hex()}, {message.sender}:"
        f" {message.subject}: {what}"
    )


@contextlib.contextmanager
def _room(target: Path | None) -> Iterator[None]:
    """Say where there is no room, which the operating system does not."""
    from poparchive.store.errors import WriteError

    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = "standard output" if target is None or str(target) == "-" else target
        raise WriteError(
            f"{where}: the disk is full; the export is not complete. Make room, or name a place on another"
            " disk, and run the command again; the archive is as it was"
        ) from error


@contextlib.contextmanager
def _stream(target: Path | None) -> Iterator[BinaryIO]:
    """Give standard output, or a file that appears under its name only when it is whole. A device or a pipe
    of that name stays what it is, and is written into."""
    if target is None or str(target) == "-":
        if sys.stdout.isatty():
            raise UsageError("an mbox is not for a terminal: give --output FILE, or pipe it")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if target.exists() and not target.is_file():
        with target.open("wb", _BUFFER_BYTES) as stream:
            yield stream
        return
    target = target.resolve()  # A link stays one.
    temporary = target.with_name(target.name + ".part")
    try:
        with temporary.open("wb", _BUFFER_BYTES) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.rename(target)
    finally:
        temporary.unlink(missing_ok=True)
