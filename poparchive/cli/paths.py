"""Which configuration and which archive a call is about; read when a command asks, not before.

A command that only needs the archive gets it from ``--archive`` without any configuration, or from
the one key of the configuration that names it: a search works even where an account's entry is
wrong.
"""

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poparchive.errors import UsageError

if TYPE_CHECKING:
    from poparchive.config import Config

CONFIG_VARIABLE = "POPARCHIVE_CONFIG"
SYSTEM_CONFIG = Path("/etc/poparchive/config.toml")


class Settings:
    """What the options before the command say, and what follows from them."""

    def __init__(
        self,
        *,
        config_file: Path | None = None,
        archive: Path | None = None,
        verbosity: int = 0,
        log_format: str = "text",
    ) -> None:
        self._config_file = config_file
        self._archive = archive
        self._verbosity = verbosity
        self._log_format = log_format

    @classmethod
    def of(cls, context: Any) -> "Settings":
        """The settings of the call that a command's ``typer.Context`` belongs to."""
        found = context.find_object(cls)
        return found if found is not None else cls()

    def config(self) -> "Config":
        """Reads and checks the whole configuration, once.

        Raises ``ConfigError`` with every problem of it, ``UsageError`` where there is none.
        """
        return self._config

    def config_file(self) -> Path:
        """Returns the configuration's path. Raises ``UsageError`` where there is none."""
        named = self.named_config_file()
        if named is not None:
            if not named.exists():
                raise UsageError(
                    f"{named} does not exist; `poparchive --config {named} init` makes it"
                )
            return named
        places = [user_config_file(), SYSTEM_CONFIG]
        for place in places:
            if _there(place):
                return place
        raise UsageError(
            f"there is no configuration; looked for {places[0]} and {places[1]}."
            " Make one with `poparchive init`, or name one with --config FILE"
            f" or ${CONFIG_VARIABLE}."
        )

    def named_config_file(self) -> Path | None:
        """Returns the path that --config or the environment gives, whether it exists or not."""
        if self._config_file is not None:
            return self._config_file
        from_environment = os.environ.get(CONFIG_VARIABLE)
        return Path(from_environment) if from_environment else None

    def named_archive(self) -> Path | None:
        """Returns what --archive gives."""
        return self._archive

    def archive_dir(self) -> Path:
        """Returns the archive's directory, by --archive or else by the configuration.

        Raises ``UsageError`` where neither names one. Whether it exists is not looked at.
        """
        if self._archive is not None:
            return self._archive
        path = self.config_file()
        archive = _archive_key(path) or self.config().archive
        if archive is None:
            raise UsageError(
                f'{path} names no archive; write archive = "DIR" at its top,'
                " or name one with --archive DIR"
            )
        return archive

    def start_logging(self, *, service: bool = False, told: bool = False) -> None:
        """Sends the log to standard error: warnings, or with -v or as a service everything usual.

        With ``told`` the command itself tells people what goes wrong; they get no log without -v.
        """
        import logging

        from poparchive import observe

        step = self._verbosity + service
        level = (
            logging.ERROR
            if self._verbosity < 0
            else logging.CRITICAL
            if told and not self._verbosity and self._log_format != "json"
            else (logging.WARNING, logging.INFO, logging.DEBUG)[min(step, 2)]
        )
        observe.set_up(level=level, log_format="json" if self._log_format == "json" else "text")

    @cached_property
    def _config(self) -> "Config":
        from poparchive.config import load

        return load(self.config_file())


def _archive_key(path: Path) -> Path | None:
    """The archive that a configuration names, or None where reading it in full has to say why not."""
    import tomllib

    try:
        archive = tomllib.loads(path.read_text(encoding="utf-8")).get("archive")
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(archive, str) or not archive or archive.startswith("~") or "\0" in archive:
        return None
    return path.absolute().parent / archive


def _there(path: Path) -> bool:
    """Whether the file exists. In a home that one may not look into, as after su, there is none."""
    try:
        return path.exists()
    except PermissionError:
        return False


def user_config_file() -> Path:
    """Where a user's own configuration is looked for."""
    import platformdirs

    return platformdirs.user_config_path("poparchive") / "config.toml"


def user_archive() -> Path:
    """Where ``init`` puts an archive unless told otherwise."""
    import platformdirs

    return platformdirs.user_data_path("poparchive")


def user_state() -> Path:
    """Where what the program has to remember is kept, besides the archive."""
    import platformdirs

    return platformdirs.user_state_path("poparchive")
