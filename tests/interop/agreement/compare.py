"""Ask both programs the same, and look for a rule for each difference."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.agreement.programs import Mail, Notmuch, Poparchive
from tests.interop.agreement.queries import Atom, Query, drawn
from tests.interop.agreement.reading import Reading
from tests.interop.agreement.rules import Difference, by_copies, explained
from tests.support.corpus import corpus_mails

LEAST_OF_A_SET = 20


@dataclass
class Report:
    """What a comparison found."""

    messages: int = 0
    identical: dict[str, list[int]] = field(default_factory=dict)
    """For each kind of query: how many gave the same in both, and how many there are."""
    both: int = 0
    """Pairs of a query and a message that both programs find."""
    ours: int = 0
    theirs: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    """How many pairs each rule explains."""
    unexplained: list[str] = field(default_factory=list)

    @property
    def identical_share(self) -> float:
        same, asked = map(sum, zip(*self.identical.values(), strict=True))
        return same / asked

    @property
    def agreeing_share(self) -> float:
        return self.both / max(1, self.both + self.ours + self.theirs)


def sample(count: int | None, seed: int, *, largest: int = 200_000) -> list[Mail]:
    """So many messages of the corpus, some of each set, as POP3 delivers them; all for None."""
    sets: dict[str, list[Mail]] = defaultdict(list)
    for path, raw in corpus_mails():
        if count is None or len(raw) <= largest:
            sets[path.partition("/")[0]].append(Mail(path, delivered(raw)))
    if count is None:
        return [mail for mails in sets.values() for mail in mails]
    rng = random.Random(seed)
    chosen: list[Mail] = []
    rest: list[Mail] = []
    for mails in sets.values():
        rng.shuffle(mails)
        chosen += mails[:LEAST_OF_A_SET]
        rest += mails[LEAST_OF_A_SET:]
    return chosen + rng.sample(rest, count - len(chosen))


def delivered(raw: bytes) -> bytes:
    octets = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"


class Comparison:
    """Both programs with the same mail."""

    def __init__(self, mails: Sequence[Mail], place: Path) -> None:
        self._mails = {mail.id: mail for mail in mails}
        self._notmuch = Notmuch(place / "notmuch", self._mails.values())
        self._poparchive = Poparchive(place / "archive", self._mails.values())
        self._groups: dict[bytes, tuple[Mail, ...]] = {}
        self._first: dict[bytes, bytes] = {}
        for group in self._notmuch.groups():
            self._add(group)
        self._known = frozenset(self._groups)
        for mail in self._mails.values():
            if mail.id not in self._first:
                self._add((mail,))
        self._readings = {mail.id: Reading(mail) for mail in self._mails.values()}
        self._ours: dict[str, frozenset[bytes]] = {}
        self._theirs: dict[str, frozenset[bytes]] = {}

    def _add(self, group: tuple[Mail, ...]) -> None:
        self._groups[group[0].id] = group
        self._first.update((mail.id, group[0].id) for mail in group)

    def ask(self, seed: int) -> Report:
        """Draw queries, ask them, and explain what differs."""
        queries = list(drawn(list(self._readings.values()), seed))
        atoms = {atom for query in queries for atom in query.atoms}
        self._ask([*queries, *atoms])
        report = Report(messages=len(self._mails))
        reasons: dict[tuple[Atom, bytes], str | None] = {}
        for query in queries:
            self._compare(query, report, reasons)
        return report

    def _ask(self, asked: Iterable[Query | Atom]) -> None:
        ours = {one.ours() for one in asked}
        theirs = {one.theirs() for one in asked}
        for text, ids in self._notmuch.find_all(sorted(theirs)).items():
            self._theirs[text] = frozenset(self._first[one] for one in ids)
        for text in ours:
            found = self._poparchive.find(text)
            self._ours[text] = frozenset(self._first[one] for one in found)

    def _compare(
        self, query: Query, report: Report, reasons: dict[tuple[Atom, bytes], str | None]
    ) -> None:
        ours, theirs = self._ours[query.ours()], self._theirs[query.theirs()]
        counts = report.identical.setdefault(query.kind, [0, 0])
        counts[0] += ours == theirs
        counts[1] += 1
        report.both += len(ours & theirs)
        report.ours += len(ours - theirs)
        report.theirs += len(theirs - ours)
        for key in ours ^ theirs:
            why = self._reason(query, key, reasons)
            if why is None:
                self._say(query, key, report, ours=key in ours)
            else:
                report.rules[why] += 1

    def _reason(
        self, query: Query, key: bytes, reasons: dict[tuple[Atom, bytes], str | None]
    ) -> str | None:
        """The rule that explains every atom that differs on the message; the first one's name."""
        readings = tuple(self._readings[mail.id] for mail in self._groups[key])
        differing = [
            atom
            for atom in query.atoms
            if (key in self._ours[atom.ours()]) != (key in self._theirs[atom.theirs()])
        ]
        for atom in differing:
            if (atom, key) not in reasons:
                ours = key in self._ours[atom.ours()]
                difference = Difference(atom, ours, readings, key in self._known)
                reasons[atom, key] = explained(difference)
            if reasons[atom, key] is None:
                return None
        if differing:
            return reasons[differing[0], key]
        return by_copies(readings)

    def _say(self, query: Query, key: bytes, report: Report, *, ours: bool) -> None:
        paths = ", ".join(mail.path for mail in self._groups[key])
        who = "poparchive" if ours else "notmuch"
        report.unexplained.append(f"only {who}: {query.ours()} | {query.theirs()}: {paths}")
