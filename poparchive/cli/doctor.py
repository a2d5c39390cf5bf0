"""``poparchive doctor``: look at a POP3 server, say what it can and cannot do, suggest the account.

Nothing is changed on the server, and no archive is needed.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poparchive import __version__
from poparchive.cli.paths import Settings
from poparchive.errors import UsageError

if TYPE_CHECKING:
    from poparchive.config import Account, PasswordRef
    from poparchive.diagnose import Report, Transcript, Visitor
    from poparchive.pop3 import Endpoint

Text = str | None


def _option(metavar: str, text: str) -> typer.models.OptionInfo:
    """A typer option with a placeholder and one line about it."""
    option: typer.models.OptionInfo = typer.Option(metavar=metavar, help=text)
    return option


def doctor(
    context: typer.Context,
    server: Annotated[
        Text, typer.Argument(metavar="[HOST[:PORT]]", help="The server; by --account its own.")
    ] = None,
    account: Annotated[Text, _option("NAME", "Log in as this configured account.")] = None,
    user: Annotated[Text, _option("USER", "Log in under this name; needs a --password-...")] = None,
    password_command: Annotated[Text, _option("COMMAND", "A command that prints it.")] = None,
    password_file: Annotated[Path | None, _option("FILE", "A file that only you may read.")] = None,
    password_env: Annotated[Text, _option("VARIABLE", "An environment variable.")] = None,
    password_credential: Annotated[Text, _option("NAME", "A credential of systemd.")] = None,
    password_keyring: Annotated[Text, _option("SERVICE", "A service of the keyring.")] = None,
    auth: Annotated[Text, _option("auto|plain|user|apop", "How to log in.")] = None,
    allow_insecure: Annotated[
        bool, typer.Option("--allow-insecure", help="Log in even where there is no TLS.")
    ] = False,
    tls_fingerprint: Annotated[Text, _option("sha256:HEX", "Trust this certificate.")] = None,
    ca_file: Annotated[Path | None, _option("FILE", "Trust these authorities.")] = None,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="How long to wait for an answer.")
    ] = 10,
    transcript: Annotated[
        Path | None, _option("FILE", "Write down what was said, without secrets.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> int:
    """Look at a server by every way to connect, and suggest the account's entry.

    With an account the mailbox is looked at too: a few small messages are fetched, and nothing is
    deleted or changed. Exits with 1 if no way works, or the log-in does not.
    """
    password = {
        "command": password_command,
        "file": str(password_file.absolute()) if password_file else None,
        "env": password_env,
        "credential": password_credential,
        "keyring": password_keyring,
    }
    given = {kind: value for kind, value in password.items() if value is not None}
    if not timeout > 0:
        raise UsageError("--timeout must be more than 0 seconds")
    own = (user, auth, tls_fingerprint, ca_file)
    if account is not None and (given or allow_insecure or any(value is not None for value in own)):
        raise UsageError(
            "--account takes user, password, auth and trust from the configuration;"
            " leave out the options for them"
        )
    if account is not None:
        settings = Settings.of(context)
        case = _configured(settings.config().account(account), server)
    elif server is None:
        raise UsageError("say which server to look at: HOST, HOST:PORT or --account NAME")
    else:
        if (user is None) != (not given) or len(given) > 1:
            raise UsageError(
                "to log in, give --user and say where the password is to be had with exactly one of "
                + ", ".join(f"--password-{kind}" for kind in password)
            )
        case = _described(
            server, user, given, auth or "auto", allow_insecure, tls_fingerprint, ca_file
        )
    with _writing(transcript) as keep:
        report = _examine(case, timeout, keep)
    from poparchive.cli.doctor_report import show, show_json

    (show_json if as_json else show)(report, case)
    return 0 if report.works else 1


@dataclass(frozen=True, slots=True)
class Case:
    """What the command line asks for."""

    host: str
    port: int | None
    trust: "Endpoint"
    """Whose ``ca_file`` and ``fingerprint`` count."""
    name: str = ""
    """Of the configured account, if it is one."""
    account: "Account | None" = None
    password: "PasswordRef | None" = None
    visitor: "Visitor | None" = None


def parse_server(text: str) -> tuple[str, int | None]:
    """``HOST``, ``HOST:PORT``, ``[ADDRESS]:PORT`` or an IPv6 address; raises ``UsageError``."""
    from poparchive.config.values import parse_host

    host, port = text, ""
    if text.startswith("["):
        host, closed, port = text[1:].partition("]")
        if not closed or (port and not port.startswith(":")):
            raise UsageError(f"{text!r} is no server; write [ADDRESS]:PORT")
        port = port[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if text.endswith(":") and text.count(":") == 1:
        raise UsageError(f"{text!r} has no port behind the colon")
    try:
        host = parse_host(host)
    except ValueError as error:
        raise UsageError(f"the server {error}") from None
    if not port:
        return host, None
    if not (port.isascii() and port.isdecimal() and 1 <= int(port[:6]) <= 65535):
        raise UsageError(f"the port must be a number from 1 to 65535, not {port!r}")
    return host, int(port)


def _configured(account: "Account", server: str | None) -> Case:
    """The account of the configuration, at its own server and at no other."""
    from poparchive.cli.jobs import job_of
    from poparchive.diagnose import Visitor

    job = job_of(account)
    port = None if account.port in (995, 110) else account.port
    if server is not None:
        host, named = parse_server(server)
        if host.lower() != account.host.lower():
            raise UsageError(
                f"account {account.name} is at {account.host}, and its password is for no other"
                f" server; look at {host} without --account"
            )
        port = named or port
    visitor = Visitor(job.login, account.name, job.endpoint.tls, account.allow_insecure)
    return Case(account.host, port, job.endpoint, account.name, account, account.password, visitor)


def _described(
    server: str,
    user: str | None,
    given: dict[str, str],
    auth: str,
    allow_insecure: bool,
    tls_fingerprint: str | None,
    ca_file: Path | None,
) -> Case:
    """What the options say, checked as the configuration checks it."""
    from poparchive import credentials
    from poparchive.config.values import parse_auth, parse_fingerprint, parse_password, parse_text
    from poparchive.diagnose import Visitor
    from poparchive.pop3 import Endpoint, Login, TlsMode

    host, port = parse_server(server)
    try:
        pin = None if tls_fingerprint is None else parse_fingerprint(tls_fingerprint)
        way = parse_auth(auth)
        name = None if user is None else parse_text(user)
        password = parse_password(given, Path.cwd()) if given else None
    except ValueError as error:
        raise UsageError(f"a value {error}") from None
    trust = Endpoint(host, port or 0, TlsMode.IMPLICIT, ca_file=ca_file, fingerprint=pin)
    if name is None or password is None:
        return Case(host, port, trust)

    def secret() -> str:
        return credentials.fetch(password, account=name).reveal()

    visitor = Visitor(Login(name, secret, way), allow_insecure=allow_insecure)
    return Case(host, port, trust, password=password, visitor=visitor)


def _examine(case: Case, timeout_s: float, keep: "Callable[[Transcript], None]") -> "Report":
    import asyncio

    from poparchive.diagnose import Transcript, check, endpoints
    from poparchive.pop3 import Timeouts

    transcript = Transcript()
    timeouts = Timeouts(timeout_s, timeout_s, timeout_s)
    try:
        return asyncio.run(
            check(
                endpoints(case.host, case.port, case.trust),
                transcript,
                visitor=case.visitor,
                timeouts=timeouts,
            )
        )
    finally:
        keep(transcript)


@contextmanager
def _writing(path: Path | None) -> "Iterator[Callable[[Transcript], None]]":
    """Gives what writes the transcript, to a file that only its owner may read.

    The file is opened before anything is asked, so that a wrong path is known at once.
    """
    if path is None:
        yield lambda transcript: None
        return
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
    with os.fdopen(fd, "w", encoding="utf-8", errors="backslashreplace") as file:
        if stat.S_ISREG(os.fstat(fd).st_mode):
            # It may be there already, and open to others.
            os.fchmod(fd, 0o600)
            os.truncate(fd, 0)

        def keep(transcript: "Transcript") -> None:
            file.write(
                f"# poparchive {__version__} doctor, {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}\n"
            )
            file.write("# C: sent, S: received, *: remark; secrets are left out\n\n")
            file.write(transcript.text())

        yield keep
