"""The program's entry: exit codes, errors in one place, and nothing imported that is not needed."""

import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from poparchive import __version__
from poparchive.cli import app, lazy, output
from poparchive.cli.main import main
from poparchive.cli.paths import SYSTEM_CONFIG, Settings

MODULE = "poparchive_test_commands"

COMMANDS = '''\
"""Commands for the tests of the entry."""
import enum, os, signal, sys, time
from pathlib import Path
from typing import Annotated
import typer
from poparchive.cli import output
from poparchive.cli.paths import Settings
from poparchive.errors import *

class Sort(enum.StrEnum):
    DATE = "date"
    SIZE = "size"

def echo(
    context: typer.Context,
    words: Annotated[list[str] | None, typer.Argument()] = None,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    share: Annotated[float | None, typer.Option()] = None,
    sort: Annotated[Sort, typer.Option()] = Sort.DATE,
    json: Annotated[bool, typer.Option("--json")] = False,
    path: Annotated[Path | None, typer.Option()] = None,
) -> None:
    """Print the arguments."""
    output.result(repr((words, limit, share, sort.value, json, path)))

def where(context: typer.Context) -> None:
    output.result(str(Settings.of(context).archive_dir()))

def accounts(context: typer.Context) -> None:
    output.result(",".join(a.name for a in Settings.of(context).config().accounts))

def code(number: Annotated[int, typer.Argument()]) -> int:
    return number

def fail(kind: Annotated[str, typer.Argument()]) -> None:
    output.result("before")
    raise {
        "expected": PoparchiveError("the server said \\x1b[2J\\nand more"),
        "usage": UsageError("wrong"),
        "later": TryLaterError("locked"),
        "bug": ZeroDivisionError("oops \\x1b"),
        "file": FileNotFoundError(2, "No such file or directory", "/nowhere"),
        "interrupt": KeyboardInterrupt(),
        "group": ExceptionGroup("g", [TryLaterError("a"), ExceptionGroup("h", [UsageError("b")])]),
        "mixed": ExceptionGroup("g", [TryLaterError("a"), ValueError("b")]),
        "pipe": BrokenPipeError(32, "Broken pipe"),
    }[kind]

def endless() -> None:
    while True:
        output.result("x" * 1000)

def signalled() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)
'''


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No configuration of the machine is found, and the verbosity is as it was afterwards."""
    monkeypatch.delenv("POPARCHIVE_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    yield
    output.set_verbosity(0)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The table of commands has those above, in a module that is imported from a file."""
    (tmp_path / f"{MODULE}.py").write_text(COMMANDS)
    monkeypatch.syspath_prepend(tmp_path)
    names = ("echo", "where", "accounts", "code", "fail", "endless", "signalled")
    entries = {name: lazy.Entry(f"{MODULE}:{name}", f"Does {name}.") for name in names}
    section = lazy.Section("Test", {**entries, "broken": lazy.Entry("no_such_module:x", "Broken.")})
    monkeypatch.setattr(app._Commands, "sections", (section,))
    yield
    sys.modules.pop(MODULE, None)


def call(*arguments: str) -> int:
    """Runs a command line in this process and returns its exit code."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    code = caught.value.code
    return code if isinstance(code, int) else 0 if code is None else 1


def python(code: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **env},
    )


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_a_closed_stream_is_opened_to_nowhere(closed: tuple[int, ...], tmp_path: Path) -> None:
    """No file takes the number of a standard stream, as it would get what libraries write there; output that
    nobody gets is a failure."""
    code = (
        "import os, sys\n"
        "from poparchive.cli import main\n"
        "def run(arguments):\n"
        "    print(1); print(2, file=sys.stderr); sys.stdin.read()\n"
        "    with open(sys.argv[1], 'w') as file: file.write(str(file.fileno()))\n"
        "main._run = run\n"
        "main.main([])\n"
    )
    said = tmp_path / "said"
    closing = " ".join(f"{number}{'<' if number == 0 else '>'}&-" for number in closed)
    line = f'exec "$@" {closing}'
    command = ["sh", "-c", line, "sh", sys.executable, "-c", code, str(said)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, check=False)
    assert bool(done.returncode) == (1 in closed)
    assert int(said.read_text()) > 2


RUN = "from poparchive.cli.main import main; main()"


# ---- exit codes and messages ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "code", "message"),
    [
        ("expected", 1, "poparchive: the server said \\x1b[2J\nand more\n"),
        ("usage", 2, "poparchive: wrong\n"),
        ("later", 75, "poparchive: locked\n"),
        ("file", 1, "poparchive: /nowhere: No such file or directory\n"),
        ("group", 75, "poparchive: a\npoparchive: b\n"),
        ("interrupt", 130, ""),
    ],
)
@pytest.mark.usefixtures("commands")
def test_errors(kind: str, code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each error is a message on standard error and the exit code of its class."""
    assert call("fail", kind) == code
    shown = capsys.readouterr()
    assert shown.err == message
    assert shown.out == "before\n"


