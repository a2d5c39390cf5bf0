"""``poparchive account``: the accounts of the configuration, and whether their servers answer.

Adding and removing edit the text of the configuration and leave all else in it as it was. Neither
touches mail: what was archived stays, whatever becomes of its account.
"""

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from poparchive.cli import lazy, output
from poparchive.cli.login import login
from poparchive.cli.paths import Settings
from poparchive.config import Account, Tls
from poparchive.config.edit import Line, with_account, without_account
from poparchive.config.errors import ConfigError, Problem
from poparchive.errors import PoparchiveError, TryLaterError, UsageError

app = lazy.group("Add, list, test and remove mail accounts.")
app.command(cls=lazy.Command)(login)

Text = str | None


def _option(metavar: str, text: str) -> typer.models.OptionInfo:
    """A typer option with a placeholder and one line about it."""
    option: typer.models.OptionInfo = typer.Option(metavar=metavar, help=text)
    return option


@app.command(cls=lazy.Command)
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call the account.")],
    user: Annotated[str, _option("USER", "The user name there, often the whole address.")],
    host: Annotated[
        Text, _option("HOST", "The POP3 server; else the one that the domain of USER names.")
    ] = None,
    port: Annotated[int | None, _option("PORT", "By default 995, or 110 without TLS.")] = None,
    tls: Annotated[
        Tls | None, _option("implicit|starttls|none", "How it is private; else by [defaults].")
    ] = None,
    allow_insecure: Annotated[
        bool, typer.Option("--allow-insecure", help="Permits --tls none.")
    ] = False,
    password_command: Annotated[Text, _option("COMMAND", "A command that prints it.")] = None,
    password_file: Annotated[
        Path | None, _option("FILE", "A file that only you may read, with it in the first line.")
    ] = None,
    password_env: Annotated[Text, _option("VARIABLE", "An environment variable.")] = None,
    password_credential: Annotated[Text, _option("NAME", "A credential of systemd.")] = None,
    password_keyring: Annotated[Text, _option("SERVICE", "A service of the keyring.")] = None,
    oauth: Annotated[
        Text, _option("microsoft|google", "Log in with OAuth2 there; needs --client-id.")
    ] = None,
    client_id: Annotated[Text, _option("ID", "What the provider calls this program.")] = None,
    auth: Annotated[
        Text,
        _option(
            "MECHANISM",
            "How to log in: auto, scram-sha-256 or scram-sha-1 (each also with -plus), cram-md5,"
            " apop, plain, login, user, oauthbearer, xoauth2 or external.",
        ),
    ] = None,
    schedule: Annotated[Text, _option("TEXT", 'Such as "every 15m".')] = None,
    leave_on_server: Annotated[Text, _option("forever|30d|delete", "Once archived.")] = None,
    tls_fingerprint: Annotated[Text, _option("sha256:HEX", "Pin the certificate.")] = None,
    ca_file: Annotated[Path | None, _option("FILE", "Trust these authorities.")] = None,
) -> None:
    """Add an account to the configuration.

    Give one --password-... option, or --oauth and --client-id. There is none for the password itself:
    what stands on a command line, everyone on the machine can read.

    Without --host the server is looked up in DNS, and what was found is said: read it.
    """
    password = {
        "command": password_command,
        "file": str(password_file.absolute()) if password_file else None,
        "env": password_env,
        "credential": password_credential,
        "keyring": password_keyring,
    }
    access = _access(password, {"provider": oauth, "client_id": client_id})
    settings = Settings.of(context)
    lines = []
    if host is not None:
        lines.append(Line("host", host))
    elif "host" not in settings.config().defaults:
        from poparchive.cli.discover import find_server

        found = find_server(user, tls)
        output.note(output.visible(f"{name}: {found}"))
        lines.append(Line("host", found.host, "as the domain of the user says in DNS"))
        port, tls = port or found.port, found.tls
    if port is not None:
        lines.append(Line("port", port))
    if tls is not None:
        lines.append(Line("tls", str(tls)))
    if allow_insecure:
        lines.append(Line("allow_insecure", True))
    lines += [Line("user", user), access]
    optional = {
        "auth": auth,
        "schedule": schedule,
        "leave_on_server": leave_on_server,
        "tls_fingerprint": tls_fingerprint,
        "ca_file": str(ca_file.absolute()) if ca_file else None,
    }
    lines += [Line(key, value) for key, value in optional.items() if value is not None]
    if leave_on_server is None:
        lines.append(Line(comment='leave_on_server = "forever", or as [defaults] says'))

    path = settings.config_file()
    with _editing(path) as edit:
        edit(lambda text: with_account(text, path, name, lines))
    step = "test" if access.key == "password" else "login"
    output.note(f"added account {name} to {path}; next: poparchive account {step} {name}")


