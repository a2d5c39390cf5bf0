"""``python -m bench.ingest ARCHIVE MAILDIRS``: take files into an archive, without a network.

What a pull does behind the network is done here for files: kept, synced, in the catalog and
searchable when it ends. It is the archive's own way in that is driven, from one thread.
"""

import gc
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from poparchive.archive.writer import Writer
from poparchive.cli.main import COLLECTIONS

ACCOUNT = "files"
LISTED_AT_A_TIME = 1000


def ingest_files(archive: Path, paths: Sequence[Path]) -> None:
    """Keep the message in each file. The archive exists; each path is a UIDL of one account."""
    with Writer(archive) as writer:
        account = writer.account(ACCOUNT, "localhost", ACCOUNT)
        for some in chunks(paths):
            pairs = [("/".join(path.parts[-3:]).encode(), path.stat().st_size) for path in some]
            for number, path in zip(writer.listed(account, pairs), some, strict=True):
                wait_for_room(writer)
                writer.keep(number, path.read_bytes())
        writer.flush().result()


def chunks(paths: Sequence[Path]) -> Iterator[Sequence[Path]]:
    for start in range(0, len(paths), LISTED_AT_A_TIME):
        yield paths[start : start + LISTED_AT_A_TIME]


def wait_for_room(writer: Writer) -> None:
    if writer.full():
        room = threading.Event()
        writer.when_room(room.set)
        room.wait()


if __name__ == "__main__":
    gc.set_threshold(*COLLECTIONS)
    root = Path(sys.argv[2])
    ingest_files(Path(sys.argv[1]), sorted(root.glob("*/cur/*")))
