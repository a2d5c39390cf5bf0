"""What an HTML version of a text says besides the plain one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poparchive.archive.describe import Stored, describe, document
from poparchive.mime.beside import _RUN, _has_joined, new_lines
from poparchive.mime.text import Extract, ParseStatus, extract, printable
from poparchive.model import Location, MessageId

PLAIN = "Dear Ewa,\r\nthe meeting is on Monday\r\nat ten o'clock.\r\n"


def alternative(plain: str, page: str, *others: str) -> bytes:
    parts = (
        f"Content-Type: text/plain; charset=utf-8\r\n\r\n{plain}",
        f"Content-Type: text/html; charset=utf-8\r\n\r\n{page}",
        *others,
    )
    inner = "".join(f"--=_b\r\n{part}\r\n" for part in parts)
    head = 'Subject: s\r\nContent-Type: multipart/alternative; boundary="=_b"\r\n\r\n'
    return f"{head}{inner}--=_b--\r\n".encode()


@pytest.mark.parametrize(
    ("said", "other", "lines"),
    [
        ("one two three", "Three, two\nONE!", []),
        ("one two", "one two\nthree one\ntwo", ["three one"]),
        ("> one\n> two", "one two", []),
        ("a-b", "a b", []),
        ("", "one", ["one"]),
        ("one", "", []),
        ("żółty dom", "Żółty dom\nżółta łódź", ["żółta łódź"]),
        ("one", "new\nnew", ["new"]),
        ("明天上午十点\n开会", "明天上午十点开会", []),
        ("> 明天上午十\n> 点开会", "明天上午十点开会\n在三楼", ["在三楼"]),
        ("ประชุมวัน\nจันทร์", "ประชุมวันจันทร์", []),
        ("one 明天", "one 明天two", ["one 明天two"]),
    ],
)
def test_lines(said: str, other: str, lines: list[str]) -> None:
    """A line is taken for a word that is new, whole; how it is wrapped and quoted does not matter."""
    assert new_lines([said], [other]) == lines


def test_of_a_long_line_sentences_are_taken() -> None:
    """A page without blocks is one line, of which one word must not bring all."""
    page = " ".join(["The meeting is on Monday."] * 20 + ["There will be cake!", "On Monday."])
    assert new_lines(["the meeting is on monday"], [page]) == ["There will be cake!"]


def test_words_of_the_page_alone_are_searched() -> None:
    """They stand behind the plain text for searches; who reads the message sees the plain text."""
    page = "<p>Dear Ewa,<p>the meeting is on Monday at ten o'clock.<p>Bring the <b>blue folder</b>"
    found = extract(alternative(PLAIN, page))
    assert found.beside == "Bring the blue folder"
    assert found.searched.split() == f"{PLAIN} Bring the blue folder".split()
    assert found.body.split() == PLAIN.split()
    assert "folder" not in printable(found)


def test_a_page_that_says_the_same_adds_nothing() -> None:
    """However it is laid out."""
    page = "<div>Dear <i>Ewa</i>,</div><div>the meeting<br>is on Monday at ten o&#39;clock.</div>"
    found = extract(alternative(PLAIN, page))
    assert found.beside == ""
    assert found.searched is found.body


def test_the_index_gets_them() -> None:
    """A document of the index has the words of both versions."""
    octets = alternative(PLAIN, f"<p>{PLAIN}<p>blue folder")
    stored = Stored(MessageId(bytes(32)), octets, (), Location(0, 0, 0, 0))
    assert document(1, *describe(stored, 0)).body.endswith("\nblue folder")


def test_calendars_are_no_other_version() -> None:
    """What an invitation says is shown, if it is new."""
    invitation = "Content-Type: text/calendar\r\n\r\nBEGIN:VEVENT\r\nSUMMARY:%s\r\nEND:VEVENT"
    found = extract(alternative(PLAIN, f"<p>{PLAIN}", invitation % "Budget"))
    assert "Budget" in found.body
    found = extract(alternative(PLAIN, f"<p>{PLAIN}", invitation % "The meeting"))
    assert found.body.split() == PLAIN.split()


@pytest.mark.parametrize("kind", ["text/watch-html", "text/x-amp-html"])
def test_versions_for_other_readers(kind: str) -> None:
    """Pages for watches and for AMP are not taken for text."""
    part = f"Content-Type: {kind}\r\n\r\n<p class=secret>Dear Ewa"
    assert "secret" not in extract(alternative(PLAIN, f"<p>{PLAIN}", part)).searched


def test_other_versions_take_no_room_from_what_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page as large as the limit leaves the parts behind it their room."""
    monkeypatch.setattr("poparchive.mime.body.TEXT_BYTES", 2_000)
    page = "<p>" + " ".join(f"word{n}" for n in range(300))
    inner = alternative("many words " * 60, page).replace(b"Subject: s\r\n", b"")
    raw = (
        b"Subject: s\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n"
        + inner
        + b"\r\n--o\r\n\r\nthe footer\r\n--o--\r\n"
    )
    found = extract(raw)
    assert "the footer" in found.body
    assert "word99" in found.beside
    assert found.status is ParseStatus.PARTIAL


HOSTILE = ["a" * 300_000, "a. " * 100_000, "日" * 200_000, "日a" * 100_000, ".?!" * 100_000]


@pytest.mark.parametrize("page", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("plain", ["x", "日本", "x " * 40_000, "日" * 40_000], ids=range(4))
def test_hostile_versions(plain: str, page: str) -> None:
    """They end at once, and give no more than came."""
    found: Extract = extract(alternative(plain, page))
    assert len(found.searched) <= len(plain) + len(page) + 2
    assert len("\n".join(new_lines([plain], [page]))) <= len(page)


@given(st.text())
def test_scripts_without_spaces_are_told_as_by_the_pattern(text: str) -> None:
    """It is not compiled for text that has none of their characters, and for no other."""
    assert _has_joined(text) == bool(_RUN.search(text))