@pytest.mark.usefixtures("commands")
def test_bugs(capsys: pytest.CaptureFixture[str]) -> None:
    """What nobody expected is named a bug; where it happened is shown only with -v."""
    assert call("fail", "bug") == 1
    shown = capsys.readouterr().err
    assert "bug in poparchive: ZeroDivisionError: oops \\x1b" in shown
    assert shown.count("\n") == 1
    assert call("-v", "fail", "bug") == 1
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert f"{MODULE}.py" in shown
    assert "\x1b" not in shown
    assert call("fail", "mixed") == 1


@pytest.mark.usefixtures("commands")
@pytest.mark.parametrize("code", [0, 1, 75])
def test_a_command_returns_its_exit_code(code: int) -> None:
    """None and 0 are success, any other number the exit code."""
    assert call("code", str(code)) == code


@pytest.mark.usefixtures("commands")
@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"], ["echo", "--nonsense"], ["echo", "--limit", "0"], ["echo", "--limit", "101"],
        ["echo", "--limit", "x"], ["echo", "--share", "x"], ["echo", "--sort", "name"], ["code"],
        ["--log-format", "xml", "echo"], ["-v", "-q", "echo"], ["--config"], [],
    ],
)  # fmt: skip
def test_wrong_usage(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage ends with 2 and says something on standard error only."""
    assert call(*arguments) == 2
    shown = capsys.readouterr()
    assert shown.err
    assert shown.out == ""


@pytest.mark.usefixtures("commands")
def test_mistyped_names_are_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is nearly a command's leads to it."""
    assert call("ecco") == 2
    assert "Did you mean 'echo'?" in capsys.readouterr().err


# ---- arguments -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("commands")
@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        ([], "(None, 20, None, 'date', False, None)"),
        (["a", "b c"], "(['a', 'b c'], 20, None, 'date', False, None)"),
        (["--limit", "7", "--json", "x"], "(['x'], 7, None, 'date', True, None)"),
        (["--share=0.5", "--sort", "size"], "(None, 20, 0.5, 'size', False, None)"),
        (["--path", "/a b", "--", "-x"], "(['-x'], 20, None, 'date', False, PosixPath('/a b'))"),
    ],
)
def test_arguments(
    arguments: Sequence[str], printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Arguments of the plain types reach the command as their annotations say."""
    assert call("echo", *arguments) == 0
    assert capsys.readouterr().out == printed + "\n"


@pytest.mark.usefixtures("commands")
def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Help lists the commands by section, without importing any; a command's help is its own."""
    assert call("--help") == 0
    shown = capsys.readouterr().out
    assert re.search(r"^Test:\n  echo +Does echo\.\n", shown, re.MULTILINE)
    assert "broken     Broken." in shown
    assert MODULE not in sys.modules
    assert call("echo", "-h") == 0
    assert "Print the arguments." in capsys.readouterr().out


def test_every_command_of_the_table_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Each row of the real table leads to a command that can show its help."""
    for section in app.SECTIONS:
        for name in section.entries:
            assert call(name, "--help") == 0
            assert f"Usage: poparchive {name}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--version"], ["-q", "--version"]])
def test_version(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The version is printed, alone or among other options."""
    assert call(*arguments) == 0
    assert capsys.readouterr().out == f"poparchive {__version__}\n"


# ---- which configuration, which archive ----------------------------------------------------------


@pytest.mark.usefixtures("commands")
def test_archive_without_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    """With --archive no configuration is needed; with neither, both ways out are named."""
    assert call("--archive", "/some/where", "where") == 0
    assert capsys.readouterr().out == "/some/where\n"
    if not SYSTEM_CONFIG.exists():
        assert call("where") == 2
        shown = capsys.readouterr().err
        assert "poparchive init" in shown
        assert "/etc/poparchive/config.toml" in shown


@pytest.mark.usefixtures("commands")
def test_archive_of_a_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The archive comes from the configuration, relative to it, even if an account is wrong."""
    path = tmp_path / "config.toml"
    path.write_text('archive = "mail"\n[accounts.a]\nnonsense = 1\n')
    assert call("--config", str(path), "where") == 0
    assert capsys.readouterr().out == f"{tmp_path}/mail\n"
    assert call("--config", str(path), "accounts") == 2
    assert f"{path}:3: accounts.a.nonsense" in capsys.readouterr().err


@pytest.mark.usefixtures("commands")
@pytest.mark.parametrize("text", ["", "archive = 3", "archive = ", "archive = ''"])
def test_archive_that_is_not_named(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A configuration that does not name an archive as it should is told so, with exit code 2."""
    path = tmp_path / "config.toml"
    path.write_text(text)
    assert call("--config", str(path), "where") == 2
    assert str(path) in capsys.readouterr().err


@pytest.mark.usefixtures("commands")
def test_configuration_is_looked_for_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """--config goes before the environment, that before the user's own."""
    for name in ("home/poparchive", "env", "option"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.toml").write_text(f'archive = "{name.split("/")[0]}"')
    assert call("where") == 0
    monkeypatch.setenv("POPARCHIVE_CONFIG", str(tmp_path / "env" / "config.toml"))
    assert call("where") == 0
    assert call("--config", str(tmp_path / "option" / "config.toml"), "where") == 0
    found = [Path(line).name for line in capsys.readouterr().out.splitlines()]
    assert found == ["home", "env", "option"]
    monkeypatch.setenv("POPARCHIVE_CONFIG", str(tmp_path / "none.toml"))
    assert call("where") == 2
    assert "none.toml does not exist" in capsys.readouterr().err


def test_settings_of_a_call_without_options() -> None:
    """A command that runs outside the program has settings as without options."""

    class Context:
        def find_object(self, kind: type) -> None:
            return None

    assert Settings.of(Context()).named_archive() is None


@pytest.mark.parametrize(
    ("verbosity", "service", "level"),
    [
        (-1, False, logging.ERROR), (-1, True, logging.ERROR), (0, False, logging.WARNING),
        (1, False, logging.INFO), (2, False, logging.DEBUG), (0, True, logging.INFO),
        (1, True, logging.DEBUG), (9, True, logging.DEBUG),
    ],
)  # fmt: skip
def test_log_levels(verbosity: int, service: bool, level: int) -> None:
    """A command logs what is wrong, a service what it does; -v and -q say more or less."""
    root, ours = logging.getLogger(), logging.getLogger("poparchive")
    before = (list(root.handlers), root.level, ours.level)
    try:
        Settings(verbosity=verbosity).start_logging(service=service)
        assert ours.level == level
    finally:
        root.handlers[:] = before[0]
        root.setLevel(before[1])
        ours.setLevel(before[2])


# ---- as a process --------------------------------------------------------------------------------


def entry(tmp_path: Path, command: str) -> str:
    """Code of a process whose only commands are those above."""
    (tmp_path / f"{MODULE}.py").write_text(COMMANDS)
    return (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from poparchive.cli import app, lazy\n"
        f"app._Commands.sections = (lazy.Section('T', {{'{command}':"
        f" lazy.Entry('{MODULE}:{command}', 'x')}}),)\n" + RUN
    )


def test_closed_pipe_is_quiet(tmp_path: Path) -> None:
    """When nobody reads any more the program stops without a word."""
    process = subprocess.Popen(
        [sys.executable, "-c", entry(tmp_path, "endless"), "endless"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(10) == b"x" * 10
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_pipe_closed_before_the_last_flush(tmp_path: Path) -> None:
    """A result that was small enough to wait in a buffer is lost quietly too."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", entry(tmp_path, "echo"), "echo"],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_interrupt(tmp_path: Path) -> None:
    """SIGINT ends a command with 130 and no traceback."""
    done = python(entry(tmp_path, "signalled"), "signalled")
    assert (done.returncode, done.stderr) == (128 + signal.SIGINT, "")


def test_output_in_a_poor_locale(tmp_path: Path) -> None:
    """A character that the terminal's encoding lacks does not stop a result."""
    done = python(entry(tmp_path, "echo"), "echo", "日", PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    assert done.returncode == 0
    assert "\\u65e5" in done.stdout


def test_only_what_is_needed_is_imported(tmp_path: Path) -> None:
    """A command does not pay for the imports of others, nor typer's for pydantic and rich."""
    code = entry(tmp_path, "where").replace(
        "main()",
        "\ntry: main()\nfinally: print(*sorted({m.split('.')[0] for m in sys.modules}"
        " | {m for m in sys.modules if m.startswith('poparchive.')}), file=sys.stderr)",
    )
    (tmp_path / "config.toml").write_text('archive = "mail"')
    done = python(code, "--config", str(tmp_path / "config.toml"), "where")
    assert done.stdout == f"{tmp_path}/mail\n"
    imported = set(done.stderr.split())
    heavy = {"pydantic", "rich", "platformdirs", "logging", "json", "sqlalchemy", "asyncio", "ssl"}
    assert not imported & heavy
    assert {m for m in imported if m.startswith("poparchive.")} == {
        "poparchive.cli",
        "poparchive.cli.app",
        "poparchive.cli.lazy",
        "poparchive.cli.main",
        "poparchive.cli.output",
        "poparchive.cli.paths",
        "poparchive.errors",
    }


def test_version_imports_next_to_nothing() -> None:
    """The version is had without typer."""
    code = (
        "import sys; sys.argv[1:] = ['--version']; from poparchive.cli.main import main\n"
        "try: main()\nfinally: print('typer' in sys.modules)"
    )
    assert python(code).stdout.split() == ["poparchive", __version__, "False"]


def test_module_is_the_command() -> None:
    """``python -m poparchive`` is the same program."""
    done = subprocess.run(
        [sys.executable, "-m", "poparchive", "--version"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"poparchive {__version__}\n"
