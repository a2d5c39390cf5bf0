"""``poparchive verify``: reads and hashes everything again, or a share of it."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from poparchive.cli import output
from poparchive.cli.paths import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from poparchive.archive.verify import Counts, Damage, Progress, Share


def verify(
    context: typer.Context,
    sample: Annotated[
        str | None,
        typer.Option(metavar="PERCENT", help="Only so much, from where the last run ended: 5%."),
    ] = None,
    within: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only so much that all is read within that time: 30d."),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Rebuild what can be, and list what cannot.")
    ] = False,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="DIR", help="With --repair: a second copy of the archive."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object for each damage.")
    ] = False,
) -> int:
    """Prove every frame, blob and message, the journal's chain, and the databases against them.

    Exits with 1 if anything is damaged. Needs no lock: pulls may run beside it; --repair takes it.
    """
    from poparchive.archive.verify import Counts
    from poparchive.archive.verify import verify as prove
    from poparchive.errors import UsageError

    share = _share(sample, within)
    counts = Counts()
    if source is not None and not repair:
        raise UsageError("--from goes with --repair")
    if repair:
        from poparchive.cli.repair import repair as mend

        if share is not None:
            raise UsageError(
                "--repair looks at all of the archive: --sample and --within exclude it"
            )
        # Whatever ends it: the locks are let go of at once.
        with closing(mend(Settings.of(context), source, counts, shown)) as left:
            damaged = _tell_all(left, as_json=as_json)
        return _end(counts, damaged)
    with (
        output.progress("verify", unit="steps") as bars,
        # Whatever ends it, such as a reader that has gone: what was found by then is noted.
        closing(prove(Settings.of(context).archive_dir(), counts, shown(bars), share)) as found,
    ):
        damaged = _tell_all(found, as_json=as_json)
    return _end(counts, damaged)


class _Damaged(NamedTuple):
    """How many places are damaged, messages cannot be read, and messages are not in a database or journal."""

    places: int
    unreadable: int
    unnamed: int


def _tell_all(found: "Iterable[Damage]", *, as_json: bool) -> _Damaged:
    """Print each damage, and count."""
    from poparchive.archive.verify import Kind

    places = unreadable = unnamed = 0
    for damage in found:
        if damage.kind is Kind.MESSAGE or (damage.kind is Kind.NEWER and damage.identity):
            unreadable += 1
        elif damage.kind in (Kind.CATALOG, Kind.JOURNAL) and damage.identity:
            unnamed += 1
        else:
            places += 1
        tell(damage, as_json=as_json)
    return _Damaged(places, unreadable, unnamed)


def _end(counts: "Counts", damaged: _Damaged) -> int:
    for note in counts.notes:
        output.note(output.visible(note))
    output.note(
        f"{counts.messages} messages ({output.human_size(counts.message_octets)}),"
        f" {counts.frames} frames ({output.human_size(counts.octets)}),"
        f" {counts.entries} journal entries: "
        + (_said(damaged) if any(damaged) else "all as they were archived")
    )
    return int(any(damaged))


def _said(damaged: _Damaged) -> str:
    """One bad place may cost many messages: no number says another."""
    parts = []
    if damaged.places:
        parts.append(f"{output.counted(damaged.places, 'place')} damaged")
    if damaged.unreadable:
        parts.append(f"{output.counted(damaged.unreadable, 'message')} cannot be read")
    if damaged.unnamed:
        parts.append(f"{output.counted(damaged.unnamed, 'message')} not where they belong")
    return ", ".join(parts)


def shown(bars: output.Progress) -> "Progress":
    """A bar for each kind of step; packs are counted in octets."""
    tasks: dict[str, tuple[output.Task, int]] = {}

    def show(what: str, done: int, total: int) -> None:
        octets = what == "packs"
        if what not in tasks:
            tasks[what] = (bars.task(what, total=total), 0)
        task, before = tasks[what]
        task.advance(done - before, octets=done - before if octets else 0)
        tasks[what] = (task, done)

    return show


def tell(damage: "Damage", *, as_json: bool) -> None:
    """Print one damage: for people, or as an object."""
    message = damage.message
    if as_json:
        row: dict[str, object] = {"kind": damage.kind.value, "damage": damage.what}
        if damage.pack is not None:
            row |= {"pack": damage.pack, "start": damage.start, "end": damage.end}
        if damage.identity is not None:
            row["id"] = damage.identity.hex()
            row["accounts"] = damage.accounts
        if message is not None:
            row["date"] = output.rfc3339(message.date)
            row["sender"] = message.sender
            row["subject"] = message.subject
        output.result(output.json_line(row))
        return
    text = damage.what
    if message is not None:
        text = (
            f"{', '.join(damage.accounts)}\t{output.human_date(message.date)}"
            f"\t{message.id.hex()[:12]}\t{message.sender}: {message.subject}\t{damage.what}"
        )
    output.result(output.visible(text, keep="\t"))


def _share(sample: str | None, within: str | None) -> "Share | None":
    """Read the two options. Raises ``UsageError``."""
    from poparchive.archive.verify import Share
    from poparchive.config.units import duration_s
    from poparchive.errors import UsageError

    if sample is not None and within is not None:
        raise UsageError("--sample and --within exclude each other")
    if sample is not None:
        try:
            percent = float(sample.strip().removesuffix("%"))
        except ValueError:
            percent = 0.0
        if not 0 < percent <= 100:
            raise UsageError(f"--sample wants a percentage such as 5%, not {sample!a}")
        return Share(percent=percent)
    if within is not None:
        seconds = duration_s(within)
        if not seconds or seconds < 86_400:
            raise UsageError(f"--within wants a time of a day or more such as 30d, not {within!a}")
        return Share(within_s=seconds)
    return None
