"""The configuration: TOML in, one frozen ``Config`` out, or every problem at once.

Nothing here reads the environment or looks for a file; whoever calls says which file. A password
never stands in the configuration, only where it is to be had (``PasswordRef``).
"""

from poparchive.config.errors import ConfigError, Problem
from poparchive.config.exceptions import exceptions_of
from poparchive.config.load import load, parse
from poparchive.config.oauth import OAuth
from poparchive.config.schedule import Cron, Every, Schedule
from poparchive.config.values import (
    Account,
    Attachments,
    Care,
    Config,
    LeaveOnServer,
    Limits,
    PasswordRef,
    Proxy,
    Tls,
)

__all__ = [
    "Account",
    "Attachments",
    "Care",
    "Config",
    "ConfigError",
    "Cron",
    "Every",
    "LeaveOnServer",
    "Limits",
    "OAuth",
    "PasswordRef",
    "Problem",
    "Proxy",
    "Schedule",
    "Tls",
    "exceptions_of",
    "load",
    "parse",
]
