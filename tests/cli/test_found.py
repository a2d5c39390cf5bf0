"""What search and thread show: on a terminal of 80 columns, in pipes, as JSON."""

import contextlib
import json
import os
import pty
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from poparchive.archive.known import packed
from poparchive.cli import output
from poparchive.cli.find import find
from poparchive.cli.found import print_list
from poparchive.cli.main import main
from poparchive.cli.paths import Settings
from poparchive.index.contents import Content, ContentStore
from poparchive.index.lookup import Lookup
from poparchive.index.search import Searcher
from poparchive.mime import body
from poparchive.query.tree import Words
from poparchive.store.digest import sha256
from poparchive.store.layout import CONTENTS
from tests.support.archives import fill


def mail(name: str, date: str, subject: str, *fields: str, body: str = "some words") -> bytes:
    head = [f"Message-ID: <{name}@x>", f"Date: {date} 12:00:00 +0000", f"Subject: {subject}"]
    return (
        "\r\n".join([*head, "From: Anna Żak <anna@example.com>", *fields]) + f"\r\n\r\n{body}\r\n"
    ).encode()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A conversation whose beginning is missing, a copy in another account, an attachment."""
    root = tmp_path_factory.mktemp("found") / "archive"
    pdf = ('Content-Type: multipart/mixed; boundary="b"',)
    parts = "--b\r\n\r\nsee the plan\r\n--b\r\nContent-Disposition: attachment;"
    parts += ' filename="plan.pdf"\r\n\r\n%PDF\r\n--b--'
    fill(
        root,
        [
            mail("b", "1 Mar 2024", "Re: the plan", "References: <a@x>"),
            mail(
                "c",
                "2 Mar 2024",
                "Re: the plan",
                "References: <a@x> <b@x>",
                body="a longer word " * 40,
            ),
            mail(
                "d",
                "3 Mar 2024",
                "another subject of some length that does not fit",
                "In-Reply-To: <b@x>",
            ),
            mail("e", "4 Mar 2024", "Re: the plan", "References: <a@x>", *pdf, body=parts),
            mail("z", "5 Mar 2024", "else"),
        ],
    )
    fill(
        root,
        [mail("b", "1 Mar 2024", "Re: the plan", "References: <a@x>", "X-To: office")],
        account="office",
    )
    return root


def run(archive: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "poparchive", "--archive", str(archive), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def ended(*line: str) -> object:
    """The exit code of a command line."""
    with pytest.raises(SystemExit) as caught:
        main(list(line))
    return caught.value.code


def on_terminal(archive: Path, *arguments: str, **variables: str) -> list[str]:
    """What a terminal of 80 columns shows, without colours."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "poparchive", "--archive", str(archive), *arguments]
    environment = {**os.environ, "COLUMNS": "80", "TERM": "xterm", **variables}
    process = subprocess.Popen(command, stdout=slave, stderr=subprocess.DEVNULL, env=environment)
    os.close(slave)
    shown = b""
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(master)
    assert process.wait() == 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode())
    return plain.replace("\r\n", "\n").rstrip("\n").split("\n")


def test_thread_is_a_tree(archive: Path) -> None:
    """Answers stand below what they answer, under the place of the missing beginning; a subject stands
    where it changes; the message that was asked for is marked; and no line is wider than the terminal."""
    (_, chosen, *_) = run(archive, "thread", "<c@x>", "--ids").split()
    lines = on_terminal(archive, "thread", "<d@x>")
    shape = [re.sub(r" \d{4}-\d\d-\d\d \d\d:\d\d  [0-9a-f]{10}  ", " ", line) for line in lines]
    assert shape[0] == "  (not in the archive)  <a@x>"
    assert shape[1] == shape[4] == shape[5] == "    Anna Żak  Re: the plan"
    assert shape[2] == "      Anna Żak"
    assert shape[3].startswith(">     Anna Żak  another subject")
    assert shape[3].endswith("…")
    assert all(output.cells(line) <= 80 for line in lines)
    assert any(chosen[:10] in line for line in lines)


