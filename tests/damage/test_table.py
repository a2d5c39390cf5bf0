"""Damage of any kind in any file is found, never served, healed within parity, and else named by message."""

import os
import random
from pathlib import Path

import pytest

from tests.damage.table import COLUMNS, FILES, Subject, Table, run

COUNT = int(os.environ.get("POPARCHIVE_DAMAGES", "150"))
"""How many in all; ``make damage`` does ten thousand and prints the table."""

PARTS = 10


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return Subject(tmp_path_factory.mktemp("damage"))


@pytest.mark.parametrize("part", range(PARTS))
def test_no_damage_passes(subject: Subject, part: int) -> None:
    """Each is detected; readers give the exact octets or an error; repair gives back all that it can."""
    table = Table()
    run(subject, random.Random(part), COUNT // PARTS, table)
    assert table.wrong == []
    counts = {column: sum(table.counts[kind, column] for kind in FILES) for column in COLUMNS}
    assert counts["detected"] == counts["damaged"] == COUNT // PARTS
    assert counts["healed"] + counts["named"] == counts["damaged"]


def test_the_table_is_of_what_it_says(tmp_path: Path) -> None:
    """The archive that is damaged has several sealed packs, both codecs, and blobs that messages share."""
    from poparchive.store.frame import Codec
    from poparchive.store.packread import PackReader

    subject = Subject(tmp_path)
    assert len(subject.packs) > 2
    reader = PackReader(subject.layout)
    codecs = set()
    for number in subject.packs:
        size = subject.layout.pack(number).stat().st_size
        codecs |= {f.header.codec for f in reader.frames(number, 0, size) if f.entries}
    reader.close()
    assert codecs == {Codec.STORED, Codec.ZSTD}
