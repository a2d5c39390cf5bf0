"""The daemon: pulls at once and on schedule, one pull at a time, and stops cleanly."""

import contextlib
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from poparchive.config import Cron, parse
from poparchive.demo.behaviour import Behaviour, Gate
from poparchive.demo.mailbox import Mailbox
from poparchive.demo.server import Pop3Server, running
from poparchive.schedule import Schedule, Task
from poparchive.store import layout
from poparchive.store.fsio import BRIEFLY_S, Lock
from tests.support.archives import damages, octets_of
from tests.support.product import product
from tests.support.threads import signal_other_thread


def test_accounts_are_pulled_when_due() -> None:
    """What is given first is pulled at once, the rest when its time comes, and stop ends it."""
    pulled: list[list[str]] = []
    schedule: Schedule

    def pull(names: list[str]) -> None:
        pulled.append(names)
        if len(pulled) == 3:
            schedule.stop()

    schedule = Schedule([Task("often", every_s=1), Task("never", every_s=100_000)], pull)
    schedule.run(["often", "never"])
    assert pulled[0] == ["never", "often"]
    assert pulled[1:] == [["often"], ["often"]]


def test_stop_before_the_first_pull() -> None:
    """A stop that comes early is not forgotten."""
    schedule: Schedule

    def pull(names: list[str]) -> None:
        schedule.stop()

    schedule = Schedule([Task("one", every_s=100_000)], pull)
    worker = threading.Thread(target=schedule.run, args=(["one"],))
    worker.start()
    worker.join(10)
    assert not worker.is_alive()


def test_cron_lines_become_triggers(tmp_path: Path) -> None:
    """A cron line of the configuration is one that the scheduler takes, Sundays as crontab has them."""
    text = (
        'archive = "a"\n[accounts.x]\nhost = "h"\nuser = "u"\npassword = { env = "P" }\n'
        'schedule = "cron 30 4 * * 0"\n'
    )
    (account,) = parse(text, tmp_path / "config.toml").accounts
    assert isinstance(account.schedule, Cron)
    schedule = Schedule([Task("x", cron=account.schedule.fields())], lambda names: None)
    (job,) = schedule.jobs()
    assert "day_of_week='sun'" in str(job.trigger)


def test_the_daemon_stops_on_sigterm_and_loses_nothing(tmp_path: Path) -> None:
    """SIGTERM in the middle of a pull ends the process soon, with code 0; the next pull goes on."""
    mails = [b"Subject: %d\r\n\r\nHello\r\n" % n for n in range(10)]
    gate = Gate()
    behaviours = [Behaviour(gates={"RETR 6": gate}), Behaviour()]
    box = Mailbox(mails, password="secret")
    with running(Pop3Server({"anna": box}, behaviour=behaviours)) as server:
        account = {"host": "127.0.0.1", "port": server.port, "schedule": "every 1h"}
        made = product(tmp_path, {"anna": account}, tls="none", allow_insecure=True)
        daemon = subprocess.Popen(made.command("run"), stderr=subprocess.PIPE)
        gate.wait_reached(60)
        daemon.send_signal(signal.SIGTERM)
        _, said = daemon.communicate(timeout=90)
        assert daemon.returncode == 0, said.decode()
        gate.open()
        assert damages(made.archive) == []
        made.run("pull")
    assert sorted(octets_of(made.archive)) == sorted(mails)


