"""The transcript: everything that was said, and no secret."""

import asyncio
import base64
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poparchive.demo.behaviour import Behaviour
from poparchive.demo.mailbox import Mailbox
from poparchive.demo.server import Pop3Server, running
from poparchive.diagnose import Transcript
from poparchive.diagnose.mailbox import Access, examine
from poparchive.diagnose.transcript import (
    LINE_SHOWN_BYTES,
    MAIL_LINES,
    RECORD_LINES,
    Record,
    Secrets,
)
from poparchive.pop3 import Endpoint, Login, Timeouts, TlsMode, make_context
from poparchive.pop3.sasl import lines
from tests.support.conversation import cuts

# The fixed words of a transcript are not long enough to hold one of these.
PASSWORDS = st.text(
    st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=2, max_size=30
).map(lambda text: f"pw{text}")
STAMP = b"<1.2@host>"


def line_of(way: str, user: str, secret: str) -> list[bytes]:
    """What is sent to log in, line by line."""
    token = base64.b64encode(f"\0{user}\0{secret}".encode())
    return {
        "user": [c.line for c in lines.user_pass(user, secret)],
        "apop": [lines.apop(user, secret, STAMP).line],
        "plain": [b"AUTH PLAIN " + token + b"\r\n"],
        "two steps": [b"AUTH PLAIN\r\n", token + b"\r\n"],
        "login": [
            b"AUTH LOGIN\r\n",
            base64.b64encode(user.encode()) + b"\r\n",
            base64.b64encode(secret.encode()) + b"\r\n",
        ],
        "unknown": [b"XLOGIN " + secret.encode() + b"\r\n"],
    }[way]


WAYS = ["user", "apop", "plain", "two steps", "login", "unknown"]


def traces(lines: list[bytes], user: str, secret: str) -> set[str]:
    """What must not be found: the secret, and every argument that was made with it."""
    token = base64.b64encode(secret.encode()).decode()
    made = {line.split()[-1].decode("ascii", "replace") for line in lines if b"USER" not in line}
    return {secret, token, *made} - {"PLAIN", "LOGIN", user}


@given(
    way=st.sampled_from(WAYS),
    secret=PASSWORDS,
    positions=st.lists(st.integers(0, 10_000), max_size=10),
    told=st.booleans(),
    ok=st.booleans(),
)
def test_no_secret_by_any_way(
    way: str, secret: str, positions: list[int], told: bool, ok: bool
) -> None:
    """However one logs in, and though the server repeats all of it: nothing of the secret."""
    transcript = Transcript()
    record = transcript.record("one")
    if told or way in ("login", "unknown"):
        transcript.secrets.hide(secret.encode())
    lines = line_of(way, "anna", secret)
    record.tap(False, b"+OK ready " + STAMP + b"\r\n")
    echo = b""
    for line in lines:
        record.tap(True, line)
        echo += line
        if way != "apop" and line is not lines[-1]:
            record.tap(False, b"+ " + base64.b64encode(line) + b"\r\n")
    answer = (b"+OK " if ok else b"-ERR ") + echo.replace(b"\r\n", b" ") + b"\r\n" + echo
    for piece in cuts(answer, positions):
        record.tap(False, piece)
    record.close()
    shown = transcript.text()
    for trace in traces(lines, "anna", secret):
        assert trace not in shown
    assert "=== 1. one" in shown


@pytest.mark.parametrize("auth", ["user", "apop", "plain"])
@pytest.mark.parametrize("password", ["hunter2secret", "wrong-hunter2"])
def test_no_secret_of_a_real_session(auth: str, password: str) -> None:
    """Two sessions with a server on loopback, granted and refused."""
    box = Mailbox([b"Subject: x\r\n\r\nmy password is hunter2secret\r\n"], password="hunter2secret")
    with running(Pop3Server({"anna": box})) as server:
        endpoint = Endpoint(server.host, server.port, TlsMode.NONE, allow_insecure=True)
        login = Login("anna", lambda: password, auth)
        transcript = Transcript()
        access = Access(endpoint, login, Timeouts(20, 20, 20), make_context(endpoint))
        asyncio.run(examine(access, transcript))
    text = transcript.text()
    assert password not in text
    assert base64.b64encode(f"\0anna\0{password}".encode()).decode() not in text
    assert f"C: {'PASS' if auth == 'user' else auth.upper()[:4].replace('PLAI', 'AUTH')}" in text
    assert "[redacted]" in text
    assert ("C: RETR 1" in text) == (password == "hunter2secret")


def test_a_secret_that_is_known_later() -> None:
    """What a server says before the password is known is cleaned as well."""
    transcript = Transcript()
    transcript.record("one").tap(False, b"+OK hunter2 is the password\r\n")
    transcript.secrets.hide(b"hunter2")
    assert "hunter2" not in transcript.text()


def test_marks_and_line_ends() -> None:
    """Directions are marked; what is odd about a line end, or missing, is said; nothing acts."""
    record = Record("one", Secrets())
    record.tap(False, b"+OK \x1b[2J\r\n")
    record.tap(True, b"STAT\r\n")
    record.tap(False, b"+OK 1 2\n")
    record.tap(False, b"half")
    record.close()
    assert record.text().splitlines() == [
        "one", r"S: +OK \x1b[2J", "C: STAT", "S: +OK 1 2  (a bare LF)", "S: half  (no line end came)",
    ]  # fmt: skip


def test_mail_is_shortened() -> None:
    """Of a message the first lines are shown; what follows it is shown again."""
    record = Record("one", Secrets())
    record.tap(False, b"+OK\r\n")
    record.tap(True, b"RETR 1\r\nNOOP\r\n")
    record.tap(False, b"+OK\r\n" + b"line\r\n" * 50 + b".\r\n+OK done\r\n")
    text = record.text()
    assert text.count("S: line") == MAIL_LINES
    assert f"lines {50 - MAIL_LINES}, octets {(50 - MAIL_LINES) * 6}" in text
    assert text.endswith("S: .\nS: +OK done\n")


def test_a_server_gone_mad_fills_no_memory() -> None:
    """Long lines and many lines are cut, and that is said."""
    record = Record("one", Secrets())
    for _ in range(100):
        record.tap(False, b"x" * 65536)
    record.tap(False, b"\r\n")
    for _ in itertools.repeat(None, RECORD_LINES):
        record.tap(False, b"+OK\r\n")
    lines = record.text().splitlines()
    assert len(lines) <= RECORD_LINES + 2
    assert lines[-1].startswith("*  more is left out")
    assert max(map(len, lines)) < LINE_SHOWN_BYTES + 50


def test_stls_is_marked() -> None:
    """A reader sees where TLS began."""
    record = Record("one", Secrets())
    record.tap(False, b"+OK\r\n")
    record.tap(True, b"STLS\r\n")
    record.tap(False, b"+OK go\r\n")
    assert "*  TLS begins" in record.text()


def test_a_refusal_with_a_code() -> None:
    """A temporary refusal is shown as the server said it."""
    behaviour = Behaviour(refuse_login=b"-ERR [IN-USE] locked")
    with running(Pop3Server({"anna": Mailbox()}, behaviour=behaviour)) as server:
        endpoint = Endpoint(server.host, server.port, TlsMode.NONE, allow_insecure=True)
        transcript = Transcript()
        access = Access(endpoint, Login("anna", str), Timeouts(20, 20, 20), make_context(endpoint))
        asyncio.run(examine(access, transcript))
    assert "S: -ERR [IN-USE] locked" in transcript.text()
