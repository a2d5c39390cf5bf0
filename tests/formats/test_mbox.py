"""The mbox writer and reader, and other programs' view of what it writes."""

import io
import mailbox
import os
import pty
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from poparchive.errors import UsageError
from poparchive.formats import mbox
from poparchive.formats.mbox import MboxError, MboxWriter, read_mboxrd, separator

MAIL = b"From: a@example.org\r\nSubject: one\r\n\r\nFrom here\r\n>From there\r\n From x\r\nend\r\n"


def written(*messages: bytes) -> bytes:
    stream = io.BytesIO()
    writer = MboxWriter(stream)
    for message in messages:
        writer.write([message], sender="a@example.org", date=0)
    return stream.getvalue()


def test_octets() -> None:
    """The file of one message, octet for octet."""
    assert written(MAIL) == (
        b"From a@example.org Thu Jan  1 00:00:00 1970\n"
        b"From: a@example.org\nSubject: one\n\n>From here\n>>From there\n From x\nend\n\n"
    )


@pytest.mark.parametrize(
    ("message", "content"),
    [
        (b"", b""),
        (b"a", b"a\n"),
        (b"a\r\nb\nc\rd", b"a\nb\nc\rd\n"),
        (b"a\r\r\n\n\rb\n", b"a\r\n\n\rb\n"),
        (b"a\r", b"a\r\n"),
        (b"\0\xff\x80\r\n", b"\0\xff\x80\n"),
        (b"a\r\n\r\n\r\n", b"a\n\n\n"),
        (b"From x", b">From x\n"),
        (b">>From x", b">>>From x\n"),
        (b"a\rFrom x", b"a\rFrom x\n"),
        (b"From\r\nFrom", b"From\nFrom\n"),
        (b"From\rx", b"From\rx\n"),
        (b"\nFrom \nFrom ", b"\n>From \n>From \n"),
        (b"xFrom a>From b\r\n>x From c", b"xFrom a>From b\n>x From c\n"),
    ],
)
def test_line_ends_and_quoting(message: bytes, content: bytes) -> None:
    """The table of docs/formats.md."""
    _, _, rest = written(message).partition(b"\n")
    assert rest == content + b"\n"


def test_large_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk of any size is worked on in slices, and gives the same file."""
    whole = written(MAIL * 50)
    monkeypatch.setattr(mbox, "SLICE_BYTES", 7)
    assert written(MAIL * 50) == whole
    assert list(read_mboxrd(io.BytesIO(whole))) == [(MAIL * 50).replace(b"\r\n", b"\n")]


@pytest.mark.parametrize(
    ("sender", "address"),
    [
        ("a@example.org", b"a@example.org"),
        (b"a@example.org", b"a@example.org"),
        ("Ewa <a@example.org>", b"a@example.org"),
        ('"<x> y" <a@example.org>', b"a@example.org"),
        ("", b"MAILER-DAEMON"),
        ("<>", b"MAILER-DAEMON"),
        ("no address here", b"MAILER-DAEMON"),
        ("Ewa <ewa@żółw.example>", b"MAILER-DAEMON"),
        ("a@b\nFrom c@d", b"MAILER-DAEMON"),
        ("a@" + "b" * 400, b"MAILER-DAEMON"),
    ],
)
def test_sender(sender: str | bytes, address: bytes) -> None:
    """The address of the sender, or MAILER-DAEMON; never a second line."""
    assert separator(sender, 978307199) == b"From " + address + b" Sun Dec 31 23:59:59 2000\n"


@pytest.mark.parametrize(
    ("date", "year"), [(-(10**15), b"1970"), (10**15, b"9999"), (4102444800, b"2100")]
)
def test_absurd_dates(date: int, year: bytes) -> None:
    """Dates that asctime cannot write become the nearest that it can."""
    assert separator("a@b", date).endswith(year + b"\n")


def test_a_source_that_fails() -> None:
    """If the message's source fails its error comes through, and the next message can follow."""

    def source() -> Iterator[bytes]:
        yield b"Subject: cut\r\n\r\nhalf a li"
        raise OSError("damaged")

    stream = io.BytesIO()
    writer = MboxWriter(stream)
    with pytest.raises(OSError, match="damaged"):
        writer.write(source(), sender="a@b", date=0)
    writer.write([MAIL], sender="a@b", date=0)
    first, second = read_mboxrd(io.BytesIO(stream.getvalue()))
    assert first == b"Subject: cut\n\nhalf a li\n"
    assert second == MAIL.replace(b"\r\n", b"\n")


