"""The values a configuration is made of, and the texts that stand for them.

The ``parse_`` functions raise ``ValueError`` with a text that goes on from the name of the key,
such as ``must be a size such as "2GiB", not "lots"``.
"""

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from poparchive.config.schedule import Every, Schedule, parse_schedule
from poparchive.config.units import duration_s, size_bytes
from poparchive.errors import UsageError

if TYPE_CHECKING:
    from poparchive.config.oauth import OAuth


class Tls(enum.StrEnum):
    """How a connection becomes private."""

    IMPLICIT = "implicit"
    """TLS from the first octet; port 995 (RFC 8314)."""
    STARTTLS = "starttls"
    """Plain, then STLS (RFC 2595); port 110."""
    NONE = "none"
    """Never; port 110. Only with ``allow_insecure``."""

    @property
    def default_port(self) -> int:
        return 995 if self is Tls.IMPLICIT else 110


@dataclass(frozen=True, slots=True)
class PasswordRef:
    """Where a password is to be had: ``kind`` is one of ``PASSWORD_KINDS``, ``value`` its text.

    The value stays out of the repr because people do write ``echo`` and the password there.
    """

    kind: str
    value: str = field(repr=False)


PASSWORD_KINDS = ("command", "file", "env", "credential", "keyring")


@dataclass(frozen=True, slots=True)
class LeaveOnServer:
    """How long a message stays on the server once it is archived.

    ``after_s`` is None for ever, 0 to delete as soon as the archive is proved to hold it, and
    otherwise seconds after it was archived.
    """

    text: str
    after_s: int | None


@dataclass(frozen=True, slots=True)
class Proxy:
    """A SOCKS5 proxy. ``user`` is empty where it wants none."""

    host: str
    port: int
    user: str = ""


SCHEDULE = Every("every 15m", 900)
LEAVE_ON_SERVER = LeaveOnServer("forever", None)
MAX_MESSAGE_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One mailbox on one server. The fields are the keys of ``[accounts.NAME]``, but ``name``."""

    name: str
    host: str
    port: int
    user: str
    password: PasswordRef | None
    """None for an account that logs in with ``oauth``; every other has one."""
    oauth: "OAuth | None" = None
    tls: Tls = Tls.IMPLICIT
    allow_insecure: bool = False
    auth: str = "auto"
    schedule: Schedule = SCHEDULE
    leave_on_server: LeaveOnServer = LEAVE_ON_SERVER
    max_message_bytes: int = MAX_MESSAGE_BYTES
    tls_fingerprint: str | None = None
    ca_file: Path | None = None
    tls_minimum: str = "1.2"
    tls_legacy: bool = False
    client_certificate: Path | None = None
    client_key: Path | None = None
    proxy: Proxy | None = None
    connect_timeout_s: int = 30
    reply_timeout_s: int = 90
    stall_timeout_s: int = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is done at a time. The fields are the keys of ``[limits]``."""

    connections: int = 20
    connections_per_host: int = 10


