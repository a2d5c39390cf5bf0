"""``poparchive verify --repair``: finds damage, mends what can be, and looks again."""

import asyncio
import tempfile
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from poparchive.archive.repair import Lost, Needs, Repair
from poparchive.archive.spool import Spooled
from poparchive.archive.verify import Counts, Damage, Progress, verify
from poparchive.archive.verify.unnamed import RECOVERED
from poparchive.cli import output
from poparchive.cli.paths import Settings
from poparchive.errors import PoparchiveError, UsageError
from poparchive.store.errors import DescriptionError, FormatError
from poparchive.store.fsio import Lock
from poparchive.store.identity import open_proved
from poparchive.store.layout import DESCRIPTION, Layout

if TYPE_CHECKING:
    from poparchive.config import Config


def repair(
    settings: Settings,
    source: Path | None,
    counts: Counts,
    show: Callable[[output.Progress], Progress],
) -> Generator[Damage, None, None]:
    """Mend the archive and yield what is left, found by looking at all of it again.

    It is yielded as it is found, for a message each may be lost. The locks are held until the end, or until
    the iterator is closed.
    """
    root = settings.archive_dir()
    layout, _ = open_proved(root)
    other = _second(source) if source is not None else None

    def look(counts: Counts, title: str) -> Iterator[Damage]:
        with output.progress(title, unit="steps") as bars:
            yield from verify(root, counts, show(bars), held=True)

    with Lock(layout.optimize_lock), Lock(layout.lock) as lock:
        needs = Needs.of(look(Counts(), "verify"))
        config = _config(settings)
        with tempfile.TemporaryDirectory(prefix="poparchive-") as directory:

            def fetch(lost: Sequence[Lost]) -> Iterator[Spooled]:
                return _fetch(config, lost, Path(directory)) if config else iter(())

            mending = Repair(
                layout,
                lock,
                other,
                fetch,
                lambda text: output.note(output.visible(text)),
                lambda: look(Counts(), "verify with the mended journal"),
            )
            mending.run(needs)
        yield from look(counts, "verify again")
        yield from mending.left


def _second(source: Path) -> Layout:
    """Open the second copy. Raises ``UsageError`` where there is none, for then nothing was done."""
    if not source.is_dir():
        raise UsageError(f"--from {source}: there is no such directory; nothing was done")
    try:
        return open_proved(source)[0]
    except DescriptionError as error:
        raise UsageError(f"--from {source}: {error}") from error
    except FormatError as error:
        if not (source / DESCRIPTION).exists():
            raise UsageError(
                f"--from {source}: there is no archive; it wants the directory of a second copy, in which are"
                " packs and journal. Nothing was done"
            ) from error
        raise


def _config(settings: Settings) -> "Config | None":
    """The configuration, if there is one: without, servers are not asked."""
    if settings.named_archive() is not None and settings.named_config_file() is None:
        return None
    try:
        return settings.config()
    except PoparchiveError as error:
        output.problem(output.visible(f"servers are not asked: {error}", keep="\n"))
        return None


def _fetch(config: "Config", lost: Sequence[Lost], directory: Path) -> Iterator[Spooled]:
    """Ask the server of each account for what is lost here and may still be there."""
    from poparchive.cli.jobs import job_of
    from poparchive.pop3 import Contexts
    from poparchive.sync.refetch import refetch

    _tell_unasked(lost, {account.name for account in config.accounts})
    contexts = Contexts()
    for account in config.accounts:
        wanted = {one.uidl: one.size_bytes for one in lost if one.account == account.name}
        if not wanted:
            continue
        try:
            found = asyncio.run(refetch(job_of(account), wanted, directory, contexts))
        except PoparchiveError as error:
            output.problem(output.visible(f"{account.name}: {error}"))
            continue
        yield from found


def _tell_unasked(lost: Sequence[Lost], configured: Collection[str]) -> None:
    """Name the accounts whose server is not asked, for the configuration does not have them."""
    asked = {one.id for one in lost if one.account in configured}
    others: dict[str, set[bytes]] = {}
    for one in lost:
        # Mail whose account nobody knows came from no server that does.
        if one.id not in asked and one.account != RECOVERED:
            others.setdefault(one.account, set()).add(one.id)
    for name, messages in sorted(others.items()):
        output.problem(
            output.visible(
                f"{name}: no server is asked for {output.counted(len(messages), 'lost message')} of this"
                " account, which is not in the configuration: give the account this name there, at least for"
                " now, and run the repair again"
            )
        )
