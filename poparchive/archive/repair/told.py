"""Says what a step of a repair ended in, and why a file cannot be opened."""

from collections.abc import Callable
from pathlib import Path

from poparchive.store.fsio import reason

Say = Callable[[str], None]
"""Called with a sentence for each thing that was done or could not be."""


def told(error: BaseException) -> str:
    """Say what a step ended in. The operating system's errors do not name their file in what they say."""
    if not isinstance(error, OSError):
        return str(error)
    where = f"{error.filename}: " if isinstance(error.filename, str) else ""
    return where + reason(error)


def unopened(path: Path) -> str:
    """Why a file cannot be opened, with a separator behind it; empty if it can, or is missing."""
    try:
        path.open("rb").close()
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"cannot be opened ({reason(error)}); "
    return ""
