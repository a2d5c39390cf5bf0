"""When to try a failed account again: a pure function of what went wrong and how often."""

LONGEST_S = 3_600
"""A server that has trouble is asked once an hour at the least."""

PERSON_S = 3_600
PERSON_LONGEST_S = 86_400
"""What only a person can change is tried rarely: many servers lock accounts that fail again and again."""


def next_try_s(failures: int, retry_after_s: int | None) -> int:
    """Return in how many seconds an account that failed ``failures`` times in a row is tried again.

    ``retry_after_s`` is what the last error said (None: a person is needed); it is never undercut.
    """
    doublings = min(max(failures - 1, 0), 16)
    if retry_after_s is None:
        return min(PERSON_S << doublings, PERSON_LONGEST_S)
    return max(retry_after_s, min(retry_after_s << doublings, LONGEST_S))
