"""Reads a configuration and reports everything that is wrong with it in one go."""

import re
import tomllib
from collections.abc import Callable, Mapping, Set
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any

from poparchive.config import values
from poparchive.config.errors import ConfigError, Problem, TableError
from poparchive.config.lines import Key, key_lines
from poparchive.config.oauth import parse_oauth
from poparchive.config.schedule import parse_schedule
from poparchive.config.units import size_bytes
from poparchive.config.values import Account, Attachments, Care, Config, Limits, Tls

Parser = Callable[[object, Path], object]


def _alone(parse: Callable[[object], object]) -> Parser:
    """A parser that needs no directory."""
    return lambda value, _: parse(value)


def _size(value: object) -> int:
    size = size_bytes(value) if isinstance(value, str) else value
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError(f'must be octets or a size such as "2GiB", not {values.shown(value)}')
    return size


ACCOUNT_KEYS: Mapping[str, Parser] = {
    "host": _alone(values.parse_host),
    "port": _alone(lambda value: values.parse_whole(value, 1, 65535)),
    "user": _alone(values.parse_text),
    "password": values.parse_password,
    "oauth": parse_oauth,
    "tls": _alone(lambda value: Tls(values.parse_choice(value, tuple(Tls)))),
    "allow_insecure": _alone(values.parse_flag),
    "auth": _alone(values.parse_auth),
    "schedule": _alone(parse_schedule),
    "leave_on_server": _alone(values.parse_leave),
    "max_message_bytes": _alone(_size),
    "tls_fingerprint": _alone(values.parse_fingerprint),
    "ca_file": values.parse_path,
    "tls_minimum": _alone(lambda value: values.parse_choice(value, values.TLS_VERSIONS)),
    "tls_legacy": _alone(values.parse_flag),
    "client_certificate": values.parse_path,
    "client_key": values.parse_path,
    "proxy": _alone(values.parse_proxy),
    "connect_timeout_s": _alone(values.parse_seconds),
    "reply_timeout_s": _alone(values.parse_seconds),
    "stall_timeout_s": _alone(values.parse_seconds),
}
LIMITS_KEYS: Mapping[str, Parser] = {
    "connections": _alone(lambda value: values.parse_whole(value, 1, 1000)),
    "connections_per_host": _alone(lambda value: values.parse_whole(value, 1, 1000)),
}
CARE_KEYS: Mapping[str, Parser] = {
    "verify": _alone(values.parse_verify),
    "optimize": _alone(values.parse_care_schedule),
    "optimize_time": _alone(values.parse_seconds),
    "optimize_rate": _alone(values.parse_rate),
}
ATTACHMENTS_KEYS: Mapping[str, Parser] = {
    "enabled": _alone(values.parse_flag),
    "ocr": _alone(values.parse_flag),
    "ocr_languages": _alone(values.parse_languages),
    "time": _alone(values.parse_seconds),
    "memory": _alone(values.parse_memory),
    "max_bytes": _alone(values.parse_attachment_size),
    "workers": _alone(lambda value: values.parse_whole(value, 1, 64)),
}
TOP_KEYS: Mapping[str, Parser] = {"archive": values.parse_path}
TABLES = ("defaults", "limits", "care", "attachments", "accounts")
TLS_ONLY = (
    "tls_fingerprint", "ca_file", "tls_minimum", "tls_legacy", "client_certificate", "client_key",
)  # fmt: skip
REQUIRED = ("host", "user")

BEARER_AUTH = ("auto", "xoauth2", "oauthbearer")
"""What ``auth`` may be where ``oauth`` is: the ways to log in that carry an access token."""

# What other programs call our keys; spelling alone would not lead from one to the other.
OTHER_NAMES = {
    "server": "host", "hostname": "host", "username": "user", "login": "user", "ssl": "tls",
    "pass": "password", "passwd": "password", "interval": "schedule", "every": "schedule",
    "delete": "leave_on_server", "keep": "leave_on_server", "fingerprint": "tls_fingerprint",
    "max_size": "max_message_bytes", "mechanism": "auth", "socks5": "proxy", "socks": "proxy",
    "tls_version": "tls_minimum", "min_tls": "tls_minimum", "cert": "client_certificate",
}  # fmt: skip

