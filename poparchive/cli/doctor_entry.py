"""The account's entry that ``poparchive doctor`` suggests: lines of TOML, ready to paste."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from poparchive.config.edit import Line, Value
from poparchive.config.load import show_key
from poparchive.diagnose import Report, Suggestion, doubtful, suggest

if TYPE_CHECKING:
    from poparchive.cli.doctor import Case
    from poparchive.config import OAuth, PasswordRef
    from poparchive.pop3 import Endpoint

WHERE = "where it is to be had, never itself"


def entry(report: Report, case: "Case") -> list[str]:
    """The lines of the account's table; none if no way works.

    It has the exceptions that the way needs, with a warning each, and of a configured account all
    that says how to get in. The rest of such an account is not repeated: that stays as it is.
    """
    suggestion = suggest(report.host, report.looks, case.trust)
    if suggestion is None:
        return []
    name = case.name or _name_for(report.host)
    lines = [
        *_server(suggestion),
        *_access(case, name),
        *_exceptions(suggestion, case),
    ]
    if doubtful(report.mailbox):
        lines.append(Line("leave_on_server", "forever", "its UIDLs are not to be relied on"))
    if case.account:
        lines.append(Line(comment="all other keys of the account stay as they are"))
    return [f"[{show_key(('accounts', name))}]", *map(str, lines)]


def _server(suggestion: Suggestion) -> Iterator[Line]:
    yield Line("host", suggestion.host)
    if suggestion.port is not None:
        yield Line("port", suggestion.port)
    yield Line("tls", str(suggestion.tls))
    if suggestion.allow_insecure:
        yield Line("allow_insecure", True, "there is no TLS: all can be read on the way")


def _access(case: "Case", name: str) -> Iterator[Line]:
    login = case.visitor.login if case.visitor else None
    if login:
        yield Line("user", login.user)
    else:
        yield Line("user", "USER", "often the whole address")
    if case.account and case.account.oauth:
        yield Line("oauth", _oauth(case.account.oauth))
    elif case.password:
        yield _password(case.password)
    elif not case.account:  # a configured one may need no password
        yield Line("password", {"command": f"pass show mail/{name}"}, WHERE)
    if login and login.auth != "auto":
        yield Line("auth", login.auth)


def _password(reference: "PasswordRef") -> Line:
    """A command is not repeated: people write ``echo`` and the password."""
    if reference.kind == "command":
        return Line("password", {"command": "COMMAND"}, "the command that was given")
    return Line("password", {reference.kind: reference.value}, WHERE)


def _oauth(oauth: "OAuth") -> Value:
    table: dict[str, Value] = {}
    for key in (field.name for field in fields(oauth)):
        value = getattr(oauth, key)
        if key == "client_secret" and value:
            value = _password(value).value
        if value:
            table[key] = str(value) if isinstance(value, Path) else value
    return table


def _exceptions(suggestion: Suggestion, case: "Case") -> Iterator[Line]:
    """What is to be trusted or permitted besides, and the way there."""
    trust = case.trust
    if not suggestion.allow_insecure:
        yield from _tls(suggestion, trust)
    if trust.proxy:
        yield Line("proxy", str(trust.proxy))


def _tls(suggestion: Suggestion, trust: "Endpoint") -> Iterator[Line]:
    if suggestion.tls_fingerprint:
        remark = "only after its operator has confirmed it"
        yield Line("tls_fingerprint", suggestion.tls_fingerprint, remark)
    elif trust.fingerprint:
        yield Line("tls_fingerprint", trust.fingerprint)
    if trust.ca_file:
        yield Line("ca_file", str(trust.ca_file.absolute()))
    if minimum := suggestion.tls_minimum:
        weak = minimum in ("1.0", "1.1")
        yield Line("tls_minimum", minimum, "broken (RFC 8996): can be read on the way" * weak)
    if suggestion.tls_legacy:
        yield Line("tls_legacy", True, "weak ciphers and keys: may be read on the way")
    for key in ("client_certificate", "client_key"):
        if path := getattr(trust, key):
            yield Line(key, str(path.absolute()))


def _name_for(host: str) -> str:
    """``example`` for pop.example.com; ``mail`` for an address."""
    labels = host.lower().rstrip(".").split(".")
    if ":" in host or all(label.isdecimal() for label in labels):
        return "mail"
    if len(labels) > 2:
        return labels[-2] if len(labels[-2]) > 3 else labels[-3]
    return labels[0]
