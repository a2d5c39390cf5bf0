"""What the program says about its work: log set-up, bound context, one line for each pull.

Records go through ``logging`` to standard error, as text for people or as one JSON object a line
for machines. A record has an event (its message) and fields; fields bound by ``bound`` are added to
every record made within, in the same task or thread. No password is ever handed to this module, and
control characters from servers are made visible before they reach a terminal.
"""

import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Literal, TextIO

LOGGER: Final = "poparchive"
"""The logger above all of ours."""

Format = Literal["text", "json"]
Field = str | int | float | bool | None

_bound: ContextVar[Mapping[str, Field] | None] = ContextVar("bound", default=None)


def set_up(*, level: int = logging.INFO, log_format: Format = "text") -> None:
    """Sends records to standard error; other libraries' from warnings on.

    Calling it again replaces what an earlier call set up.
    """
    handler = _StandardError()
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, _StandardError)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(LOGGER).setLevel(level)


@contextmanager
def bound(**fields: Field) -> Iterator[None]:
    """Adds fields to every record made within."""
    token = _bound.set({**(_bound.get() or {}), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


def event(name: str, *, level: int = logging.INFO, **fields: Field) -> None:
    """Logs that something happened, with its fields."""
    logger = logging.getLogger(LOGGER)
    if logger.isEnabledFor(level):
        logger.log(level, "%s", name, extra={"fields": fields})


def log_pull(
    *,
    account: str,
    host: str,
    outcome: str,
    listed: int,
    archived: int,
    duplicates: int,
    octets: int,
    seconds: float,
    failed: int = 0,
    deleted: int = 0,
    error: str | None = None,
) -> None:
    """Logs the one line that says how a pull of an account ended.

    ``outcome`` is a word such as ``ok`` or ``failed``. With an ``error`` the record is an error,
    with ``failed`` messages a warning.
    """
    level = logging.ERROR if error else logging.WARNING if failed else logging.INFO
    fields: dict[str, Field] = {
        "account": account,
        "host": host,
        "outcome": outcome,
        "listed": listed,
        "archived": archived,
        "duplicates": duplicates,
        "failed": failed,
        "deleted": deleted,
        "octets": octets,
        "seconds": round(seconds, 3),
    }
    if error:
        fields["error"] = error
    event("pull", level=level, **fields)


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to what ``sys.stderr`` is at that moment, which progress bars replace for a while."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _: TextIO) -> None:
        raise AttributeError("this handler always writes to sys.stderr")


def _fields(record: logging.LogRecord) -> dict[str, Field]:
    own = getattr(record, "fields", {})
    return {**(_bound.get() or {}), **own}


class JsonFormatter(logging.Formatter):
    """One JSON object a line, in ASCII: time (RFC 3339, UTC), level, logger, event, fields."""

    def format(self, record: logging.LogRecord) -> str:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Field] = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        # A field never takes the place of what the record itself says.
        line.update((key, value) for key, value in _fields(record).items() if key not in line)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """Local time, level, event and ``key=value`` pairs; one line but for a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        pairs = "".join(f" {key}={_value(value)}" for key, value in _fields(record).items())
        line = f"{clock} {record.levelname.lower():7} {_printable(record.getMessage())}{pairs}"
        if record.exc_info:
            trace = self.formatException(record.exc_info).splitlines()
            line = "\n".join([line, *map(_printable, trace)])
        return line


def _value(value: Field) -> str:
    text = str(value)
    if isinstance(value, str) and (not text or any(c in text for c in ' "=')):
        text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return _printable(text)


def _printable(text: str) -> str:
    """Control and format characters as escapes, so that no server draws on the terminal."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )
