"""docs/store-format.md is enough to read an archive: ``escape_hatch`` was written from it alone."""

import ast
import base64
import hashlib
import json
import random
import re
import struct
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import zstandard

from poparchive.archive.rebuild import rebuild
from poparchive.archive.writer import Writer
from poparchive.model import Fate
from poparchive.store.layout import open_layout
from tests.store.escape_hatch import FATES, Archive
from tests.support import handmade
from tests.support.archives import damages, fill, octets_of, put
from tests.support.edge_mails import EDGE_MAILS
from tests.support.handmade import BLOB, RECIPE, literal, sized, varint

PAGE = Path(__file__).parents[2] / "docs" / "store-format.md"
FIXTURES = Path(__file__).parent / "fixtures"
HATCH = Path(__file__).parent / "escape_hatch.py"


def messages(root: Path) -> dict[str, bytes]:
    """What the escape hatch gives, by hash."""
    return {digest.hex(): octets for digest, octets in Archive(root).messages()}


def by_hash(mails: list[bytes]) -> dict[str, bytes]:
    return {hashlib.sha256(octets).hexdigest(): octets for octets in mails}


def test_it_is_short_and_shares_no_code() -> None:
    """Under 200 lines, with the standard library and zstandard, and nothing of poparchive or its tests."""
    text = HATCH.read_text()
    assert len(text.splitlines()) < 200
    imported = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(str(node.module))
    assert imported == {
        *("base64", "hashlib", "struct", "zlib", "pathlib", "zstandard"),
        *("collections.abc", "functools", "sys", "typing"),
    }
    assert not re.search(r"__import__|importlib|exec\(|eval\(", text)


def test_the_fixture_comes_out(tmp_path: Path) -> None:
    """Every message of format 1, with accounts, UIDLs, fates and runs, without the databases."""
    with tarfile.open(FIXTURES / "format-1.tar.gz") as tar:
        tar.extractall(tmp_path, filter="data")
    root = tmp_path / "archive"
    for path in root.glob("*.sqlite"):
        path.unlink()
    expected = json.loads((FIXTURES / "format-1.json").read_text())
    assert {key: len(octets) for key, octets in messages(root).items()} == expected["messages"]
    archive = Archive(root)
    assert {str(n): held for n, held in archive.accounts.items()} == expected["accounts"]
    assert {
        str(number): {
            "account": archive.accounts[account][0],
            "uidl": uidl.hex(),
            "size": size,
            "fate": FATES[fate],
            "message": message.hex() or None,
            "reason": reason or None,
        }
        for number, (account, size, uidl, fate, message, reason) in archive.ledger.items()
    } == expected["uidls"]
    names = ["account", "started", "ended", "outcome", "listed", "archived", "duplicates"]
    names += ["failed", "deleted", "octets", "error"]
    assert [[archive.accounts[run[1]][0], *run[2:]] for run in archive.runs] == [
        [run[name] or "" if name == "error" else run[name] for name in names]
        for run in expected["runs"]
    ]


def test_an_archive_made_now_comes_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever today's writer makes is read by what the page says, as a program of its own."""
    monkeypatch.setattr("poparchive.archive.framing.FRAME_BYTES", 9_000)
    root = tmp_path / "archive"
    mails = [octets for _, octets in EDGE_MAILS]
    fill(root, mails[:30])
    noise = random.Random(3).randbytes(50_000)
    with Writer(root, pack_bytes=40_000) as writer:
        put(writer, [*mails[20:], noise], account="office")
        (gone,) = writer.listed(writer.account("anna", "h", "u"), [(b"gone", 7)])
        writer.settle(gone, Fate.VANISHED, "no longer listed")
    # What was appended and never committed, torn or not.
    layout = open_layout(root)
    with layout.pack(layout.packs()[-1]).open("ab") as pack:
        pack.write(b"PAFR not committed")
    with layout.journal(1).open("ab") as journal:
        journal.write(b"PAJE torn")
    expected = by_hash([*mails, noise])
    assert messages(root) == expected
    target = tmp_path / "out"
    subprocess.run([sys.executable, "-I", HATCH, root, target], check=True, cwd=tmp_path)
    assert {path.stem: path.read_bytes() for path in target.glob("*.eml")} == expected
    lines = (target / "ledger.tsv").read_text().splitlines()
    assert len(lines) == len(mails) + 10 + 2
    assert lines[-1].split("\t")[4:7] == ["gone", "7", "vanished"]


