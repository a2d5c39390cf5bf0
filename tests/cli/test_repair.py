"""``verify --repair`` tells what is left as it finds it, however much that is."""

from collections.abc import Generator
from contextlib import closing
from pathlib import Path

from poparchive.archive.verify import Counts, Damage
from poparchive.cli.paths import Settings
from poparchive.cli.repair import repair
from poparchive.store import layout
from poparchive.store.fsio import is_locked
from tests.support.archives import fill
from tests.support.damage import mails


def test_what_is_left_is_told_as_it_is_found(tmp_path: Path) -> None:
    """A million lost messages are not held in memory: the first is told while the last was not looked at. The
    locks are held until the end, whoever ends it."""
    root = tmp_path / "archive"
    layout.create(root)
    fill(root, mails(0, 12))
    archive = layout.open_layout(root)
    for number in archive.packs():
        archive.pack(number).unlink()
    steps: list[str] = []
    locks = (archive.lock, archive.optimize_lock)

    def show(what: str, *_: int) -> None:
        steps.append(what)

    def left() -> Generator[Damage, None, None]:
        return repair(Settings(archive=root), None, Counts(), lambda _: show)

    with closing(left()) as found:
        next(found)
        first = len(steps)
        for _ in found:
            assert all(map(is_locked, locks))
    assert len(steps) > first
    assert not any(map(is_locked, locks))
    with closing(left()) as found:
        next(found)
        assert all(map(is_locked, locks))
    assert not any(map(is_locked, locks))
