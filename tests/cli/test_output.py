"""What commands print: harmless, plain when piped, aligned on a terminal, no progress for nobody."""

import io
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poparchive.cli import output

DANGEROUS = (
    "\x00\x07\x08\x1b\x7f\x80\x9b\x9d\x9f\u202a\u202e\u2066\u2069\u200e\u200f\u061c\u2028\ud800"
)
TEXTS = st.text(
    st.characters(codec=None) | st.sampled_from(DANGEROUS + "\r\n\tłąß日本👩‍💻"), max_size=30
)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


# ---- text from strangers -------------------------------------------------------------------------


def acts_on_a_terminal(character: str) -> bool:
    """By Unicode's own properties, not by the pattern under test."""
    import unicodedata

    bidirectional = ("LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI")
    return (
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(character) in bidirectional
        or character in "\u061c\u200e\u200f"
    )


@settings(max_examples=150)
@given(TEXTS, st.sampled_from(["", "\n", "\n\t"]))
def test_visible(text: str, keep: str) -> None:
    """Nothing that acts on a terminal is left; everything else is left as it was."""
    shown = output.visible(text, keep)
    assert not any(acts_on_a_terminal(c) for c in shown if c not in keep)
    shown.encode()
    pattern = "".join(
        re.escape(c)
        if c in keep or not acts_on_a_terminal(c)
        else r"\\(?:[nrt]|x[0-9a-f]{2}|u[0-9a-f]{4})"
        for c in text.replace("\ufeff", "\u200e")
    )
    assert re.fullmatch(pattern, shown, re.DOTALL)


def test_visible_of_every_character() -> None:
    """No character of Unicode that acts on a terminal is forgotten."""
    for code in range(0x110000):
        character = chr(code)
        if acts_on_a_terminal(character):
            assert output.visible(character).startswith("\\")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("zażółć 日本 👩‍💻\u00a0x", "zażółć 日本 👩‍💻\u00a0x"),
        ("\x1b]0;gotcha\x07", "\\x1b]0;gotcha\\x07"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\x9b2J", "\\x9b2J"),
        ("\udc80", "\\udc80"),
    ],
)
def test_visible_examples(text: str, shown: str) -> None:
    """Letters, emoji and spaces stay; escapes show what was there."""
    assert output.visible(text) == shown


@settings(max_examples=100)
@given(st.dictionaries(TEXTS, TEXTS | st.integers() | st.lists(TEXTS), max_size=3))
def test_json_lines(value: dict[str, object]) -> None:
    """JSON is one line, harmless on a terminal, encodable, and reads back equal."""
    line = output.json_line(value)
    assert not any(map(acts_on_a_terminal, line))
    line.encode()
    # Two halves of a surrogate pair that stood side by side read back as the one they make.
    wanted = json.loads(json.dumps(value))
    assert json.loads(line) == wanted


def test_json_takes_dates_and_paths() -> None:
    """Dates are RFC 3339 in UTC, paths their text, sets lists; anything else is refused."""
    from datetime import UTC, datetime, timedelta, timezone

    at = datetime(2024, 3, 1, 12, 34, 56, tzinfo=timezone(timedelta(hours=1)))
    line = output.json_line({"date": at, "path": Path("/a"), "names": ("ł", "b")})
    assert line == '{"date": "2024-03-01T11:34:56Z", "path": "/a", "names": ["ł", "b"]}'
    assert output.json_line(datetime(1, 1, 1, tzinfo=UTC)) == '"0001-01-01T00:00:00Z"'
    with pytest.raises(TypeError, match="object has no place"):
        output.json_line({"x": object()})


# ---- terminals -----------------------------------------------------------------------------------