def test_thread_as_json(archive: Path) -> None:
    """One object a line, with depth and parent; the thread's id is that of its oldest message."""
    rows = [json.loads(line) for line in run(archive, "thread", "<c@x>", "--json").splitlines()]
    ids = run(archive, "thread", "<c@x>", "--ids")
    oldest = ids.split()[0]
    assert {row["thread"] for row in rows} == {oldest}
    assert rows[0]["missing"] is True
    assert rows[0]["message_id"] == "a@x"
    by_id = {row["message_id"]: row for row in rows}
    assert by_id["c@x"]["depth"] == by_id["d@x"]["depth"] == 2
    assert by_id["c@x"]["parent_message_id"] == by_id["d@x"]["parent_message_id"] == "b@x"
    assert by_id["e@x"]["parent"] is None
    assert sorted(row["id"] for row in rows if row["id"]) == sorted(ids.split())
    found = [json.loads(line) for line in run(archive, "search", "plan", "--json").splitlines()]
    assert {row["thread"] for row in found} == {oldest}
    alone = run(archive, "thread", "<z@x>", "--json").splitlines()
    assert len(alone) == 1


def test_json_of_a_message_is_alike_everywhere(archive: Path) -> None:
    """``show`` and ``thread`` say of a message what ``search`` says, where that is not of the query."""
    (found,) = map(json.loads, run(archive, "search", "msgid:e@x", "--json").splitlines())
    (shown,) = map(json.loads, run(archive, "show", "<e@x>", "--json").splitlines())
    rows = map(json.loads, run(archive, "thread", "<e@x>", "--json").splitlines())
    (threaded,) = (row for row in rows if row["message_id"] == "e@x")
    of_query = {"copies", "marks", "snippet_of"}
    said = {name: value for name, value in found.items() if name not in of_query}
    assert said["thread"]
    assert said["snippet"]
    assert {name: threaded[name] for name in said} == said
    for attachment in shown["attachments"]:
        assert attachment.pop("part")
    assert {name: shown[name] for name in said} == said


def test_show_says_what_it_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below a text, or a field, that is longer than what is read of one."""
    monkeypatch.setattr(body, "TEXT_BYTES", 1000)
    day = "Fri, 1 Mar 2024"
    many = ", ".join(f"u{n}@example.com" for n in range(5000))
    mails = [
        mail("short", day, "s"),
        mail("long", day, "s", body="words " * 200),
        mail("many", day, "s", f"To: {many}"),
    ]
    fill(tmp_path / "a", mails)
    for name, cut in (("short", False), ("long", True), ("many", True)):
        for form in ([], ["--text"]):
            assert ended("--archive", str(tmp_path / "a"), "show", f"<{name}@x>", *form) == 0
            assert ("not all of it" in capsys.readouterr().err) == cut


def test_a_message_is_shown_without_an_index(archive: Path, tmp_path: Path) -> None:
    """Which conversation it is in is not known then."""
    root = shutil.copytree(archive, tmp_path / "archive")
    (root / "search.sqlite").unlink()
    shown = json.loads(run(root, "show", "<e@x>", "--json"))
    assert (shown["message_id"], shown["thread"]) == ("e@x", None)


def test_a_search_is_ended_at_once(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite may take long and looks at no signal: Ctrl-C is the system's to act on meanwhile."""
    found = []

    def count(*_: object) -> int:
        found.append(signal.getsignal(signal.SIGINT))
        return 7

    monkeypatch.setattr(Searcher, "count", count)
    before = signal.getsignal(signal.SIGINT)
    assert before is signal.default_int_handler
    assert ended("--archive", str(archive), "search", "plan", "--count") == 0
    assert found == [signal.SIG_DFL]
    assert signal.getsignal(signal.SIGINT) is before


