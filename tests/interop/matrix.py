"""Every way into every server, and what has to hold on each: the interop matrix.

``live`` takes one server through the life of an account, all ways of logging in side by side, each
an account of its own with a mailbox of its own, pulled by the command line into one archive.
"""

import contextlib
import importlib.util
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from poparchive.archive import hints
from poparchive.archive.read import Reader
from poparchive.cli.tokens import owner_of, store_of
from poparchive.config import Account, load
from poparchive.oauth.providers import provider_of
from poparchive.oauth.tokens import tokens_of
from poparchive.pop3.sasl.table import Auth
from tests.interop.rules import RULES, Rules
from tests.support.archives import damages
from tests.support.corpus import corpus_missing, corpus_samples
from tests.support.product import Product, product
from tests.support.servers import KINDS, NONE, SCRIPTS, Kind, Server, running

CASES = ("empty", "full", "again", "in use", "delete", "octets")
"""The columns of the table. What they say is in ``Life``."""

REFUSED = "refused"

TOKENS = frozenset({"xoauth2", "oauthbearer"})
"""Log-ins that show a token."""

OAUTH = {
    "provider": "ours",
    "client_id": "interop",
    "scopes": ["mail"],
    "device_url": "http://127.0.0.1:1/device",
    "token_url": "http://127.0.0.1:1/token",
}
"""A provider that nobody asks."""

SAMPLES_EACH = 2
SAMPLE_MAX_BYTES = 200_000

