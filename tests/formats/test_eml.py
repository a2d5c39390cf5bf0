"""Messages as files."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from poparchive.formats.eml import EmlError, EmlWriter, eml_name

RAW = b"Subject: x\r\n\r\n\x00\xff bare\nbare\rno end"
IDENTITY = hashlib.sha256(RAW).digest()
DIGITS = IDENTITY.hex()


def write(directory: Path, raw: bytes = RAW, subject: str = "A note") -> Path:
    return EmlWriter(directory).write(
        [raw[:5], b"", raw[5:]], date=978307199, subject=subject, identity=IDENTITY
    )


def test_exact_octets(tmp_path: Path) -> None:
    """The file has the message's octets and a readable name, and only its owner may read it."""
    path = write(tmp_path)
    assert path.read_bytes() == RAW
    assert path == tmp_path / f"20001231-235959 A note {DIGITS[:12]}.eml"
    assert path.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == [path]


def test_again(tmp_path: Path) -> None:
    """Writing a message again changes nothing."""
    path = write(tmp_path)
    inode = path.stat().st_ino
    assert write(tmp_path) == path
    assert path.stat().st_ino == inode
    assert list(tmp_path.iterdir()) == [path]


def test_foreign_files_stay(tmp_path: Path) -> None:
    """A file of that name with other octets stays, and the message gets a longer name."""
    first = write(tmp_path)
    first.write_bytes(b"edited")
    second = write(tmp_path)
    assert second.name == f"20001231-235959 A note {DIGITS}.eml"
    assert write(tmp_path) == second
    assert (first.read_bytes(), second.read_bytes()) == (b"edited", RAW)
    second.write_bytes(RAW + b"!")
    with pytest.raises(EmlError, match="other octets"):
        write(tmp_path)
    assert second.read_bytes() == RAW + b"!"
    assert len(list(tmp_path.iterdir())) == 2


def test_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without hard links serves as well."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    path = write(tmp_path)
    assert path.read_bytes() == RAW
    assert write(tmp_path) == path
    path.write_bytes(b"edited")
    assert write(tmp_path).name.endswith(f" {DIGITS}.eml")
    assert path.read_bytes() == b"edited"


def test_a_source_that_fails(tmp_path: Path) -> None:
    """If the message's source fails its error comes through, and no file is left."""

    def source() -> Iterator[bytes]:
        yield b"half"
        raise OSError("damaged")

    with pytest.raises(OSError, match="damaged"):
        EmlWriter(tmp_path).write(source(), date=0, subject="x", identity=IDENTITY)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "..",
        ".hidden",
        "/etc/passwd",
        "../../x",
        "a\x00b\nc\x1b[31m\u202e",
        "x" * 500,
        "ż" * 500,
        "日本語" * 100,
        "e\u0301" * 200,
        "x" * 60 + ". .",
        "a.verylongending",
        "\ud800",
        "CON",
    ],
)
@pytest.mark.parametrize("digits", [DIGITS[:12], DIGITS])
def test_safe_names(tmp_path: Path, subject: str, digits: str) -> None:
    """Whatever the subject, the name is one component of at most 120 octets, and can be made."""
    name = eml_name(0, subject, digits)
    assert len(name.encode()) <= 120
    assert name.startswith("19700101-000000 ")
    assert name.endswith(f" {digits}.eml")
    assert "/" not in name
    assert name.isprintable()
    (tmp_path / name).touch()


def test_readable_names() -> None:
    """Letters of any script stay, composed; what shells and systems dislike becomes a line."""
    assert eml_name(0, 'Re: "Zaz\u0307o\u0301łć" a/b?', "0" * 12) == (
        f"19700101-000000 Re_ _Zażółć_ a_b_ {'0' * 12}.eml"
    )
    assert eml_name(0, "", "0" * 12) == f"19700101-000000 no subject {'0' * 12}.eml"
