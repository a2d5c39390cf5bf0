"""What a query and the saved searches in it share while they are read."""

from collections.abc import Callable, Collection, Mapping

Saved = Callable[[], Mapping[str, str]]
"""Gives the saved searches by name. Called only for a query that names one."""

Accounts = Callable[[], Collection[str]]
"""Gives the names of the accounts that there are. Called only for a query that names one."""


class Reading:
    """The time, what there is, and how many words and values were counted."""

    def __init__(self, now: int, saved: Saved, accounts: Accounts | None) -> None:
        self.now = now
        self._accounts = accounts
        self._there: Collection[str] | None = None
        self.atoms = 0
        self._saved = saved
        self._names: Mapping[str, str] | None = None

    def names(self) -> Mapping[str, str]:
        if self._names is None:
            self._names = self._saved()
        return self._names

    def accounts(self) -> Collection[str] | None:
        """The accounts that there are, None where any name will do."""
        if self._there is None and self._accounts is not None:
            self._there = frozenset(self._accounts())
        return self._there