def test_raw_octets_act_on_no_terminal(tmp_path: Path) -> None:
    """What is exact in a pipe is text on a terminal, with what would act on that as escapes."""
    root = tmp_path / "archive"
    fill(root, [mail("a", "1 Mar 2024", "colours", body="red \x1b[31mżółw \x9bH\n")])
    raw = subprocess.run(
        [sys.executable, "-m", "poparchive", "--archive", str(root), "show", "--raw", "<a@x>"],
        check=True,
        capture_output=True,
    ).stdout
    assert b"\x1b[31m" in raw
    for form in (["--raw"], ["--part", "1"]):
        lines = on_terminal(root, "show", *form, "<a@x>")
        assert "red \\x1b[31mżółw \\x9bH" in lines
        assert not any("\x1b" in line or "\x9b" in line for line in lines)


def test_search_on_a_terminal(archive: Path) -> None:
    """Id, date, sender and subject in a line that fits; a line with the hit; what else there is to say."""
    lines = on_terminal(archive, "search", "plan")
    assert all(output.cells(line) <= 80 for line in lines)
    heads = [line for line in lines if re.match(r"[0-9a-f]{10}  \d{4}-\d\d-\d\d  Anna Żak  ", line)]
    assert len(heads) == 3
    assert all(line.endswith("Re: the plan  [4]") for line in heads)
    assert "    see the plan" in lines
    assert "    attached: plan.pdf" in lines
    assert "    +1 copy; in anna, office" in lines
    every = on_terminal(archive, "search", "plan", "--all-copies")
    assert sum(line.endswith("Re: the plan  [5]") for line in every) == 4
    assert not any("copy" in line for line in every)


def test_facets_are_tables_lines_and_an_object(archive: Path) -> None:
    """The same numbers in each form."""
    given = ("search", "plan OR words", "--facets", "from,year,account,filetype")
    lines = run(archive, *given).splitlines()
    assert lines[0] == "from\tAnna Żak <anna@example.com>\t6"
    assert lines[1:] == [
        "year\t2024\t6",
        "account\tanna\t5",
        "account\toffice\t1",
        "filetype\tpdf\t1",
    ]
    found = json.loads(run(archive, *given, "--json"))
    assert found["from"] == [{"value": "anna@example.com", "count": 6, "name": "Anna Żak"}]
    assert found["account"] == [{"value": "anna", "count": 5}, {"value": "office", "count": 1}]
    assert (found["looked_at"], found["whole"]) == (6, True)
    assert "messages  filetype" in on_terminal(archive, *given)


def test_facets_keep_to_the_limit_in_every_form(archive: Path) -> None:
    """The first so many of each kind, as JSON too."""
    given = ("search", "", "--facets", "account", "--limit", "1")
    assert json.loads(run(archive, *given, "--json"))["account"] == [{"value": "anna", "count": 5}]
    assert run(archive, *given) == "account\tanna\t5\n"