def test_unknown_dialect() -> None:
    """A dialect that is not written is refused."""
    with pytest.raises(UsageError, match="mboxrd"):
        MboxWriter(io.BytesIO(), "mmdf")


def test_reading() -> None:
    """No message in an empty file; an error for what is no mbox; a file without a last line end."""
    assert list(read_mboxrd(io.BytesIO(b""))) == []
    for octets in (b"x", b"Subject: x\n\nx\n", b"From", b"\nFrom x\n"):
        with pytest.raises(MboxError, match="no mbox"):
            list(read_mboxrd(io.BytesIO(octets)))
    assert list(read_mboxrd(io.BytesIO(b"From x\na\n\nFrom y\nb"))) == [b"a\n", b"b"]
    assert list(read_mboxrd(io.BytesIO(b"From x"))) == [b""]


MESSAGES = [
    b"From: a@example.org\r\nSubject: number-%d\r\n\r\n" % number + body
    for number, body in enumerate(
        [
            b"plain\r\n",
            b"From here\r\n>From there\r\n",
            b"no line end",
            b"",
            b"\r\nFrom a@example.org Thu Jan  1 00:00:00 1970\r\nSubject: no message\r\n\r\nx\r\n",
            b"\xff\x00\r\r\n\r\n\r\n",
        ]
    )
]


def test_python_finds_every_message(tmp_path: Path) -> None:
    """Python's mailbox module finds the messages, their envelope and their octets."""
    path = tmp_path / "box"
    path.write_bytes(written(*MESSAGES))
    box = mailbox.mbox(path, create=False)
    try:
        assert len(box) == len(MESSAGES)
        for number, (key, message) in enumerate(zip(box.keys(), MESSAGES, strict=True)):
            _, _, alone = written(message).partition(b"\n")
            assert box.get_bytes(key) == alone.removesuffix(b"\n")
            assert box[key]["Subject"] == f"number-{number}"
            assert box[key].get_from() == "a@example.org Thu Jan  1 00:00:00 1970"
    finally:
        box.close()


def test_mutt_finds_every_message(tmp_path: Path) -> None:
    """Mutt's index of the file lists every message and nothing else."""
    if not shutil.which("mutt"):
        pytest.skip("mutt is missing (Debian: mutt)")
    path = tmp_path / "box"
    path.write_bytes(written(*MESSAGES))
    (tmp_path / "Mail").mkdir()  # or mutt asks whether to make it
    options = 'set sleep_time=0 sort=mailbox-order index_format="[%s]" status_format="{%m}"'
    ours, theirs = pty.openpty()
    screen: list[bytes] = []
    taking = threading.Thread(target=_take, args=(ours, screen))
    taking.start()
    try:
        subprocess.run(
            ["mutt", "-nR", "-F/dev/null", "-f", path, "-e", options, "-e", "push <exit>"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={"TERM": "xterm", "HOME": str(tmp_path), "PATH": os.environ["PATH"]},
            timeout=60,
            check=True,
        )
    finally:
        os.close(theirs)
        taking.join()
    drawn = b"".join(screen)
    assert b"{%d}" % len(MESSAGES) in drawn
    assert re.findall(rb"\[(number-\d)\]", drawn) == [
        b"number-%d" % number for number in range(len(MESSAGES))
    ]


def _take(descriptor: int, screen: list[bytes]) -> None:
    """Take what mutt draws: it waits for a terminal that does not."""
    with suppress(OSError):  # the end of a terminal is an error
        while octets := os.read(descriptor, 65536):
            screen.append(octets)
    os.close(descriptor)