def test_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colour is for terminals, and not where NO_COLOR or a dumb terminal says no."""
    stream = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert output.style("x", "red", stream) == "\x1b[31mx\x1b[0m"
    assert output.style("x", "red", io.StringIO()) == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert output.style("x", "red", stream) == "x"
    monkeypatch.setenv("NO_COLOR", "")
    assert output.coloured(stream)
    monkeypatch.setenv("TERM", "dumb")
    assert not output.coloured(stream)


@pytest.mark.parametrize(
    ("text", "width", "cut"),
    [
        ("abc", 3, "abc"), ("abcd", 3, "ab…"), ("日本語", 6, "日本語"), ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"), ("é" * 3, 2, "é…"), ("e\u0301x", 2, "e\u0301x"), ("ab", 0, ""),
        ("ab", 1, "…"),
    ],
)  # fmt: skip
def test_fit(text: str, width: int, cut: str) -> None:
    """Text is cut by columns of the terminal, not by characters."""
    assert output.fit(text, width) == cut


@settings(max_examples=100)
@given(TEXTS.map(output.visible), st.integers(0, 20))
def test_fit_never_exceeds(text: str, width: int) -> None:
    """What was cut takes no more columns than it may."""
    assert output.cells(output.fit(text, width)) <= max(width, 0)


def test_table_piped(capsys: pytest.CaptureFixture[str]) -> None:
    """Piped, a table is its rows, cells between tabs that no cell contains."""
    output.table(("A", "B"), [("x\ty", "1"), ("\x1b", "2")])
    assert capsys.readouterr().out == "x\\ty\t1\n\\x1b\t2\n"


def test_table_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal columns are aligned and the last is cut to the width."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    for name, value in {"TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "40"}.items():
        monkeypatch.setenv(name, value)
    output.table(
        ("NAME", "SIZE", "SUBJECT"),
        [("日本", "5", "short"), ("a", "1234", "long " * 20)],
        right=(1,),
    )
    lines = terminal.getvalue().splitlines()
    assert lines[0] == "NAME  SIZE  SUBJECT"
    assert lines[1] == "日本     5  short"
    assert lines[2].startswith("a     1234  long long")
    assert all(output.cells(line) <= 40 for line in lines)
    assert lines[2].endswith("…")


def test_notes_and_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """Notes are for people on standard error, and -q leaves them out but no problem."""
    output.note("hello")
    output.set_verbosity(-1)
    try:
        output.note("hello again")
        output.problem("bad")
        output.result("result")
    finally:
        output.set_verbosity(0)
    shown = capsys.readouterr()
    assert shown.err == "hello\nbad\n"
    assert shown.out == "result\n"


# ---- numbers and times ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (10_240, "10 KiB"), (1_047_552, "1023 KiB"),
        (1_048_064, "1.0 MiB"), (5 * 1024**3, "5.0 GiB"), (3000 * 1024**5, "3000 PiB"),
    ],
)  # fmt: skip
def test_human_size(octets: int, text: str) -> None:
    """Sizes have a unit that leaves few digits."""
    assert output.human_size(octets) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.44, "0.4 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"),
        (7500, "2 h 05 min"), (360_000, "4 d 4 h"),
    ],
)  # fmt: skip
def test_human_duration(seconds: float, text: str) -> None:
    """Durations have at most two units."""
    assert output.human_duration(seconds) == text


def test_dates(monkeypatch: pytest.MonkeyPatch) -> None:
    """People see local time, machines UTC, and no date of a mail is too strange to be shown."""
    monkeypatch.setenv("TZ", "Europe/Warsaw")
    time.tzset()
    try:
        assert output.human_date(1709292840) == "2024-03-01 12:34"
    finally:
        monkeypatch.undo()
        time.tzset()
    assert output.rfc3339(1709292840) == "2024-03-01T11:34:00Z"
    assert output.rfc3339(0) == "1970-01-01T00:00:00Z"
    for strange in (-(2**62), 2**62, 253_402_300_800):
        assert output.rfc3339(strange) == f"@{strange}"
        assert output.human_date(strange) == f"@{strange}"


# ---- progress ------------------------------------------------------------------------------------


def use(shown: output.Progress) -> None:
    shown.set_total(10)
    shown.advance(4, octets=4096)
    task = shown.task("office \x1b[2J", total=None)
    task.set_total(3)
    task.advance(octets=10)
    task.finish("done \x1b[2J")
    shown.finish()


def test_progress_is_silent_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    """Piped, or with -q, there are no bars, and the calls do nothing."""
    with output.progress("pull", total=10) as shown:
        use(shown)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal bars show count, octets and name, with nothing raw from outside."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with output.progress("pull", unit="messages") as shown:
        use(shown)
    output.set_verbosity(-1)
    try:
        with output.progress("silent") as silent:
            use(silent)
    finally:
        output.set_verbosity(0)
    drawn = terminal.getvalue()
    assert "4/10 messages, 4.0 KiB" in drawn
    assert "office \\x1b[2J" in drawn
    assert "done \\x1b[2J" in drawn
    assert "silent" not in drawn


def test_importing_is_cheap() -> None:
    """What every command imports does not bring in json or rich."""
    code = (
        "import sys, poparchive.cli.output as o; o.visible('x'); o.progress('x')\n"
        "sys.exit(bool({'rich', 'json', 'logging', 'shutil'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
