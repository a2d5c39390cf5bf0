"""A pull of an account with OAuth2, from the log-in to the mail, against servers on loopback."""

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
        assert SECRET not in shown.err + shown.out