WEEKLY = parse_schedule("cron 30 2 * * 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """What the daemon does for the archive besides pulling. The fields are the keys of ``[care]``."""

    verify: int | None = None
    """Seconds within which all of the archive is to be read again; None for never."""
    optimize: Schedule | None = WEEKLY
    """When to optimize; None for never."""
    optimize_time: int = 4 * 3600
    """Seconds that it may take."""
    optimize_rate: int = 64 << 20
    """Octets that it may read and write in a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachments:
    """How the text inside attachments is read. The fields are the keys of ``[attachments]``."""

    enabled: bool = True
    """Whether the daemon reads it after pulls; ``poparchive attachments`` reads it in any case."""
    ocr: bool = False
    """Whether letters in pictures are recognized."""
    ocr_languages: tuple[str, ...] = ("eng",)
    """As tesseract names them."""
    time: int = 60
    """Seconds of CPU that reading one attachment may take."""
    memory: int = 512 << 20
    """Octets of memory that it may take."""
    max_bytes: int = 64 << 20
    """Larger attachments are not read."""
    workers: int = 1
    """How many are read at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole configuration, proved consistent. Accounts stand in the order of the file.

    ``defaults`` holds what ``[defaults]`` gives, parsed; every account has it merged in already.
    """

    archive: Path | None
    accounts: tuple[Account, ...]
    defaults: Mapping[str, object]
    limits: Limits
    care: Care
    attachments: Attachments
    path: Path

    def account(self, name: str) -> Account:
        """Returns the account of that name. Raises ``UsageError`` where there is none."""
        (found,) = self.select([name])
        return found

    def select(self, names: Iterable[str]) -> tuple[Account, ...]:
        """Returns the named accounts, each once, in the order of the file; all for no names.

        Raises ``UsageError`` that lists every name that is no account.
        """
        wanted = set(names)
        known = {account.name for account in self.accounts}
        if unknown := sorted(wanted - known):
            have = ", ".join(account.name for account in self.accounts) or "none"
            raise UsageError(
                f"no such account in {self.path}: {', '.join(map(repr, unknown))}"
                f" (accounts there: {have})"
            )
        return tuple(a for a in self.accounts if not wanted or a.name in wanted)


# ---- from TOML values ----------------------------------------------------------------------------


def shown(value: object) -> str:
    """A value as an error message shows it: safe for a terminal, and not endless."""
    text = ascii(value) if not isinstance(value, str) or not value.isprintable() else f'"{value}"'
    return text if len(text) <= 60 else text[:57] + "..."


def parse_text(value: object) -> str:
    """A text on one line, such as a host or user name."""
    if not isinstance(value, str) or not value or value != value.strip():
        raise ValueError(f"must be a text without blanks around it, not {shown(value)}")
    if any(character < " " or character == "\x7f" for character in value):
        raise ValueError(f"must not contain control characters, as {shown(value)} does")
    return value


def parse_host(value: object) -> str:
    """A host name or address, without a port; an IPv6 address may stand in brackets."""
    host = parse_text(value)
    if re.fullmatch(r"\[[0-9A-Fa-f:.%\w-]*:[0-9A-Fa-f:.%\w-]*\]", host):
        host = host[1:-1]
    if not re.fullmatch(r"[\w.:%-]+", host):
        raise ValueError(f"must be a host name or an address, not {shown(value)}")
    if host.count(":") == 1:
        raise ValueError(f"must be a host name alone, not {shown(value)}; the port has its own key")
    return host


def parse_whole(value: object, low: int, high: int) -> int:
    """A whole number within bounds; TOML's booleans are none."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"must be a whole number from {low} to {high}, not {shown(value)}")
    return value


def parse_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {shown(value)}")
    return value


def parse_choice(value: object, choices: Iterable[str]) -> str:
    if isinstance(value, str) and value in choices:
        return value
    listed = ", ".join(f'"{choice}"' for choice in choices)
    raise ValueError(f"must be one of {listed}, not {shown(value)}")


AUTH = (
    "auto", "scram-sha-256-plus", "scram-sha-256", "scram-sha-1-plus", "scram-sha-1", "cram-md5",
    "apop", "plain", "login", "user", "oauthbearer", "xoauth2", "external",
)  # fmt: skip
AUTH_ELSEWHERE = (
    "digest-md5", "ntlm", "gssapi", "gs2-krb5", "kerberos_v4", "anonymous", "scram-sha-512",
)  # fmt: skip


def parse_auth(value: object) -> str:
    """How to log in; mechanisms that exist but not here get their own answer."""
    if isinstance(value, str) and value.lower() in AUTH_ELSEWHERE:
        known = ", ".join(f'"{name}"' for name in AUTH)
        raise ValueError(f"{shown(value)} is not supported by this version; it speaks {known}")
    return parse_choice(value, AUTH)


_REFERENCE = (
    "must be where the password is to be had, not the password:"
    ' write { command = "pass show mail/office" }, { file = "PATH" }, { env = "VARIABLE" },'
    ' { credential = "NAME" } (systemd) or { keyring = "SERVICE" }'
)


def parse_password(value: object, base: Path) -> PasswordRef:
    """A reference to a password. The value is never part of an error: it may be the password."""
    if not isinstance(value, dict):
        raise ValueError(_REFERENCE)
    if len(value) != 1 or not set(value) <= set(PASSWORD_KINDS):
        raise ValueError("must have exactly one of " + ", ".join(PASSWORD_KINDS))
    ((kind, text),) = value.items()
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise ValueError(f"has {kind} = ..., which must be a text that is not empty")
    return PasswordRef(kind, str(parse_path(text, base)) if kind == "file" else text)


def parse_leave(value: object) -> LeaveOnServer:
    """``forever``, ``delete`` or a time such as ``30d``."""
    if value == "forever":
        return LeaveOnServer("forever", None)
    if value == "delete":
        return LeaveOnServer("delete", 0)
    if isinstance(value, str) and (seconds := duration_s(value)):
        return LeaveOnServer(value, seconds)
    raise ValueError(f'must be "forever", "delete" or a time such as "30d", not {shown(value)}')


def parse_seconds(value: object) -> int:
    """A time limit: a whole number of seconds, or a text such as ``90s`` or ``2m``."""
    seconds = duration_s(value) if isinstance(value, str) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= 86400:
        raise ValueError(
            f'must be seconds or a time such as "90s", up to a day, not {shown(value)}'
        )
    return seconds


def parse_verify(value: object) -> int | None:
    """``never``, or a time of a week to a year, such as ``30d``."""
    if value == "never":
        return None
    seconds = duration_s(value) if isinstance(value, str) else None
    if seconds is None or not 7 * 86_400 <= seconds <= 366 * 86_400:
        raise ValueError(
            f'must be "never", or a time from a week to a year such as "30d", not {shown(value)}'
        )
    return seconds


def parse_care_schedule(value: object) -> Schedule | None:
    """``never``, or a schedule as accounts have it."""
    return None if value == "never" else parse_schedule(value)


def parse_rate(value: object) -> int:
    """Octets in a second: a size of a mebibyte at least."""
    rate = size_bytes(value) if isinstance(value, str) else None
    if rate is None or rate < 1 << 20:
        raise ValueError(f'must be a size from 1MiB on, such as "64MiB", not {shown(value)}')
    return rate


def parse_memory(value: object) -> int:
    """Octets of memory for reading an attachment: from 128 MiB, for less reads no PDF, to 64 GiB."""
    return _bounded_size(value, 128 << 20, 64 << 30, "128MiB", "64GiB")


def parse_attachment_size(value: object) -> int:
    """The size of the largest attachment that is read, up to 1 GiB: it is held in memory."""
    return _bounded_size(value, 1, 1 << 30, "1", "1GiB")


def _bounded_size(value: object, low: int, high: int, lowest: str, highest: str) -> int:
    size = size_bytes(value) if isinstance(value, str) else value
    if isinstance(size, bool) or not isinstance(size, int) or not low <= size <= high:
        raise ValueError(f"must be a size from {lowest} to {highest}, not {shown(value)}")
    return size


def parse_languages(value: object) -> tuple[str, ...]:
    """Languages as tesseract names them, such as ``eng`` or ``chi_sim``."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or len(names) > 20:
        raise ValueError(f'must be a list such as ["eng", "deu"], not {shown(value)}')
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{1,30}", name):
            raise ValueError(
                f'must name languages as tesseract does, such as "eng", not {shown(name)}'
            )
    return tuple(names)


def parse_fingerprint(value: object) -> str:
    """``sha256:`` and 64 hex digits, with or without colons; returned in lower case without."""
    if isinstance(value, str):
        kind, _, digits = value.lower().partition(":")
        digits = digits.replace(":", "")
        if kind == "sha256" and re.fullmatch(r"[0-9a-f]{64}", digits):
            return f"sha256:{digits}"
    raise ValueError(f'must be "sha256:" and 64 hex digits, not {shown(value)}')


TLS_VERSIONS = ("1.0", "1.1", "1.2", "1.3")

_PROXY = re.compile(r"socks5://(?:([!-~]+)@)?(\[[^\]@]+\]|[^:@/]+):([0-9]{1,5})/?")


def parse_proxy(value: object) -> Proxy:
    """``socks5://host:port`` or ``socks5://user@host:port``. A password is never repeated."""
    if isinstance(value, str) and ":" in value.partition("://")[2].rpartition("@")[0]:
        raise ValueError(
            "must not hold a password, which would stand here for everyone to read;"
            " use a proxy on this machine that asks for none and knows the way to the other"
        )
    match = _PROXY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(
            f'must be a SOCKS5 proxy such as "socks5://127.0.0.1:9050", not {shown(value)}'
        )
    user, host, port = match.groups()
    if user and len(user) > 255:  # RFC 1929
        raise ValueError("has a user name of more than 255 characters")
    return Proxy(parse_host(host), parse_whole(int(port), 1, 65535), user or "")


def parse_path(value: object, base: Path) -> Path:
    """A path; a relative one is taken from the directory of the configuration."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"must be a path, not {shown(value)}")
    try:
        return base / Path(value).expanduser()
    except RuntimeError as error:
        raise ValueError(f"names a home directory that is not known: {shown(value)}") from error
