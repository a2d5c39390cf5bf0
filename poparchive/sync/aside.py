"""Messages that end sessions: asked for last and alone, and in the end not at all in this pull.

Some servers hang up, stall or lose step at one certain message, and some messages never end. Without
this, nothing behind such a message would ever be fetched.
"""

from collections.abc import Sequence

from poparchive.model import Fate, Listed
from poparchive.pop3 import ClosedError, Pop3Error, ProtocolError, TimedOutError, TooLargeError
from poparchive.sync.plan import Policy, size_rule

_VERDICTS_MOST = 20
"""Each costs a session, and a server that is wrong with every message is not to be asked for ever."""

Wanted = tuple[Listed, int | None]
"""A message and its ledger number; None until it has come, where nothing else tells it from others."""


class Aside:
    """What one pull of one account has learnt of such messages; the next pull asks for them again."""

    def __init__(self, policy: Policy) -> None:
        self.verdicts = 0
        """Grows whenever a new session will be another one than the last."""
        self._policy = policy
        self._suspects: set[Listed] = set()
        self._left: set[Listed] = set()

    def parts(self, wanted: Sequence[Wanted]) -> list[list[Wanted]]:
        """What to ask for in a session, one part after the other.

        Suspects come last, and alone: then what is wrong with one is not taken for the fault of the
        message before it, whose end is proved by what comes behind.
        """
        left = [one for one in wanted if one[0] not in self._left]
        others = [one for one in left if one[0] not in self._suspects]
        return [others, *([one] for one in left if one[0] in self._suspects)]

    def judge(self, entry: Listed, error: Pop3Error) -> tuple[Fate, str] | None:
        """The session ended with ``error`` when ``entry`` was the next to come. Return the entry's fate
        and why, if it is left on the server; once is an accident, except for what is too large.
        """
        known = ClosedError | TimedOutError | ProtocolError | TooLargeError
        if not isinstance(error, known) or self.verdicts == _VERDICTS_MOST:
            return None
        self.verdicts += 1
        if isinstance(error, TooLargeError):
            self._left.add(entry)
            return Fate.SKIPPED, size_rule(self._policy)
        if entry not in self._suspects:
            self._suspects.add(entry)
            return None
        self._left.add(entry)
        return Fate.QUARANTINED, f"it ended the session: {error.detail}"
