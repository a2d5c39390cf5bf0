"""Command lines that are read without typer mean what they mean with it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import typer.main

from poparchive.archive import create
from poparchive.archive.writer import Writer
from poparchive.cli import app, lazy, quick
from poparchive.cli.main import main
from poparchive.index import failures
from tests.support.locked import locked

MAIL = (
    b"From: Ann <ann@example.com>\r\nSubject: report %d\r\n"
    b"Message-ID: <%d@example.com>\r\n\r\nmeeting %d\r\n"
)

INSTEAD = ("--count", "--facets=from", "--explain", "--save=x", "--saved", "--forget=x")
"""What does something else than to list messages."""

CONTRADICTING: tuple[list[str], ...] = (
    *([one, other] for one, other in combinations(INSTEAD, 2)),
    *(["--ids", one] for one in INSTEAD),
    *([one, "--json"] for one in INSTEAD if not one.startswith(("--facets", "--count"))),
    ["--json", "report", "--ids"],
)

READ: tuple[list[str], ...] = (
    [],
    ["report"],
    ["report", "meeting"],
    ["--json", "report"],
    ["report", "--limit", "1"],
    ["report", "--limit=1", "--offset", "1", "--offset=2"],
    ["report", "--sort", "size", "--ids"],
    ["report", "--sort", "age"],
    ["", "report"],
    ["--count", "report", "--count"],
    ["--explain", "from:ann"],
    ["--explain", "--json", "report"],
    ["--facets", "from,year", "report"],
    ["--facets=what", "report"],
    ["--all-copies", "report"],
    ["--saved"],
    ["--forget", "nothing"],
    ["--save", "a b", "report"],
    ["subject:("],
    *CONTRADICTING,
)

LEFT: tuple[list[str], ...] = (
    ["--help"],
    ["-h"],
    ["--"],
    ["--", "report"],
    ["-report", "meeting"],
    ["-"],
    ["--limit"],
    ["--limit", "0", "report"],
    ["--limit", "x", "report"],
    ["--limit", "9999999999", "report"],
    ["--limit", " 1", "report"],
    ["--limit", "\u0663", "report"],
    ["--sort", "--json", "report"],
    ["--json=yes", "report"],
    ["--jso", "report"],
    ["-q", "report"],
)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("quick") / "archive"
    create(root)
    with Writer(root) as writer:
        account = writer.account("box", "localhost", "box")
        mails = [MAIL % (n, n, n) for n in range(3)]
        pairs = [(b"%d" % n, len(mail)) for n, mail in enumerate(mails)]
        for number, mail in zip(writer.listed(account, pairs), mails, strict=True):
            writer.keep(number, mail)
        writer.flush().result()
    return root


def line_of(archive: Path, rest: Sequence[str]) -> list[str]:
    return ["--archive", str(archive), "search", *rest]


def ended(run: Any, line: Sequence[str]) -> object:
    """How a call ends: the exit code, or the error that it raises."""
    try:
        run(line)
    except SystemExit as end:
        return end.code or 0
    except Exception as error:
        return type(error), str(error)
    return 0


@pytest.mark.parametrize("rest", READ, ids=" ".join)
def test_a_line_means_the_same_with_and_without_typer(
    archive: Path, rest: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """What is printed, and how it ends, does not depend on who read the line."""
    line = line_of(archive, rest)

    def without(given: Sequence[str]) -> None:
        from poparchive.cli.find import find

        asked = quick.read(given)
        assert asked is not None
        find(asked.settings, asked.query, **asked.options)

    first = ended(without, line), capsys.readouterr()
    assert first == (ended(app.run, line), capsys.readouterr())


@pytest.mark.parametrize("rest", CONTRADICTING, ids=" ".join)
def test_options_of_which_one_would_not_be_heard(
    archive: Path, rest: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """They are refused by name, with what to do, and nothing is printed or saved."""
    with pytest.raises(SystemExit) as end:
        main(line_of(archive, rest))
    said = capsys.readouterr()
    assert (end.value.code, said.out) == (2, "")
    for one in rest:
        if one.startswith("--"):
            assert one.partition("=")[0] in said.err
    assert "give one of them" in said.err or "leave --" in said.err
    assert not (archive / "searches.toml").exists()


def test_options_that_go_together(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The form of facets can be chosen, and a query can be saved; listing and forgetting take none."""
    for rest in (["--facets", "from", "--json"], ["--count", "--json"], ["--ids", "--all-copies"]):
        assert ended(main, line_of(archive, [*rest, "report"])) == 0
    capsys.readouterr()
    for rest in (["--saved"], ["--forget", "x"]):
        assert ended(main, line_of(archive, [*rest, "report"])) == 2
        assert f"{rest[0]} and a query" in capsys.readouterr().err


