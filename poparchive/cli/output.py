"""What a command prints: results on standard output, everything for a person on standard error.

Mail is written by strangers, so ``visible`` stands between its text and every terminal. Whatever is
coloured, aligned or animated is so only on a terminal; piped, a result is plain lines. Nothing
heavy is imported here: ``json`` and ``rich`` come when something needs them.
"""

import os
import re
import sys
import time
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol, Self, TextIO

# ---- how much to say -----------------------------------------------------------------------------


class _Verbosity:
    """-1 quiet, 0 as usual, 1 and more for each -v. One per process, as its streams are."""

    level = 0


def set_verbosity(level: int) -> None:
    _Verbosity.level = level


def verbosity() -> int:
    """Returns -1 for -q, 0, or how many -v there were."""
    return _Verbosity.level


def result(line: str) -> None:
    """Prints one line of what was asked for."""
    sys.stdout.write(line + "\n")


def note(line: str) -> None:
    """Tells a person something that is no result; -q leaves it out."""
    if _Verbosity.level >= 0:
        problem(line)


def problem(line: str) -> None:
    """Tells a person what is wrong; -q does not leave it out."""
    # After what was printed so far, where both streams are one terminal.
    sys.stdout.flush()
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def lacking(account: str, uidls: int) -> str:
    """Says that a catalog lacks messages that were kept."""
    return (
        f"{visible(account)}: the catalog lacks the messages of {uidls} UIDLs that were archived;"
        " `poparchive verify` names them, and `poparchive verify --repair` brings back what can be"
    )


# ---- text from strangers -------------------------------------------------------------------------

# C0, DEL and C1 move the cursor, set colours and titles, or make the terminal answer. The others
# change the order of what is read, end a line, or cannot be encoded at all.
_UNSAFE = "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"


def visible(text: str, keep: str = "") -> str:
    """Returns the text with everything that could act on a terminal as an escape such as ``\\x1b``.

    Characters in ``keep``, such as newline and tab, stay. What an archive is full of, letters of
    every script and emoji with their joiners, stays too.
    """
    if text.isprintable():
        return text
    return re.sub(_UNSAFE, lambda match: match[0] if match[0] in keep else _escape(match[0]), text)


def _escape(character: str) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
    code = ord(character)
    return named or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def json_line(value: object) -> str:
    """Returns the value as JSON on one line, readable and harmless on a terminal.

    Text keeps its letters; what ``visible`` would escape is escaped as JSON does, so that a reader
    gets the same text back. Takes ``datetime`` (as UTC) and paths besides what JSON knows.
    """
    import json

    text = json.dumps(value, ensure_ascii=False, default=_jsonable)
    return re.sub(_UNSAFE, lambda match: f"\\u{ord(match[0]):04x}", text)


def _jsonable(value: object) -> object:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "timestamp"):
        return rfc3339(int(value.timestamp()))
    if isinstance(value, Iterable):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def counted(number: int, noun: str) -> str:
    """Returns a number with what it counts: 1 message, 2 messages."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


# ---- terminals -----------------------------------------------------------------------------------


def on_terminal(stream: TextIO | None = None) -> bool:
    """Whether the stream, by default standard output, is a terminal that can move its cursor."""
    stream = sys.stdout if stream is None else stream
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def coloured(stream: TextIO | None = None) -> bool:
    """Whether to colour what goes to the stream; ``NO_COLOR`` with any text says no."""
    return on_terminal(stream) and not os.environ.get("NO_COLOR")


_STYLES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def style(text: str, name: str, stream: TextIO | None = None) -> str:
    """Returns the text in a style, or as it is where the stream is not coloured."""
    return f"\x1b[{_STYLES[name]}m{text}\x1b[0m" if coloured(stream) else text


def cells(text: str) -> int:
    """How many columns of a terminal the text takes, as far as one can know."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fit(text: str, width: int) -> str:
    """Returns the text cut to at most ``width`` columns, with an ellipsis where it was cut."""
    if cells(text) <= width:
        return text
    used = 0
    for index, character in enumerate(text):
        used += _cells(character)
        if used > width - 1:
            return text[:index] + "…" if width > 0 else ""
    return text


