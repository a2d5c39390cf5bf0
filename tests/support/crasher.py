"""A pull that kills itself: run as a program by the crash tests.

    python -m tests.support.crasher STEP COUNT COMMAND...

Runs a poparchive command and kills its own process with SIGKILL just before or just after the
COUNT-th call of STEP, one of ``STEPS``: nothing gets to clean up, as when the machine loses power
but the kernel's writes.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from poparchive.archive.helper import Helper
from poparchive.archive.storer import Storer
from poparchive.cli.main import main
from poparchive.index.catalog import Catalog
from poparchive.index.fulltext import FulltextWriter
from poparchive.store.journal import JournalWriter
from poparchive.store.pack import PackWriter

STEPS: dict[str, tuple[Any, str]] = {
    "append frame": (PackWriter, "append"),
    "sync pack": (PackWriter, "commit"),
    "append entry": (JournalWriter, "append"),
    "catalog": (Catalog, "apply"),
    "search index": (FulltextWriter, "add"),
    "index in helper": (Helper, "index"),
    "batch": (Storer, "commit"),
}


def arm(step: str, count: int, *, after: bool) -> None:
    """Put the trap where the step is."""
    owner, name = STEPS[step]
    real: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def trapped(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*arguments, **named)
        if calls == count and after:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, trapped)


if __name__ == "__main__":
    import poparchive.archive.framing as framing
    import poparchive.archive.ingest as ingesting
    import poparchive.archive.storer as storing
    import poparchive.archive.texts as reading

    # Small batches and frames, so that every step is met many times.
    ingesting.GROUP_MESSAGES = 3
    storing.BATCH_MESSAGES = 5
    framing.FRAME_BYTES = 2000
    when, _, wanted = sys.argv[1].partition(" ")
    if wanted != "search index":
        # That step is the helper's own where there is one.
        reading.MANY_MESSAGES = 3
        reading.cores = lambda: 2
    arm(wanted, int(sys.argv[2]), after=when == "after")
    main(sys.argv[3:])
