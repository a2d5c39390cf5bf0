"""Entries are applied one behind the other, while the next one is gathered."""

import random
from pathlib import Path

import pytest

from poparchive.archive import texts
from poparchive.archive.rebuild import rebuild
from poparchive.archive.writer import Writer
from poparchive.index.lookup import Lookup
from poparchive.store import journal, layout
from poparchive.store.errors import DamageError
from poparchive.store.frame import HEADER_BYTES
from poparchive.store.packread import PackReader
from poparchive.store.recipe import encode_base64
from poparchive.store.records import ArchivedRecord
from tests.support.archives import damages, put, rows

DATABASES = ("catalog.sqlite", "search.sqlite")


def mail(number: int) -> bytes:
    """Every mail has an attachment that others have too, in entries before and after its own."""
    body = encode_base64(random.Random(number % 4).randbytes(2000), 76, b"\r\n", closed=False)
    return (
        b"Message-ID: <%d@x.example>\r\nSubject: number %d\r\nContent-Type: x/y; name=file%d\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n%s" % (number, number, number % 4, body)
    )


@pytest.fixture(params=["thread", "helper"])
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """An archive of many entries, some with large messages, whose texts are read here or in a helper."""
    monkeypatch.setattr(texts, "MANY_MESSAGES", 1 if request.param == "helper" else 1000)
    monkeypatch.setattr(texts, "_MANY_BYTES", 1 if request.param == "helper" else 1 << 40)
    monkeypatch.setattr("poparchive.archive.objects.IN_MEMORY_BYTES", 2600)
    path = tmp_path / "archive"
    layout.create(path)
    with Writer(path, pack_bytes=6000) as writer:
        for first in range(0, 20, 5):
            put(writer, [mail(number) for number in range(first, first + 5)])
    for name in DATABASES:
        (tmp_path / name).write_bytes((path / name).read_bytes())
    with Writer(path, pack_bytes=6000) as writer:
        for first in range(10, 40, 5):
            put(writer, [mail(number) for number in range(first, first + 5)], account="office")
    return path


def test_made_anew_row_for_row(root: Path) -> None:
    """Blobs of the entry before are found though the catalog does not know them yet."""
    before = rows(root / "catalog.sqlite")
    rebuild(layout.open_layout(root), salvage=False)
    assert rows(root / "catalog.sqlite") == before
    assert damages(root) == []
    assert list((root / "spool").iterdir()) == []


def test_what_comes_before_damage_is_applied(root: Path) -> None:
    """Where an entry cannot be read, all before it are in the catalog, and nothing is left lying about."""
    where = layout.open_layout(root)
    entries = list(journal.read(where))
    last = max(where.packs())
    reader = PackReader(where)
    *_, frame = reader.frames(last, 0, where.pack(last).stat().st_size, decoded=False)
    reader.close()
    path = where.pack(last)
    octets = bytearray(path.read_bytes())
    octets[frame.start + HEADER_BYTES] ^= 1
    path.write_bytes(octets)
    for name in DATABASES:
        (root / name).write_bytes((root.parent / name).read_bytes())
    with pytest.raises(DamageError), Writer(root):
        pass
    lookup = Lookup(root / "catalog.sqlite")
    known = lookup.count_messages()
    lookup.close()
    new = [[one for one in entry.records if isinstance(one, ArchivedRecord)] for entry in entries]
    *before, last_new = (records for records in new if records)
    assert last_new
    assert known == sum(map(len, before))
    assert list((root / "spool").iterdir()) == []
