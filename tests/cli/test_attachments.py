"""``poparchive attachments`` and what ``status`` says of it, as users meet them."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path

import pytest

from poparchive.store.fsio import Lock
from poparchive.store.layout import open_layout
from tests.support.archives import fill
from tests.support.product import Product, product


def mail(subject: str, name: str, content: bytes) -> bytes:
    message = EmailMessage()
    message["From"] = "Anna <anna@example.org>"
    message["Subject"] = subject
    message.set_content("See below.\n")
    message.add_attachment(content, maintype="text", subtype="x-notes", filename=name)
    return message.as_bytes()


@pytest.fixture
def made(tmp_path: Path) -> Product:
    made = product(tmp_path, {"anna": {"host": "pop.example.com", "user": "anna"}})
    fill(
        made.archive,
        [mail("one", "a.txt", b"a wombat in a file"), mail("two", "b.txt", b"a numbat " * 50)],
    )
    return made


def test_what_it_reads_is_found(made: Product) -> None:
    """A search finds the word; the report and ``status`` say the same."""
    (report,) = made.json("attachments")
    assert report["contents"] == 2
    assert report["statuses"] == {"done": 2}
    assert (report["messages"], report["messages_left"]) == (2, 0)
    (hit,) = made.json("search", "wombat")
    assert hit["subject"] == "one"
    row = made.json("status", code=None)[-1]["attachments"]
    assert isinstance(row, dict)
    assert (row["messages"], row["messages_indexed"]) == (2, 2)
    assert row["contents"] == {"done": 2}
    made.run("verify")


def test_it_stops_where_it_is_told_to_and_goes_on(made: Product) -> None:
    (report,) = made.json("attachments", "--limit", "1")
    assert (report["contents"], report["messages_left"]) == (1, 1)
    assert b"reads the rest" in made.run("status", code=None).stdout
    (report,) = made.json("attachments", "--nice", "--workers", "2")
    assert (report["contents"], report["messages_left"]) == (1, 0)
    (report,) = made.json("attachments", "--retry")
    assert report["contents"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_while_another_command_holds_the_archive(
    made: Product, number: signal.Signals
) -> None:
    """It waits for no pull, keeps what was read, and ends with 130; the next run brings it into the index."""
    told, tells = os.pipe()
    given = ["--config", str(made.config), "attachments", "--json"]
    command = [sys.executable, "-c", _TELLING, str(tells), *given]
    with Lock(open_layout(made.archive).lock):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=[tells])
        os.close(tells)
        assert os.read(told, 1) == b"2"
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)
    os.close(told)
    assert process.returncode == 130
    report = json.loads(said)
    assert (report["contents"], report["messages"], report["messages_left"]) == (2, 0, 2)
    (report,) = made.json("attachments")
    assert (report["contents"], report["messages"], report["messages_left"]) == (0, 2, 0)


_TELLING = """
import os, sys
from poparchive.archive.contents import ContentStore
from poparchive.cli.main import main
add = ContentStore.add
def added(store, rows):
    add(store, rows)
    os.write(int(sys.argv[1]), str(len(rows)).encode())
ContentStore.add = added
main(sys.argv[2:])
"""
"""The command, which says how many contents it has written before it waits for the index."""


def test_it_lists_what_could_not_be_read_and_why(made: Product) -> None:
    """By status, with the message and the reason; a name from mail cannot write to the terminal."""
    fill(made.archive, [mail("three", "c\x9b2J.zip", b"PK\x03\x04 and no more")])
    assert made.run("attachments", "--list", "all").stdout == b""
    made.json("attachments")
    (row,) = made.json("attachments", "--list", "damaged")
    (hit,) = made.json("search", "subject:three")
    assert (row["id"], row["status"]) == (hit["id"], "damaged")
    assert row["reason"]
    assert {row["status"] for row in made.json("attachments", "--list", "all")} == {
        "done",
        "damaged",
    }
    said = made.run("attachments", "--list", "damaged").stdout.decode()
    assert str(hit["id"])[:12] in said
    assert str(row["reason"]) in said
    assert "\x9b" not in said
    refused = made.run("attachments", "--list", "torn", code=2).stderr.decode()
    assert "--list 'torn': there are done, empty, encrypted, bomb" in refused


def test_an_older_index_is_told_of_alike(made: Product) -> None:
    """What reads attachments and ``status`` say in the same words that the index has to be made anew."""
    with sqlite3.connect(made.archive / "search.sqlite") as run:
        run.execute("PRAGMA user_version = 1")
    words = b"an earlier version made it, and the next pull"
    assert words in made.run("attachments").stderr
    said = made.run("status", code=None).stdout
    assert words in said
    # Nothing is said of what is not known.
    assert b"attachments: 2 messages have some" in said
    assert b"those of 0" not in said
    row = made.json("status", code=None)[-1]["attachments"]
    assert isinstance(row, dict)
    assert row["messages_indexed"] is None


def test_it_says_what_ocr_would_need(made: Product) -> None:
    """Where letters cannot be recognized although that is asked for, a person is told why."""
    with made.config.open("a") as handle:
        handle.write('\n[attachments]\nocr = true\nocr_languages = ["xx_none"]\n')
    said = made.run("attachments").stderr.decode()
    assert "letters in pictures were not recognized" in said
    assert "not recognized" not in made.run("attachments", "--no-ocr").stderr.decode()


def test_its_settings_are_checked(made: Product) -> None:
    with made.config.open("a") as handle:
        handle.write('\n[attachments]\nmemory = "1MiB"\nocr_languages = ["../x"]\nworker = 3\n')
    said = made.run("attachments", code=2).stderr.decode()
    assert "attachments.memory" in said
    assert "attachments.ocr_languages" in said
    assert "did you mean workers?" in said
