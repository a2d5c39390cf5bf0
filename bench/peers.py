"""The programs that poparchive is measured against, each as its users would set it up.

Each works in a directory that a bench gives it and that holds its configuration, its state and what
it keeps; it never sees the user's own. Those that pull are ``Puller`` as poparchive itself is.
"""

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Protocol

from bench.measure import BenchError, Command, Skipped, text_of
from bench.servers import Endpoint, unprivileged

RAW_WINDOW = 1000
SIDE_BY_SIDE = 10
"""How many mpop processes share the accounts where it is said to run side by side."""


class Puller(Protocol):
    """A program that takes mail off POP3 accounts and leaves it on the server."""

    name: str

    def check(self, place: Path) -> None:
        """Raise ``Skipped`` where it cannot run."""

    def prepare(self, place: Path, endpoint: Endpoint) -> Command:
        """Set it up in an empty directory; the command pulls once, and again what is new."""

    def kept(self, place: Path) -> int | None:
        """How many messages it keeps there; None if it keeps none on purpose."""


def need(program: str, package: str) -> None:
    if not shutil.which(program):
        raise Skipped(f"{package} is missing")


def private(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def make_maildirs(place: Path, endpoint: Endpoint) -> Path:
    root = place / "mail"
    for user in endpoint.users:
        for name in ("cur", "new", "tmp"):
            (root / user / name).mkdir(parents=True)
    return root


def count_maildirs(place: Path) -> int:
    """Messages in all ``mail/USER/{cur,new}``."""
    return sum(
        len(os.listdir(maildir / name))  # noqa: PTH208 (counted, not looked at)
        for maildir in (place / "mail").iterdir()
        for name in ("cur", "new")
    )


def hand_over(place: Path) -> str:
    """Give the directory to the user that does what a program refuses to do as root; its name."""
    user = unprivileged()
    if os.geteuid() == 0:
        for path in (place, *place.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)
    return user.pw_name


def check_reach(place: Path, program: str) -> None:
    user = unprivileged().pw_name
    try:
        text_of(Command(["test", "-x", place], user=user))
    except BenchError:
        raise Skipped(f"{program} does not run as root, and {user} cannot reach {place}") from None


class RawReader:
    """A deep pipeline that throws the data away: the server's limit."""

    name = "raw reader"

    def check(self, place: Path) -> None:
        """It is ours."""

    def prepare(self, place: Path, endpoint: Endpoint) -> Command:
        logins = "".join(f"{user} {endpoint.password}\n" for user in endpoint.users)
        accounts = private(place / "accounts", logins)
        script = Path(__file__).with_name("rawpop.py")
        to = [endpoint.host, str(endpoint.port)]
        depth = [str(RAW_WINDOW), str(len(endpoint.users))]
        return Command([sys.executable, "-I", script, *to, accounts, *depth])

    def kept(self, place: Path) -> int | None:
        return None


class Mpop:
    """mpop into a Maildir: a pipeline of 100 commands, one fsync a message."""

    def __init__(self, *, side_by_side: int = 1) -> None:
        self._side_by_side = side_by_side
        self.name = "mpop" if side_by_side == 1 else f"mpop, {side_by_side} side by side"

    def check(self, place: Path) -> None:
        need("mpop", "mpop")

    def prepare(self, place: Path, endpoint: Endpoint) -> Command:
        root = make_maildirs(place, endpoint)
        (place / "uidls").mkdir()
        lines = [
            "defaults",
            f"host {endpoint.host}",
            f"port {endpoint.port}",
            "tls off",
            "auth user",
            "keep on",
            f"uidls_file {place}/uidls/%U",
        ]
        for user in endpoint.users:
            lines += [
                f"account {user}",
                f"user {user}",
                f"password {endpoint.password}",
                f"delivery maildir {root}/{user}",
            ]
        configuration = private(place / "mpoprc", "\n".join(lines) + "\n")
        mpop = ["mpop", "-C", str(configuration), "-Q"]
        env = {"HOME": str(place)}
        if self._side_by_side == 1:
            return Command([*mpop, "-a"], env=env)
        users = private(place / "users", "\n".join(endpoint.users) + "\n")
        shares = ["xargs", "-a", str(users), "-P", str(self._side_by_side), "-n", "1"]
        return Command([*shares, *mpop], env=env)

    def kept(self, place: Path) -> int | None:
        return count_maildirs(place)


class Fdm:
    """fdm into a Maildir: one round trip a message, many accounts at a time."""

    name = "fdm"

    # fdm keeps a process for each message in its queues: many accounts with much mail take all the
    # memory there is. All at a time is for accounts with little that is new.
    ACCOUNTS_AT_A_TIME = 50

    def check(self, place: Path) -> None:
        need("fdm", "fdm")
        check_reach(place, self.name)

    def prepare(self, place: Path, endpoint: Endpoint) -> Command:
        root = make_maildirs(place, endpoint)
        lines = [
            "set maximum-size 1G",
            f'set lock-file "{place}/lock"',
            f"set parallel-accounts {self.ACCOUNTS_AT_A_TIME}",
        ]
        for user in endpoint.users:
            login = f'port {endpoint.port} user "{user}" pass "{endpoint.password}"'
            lines += [
                f'account "{user}" pop3 server "{endpoint.host}" {login} '
                f'new-only cache "{place}/cache-{user}" keep',
                f'action "{user}" maildir "{root}/{user}"',
                f'match account "{user}" action "{user}"',
            ]
        configuration = private(place / "fdm.conf", "\n".join(lines) + "\n")
        user = hand_over(place)
        argv = ["fdm", "-f", str(configuration), "-q", "fetch"]
        return Command(argv, env={"HOME": str(place)}, user=user)

    def kept(self, place: Path) -> int | None:
        return count_maildirs(place)


GETMAIL = """
import os, runpy, sys
from getmailcore.baseclasses import ForkingBase
def wait(self, child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
ForkingBase._prepare_child, ForkingBase._wait_for_child = lambda self: None, wait
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Starts getmail6 with a mend. For every destination it forks once a message, and only then says that it
wants to hear of the child's end (``getmailcore/baseclasses.py``, ``forkchild``). Of a child that ends sooner
it never hears: when its time limit is over it gives up the mailbox, which thousands of messages hardly
escape. Waiting for the child by its number is right and no slower."""


class Getmail:
    """getmail6 into a Maildir: one round trip a message, several syncs and forks each."""

    name = "getmail6"

    def check(self, place: Path) -> None:
        need("getmail", "getmail6")
        check_reach(place, self.name)

    def prepare(self, place: Path, endpoint: Endpoint) -> Command:
        root = make_maildirs(place, endpoint)
        getmail = shutil.which("getmail")
        assert getmail
        with Path(getmail).open() as script:
            python = script.readline().removeprefix("#!").split()
        argv = [*python, "-c", GETMAIL, getmail, "--getmaildir", str(place), "--quiet"]
        for user in endpoint.users:
            lines = [
                "[retriever]",
                "type = SimplePOP3Retriever",
                f"server = {endpoint.host}",
                f"port = {endpoint.port}",
                f"username = {user}",
                f"password = {endpoint.password}",
                "[destination]",
                "type = Maildir",
                f"path = {root}/{user}/",
                "[options]",
                "delete = false",
                "read_all = false",
                "verbose = 0",
            ]
            private(place / user, "\n".join(lines) + "\n")
            argv += ["--rcfile", user]
        env = {"HOME": str(place), "GETMAIL_NO_KEYRING": "1"}
        return Command(argv, env=env, user=hand_over(place))

    def kept(self, place: Path) -> int | None:
        return count_maildirs(place)


class Fetchmail:
    """fetchmail with safecat into a Maildir: two round trips and two programs a message."""

    name = "fetchmail"

    def check(self, place: Path) -> None:
        need("fetchmail", "fetchmail")
        need("safecat", "safecat")
        check_reach(place, self.name)

    def prepare(self, place: Path, endpoint: Endpoint) -> Command:
        root = make_maildirs(place, endpoint)
        lines = [f'set idfile "{place}/ids"', f'set pidfile "{place}/pid"']
        for user in endpoint.users:
            lines += [
                f'poll "{user}" via {endpoint.host} protocol pop3 service {endpoint.port} uidl',
                f'  username "{user}" password "{endpoint.password}" keep sslproto "" no rewrite',
                f'  mda "safecat {root}/{user}/tmp {root}/{user}/new"',
            ]
        configuration = private(place / "fetchmailrc", "\n".join(lines) + "\n")
        configuration.chmod(0o600)
        argv = ["fetchmail", "-f", str(configuration), "--silent"]
        # It ends with 1 when there is no mail.
        env = {"HOME": str(place)}
        return Command(argv, env=env, user=hand_over(place), accepted=(0, 1))

    def kept(self, place: Path) -> int | None:
        return count_maildirs(place)


class Notmuch:
    """notmuch's index, beside the mail instead of in it."""

    name = "notmuch"

    def check(self) -> None:
        need("notmuch", "notmuch")

    def _env(self, place: Path) -> dict[str, str]:
        return {"NOTMUCH_CONFIG": str(place / "config"), "HOME": str(place)}

    def index(self, mail: Path, place: Path) -> Command:
        lines = [
            "[database]",
            f"path={place}",
            f"mail_root={mail}",
            "[user]",
            "name=Bench",
            "primary_email=bench@example.org",
            "[new]",
            "tags=new",
            "[maildir]",
            "synchronize_flags=false",
        ]
        private(place / "config", "\n".join(lines) + "\n")
        return Command(["notmuch", "new", "--quiet"], env=self._env(place))

    def search(self, place: Path, word: str, limit: int) -> Command:
        argv = ["notmuch", "search", f"--limit={limit}", "--sort=newest-first", word]
        return Command(argv, env=self._env(place))

    def indexed(self, place: Path) -> int:
        count = ["notmuch", "count", "--output=files", "*"]
        return int(text_of(Command(count, env=self._env(place))))


class Mu:
    """mu's index."""

    name = "mu"

    def check(self) -> None:
        need("mu", "mu (Debian: maildir-utils)")

    def index(self, mail: Path, place: Path) -> Command:
        env = {"HOME": str(place)}
        text_of(Command(["mu", "init", f"--muhome={place}/mu", f"--maildir={mail}"], env=env))
        return Command(["mu", "index", f"--muhome={place}/mu", "--quiet"], env=env)

    def search(self, place: Path, word: str, limit: int) -> Command:
        order = ["--sortfield=date", "--reverse", f"--maxnum={limit}"]
        argv = ["mu", "find", f"--muhome={place}/mu", *order, word]
        # It ends with 4 where nothing was found (2 in later versions).
        return Command(argv, env={"HOME": str(place)}, accepted=(0, 2, 4))


class Borg:
    """borg's repository of the messages' files, as compressed as the figures in question."""

    name = "borg create, zstd,12"

    def check(self) -> None:
        need("borg", "borgbackup")

    def create(self, source: Path, place: Path) -> Command:
        env = {
            "BORG_REPO": str(place / "repository"),
            "BORG_BASE_DIR": str(place),
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        }
        text_of(Command(["borg", "init", "--encryption=none"], env=env))
        argv = ["borg", "create", "--compression", "zstd,12", "::mail", "."]
        return Command(argv, env=env, cwd=source)


class Restic:
    """restic's repository of the messages' files at its highest compression."""

    name = "restic backup, compression max"

    def check(self) -> None:
        need("restic", "restic")

    def create(self, source: Path, place: Path) -> Command:
        env = {
            "RESTIC_REPOSITORY": str(place / "repository"),
            "RESTIC_PASSWORD": "bench",
            "HOME": str(place),
        }
        text_of(Command(["restic", "init"], env=env))
        argv = ["restic", "backup", "--compression", "max", "--no-cache", "--quiet", "."]
        return Command(argv, env=env, cwd=source)


VERSION_COMMANDS = {
    "mpop": ["mpop", "--version"],
    "getmail6": ["getmail", "--version"],
    "fetchmail": ["fetchmail", "--version"],
    "notmuch": ["notmuch", "--version"],
    "mu": ["mu", "--version"],
    "borg": ["borg", "--version"],
    "restic": ["restic", "version"],
}


def versions() -> dict[str, str]:
    """The peers that are here, with their versions; fdm does not say its own."""
    found = {}
    for name, argv in VERSION_COMMANDS.items():
        if shutil.which(argv[0]):
            match = re.search(r"\d+\.\d[\w.]*", text_of(Command(argv)))
            found[name] = match[0] if match else "unknown"
    if shutil.which("fdm"):
        found["fdm"] = "installed"
    return found
