"""The program's entry, and the one place that prints errors and decides the exit code.

Whatever is imported here is imported before anybody gets an answer, so nothing is that can wait.
"""

import contextlib
import gc
import io
import os
import sys
from collections.abc import Sequence

from poparchive import __version__

INTERRUPTED = 130
"""As shells have it: 128 and the number of SIGINT."""


COLLECTIONS = (50_000, 20, 50)
"""When to look for garbage in cycles. Messages are made of objects without any, by the hundred
thousand: with the interpreter's thresholds a fifth of a pull's time goes into looking."""


def entry() -> None:
    """The installed command: ``main``, and then an end without the interpreter's tidying up.

    That takes a tenth of a search's time, and everything that matters is closed by then.
    """
    code = 1
    try:
        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(code)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line, by default the process's own, and exits; it never returns."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    _have_streams()
    if given == ["--version"]:
        print(f"poparchive {__version__}")  # noqa: T201 - before output.py, whose imports cost more
        sys.exit(0)
    for stream in (sys.stdout, sys.stderr):
        # A character that the locale cannot write is no reason to stop in the middle of a result.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # What is imported stays, so looking for garbage meanwhile finds none, for a tenth of the time
    # that a small command takes. ``lazy.Command.invoke`` turns it on again.
    gc.disable()
    gc.set_threshold(*COLLECTIONS)
    try:
        _run(given)
    finally:
        gc.enable()


def _have_streams() -> None:
    """Open a standard stream that is closed, as after ``>&-``.

    Else the next file to be opened would have its number, an archive's too, and get what a library writes
    to standard error. What is written to standard output fails: a result that nobody gets is no success.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDONLY if name == "stdout" else os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)
            stream = open(number, "w" if number else "r", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def _run(arguments: Sequence[str]) -> None:
    try:
        try:
            if not _searched(arguments):
                from poparchive.cli.app import run

                run(arguments)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        _let_go_of_output()
        sys.exit(1)
    except Exception as error:
        # The last boundary: what no part foresaw is told as a bug, in a line instead of a traceback.
        sys.exit(_report(error))
    sys.exit(0)


def _searched(arguments: Sequence[str]) -> bool:
    """Run the command line if it is a search that can be read without typer; else return False."""
    if "search" not in arguments:
        return False
    from poparchive.cli import quick

    asked = quick.read(arguments)
    if asked is None:
        return False
    from poparchive.cli.find import find
    from poparchive.cli.output import set_verbosity

    set_verbosity(0)
    gc.enable()
    find(asked.settings, asked.query, **asked.options)
    return True


def _let_go_of_output() -> None:
    """Nobody reads any more. What is still buffered goes nowhere, so that exiting is quiet."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError):
        pass
    finally:
        os.close(nowhere)


def _is_database_damage(error: BaseException) -> bool:
    """Whether SQLite says so; it was imported by whoever asked it."""
    sqlite3 = sys.modules.get("sqlite3")
    return sqlite3 is not None and isinstance(error, (sqlite3.DatabaseError, UnicodeDecodeError))


def _of_a_lock(error: BaseException) -> BaseException:
    """Return what a person can do if another program has a database locked; else the error itself."""
    if "sqlite3" not in sys.modules:
        return error
    from poparchive.errors import TryLaterError
    from poparchive.index.failures import busy

    if not busy(error):
        return error
    return TryLaterError(
        f"catalog.sqlite or search.sqlite: {error} by another program; run the command again when that has"
        " ended"
    )


def _report(error: Exception) -> int:
    """Prints what went wrong and returns the exit code."""
    from poparchive.cli.output import problem, verbosity, visible
    from poparchive.errors import PoparchiveError, leaves

    try:
        sys.stdout.flush()
    except OSError:
        _let_go_of_output()
    errors = [_of_a_lock(each) for each in leaves(error)]
    expected = [each for each in errors if isinstance(each, PoparchiveError)]
    if verbosity() > 0:
        import traceback

        for line in traceback.format_exception(error):
            problem(visible(line.rstrip("\n"), keep="\n"))
    for each in errors:
        if isinstance(each, PoparchiveError):
            text = str(each)
        elif isinstance(each, OSError):
            where = (
                f"{os.fsdecode(each.filename)}: " if isinstance(each.filename, str | bytes) else ""
            )
            text = f"{where}{each.strerror or each}"
        elif _is_database_damage(each):
            text = (
                f"catalog.sqlite or search.sqlite: {each}; make room, or look at the disk if there is"
                " some, and run the command again; `poparchive verify` says more, rebuild mends it"
            )
        else:
            text = f"this is a bug in poparchive: {type(each).__name__}: {each}"
            if not verbosity():
                text += " (poparchive -v shows where)"
        problem("poparchive: " + visible(text, keep="\n"))
    return max(each.exit_code for each in expected) if len(expected) == len(errors) else 1