@pytest.mark.parametrize(
    ("options", "printed"),
    [((), ""), (("--json",), '{"looked_at": 0, "whole": true, "from": []}\n')],
)
def test_facets_of_nothing_say_so(
    archive: Path, options: tuple[str, ...], printed: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """As a list of nothing does, and on a terminal without empty tables."""
    find(Settings(archive=archive), ["nowhere"], facets="from", as_json=bool(options))
    said = capfd.readouterr()
    assert (said.out, said.err) == (printed, "nothing found\n")
    if not options:
        assert on_terminal(archive, "search", "nowhere", "--facets", "from,year") == [""]


def test_copies_by_their_message_id(archive: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Two copies are in one conversation, which is shown with both marked; which of them to show as a message
    has to be said by id, and the error has the ids."""
    rows = [line for line in run(archive, "thread", "<b@x>").splitlines() if line.startswith(">")]
    assert len(rows) == 2
    marked = {re.search("  ([0-9a-f]{10})  ", row)[1] for row in rows}  # type: ignore[index]
    assert ended("--archive", str(archive), "show", "<b@x>") == 1
    said = capfd.readouterr().err
    assert "2 messages have the Message-ID <b@x>" in said
    assert {one[:10] for one in re.findall("[0-9a-f]{16}", said)} == marked
    for one in marked:
        assert run(archive, "show", one)


def test_a_message_id_where_the_index_knows_no_conversations(
    archive: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """An older index tells of none, so that of several messages each is named by its id."""
    root = tmp_path / "older"
    shutil.copytree(archive, root)
    with contextlib.closing(sqlite3.connect(root / "search.sqlite")) as index:
        index.execute("DROP TABLE threads")
        index.commit()
    with contextlib.closing(Lookup(root / "catalog.sqlite")) as lookup:
        ids = [one.id.hex() for one in lookup.messages("<b@x>")]
    assert ended("--archive", str(root), "thread", "<b@x>") == 1
    said = capfd.readouterr().err
    assert all(one[:16] in said for one in ids)
    assert run(root, "thread", ids[0], "--ids") == f"{ids[0]}\n"


@pytest.mark.parametrize(
    "query",
    ["*lan", "(plan or words)", '"plan"*', "from:“anna”*", "from:{@anna}", "plan NEAR words"],
)
def test_what_is_taken_otherwise_is_said(
    archive: Path, query: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """On standard error, and the search is made; other queries say nothing."""
    find(Settings(archive=archive), [query], count=True)
    assert "is looked for as" in capfd.readouterr().err
    find(Settings(archive=archive), ["pla*", "OR", "(a b)"], count=True)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("option", "said"),
    [(("--limit", "-1"), "-1 is less than 1"), (("--limit", "-語"), "'-語' is not a number"),
     (("--sort", "-語"), "--sort '-語': there are")],
)  # fmt: skip
def test_a_value_that_begins_with_a_dash_is_shown_as_given(
    archive: Path, option: tuple[str, str], said: str
) -> None:
    """An option that takes it refuses it as it was typed."""
    command = [sys.executable, "-m", "poparchive", "--archive", str(archive), "search"]
    done = subprocess.run([*command, *option, "plan"], capture_output=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr.decode()


def test_wrong_facets_are_refused(archive: Path) -> None:
    """With the ones that there are."""
    command = [sys.executable, "-m", "poparchive", "--archive", str(archive)]
    done = subprocess.run(
        [*command, "search", "x", "--facets", "colour"], capture_output=True, check=False
    )
    assert done.returncode == 2
    assert b"from, year, account, filetype" in done.stderr


def test_snippets_from_attachments(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where only an attachment has what was looked for, the piece is from there, with its name."""
    store = ContentStore.open(archive / CONTENTS)
    text, length = packed("a text with the żółty word in it")
    octets = b"%PDF"
    store.add([Content(sha256(octets), len(octets), 0, 1, "", "", length, text)])
    store.close()
    with Searcher(archive / "catalog.sqlite", archive / "search.sqlite") as searcher:
        (hit,) = searcher.search("filename:plan")
    print_list(archive, [hit], [Words("zolty")])
    shown = capsys.readouterr().out
    assert "plan.pdf: a text with the **żółty** word in it" in shown
    for field, of in (
        ("attachment", "plan.pdf: "),
        ("", "plan.pdf: "),
        ("body", ""),
        ("subject", ""),
    ):
        print_list(archive, [hit], [Words("zolty", field=field)])
        assert ("plan.pdf: a text" in capsys.readouterr().out) is bool(of)
    for field, marked in (("", True), ("body", True), ("attachment", False), ("subject", False)):
        print_list(archive, [hit], [Words("see", field=field)])
        assert ("**see** the plan" in capsys.readouterr().out) is marked


def test_wide_letters_fit_the_terminal(tmp_path: Path) -> None:
    """A line of a script whose letters take two columns is no wider than the terminal; without colours the
    hits are marked, and the marks have room."""
    text = "日本語の文章がここに長く続いています。" * 12
    root = tmp_path / "archive"
    fill(
        root,
        [mail("w", "1 Mar 2024", "wide", "Content-Type: text/plain; charset=utf-8", body=text)],
    )
    lines = on_terminal(root, "search", "文章")
    assert all(output.cells(line) <= 80 for line in lines)
    plain = on_terminal(root, "search", "文章", NO_COLOR="1")
    assert any("**文章**" in line for line in plain)
    assert all(output.cells(line) <= 80 for line in plain)
