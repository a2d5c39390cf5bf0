"""A small file of hints beside the archive: nothing in it is needed, and nothing is believed of it.

It lies in ``servers.json`` and is read and written by whoever holds the archive's lock. Losing it, or a
part of it, loses no mail and no proof. So it is put in place whole and not synced: what a power loss
takes is a round trip, a warning, or one log-in that the server finds too early and refuses, and those
are cheaper than a sync for each of them.
"""

import contextlib
import json
from pathlib import Path

from poparchive.store.errors import WriteError
from poparchive.store.fsio import write_whole

NAME = "servers.json"
_LONGEST_BYTES = 64 << 20


def read(root: Path) -> dict[str, object]:
    """Return the hints by name; none if there is no file, or if it is not what was written."""
    path = root / NAME
    try:
        if path.stat().st_size > _LONGEST_BYTES:
            return {}
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def write(root: Path, hints: dict[str, object]) -> None:
    """Replace the file. A disk that is full keeps the old one: hints are worth no error."""
    octets = json.dumps(hints, indent=1, sort_keys=True, ensure_ascii=True).encode()
    with contextlib.suppress(WriteError):
        write_whole(root / NAME, octets + b"\n")
