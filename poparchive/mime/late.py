"""Patterns that are compiled when they are first used.

A search that shows messages reads twenty of them, and compiling every pattern for what mail may hold takes
longer than that. What is used once costs nothing more afterwards: the compiled pattern's methods stand in
the place of those that make it.
"""

import re
from typing import Any, AnyStr, cast


class _Late:
    def __init__(self, source: Any, flags: int) -> None:
        self._source = source
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(self._source, self._flags), name)
        setattr(self, name, found)
        return found


def late(source: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Return a pattern whose methods are those of ``re.compile``'s."""
    return cast("re.Pattern[AnyStr]", _Late(source, flags))