def _access(password: dict[str, Text], oauth: dict[str, Text]) -> Line:
    """The line that says how to log in. Raises ``UsageError`` unless there is exactly one way."""
    ways = {kind: value for kind, value in password.items() if value is not None}
    tokens = {key: value for key, value in oauth.items() if value is not None}
    if len(ways) == 1 and not tokens:
        return Line("password", ways, "where it is to be had, never itself")
    if not ways and len(tokens) == len(oauth):
        return Line("oauth", tokens)
    raise UsageError(
        "say where the password is to be had with exactly one of "
        + ", ".join(f"--password-{kind}" for kind in password)
        + "; or give --oauth and --client-id"
    )


@app.command(cls=lazy.Command)
def remove(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The account.")],
) -> None:
    """Remove an account from the configuration; its archived mail stays."""
    path = Settings.of(context).config_file()
    with _editing(path) as edit:
        edit(lambda text: without_account(text, path, name))
    output.note(
        f"removed account {name} from {path}; the mail archived from it stays in the archive"
    )


@app.command("list", cls=lazy.Command)
def list_(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List the accounts of the configuration."""
    accounts = Settings.of(context).config().accounts
    if json:
        for account in accounts:
            output.result(output.json_line(described(account)))
        return
    output.table(
        ("NAME", "USER", "SERVER", "TLS", "SCHEDULE", "LEAVE ON SERVER", "LOG-IN"),
        (
            (
                account.name,
                account.user,
                f"{account.host}:{account.port}",
                str(account.tls),
                account.schedule.text,
                account.leave_on_server.text,
                f"oauth {account.oauth.provider}" if account.oauth else "password",
            )
            for account in accounts
        ),
    )
    if not accounts:
        output.note("there are no accounts yet; poparchive account add makes one")


def described(account: Account) -> dict[str, object]:
    """An account as ``list --json`` shows it; of the password only where it comes from."""
    return {
        "name": account.name,
        "host": account.host,
        "port": account.port,
        "tls": str(account.tls),
        "user": account.user,
        "auth": account.auth,
        "password": account.password.kind if account.password else None,
        "oauth": account.oauth.provider if account.oauth else None,
        "schedule": account.schedule.text,
        "leave_on_server": account.leave_on_server.text,
        "max_message_bytes": account.max_message_bytes,
    }


@app.command(cls=lazy.Command)
def test(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The account.")],
) -> int:
    """Connect, log in and count what is there; fetch and change nothing."""
    import asyncio

    from poparchive.pop3 import Pop3Error

    settings = Settings.of(context)
    account = settings.config().account(name)
    settings.start_logging(told=True)
    try:
        lines = asyncio.run(_look(account))
    except Pop3Error as error:
        output.problem(f"{name}: {output.visible(str(error))}")
        return TryLaterError.exit_code if error.temporary else error.exit_code
    for line in lines:
        output.result(output.visible(line))
    return 0


async def _look(account: Account) -> list[str]:
    """Logs in and returns what is worth knowing, a line each."""
    from poparchive.cli.jobs import job_of
    from poparchive.pop3 import connect

    job = job_of(account)
    async with connect(
        job.endpoint, job.login, account=account.name, timeouts=job.timeouts
    ) as session:
        listed = await session.listing()
        await session.quit()
    octets = sum(message.size_bytes for message in listed)
    return [
        f"server    {account.host}:{account.port}, {session.tls_version or 'no TLS'}",
        f"login     {account.user}, by {session.auth}",
        f"offers    {', '.join(sorted(session.capabilities)) or 'no list of capabilities'}",
        f"messages  {len(listed)}, {output.human_size(octets)}",
    ]


Change = Callable[[str], str]


@contextmanager
def _editing(path: Path) -> Iterator[Callable[[Change], None]]:
    """Gives a function that replaces the file's text in one step, or leaves it as it was.

    Others that edit it with this program wait. Mode, owner and a symbolic link stay what they are.
    """
    try:
        target = path.resolve(strict=True)
        directory = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        problem = Problem(0, "", f"cannot be read: {error.strerror}")
        raise ConfigError(path, [problem]) from error
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)

        def edit(change: Change) -> None:
            try:
                _replace(target, change(target.read_bytes().decode()), directory)
            except UnicodeDecodeError:
                raise ConfigError(path, [Problem(0, "", "is not UTF-8")]) from None
            except OSError as error:
                raise PoparchiveError(f"{path}: cannot be changed: {error.strerror}") from error

        yield edit
    finally:
        os.close(directory)


def _replace(target: Path, text: str, directory: int) -> None:
    old = target.stat()
    fd, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(text.encode())
            file.flush()
            if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
                # A service that reads the file through its group must still be able to.
                os.fchown(fd, old.st_uid, old.st_gid)
            os.fchmod(fd, old.st_mode & 0o7777)
            os.fsync(fd)
        temporary.rename(target)
        os.fsync(directory)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