LATE = [b"From: a@example.com\nSubject: late %d\n\nHello\n" % n for n in range(3)]
"""Mail that comes in before the last pull, which fetches and deletes it in one session."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way into one server."""

    kind: str
    tls: str
    auth: str

    @property
    def account(self) -> str:
        return f"{self.tls}-{self.auth}"

    @property
    def refused(self) -> bool:
        """The server shows a stamp, which ``auto`` takes for APOP, and then refuses it."""
        return self.auth == Auth.AUTO and self.tls == NONE and RULES[self.kind].idle_stamp


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a case went. ``said`` is empty if all was as it has to be, else what was not."""

    way: Way
    case: str
    said: str = ""
    note: str = ""
    """What a user may want to know, although it is as it has to be."""


def ways(kind: Kind, *, every: bool = True) -> list[Way]:
    """All that poparchive speaks and the server offers.

    Without ``every``: all log-ins over one kind of connection, and the most usual ones over the others.
    """
    rules = RULES[kind.name]
    usual = {Auth.AUTO.value, Auth.USER.value}
    found = []
    for tls in kind.tls:
        offered = rules.logins if every or tls == kind.tls[-1] else rules.logins & usual
        found += [Way(kind.name, tls, a) for a in Auth if a == Auth.AUTO or a.value in offered]
    return found


@cache
def hard_mails() -> tuple[bytes, ...]:
    """The odd messages beside the scripts, and of the corpus some with each feature it has."""
    spec = importlib.util.spec_from_file_location("odd", SCRIPTS / "edge_mails.py")
    assert spec is not None
    assert spec.loader is not None
    odd = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(odd)
    found = [octets for _, octets in odd.MAILS]
    if corpus_missing() is None:
        found += corpus_samples(SAMPLES_EACH, SAMPLE_MAX_BYTES)
    return tuple(found)


def live(name: str, directory: Path, *, every: bool = True) -> list[Outcome]:
    """Take a server through all cases; ``directory`` is for the archive and mail."""
    kind = KINDS[name]
    with running(kind) as server:
        return Life(server, directory, ways(kind, every=every)).outcomes()


def refusals(name: str, directory: Path) -> list[Outcome]:
    """What a server refuses: a wrong password, and APOP where its stamp means nothing."""
    kind = KINDS[name]
    with running(kind) as server:
        wrong = Way(name, kind.tls[0], Auth.USER)
        refused = [wrong, *(way for way in ways(kind) if way.refused)]
        for way in refused:
            server.add_user(way.account, "secret" if way.refused else "another")
        here = _product(server, directory, refused)
        results = _by_account(here.json("pull", code=1))
    return [
        Outcome(
            way,
            REFUSED,
            _refusal(str(results[way.account]["error"]), way),
            "auto without TLS" if way.refused else "wrong password",
        )
        for way in refused
    ]


def _refusal(error: str, way: Way) -> str:
    """A sentence names account and command, and shows no secret."""
    command = "APOP" if way.refused else "PASS"
    wanted = (f"account {way.account}", command)
    if all(word in error for word in wanted) and "secret" not in error:
        return ""
    return f"the error is no help: {error}"


class Life:
    """The life of an account at one server, for all ways at once."""

    def __init__(self, server: Server, directory: Path, chosen: Sequence[Way]) -> None:
        self._server = server
        self._rules: Rules = RULES[server.kind.name]
        self._ways = [way for way in chosen if not way.refused]
        self._directory = directory
        self._mails = [octets for octets in hard_mails() if self._rules.fits(octets)]
        sent = [self._rules.sends(octets) for octets in self._mails]
        self._sent = [octets for octets in sent if octets is not None]
        self._late = [octets for octets in map(self._rules.sends, LATE) if octets is not None]
        self._outcomes: list[Outcome] = []

    def outcomes(self) -> list[Outcome]:
        for way in self._ways:
            self._server.add_user(way.account)
        here = _product(self._server, self._directory, self._ways)
        count = len(self._sent)

        self._pull(here, "empty", lambda row: _differs(row, listed=0, wanted=0))
        self._fill("hard", self._mails)
        self._pull(here, "full", lambda row: _differs(row, listed=count, wanted=count))
        if self._rules.resizes:
            # Another size is another message, as far as anybody can know.
            self._pulled(here, 0)
        note = "after all came twice" if self._rules.resizes else ""
        self._pull(here, "again", lambda row: _differs(row, listed=count, wanted=0), note=note)

        with contextlib.ExitStack() as stack:
            for way in self._ways:
                stack.enter_context(self._server.held(way.account))
            locked = (75, "refused, exit code 75") if self._rules.locks else (None, "")
            self._pull(here, "in use", self._in_use, *locked)

        self._fill("late", LATE)
        self._delete(here)
        return self._outcomes

    def _delete(self, here: Product) -> None:
        """All goes that is proved and known by its UIDL, or was fetched in the same session."""
        text = here.config.read_text()
        here.config.write_text(text.replace('"forever"', '"delete"'))
        deleted = self._pulled(here)
        broken = "; ".join(map(str, damages(here.archive)))
        total = len(self._sent) + len(self._late)
        for way in self._ways:
            kept = list(_kept(here, way.account))
            uidls = [uidl for uidl, _ in kept[-total:]]
            stay = sum(uidls.count(uidl) > 1 for uidl in uidls[: len(self._sent)])
            said = _differs(
                deleted[way.account],
                listed=total,
                wanted=len(self._late),
                deleted=total - stay,
            )
            left = self._server.count(way.account)
            if left != stay:
                said = said or f"{left} messages are on the server afterwards, not {stay}"
            note = f"{stay} of {total} stay" if stay else ""
            said = said or broken
            self._outcomes.append(Outcome(way, "delete", said, note))
            self._outcomes.append(self._octets(way, [octets for _, octets in kept]))

    def _fill(self, name: str, mails: Sequence[bytes]) -> None:
        directory = self._directory / name
        directory.mkdir()
        for number, octets in enumerate(mails):
            (directory / f"{number:04}.eml").write_bytes(octets)
        for way in self._ways:
            self._server.fill(way.account, directory)

    def _pull(
        self,
        here: Product,
        case: str,
        judge: Callable[[dict[str, object]], str],
        code: int | None = None,
        note: str = "",
    ) -> None:
        results = self._pulled(here, code)
        for way in self._ways:
            self._outcomes.append(Outcome(way, case, judge(results[way.account]), note))

    def _pulled(self, here: Product, code: int | None = None) -> dict[str, dict[str, object]]:
        # Courier wishes for ten seconds between two log-ins, which a pull would wait for.
        known = hints.read(here.archive)
        for row in known.values():
            if isinstance(row, dict):
                row["not_before"] = 0
        hints.write(here.archive, known)
        return _by_account(here.json("pull", code=code))

    def _in_use(self, row: dict[str, object]) -> str:
        if not self._rules.locks:
            return _differs(row, listed=len(self._sent), wanted=0)
        error = str(row["error"])
        return "" if "IN-USE" in error else f"the error is no help: {error}"

    def _octets(self, way: Way, kept: Sequence[bytes]) -> Outcome:
        """All that was ever listed, in that order, against what the server was given."""
        wanted = self._sent * (2 if self._rules.resizes else 1) + self._late
        if len(kept) != len(wanted):
            return Outcome(way, "octets", f"{len(kept)} messages instead of {len(wanted)}")
        for number, (octets, sent) in enumerate(zip(kept, wanted, strict=True), 1):
            bare = self._rules.undo(octets)
            if bare != sent:
                return Outcome(way, "octets", f"message {number}: {_first_difference(bare, sent)}")
        return Outcome(way, "octets")


def _differs(row: dict[str, object], **wanted: int) -> str:
    if row["error"]:
        return str(row["error"])
    return ", ".join(
        f"{row[key]} {key} instead of {count}" for key, count in wanted.items() if row[key] != count
    )


def _first_difference(octets: bytes, wanted: bytes) -> str:
    pairs = enumerate(zip(octets, wanted, strict=False))
    at = next((n for n, (a, b) in pairs if a != b), min(len(octets), len(wanted)))
    part = slice(max(0, at - 20), at + 20)
    return f"{octets[part]!r} instead of {wanted[part]!r} at octet {at}"


def _by_account(results: Sequence[dict[str, object]]) -> dict[str, dict[str, object]]:
    return {str(row["account"]): row for row in results}


def _kept(here: Product, account: str) -> Iterator[tuple[str, bytes]]:
    """UIDL and octets of what the archive has of an account, in the order of the listings."""
    query = (
        "SELECT u.uidl, u.message FROM uidls u JOIN accounts a ON a.id = u.account"
        " WHERE a.name = ? AND u.message IS NOT NULL ORDER BY u.id"
    )
    with Reader(here.archive) as reader:
        for uidl, key in reader.lookup.connection.execute(query, (account,)).fetchall():
            yield uidl, b"".join(reader.octets(reader.lookup.by_key(key)))


def _product(server: Server, directory: Path, chosen: Sequence[Way]) -> Product:
    accounts: dict[str, dict[str, object]] = {}
    for way in chosen:
        keys: dict[str, object] = {"host": server.host, "tls": way.tls, "auth": way.auth}
        if way.tls == NONE:
            keys |= {"port": server.port, "allow_insecure": True}
        else:
            port = server.port if way.tls == "starttls" else server.tls_port
            keys |= {"port": port, "ca_file": str(server.ca_file)}
        if way.auth in TOKENS:
            keys |= {f"oauth.{key}": value for key, value in OAUTH.items()}
            keys["oauth.token_file"] = str(directory / f"{way.account}.tokens")
        accounts[way.account] = keys
    made = product(directory, accounts, leave_on_server="forever")
    for account in load(made.config).accounts:
        if account.oauth:
            _save_token(account, server.token(account.user))
    return made


def _save_token(account: Account, token: str) -> None:
    """As if somebody had logged in at the provider, whom nobody has to ask then."""
    assert account.oauth
    owner = owner_of(account, provider_of(account.oauth))
    answer = {"access_token": token, "token_type": "Bearer"}
    tokens = tokens_of(answer, now=int(time.time()), owner=owner, lifetime_s=None)
    store_of(account, owner).save(tokens)
