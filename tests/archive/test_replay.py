"""Entries are applied one behind the other, while the next one is gathered."""

import hashlib
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from poparchive.archive import texts
from poparchive.archive.objects import gather
from poparchive.archive.optimize import optimize
from poparchive.archive.pace import Limits
from poparchive.archive.rebuild import rebuild
from poparchive.archive.spool import Spooled
from poparchive.archive.writer import Writer
from poparchive.index.lookup import Lookup
from poparchive.index.search import Searcher
from poparchive.store import frame, journal, layout
from poparchive.store.errors import DamageError
from poparchive.store.frame import HEADER_BYTES
from poparchive.store.packread import PackReader
from poparchive.store.recipe import encode_base64
from poparchive.store.records import ArchivedRecord
from tests.support.archives import damages, fill, put, rows

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


def test_large_messages_of_two_entries_have_files_of_their_own(root: Path) -> None:
    """The next is gathered while the one before it is still read."""
    where = layout.open_layout(root)
    spooled = [gather(iter([bytes([n]) * 3000, b"end"]), where) for n in range(50)]
    for number, message in enumerate(spooled):
        assert isinstance(message, Spooled)
        assert message[0 : len(message)] == bytes([number]) * 3000 + b"end"
        message.discard()


def test_a_lost_message_leaves_blobs_for_those_behind_it(root: Path) -> None:
    """A salvage finds a blob by the message that was lost, and the next one that needs it is whole."""
    # What compresses and what does not stand in frames of their own.
    shared = b" ".join(random.Random(1).choices([b"alpha", b"beta", b"gamma"], k=900))
    lost = random.Random(2).randbytes(5000)
    with Writer(root) as writer:
        put(writer, [both(1, shared, lost)])
        put(writer, [both(2, shared)])
        put(writer, [both(3, shared)])
    pack = layout.open_layout(root).pack(max(layout.open_layout(root).packs()))
    octets = pack.read_bytes()
    at = octets.index(lost[:50])
    pack.write_bytes(octets[:at] + b"!" + octets[at + 1 :])
    for one in root.glob("*.sqlite*"):
        one.unlink()
    assert rebuild(layout.open_layout(root)).lacking.messages == 1
    (line,) = [damage for damage in damages(root) if "cannot be made" in damage.what]
    assert hashlib.sha256(both(1, shared, lost)).hexdigest() in line.what


def both(number: int, *contents: bytes) -> bytes:
    parts = b"".join(
        b"--b\r\nContent-Type: x/y; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n"
        % encode_base64(content, 76, b"\r\n", closed=False)
        for content in contents
    )
    return (
        b"Message-ID: <both%d@x.example>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n%s--b--\r\n"
        % (number, parts)
    )


@pytest.mark.parametrize("older", [False, True])
def test_a_catalog_from_before_packs_were_retired(root: Path, *, older: bool) -> None:
    """With an index of an earlier version or without: the catalog is made anew, and all is found."""
    before = (root / "catalog.sqlite").read_bytes()
    optimize(layout.open_layout(root).root, Limits(), lambda *_: None)
    (root / "catalog.sqlite").write_bytes(before)
    if older:
        with closing(sqlite3.connect(root / "search.sqlite")) as index:
            index.execute("PRAGMA user_version = 1")
    Writer(root).close()
    assert damages(root) == []
    with Searcher(root / "catalog.sqlite", root / "search.sqlite") as searcher:
        assert searcher.count("subject:number") == 40


def test_what_an_upgrade_cannot_read_is_told(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A pull goes on, and says how many messages the new index lacks."""
    pack = layout.open_layout(root).pack(1)
    octets = bytearray(pack.read_bytes())
    octets[200] ^= 1
    pack.write_bytes(octets)
    with closing(sqlite3.connect(root / "search.sqlite")) as index:
        index.execute("PRAGMA user_version = 1")
    Writer(root).close()
    assert "could not be read, and are not in it" in caplog.text


@pytest.mark.parametrize("name", ["search.sqlite", "catalog.sqlite"])
def test_damage_that_sqlite_quotes_is_mended(root: Path, name: str) -> None:
    """What SQLite says of a database then is no UTF-8, which Python cannot read: no command ends in that."""
    with closing(sqlite3.connect(root / name)) as database:
        database.execute("PRAGMA writable_schema = 1")
        database.execute(
            "UPDATE sqlite_master SET sql = CAST(x'4352454154452054424cd7ff' AS TEXT) WHERE rowid ="
            " (SELECT min(rowid) FROM sqlite_master WHERE type = 'table')"
        )
        database.commit()
    with pytest.raises(UnicodeDecodeError), closing(sqlite3.connect(root / name)) as database:
        database.execute("SELECT 1 FROM sqlite_master")
    before = octets_in_packs(root)
    assert damages(root)
    rebuild(layout.open_layout(root), search_only=name == "search.sqlite")
    assert not damages(root)
    assert octets_in_packs(root) == before


def octets_in_packs(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.glob("packs/*/*.pack")}


def test_mail_of_two_accounts_in_two_optimized_packs_decodes_first_frames_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recipes in one pack's first frame and attachments in the other's: each is a dictionary of 24 MiB."""
    for name, value in {
        "store.packread._PARTIAL_BYTES": 5_000,
        "archive.tightpack.FIRST_BYTES": 12_000,
        "archive.tightpack.FRAME_BYTES": 6_000,
        "archive.optimize.SMALL_PACK_BYTES": 0,
        "archive.objects.SMALL_PACK_BYTES": 0,
        "archive.replay._CACHE_BYTES": 12_000,
    }.items():
        monkeypatch.setattr(f"poparchive.{name}", value)
    root = tmp_path / "archive"
    dice = random.Random(3)
    # Hexadecimal digits, which compress: what does not has frames of its own.
    contents = [dice.randbytes(400).hex().encode() for _ in range(90)]
    for account in ("anna", "office"):
        fill(root, [_carrying(one, account) for one in contents], account=account)
        optimize(root, Limits(), lambda *_: None)
    kept = layout.open_layout(root)
    assert len(kept.packs()) == 2
    decoded: list[int] = []
    decode = frame.decode

    def counting(header: frame.Header, *rest: Any) -> bytes:
        if not header.dictionary and header.raw_length > 5_000:
            decoded.append(header.raw_length)
        return decode(header, *rest)

    monkeypatch.setattr(frame, "decode", counting)
    assert rebuild(kept).messages == 180
    assert 2 <= len(decoded) <= 4


def _carrying(content: bytes, account: str) -> bytes:
    return (
        b"Received: from x by %s\r\nSubject: one\r\nContent-Type: application/pdf; name=a.pdf\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n%s"
        % (account.encode(), encode_base64(content, 76, b"\r\n", closed=True))
    )
