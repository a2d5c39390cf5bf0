"""What every bench is handed: where to work, how often, how much mail, where to say it."""

import contextlib
import itertools
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.corpus import corpus
from bench.mailbox import Mailboxes, Plan, maildirs
from bench.measure import BenchError, Command, Run, Series, Skipped, in_turn, run
from bench.peers import Puller
from bench.product import Poparchive, check_contents
from bench.servers import Endpoint
from bench.table import Table

QUICK_SHARE = 20

_numbers = itertools.count()


@dataclass(frozen=True)
class Context:
    work: Path
    runs: int
    quick: bool
    corpus_source: Path
    more_peers: frozenset[str]
    """The slow peers that were asked for by name."""
    table: Table

    def scaled(self, count: int) -> int:
        """As many as the full bench takes, or a few where it is only tried."""
        return max(1, count // QUICK_SHARE) if self.quick else count

    def mail(self, plan: Plan) -> Mailboxes:
        self.table.say(f"mail: {plan.name}")
        return maildirs(plan, self.work / "mail")

    def corpus(self) -> Mailboxes:
        return corpus(self.corpus_source, self.work / "mail")

    @property
    def dovecot_state(self) -> Path:
        return self.work / "dovecot"

    @contextlib.contextmanager
    def place(self) -> Iterator[Path]:
        """An empty directory for one contestant, gone afterwards."""
        path = self.work / "places" / str(next(_numbers))
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    @contextlib.contextmanager
    def attempt(self, bench: str, what: str) -> Iterator[None]:
        """What fails or cannot be done inside becomes a row, and the bench goes on behind it."""
        try:
            yield
        except Skipped as reason:
            self.table.skipped(bench, what, str(reason))
        except BenchError as error:
            self.table.failure(bench, what, str(error))

    def present(self, bench: str, pullers: Sequence[Puller]) -> list[Puller]:
        """Those that can run here; for the others a row says why not."""
        here = []
        for puller in pullers:
            with self.attempt(bench, puller.name), self.place() as place:
                puller.check(place)
                here.append(puller)
        return here

    def contest(
        self, bench: str, contestants: Mapping[str, Callable[[], Run]]
    ) -> dict[str, Series]:
        """Let them run in turn; each gets a row, or one that says how it failed."""
        taken, failures = in_turn(self.runs, contestants, self.table.say)
        for name in contestants:
            if name in taken:
                self.table.series(bench, name, taken[name])
            else:
                self.table.failure(bench, name, failures[name])
        return taken


def as_it_is(command: Command) -> Command:
    return command


def new_mail(
    context: Context,
    puller: Puller,
    endpoint: Endpoint,
    mail: Mailboxes,
    client: Callable[[Command], Command] = as_it_is,
) -> Callable[[], Run]:
    """A contestant that sets out with nothing and pulls everything, and is checked for it."""

    def pull() -> Run:
        with context.place() as place:
            taken = run(client(puller.prepare(place, endpoint)))
            check_kept(puller, place, mail)
            return taken

    return pull


def check_kept(puller: Puller, place: Path, mail: Mailboxes) -> None:
    kept = puller.kept(place)
    if kept is not None and kept != mail.messages:
        raise BenchError(f"{puller.name} kept {kept} of {mail.messages} messages")
    if isinstance(puller, Poparchive):
        check_contents(place, mail)


def ratio(
    context: Context, bench: str, taken: Mapping[str, Series], names: tuple[str, str], limit: float
) -> None:
    """A row for the wall time of one contestant over another's, if both ran."""
    if all(name in taken for name in names):
        ours, theirs = (taken[name] for name in names)
        what = f"{names[0]} / {names[1]}, wall time"
        context.table.at_most(bench, what, ours.wall_s / theirs.wall_s, limit)