@pytest.mark.parametrize("rest", LEFT, ids=" ".join)
def test_what_may_be_misunderstood_is_left_to_typer(archive: Path, rest: list[str]) -> None:
    """Help, mistakes, and words that look like options."""
    assert quick.read(line_of(archive, rest)) is None


def test_other_lines_are_left_to_typer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other commands, other options before it, and a shell that completes a line."""
    assert quick.read(["status"]) is None
    assert quick.read(["--archive", "search", "status"]) is None
    assert quick.read(["-v", "search", "report"]) is None
    assert quick.read(["show", "search"]) is None
    assert quick.read(["search", "report"]) is not None
    monkeypatch.setenv("_POPARCHIVE_COMPLETE", "complete_bash")
    assert quick.read(["search", "report"]) is None


def test_every_option_of_the_command_is_known() -> None:
    """The tables are the command's own options, with their names and limits."""
    entry = next(entries["search"] for _, entries in app.SECTIONS if "search" in entries)
    command = lazy._build("search", entry)
    context = typer.Context(command)
    found: dict[str, tuple[str, bool]] = {}
    for param in command.get_params(context):
        for name in param.opts:
            if name.startswith("--") and name != "--help":
                found[name] = (param.name, bool(getattr(param, "is_flag", False)))
    flags = {name: (key, True) for name, key in quick.FLAGS.items()}
    texts = {name: (key, False) for name, key in quick.TEXTS.items()}
    numbers = {name: (key, False) for name, (key, _) in quick.NUMBERS.items()}
    assert found == flags | texts | numbers


def test_a_search_imports_neither_typer_nor_dataclasses(archive: Path) -> None:
    """What takes longer to import than a search takes to run stays out of it."""
    code = (
        "import sys; from poparchive.cli.main import main\n"
        "try: main(sys.argv[1:])\nfinally: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *line_of(archive, ["report"])],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 3
    heavy = {"typer", "inspect", "dataclasses", "json", "tomllib", "hashlib", "zstandard"}
    assert not heavy & set(done.stderr.split())


def test_json_reads_messages_with_little(archive: Path) -> None:
    """What shows texts imports no parser of command lines or of TOML, and nothing of those who write."""
    code = (
        "import sys; from poparchive.cli.main import main\n"
        "try: main(sys.argv[1:])\nfinally: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *line_of(archive, ["--json", "report"])],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert '"snippet": "meeting 2"' in done.stdout
    heavy = {"typer", "inspect", "dataclasses", "tomllib", "socket", "tempfile", "sqlalchemy"}
    heavy |= {"poparchive.store.journal", "poparchive.index.fulltext", "poparchive.archive.known"}
    # Nor for what none of the messages holds.
    few = "language", "html", "tnef", "rtf", "pkcs7", "calendar", "beside", "transfer"
    heavy |= {f"poparchive.mime.{one}" for one in few}
    assert not heavy & set(done.stderr.split())


def test_a_mistake_in_a_query_has_its_exit_code(
    archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Errors reach the one boundary that prints them."""
    with pytest.raises(SystemExit) as caught:
        main(line_of(archive, ["subject:("]))
    assert caught.value.code == 2
    assert "was expected here" in capsys.readouterr().err


def test_an_error_shows_the_query_as_it_was_typed(
    archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where it begins like an option."""
    for words in (["-from:"], ["--", "-from:"]):
        assert ended(main, line_of(archive, words)) == 2
        assert "\n  -from:\n" in capsys.readouterr().err
    assert ended(main, line_of(archive, ["--ids", "-report", "--explain"])) == 2
    assert ended(main, line_of(archive, ["--explain", "-report"])) == 0
    assert "query: -report\n" in capsys.readouterr().out


@pytest.mark.parametrize("options", [[], ["--json"], ["--count"], ["--limit", "5", "-q"]])
@pytest.mark.parametrize("name", ["search.sqlite", "catalog.sqlite"])
def test_a_search_of_what_is_locked_ends_for_later(
    archive: Path,
    name: str,
    options: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 75 and a line that says what to do, with and without typer."""
    monkeypatch.setattr(failures, "LOCKED_S", 0)
    first = [one for one in options if one == "-q"]
    rest = [one for one in options if one != "-q"]
    with locked(archive / name):
        assert ended(main, [*first, *line_of(archive, [*rest, "report"])]) == 75
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{name}: another program" in said.err
    assert "run the command again" in said.err
    assert "rebuild" not in said.err


def test_a_lock_that_is_met_later_is_for_later_too(
    archive: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no part foresaw it, the last boundary tells a lock from damage."""
    monkeypatch.setattr(failures, "LOCKED_S", 0)
    with locked(archive / "catalog.sqlite"):
        assert ended(main, ["--archive", str(archive), "show", "12345678"]) == 75
    assert "locked by another program; run the command again" in capsys.readouterr().err
