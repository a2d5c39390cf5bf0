"""Which attachments of the mail corpus are found by words that other programs read in them.

``python -m tests.interop.readable ARCHIVE``: of all messages of an archive whose attachments were read; JSON.
"""

import bz2
import contextlib
import gzip
import hashlib
import io
import json
import re
import shutil
import sqlite3
import subprocess
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

from poparchive.archive.read import Reader
from poparchive.index.fold import fold
from poparchive.mime import transfer
from poparchive.mime.body import CALENDARS
from poparchive.mime.structure import parse
from tests.support.corpus import corpus_mails

WORD = re.compile(r"(?<![^\W_])[A-Za-z]{4,20}(?![^\W_])")
WORDS_EACH = 3


def _pdf(content: bytes) -> str:
    return _program("pdftotext", "-q", "-", "-", content=content)


def _doc(content: bytes) -> str:
    return _program("catdoc", "-d", "utf-8", "-", content=content)


def _program(*command: str, content: bytes) -> str:
    if not shutil.which(command[0]):
        return ""
    done = subprocess.run(command, input=content, capture_output=True, check=False)
    return done.stdout.decode("utf-8", "ignore")


def _zipped_xml(content: bytes) -> str:
    texts: list[str] = []
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            if re.search(
                r"(?:word/document|xl/sharedStrings|ppt/slides/slide\d+|content)\.xml$", name
            ):
                texts += ElementTree.fromstring(archive.read(name)).itertext()
    return "\n".join(texts)


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag: str, attributes: object) -> None:
        self.silent += tag in ("script", "style", "title")

    def handle_endtag(self, tag: str) -> None:
        self.silent -= tag in ("script", "style", "title") and self.silent > 0

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.found.append(data)


def _html(content: bytes) -> str:
    parser = _Text()
    parser.feed(content.decode("latin-1"))
    return "\n".join(parser.found)


def _zip(content: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if name.endswith((".txt", ".log", ".c"))]
        return "\n".join(archive.read(name).decode("latin-1") for name in names)


def _mail(content: bytes) -> str:
    texts = []
    for part in message_from_bytes(content).walk():
        payload = part.get_payload(decode=True)
        if part.get_content_type() == "text/plain" and isinstance(payload, bytes):
            texts.append(payload.decode("latin-1"))
    return "\n".join(texts)


READERS: dict[bytes, Callable[[bytes], str]] = {
    b"%PDF-": _pdf,
    b"\xd0\xcf\x11\xe0": _doc,
    b"PK\x03\x04": lambda content: _zipped_xml(content) or _zip(content),
    b"\x1f\x8b": lambda content: _plain(gzip.decompress(content)),
    b"BZh": lambda content: _plain(bz2.decompress(content)),
}
"""By what a content begins with."""


def _plain(content: bytes) -> str:
    return "" if b"\0" in content[:1000] else content.decode("latin-1")


def independent(content: bytes, name: str, media_type: str) -> str:
    """What programs and libraries that the project does not use find in a content; empty if nothing does."""
    for magic, read in READERS.items():
        if content.startswith(magic):
            try:
                return read(content)
            except (
                OSError,
                EOFError,
                zipfile.BadZipFile,
                zlib.error,
                ValueError,
                ElementTree.ParseError,
            ):
                return ""
    if name.lower().endswith((".html", ".htm", ".xml")) or media_type == "text/html":
        return _html(content)
    if name.lower().endswith(".eml") or media_type == "message/rfc822":
        return _mail(content)
    if media_type.startswith("text/") and media_type not in CALENDARS:
        return "" if b"-----BEGIN" in content else _plain(content)
    return ""


def words_of(text: str) -> list[str]:
    """A few words, those that stand there least often, for they say most."""
    counted = Counter(word.lower() for word in WORD.findall(text))
    return [word for word, _ in sorted(counted.items(), key=lambda row: (row[1], row[0]))][
        :WORDS_EACH
    ]


def carriers(each: int) -> Iterator[bytes]:
    """The corpus's messages with attachments, every so manieth."""
    number = 0
    for _, octets in corpus_mails():
        if any(leaf.attachment_name is not None for leaf in parse(octets).leaves()):
            number += 1
            if number % each == 0:
                yield octets


@dataclass(slots=True)
class Comparison:
    """Attachments that other programs read, by kind, and those that a search does not find by their words."""

    kinds: Counter[str] = field(default_factory=Counter)
    missed: list[tuple[str, str, list[str]]] = field(default_factory=list)


def kept(root: Path) -> Iterator[bytes]:
    """All messages of an archive."""
    with Reader(root) as reader:
        for located in reader.lookup.stored_order():
            yield b"".join(reader.octets(located))


def compare(root: Path, mails: Iterable[bytes]) -> Comparison:
    """Look for each readable attachment of these messages in an archive that has them, read."""
    found = Comparison()
    with contextlib.closing(sqlite3.connect(root / "catalog.sqlite")) as run:
        run.execute("ATTACH ? AS search", (str(root / "search.sqlite"),))
        for octets in mails:
            for leaf in parse(octets).leaves():
                name = leaf.attachment_name
                if name is None:
                    continue
                words = words_of(independent(transfer.decoded(octets, leaf), name, leaf.type))
                if not words:
                    continue
                kind = name.rpartition(".")[2].lower()[:8] if "." in name else leaf.type
                found.kinds[kind] += 1
                if not any(_found(run, octets, word) for word in words):
                    found.missed.append((name, leaf.type, words))
    return found


def _found(run: sqlite3.Connection, octets: bytes, word: str) -> bool:
    query = (
        "SELECT 1 FROM search.mail f JOIN messages m ON m.id = f.rowid"
        " WHERE f.mail MATCH ? AND m.sha256 = ?"
    )
    wanted = (f'contents : "{fold(word)}"', hashlib.sha256(octets).digest())
    return run.execute(query, wanted).fetchone() is not None


def main() -> None:
    """Say what became of all."""
    root = Path(sys.argv[1])
    found = compare(root, kept(root))
    print(json.dumps({"readable": found.kinds.total(), "missed": found.missed}, indent=1))


if __name__ == "__main__":
    main()
