"""Reading all messages in stored order gives what reading one after the other gives, damage included."""

import hashlib
import random
from pathlib import Path

import pytest

from poparchive.archive import sweep as sweeping
from poparchive.archive.optimize import optimize
from poparchive.archive.pace import Limits
from poparchive.archive.read import Reader
from poparchive.archive.sweep import sweep
from poparchive.archive.writer import Writer
from poparchive.store import layout
from poparchive.store.errors import DamageError
from poparchive.store.recipe import encode_base64
from tests.support.archives import put
from tests.support.edge_mails import EDGE_MAILS


def mail(number: int) -> bytes:
    """Mails of which every third has the same attachment, and text that others have too."""
    attachment = random.Random(number % 3).randbytes(3000)
    text = b" ".join(random.Random(number % 5).choices([b"invoice", b"zebra", b"order"], k=400))
    return (
        b"Message-ID: <%d@x.example>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n%s\r\n"
        b"--b\r\nContent-Type: x/y; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n--b--\r\n"
        % (number, text, encode_base64(attachment, 76, b"\r\n", closed=False))
    )


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Several small packs of small frames."""
    monkeypatch.setattr("poparchive.archive.framing.FRAME_BYTES", 4000)
    monkeypatch.setattr("poparchive.archive.storer.BATCH_MESSAGES", 4)
    path = tmp_path / "archive"
    layout.create(path)
    with Writer(path, pack_bytes=20_000) as writer:
        put(writer, [mail(number) for number in range(30)])
        put(writer, [octets for _, octets in EDGE_MAILS], account="office")
    return path


def tightly(root: Path) -> None:
    optimize(root, Limits(), lambda *_: None, pack_bytes=60_000, frame_bytes=20_000)


def swept(root: Path) -> tuple[list[tuple[bytes, bytes | None]], int]:
    """What a sweep gives of each message, and how many it left to the reader."""
    with Reader(root) as reader:
        found = [(m.id, octets) for m, octets in sweep(reader, reader.lookup.stored_keys())]
    return found, sum(octets is None for _, octets in found)


def one_by_one(root: Path) -> list[tuple[bytes, bytes | None]]:
    found: list[tuple[bytes, bytes | None]] = []
    with Reader(root) as reader:
        for message in reader.lookup.stored_order():
            try:
                found.append((message.id, b"".join(reader.octets(message))))
            except DamageError:
                found.append((message.id, None))
    return found


@pytest.mark.parametrize("kept", [0, 50_000, 1 << 30])
@pytest.mark.parametrize("tight", [False, True])
def test_the_same_octets(
    root: Path, monkeypatch: pytest.MonkeyPatch, *, tight: bool, kept: int
) -> None:
    """Whatever is remembered of frames: each message once, in order, and none left to the reader."""
    monkeypatch.setattr(sweeping, "_KEPT_BYTES", kept)
    if tight:
        tightly(root)
    found, left = swept(root)
    assert found == one_by_one(root)
    assert left == 0


@pytest.mark.parametrize("tight", [False, True])
def test_damage_is_left_to_the_reader(root: Path, *, tight: bool) -> None:
    """With any octet of a pack changed nothing wrong is given, and nothing that the reader refuses."""
    if tight:
        tightly(root)
    pack = max(root.glob("packs/*/*.pack"), key=lambda path: path.stat().st_size)
    whole = pack.read_bytes()
    for at in random.Random(7).sample(range(44, len(whole)), 25):
        pack.write_bytes(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :])
        expected = dict(one_by_one(root))
        for identity, octets in swept(root)[0]:
            # No octets at all are found without any pack.
            assert octets in (None, b"", expected[identity]), f"octet {at}"
            assert octets is None or hashlib.sha256(octets).digest() == identity


def test_large_messages_are_left_to_the_reader(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not to be held in memory is not."""
    monkeypatch.setattr(sweeping, "IN_MEMORY_BYTES", 2000)
    for identity, octets in swept(root)[0]:
        assert octets is None or len(octets) <= 2000, identity.hex()


def test_packs_that_go_meanwhile(root: Path) -> None:
    """Messages whose pack optimize has retired since they were looked up are left to the reader."""
    expected = dict(one_by_one(root))
    with Reader(root) as reader:
        keys = reader.lookup.stored_keys()
        rows = sweep(reader, keys)
        first, octets = next(rows)
        assert octets == expected[first.id]
        tightly(root)
        for message, octets in rows:
            pieces = reader.octets(message) if octets is None else (octets,)
            assert b"".join(pieces) == expected[message.id]


def test_whoever_stops_early_leaves_nothing_open(root: Path) -> None:
    """Its packs are closed with it."""
    before = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
    with Reader(root) as reader:
        keys = reader.lookup.stored_keys()
        for _ in range(30):
            rows = sweep(reader, keys)
            next(rows)
            rows.close()  # type: ignore[attr-defined]
    if before:
        assert len(list(Path("/proc/self/fd").iterdir())) <= before
