"""What is known of each account's server from its last session: when to log in again, and what it could do.

These are hints. They lead to a wait that the server asked for, to a warning, or to commands that
share a write; nothing that is kept or deleted depends on them.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from poparchive.archive import hints
from poparchive.pop3 import Capabilities, Session

DAY_S = 86_400

LONGEST_S = DAY_S
"""No server keeps an account out for longer, whatever it announces."""

SHORT_S = 30
"""A wait so short has passed when a process that crashed is there again."""

_WORTH_TELLING = (
    "STLS", "PIPELINING", "UIDL", "TOP", "UTF8", "RESP-CODES", "AUTH-RESP-CODE",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Known:
    """A server as one account met it last.

    ``logged_in`` is when, in seconds since the epoch; ``not_before`` the earliest moment for the next
    time, ``server`` which it was. ``offered`` is what it could do before the log-in, ``capabilities``
    after it. ``loses_behind_capa``: see ``Session``.
    """

    logged_in: int
    not_before: int = 0
    auth: str = ""
    tls: str | None = None
    offered: Capabilities = field(default_factory=dict)
    capabilities: Capabilities = field(default_factory=dict)
    server: str = ""
    loses_behind_capa: bool = False

    def everything(self) -> set[str]:
        """All that it could do, mechanisms as ``SASL NAME``."""
        found = set(self.offered) | set(self.capabilities)
        return found | {f"SASL {name.upper()}" for name in self.offered.get("SASL", ())}


class Memory:
    """The hints of an archive's accounts, in its ``servers.json``. For one thread, an event loop's if any.

    They are written by ``save``, once at the end of a pull. What must not be forgotten when the process is
    killed before that is written at once, by a worker thread: until when a server wants no log-in.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known = {
            name: known for name, row in hints.read(root).items() if (known := _known(row))
        }
        self._changed = False
        self._writing = asyncio.Lock()

    def of(self, account: str) -> Known | None:
        """Return what is known of an account's server."""
        return self._known.get(account)

    def offered(self, account: str, server: str) -> Capabilities | None:
        """Return what this server offered at the last log-in, if it was under TLS and went well.

        None too, if any account has met that this server loses what comes with CAPA.
        """
        known = self._known.get(account)
        if not (known and known.tls and known.server == server):
            return None
        if any(one.loses_behind_capa and one.server == server for one in self._known.values()):
            return None
        return known.offered or None

    def forget(self, account: str) -> None:
        """Forget what the server offered; when it lets us log in again stays."""
        if known := self._known.get(account):
            self._note(account, replace(known, offered={}, capabilities={}))

    def wait_s(self, account: str) -> int:
        """Return how many seconds the server still wants to pass before the next log-in.

        More than a day is a clock that was wrong when it was noted.
        """
        known = self._known.get(account)
        wait_s = known.not_before - int(time.time()) if known else 0
        return max(0, wait_s) if wait_s <= LONGEST_S else 0

    async def hold(self, account: str, seconds: int) -> None:
        """Note that the server wants no log-in for so long. Written when this returns, unless it is short."""
        now = int(time.time())
        before = self._known.get(account) or Known(now)
        not_before = now + max(self.wait_s(account), min(seconds, LONGEST_S))
        self._note(account, replace(before, not_before=not_before))
        if seconds <= SHORT_S:
            return
        async with self._writing:
            if self._changed:  # else whoever wrote while we waited has written this as well
                self._changed = False
                await asyncio.to_thread(hints.write, self._root, self._rows())

    def met(self, account: str, server: str, session: Session) -> list[str]:
        """Note a session whose listing has come; return what a person should know of the change."""
        now = int(time.time())
        before = self._known.get(account)
        if before and before.server != server:
            before = None
        known = Known(
            now,
            now + self.wait_s(account),
            str(session.auth),
            session.tls_version,
            dict(session.offered),
            dict(session.capabilities),
            server,
            session.loses_behind_capa or bool(before and before.loses_behind_capa),
        )
        self._note(account, known)
        return [*lost(before, known), *expiring(before, known)] if before else []

    def save(self) -> None:
        """Write what was noted. Not while a ``hold`` is under way."""
        if self._changed:
            self._changed = False
            hints.write(self._root, self._rows())

    def _note(self, account: str, known: Known) -> None:
        self._known[account] = known
        self._changed = True

    def _rows(self) -> dict[str, object]:
        return {name: _row(known) for name, known in self._known.items()}


def lost(before: Known, now: Known) -> list[str]:
    """Say what a server could do the last time and does not offer any more.

    It may be an update or a fault; it may also be somebody between us and the server.
    """
    if not before.everything():
        return []
    gone = before.everything() - now.everything()
    told = sorted(name for name in gone if name in _WORTH_TELLING or name.startswith("SASL "))
    # STLS is not offered under TLS; whether it was the last time depends on the configuration.
    if now.tls or before.tls:
        told = [name for name in told if name != "STLS"]
    found = []
    if told:
        found.append(
            f"the server no longer offers {', '.join(told)}, which it did at the last pull"
        )
    if before.tls and (not now.tls or now.tls < before.tls):
        found.append(
            f"the connection has {now.tls or 'no TLS'}, at the last pull it had {before.tls}"
        )
    return found


def expiring(before: Known, now: Known) -> list[str]:
    """Warn when mail may have gone from the server between two pulls (RFC 2449 section 6.7, EXPIRE)."""
    days = expire_days(now.capabilities or now.offered)
    if days is None or not before.everything():
        return []
    gap_s = now.logged_in - before.logged_in
    if days and gap_s * 2 > days * DAY_S:
        return [
            f"the server may remove mail after {days} days (EXPIRE {days}), and the last pull was"
            f" {gap_s // DAY_S} days ago; pull more often"
        ]
    return []


def login_delay_s(capabilities: Capabilities) -> int:
    """Seconds that must pass between two log-ins (LOGIN-DELAY, RFC 2449 section 6.6); 0 for none."""
    return _number(capabilities.get("LOGIN-DELAY", ())) or 0


def expire_days(capabilities: Capabilities) -> int | None:
    """Days for which the server keeps mail (EXPIRE); 0 if retrieved mail may go; None for ever."""
    return _number(capabilities.get("EXPIRE", ()))


def _number(parameters: tuple[str, ...]) -> int | None:
    for word in parameters:
        if word.isascii() and word.isdecimal() and len(word) < 10:
            return int(word)
    return None


def _row(known: Known) -> dict[str, object]:
    return {
        "logged_in": known.logged_in,
        "server": known.server,
        "not_before": known.not_before,
        "auth": known.auth,
        "tls": known.tls,
        "offered": {name: list(words) for name, words in known.offered.items()},
        "capabilities": {name: list(words) for name, words in known.capabilities.items()},
        "loses_behind_capa": known.loses_behind_capa,
    }


def _known(row: object) -> Known | None:
    """Read a row back; None for what was not written by ``_row``."""
    if not isinstance(row, dict):
        return None
    try:
        return Known(
            int(row["logged_in"]),
            int(row["not_before"]),
            str(row["auth"]),
            None if row["tls"] is None else str(row["tls"]),
            _words(row["offered"]),
            _words(row["capabilities"]),
            str(row["server"]),
            row.get("loses_behind_capa") is True,
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _words(value: object) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise TypeError("no capabilities")
    return {str(name): tuple(map(str, words)) for name, words in value.items()}
