"""Messages that end sessions: asked for last and alone, and in the end not at all in this pull.

Some servers hang up, stall or lose step at one certain message, and some messages never end. Without
this, nothing behind such a message would ever be fetched.
"""

from poparchive.model import Fate, Listed
from poparchive.pop3 import ClosedError, Pop3Error, ProtocolError, TimedOutError, TooLargeError
from poparchive.sync.plan import Numbered, Policy, size_rule

_VERDICTS_MOST = 20
"""Each costs a session, and a server that is wrong with every message is not to be asked for ever."""


class Aside:
    """What one pull of one account has learnt of such messages; the next pull asks for them again."""

    def __init__(self, policy: Policy) -> None:
        self.verdicts = 0
        """Grows whenever a new session will be another one than the last."""
        self._policy = policy
        self._suspects: set[Listed] = set()
        self._left: set[Listed] = set()

    def arrange(self, wanted: Numbered) -> tuple[Numbered, int]:
        """What to ask for in a session, and how many at its end each alone.

        Suspects come last, and alone: then what is wrong with one is not taken for the fault of the
        message before it, whose end is proved by what comes behind.
        """
        odd = {entry.number for entry in self._suspects | self._left}
        if not odd:
            return wanted, 0
        met = [at for at, number in enumerate(wanted.entries.numbers) if number in odd]
        left = {at for at in met if wanted.entries[at] in self._left}
        alone = [at for at in met if at not in left and wanted.entries[at] in self._suspects]
        apart = left.union(alone)
        others = (at for at in range(len(wanted)) if at not in apart)
        return wanted.pick([*others, *alone]), len(alone)

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
