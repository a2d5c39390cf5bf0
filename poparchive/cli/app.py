"""The commands by name, and the options that stand before them.

To add a command: write ``poparchive/cli/NAME.py`` with a function in typer's annotations that takes
``context: typer.Context`` if it needs ``Settings.of(context)``, and returns None or an exit code;
then add its row to ``SECTIONS``. Nothing is imported until it is called.
"""

import enum
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
import typer.main

from poparchive import __version__
from poparchive.cli import output
from poparchive.cli.lazy import HELP_NAMES, Entry, LazyGroup, Section
from poparchive.cli.paths import Settings

SECTIONS = (
    Section(
        "Set up",
        {
            "init": Entry(
                "poparchive.cli.init:init", "Make an archive and a commented configuration file."
            ),
            "account": Entry(
                "poparchive.cli.account:app", "Add, list, test and remove mail accounts."
            ),
            "doctor": Entry(
                "poparchive.cli.doctor:doctor", "Look at a server; suggest the account."
            ),
            "demo": Entry(
                "poparchive.cli.demo:demo", "Show all of it on sample mail; leaves nothing behind."
            ),
        },
    ),
    Section(
        "Daily",
        {
            "pull": Entry("poparchive.cli.pull:pull", "Fetch what is new."),
            "run": Entry("poparchive.cli.run:run", "Pull on schedule until stopped."),
            "status": Entry("poparchive.cli.status:status", "How accounts and archive stand."),
            "search": Entry("poparchive.cli.search:search", "Find messages, newest first."),
            "show": Entry("poparchive.cli.show:show", "Show one message."),
            "thread": Entry("poparchive.cli.thread:thread", "Show the conversation of a message."),
            "export": Entry("poparchive.cli.export:export", "Write messages as mbox or .eml."),
        },
    ),
    Section(
        "Care",
        {
            "verify": Entry("poparchive.cli.verify:verify", "Read and hash everything again."),
            "rebuild": Entry(
                "poparchive.cli.rebuild:rebuild", "Make catalog and search index again."
            ),
            "attachments": Entry(
                "poparchive.cli.attachments:attachments", "Read the text inside attachments."
            ),
            "optimize": Entry("poparchive.cli.optimize:optimize", "Make the archive smaller."),
        },
    ),
)


class LogFormat(enum.StrEnum):
    """How the log is written."""

    TEXT = "text"
    JSON = "json"


class _Commands(LazyGroup):
    sections = SECTIONS


def _version(wanted: bool) -> None:
    if wanted:
        output.result(f"poparchive {__version__}")
        raise typer.Exit


def _options(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The configuration, instead of looking for it."),
    ] = None,
    archive: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The archive, instead of the configured one."),
    ] = None,
    verbose: Annotated[
        int,
        typer.Option("--verbose", "-v", count=True, show_default=False, help="Say more; -vv most."),
    ] = 0,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say only what is wrong; show no progress.")
    ] = False,
    log_format: Annotated[
        LogFormat, typer.Option(metavar="text|json", help="How the log is written.")
    ] = LogFormat.TEXT,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_version, help="Print the version."),
    ] = False,
) -> None:
    """Keeps the mail of POP3 accounts: every octet, proved, searchable, exportable."""
    if verbose and quiet:
        raise typer.BadParameter("--verbose and --quiet exclude each other")
    level = -1 if quiet else verbose
    output.set_verbosity(level)
    context.obj = Settings(
        config_file=config, archive=archive, verbosity=level, log_format=log_format
    )


def run(arguments: Sequence[str]) -> None:
    """Carries out one command line and ends in ``SystemExit``, or in the error that a command raised.

    Wrong usage is reported here, with exit code 2.
    """
    app = typer.Typer(
        cls=_Commands,
        callback=_options,
        add_completion=False,
        rich_markup_mode=None,
        no_args_is_help=True,
        context_settings={**HELP_NAMES, "max_content_width": 100},
    )
    typer.main.get_command(app).main(args=list(arguments), prog_name="poparchive")
    sys.exit(0)
