"""The root of every error that poparchive raises on purpose.

Each part defines its own errors beside the code that raises them, below one of these.
The message is written for the person at the terminal: what happened, to what, and what to do.
The exit code sits on the class, so that the one place that exits (``cli.main``) needs no table.
"""

from typing import ClassVar


class PoparchiveError(Exception):
    """Something that a person can understand and act upon; ends a command with exit code 1."""

    exit_code: ClassVar[int] = 1


class UsageError(PoparchiveError):
    """The command line or the configuration is wrong; nothing was done."""

    exit_code: ClassVar[int] = 2


class TryLaterError(PoparchiveError):
    """Nothing is wrong but the moment: a lock is held, a server is busy (EX_TEMPFAIL)."""

    exit_code: ClassVar[int] = 75


QUOTED = 80
"""So many characters of what somebody typed are quoted in a message: it has to be read."""


def quoted(text: str) -> str:
    """Return what is quoted of a text: all of it, or its beginning."""
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}…"


def leaves(error: BaseException) -> list[BaseException]:
    """The errors of a group, as tasks that failed together raise them; else the error itself."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in leaves(each)]
    return [error]
