"""Room to grow: what a newer version wrote is refused by name and left as it is, or passed over and kept."""

import hashlib
import re
import sqlite3
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from poparchive.index.versions import CATALOG, SEARCH
from poparchive.store.errors import FormatError
from poparchive.store.format import FORMAT, check_format
from poparchive.store.layout import create, open_layout
from tests.store.escape_hatch import Archive
from tests.support import handmade
from tests.support.archives import damages, fill, octets_of
from tests.support.handmade import BLOB, RECIPE, literal, sized
from tests.support.product import Product, product

MAIL = b"Subject: from the future\r\n\r\nwritten by a newer version\r\n"
WHOLE = [(RECIPE, literal(MAIL), MAIL)]


def _archive(
    frame: bytes | None = None,
    *,
    pack_version: int = 1,
    file_flags: int = 0,
    file_version: int = 1,
    record: bytes = b"",
    form: int = 1,
    **entry: int,
) -> Callable[[Path], None]:
    """Write an archive of one message, everything as the page says but for what is given."""

    def make(root: Path) -> None:
        pack = handmade.header(b"POPAPACK", 1, handmade.TIME, version=pack_version)
        pack += frame or handmade.frame(WHOLE)
        records = handmade.account(1, "anna") + handmade.listed(1, 1, [(b"u", len(MAIL))])
        records += handmade.archived(1, MAIL) + handmade.committed(1, len(pack))
        first = handmade.entry(1, b"", records)
        second = handmade.entry(2, first, record or handmade.account(2, "new"), **entry)
        handmade.write(root, {1: pack}, [first, second], form=form)
        if file_flags or file_version != 1:
            path = root / "journal" / "00000001.journal"
            head = handmade.header(b"POPAJRNL", 1, 1, version=file_version, flags=file_flags)
            path.write_bytes(head + path.read_bytes()[44:])

    return make


# AEAD as the page has it: flag 1, the wrapped key's number and the nonce in extra.
_SEALED = handmade.frame(WHOLE, flags=1, extra=struct.pack("<I", 7) + bytes(12))

NEWER = {
    "frame flag 1": (_archive(_SEALED), r"flags 1\b", r"without flags"),
    "frame version 3": (_archive(handmade.frame(WHOLE, version=3)), r"version 3\b", r"version 2\b"),
    "frame kind 4": (_archive(handmade.frame(WHOLE, kind=4)), r"kind 4\b", r"kind 3\b"),
    "frame codec 2": (_archive(handmade.frame(WHOLE, codec=2)), r"codec 2\b", r"codec 1\b"),
    "object kind 3": (_archive(handmade.frame([*WHOLE, (3, b"", b"")])), r"kind 3\b", r"up to 2\b"),
    "pack version 2": (_archive(pack_version=2), r"version 2\b", r"version 1\b"),
    "journal file version 2": (_archive(file_version=2), r"version 2\b", r"version 1\b"),
    "journal file flag": (_archive(file_flags=4), r"flags 4\b", r"without flags"),
    "entry version 2": (_archive(version=2), r"version 2\b", r"version 1\b"),
    "entry flag": (_archive(flags=1), r"flags 1\b", r"without flags"),
    "entry codec 2": (_archive(codec=2), r"codec 2\b", r"up to 1\b"),
    "sealed 3": (_archive(record=handmade.committed(2, 44, 3)), r"way 3\b", r"up to 2\b"),
    "record 100": (_archive(record=b"\x64\x01"), r"code 100\b", r"up to 8\b"),
    "fate 9": (_archive(record=b"\x05\x01\x09\x00"), r"fate 9\b", r"up to 6\b"),
    "format 2": (_archive(form=2), r"format 2\b", r"format 1\b"),
}
"""What is newer, and what the refusal must name: what was found, and what this program reads."""


