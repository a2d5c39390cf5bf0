"""What a look at a server finds, as values. ``findings`` explains them in sentences.

None stands for what was not found out. Text comes from the server as it sent it.
"""

import enum
from dataclasses import dataclass
from datetime import datetime

from poparchive.pop3 import TlsMode

Capabilities = dict[str, tuple[str, ...]]

TLS_NAMES = {"TLSv1": "1.0", "TLSv1.1": "1.1", "TLSv1.2": "1.2", "TLSv1.3": "1.3"}
"""From what OpenSSL calls a version to what ``tls_minimum`` calls it."""

OLD_TLS = ("TLSv1", "TLSv1.1")
"""What poparchive speaks only where ``tls_minimum`` says so (RFC 8996)."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """What an account has to permit so that a way to connect works. It was tried."""

    pin: bool = False
    """The certificate, by ``tls_fingerprint`` or by an authority in ``ca_file``."""
    tls_minimum: str | None = None
    tls_legacy: bool = False


@dataclass(frozen=True, slots=True)
class Certificate:
    """The server's own. Without ``subject`` it could not be read beyond its fingerprint."""

    fingerprint: str
    """``sha256:`` and the hex digest of the DER form, as ``tls_fingerprint`` takes it."""
    trusted: bool
    distrust: str = ""
    """Why it is not trusted."""
    subject: str = ""
    issuer: str = ""
    names: tuple[str, ...] = ()
    """The host names and addresses that it is for."""
    not_before: datetime | None = None
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """One way to connect, looked at without logging in."""

    mode: TlsMode
    port: int
    problem: str = ""
    """Why mail cannot be fetched in this way; empty if it can."""
    connect_s: float | None = None
    tls_version: str | None = None
    certificate: Certificate | None = None
    greeting: str | None = None
    apop: bool = False
    """The greeting has a stamp."""
    capa_refused: bool = False
    capa_clear: Capabilities | None = None
    """CAPA in the clear, with STLS before it."""
    capa_tls: Capabilities | None = None
    """CAPA under TLS."""
    rtt_s: float | None = None
    remedy: Remedy | None = None
    """With it the way would work; None where it works without, or where nothing helps."""

    @property
    def works(self) -> bool:
        return self.greeting is not None and not self.problem

    @property
    def needs_pin(self) -> bool:
        """It would work if the certificate were trusted."""
        return self.remedy is not None and self.remedy.pin

    @property
    def capabilities(self) -> Capabilities:
        """What holds for the log-in."""
        return (self.capa_clear if self.mode is TlsMode.NONE else self.capa_tls) or {}

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """Ways to log in that the server announces; a server that has no CAPA has USER."""
        if not (self.works or self.capabilities):
            return ()
        found = [m.upper() for m in self.capabilities.get("SASL", ())]
        if "USER" in self.capabilities or not self.capabilities:
            found.append("USER")
        if self.apop:
            found.append("APOP")
        return tuple(dict.fromkeys(found))


class Alphabet(enum.StrEnum):
    """Of UIDLs."""

    DIGITS = "digits"
    HEX = "hex digits"
    ALNUM = "letters and digits"
    PRINTABLE = "printable ASCII"
    OTHER = "characters outside of printable ASCII"


@dataclass(frozen=True, slots=True)
class UidlQuality:
    """RFC 1939 section 7: 1 to 70 octets from 0x21 to 0x7E, each once."""

    count: int
    shortest_bytes: int
    longest_bytes: int
    alphabet: Alphabet
    too_long: int
    """Those over 70 octets."""
    missing: int
    """Messages that LIST names and UIDL does not, or with an empty one."""
    repeated: int
    """Messages whose UIDL another one has too."""
    are_numbers: bool
    """Each is its message's number, which says nothing of the message."""
    ascending: bool
    """The listing goes by message number."""

    @property
    def length(self) -> str:
        """``16`` or ``10 to 16``."""
        shortest, longest = self.shortest_bytes, self.longest_bytes
        return f"{longest}" if shortest == longest else f"{shortest} to {longest}"


@dataclass(frozen=True, slots=True)
class Again:
    """UIDLs of a second session against those of the first."""

    kept: int
    gone: int
    new: int
    order_kept: bool
    """Those that stayed stand in the same order."""


@dataclass(frozen=True, slots=True)
class SizeCheck:
    """LIST against RETR."""

    number: int
    listed_bytes: int
    came_bytes: int
    line_ends: int


class TopResult(enum.StrEnum):
    EXACT = "exact"
    NO_EMPTY_LINE = "without the empty line behind the header"
    SHORT = "cut short"
    LONG = "more than was asked for"
    HEADER = "another header than RETR"
    BODY = "another body than RETR"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class TopCheck:
    """TOP against RETR."""

    number: int
    lines: int
    result: TopResult


@dataclass(frozen=True, slots=True)
class Pipelining:
    """Some commands in one write."""

    announced: bool
    works: bool
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """What a log-in shows."""

    mode: TlsMode
    port: int
    user: str
    auth: str = ""
    """The way that was taken; empty if the log-in failed."""
    problem: str = ""
    """Why it ended before all was looked at."""
    second_problem: str = ""
    """The same of the second session."""
    capabilities: Capabilities | None = None
    """CAPA after the log-in."""
    messages: int | None = None
    octets: int | None = None
    """By LIST."""
    stat: tuple[int, int] | None = None
    uidl: UidlQuality | None = None
    uidl_refused: bool = False
    again: Again | None = None
    spared: bool = False
    """Nothing was fetched: the server says that it deletes what was fetched (EXPIRE 0)."""
    refused: tuple[int, ...] = ()
    """Messages that RETR did not hand out."""
    sizes: tuple[SizeCheck, ...] = ()
    tops: tuple[TopCheck, ...] = ()
    pipelining: Pipelining | None = None
    rtt_s: float | None = None


class Verdict(enum.StrEnum):
    GOOD = "good"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence about one topic: what it is and what it means for archiving."""

    topic: str
    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """All of it."""

    host: str
    looks: tuple[Look, ...]
    mailbox: Mailbox | None = None

    @property
    def works(self) -> bool:
        """Mail can be fetched: some way works and, if it was tried, so does the log-in."""
        if self.mailbox:
            return bool(self.mailbox.auth)
        return any(look.works for look in self.looks)
