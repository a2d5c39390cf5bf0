"""``poparchive optimize``: makes packs and search index smaller."""

import os
from collections.abc import Callable
from typing import Annotated

import typer

from poparchive.cli import output
from poparchive.cli.paths import Settings

NICE = "--nice"


def optimize(
    context: typer.Context,
    time_limit: Annotated[
        str | None, typer.Option(metavar="TIME", help="Stop after so long, such as 2h.")
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE", help="Read and write at most so much a second, such as 20MiB."
        ),
    ] = None,
    nice: Annotated[
        bool, typer.Option(NICE, help="Let everything else on the machine go first.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The report as a JSON object.")] = False,
) -> int:
    """Gather small frames into large ones, which takes less room, and merge the search index.

    Pulls and searches go on beside it. Everything is copied and read again before anything old is
    removed; a run that is cut at any point is gone on with by the next. Exits with 1 if something could
    not be read: that stays as it is, and `poparchive verify` says more.
    """
    from poparchive.archive.optimize import optimize as make
    from poparchive.archive.pace import Limits
    from poparchive.archive.status import status
    from poparchive.config.units import duration_s, size_bytes

    limits = Limits(
        _read("--time-limit", time_limit, duration_s), _read("--rate", rate, size_bytes)
    )
    root = Settings.of(context).archive_dir()
    if nice:
        os.nice(19)
    with output.progress("optimize") as bars:
        task: output.Task | None = None
        shown = 0

        def show(done: int, total: int) -> None:
            nonlocal task, shown
            task = task or bars.task("messages", total=total)
            task.advance(done - shown)
            shown = done

        try:
            done = make(root, limits, show)
        except KeyboardInterrupt:
            output.problem("interrupted; what was moved by then counts, and the next run goes on")
            raise
    for damage in done.damages:
        output.note(output.visible(damage))
    raw = status(root).raw_bytes
    if as_json:
        output.result(
            output.json_line(
                {
                    "messages": done.messages,
                    "raw_bytes": raw,
                    "before_bytes": done.before_bytes,
                    "after_bytes": done.after_bytes,
                    "packs_before": done.packs_before,
                    "packs_after": done.packs_after,
                    "index_before_bytes": done.index_before_bytes,
                    "index_after_bytes": done.index_after_bytes,
                    "out_of_time": done.out_of_time,
                    "damages": done.damages,
                }
            )
        )
    else:
        output.note(_change("packs and journal", done.before_bytes, done.after_bytes, raw))
        output.note(_change("search index", done.index_before_bytes, done.index_after_bytes, 0))
        output.note(
            f"{done.messages} messages moved, {done.packs_before} packs became {done.packs_after}"
            + ("; the time was up, the next run goes on" if done.out_of_time else "")
        )
    return int(bool(done.damages))


def _read(name: str, text: str | None, read: Callable[[str], int | None]) -> int | None:
    if text is None:
        return None
    value = read(text)
    if not value:
        raise typer.BadParameter(f"{text!a} is not understood", param_hint=name)
    return value


def _change(what: str, before: int, after: int, raw: int) -> str:
    text = f"{what}: {output.human_size(before)} became {output.human_size(after)}"
    if raw and after:
        text += f", the mail divided by it {raw / before:.2f} became {raw / after:.2f}"
    return text
