"""``poparchive attachments``: reads the text inside attachments, so that it is found."""

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poparchive.cli import output
from poparchive.cli.paths import Settings
from poparchive.errors import UsageError, quoted

if TYPE_CHECKING:
    from poparchive.archive.contents import Report
    from poparchive.attachments import Limits
    from poparchive.config import Attachments

NICE = "--nice"

_ID_DIGITS = 12

OLDER_INDEX = (
    "an earlier version made it, and the next pull, or `poparchive rebuild --search-only`, makes it anew"
    " and takes them up"
)


def attachments(
    context: typer.Context,
    ocr: Annotated[
        bool | None,
        typer.Option(
            "--ocr/--no-ocr",
            help="Recognize letters in pictures and scanned PDFs; by default as configured.",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Stop after N contents.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=64, help="Read N at a time; by default as configured."
        ),
    ] = None,
    retry: Annotated[
        bool,
        typer.Option(
            "--retry", help="Read again what was damaged, or took too long or too much memory."
        ),
    ] = False,
    nice: Annotated[
        bool, typer.Option(NICE, help="Let everything else on the machine go first.")
    ] = False,
    listed: Annotated[
        str | None,
        typer.Option(
            "--list",
            metavar="STATUS",
            help="Read nothing; show the attachments with this status and why, or `all`.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="The report, or each attachment, as a JSON object.")
    ] = False,
) -> int:
    """Read the text inside attachments that was not read yet, so that searches find it.

    Pulls and searches go on beside it. Each content is read once, however many messages carry it, by a
    process that can open no file and reach no network. A run that is cut at any point is gone on with by
    the next. `poparchive status` says how much is read, and what could not be.
    """
    from poparchive.archive.contents import Wish, read_contents
    from poparchive.cli import signals
    from poparchive.store.errors import LockedError

    settings = Settings.of(context)
    configured = configured_of(settings)
    root = settings.archive_dir()
    if listed is not None:
        return _list(root, listed, as_json=as_json)
    if nice:
        os.nice(19)
    wish = Wish(
        limits_of(configured, configured.ocr if ocr is None else ocr),
        workers or configured.workers,
        limit,
        retry,
    )
    stopping = threading.Event()
    with output.progress("attachments") as bars, signals.ending(stopping.set):
        task: output.Task | None = None
        shown = read = 0

        def show(done: int, total: int, octets: int) -> None:
            nonlocal task, shown, read
            task = task or bars.task("messages", total=total)
            task.advance(done - shown, octets=octets - read)
            shown, read = done, octets

        try:
            report = read_contents(root, wish, show, stopping.is_set)
        except LockedError:
            if stopping.is_set():
                raise KeyboardInterrupt from None
            raise
    _tell(report, as_json=as_json)
    if stopping.is_set():
        raise KeyboardInterrupt
    if wish.limits.ocr and not report.ocr and report.layers:
        output.problem(
            "letters in pictures were not recognized: "
            + (
                f"there is no data for {wish.limits.ocr_languages}; on Debian it is in the packages"
                " tesseract-ocr-*"
                if report.extra
                else "that needs `pip install 'poparchive[attachments]'`"
            )
        )
    return int(bool(report.unreadable))


def _list(root: Path, named: str, *, as_json: bool) -> int:
    """Show what became of attachments, a line each."""
    from poparchive.archive.contents_list import list_contents
    from poparchive.attachments.outcome import Status

    names = {status.name.lower(): status for status in Status}
    if named != "all" and named not in names:
        raise UsageError(f"--list {quoted(named)!r}: there are {', '.join(names)}, all")
    for one in list_contents(root, names.get(named)):
        status = one.status.name.lower()
        if as_json:
            row = {
                "id": one.message.hex(),
                "name": one.name,
                "status": status,
                "reason": one.reason,
            }
            output.result(output.json_line(row))
            continue
        told = f"{one.message.hex()[:_ID_DIGITS]}  {status:11}  {one.name or '(unnamed)'}"
        output.result(output.visible(told + (f": {one.reason}" if one.reason else "")))
    return 0


def configured_of(settings: Settings) -> "Attachments":
    """Return what the configuration says; the defaults where only an archive is named."""
    from poparchive.config import Attachments

    if settings.named_archive() is not None and settings.named_config_file() is None:
        return Attachments()
    return settings.config().attachments


def limits_of(configured: "Attachments", ocr: bool) -> "Limits":
    """Translate what is configured."""
    from poparchive.attachments import Limits

    return Limits(
        cpu_s=configured.time,
        memory_bytes=configured.memory,
        content_bytes=configured.max_bytes,
        ocr=ocr,
        ocr_languages="+".join(configured.ocr_languages),
    )


def _tell(report: "Report", *, as_json: bool) -> None:
    statuses = {status.name.lower(): count for status, count in sorted(report.statuses.items())}
    rate = report.octets / report.seconds if report.seconds else 0.0
    if as_json:
        output.result(
            output.json_line(
                {
                    "contents": report.contents,
                    "octets": report.octets,
                    "statuses": statuses,
                    "messages": report.messages,
                    "messages_left": report.left,
                    "messages_waiting": report.waiting,
                    "index_older": report.index_older,
                    "messages_unreadable": report.unreadable,
                    "seconds": round(report.seconds, 1),
                    "extra": report.extra,
                    "ocr": report.ocr,
                    "confined_by": list(report.layers),
                }
            )
        )
        return
    told = ", ".join(f"{count} {name}" for name, count in statuses.items())
    output.note(
        f"{report.contents} contents read, {output.human_size(report.octets)},"
        f" {output.human_size(int(rate))}/s" + (f": {told}" if told else "")
    )
    output.note(
        f"{report.messages} messages brought up to date in the search index; {report.left} are left"
    )
    if report.waiting:
        output.note(
            f"{report.waiting} of these are read and wait for the search index: "
            + (
                OLDER_INDEX
                if report.index_older
                else "the next pull brings it up, then run this again"
            )
        )
    if report.unreadable:
        output.problem(
            f"{report.unreadable} messages could not be read; `poparchive verify` says why"
        )
