"""The daemon's daily share of a verification, and its optimize."""

import sys
from pathlib import Path

import pytest

from poparchive import observe
from poparchive.archive import scrub
from poparchive.archive.verify import Counts, verify
from poparchive.archive.writer import Writer
from poparchive.cli.care import Child, Scrubber
from poparchive.store import layout
from tests.support.archives import fill, put
from tests.support.damage import mails

DAY_S = 86_400


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, object]]]:
    seen: list[tuple[str, dict[str, object]]] = []

    def event(name: str, *, level: int = 20, **fields: object) -> None:
        seen.append((name, fields))

    monkeypatch.setattr(observe, "event", event)
    return seen


def test_a_share_is_read_once_a_day(
    tmp_path: Path, events: list[tuple[str, dict[str, object]]]
) -> None:
    """Whether it is asked every hour or not; what was read is logged."""
    fill(tmp_path / "a", mails(0, 4))
    scrubber = Scrubber(tmp_path / "a", 30 * DAY_S)
    for _ in range(3):
        scrubber.start_if_due()
        scrubber.join()
    assert [name for name, _ in events] == ["verify"]
    assert events[0][1]["damages"] == 0
    assert len(scrub.read(tmp_path / "a").runs) == 1


def test_damage_is_logged_with_what_it_is_of(
    tmp_path: Path, events: list[tuple[str, dict[str, object]]]
) -> None:
    """Each message by id and account."""
    fill(tmp_path / "a", mails(0, 4))
    pack = layout.open_layout(tmp_path / "a").pack(1)
    octets = bytearray(pack.read_bytes())
    octets[len(octets) // 2] ^= 1
    pack.write_bytes(octets)
    Scrubber(tmp_path / "a", 30 * DAY_S).run()
    damages = [fields for name, fields in events if name == "damage"]
    assert {fields["accounts"] for fields in damages if fields["message"]} == {"anna"}
    assert events[-1][0] == "verify"
    assert events[-1][1]["damages"] == len(damages)


def test_what_is_no_damage_is_logged_too(
    tmp_path: Path, events: list[tuple[str, dict[str, object]]]
) -> None:
    """Notes, and with each run, whatever it read, that a pack has nothing any more that heals it."""
    root = tmp_path / "a"
    layout.create(root)
    with Writer(root, pack_bytes=2000) as writer:
        put(writer, mails(0, 4))
    there = layout.open_layout(root)
    last = there.parities()[-1]
    there.parity(last).unlink()
    Scrubber(root, 30 * DAY_S).run()
    warned = [fields for name, fields in events if name == "packs without parity"]
    assert [one["packs"] for one in warned] == [str(last)]
    assert events[-1][1]["packs_without_parity"] == 1
    list(verify(root, Counts(), lambda *_: None))  # Ends the round.
    Scrubber(root, 2 * DAY_S).run()
    notes = [str(fields["note"]) for name, fields in events if name == "verify note"]
    assert any(f"pack {last} has no parity" in one for one in notes)


def test_a_stop_ends_it(tmp_path: Path, events: list[tuple[str, dict[str, object]]]) -> None:
    """At the next frame or message; the round goes on later."""
    fill(tmp_path / "a", mails(0, 4))
    scrubber = Scrubber(tmp_path / "a", 30 * DAY_S)
    scrubber.stop()
    scrubber.run()
    assert scrub.read(tmp_path / "a").full == 0
    scrubber.start_if_due()
    scrubber.join()
    assert len(events) == 1


def test_an_optimize_that_cannot_begin_is_a_warning(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    events: list[tuple[str, dict[str, object]]],
) -> None:
    """The daemon goes on without it, stops as ever, and tries again the next time."""
    optimizer = Child(["--archive", str(tmp_path / "a")], "optimize")
    with monkeypatch.context() as gone:
        gone.setattr(sys, "executable", str(tmp_path / "python"))
        missing = Child(["--archive", str(tmp_path / "a")], "optimize")
    missing.start()
    missing.start()
    missing.stop()
    missing.join()
    assert [name for name, _ in events] == ["optimize not begun"] * 2
    assert events[0][1] == {"error": "No such file or directory"}
    optimizer.start()
    optimizer.join()
    assert events[-1][0] == "optimize failed"
    assert "archive" in str(events[-1][1]["error"])
