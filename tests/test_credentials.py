"""Passwords: fetched from each kind of place, and never shown by anything."""

import os
import pickle
import subprocess
import sys
import types
from pathlib import Path

import pytest

from poparchive import credentials
from poparchive.config import PasswordRef
from poparchive.config.values import PASSWORD_KINDS
from poparchive.credentials import CredentialError, Secret, fetch


def get(kind: str, value: str, **more: float) -> str:
    return fetch(PasswordRef(kind, value), account="office", **more).reveal()


def failure(kind: str, value: str, **more: float) -> str:
    """The error's text, which must name the account and never hold the password."""
    with pytest.raises(CredentialError) as caught:
        get(kind, value, **more)
    text = str(caught.value)
    assert "office" in text
    assert "hunter2" not in text
    # Nor may anything that a traceback would print along with it.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    return text


def test_secret_shows_itself_only_when_asked() -> None:
    """Neither repr, str, formatting nor pickling gives the password away."""
    secret = Secret("hunter2")
    assert secret.reveal() == "hunter2"
    for text in (repr(secret), str(secret), f"{secret}", f"{[secret]}"):
        assert "hunter2" not in text
    assert not hasattr(secret, "__dict__")
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_every_kind_of_the_configuration_is_known() -> None:
    """What the configuration takes as a reference, can be fetched."""
    assert set(PASSWORD_KINDS) == {"command", *credentials._READERS}


@pytest.mark.parametrize(
    ("output", "password"),
    [
        ("hunter2\n", "hunter2"), ("hunter2", "hunter2"), ("hunter2\r\n", "hunter2"),
        ("hunter2\nuser: me\n", "hunter2"), (" a b \n", " a b "), ("zażółć\n", "zażółć"),
    ],
)  # fmt: skip
def test_first_line_counts(tmp_path: Path, output: str, password: str) -> None:
    """The first line without its end is the password, wherever it comes from."""
    path = tmp_path / "secret"
    path.touch(0o600)
    path.write_bytes(output.encode())
    assert get("file", str(path)) == password
    assert get("command", f"cat '{path}'") == password


def test_command_runs_without_a_shell(tmp_path: Path) -> None:
    """Quotes group words; nothing else of a shell is done."""
    script = "import sys; print(sys.argv[1:])"
    assert get("command", f"{sys.executable} -c '{script}' '$HOME; a' \\* >x") == (
        "['$HOME; a', '*', '>x']"
    )


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("sh -c 'echo hunter2; exit 3'", "exit code 3"),
        ("sh -c 'echo hunter2 >&2; exit 1'", "exit code 1"),
        ("sh -c 'kill -9 $$' hunter2", "signal 9"),
        ("/nonexistent/program hunter2", "cannot be started"),
        ("echo 'hunter2", "quotes"),
        ("true", "empty"),
        ("printf '\\nhunter2'", "empty"),
        ("printf 'hunter2\\0'", "NUL"),
        ("printf 'hunter2\\377'", "UTF-8"),
    ],
)
def test_commands_that_fail(command: str, reason: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The reason is said; the command's output, arguments and messages are not."""
    assert reason in failure("command", command)
    shown = capfd.readouterr()
    assert shown.out + shown.err == ""


def test_command_that_hangs() -> None:
    """A command that does not end is killed, even when a child of it keeps the pipe open."""
    assert "did not end" in failure("command", "sh -c 'sleep 3 & sleep 3'", command_timeout_s=0.1)


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o601])
def test_file_for_everyone_is_refused(tmp_path: Path, mode: int) -> None:
    """A password that everybody can read is refused, with what to do."""
    path = tmp_path / "secret"
    path.write_text("hunter2\n")
    path.chmod(mode)
    assert f"chmod 600 {path}" in failure("file", str(path))
    path.chmod(0o640)
    assert get("file", str(path)) == "hunter2"


def test_files_that_are_none(tmp_path: Path) -> None:
    """Nothing but a file is read, and a pipe does not hold the program up."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "not a file" in failure("file", str(tmp_path / "pipe"))
    assert "not a file" in failure("file", str(tmp_path))
    assert "No such file" in failure("file", str(tmp_path / "none"))
    assert "cannot be read" in failure("file", "a\0b")


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable is read when it is asked for, and its absence is named."""
    monkeypatch.setenv("OFFICE_PASSWORD", "hunter2")
    assert get("env", "OFFICE_PASSWORD") == "hunter2"
    monkeypatch.delenv("OFFICE_PASSWORD")
    assert "'OFFICE_PASSWORD'" in failure("env", "OFFICE_PASSWORD")


def test_systemd_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A credential is found by its name, alone or as a unit that loads a directory names it."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert "LoadCredential" in failure("credential", "office")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert "no such credential" in failure("credential", "office")
    (tmp_path / "account_office").write_text("hunter2\n")
    assert get("credential", "office") == "hunter2"
    (tmp_path / "office").write_text("other\n")
    assert get("credential", "office") == "other"
    for name in ("../office", "/etc/passwd", "..", "."):
        assert "slash" in failure("credential", name)


def test_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keyring is asked for the service and the account; a missing entry says how to make it."""
    entries = {("poparchive", "office"): "hunter2"}

    class KeyringError(Exception):
        pass

    def get_password(service: str, user: str) -> str | None:
        if service == "locked":
            raise KeyringError("hunter2")
        return entries.get((service, user))

    # A stand-in for the package, because a real keyring needs a desktop's session.
    errors = types.ModuleType("keyring.errors")
    errors.KeyringError = KeyringError  # type: ignore[attr-defined] # a module made on the spot
    package = types.ModuleType("keyring")
    package.get_password = get_password  # type: ignore[attr-defined] # likewise
    package.errors = errors  # type: ignore[attr-defined] # likewise
    monkeypatch.setitem(sys.modules, "keyring", package)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    assert get("keyring", "poparchive") == "hunter2"
    assert "keyring set mail office" in failure("keyring", "mail")
    assert "KeyringError" in failure("keyring", "locked")


def test_keyring_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the optional package the message says what to install."""
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert "poparchive[keyring]" in failure("keyring", "poparchive")


def test_importing_is_cheap() -> None:
    """The optional package is imported only for a keyring reference."""
    code = "import sys, poparchive.credentials; sys.exit('keyring' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
