"""Messages that end sessions: asked for last and alone, and in the end not at all in this pull.

Some servers hang up, stall or lose step at one certain message, and some messages never end. Without
this, nothing behind such a message would ever be fetched.
"""

from collections import Counter

from poparchive.model import Fate, Listed
from poparchive.pop3 import ClosedError, Pop3Error, ProtocolError, TimedOutError, TooLargeError
from poparchive.sync.plan import Numbered, Policy, size_rule

_VERDICTS_MOST = 20
"""Each costs a session, and a server that is wrong with every message is not to be asked for ever."""

_Key = tuple[int, bytes, int]


def _key(entry: Listed) -> _Key:
    """What a message is known by from one session of a pull to the next.

    Its number is not part of it: a session that deleted mail shifts those of the rest. Without UIDL there
    is nothing better than number and size; from such a mailbox nothing is deleted.
    """
    return (0 if entry.uidl else entry.number, entry.uidl, entry.size_bytes)


class Aside:
    """What one pull of one account has learnt of such messages; the next pull asks for them again."""

    def __init__(self, policy: Policy) -> None:
        self.verdicts = 0
        """Grows whenever a new session will be another one than the last."""
        self._policy = policy
        self._suspects: set[_Key] = set()
        self._left = Counter[_Key]()

    def arrange(self, wanted: Numbered) -> tuple[Numbered, int]:
        """What to ask for in a session, and how many at its end each alone.

        Suspects come last, and alone: then what is wrong with one is not taken for the fault of the
        message before it, whose end is proved by what comes behind.
        """
        sizes = {size for _, _, size in (*self._left, *self._suspects)}
        if not sizes:
            return wanted, 0
        gone = Counter(self._left)
        left, alone = set(), []
        # There may be a million messages, so most are passed over by their size.
        for at, size in enumerate(wanted.entries.sizes):
            if size not in sizes:
                continue
            key = _key(wanted.entries[at])
            if gone[key]:
                # Of those with one key the first that is wanted failed: any before it have come.
                gone[key] -= 1
                left.add(at)
            elif key in self._suspects:
                alone.append(at)
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
        key = _key(entry)
        if isinstance(error, TooLargeError):
            self._left[key] += 1
            return Fate.SKIPPED, size_rule(self._policy)
        if key not in self._suspects:
            self._suspects.add(key)
            return None
        self._left[key] += 1
        return Fate.QUARANTINED, f"it ended the session: {error.detail}"
