"""Damage of any kind in any file is found, never served, healed within parity, and else named by message."""

import os
import random
from pathlib import Path

import pytest

from tests.damage.table import ALL, COLUMNS, FILES, MAKER, PAGE, Subject, Table, run
from tests.support import tables

COUNT = int(os.environ.get("POPARCHIVE_DAMAGES", "150"))
"""How many in all; ``make damage`` does ten thousand and writes the table."""

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


def test_the_page_has_all() -> None:
    """Ten thousand damages: each detected, none served, and each healed or named."""
    rows = {row[0]: list(map(int, row[1:])) for row in tables.rows(PAGE, MAKER)}
    assert rows.keys() == {*FILES, ALL}
    for damaged, detected, served, healed, named in rows.values():
        assert damaged == detected == healed + named
        assert not served
    assert rows[ALL][0] >= 10_000
    assert all(not rows[kind][4] for kind in FILES if kind not in ("open pack", "journal"))


def test_the_table_is_of_what_it_says(tmp_path: Path) -> None:
    """The archive that is damaged has several sealed packs, some of which optimize made, and frames of all
    kinds: either version, either codec, with a dictionary and without."""
    from poparchive.store.frame import PLAIN, TIGHT, Codec
    from poparchive.store.packread import PackReader

    subject = Subject(tmp_path)
    assert len(subject.sealed) > 1
    reader = PackReader(subject.layout)
    headers = []
    for number in subject.layout.packs():
        size = subject.layout.pack(number).stat().st_size
        headers += [f.header for f in reader.frames(number, 0, size) if f.entries]
    reader.close()
    found = {(one.version, one.codec, bool(one.dictionary)) for one in headers}
    assert found >= {
        (PLAIN, Codec.STORED, False),
        (PLAIN, Codec.ZSTD, False),
        (TIGHT, Codec.ZSTD, False),
        (TIGHT, Codec.ZSTD, True),
    }