def terminal_width() -> int:
    import shutil

    return shutil.get_terminal_size().columns


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Collection[int] = ()
) -> None:
    """Prints rows as a result, every cell made visible.

    On a terminal: a header, columns aligned (those in ``right`` to the right), the last one cut to
    the width. Piped: a row a line, cells between tabs, no header.
    """
    clean = [[visible(cell) for cell in row] for row in rows]
    if not on_terminal():
        for row in clean:
            result("\t".join(row))
        return
    if not clean:
        return
    widths = [max(map(cells, column)) for column in zip(header, *clean, strict=True)]
    room = terminal_width() - sum(widths[:-1]) - 2 * (len(widths) - 1)
    widths[-1] = max(min(widths[-1], room), 8)

    def line(row: Sequence[str]) -> str:
        padded = []
        for index, cell in enumerate(row):
            cell = fit(cell, widths[index])
            gap = " " * (widths[index] - cells(cell))
            padded.append(gap + cell if index in right else cell + gap)
        return "  ".join(padded).rstrip()

    result(style(line(header), "bold"))
    for row in clean:
        result(line(row))


# ---- numbers and times ---------------------------------------------------------------------------


_UNITS: Final = ("KiB", "MiB", "GiB", "TiB", "PiB")


def human_size(size_bytes: float) -> str:
    """``532 B``, ``4.2 KiB``, ``17 MiB``: two digits that mean something, at least."""
    if size_bytes < 1024:
        return f"{size_bytes:.0f} B"
    power = 1
    while power < len(_UNITS) and size_bytes / 1024**power >= 1023.5:
        power += 1
    size = size_bytes / 1024**power
    return f"{size:.1f} {_UNITS[power - 1]}" if size < 9.95 else f"{size:.0f} {_UNITS[power - 1]}"


def human_duration(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 05 min``, ``4 d 3 h``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def human_date(epoch_s: int) -> str:
    """Local time to the minute, ``2024-03-01 12:34``; what no calendar has is shown as it is."""
    return _date(time.localtime, "%Y-%m-%d %H:%M", epoch_s)


def rfc3339(epoch_s: int) -> str:
    """UTC to the second, ``2024-03-01T11:34:00Z``."""
    return _date(time.gmtime, "%Y-%m-%dT%H:%M:%SZ", epoch_s)


def _date(convert: Callable[[float], time.struct_time], form: str, epoch_s: int) -> str:
    try:
        at = convert(epoch_s)
    except (OverflowError, OSError, ValueError):
        return f"@{epoch_s}"
    if not 0 < at.tm_year < 10000:
        return f"@{epoch_s}"
    # strftime gives years before 1000 fewer than four digits on some systems.
    return f"{at.tm_year:04d}" + time.strftime(form.removeprefix("%Y"), at)


# ---- progress ------------------------------------------------------------------------------------


class Task(Protocol):
    """One bar."""

    def advance(self, count: int = 1, *, octets: int = 0) -> None:
        """Counts work done. Callable from any thread."""

    def set_total(self, total: int | None) -> None:
        """Says how much there is to do, once that is known."""

    def finish(self, remark: str = "") -> None:
        """Ends the bar, full or not, with a remark in the place of the time left."""


class Progress(Task, Protocol):
    """Bars that show how a command gets on. It is the bar of the whole itself."""

    def task(self, name: str, *, total: int | None = None) -> Task:
        """Adds a bar, such as one for each account."""


def progress(
    label: str, *, total: int | None = None, unit: str = "messages"
) -> AbstractContextManager[Progress]:
    """Shows bars with rate and time left while in the block; nothing where nobody is looking.

    Nobody is looking when standard error is no terminal, or with -q. ``rich`` is imported only
    when somebody is.
    """
    if not on_terminal(sys.stderr) or _Verbosity.level < 0:
        return _Silence()
    from poparchive.cli.bars import Bars

    return Bars(label, total=total, unit=unit)


class _Silence:
    """Progress that nobody looks at."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def task(self, name: str, *, total: int | None = None) -> Task:
        return self

    def advance(self, count: int = 1, *, octets: int = 0) -> None:
        pass

    def set_total(self, total: int | None) -> None:
        pass

    def finish(self, remark: str = "") -> None:
        pass
