"""The journal: entries come back in order, and no change to them goes unnoticed."""

import contextlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poparchive.model import Fate, MessageId
from poparchive.store import journal, layout, records
from poparchive.store.entries import ENTRY_HEADER_BYTES
from poparchive.store.errors import DamageError, StoreError, WriteError
from poparchive.store.journal import START, JournalWriter, TornEntryError

numbers = st.integers(0, 1 << 40)
ids = st.binary(min_size=32, max_size=32).map(MessageId)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
any_record: st.SearchStrategy[records.Record] = st.one_of(
    st.builds(records.AccountRecord, numbers, texts, texts, texts),
    st.builds(
        records.ListedRecord,
        numbers,
        numbers,
        st.lists(st.tuples(st.binary(max_size=80), numbers), max_size=4).map(tuple),
    ),
    st.builds(records.ArchivedRecord, numbers, ids),
    st.builds(records.DuplicateRecord, numbers, ids),
    st.builds(records.FateRecord, numbers, st.sampled_from(Fate), texts),
    st.builds(records.RunRecord, *[numbers] * 11, texts),
    st.builds(records.PackRecord, numbers, numbers, st.booleans()),
)


@given(st.lists(any_record, max_size=6))
def test_records_round_trip(batch: list[records.Record]) -> None:
    """What is encoded is decoded to equal values."""
    assert records.decode(records.encode(batch)) == batch


@given(st.binary(max_size=60))
def test_damaged_records_raise_only_our_errors(octets: bytes) -> None:
    """Any octets give records or our own error."""
    with contextlib.suppress(StoreError):
        records.decode(octets)


@pytest.fixture
def archive(tmp_path: Path) -> layout.Layout:
    return layout.create(tmp_path / "archive")


def fill(archive: layout.Layout, count: int, *, file_bytes: int = journal.FILE_BYTES) -> None:
    writer = JournalWriter(archive, START, file_bytes=file_bytes)
    for n in range(count):
        batch = [records.FateRecord(n, Fate.VANISHED, "gone " * (n % 7))]
        writer.append(batch, 1000 + n)
    writer.close()


def fill_without(archive: layout.Layout, number: int) -> None:
    """Write four entries, and take this one out."""
    fill(archive, 4)
    path = archive.journal(1)
    whole = path.read_bytes()
    ends = [e.after.offset for e in journal.read(archive)]
    path.write_bytes(whole[: ends[number - 2]] + whole[ends[number - 1] :])


def test_entries_come_back_across_files(archive: layout.Layout) -> None:
    """Entries are read in order through rotated files, and reading can start anywhere between."""
    fill(archive, 20, file_bytes=600)
    assert len(archive.journals()) > 2
    entries = list(journal.read(archive))
    assert [e.number for e in entries] == list(range(1, 21))
    for e in entries:
        rest = list(journal.read(archive, e.after))
        assert [r.number for r in rest] == list(range(e.number + 1, 21))


@pytest.mark.parametrize("which", [slice(0, 1), slice(0, 2), slice(1, 2), slice(1, 3)])
def test_what_a_missing_file_leaves_is_read(archive: layout.Layout, which: slice) -> None:
    """All that stands in the others comes out, and one look is enough to go on behind the gap."""
    fill(archive, 20, file_bytes=600)
    entries = list(journal.read(archive))
    gone = archive.journals()[which]
    left = [e.number for e in entries if e.after.file not in gone]
    for number in gone:
        archive.journal(number).unlink()
    found: list[int] = []
    with pytest.raises(DamageError, match=archive.journal(gone[0]).name):
        # What came before the error stays in the list.
        found.extend(entry.number for entry in journal.read(archive))
    assert found == [e.number for e in entries if e.after.file < gone[0]]
    assert [e.number for e in journal.readable(archive)] == left
    # Who goes on from a place relies on all before it.
    with pytest.raises(DamageError, match="is missing"):
        next(journal.read(archive, entries[-2].after))