def _wait_open(process: "subprocess.Popen[bytes]", path: Path) -> None:
    """Return when a process has a file open."""
    while process.poll() is None:
        for link in Path(f"/proc/{process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if link.readlink() == path:
                    return
        os.sched_yield()


def test_the_daemon_stops_while_it_waits_for_the_archive(tmp_path: Path) -> None:
    """SIGTERM ends it though an optimize, which said that it is brief, never lets go of the lock."""
    account: dict[str, object] = {"host": "127.0.0.1", "port": 1, "schedule": "every 1h"}
    made = product(tmp_path, {"anna": account}, tls="none", allow_insecure=True)
    with Lock(layout.open_layout(made.archive).lock, briefly=True):
        daemon = subprocess.Popen(made.command("run"), stderr=subprocess.PIPE)
        assert daemon.stderr
        assert b"started" in daemon.stderr.readline()
        _wait_open(daemon, made.archive / "lock")
        daemon.send_signal(signal.SIGTERM)
        _, said = daemon.communicate(timeout=BRIEFLY_S / 2)
    assert daemon.returncode == 0, said.decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_pull_that_is_interrupted_keeps_what_came(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C exits with 130; what came until then is kept and not fetched again."""
    mails = [b"Subject: %d\r\n\r\nHello\r\n" % n for n in range(10)]
    gate = Gate()
    behaviours = [Behaviour(gates={"RETR 6": gate}), Behaviour()]
    box = Mailbox(mails, password="secret")
    with running(Pop3Server({"anna": box}, behaviour=behaviours)) as server:
        account = {"host": "127.0.0.1", "port": server.port}
        made = product(tmp_path, {"anna": account}, tls="none", allow_insecure=True)
        pull = subprocess.Popen(made.command("pull"), stderr=subprocess.PIPE)
        gate.wait_reached(60)
        pull.send_signal(number)
        _, said = pull.communicate(timeout=90)
        assert pull.returncode == 130, said.decode()
        gate.open()
        made.run("pull")
    assert sorted(octets_of(made.archive)) == sorted(mails)
    assert damages(made.archive) == []


def test_a_signal_that_another_thread_gets_ends_a_waiting_daemon(tmp_path: Path) -> None:
    """The main thread waits for the next pull and is not interrupted; the daemon ends all the same."""
    box = Mailbox([b"Subject: one\r\n\r\nHello\r\n"], password="secret")
    with running(Pop3Server({"anna": box})) as server:
        account = {"host": "127.0.0.1", "port": server.port, "schedule": "every 1h"}
        made = product(tmp_path, {"anna": account}, tls="none", allow_insecure=True)
        daemon = subprocess.Popen(made.command("run"), stderr=subprocess.PIPE)
        assert daemon.stderr
        assert any(b"pull" in line for line in daemon.stderr)
        signal_other_thread(daemon.pid, signal.SIGTERM)
        _, said = daemon.communicate(timeout=60)
        assert daemon.returncode == 0, said.decode()


def test_a_signal_that_another_thread_gets_ends_a_waiting_pull(tmp_path: Path) -> None:
    """The event loop waits for the server and is not interrupted; the pull ends all the same."""
    gate = Gate()
    box = Mailbox([b"Subject: one\r\n\r\nHello\r\n"], password="secret")
    with running(Pop3Server({"anna": box}, behaviour=[Behaviour(gates={"RETR": gate})])) as server:
        account = {"host": "127.0.0.1", "port": server.port}
        made = product(tmp_path, {"anna": account}, tls="none", allow_insecure=True)
        pull = subprocess.Popen(made.command("pull"), stderr=subprocess.PIPE)
        gate.wait_reached(60)
        signal_other_thread(pull.pid, signal.SIGINT)
        _, said = pull.communicate(timeout=60)
        assert pull.returncode == 130, said.decode()
        gate.open()


def test_the_daemon_goes_on_when_the_archive_cannot_be_opened(tmp_path: Path) -> None:
    """It says so, and waits for the next pull: somebody may make room or mend the disk meanwhile."""
    box = Mailbox([b"Subject: one\r\n\r\nHello\r\n"], password="secret")
    with running(Pop3Server({"anna": box})) as server:
        account = {"host": "127.0.0.1", "port": server.port, "schedule": "every 1h"}
        made = product(tmp_path, {"anna": account}, tls="none", allow_insecure=True)
        (made.archive / "catalog.sqlite").write_bytes(b"no database at all" * 300)
        daemon = subprocess.Popen(made.command("run"), stderr=subprocess.PIPE)
        assert daemon.stderr
        assert any(b"pull failed" in line for line in daemon.stderr)
        daemon.send_signal(signal.SIGTERM)
        _, said = daemon.communicate(timeout=60)
        assert daemon.returncode == 0, said.decode()


def test_what_is_held_runs_when_the_time_has_come_and_not_before() -> None:
    """A task on hold is left out of its own times, and runs at the end of the hold."""
    pulled: list[list[str]] = []
    schedule: Schedule

    def pull(names: list[str]) -> None:
        pulled.append(names)
        if len(pulled) == 1:
            schedule.hold("held", 2)
        if any("held" in each for each in pulled[1:]) or len(pulled) > 20:
            schedule.stop()

    schedule = Schedule([Task("often", every_s=1), Task("held", every_s=1)], pull)
    schedule.run(["often", "held"])
    assert pulled[0] == ["held", "often"]
    assert pulled[1] == ["often"]
    assert "held" in pulled[-1]
