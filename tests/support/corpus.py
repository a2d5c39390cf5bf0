"""The shared mail corpus beside the project, read where it lies; nothing of it is copied.

Sets are directories of message files, or one packed tar of them, read through the zstd program.
"""

import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"


@cache
def corpus_missing() -> str | None:
    """Why the corpus cannot be read here."""
    if not (CORPUS / "INDEX.tsv.zst").is_file():
        return "the mail corpus is not beside the project (../shared/corpus)"
    if not shutil.which("zstd"):
        return "zstd is missing, which unpacks the mail corpus (Debian: zstd)"
    return None


def corpus_sets() -> list[str]:
    """The names of all sets."""
    return sorted(directory.name for directory in CORPUS.iterdir() if _has_mail(directory))


def corpus_mails(
    sets: Sequence[str] | None = None, *, limit: int | None = None
) -> Iterator[tuple[str, bytes]]:
    """Each message as (set/name, octets), a set after the other: all, or ``limit`` of each set."""
    for name in corpus_sets() if sets is None else sets:
        packed = _packed(CORPUS / name)
        yield from islice(_unpacked(packed) if packed.exists() else _loose(name), limit)


def corpus_index() -> dict[str, str]:
    """The SHA-256 in hex of each message, by set/name, as the corpus itself has it."""
    done = subprocess.run(
        ["zstd", "-dc", str(CORPUS / "INDEX.tsv.zst")], check=True, capture_output=True
    )
    rows = [line.split("\t") for line in done.stdout.decode().splitlines()[1:]]
    return {row[0]: row[2] for row in rows}


def _packed(directory: Path) -> Path:
    return directory / f"{directory.name}.tar.zst"


def _has_mail(directory: Path) -> bool:
    return _packed(directory).exists() or any(directory.glob("*.eml"))


def _loose(name: str) -> Iterator[tuple[str, bytes]]:
    for file in sorted((CORPUS / name).rglob("*.eml")):
        yield file.relative_to(CORPUS).as_posix(), file.read_bytes()


def _unpacked(packed: Path) -> Iterator[tuple[str, bytes]]:
    with subprocess.Popen(["zstd", "-dcq", str(packed)], stdout=subprocess.PIPE) as zstd:
        try:
            with tarfile.open(fileobj=zstd.stdout, mode="r|") as tar:
                for member in tar:
                    file = tar.extractfile(member)
                    if file is not None:
                        yield member.name, file.read()
        finally:
            # A reader that has enough leaves zstd with output that nobody takes.
            zstd.kill()


def corpus_samples(each: int, max_bytes: int) -> list[bytes]:
    """The smallest few loose messages of each feature that the index has a flag for."""
    done = subprocess.run(
        ["zstd", "-dc", str(CORPUS / "INDEX.tsv.zst")], check=True, capture_output=True
    )
    rows = [line.split("\t") for line in done.stdout.decode().splitlines()[1:]]
    taken: dict[str, int] = {}
    chosen = []
    for row in sorted(rows, key=lambda row: int(row[1])):
        path, flags = CORPUS / row[0], row[8].split(",") if row[8] else []
        if int(row[1]) > max_bytes or not path.is_file():
            continue
        if any(taken.get(flag, 0) < each for flag in flags):
            chosen.append(path.read_bytes())
            for flag in flags:
                taken[flag] = taken.get(flag, 0) + 1
    return chosen
