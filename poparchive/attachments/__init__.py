"""The text inside attachments: what a content is, who reads it, and at what cost at most.

Contents are hostile until they are proved to be text. They are read in a process that can open no file and
reach no network, within limits of memory, time and output (``confine``, ``worker``), and whatever happens
to that process costs a content its status and nothing else (``pool``).
"""

from poparchive.attachments.office import likely
from poparchive.attachments.outcome import (
    HAVE_TEXT,
    VERSION,
    Abilities,
    Job,
    Lacking,
    Limits,
    Outcome,
    Status,
    too_large,
)
from poparchive.attachments.pool import Pool, WorkerError

__all__ = [
    "HAVE_TEXT",
    "VERSION",
    "Abilities",
    "Job",
    "Lacking",
    "Limits",
    "Outcome",
    "Pool",
    "Status",
    "WorkerError",
    "likely",
    "too_large",
]
