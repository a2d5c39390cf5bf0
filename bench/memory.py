"""Figure 7: peak memory, with 50 accounts at a time and with one message of 1 GiB."""

import hashlib
from pathlib import Path

from bench.context import Context
from bench.mailbox import big_maildir
from bench.measure import BenchError, Run, Series, run
from bench.product import Poparchive, command
from bench.pulling import crowd
from bench.servers import serving

BIG_OCTETS = 1 << 30
BIG_PEAK_MB = 200
READ_OCTETS = 1 << 20


def memory(context: Context) -> None:
    """50 accounts at a time; then a message larger than any memory it should take."""
    with context.attempt("memory", "many accounts at a time"):
        crowd(context)
    with context.attempt("memory", "one huge message"):
        big(context)


def big(context: Context) -> None:
    size = context.scaled(BIG_OCTETS)
    context.table.say(f"mail: one message of {size:,} octets")
    mail, digest = big_maildir(size, context.work / "mail")
    bench = f"memory, one message of {size / 2**20:,.0f} MiB"
    with serving(mail, context.dovecot_state) as endpoint, context.place() as place:
        puller = Poparchive()
        judged(context, bench, "poparchive pull", run(puller.prepare(place, endpoint)))
        if puller.kept(place) != 1:
            raise BenchError("poparchive did not keep the message")
        shown = place / "shown"
        show = command(place, "show", digest, "--raw")
        judged(context, bench, "poparchive show --raw", run(show, output=shown))
        if sha256(shown) != digest:
            raise BenchError("poparchive shows other octets than the server sent")
        shown.unlink()
        exported = place / "exported.mbox"
        export = command(place, "export", "--format", "mbox", "--output", str(exported))
        judged(context, bench, "poparchive export --format mbox", run(export))
        # An mbox has LF where the message had CRLF, at most one octet less in a line of 78.
        if exported.stat().st_size < size * 0.97:
            raise BenchError("poparchive exported less than the message")


def judged(context: Context, bench: str, what: str, taken: Run) -> None:
    context.table.series(bench, what, Series((taken,)))
    peak_mb = taken.peak_bytes / 1e6
    context.table.at_most(bench, f"{what}, peak", peak_mb, BIG_PEAK_MB, " MB")


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(READ_OCTETS):
            digest.update(piece)
    return digest.hexdigest()
