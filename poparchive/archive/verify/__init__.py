"""Proves what an archive holds: frames, blobs, recipes, messages, the journal's chain, both databases.

Reads only, but for ``scrub.json``; needs no lock. Damage is reported by what a person knows, message,
account and date, besides the place in the file, and whatever is damaged, the rest is still looked at.
Memory does not grow with the archive.
"""

from poparchive.archive.verify.check import Share, verify
from poparchive.archive.verify.findings import Counts, Damage, Kind, Progress, StoppedError

__all__ = ["Counts", "Damage", "Kind", "Progress", "Share", "StoppedError", "verify"]
