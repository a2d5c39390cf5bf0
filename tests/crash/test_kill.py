"""kill -9 at each step of the commit order: the next pull leaves nothing lost and nothing doubled."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from poparchive.demo.mailbox import Mailbox
from poparchive.demo.server import Pop3Server, running
from poparchive.model import Fate
from tests.support.archives import damages, lasting, octets_of, rows
from tests.support.crasher import STEPS
from tests.support.product import product

MAILS = [
    b"From: anna@example.com\r\nSubject: number %d\r\n\r\n%s\r\n" % (n, b"Hello %d " % n * 60)
    for n in range(30)
]


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", sorted(STEPS))
def test_killed_at(step: str, when: str, count: int, tmp_path: Path) -> None:
    """Whatever was acknowledged is there, the rest is fetched once more, and all verifies."""
    box = Mailbox(MAILS, password="secret")
    with running(Pop3Server({"anna": box})) as server:
        account = {"host": "127.0.0.1", "port": server.port}
        made = product(tmp_path, {"anna": account}, tls="none", allow_insecure=True)
        command = [sys.executable, "-m", "tests.support.crasher", f"{when} {step}", str(count)]
        command += ["--config", str(made.config), "pull"]
        killed = subprocess.run(command, capture_output=True, timeout=240)
        assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
        assert lasting(made.archive) == []
        server.wait_idle(5)
        before = len(server.asked("RETR"))
        kept = len(_whole(made.archive))
        made.run("pull")
        server.wait_idle(5)
        again = len(server.asked("RETR")) - before
    assert sorted(octets_of(made.archive)) == sorted(MAILS)
    assert again <= len(MAILS) - kept, "what was kept was fetched again"
    ledger = rows(made.archive / "catalog.sqlite")["uidls"]
    assert [row[4] for row in ledger] == [Fate.ARCHIVED] * len(MAILS)
    assert damages(made.archive) == []
    assert made.run("search", "--count", "hello").stdout.strip() == b"30"


def _whole(archive: Path) -> list[bytes]:
    """What readers see of an archive before anything repaired it."""
    return octets_of(archive) if (archive / "catalog.sqlite").exists() else []
