"""``poparchive account``: edits of the configuration, and a look at a real server on loopback."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from poparchive.cli import output
from poparchive.cli.main import main
from poparchive.config import OAuth, PasswordRef, load
from poparchive.demo.mailbox import Mailbox
from poparchive.demo.server import Pop3Server, running

START = '# mine\narchive = "mail"   # here\n\n[defaults]\nleave_on_server = "30d"\n'
NEW = ("--host", "pop.example.com", "--user", "me@example.com")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration without accounts that the commands find."""
    path = tmp_path / "config.toml"
    path.write_text(START)
    path.chmod(0o640)
    monkeypatch.setenv("POPARCHIVE_CONFIG", str(path))
    output.set_verbosity(0)
    return path


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["account", *arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_add(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An account is added at the end; everything else, the file's mode too, stays."""
    assert call("add", "office", *NEW, "--password-command", "pass show 'a b'") == 0
    assert config.read_text().startswith(START)
    assert stat.S_IMODE(config.stat().st_mode) == 0o640
    account = load(config).account("office")
    assert account.password == PasswordRef("command", "pass show 'a b'")
    assert (account.port, account.leave_on_server.text) == (995, "30d")
    assert "account test office" in capsys.readouterr().err
    assert [path.name for path in config.parent.iterdir()] == ["config.toml"]


def test_add_with_everything(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every option becomes the key of its name; paths are taken from where the user is."""
    monkeypatch.chdir(config.parent)
    options = [
        ["--port", "1110"], ["--tls", "starttls"], ["--allow-insecure"], ["--auth", "apop"],
        ["--schedule", "cron 0 3 * * sun"], ["--leave-on-server", "delete"],
        ["--tls-fingerprint", "sha256:" + "0" * 64], ["--ca-file", "ca.pem"],
        ["--password-file", "secret"],
    ]  # fmt: skip
    assert call("add", "office", *NEW, *(word for words in options for word in words)) == 0
    account = load(config).account("office")
    assert (account.port, str(account.tls), account.allow_insecure) == (1110, "starttls", True)
    assert (account.auth, account.schedule.text) == ("apop", "cron 0 3 * * sun")
    assert account.leave_on_server.after_s == 0
    assert account.ca_file == config.parent / "ca.pem"
    assert account.password == PasswordRef("file", str(config.parent / "secret"))


@pytest.mark.parametrize("kind", ["command", "file", "env", "credential", "keyring"])
def test_each_kind_of_password(config: Path, kind: str) -> None:
    """There is an option for each kind of reference."""
    assert call("add", "office", *NEW, f"--password-{kind}", "/x") == 0
    assert load(config).account("office").password == PasswordRef(kind, "/x")


def test_add_with_oauth(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Instead of a password there may be a provider, and then the next step is to log in there."""
    assert call("add", "office", *NEW, "--oauth", "google", "--client-id", "x") == 0
    account = load(config).account("office")
    assert account.password is None
    assert account.oauth == OAuth(provider="google", client_id="x")
    assert "account login office" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ("--oauth", "google"), ("--oauth", "google", "--client-id", "x", "--password-env", "A"),
        ("--oauth", "elsewhere", "--client-id", "x"), ("--client-id", "x"),
        (), ("--password-env", "A", "--password-file", "B"), ("--password", "hunter2"),
        ("--password-env", "A", "--port", "0"), ("--password-env", "A", "--tls", "none"),
        ("--password-env", "A", "--schedule", "sometimes"), ("--password-env", ""),
        ("--password-env", "A", "--auth", "ntlm"),
    ],
)  # fmt: skip
def test_add_refuses(
    config: Path, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """What would not be read again is not written, and the exit code is that of wrong usage."""
    assert call("add", "office", *NEW, *options) == 2
    assert config.read_text() == START
    shown = capsys.readouterr().err
    assert shown
    assert "hunter2" not in shown


def test_add_twice(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name is given once."""
    assert call("add", "office", *NEW, "--password-env", "A") == 0
    before = config.read_text()
    assert call("add", "office", *NEW, "--password-env", "B") == 2
    assert "already" in capsys.readouterr().err
    assert config.read_text() == before


def test_add_to_what_is_wrong_or_missing(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A configuration with problems is not made longer; one that is not there is not made."""
    config.write_text("nonsense = 1\n")
    assert call("add", "office", *NEW, "--password-env", "A") == 2
    assert f"{config}:1: nonsense" in capsys.readouterr().err
    config.write_bytes(b"# \xff\n")
    assert call("add", "office", *NEW, "--password-env", "A") == 2
    assert "UTF-8" in capsys.readouterr().err
    config.unlink()
    assert call("add", "office", *NEW, "--password-env", "A") == 2
    assert "init" in capsys.readouterr().err
    assert not config.exists()


def test_symbolic_link_stays_one(config: Path) -> None:
    """A configuration that is a link into, say, a repository of dotfiles stays a link."""
    target = config.parent / "dotfiles"
    config.rename(target)
    config.symlink_to(target.name)
    assert call("add", "office", *NEW, "--password-env", "A") == 0
    assert config.is_symlink()
    assert load(target).account("office")


def test_remove(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An account goes out as it came in, and archived mail is said to stay."""
    for name in ("office", "a@b.c"):
        assert call("add", name, *NEW, "--password-env", "A") == 0
    capsys.readouterr()
    assert call("remove", "office") == 0
    assert "stays in the archive" in capsys.readouterr().err
    assert call("remove", "a@b.c") == 0
    assert config.read_text() == START
    assert call("remove", "office") == 2
    assert "no such account" in capsys.readouterr().err


def test_list(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Accounts are listed a line each, or as JSON, without anything of the password but its kind."""
    assert call("list") == 0
    assert "no accounts yet" in capsys.readouterr().err
    assert call("add", "office", *NEW, "--password-command", "echo hunter2") == 0
    capsys.readouterr()
    assert call("list") == 0
    row = capsys.readouterr().out
    assert row.split("\t")[:3] == ["office", "me@example.com", "pop.example.com:995"]
    assert call("list", "--json") == 0
    text = capsys.readouterr().out
    listed = json.loads(text)
    assert (listed["name"], listed["port"], listed["password"]) == ("office", 995, "command")
    assert "hunter2" not in text + row


# ---- a look at a server --------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[Pop3Server]:
    """A server with one mailbox of two messages."""
    mailbox = Mailbox([b"Subject: a\r\n\r\nx\r\n", b"Subject: b\r\n\r\ny\r\n"], password="hunter2")
    with running(Pop3Server({"me": mailbox})) as server:
        yield server


def add_to_loopback(port: int) -> None:
    where = ("--host", "127.0.0.1", "--port", str(port), "--tls", "none", "--allow-insecure")
    assert call("add", "office", *where, "--user", "me", "--password-env", "OFFICE") == 0


@pytest.mark.usefixtures("config")
def test_test(
    server: Pop3Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test logs in, counts, and fetches and deletes nothing."""
    add_to_loopback(server.port)
    monkeypatch.setenv("OFFICE", "hunter2")
    assert call("test", "office") == 0
    shown = capsys.readouterr()
    assert "messages  2, 34 B" in shown.out
    assert "no TLS" in shown.out
    server.wait_idle(5)
    assert server.asked("RETR") == server.asked("DELE") == []
    assert server.asked("QUIT")


@pytest.mark.usefixtures("config")
def test_test_that_fails(
    server: Pop3Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong password, a missing one and a server that is not there are said with the account."""
    add_to_loopback(server.port)
    capsys.readouterr()
    assert call("test", "office") == 1
    assert "'OFFICE'" in capsys.readouterr().err
    monkeypatch.setenv("OFFICE", "wrong-one")
    assert call("test", "office") == 1
    shown = capsys.readouterr().err
    assert "office" in shown
    assert "wrong-one" not in shown
    assert call("test", "other") == 2