def _product(directory: Path, make: Callable[[Path], None]) -> Product:
    made = product(directory, {})
    for path in sorted(made.archive.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    make(made.archive)
    return made


def _files(root: Path) -> dict[Path, bytes]:
    kept = [p for part in ("packs", "journal") for p in (root / part).rglob("*") if p.is_file()]
    return {path: path.read_bytes() for path in [*kept, root / "archive.toml"]}


def _refused(made: Product, *command: str, found: str, known: str) -> None:
    done = made.run(*command, code=1)
    said = (done.stdout + done.stderr).decode()
    assert "Traceback" not in said
    assert "bug" not in said
    sentences = [line for line in said.splitlines() if re.search(found, line)]
    assert sentences, said
    for sentence in sentences:
        assert str(made.archive) in sentence or "operation" in sentence
        assert re.search(known, sentence), sentence
        assert "newer version" in sentence, sentence


@pytest.mark.parametrize("what", NEWER)
def test_what_is_newer_is_refused_by_name(tmp_path: Path, what: str) -> None:
    """`pull`, `rebuild` and `verify` name what is newer, which version it has and which this program reads,
    and change nothing."""
    make, found, known = NEWER[what]
    made = _product(tmp_path, make)
    before = _files(made.archive)
    for command in ("verify", "pull", "rebuild"):
        _refused(made, command, found=found, known=known)
        assert _files(made.archive) == before
    if what == "format 2":
        for line in (["search", "future"], ["show", "0" * 64], ["status"]):
            _refused(made, *line, found=found, known=known)


def _rewritten(path: Path, field: int, value: int) -> None:
    """Set an octet of the pack's one frame, with crc and digest to match."""
    octets = bytearray(path.read_bytes())
    octets[44 + field] = value
    head = bytes(octets[44:84])
    head += struct.pack("<I", zlib.crc32(head))
    rest = bytes(octets[120:])
    path.write_bytes(octets[:44] + head + hashlib.sha256(head + rest).digest() + rest)


@pytest.mark.parametrize(
    ("field", "value", "found", "known"),
    [
        (4, 3, r"version 3\b", r"version 2\b"),
        (7, 1, r"flags 1\b", r"without flags"),
        # The first octet of the payload, which is a recipe: behind the header and one line of a table.
        (76 + 13, 6, r"operation 6\b", r"up to 5\b"),
    ],
)
def test_a_message_in_a_newer_frame_is_refused(
    tmp_path: Path, field: int, value: int, found: str, known: str
) -> None:
    """Where the catalog knows a message that lies in a newer frame, `show` and `verify` say so, and a search
    that finds it still lists it."""
    made = _product(tmp_path, _archive())
    made.run("pull")
    (identity,) = made.run("search", "--ids", "future").stdout.decode().split()
    _rewritten(made.archive / "packs" / "01" / "00000001.pack", field, value)
    for command in (["show", identity], ["show", "--raw", identity], ["verify"]):
        _refused(made, *command, found=found, known=known)
    assert made.run("search", "--ids", "future").stdout.decode().split() == [identity]
    said = made.run("search", "--json", "future").stderr.decode()
    assert re.search(found, said)
    assert re.search(known, said)


def _newer_catalog(root: Path) -> None:
    fill(root, [MAIL])
    connection = sqlite3.connect(root / "catalog.sqlite")
    connection.execute("UPDATE alembic_version SET version_num = '0999'")
    connection.execute("ALTER TABLE messages RENAME TO letters")
    connection.commit()
    connection.close()


def _newer_index(root: Path) -> None:
    fill(root, [MAIL])
    connection = sqlite3.connect(root / "search.sqlite")
    connection.execute("PRAGMA user_version = 999")
    connection.close()


@pytest.mark.parametrize(
    ("make", "name", "found", "known", "commands"),
    [
        (
            _newer_catalog,
            "catalog.sqlite",
            r"version 0999\b",
            rf"up to {CATALOG}\b",
            [["search", "future"], ["show", "0" * 64], ["verify"], ["pull"], ["status"]],
        ),
        (
            _newer_index,
            "search.sqlite",
            r"version 999\b",
            rf"up to {SEARCH}\b",
            [["search", "future"], ["verify"], ["pull"]],
        ),
    ],
)
def test_a_newer_database_is_refused_and_kept(
    tmp_path: Path,
    make: Callable[[Path], None],
    name: str,
    found: str,
    known: str,
    commands: list[list[str]],
) -> None:
    """Two versions at one archive do not undo each other's work; `rebuild` is there for who wants that."""
    made = _product(tmp_path, make)
    before = (made.archive / name).read_bytes()
    for command in commands:
        _refused(made, *command, found=found, known=known)
        assert (made.archive / name).read_bytes() == before
    made.run("rebuild")
    made.run("verify")
    assert len(made.run("search", "--ids", "future").stdout.split()) == 1


@pytest.mark.parametrize("code", [128, 200, 255])
def test_later_records_are_passed_over_and_kept(tmp_path: Path, code: int) -> None:
    """A record from 128 on stands in the journal as it did, the chain goes on, and all else counts."""
    root = tmp_path / "archive"
    later = bytes([code]) + sized(b"a signature, \x05\x01\x06 perhaps" * 20)
    _archive(record=later + handmade.account(2, "new") + later)(root)
    before = (root / "journal" / "00000001.journal").read_bytes()
    fill(root, [b"Subject: next\r\n\r\nof today\r\n"], account="new")
    assert (root / "journal" / "00000001.journal").read_bytes().startswith(before)
    assert len(octets_of(root)) == 2
    assert damages(root) == []
    archive = Archive(root)
    assert archive.accounts[2][0] == "new"
    assert {octets for _, octets in archive.messages()} == set(octets_of(root))


def test_an_archive_says_who_made_it(tmp_path: Path) -> None:
    """A refusal can name the version that is needed; an archive that does not say so is read all the same."""
    create(tmp_path / "archive")
    path = tmp_path / "archive" / "archive.toml"
    assert re.search(r'^made_by = "poparchive [0-9.]+"$', path.read_text(), re.MULTILINE)
    text = re.sub("^format = .*$", f"format = {FORMAT + 1}", path.read_text(), flags=re.MULTILINE)
    path.write_text(re.sub('^id = .*\nmade_by = ".*"', "", text, flags=re.MULTILINE))
    path.write_text(re.sub("poparchive [0-9.]+", "poparchive 9.1", text).replace("id =", "ids ="))
    for check in (open_layout, check_format):
        with pytest.raises(FormatError, match=rf"format {FORMAT + 1} .* poparchive 9\.1"):
            check(tmp_path / "archive")
    path.write_text(
        re.sub("made_by.*", "", path.read_text()).replace(f"{FORMAT + 1}", f"{FORMAT}", 1)
    )
    with pytest.raises(FormatError, match="not readable"):
        open_layout(tmp_path / "archive")


def test_handmade_archives_are_as_the_writers(tmp_path: Path) -> None:
    """With nothing newer in it the archive that these tests write is whole: they refuse nothing else."""
    _archive(handmade.frame([*WHOLE, (BLOB, b"unused", b"unused")]))(tmp_path / "archive")
    made = Product(tmp_path)
    made.config.write_text(f'archive = "{made.archive}"\n')
    made.run("pull")
    made.run("verify")
    assert octets_of(made.archive) == [MAIL]
