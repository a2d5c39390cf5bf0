"""Where things lie in an archive's directory, and its identity.

The identity binds packs and journal to the archive: a file copied in from another one is noticed.
"""

import contextlib
import re
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from poparchive import __version__
from poparchive.store.errors import DescriptionError, FormatError, UnreadableError
from poparchive.store.format import FORMAT
from poparchive.store.fsio import ARCHIVE_LOCK, reason, sync_directory, write_durably, writing

DESCRIPTION = "archive.toml"

CONTENTS = "attachments.sqlite"
"""The texts of attachments, beside any search index that is made of them."""


class Layout(NamedTuple):
    """An archive's directory and the paths in it."""

    root: Path
    id: bytes
    created: int

    @property
    def lock(self) -> Path:
        return self.root / ARCHIVE_LOCK

    @property
    def optimize_lock(self) -> Path:
        return self.root / "optimize.lock"

    @property
    def catalog(self) -> Path:
        return self.root / "catalog.sqlite"

    @property
    def search(self) -> Path:
        return self.root / "search.sqlite"

    @property
    def contents(self) -> Path:
        return self.root / CONTENTS

    @property
    def contents_lock(self) -> Path:
        return self.root / "attachments.lock"

    @property
    def spool(self) -> Path:
        return self.root / "spool"

    def pack(self, number: int) -> Path:
        return self.root / "packs" / f"{number % 256:02x}" / f"{number:08d}.pack"

    def new_pack(self, number: int) -> Path:
        """A pack that ``optimize`` has not finished."""
        return self.pack(number).with_suffix(".pack.new")

    def parity(self, number: int) -> Path:
        """Where what heals a sealed pack lies, if there is any."""
        return self.pack(number).with_suffix(".parity")

    def journal(self, number: int) -> Path:
        return self.root / "journal" / f"{number:08d}.journal"

    def packs(self) -> list[int]:
        """Return the numbers of all packs on disk, ascending."""
        return _numbers(self.root / "packs", "*/*.pack", self.pack)

    def new_packs(self) -> list[int]:
        """Return the numbers of those that ``optimize`` has not finished."""
        return _numbers(self.root / "packs", "*/*.pack.new", self.new_pack)

    def parities(self) -> list[int]:
        """Return the numbers of the packs for which there is a file that heals them."""
        return _numbers(self.root / "packs", "*/*.parity", self.parity)

    def stored_bytes(self) -> int:
        """Return the octets of packs and journal. A pack that another command removes meanwhile has none."""
        paths = [self.pack(number) for number in self.packs()]
        paths += [self.journal(number) for number in self.journals()]
        found = 0
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                found += path.stat().st_size
        return found

    def journals(self) -> list[int]:
        """Return the numbers of all journal files on disk, ascending."""
        return _numbers(self.root / "journal", "*.journal", self.journal)

    def misnamed(self) -> list[Path]:
        """Return the files that end as packs, parity and journal files do and are not where one of their
        number would be, such as copies under other names. Nothing else looks at them."""
        kinds = (
            ("packs/**/*.pack", self.pack),
            ("packs/**/*.parity", self.parity),
            ("journal/**/*.journal", self.journal),
        )
        return sorted(
            path
            for pattern, place in kinds
            for path in self.root.glob(pattern)
            if number_of(path, place) is None
        )


Place = Callable[[int], Path]

_NUMBER = re.compile(r"\d{8,}", re.ASCII)
_NUMBERS_END = 2**32 - 1
"""A header has four octets for it, and behind the last there has to be a next."""


def number_of(path: Path, place: Place) -> int | None:
    """Return the number of a file; None if ``place`` gives none of that name."""
    stem = path.name.partition(".")[0]
    if not _NUMBER.fullmatch(stem) or int(stem) >= _NUMBERS_END or place(int(stem)) != path:
        return None
    return int(stem)


def _numbers(directory: Path, pattern: str, place: Place) -> list[int]:
    try:
        found = [number_of(path, place) for path in directory.glob(pattern)]
    except OSError as error:
        raise UnreadableError(f"{directory}: cannot be listed: {reason(error)}") from error
    return sorted(number for number in found if number is not None)


