"""Seven real POP3 servers on loopback, by the scripts beside the project (``../shared/servers``).

Each runs in a scratch directory of its own, any number side by side, with users and mail added at
any time. Debian's packages conflict with one another, so that most of them run unpacked below a
cache directory outside of the tree (``tests/interop/install.sh``). Root is needed: every server
gets a mount namespace in which it finds the paths that are built into it.
"""

import contextlib
import os
import poplib
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.support.certificate import certificate_missing, make_certificate

HOST = "127.0.0.1"
SCRIPTS = Path(__file__).resolve().parents[3] / "shared" / "servers"
INSTALLER = "tests/interop/install.sh"
STARTS = 4
"""A free port may be taken by somebody else before the server has it; then others are tried."""

NONE, STARTTLS, IMPLICIT = "none", "starttls", "implicit"


@dataclass(frozen=True, slots=True)
class Kind:
    """A server and how its mail is kept."""

    name: str
    package: str
    """Debian's, whose version is told."""
    script: str
    program: str
    """Where it is, in the system or in the unpacked package."""
    unpacked: str = ""
    """Its directory below the cache; empty if it is installed."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What the script takes from the environment."""
    backend: str = ""
    """A proxy's: the name of the kind behind it."""
    tls: tuple[str, ...] = (NONE, STARTTLS, IMPLICIT)
    twin: str = ""
    """The name of another kind that is the same server with other settings."""

    @property
    def root(self) -> Path:
        return cache_directory() / self.unpacked if self.unpacked else Path("/")


_MBOX, _MAILDIR = {"MBOX": "mbox"}, {"MBOX": "maildir"}

KINDS = {
    kind.name: kind
    for kind in (
        Kind("dovecot", "dovecot-pop3d", "dovecot.sh", "usr/lib/dovecot/pop3"),
        Kind(
            "dovecot (locking)",
            "dovecot-pop3d",
            "dovecot.sh",
            "usr/lib/dovecot/pop3",
            settings={"LOCK_SESSION": "yes"},
            twin="dovecot",
        ),
        Kind(
            "courier",
            "courier-pop",
            "courier.sh",
            "usr/lib/courier/courier/courierpop3d",
            unpacked="courier",
        ),
        Kind("cyrus", "cyrus-pop3d", "cyrus.sh", "usr/lib/cyrus/bin/pop3d", unpacked="cyrus"),
        Kind(
            "mailutils (mbox)",
            "mailutils-pop3d",
            "mailutils.sh",
            "usr/sbin/pop3d",
            settings=_MBOX,
        ),
        Kind(
            "mailutils (Maildir)",
            "mailutils-pop3d",
            "mailutils.sh",
            "usr/sbin/pop3d",
            settings=_MAILDIR,
            twin="mailutils (mbox)",
        ),
        # These two have no TLS; another program ends it in front of them.
        Kind(
            "popa3d",
            "popa3d",
            "popa3d.sh",
            "usr/sbin/popa3d",
            unpacked="popa3d",
            tls=(NONE, IMPLICIT),
        ),
        Kind(
            "solid-pop3d (mbox)",
            "solid-pop3d",
            "solid.sh",
            "usr/sbin/solid-pop3d",
            unpacked="solid",
            settings=_MBOX,
            tls=(NONE, IMPLICIT),
        ),
        Kind(
            "solid-pop3d (Maildir)",
            "solid-pop3d",
            "solid.sh",
            "usr/sbin/solid-pop3d",
            unpacked="solid",
            settings=_MAILDIR,
            tls=(NONE, IMPLICIT),
            twin="solid-pop3d (mbox)",
        ),
        Kind(
            "perdition",
            "perdition",
            "perdition.sh",
            "usr/sbin/perdition",
            backend="dovecot",
        ),
    )
}


