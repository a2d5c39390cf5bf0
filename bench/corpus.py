"""Real mail, where a checkout of the shared corpus lies beside the project.

Each set is ``NAME/NAME.tar.zst`` or loose files below ``NAME``; ``INDEX.tsv.zst`` names the
messages. They are written as a POP3 server hands them out: lines end in CRLF, the last one too.
"""

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import zstandard

from bench.mailbox import Mailboxes, MaildirWriter, cached
from bench.measure import Skipped

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "corpus"
INDEX = "INDEX.tsv.zst"
WINDOW_OCTETS = 1 << 27

BARE_LF = re.compile(rb"(?<!\r)\n")


def delivered(raw: bytes) -> bytes:
    """The message as Dovecot delivers what lies in its Maildir."""
    octets = BARE_LF.sub(b"\r\n", raw)
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"


def corpus(source: Path, below: Path) -> Mailboxes:
    """The whole corpus, each set a user, from an earlier run if it is there."""
    root = below / "corpus"
    found = cached(root)
    if found:
        return found
    if not (source / INDEX).exists():
        raise Skipped("the shared corpus is missing")
    root.parent.mkdir(parents=True, exist_ok=True)
    writer = MaildirWriter(root)
    for name, raw in messages(source):
        octets = delivered(raw)
        writer.add_as_it_is(name, (octets,), len(octets))
    return writer.finish()


def messages(source: Path) -> Iterator[tuple[str, bytes]]:
    """Set and octets of each message, in the order of the index."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW_OCTETS)
    with (source / INDEX).open("rb") as file:
        index = decompressor.stream_reader(file).read().decode()
    packed: dict[str, dict[str, bytes]] = {}
    for line in index.splitlines()[1:]:
        path = line.partition("\t")[0]
        name = path.partition("/")[0]
        archive = source / name / f"{name}.tar.zst"
        if not archive.exists():
            yield name, (source / path).read_bytes()
            continue
        if name not in packed:
            packed = {name: unpacked(archive)}
        yield name, packed[name][path]


def unpacked(archive: Path) -> dict[str, bytes]:
    decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW_OCTETS)
    members = {}
    with (
        archive.open("rb") as file,
        decompressor.stream_reader(file) as stream,
        tarfile.open(fileobj=stream, mode="r|") as tar,
    ):
        for member in tar:
            content = tar.extractfile(member)
            if content:
                members[member.name] = content.read()
    return members
