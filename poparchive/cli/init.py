"""``poparchive init``: an archive and a configuration to begin with. What is there stays."""

import os
from pathlib import Path
from typing import Annotated

import typer

from poparchive.cli.output import note
from poparchive.cli.paths import Settings, user_archive, user_config_file
from poparchive.config import load
from poparchive.config.load import toml_string
from poparchive.errors import PoparchiveError, UsageError

TEMPLATE = """\
# poparchive's configuration. All keys: docs/configuration.md

archive = {archive}

[defaults]                        # any key of an account may stand here
schedule = "every 15m"            # or a crontab line: "cron 0 3 * * *"
leave_on_server = "forever"       # or "30d" after it was archived, or "delete" (after proof)
# tls = "implicit"                # or "starttls"; "none" only with allow_insecure = true

# [limits]
# connections = 20                # at a time, in all
# connections_per_host = 10       # at a time, to one server

# [care]
# verify = "30d"                  # the daemon reads all of the archive again within that time

# [attachments]
# enabled = false                 # the daemon leaves the text inside attachments unread
# ocr = true                      # recognize letters in pictures and scanned PDFs, with tesseract

# An account. `poparchive account add` writes such a table below.
# [accounts.office]
# host = "pop.example.com"
# user = "office@example.com"
# password = {{ command = "pass show mail/office" }}
"""


def init(
    context: typer.Context,
    directory: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="The archive to make; by default in your home."),
    ] = None,
) -> None:
    """Make an archive and a commented configuration file.

    Neither is ever overwritten: what exists already is kept and said so.
    """
    settings = Settings.of(context)
    config = settings.named_config_file() or user_config_file()
    named = load(config).archive if config.exists() else None
    archive = directory or settings.named_archive() or named or user_archive()
    archive = archive.expanduser().absolute()
    if config.exists():
        _agree(config, named, archive)
        note(f"kept {config}, which names this archive already")
    if (archive / "archive.toml").exists():
        note(f"kept the archive in {archive}")
    else:
        from poparchive.archive import create

        create(archive)
        note(f"made an archive in {archive}")
    if not config.exists():
        write_new(config, TEMPLATE.format(archive=toml_string(str(archive))))
        note(f"wrote {config}")
    note("next: poparchive account add NAME --host HOST --user USER --password-command COMMAND")


def _agree(config: Path, named: Path | None, archive: Path) -> None:
    """Refuses where the configuration that is there means another archive."""
    if named is None or named.resolve() != archive.resolve():
        other = "no archive" if named is None else f"the archive {named}"
        raise UsageError(
            f"{config} is there already and names {other}, not {archive}. Edit its archive key,"
            " or name another configuration with --config FILE."
        )


def write_new(path: Path, text: str) -> None:
    """Writes a file that only its owner may read; fails where there is one already."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(fd)
    except OSError as error:
        where = error.filename or path
        raise PoparchiveError(f"{where}: cannot be written: {error.strerror}") from error