def test_damage_stops_it(tmp_path: Path) -> None:
    """No changed octet passes: nothing comes out that was not archived."""
    root = tmp_path / "archive"
    fill(root, [b"Subject: x\r\n\r\n" + b"body " * 300, b"y"])
    layout = open_layout(root)
    for path in (layout.pack(1), layout.journal(1)):
        whole = path.read_bytes()
        for at in range(0, len(whole), 7):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1 :])
            with pytest.raises((ValueError, struct.error)):
                messages(root)
        path.write_bytes(whole)
    assert len(messages(root)) == 2


def test_the_pages_example_is_an_archive(tmp_path: Path) -> None:
    """The octets on the page are read by the escape hatch, and by poparchive, as the page says."""
    blocks = re.findall(r"```hex\n(.*?)```", PAGE.read_text(), re.DOTALL)
    pack, journal = (_octets(block) for block in blocks)
    root = tmp_path / "archive"
    handmade.write(root, {1: pack}, [])
    (root / "journal" / "00000001.journal").write_bytes(journal)
    message = b"Subject: hi\r\n\r\nSGVsbG8=\r\n"
    assert messages(root) == by_hash([message])
    assert Archive(root).accounts == {1: ["anna", "pop.example.com:995", "anna"]}
    assert [row[:4] for row in Archive(root).ledger.values()] == [[1, 25, b"u1", 1]]
    rebuild(open_layout(root))
    assert octets_of(root) == [message]
    assert damages(root) == []


def _octets(block: str) -> bytes:
    """The octets of a hex block; what follows two blanks is a remark."""
    return b"".join(bytes.fromhex(line.partition("  ")[0]) for line in block.splitlines())


def tight_archive(root: Path) -> list[bytes]:
    """Write what pulls and ``optimize`` may write later; return the messages.

    Pack 1: a dictionary of kind 2, and frames of both versions that need it. Pack 2: a frame of
    objects, stored, then one whose dictionary it is. Pack 3 retired and gone, pack 4 retired and
    still there, pack 5 never committed. Records from 128 on between the others.
    """
    texts = [
        f"Dear subscriber {n}, your order {n * 7} is on its way.\r\n".encode() for n in range(400)
    ]
    trained = zstandard.train_dictionary(4096, [*texts * 4]).as_bytes()
    assert trained.startswith(bytes.fromhex("37a430ec"))
    header, blob = b"Subject: tight\r\n\r\n", b"".join(texts[:40])
    # Pack 1
    mails = [texts[0] + texts[1], texts[2] + blob]
    pack_1 = handmade.header(b"POPAPACK", 1, handmade.TIME)
    pack_1 += handmade.frame((), kind=2, codec=1, payload=trained)
    with_trained = {"codec": 1, "dictionary": 44, "known": trained}
    pack_1 += handmade.frame([(RECIPE, literal(mails[0]), mails[0])], **with_trained)  # type: ignore[arg-type]
    objects = [
        (RECIPE, literal(texts[2]) + b"\x02" + _known(blob), mails[1]),
        (BLOB, blob, blob),
    ]
    pack_1 += handmade.frame(objects, version=2, **with_trained)  # type: ignore[arg-type]
    pack_1 += handmade.seal(pack_1)
    # Pack 2: recipes first, then the blobs they name by their place.
    pack_2 = handmade.header(b"POPAPACK", 2, handmade.TIME)
    first, mail = _here(header, blob[:999], b"=")
    pack_2 += handmade.frame(first, version=2)
    mails.append(mail)
    known = b"".join(octets for _, octets, _ in first)
    second, mail = _here(header + b"again", blob, bytes(range(256)))
    pack_2 += handmade.frame(second, version=2, codec=1, dictionary=44, known=known)
    mails.append(mail)
    # A recipe of version 1 in the same pack that names a blob of pack 1.
    mails.append(b"x" + blob + b"y")
    recipe = literal(b"x") + b"\x02" + _known(blob) + literal(b"y")
    pack_2 += handmade.frame([(RECIPE, recipe, mails[-1])])
    pack_2 += handmade.frame([], version=2, payload=b"")
    pack_2 += handmade.seal(pack_2)
    junk = handmade.header(b"POPAPACK", 4, 0) + b"not a frame"
    # Journal
    pairs = [(b"%d" % n, len(octets)) for n, octets in enumerate(mails)]
    entries = [handmade.entry(1, b"", handmade.account(1, "anna") + b"\x80" + sized(b"later"))]
    records = handmade.listed(1, 1, pairs) + handmade.committed(3, 99) + handmade.committed(4, 55)
    records += handmade.committed(1, len(pack_1), 1)
    records += b"".join(handmade.archived(n, octets) for n, octets in enumerate(mails, 1))
    entries.append(handmade.entry(2, entries[-1], records, codec=1))
    records = handmade.committed(2, len(pack_2), 2) + b"\x08\x03" + b"\x08\x04"
    records += b"\xff" + sized(bytes(300)) + b"\x05\x01\x06" + sized(b"kept")
    entries.append(handmade.entry(3, entries[-1], records))
    handmade.write(root, {1: pack_1, 2: pack_2 + b"behind", 4: junk, 5: b"?"}, entries)
    return mails


