"""``poparchive init``: what it makes, and that it never overwrites anything."""

import stat
from pathlib import Path

import pytest

from poparchive.cli import output
from poparchive.cli.init import TEMPLATE
from poparchive.cli.main import main
from poparchive.config import load, parse


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A home of its own for each test."""
    monkeypatch.delenv("POPARCHIVE_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    output.set_verbosity(0)


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_makes_archive_and_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both are made, the configuration names the archive, and only the owner may read it."""
    archive = tmp_path / 'an "archive"'
    assert call("init", str(archive)) == 0
    config = tmp_path / "config" / "poparchive" / "config.toml"
    assert load(config).archive == archive
    assert load(config).accounts == ()
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert (archive / "archive.toml").is_file()
    shown = capsys.readouterr()
    assert str(config) in shown.err
    assert "poparchive account add" in shown.err
    assert shown.out == ""


def test_without_a_name_both_are_in_the_home(tmp_path: Path) -> None:
    """A user who names nothing gets the usual places."""
    assert call("init") == 0
    config = tmp_path / "config" / "poparchive" / "config.toml"
    assert load(config).archive == tmp_path / "data" / "poparchive"
    assert (tmp_path / "data" / "poparchive" / "archive.toml").is_file()


def test_named_places(tmp_path: Path) -> None:
    """--config and --archive say where, and directories above the configuration are made."""
    config, archive = tmp_path / "etc" / "x" / "c.toml", tmp_path / "archive"
    assert call("--config", str(config), "--archive", str(archive), "init") == 0
    assert load(config).archive == archive


def test_again_keeps_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second init changes nothing and says so."""
    assert call("init", str(tmp_path / "a")) == 0
    config = tmp_path / "config" / "poparchive" / "config.toml"
    config.write_text(config.read_text() + "# mine\n")
    before = config.read_text(), (tmp_path / "a" / "archive.toml").read_bytes()
    capsys.readouterr()
    assert call("init", str(tmp_path / "a")) == 0
    assert capsys.readouterr().err.count("kept") == 2
    assert (config.read_text(), (tmp_path / "a" / "archive.toml").read_bytes()) == before


def test_another_archive_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A configuration that names another archive stays, and no archive is made."""
    assert call("init", str(tmp_path / "a")) == 0
    assert call("init", str(tmp_path / "b")) == 2
    assert "names the archive" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_configuration_for_an_archive_that_is_there(tmp_path: Path) -> None:
    """An archive that came back from a backup gets a configuration and stays as it is."""
    assert call("init", str(tmp_path / "a")) == 0
    (tmp_path / "config" / "poparchive" / "config.toml").unlink()
    before = (tmp_path / "a" / "archive.toml").read_bytes()
    assert call("init", str(tmp_path / "a")) == 0
    assert (tmp_path / "a" / "archive.toml").read_bytes() == before


def test_directory_with_other_things(tmp_path: Path) -> None:
    """An archive is not made among files of something else, and no configuration is left behind."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "diary.txt").write_text("mine")
    assert call("init", str(tmp_path / "a")) == 1
    assert not (tmp_path / "config").exists()


def test_directory_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is in the way is named."""
    (tmp_path / "file").write_text("")
    assert call("--config", str(tmp_path / "file" / "c.toml"), "init", str(tmp_path / "a")) == 1
    assert f"{tmp_path / 'file'}: cannot be written" in capsys.readouterr().err


def test_comments_of_the_template_are_true() -> None:
    """Every key that the template shows commented out is one, with a good value."""
    text = TEMPLATE.format(archive='"/a"')
    live = [
        line.removeprefix("# ") if "=" in line or line.startswith("# [") else line
        for line in text.splitlines()
    ]
    config = parse("\n".join(live), Path("/c.toml"))
    assert [account.name for account in config.accounts] == ["office"]