@pytest.mark.parametrize("window", [*range(4, 12), 100, 1 << 20])
def test_entries_are_found_across_windows(
    archive: layout.Layout, monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    """Wherever a window ends, the next whole entry behind damage is found."""
    fill(archive, 4)
    first, second, *_ = journal.read(archive)
    monkeypatch.setattr("poparchive.store.entries._WINDOW_BYTES", window)
    for offset in range(first.after.offset):
        found = journal.next_whole(archive, 1, offset)
        assert found is not None
        assert found.entry == (0 if offset < 44 else 1)
    assert journal.next_whole(archive, 1, second.after.offset - 1) == second.after


def test_writing_goes_on_where_it_stopped(archive: layout.Layout) -> None:
    """A new writer continues the chain."""
    fill(archive, 3)
    after = list(journal.read(archive))[-1].after
    writer = JournalWriter(archive, after)
    writer.append([records.PackRecord(1, 2, records.Sealed.NO)], 5)
    writer.close()
    assert [e.number for e in journal.read(archive)] == [1, 2, 3, 4]


def test_a_torn_tail_is_told_from_damage(archive: layout.Layout) -> None:
    """Cut anywhere in the last entry: torn. Changed anywhere before it: damage."""
    fill(archive, 4)
    path = archive.journal(1)
    whole = path.read_bytes()
    ends = [e.after.offset for e in journal.read(archive)]
    for cut in range(ends[2] + 1, ends[3]):
        path.write_bytes(whole[:cut])
        with pytest.raises(TornEntryError):
            list(journal.read(archive))
    for at in range(journal.FILE_HEADER_BYTES, ends[2], 3):
        changed = bytearray(whole)
        changed[at] ^= 0x10
        path.write_bytes(changed)
        with pytest.raises(StoreError) as caught:
            list(journal.read(archive))
        assert not isinstance(caught.value, TornEntryError)


def test_a_dropped_entry_is_noticed(archive: layout.Layout) -> None:
    """Taking out a whole entry breaks the chain."""
    fill_without(archive, 2)
    with pytest.raises(DamageError, match="does not follow"):
        list(journal.read(archive))


def test_an_entry_that_does_not_follow_can_be_read(archive: layout.Layout) -> None:
    """It stands right where the one before it is gone."""
    fill_without(archive, 3)
    assert [one.number for one in journal.readable(archive)] == [1, 2, 4]


@pytest.mark.parametrize("entries", [0, 3])
def test_a_file_begun_with_its_length_alone(archive: layout.Layout, entries: int) -> None:
    """A loss of power leaves a file with its length and not its octets. It is torn, and begun anew; with a
    header that checks it is told."""
    fill(archive, entries)
    position = [START, *[e.after for e in journal.read(archive)]][-1]
    begun = archive.journal(2 if entries else 1)
    begun.write_bytes(bytes(journal.FILE_HEADER_BYTES))
    with pytest.raises(TornEntryError):
        list(journal.read(archive))
    assert [one.number for one in journal.readable(archive)] == list(range(1, entries + 1))
    writer = JournalWriter(archive, position)
    writer.append([records.FateRecord(1, Fate.SKIPPED, "x")], 1)
    writer.close()
    assert [one.number for one in journal.read(archive)] == list(range(1, entries + 2))
    other = layout.create(archive.root.with_name("other"))
    fill(other, 1)
    number = archive.journals()[-1] + 1
    archive.journal(number).write_bytes(other.journal(1).read_bytes()[: journal.FILE_HEADER_BYTES])
    with pytest.raises(DamageError, match="another archive") as caught:
        list(journal.read(archive))
    assert not isinstance(caught.value, TornEntryError)


def test_what_is_cut_off_stays_cut_off(
    archive: layout.Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is synced before the next file is begun: come back, the tail would stand in the middle."""
    fill(archive, 3)
    ends = [one.after for one in journal.read(archive)]
    path = archive.journal(1)
    os.truncate(path, ends[2].offset - 5)
    done: list[str] = []
    for name in ("ftruncate", "fdatasync", "fsync"):
        real = getattr(os, name)

        def noted(fd: int, *given: int, name: str = name, real: Callable[..., None] = real) -> None:
            done.append(f"{name} {Path(f'/proc/self/fd/{fd}').readlink().name}")
            real(fd, *given)

        monkeypatch.setattr(os, name, noted)
    writer = JournalWriter(archive, ends[1], file_bytes=ends[1].offset)
    assert done == [f"ftruncate {path.name}", f"fdatasync {path.name}"]
    writer.append([records.FateRecord(9, Fate.SKIPPED, "x")], 1)
    writer.close()
    assert archive.journals() == [1, 2]


def test_two_crashes_are_not_damage(archive: layout.Layout) -> None:
    """A file that was begun when the machine stopped does not make the next torn entry damage."""
    batch: list[records.Record] = [records.FateRecord(1, Fate.SKIPPED, "x")]
    writer = JournalWriter(archive, START)
    writer.append(batch, 1)
    position = writer.position
    writer.close()
    header = archive.journal(1).read_bytes()[: journal.FILE_HEADER_BYTES]
    archive.journal(2).write_bytes(header)
    writer = JournalWriter(archive, position)
    writer.append(batch, 2)
    writer.close()
    with archive.journal(1).open("r+b") as file:
        file.truncate(archive.journal(1).stat().st_size - 5)
    with pytest.raises(TornEntryError):
        list(journal.read(archive))
    assert archive.journals() == [1]


def test_whole_entries_are_never_cut_off(archive: layout.Layout) -> None:
    """A writer that is told an older position in the same file, or none, refuses to go on."""
    fill(archive, 4)
    octets = archive.journal(1).read_bytes()
    positions = [one.after for one in journal.read(archive)]
    for position in (START, *positions[:3]):
        with pytest.raises(DamageError, match="was not read"):
            JournalWriter(archive, position)
    changed = octets[: positions[2].offset - 1] + b"?" + octets[positions[2].offset :]
    archive.journal(1).write_bytes(changed)
    with pytest.raises(DamageError, match="entry 4, which was not read"):
        JournalWriter(archive, positions[1])
    assert archive.journal(1).read_bytes() == changed


def test_a_last_entry_of_full_length_stays(archive: layout.Layout) -> None:
    """It may have been whole, and changed since; one that ends too soon, or in zeros, was being written."""
    fill(archive, 4)
    octets = archive.journal(1).read_bytes()
    position = [one.after for one in journal.read(archive)][2]
    at = position.offset
    for last in (octets[at:-1], octets[at:-32] + bytes(32), bytes(len(octets) - at), b"PAJE"):
        archive.journal(1).write_bytes(octets[:at] + last)
        JournalWriter(archive, position).close()
        assert [path.name for path in archive.journal(1).parent.iterdir()] == ["00000001.journal"]
    changed = octets[at : at + 70] + b"?" + octets[at + 71 :]
    archive.journal(1).write_bytes(octets[:at] + changed)
    JournalWriter(archive, position).close()
    assert archive.journal(1).read_bytes() == octets[:at]
    (kept,) = archive.journal(1).parent.glob("*.damaged-*")
    assert kept.read_bytes() == changed


def flipped(octets: bytes, at: int) -> bytes:
    return octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]


def copies(archive: layout.Layout) -> list[bytes]:
    return [path.read_bytes() for path in sorted(archive.journal(1).parent.glob("*.damaged-*"))]


def test_a_length_that_is_damaged_says_nothing(archive: layout.Layout) -> None:
    """Any octet of a last entry's header may have changed, and octets may lie behind it: it stays."""
    fill(archive, 4)
    octets = archive.journal(1).read_bytes()
    position = [one.after for one in journal.read(archive)][2]
    at = position.offset
    tails = [flipped(octets[at:], n) for n in range(ENTRY_HEADER_BYTES)]
    damaged = flipped(octets[at:], ENTRY_HEADER_BYTES)
    tails += [damaged + more for more in (bytes(600), b"PAJE", bytes(600) + b"PAJE")]
    for number, tail in enumerate(tails, 1):
        archive.journal(1).write_bytes(octets[:at] + tail)
        JournalWriter(archive, position).close()
        assert archive.journal(1).read_bytes() == octets[:at]
        assert len(copies(archive)) == number
        assert tail in copies(archive)


def test_what_a_loss_of_power_leaves_is_not_copied(archive: layout.Layout) -> None:
    """A sector that is there of an entry that was being written, and zeros where others are missing."""
    fill(archive, 4)
    octets = archive.journal(1).read_bytes()
    position = [one.after for one in journal.read(archive)][2]
    at = position.offset
    entry = octets[at:]
    for there in (0, 3, ENTRY_HEADER_BYTES, ENTRY_HEADER_BYTES + 2):
        for zeros in (0, 1, len(entry) - there, 700):
            archive.journal(1).write_bytes(octets[:at] + entry[:there] + bytes(zeros))
            JournalWriter(archive, position).close()
            assert copies(archive) == []


def test_an_entry_of_full_length_stays_of_a_file_that_is_removed(archive: layout.Layout) -> None:
    """Where the last entry is the first of its file, nothing is left of that file; a write that was cut
    leaves no copy."""
    fill(archive, 4, file_bytes=1)
    *_, before, _ = [one.after for one in journal.read(archive)]
    last = archive.journal(4)
    octets = last.read_bytes()
    for gone in (octets[:-1], octets[:-32] + bytes(32), octets[: journal.FILE_HEADER_BYTES]):
        last.write_bytes(gone)
        JournalWriter(archive, before).close()
        assert not last.exists()
        assert copies(archive) == []
    damaged = flipped(octets, -40)
    last.write_bytes(damaged)
    JournalWriter(archive, before).close()
    assert archive.journals() == [1, 2, 3]
    assert copies(archive) == [damaged[journal.FILE_HEADER_BYTES :]]


def test_an_entry_of_full_length_stays_of_a_file_that_is_begun_anew(archive: layout.Layout) -> None:
    """A catalog that is empty knows no entry: the first file is begun again, and its one entry stays."""
    fill(archive, 1)
    first = archive.journal(1)
    octets = first.read_bytes()
    damaged = flipped(octets, -40)
    for there, kept in ((octets[:-1], []), (damaged, [damaged[journal.FILE_HEADER_BYTES :]])):
        first.write_bytes(there)
        with contextlib.closing(JournalWriter(archive, START)) as writer:
            writer.append([], 1)
        assert [one.records for one in journal.read(archive)] == [[]]
        assert copies(archive) == kept


def test_a_copy_that_cannot_be_written_leaves_nothing_open(
    archive: layout.Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last entry is not cut off then, and a service that tries again does not run out of files."""
    with contextlib.closing(JournalWriter(archive, START)) as writer:
        before = writer.append([], 1).after
        writer.append([], 2)
    path = archive.journal(1)
    octets = bytearray(path.read_bytes())
    octets[-1] ^= 1
    path.write_bytes(octets)

    def full(*_: object) -> None:
        raise WriteError("the disk is full")

    monkeypatch.setattr("poparchive.store.journal.write_durably", full)
    held = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(WriteError):
            JournalWriter(archive, before)
    assert len(list(Path("/proc/self/fd").iterdir())) == held
    assert path.read_bytes() == octets


def test_entries_that_were_not_read_are_never_removed(archive: layout.Layout) -> None:
    """A writer that is told an older position refuses to go on."""
    batch: list[records.Record] = [records.FateRecord(1, Fate.SKIPPED, "x" * 300)]
    writer = JournalWriter(archive, START, file_bytes=500)
    writer.append(batch, 1)
    position = writer.position
    for time in range(2, 6):
        writer.append([records.FateRecord(time, Fate.SKIPPED, str(time) * 400)], time)
    writer.close()
    held = archive.journals()
    assert len(held) > 1
    with pytest.raises(DamageError, match=r"was not read|does not follow"):
        JournalWriter(archive, position, file_bytes=500)
    assert archive.journals() == held


class _Unseeing(layout.Layout):
    """An archive whose ``journal`` may be entered and not listed."""

    def journals(self) -> list[int]:
        return []


def test_a_file_that_holds_entries_is_not_begun_anew(archive: layout.Layout) -> None:
    """Also if nobody saw it: a directory that may not be listed looks empty."""
    with contextlib.closing(JournalWriter(archive, START)) as writer:
        writer.append([], 1)
    path = archive.journal(1)
    before = path.read_bytes()
    unseeing = _Unseeing(*archive)
    with (
        contextlib.closing(JournalWriter(unseeing, START)) as writer,
        pytest.raises(DamageError, match="entry 1, which was not read"),
    ):
        writer.append([], 2)
    assert path.read_bytes() == before


def test_settling_writes_over_nothing(archive: layout.Layout) -> None:
    """What was synced long ago is not at stake if the power goes meanwhile: a copy takes the file's place."""
    fill(archive, 3)
    path = archive.journal(1)
    octets = path.read_bytes()
    with path.open("rb") as before:
        journal.settle(archive, START)
        assert os.fstat(before.fileno()).st_ino != path.stat().st_ino
        assert before.read() == octets
    assert path.read_bytes() == octets
    assert list(path.parent.iterdir()) == [path]


def test_nothing_is_appended_behind_an_entry_of_another_journal(archive: layout.Layout) -> None:
    """A journal of the same length, of a copy that went its own way: the chain would break for good."""
    fill(archive, 3)
    *_, last = journal.read(archive)
    path = archive.journal(last.after.file)
    before = path.read_bytes()
    other = replace(last.after, hash=bytes(31) + b"\1")
    with pytest.raises(DamageError, match="another entry than the catalog knows"):
        JournalWriter(archive, other)
    assert path.read_bytes() == before
    JournalWriter(archive, last.after).close()


def test_what_is_appended_to_is_proved_by_its_octets(archive: layout.Layout) -> None:
    """The hash that stands behind an entry says nothing of what stands before it."""
    fill(archive, 3)
    *_, before, last = journal.read(archive)
    path = archive.journal(1)
    whole = path.read_bytes()
    for at in range(before.after.offset, len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 0x20
        path.write_bytes(changed)
        with pytest.raises(DamageError, match="damaged"):
            JournalWriter(archive, last.after)
        with pytest.raises(DamageError):
            journal.prove(archive, last.after)
        with pytest.raises(DamageError):
            journal.first_behind(archive, last.after)
        assert path.read_bytes() == changed
    path.write_bytes(whole)
    journal.prove(archive, last.after)
    assert journal.first_behind(archive, last.after) is None
    # An entry that follows names the one before it, and has to be read itself.
    assert journal.first_behind(archive, before.after) == last


@pytest.mark.parametrize("size", [1, 70_000, 300_000, 1_100_000])
def test_an_entry_of_any_length_is_proved(archive: layout.Layout, size: int) -> None:
    """Where it begins is found from its end, also where the magic stands within it."""
    reasons = os.urandom(size // 2).hex() + "PAJE" * 3
    with contextlib.closing(JournalWriter(archive, START)) as writer:
        positions = [
            writer.append([records.FateRecord(n, Fate.SKIPPED, reasons)], n).after for n in (1, 2)
        ]
    for position in positions:
        journal.prove(archive, position)
        for other in (
            replace(position, entry=position.entry + 1),
            replace(position, offset=position.offset - 1),
            replace(position, hash=bytes(32)),
        ):
            with pytest.raises(DamageError, match="another entry than the catalog knows"):
                journal.prove(archive, other)
    journal.prove(archive, START)


def test_a_catalog_ahead_of_the_journal_proves_nothing(archive: layout.Layout) -> None:
    fill(archive, 3)
    *_, last = journal.read(archive)
    os.truncate(archive.journal(1), last.after.offset - 1)
    with pytest.raises(DamageError, match="were synced"):
        journal.prove(archive, last.after)
    archive.journal(1).unlink()
    with pytest.raises(DamageError, match="cannot open"):
        journal.prove(archive, last.after)