def create(root: Path) -> Layout:
    """Make an empty archive. The directory may exist if it is empty."""
    if (root / DESCRIPTION).exists():
        raise FormatError(f"{root}: there is an archive here already")
    if _holds_files(root):
        raise _undescribed(root)
    if root.exists() and any(root.iterdir()):
        raise FormatError(f"{root}: the directory is not empty; an archive wants one of its own")
    with writing(root):
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("packs", "journal", "spool"):
            (root / name).mkdir(mode=0o700)
        sync_directory(root)
    import uuid

    identity = uuid.uuid4()
    created = int(time.time())
    write_durably(root / DESCRIPTION, described(identity.bytes, created))
    return Layout(root, identity.bytes, created)


def described(identity: bytes, created: int) -> bytes:
    """Return what ``archive.toml`` holds."""
    import uuid

    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(created))
    text = (
        "# An archive of poparchive. docs/store-format.md says how to read it without the program.\n"
        f'format = {FORMAT}\nid = "{uuid.UUID(bytes=identity)}"\ncreated = {stamp}\n'
        f'made_by = "poparchive {__version__}"\n'
    )
    return text.encode()


def _holds_files(root: Path) -> bool:
    """Whether packs or journal files are there, as in an archive."""
    return any(
        next(root.glob(pattern), None) is not None
        for pattern in ("packs/*/*.pack", "journal/*.journal")
    )


_REMEDY = (
    "; put it back from a backup, or let `poparchive verify --repair` write it anew from what the headers of"
    " packs and journal say"
)


def _undescribed(root: Path) -> DescriptionError:
    what = f"{root / DESCRIPTION}: is missing, but packs or a journal are there"
    return DescriptionError(what, _REMEDY)


_ID_BYTES = 16
_AS_WRITTEN = re.compile(
    r"(?:#[^\n]*\n)*format = (\d+)\nid = \"([0-9a-f-]{36})\"\ncreated = (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)Z\n"
    r"made_by = \"[^\"\\\n]*\"\n",
    re.ASCII,
)


def _description(text: str) -> dict[str, Any]:
    """Read ``archive.toml``: as ``create`` writes it without a parser, which takes longer to import than a
    message to read."""
    written = _AS_WRITTEN.fullmatch(text)
    if written is None or int(written[1]) > FORMAT:
        import tomllib

        return tomllib.loads(text)
    return {
        "format": int(written[1]),
        "id": written[2],
        "created": datetime.fromisoformat(written[3] + "+00:00"),
    }


def open_layout(root: Path) -> Layout:
    """Read ``archive.toml``. A newer format is refused by name.

    :raises DescriptionError: It cannot be read, and what it described may be there (``store.identity``).
    """
    path = root / DESCRIPTION
    try:
        values = _description(path.read_text(encoding="utf-8"))
        version = int(values["format"])
        if version > FORMAT:
            raise _newer(root, version, values.get("made_by"))
        identity = bytes.fromhex(values["id"].replace("-", ""))
        if len(identity) != _ID_BYTES:
            raise ValueError(f"{values['id']!r} is no UUID")
        created = int(values["created"].timestamp())
    except FileNotFoundError:
        if _holds_files(root):
            raise _undescribed(root) from None
        raise FormatError(
            f"{root}: no archive here (archive.toml is missing); `poparchive init` makes one"
        ) from None
    except OSError as error:
        raise DescriptionError(f"{path}: cannot be read: {reason(error)}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"{path}: not readable as an archive's description"
        raise DescriptionError(what, f" ({error}){_REMEDY}") from error
    return Layout(root, identity, created)


def _newer(root: Path, version: int, made_by: object) -> FormatError:
    maker = f" and was made by {made_by}" if isinstance(made_by, str) else ""
    return FormatError(
        f"{root}: the archive has format {version}{maker}; this is poparchive {__version__}, which"
        f" reads up to format {FORMAT}. Install a newer version."
    )
