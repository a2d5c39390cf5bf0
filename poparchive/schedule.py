"""When to pull: APScheduler's jobs, one for each account, and a clean end.

One instance of an account's pull at a time; runs that were missed become one. A pull holds the archive
only while it runs, so that other commands find it free in between. Jobs that are due together run together.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.job import Job
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

JITTER_S = 30
"""So that many accounts, and many archives, do not ask one server in the same second."""

_GRACE_S = 3600


@dataclass(frozen=True, slots=True)
class Task:
    """What to do for one account: ``every_s`` apart, or when a calendar's fields say (``CronTrigger``'s)."""

    name: str
    every_s: int | None = None
    cron: Mapping[str, str] | None = None


class Schedule:
    """Calls ``pull`` with the names of accounts that are due, from one thread at a time."""

    def __init__(self, tasks: Sequence[Task], pull: Callable[[list[str]], None]) -> None:
        self._pull = pull
        self._due: set[str] = set()
        self._held: dict[str, float] = {}  # by task: no run before, on the monotonic clock
        self._wake = threading.Condition()
        self._stopping = False
        # Jobs only say that an account is due: that takes no time, so none is ever missed for long.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._scheduler = BackgroundScheduler(executors={"default": ThreadPoolExecutor(1)})
        for task in tasks:
            self._scheduler.add_job(
                self._mark,
                _trigger(task),
                args=[task.name],
                id=task.name,
                coalesce=True,
                max_instances=1,
                misfire_grace_time=_GRACE_S,
            )

    def run(self, first: Sequence[str]) -> None:
        """Pull ``first`` at once, then what falls due, until ``stop``; blocks."""
        self._due.update(first)
        self._scheduler.start()
        try:
            while True:
                with self._wake:
                    self._wake.wait_for(lambda: self._due or self._stopping)
                    if self._stopping:
                        return
                    names, self._due = sorted(self._due), set()
                self._pull(names)
        finally:
            self._scheduler.shutdown(wait=False)

    def stop(self) -> None:
        """End ``run`` when the pull under way has ended. Callable from any thread but no signal handler."""
        with self._wake:
            self._stopping = True
            self._wake.notify()

    def hold(self, name: str, seconds: int) -> None:
        """Run a task after so many seconds, and not before, whatever its own times are.

        For what failed and says when to try again.
        """
        with self._wake:
            self._held[name] = time.monotonic() + seconds
        self._scheduler.add_job(
            self._again,
            DateTrigger(datetime.now().astimezone() + timedelta(seconds=seconds)),
            args=[name],
            id=f"{name} again",
            replace_existing=True,
            misfire_grace_time=_GRACE_S,
        )

    def release(self, name: str) -> None:
        """Let a task run at its own times again."""
        with self._wake:
            self._held.pop(name, None)
        with contextlib.suppress(JobLookupError):
            self._scheduler.remove_job(f"{name} again")

    def _again(self, name: str) -> None:
        with self._wake:
            self._held.pop(name, None)
        self._mark(name)

    def _mark(self, name: str) -> None:
        with self._wake:
            if self._held.get(name, 0.0) > time.monotonic():
                return
            self._due.add(name)
            self._wake.notify()

    def jobs(self) -> list[Job]:
        """Return the scheduler's jobs, one for each account."""
        return list(self._scheduler.get_jobs())


def next_moment(task: Task, after: int) -> int | None:
    """Return when a task is due after a moment, in seconds since the epoch, its jitter apart."""
    since = datetime.fromtimestamp(after).astimezone()
    trigger = CronTrigger(**task.cron) if task.cron is not None else _trigger(task)
    due = trigger.get_next_fire_time(since, since + timedelta(seconds=1))
    return int(due.timestamp()) if due else None


def _trigger(task: Task) -> BaseTrigger:
    if task.cron is not None:
        return CronTrigger(**task.cron, jitter=JITTER_S)
    every = task.every_s or 900
    return IntervalTrigger(seconds=every, jitter=min(JITTER_S, every // 4))