_NAME = re.compile(r"[^\W_][\w.@+-]{0,63}")


def load(path: Path) -> Config:
    """Reads the file. Raises ``ConfigError`` with every problem of it, or why it is unreadable."""
    try:
        octets = path.read_bytes()
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
        raise ConfigError(path, [Problem(0, "", message)]) from error
    try:
        text = octets.decode()
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise ConfigError(path, [Problem(line, "", "is not UTF-8")]) from error
    return parse(text, path)


def parse(text: str, path: Path) -> Config:
    """Like ``load``, of a text that stands, or will stand, in the file ``path``."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message, line = _syntax(str(error), text)
        raise ConfigError(path, [Problem(line, "", message)]) from error
    except RecursionError as error:
        raise ConfigError(path, [Problem(0, "", "is nested too deeply")]) from error
    return _Reader(path, key_lines(text)).config(tree)


def _syntax(message: str, text: str) -> tuple[str, int]:
    """tomllib's message without the place, and the line of it."""
    match = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    if match is None:
        return f"is not TOML: {message}", 0
    line = int(match[1]) if match[1] else text.count("\n") + 1
    return f"is not TOML: {message[: match.start()]}", line


class _Reader:
    """One reading: collects problems, and gives a ``Config`` only when there are none."""

    def __init__(self, path: Path, lines: Mapping[Key, int]) -> None:
        self.path = path
        self.base = path.absolute().parent
        self.lines = lines
        self.problems: list[Problem] = []

    def config(self, tree: Mapping[str, Any]) -> Config:
        top = {key: value for key, value in tree.items() if key not in TABLES}
        settings, _ = self._table(top, (), TOP_KEYS, also=TABLES)
        limits, _ = self._table(tree.get("limits", {}), ("limits",), LIMITS_KEYS)
        care, _ = self._table(tree.get("care", {}), ("care",), CARE_KEYS)
        attachments, _ = self._table(
            tree.get("attachments", {}), ("attachments",), ATTACHMENTS_KEYS
        )
        defaults, wrong = self._table(tree.get("defaults", {}), ("defaults",), ACCOUNT_KEYS)
        accounts = self._accounts(tree.get("accounts", {}), defaults, wrong)
        if self.problems:
            raise ConfigError(self.path, self.problems)
        return Config(
            archive=settings.get("archive"),
            accounts=tuple(accounts),
            defaults=MappingProxyType(defaults),
            limits=Limits(**limits),
            care=Care(**care),
            attachments=Attachments(**attachments),
            path=self.path,
        )

    def _accounts(
        self, tables: object, defaults: Mapping[str, Any], wrong: frozenset[str]
    ) -> list[Account]:
        if not isinstance(tables, dict):
            self._problem(("accounts",), "must be tables such as [accounts.office]")
            return []
        found = (self._account(name, table, defaults, wrong) for name, table in tables.items())
        return [account for account in found if account is not None]

    def _account(
        self, name: str, table: object, defaults: Mapping[str, Any], wrong: frozenset[str]
    ) -> Account | None:
        place = ("accounts", name)
        before = len(self.problems)
        if not _NAME.fullmatch(name):
            self._problem(
                place,
                "is no name for an account: letters, digits and . _ - @ + are, up to 64,"
                " a letter or digit first",
            )
        own, own_wrong = self._table(table, place, ACCOUNT_KEYS)
        given = {k: v for k, v in {**defaults, **own}.items() if k not in own_wrong}
        _nearer(given, own.keys() | own_wrong)
        # What was given, but wrongly, has been reported: it is not missing, and contradicts nothing.
        wrong = own_wrong | (wrong - own.keys())
        if isinstance(table, dict):
            for key in REQUIRED:
                if key not in given.keys() | wrong:
                    self._problem((*place, key), "is missing", at=place)
            self._login(place, given, wrong)
        if "allow_insecure" not in wrong:
            self._consistent(place, given)
        if len(self.problems) > before or wrong:
            return None
        given.setdefault("password", None)
        given.setdefault("port", given.get("tls", Tls.IMPLICIT).default_port)
        return Account(name=name, **given)

    def _login(self, place: Key, given: Mapping[str, Any], wrong: frozenset[str]) -> None:
        """A password, ``oauth`` or a client's certificate, and ``auth`` to go with it."""
        there = given.keys() | wrong
        if not {"password", "oauth", "client_certificate"} & there:
            self._problem((*place, "password"), "is missing, and so is oauth", at=place)
        if given.get("auth") == "external" and "client_certificate" not in there:
            message = 'is "external", which needs a client_certificate'
            self._problem((*place, "auth"), message, at=place)
        if "oauth" not in given:
            return
        if "password" in given:
            self._problem(
                (*place, "password"), "has no use where oauth is; take one of them out", at=place
            )
        if (auth := given.get("auth", "auto")) not in BEARER_AUTH:
            known = " or ".join(f'"{name}"' for name in BEARER_AUTH)
            self._problem(
                (*place, "auth"),
                f'is "{auth}", which sends a password, but oauth gives a token: it must be {known}',
                at=place,
            )

    def _consistent(self, place: Key, given: Mapping[str, Any]) -> None:
        """What holds between keys of one account."""
        if "client_key" in given and "client_certificate" not in given:
            message = "is of no use without client_certificate"
            self._problem((*place, "client_key"), message, at=place)
        if given.get("tls") is not Tls.NONE:
            return
        if not given.get("allow_insecure"):
            self._problem(
                (*place, "tls"),
                'is "none", which sends mail and password readable to everyone on the way;'
                " write allow_insecure = true if that is meant",
                at=place,
            )
        for key in TLS_ONLY:
            if key in given:
                self._problem((*place, key), 'has no use with tls = "none"', at=place)

    def _table(
        self, table: object, place: Key, keys: Mapping[str, Parser], also: tuple[str, ...] = ()
    ) -> tuple[dict[str, Any], frozenset[str]]:
        """Parses the keys of one table. Returns the good values and the names of wrong ones."""
        if not isinstance(table, dict):
            self._problem(place, f"must be a table, [{'.'.join(place)}]")
            return {}, frozenset(keys)
        good: dict[str, Any] = {}
        wrong: set[str] = set()
        for key, value in table.items():
            if key not in keys:
                self._problem((*place, key), _unknown(key, (*keys, *also)))
                continue
            try:
                good[key] = keys[key](value, self.base)
            except TableError as error:
                for below, message in error.problems:
                    self._problem((*place, key, *filter(None, (below,))), message, at=(*place, key))
                wrong.add(key)
            except ValueError as error:
                self._problem((*place, key), str(error))
                wrong.add(key)
        return good, frozenset(wrong)

    def _problem(self, key: Key, message: str, at: Key = ()) -> None:
        """Notes a problem at the line of its key, or of ``at`` where the key is not there."""
        line = self.lines.get(key) or self.lines.get(at, 0)
        self.problems.append(Problem(line, show_key(key), message))


def _nearer(given: dict[str, Any], own: Set[str]) -> None:
    """Of password and ``oauth`` the one that the account has itself goes before that of [defaults]."""
    for key, other in (("password", "oauth"), ("oauth", "password")):
        if key in own and other not in own:
            given.pop(other, None)


def _unknown(key: str, known: tuple[str, ...]) -> str:
    other = OTHER_NAMES.get(key.lower())
    near = [other] if other in known else get_close_matches(key.lower().replace("-", "_"), known, 1)
    return f"is not a key here; did you mean {near[0]}?" if near else "is not a key here"


def show_key(key: Key) -> str:
    """A key as TOML writes it."""
    return ".".join(
        part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else toml_string(part) for part in key
    )


def toml_string(text: str) -> str:
    """A text as a TOML basic string, in printable ASCII and other printable characters."""
    pieces = []
    for character in text:
        if character in '"\\':
            pieces.append("\\" + character)
        elif character.isprintable():
            pieces.append(character)
        else:
            code = ord(character)
            pieces.append(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
    return '"' + "".join(pieces) + '"'