class Server:
    """A running server. ``port`` speaks plain and STLS, ``tls_port`` TLS from the start."""

    host = HOST

    def __init__(self, kind: Kind, directory: Path, backend: "Server | None") -> None:
        self.kind = kind
        self.port = 0
        self.tls_port = 0
        self.ca_file = directory / "cert.pem"
        self._directory = directory
        self._backend = backend

    def add_user(self, user: str, password: str = "secret") -> None:
        """Only a POSIX user name suits them all."""
        self._mailboxes.script("adduser", user, password)

    def fill(self, user: str, messages: Path) -> None:
        """Put a directory's ``*.eml`` behind the mail that is there, in the order of their names."""
        self._mailboxes.script("fill", user, str(messages))

    def token(self, user: str) -> str:
        """A bearer token (Dovecot only)."""
        return self._mailboxes.script("token", user).strip()

    @contextlib.contextmanager
    def held(self, user: str, password: str = "secret") -> Iterator[None]:
        """Another session has the mailbox open meanwhile."""
        client = poplib.POP3(self.host, self.port, timeout=60)
        try:
            client.user(user)
            client.pass_(password)
            client.stat()
            yield
            client.quit()
        finally:
            client.close()

    def count(self, user: str, password: str = "secret") -> int:
        """How many messages a user has, as another client is told."""
        client = poplib.POP3(self.host, self.port, timeout=60)
        try:
            client.user(user)
            client.pass_(password)
            found = client.stat()[0]
            client.quit()
        finally:
            client.close()
        return found

    def start(self) -> None:
        """Start it on free ports; raises ``RuntimeError`` with the server's own words."""
        for attempt in range(1, STARTS + 1):
            self.port, self.tls_port = _free_ports()
            ports = [self.port, *([self._backend.port] if self._backend else []), self.tls_port]
            try:
                self.script("start", *map(str, ports))
                return
            except RuntimeError:
                if attempt == STARTS:
                    raise

    def script(self, command: str, *arguments: str) -> str:
        environment = {**os.environ, **self.kind.settings}
        environment.pop("PKGROOT", None)
        if self.kind.unpacked:
            environment["PKGROOT"] = str(self.kind.root)
        # Files, and not pipes: what the script starts would keep those open.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            code = subprocess.call(
                [str(SCRIPTS / self.kind.script), command, str(self._directory), *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                timeout=60,
            )
            out.seek(0)
            err.seek(0)
            if code:
                said = err.read().decode(errors="replace")
                raise RuntimeError(f"{self.kind.script} {command} failed: {said}")
            return out.read().decode()

    @property
    def _mailboxes(self) -> "Server":
        return self._backend or self


@contextlib.contextmanager
def running(kind: Kind) -> Iterator[Server]:
    """Run a server, and what is behind it, until the block is left."""
    with contextlib.ExitStack() as stack:
        backend = stack.enter_context(running(KINDS[kind.backend])) if kind.backend else None
        # Directories of pytest are too deep for the sockets of some.
        scratch = Path(tempfile.mkdtemp(prefix="pop-"))
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        make_certificate(scratch)
        server = Server(kind, scratch, backend)
        stack.callback(server.script, "stop")
        server.start()
        yield server


@cache
def servers_missing() -> str | None:
    """Why none of these servers can run here."""
    if not (SCRIPTS / "ns.sh").is_file():
        return "the server scripts are not beside the project (../shared/servers)"
    if os.geteuid() != 0:
        return "the server scripts need root"
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        return "mount namespaces are not permitted here"
    return certificate_missing()


@cache
def kind_missing(name: str) -> str | None:
    """Why this server cannot run here; the reason to skip a test."""
    kind = KINDS[name]
    program = kind.root / kind.program
    if kind.unpacked and not (kind.root / ".complete").exists():
        return f"{kind.package} is not unpacked in {kind.root} (as root: {INSTALLER})"
    if not program.exists() and not program.with_name(f"{program.name}.pop3").exists():
        return f"{kind.package} is not installed (as root: {INSTALLER})"
    return kind_missing(kind.backend) if kind.backend else servers_missing()


def version(kind: Kind) -> str:
    """Debian's version of the package."""
    if kind.unpacked:
        lines = (kind.root / "versions").read_text().splitlines()
        return dict(line.split(" ", 1) for line in lines)[kind.package]
    query = ["dpkg-query", "-W", "-f", "${Version}", kind.package]
    return subprocess.run(query, check=True, capture_output=True, text=True).stdout


def cache_directory() -> Path:
    """Where the unpacked packages are."""
    given = os.environ.get("POPARCHIVE_INTEROP")
    return Path(given) if given else Path.home() / ".cache" / "poparchive-interop"


def _free_ports() -> Sequence[int]:
    with socket.create_server((HOST, 0)) as one, socket.create_server((HOST, 0)) as two:
        return one.getsockname()[1], two.getsockname()[1]
