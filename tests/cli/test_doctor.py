"""``poparchive doctor`` as users meet it: output, exit codes, transcript, the entry to paste."""

import json
import os
import pty
import socket
import ssl
import stat
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from poparchive.cli import output
from poparchive.cli.doctor import parse_server
from poparchive.cli.main import main
from poparchive.config import load
from poparchive.demo.behaviour import Behaviour
from poparchive.demo.mailbox import Mailbox
from poparchive.demo.server import Pop3Server, running
from poparchive.errors import UsageError
from tests.support.certificate import certificate_missing, make_certificate

SECRET = "hunter2secret"
MAILS = [b"Subject: %d\r\n\r\ntext\r\n" % n for n in range(3)]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No configuration of the machine is found; the password is in the environment."""
    monkeypatch.delenv("POPARCHIVE_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("THE_PASSWORD", SECRET)
    yield
    output.set_verbosity(0)


@pytest.fixture
def server() -> Iterator[Pop3Server]:
    """One without TLS."""
    with running(Pop3Server({"anna": Mailbox(MAILS, password=SECRET)})) as one:
        yield one


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert isinstance(caught.value.code, int)
    return caught.value.code


LOG_IN = ("--user", "anna", "--password-env", "THE_PASSWORD", "--allow-insecure")


def test_without_an_account(server: Pop3Server, capsys: pytest.CaptureFixture[str]) -> None:
    """Piped: plain lines in columns, sentences, and the entry; nobody logs in."""
    assert call("doctor", f"127.0.0.1:{server.port}") == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split("\t") for line in lines if "\t" in line]
    assert [f"none {server.port}", "works", "yes"] in rows
    assert {row[0].split()[0] for row in rows} == {"implicit", "starttls", "none", "findings"}
    entry = lines.index("[accounts.mail]")
    assert lines[entry + 1 : entry + 3] == ['host = "127.0.0.1"', f"port = {server.port}"]
    assert not {entry.command for entry in server.log} & {"USER", "PASS", "APOP", "AUTH"}


def test_the_entry_is_a_configuration(
    server: Pop3Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is to be pasted can be, and then the account works."""
    assert call("doctor", f"127.0.0.1:{server.port}", *LOG_IN, "--json") == 0
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert SECRET not in line
    config = tmp_path / "config.toml"
    config.write_text(found["entry"])
    account = load(config).account("mail")
    assert (account.host, account.port, account.user) == ("127.0.0.1", server.port, "anna")
    assert (account.tls.value, account.allow_insecure) == ("none", True)
    assert call("--config", str(config), "account", "test", "mail") == 0
    assert found["works"] is True
    assert [mode["mode"] for mode in found["modes"]] == ["implicit", "starttls", "none"]
    assert found["mailbox"]["messages"] == len(MAILS)
    assert found["mailbox"]["pipelining"]["works"] is True
    assert {"topic", "verdict", "text"} == set(found["findings"][0])
    assert found["suggestion"]["tls"] == "none"
    assert server.asked("DELE") == []