def _known(blob: bytes) -> bytes:
    """What operation 2 has after its code."""
    return hashlib.sha256(blob).digest() + varint(len(blob))


def _here(text: bytes, plain: bytes, coded: bytes) -> tuple[list[tuple[int, bytes, bytes]], bytes]:
    """A recipe with operations 4 and 5, and the two blobs behind it."""
    lines = _base64(coded, 4)
    made = text + plain + lines
    fields = varint(len(coded)) + varint(4) + b"\x03"
    length = len(literal(text)) + 1 + 4 + len(varint(len(plain))) + 1 + 4 + len(fields)
    recipe = literal(text)
    recipe += b"\x04" + struct.pack("<I", length) + varint(len(plain))
    recipe += b"\x05" + struct.pack("<I", length + len(plain)) + fields
    assert len(recipe) == length
    return [(RECIPE, recipe, made), (BLOB, plain, plain), (BLOB, coded, coded)], made


def _base64(octets: bytes, line: int) -> bytes:
    """As operation 5 with ``end`` 3 makes it: lines of LF, the last one too."""
    text = base64.b64encode(octets)
    return b"".join(text[at : at + line] + b"\n" for at in range(0, len(text), line))


def test_poparchive_reads_it_too(tmp_path: Path) -> None:
    """What was written by hand from the page means the same to poparchive."""
    root = tmp_path / "archive"
    mails = tight_archive(root)
    rebuild(open_layout(root))
    assert sorted(octets_of(root)) == sorted(mails)
    assert damages(root) == []


def test_what_is_written_by_hand_comes_out(tmp_path: Path) -> None:
    """Frames of version 2, both kinds of dictionary, operations 1, 2, 4 and 5, retired packs, committed
    lengths and records from 128 on are read as the page says."""
    mails = tight_archive(tmp_path / "archive")
    assert messages(tmp_path / "archive") == by_hash(mails)
    archive = Archive(tmp_path / "archive")
    fates = [(FATES[row[3]], row[4].hex(), row[5]) for row in archive.ledger.values()]
    hashes = [hashlib.sha256(octets).hexdigest() for octets in mails]
    assert fates[0] == ("deleted", hashes[0], "kept")
    assert fates[1:] == [("archived", one, "") for one in hashes[1:]]
