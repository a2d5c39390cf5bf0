"""Messages that end sessions: set aside, so that those behind them are fetched all the same.

Some servers hang up, stall or lose step at one certain message, and some messages never end. Without
this, nothing behind such a message would ever be fetched.
"""

from poparchive.model import Fate, Listed
from poparchive.pop3 import ClosedError, Pop3Error, ProtocolError, TimedOutError, TooLargeError
from poparchive.sync.plan import Policy, size_rule

_MOST = 10
"""Messages set aside in one pull of one account: each costs a session, and a server that is wrong with
all of them is not to be asked for ever."""


class Aside:
    """What one pull of one account does not ask for again; the next pull does, behind all others."""

    def __init__(self, policy: Policy) -> None:
        self._entries: set[Listed] = set()
        self._policy = policy
        self._suspect: Listed | None = None
        self.verdicts = 0
        """Grows whenever a new session has a reason: its order differs, or it tells whose fault it was."""

    def __contains__(self, entry: Listed) -> bool:
        return entry in self._entries

    def judge(self, entry: Listed, error: Pop3Error) -> tuple[Fate, str] | None:
        """The session ended with ``error`` when ``entry`` was the next to come. Return the entry's fate
        and why, if it is set aside.

        A lost connection is nobody's fault; twice at the same message, it is the message's.
        """
        lost = isinstance(error, ClosedError | TimedOutError)
        if lost and entry != self._suspect:
            self._suspect = entry
            self.verdicts += 1
            return None
        if not lost and not isinstance(error, ProtocolError | TooLargeError):
            return None
        if len(self._entries) == _MOST:
            return None
        self._entries.add(entry)
        self.verdicts += 1
        if isinstance(error, TooLargeError):
            return Fate.SKIPPED, size_rule(self._policy)
        return Fate.QUARANTINED, f"it ended the session: {error.detail}"
