"""Dictionaries for everyday pulls: tried when there is enough, and not at every pull where none comes out."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from poparchive.archive import training
from poparchive.store import codec, layout
from tests.support.archives import damages, fill, octets_of


def mail(number: int) -> bytes:
    return b"Subject: %d\r\n\r\n%s\r\n" % (
        number,
        random.Random(number).randbytes(300).hex().encode(),
    )


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each training that was tried had a result."""
    monkeypatch.setattr(training, "ENOUGH_BYTES", 1000)
    seen: list[bool] = []
    train = codec.train

    def tried(samples: Sequence[bytes], size: int) -> bytes | None:
        found = train(samples, size)
        seen.append(found is not None)
        return found

    monkeypatch.setattr(codec, "train", tried)
    return seen


def test_what_gives_none_is_tried_again_when_there_is_twice_as_much(
    tmp_path: Path, tries: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forty pulls that grow a pack to some 16 times what is enough: five tries, each without a result."""
    monkeypatch.setattr(codec, "DICTIONARY_BYTES", 8)  # less than zstd makes one of
    for number in range(40):
        fill(tmp_path / "a", [mail(number)])
    length = layout.open_layout(tmp_path / "a").pack(1).stat().st_size
    assert tries == [False] * (length // 1000).bit_length()
    assert len(tries) < 6


def test_what_gives_one_begins_the_next_pack(tmp_path: Path, tries: list[bool]) -> None:
    """Once; the pack after it has it and is not looked at again."""
    mails = [mail(number) for number in range(40)]
    for one in mails:
        fill(tmp_path / "a", [one])
    assert tries[-1:] == [True]
    assert tries.count(True) == 1
    assert layout.open_layout(tmp_path / "a").packs() == [1, 2]
    assert sorted(octets_of(tmp_path / "a")) == sorted(mails)
    assert damages(tmp_path / "a") == []
