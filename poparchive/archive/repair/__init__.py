"""Rebuilds what a verification found damaged, from whatever proves it. The caller holds the lock.

Promise: nothing is replaced before what replaces it is proved by its hashes, and nothing that cannot be
read is dropped: a damaged file that a whole one replaces stays beside it under another name.
"""

from poparchive.archive.repair.mend import Fetch, Lost, Repair
from poparchive.archive.repair.needs import Needs

__all__ = ["Fetch", "Lost", "Needs", "Repair"]
