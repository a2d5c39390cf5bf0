"""The systemd units: systemd accepts them, and they say what the documentation says."""

import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from poparchive.credentials import SYSTEMD_PREFIX
from poparchive.errors import TryLaterError, UsageError

ROOT = Path(__file__).parent.parent
UNITS = ROOT / "systemd"
SERVICES = ["poparchive.service", "poparchive-pull.service"]
NAMES = [*SERVICES, "poparchive-pull.timer"]

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="systemd-analyze is missing (Debian: systemd)",
)


def settings(name: str) -> dict[str, list[str]]:
    """All settings of a unit; each may stand several times."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in (UNITS / name).read_text(encoding="utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found[key].append(value)
    return found


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units in a directory, their program replaced by one that there is everywhere."""
    for name in NAMES:
        text = (UNITS / name).read_text(encoding="utf-8")
        program = shutil.which("true") or "/bin/true"
        (tmp_path / name).write_text(re.sub(r"(?m)^(ExecStart=)\S+", rf"\g<1>{program}", text))
    return tmp_path


@needs_systemd
def test_systemd_accepts_them(installed: Path) -> None:
    """``systemd-analyze verify`` has nothing to say about any of them."""
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(installed / name) for name in NAMES)],
        capture_output=True,
        text=True,
        check=False,
    )
    # It reads units of the machine along with ours, and may complain about those.
    assert "poparchive" not in done.stdout + done.stderr
    assert done.returncode == 0, done.stderr


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_services_are_locked_down(installed: Path, name: str) -> None:
    """systemd's own measure of what a service could do to the machine stays low."""
    # The threshold is in tenths: 2.0 of 10.
    options = ["--offline=yes", "--no-pager", "--threshold=20"]
    done = subprocess.run(
        ["systemd-analyze", "security", *options, str(installed / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unrecognized option" in done.stderr:
        pytest.skip("systemd-analyze security --offline needs systemd 250")
    assert done.returncode == 0, done.stdout[-500:] + done.stderr


@pytest.mark.parametrize(("name", "command"), [(SERVICES[0], "run"), (SERVICES[1], "pull")])
def test_what_they_start(name: str, command: str) -> None:
    """Each starts its command, with the system's configuration and the log for machines."""
    (start,) = settings(name)["ExecStart"]
    assert start.split()[1:] == [
        "--config",
        "/etc/poparchive/config.toml",
        "--log-format",
        "json",
        command,
    ]


@pytest.mark.parametrize("name", SERVICES)
def test_user_state_and_passwords(name: str) -> None:
    """Both run as a user of their own, keep the archive in its place and get their passwords."""
    unit = settings(name)
    assert unit["User"] == ["poparchive"]
    assert unit["StateDirectory"] == ["poparchive"]
    # credentials.py looks for a name behind the prefix that systemd makes of this.
    assert unit["LoadCredential"] == ["account:/etc/poparchive/credentials"]
    assert SYSTEMD_PREFIX == "account_"
    assert "DynamicUser" not in unit


def test_both_services_are_locked_down_alike() -> None:
    """They differ in how they start, end and are started again, and in nothing else."""
    daemon, pull = map(settings, SERVICES)
    may_differ = {"Description", "Type", "ExecStart", "Restart", "RestartSec", "WantedBy"}
    may_differ |= {"RestartPreventExitStatus", "SuccessExitStatus", "TimeoutStartSec"}
    for unit in (daemon, pull):
        for key in may_differ:
            unit.pop(key, None)
    assert daemon == pull


def test_exit_codes() -> None:
    """The units know what the program's exit codes mean."""
    daemon, pull = map(settings, SERVICES)
    assert daemon["RestartPreventExitStatus"] == [str(UsageError.exit_code)]
    assert daemon["Restart"] == ["on-failure"]
    assert pull["SuccessExitStatus"] == [str(TryLaterError.exit_code)]
    assert "Restart" not in pull


def test_the_user_is_made() -> None:
    """The user of the units is the one that the sysusers snippet makes."""
    text = (UNITS / "poparchive.sysusers").read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert line.split()[:2] == ["u", "poparchive"]


def test_the_page_names_the_units() -> None:
    """Everything in the directory of units is on the page about operations."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert f"`{name}`" in page
    assert "systemd/poparchive.sysusers" in page
    assert {path.name for path in UNITS.iterdir()} == {*NAMES, "poparchive.sysusers"}
