"""Figures 4 and 5: how much room the kept mail takes, and how fast files become kept mail."""

from pathlib import Path

from bench import product
from bench.context import Context
from bench.mailbox import Mailboxes, Plan
from bench.measure import BenchError, Run, run
from bench.peers import Borg, Mu, Notmuch, Restic
from bench.product import (
    Poparchive,
    check_contents,
    configuration,
    kept_octets,
    make_archive,
    sizes,
)
from bench.servers import serving
from bench.table import Row

RAW_TO_STORED = {"spamassassin": 4.6, "list_openbmc": 2.3}
DATABASES_OF_RAW_PERCENT = 15
GENERATED_MESSAGES = 20_000
TIMES_NOTMUCH = 4


def size(context: Context) -> None:
    """What lies on disk straight after a pull, beside what backup programs make of the same."""
    with context.attempt("size", "real mail"):
        real = context.corpus()
        for name, asked in RAW_TO_STORED.items():
            bench, mail = f"size, {name}", real.only(name)
            with context.attempt(bench, Poparchive.name):
                kept, _ = pulled_sizes(context, mail)
                ratio = mail.octets / kept
                context.table.at_least(bench, "poparchive: raw / stored", ratio, asked)
            backups(context, bench, mail.maildir(name) / "cur", mail.octets)
        databases(context, "size, the whole corpus", real, DATABASES_OF_RAW_PERCENT)
    made = context.mail(Plan(messages=context.scaled(GENERATED_MESSAGES)))
    databases(context, f"size, {made.messages:,} made messages", made, None)


def pulled_sizes(context: Context, mail: Mailboxes) -> tuple[int, int]:
    """Pull the mail; octets of what is kept and of the databases."""
    with serving(mail, context.dovecot_state) as endpoint, context.place() as place:
        puller = Poparchive()
        run(puller.prepare(place, endpoint))
        if puller.kept(place) != mail.messages or kept_octets(place) != mail.octets:
            raise BenchError("poparchive does not keep what the server sent")
        return sizes(place)


def backups(context: Context, bench: str, source: Path, raw: int) -> dict[str, float]:
    """What backup programs make of the same files: raw / stored of each that is here."""
    ratios = {}
    for backup in (Borg(), Restic()):
        with context.attempt(bench, backup.name), context.place() as place:
            backup.check()
            run(backup.create(source, place))
            ratios[backup.name] = raw / octets_below(place / "repository")
            context.table.plain(bench, f"{backup.name}: raw / stored", ratios[backup.name])
    return ratios


def databases(context: Context, bench: str, mail: Mailboxes, asked_percent: float | None) -> None:
    with context.attempt(bench, Poparchive.name):
        kept, both = pulled_sizes(context, mail)
        context.table.plain(bench, "poparchive: raw / stored", mail.octets / kept)
        percent = 100 * both / mail.octets
        what = "poparchive: catalog and search index"
        if asked_percent:
            context.table.at_most(bench, what, percent, asked_percent, "% of raw")
        else:
            context.table.plain(bench, what, percent, "% of raw")
    for indexer in (Notmuch(), Mu()):
        with context.attempt(bench, indexer.name), context.place() as place:
            indexer.check()
            run(indexer.index(mail.root, place))
            index_percent = 100 * octets_below(place) / mail.octets
            context.table.plain(bench, f"{indexer.name}: index", index_percent, "% of raw")


def octets_below(root: Path) -> int:
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


def ingest(context: Context) -> None:
    """Mail that lies on disk already, into an archive or into notmuch's index."""
    made = context.mail(Plan(messages=context.scaled(GENERATED_MESSAGES)))
    against_notmuch(context, f"ingest, {made.messages:,} made messages", made)
    with context.attempt("ingest", "real mail"):
        real = context.corpus()
        against_notmuch(context, f"ingest, the corpus ({real.messages:,})", real)


def against_notmuch(context: Context, bench: str, mail: Mailboxes) -> None:
    def ours() -> Run:
        with context.place() as place:
            make_archive(place, configuration(place, None))
            taken = run(product.ingest(place, mail.root))
            kept = Poparchive().kept(place)
            if kept != mail.messages:
                raise BenchError(f"poparchive kept {kept} of {mail.messages} messages")
            check_contents(place, mail, from_files=True)
            return taken

    def notmuch() -> Run:
        with context.place() as place:
            taken = run(Notmuch().index(mail.root, place))
            indexed = Notmuch().indexed(place)
            # What notmuch does not take for mail it leaves out, and says so.
            if indexed < 0.97 * mail.messages:
                raise BenchError(f"notmuch indexed {indexed} of {mail.messages} messages")
            return taken

    contestants = {Poparchive.name: ours}
    with context.attempt(bench, Notmuch.name):
        Notmuch().check()
        contestants[Notmuch.name] = notmuch
    taken = context.contest(bench, contestants)
    if len(taken) > 1:
        faster = taken[Notmuch.name].wall_s / taken[Poparchive.name].wall_s
        what = "poparchive's speed / notmuch's"
        context.table.at_least(bench, what, faster, TIMES_NOTMUCH)
    for name, series in taken.items():
        rate = mail.messages / series.wall_s
        context.table.add(Row(bench, f"{name}, messages a second", f"{rate:,.0f}"))
