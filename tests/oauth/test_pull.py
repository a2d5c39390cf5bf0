"""A pull of an account with OAuth2, from the log-in to the mail, against servers on loopback."""

import base64
import binascii
import contextlib
import re
import time

import pytest

from poparchive.archive import create
from poparchive.demo.mailbox import Mailbox
from poparchive.demo.server import Pop3Server, running
from tests.oauth.accounts import Home, call
from tests.support.idp import SECRET


@pytest.mark.parametrize("auth", ["auto", "xoauth2", "oauthbearer"])
def test_pull(home: Home, auth: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A refused token is replaced once and the mail fetched; a log-in taken back is said."""
    create(home.directory / "archive")
    mailbox = Mailbox([b"Subject: a\r\n\r\nx\r\n"], token="none yet")
    with running(Pop3Server({"me@example.org": mailbox})) as server:
        config = home.directory / "config.toml"
        text = config.read_text().replace('"pop.example.org"', '"127.0.0.1"')
        config.write_text(
            f'{text}port = {server.port}\ntls = "none"\nallow_insecure = true\nauth = "{auth}"\n'
        )
        assert call("pull") == 1
        assert "poparchive account login office" in capsys.readouterr().err
        home.log_in(int(time.time()))

        def take(token: str) -> None:
            mailbox.token = token

        home.idp.issued = take
        assert call("pull") == 0
        assert home.idp.refreshes == 1
        home.idp.revoke()
        mailbox.token = "another"
        assert call("pull") == 1
        shown = capsys.readouterr()
        assert "invalid_grant" in shown.err
        assert "office: account office" not in shown.err
        assert SECRET not in shown.err + shown.out


@pytest.mark.parametrize("auth", ["xoauth2", "oauthbearer"])
def test_doctor(home: Home, auth: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The doctor logs in by token; no token is on the screen or in the transcript, taken or refused."""
    mailbox = Mailbox([b"Subject: a\r\n\r\nx\r\n"], token="none yet")
    transcript = home.directory / "transcript"
    with running(Pop3Server({"me@example.org": mailbox})) as server:
        config = home.directory / "config.toml"
        text = config.read_text().replace('"pop.example.org"', '"127.0.0.1"')
        config.write_text(
            f'{text}port = {server.port}\ntls = "none"\nallow_insecure = true\nauth = "{auth}"\n'
        )
        home.log_in(int(time.time()))

        def take(token: str) -> None:
            mailbox.token = token

        home.idp.issued = take
        arguments = ("doctor", "--account", "office", "--transcript", str(transcript))
        assert call(*arguments) == 0
        written = transcript.read_text()
        home.idp.issued = lambda token: None
        mailbox.token = "another"
        assert call(*arguments) == 1
        written += transcript.read_text()
    shown = capsys.readouterr()
    assert f"log-in\tme@example.org, by {auth}" in shown.out
    assert f"C: AUTH {auth.upper()} [redacted]" in written
    for text in (written, shown.out, shown.err):
        assert SECRET not in text
        for word in re.findall(r"[A-Za-z0-9+/]{16,}={0,2}", text):
            with contextlib.suppress(binascii.Error):  # it need not be base64
                assert SECRET.encode() not in base64.b64decode(word + "===")
