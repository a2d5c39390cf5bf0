"""What is wrong with a configuration, each thing with its place."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from poparchive.errors import UsageError


class Problem(NamedTuple):
    """One thing to mend. ``line`` is 0 and ``key`` empty where it concerns the whole file."""

    line: int
    key: str
    message: str


class TableError(ValueError):
    """Several problems within the value of one key, each with the key below it (empty: the value)."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(": ".join(filter(None, problem)) for problem in problems))


class ConfigError(UsageError):
    """The configuration cannot be used; the text lists every problem, one to a line."""

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        self.path = path
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(self._line(problem) for problem in self.problems))

    def _line(self, problem: Problem) -> str:
        place = f"{self.path}:{problem.line}" if problem.line else f"{self.path}"
        return ": ".join(filter(None, (place, problem.key, problem.message)))