def test_a_configured_account(
    server: Pop3Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--account takes everything from the configuration, and sends the password nowhere else."""
    config = tmp_path / "config.toml"
    config.write_text(
        f'[accounts.office]\nhost = "127.0.0.1"\nport = {server.port}\nuser = "anna"\n'
        'tls = "none"\nallow_insecure = true\npassword = { command = "echo hunter2secret" }\n'
    )
    start = ("--config", str(config), "doctor")
    assert call(*start, "--account", "office") == 0
    shown = capsys.readouterr().out
    assert "mailbox\tmessages\t3," in shown
    assert "[accounts.office]" in shown
    assert SECRET not in shown
    assert call(*start, "127.0.0.1", "--account", "office", "--json") == 0
    assert json.loads(capsys.readouterr().out)["mailbox"]["auth"] == "scram-sha-256"
    before = len(server.log)
    assert call(*start, "pop.example.com", "--account", "office") == 2
    assert "no other server" in capsys.readouterr().err
    assert call(*start, "--account", "office", "--user", "anna") == 2
    assert call(*start, "--account", "nobody") == 2
    assert len(server.log) == before


OLD = """
[accounts.office]
host = "127.0.0.1"
port = %d
user = "anna"
tls = "starttls"
tls_minimum = "1.1"
ca_file = "%s"
leave_on_server = "30d"
password = { env = "THE_PASSWORD" }
"""


@pytest.mark.skipif(not ssl.HAS_TLSv1_1, reason="this OpenSSL has no TLS 1.1")
@pytest.mark.skipif(certificate_missing() is not None, reason=str(certificate_missing()))
def test_an_account_with_exceptions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A server of old: the exception is missed without, used with, and in an entry that can be pasted."""
    made = make_certificate(tmp_path)
    context = made.server_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    config = tmp_path / "config.toml"
    boxes = {"anna": Mailbox(MAILS, password=SECRET)}
    with running(Pop3Server(boxes, tls=context)) as server:
        config.write_text(OLD % (server.port, made.cert))
        start = ("--config", str(config))
        there = f"127.0.0.1:{server.port}"
        arguments = (*LOG_IN[:-1], "--ca-file", str(made.cert), "--json")
        assert call("doctor", there, *arguments) == 1
        without = json.loads(capsys.readouterr().out)
        assert call(*start, "doctor", "--account", "office", "--json") == 0
        given = json.loads(capsys.readouterr().out)
        asked = {entry.command for entry in server.log}
        for found, name in ((without, "mail"), (given, "office")):
            config.write_text(found["entry"])
            account = load(config).account(name)
            assert (account.tls.value, account.tls_minimum) == ("starttls", "1.1")
            assert account.ca_file == made.cert
            assert 'tls_minimum = "1.1"  # broken' in found["entry"]
            assert call(*start, "account", "test", name) == 0
    assert "DELE" not in asked
    assert "no password was sent" in without["mailbox"]["problem"]
    assert without["modes"][1]["remedy"]["tls_minimum"] == "1.1"
    assert given["works"] is True
    assert "all other keys of the account stay" in given["entry"]
    assert not capsys.readouterr().out.count(SECRET)


def test_an_account_with_oauth(
    server: Pop3Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its entry logs in by OAuth2 as before; a command for the client's secret is not repeated."""
    config = tmp_path / "config.toml"
    config.write_text(
        f'[accounts.office]\nhost = "127.0.0.1"\nport = {server.port}\nuser = "anna"\n'
        'tls = "none"\nallow_insecure = true\n[accounts.office.oauth]\nprovider = "ours"\n'
        'client_id = "x"\nclient_secret = { command = "echo hunter2secret" }\n'
        'token_url = "https://id.example.org/token"\nscopes = ["mail", "offline_access"]\n'
        f'device_url = "https://id.example.org/device"\ntoken_file = "{tmp_path}/tokens"\n'
    )
    before = load(config).account("office").oauth
    assert call("--config", str(config), "doctor", "--account", "office", "--json") == 1
    line = capsys.readouterr().out
    found = json.loads(line)
    assert SECRET not in line
    assert "poparchive account login office" in found["mailbox"]["problem"]
    config.write_text(found["entry"])
    after = load(config).account("office")
    assert after.password is None
    assert before
    assert after.oauth
    assert after.oauth.client_secret
    assert replace(after.oauth, client_secret=before.client_secret) == before


def test_exit_codes(server: Pop3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """1 where no way works or the log-in does not; 2 for wrong usage."""
    there = f"127.0.0.1:{server.port}"
    assert call("doctor", there, *LOG_IN[:-1]) == 1
    monkeypatch.setenv("THE_PASSWORD", "another")
    assert call("doctor", there, *LOG_IN) == 1
    monkeypatch.delenv("THE_PASSWORD")
    assert call("doctor", there, *LOG_IN) == 1
    assert call("doctor") == 2
    assert call("doctor", "a b") == 2
    assert call("doctor", there, "--user", "anna") == 2
    assert call("doctor", there, "--password-env", "THE_PASSWORD") == 2
    assert call("doctor", there, *LOG_IN, "--password-file", "x") == 2
    assert call("doctor", there, *LOG_IN, "--auth", "nonsense") == 2
    assert call("doctor", there, "--tls-fingerprint", "sha1:00") == 2
    assert call("doctor", there, "--timeout", "0") == 2
    assert call("doctor", there, "--transcript", "/nowhere/at/all") == 2


def test_no_server_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody listens that is said in sentences, with nothing to paste."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    assert call("doctor", f"127.0.0.1:{port}") == 1
    shown = capsys.readouterr().out
    assert "No way to 127.0.0.1 works" in shown
    assert "no account to suggest" in shown
    assert "[accounts" not in shown


def test_transcript(server: Pop3Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is for its owner alone, also where the file was there before, and has no secret."""
    path = tmp_path / "transcript"
    path.write_text("x" * 100_000)
    path.chmod(0o644)
    there = f"127.0.0.1:{server.port}"
    assert call("doctor", there, *LOG_IN, "--auth", "user", "--transcript", str(path)) == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert "C: PASS [redacted]" in text
    assert "C: RETR 1" in text
    assert SECRET not in text
    assert "xxx" not in text
    assert SECRET not in capsys.readouterr().out


def test_text_of_the_server_is_made_visible(capsys: pytest.CaptureFixture[str]) -> None:
    """A greeting cannot act on a terminal, as text or in JSON."""
    evil = Behaviour(replies={"CONNECT": b"+OK \x1b[2Jready\r\n"})
    with running(Pop3Server({}, behaviour=evil)) as server:
        assert call("doctor", f"127.0.0.1:{server.port}") == 0
        assert call("doctor", f"127.0.0.1:{server.port}", "--json") == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert r"\x1b[2Jready" in shown


@pytest.mark.skipif(certificate_missing() is not None, reason=str(certificate_missing()))
def test_tls_on_a_terminal(tmp_path: Path) -> None:
    """On a terminal: sections, sentences and the entry, unbroken; trust by --ca-file is kept."""
    made = make_certificate(tmp_path)
    server = Pop3Server(
        {"anna": Mailbox(MAILS, password=SECRET)}, tls=made.server_context(), implicit_tls=True
    )
    arguments = [*LOG_IN[:-1], "--ca-file", str(made.cert)]
    with running(server):
        command = [sys.executable, "-m", "poparchive", "doctor", f"127.0.0.1:{server.port}"]
        ours, theirs = pty.openpty()
        env = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
        with subprocess.Popen([*command, *arguments], stdout=theirs, env=env) as process:
            os.close(theirs)
            shown = b"".join(iter(lambda: _read(ours), b"")).decode()
        os.close(ours)
    assert process.returncode == 0
    assert "what it means" in shown
    assert "CN=localhost" in shown
    assert f'ca_file = "{made.cert}"' in shown
    assert 'tls = "implicit"' in shown
    assert "\x1b[" in shown


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65536)
    except OSError:  # on Linux the end of a terminal is an error
        return b""


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("pop.example.com", "pop.example.com", None), ("pop.example.com:1995", "pop.example.com", 1995),
        ("[::1]:110", "::1", 110), ("[::1]", "::1", None), ("fe80::1%eth0", "fe80::1%eth0", None),
    ],
)  # fmt: skip
def test_servers(text: str, host: str, port: int | None) -> None:
    """Names and addresses with and without a port."""
    assert parse_server(text) == (host, port)


@pytest.mark.parametrize(
    "text", ["", "host:", "host:0", "host:65536", "host:x", "[::1", "[::1]x", "a/b", "host:²"]
)
def test_what_is_no_server(text: str) -> None:
    """Anything else is wrong usage."""
    with pytest.raises(UsageError):
        parse_server(text)
