"""A real Dovecot on loopback for one test or many: the POP3 server that most mail comes from.

Each instance has a scratch directory of its own with a short path (its sockets allow 108 octets),
outside of pytest's private directories, because as root it reads mail as an unprivileged user.
Works as root and as an ordinary user, any number side by side, and ends with the ``with`` block,
or with the process that started it.
"""

import base64
import contextlib
import grp
import hmac
import itertools
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from tests.support.certificate import Certificate, certificate_missing, make_certificate

HOST = "127.0.0.1"
PROGRAM_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/local/sbin"
POP3_PROGRAMS = ("/usr/lib/dovecot/pop3", "/usr/libexec/dovecot/pop3")
SHORT_ROOTS = ("/tmp", "/var/tmp", "/dev/shm")
NOBODY = 65534
"""Whose mail it is when root starts the server: Dovecot refuses to read mail as root."""

TOKEN_KEY = "keys/default/HS256/default"
CERTIFIED = """
ssl_ca = <{}
ssl_verify_client_cert = yes
ssl_require_crl = no
auth_ssl_username_from_cert = yes
passdb {{
  driver = static
  mechanisms = external
  args = nopassword=y
}}
"""

START_S = 20
POLL_S = 0.01
STOP_S = 5
STARTS = 5
"""A free port may be taken by somebody else before Dovecot has it; then another one is tried."""


class Dovecot:
    """A running server. ``port`` speaks plain and STLS, ``tls_port`` TLS from the start.

    ``ca_file`` is what a client has to trust for ``localhost`` and 127.0.0.1, ``log`` what the
    server says. Users and mail may be added at any time.
    """

    host = HOST

    def __init__(self, scratch: Path, ca_file: Path, log: Path) -> None:
        self.port = 0
        self.tls_port = 0
        self.ca_file = ca_file
        self.log = log
        self._scratch = scratch
        self._ticks = itertools.count(1_700_000_000)

    def add_user(self, user: str, password: str) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9.@_-]*", user) or re.search(r"[:\r\n]", password):
            raise ValueError(f"no such name or password in a passwd-file: {user!r}")
        # A file for each: Dovecot looks at most once a second whether a file it knows has changed.
        (self._scratch / "users" / user).write_text(f"{user}:{{PLAIN}}{password}::::::\n")
        maildir = self.maildir(user)
        for directory in (maildir, *(maildir / name for name in ("cur", "new", "tmp"))):
            directory.mkdir(exist_ok=True)
            _give_away(directory)

    def token(self, user: str) -> str:
        """What OAUTHBEARER and XOAUTH2 take for the user, for an hour: a JWT that the server checks
        by itself. Needs one of them among ``mechanisms``."""
        now_s = int(time.time())
        claims = {"sub": user, "iat": now_s, "exp": now_s + 3600}
        parts = [{"alg": "HS256", "typ": "JWT"}, claims]
        signed = b".".join(_url64(json.dumps(part).encode()) for part in parts)
        key = base64.b64decode((self._scratch / TOKEN_KEY).read_bytes())
        return b".".join([signed, _url64(hmac.digest(key, signed, "sha256"))]).decode()

    def deliver(self, user: str, messages: Iterable[bytes]) -> None:
        """Put messages behind those that are there, each a file of exactly these octets."""
        maildir = self.maildir(user)
        for octets in messages:
            # Dovecot numbers what is new in the order of names.
            name = f"{next(self._ticks)}.M0P{os.getpid()}.test"
            (maildir / "tmp" / name).write_bytes(octets)
            _give_away(maildir / "tmp" / name)
            (maildir / "tmp" / name).rename(maildir / "new" / name)

    def read_maildir(self, user: str) -> list[bytes]:
        """The octets of the messages that are on the server, in the order of delivery."""
        return [file.read_bytes() for file in self._files(user)]

    def remove(self, user: str, number: int) -> None:
        """Take a message away, as another mail program would; numbered as in the next session."""
        self._files(user)[number - 1].unlink()

    def renew_uidls(self, user: str) -> None:
        """Forget all UIDs, so that every message has a UIDL that it never had.

        Needs a ``uidl_format`` that has the UIDVALIDITY in it, as the stock one does. To be called
        while the user has no session.
        """
        maildir = self.maildir(user)
        for file in maildir.glob("dovecot*"):
            file.unlink()
        # By itself Dovecot takes the time of day, which is the same one twice in a second.
        uid_list = maildir / "dovecot-uidlist"
        uid_list.write_text(f"3 V{next(self._ticks)} N1 G{secrets.token_hex(16)}\n")
        _give_away(uid_list)

    def maildir(self, user: str) -> Path:
        return self._scratch / "mail" / user

    def _files(self, user: str) -> list[Path]:
        maildir = self.maildir(user)
        files = [file for name in ("cur", "new") for file in (maildir / name).iterdir()]
        return sorted(files, key=lambda file: file.name)


@cache
def dovecot_missing() -> str | None:
    """Why no Dovecot can run here; the reason to skip a test."""
    program = _program()
    if not program or not any(Path(path).exists() for path in POP3_PROGRAMS):
        return "dovecot is missing (Debian: dovecot-core, dovecot-pop3d)"
    said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    if not said.stdout.startswith(("2.2.", "2.3.")):
        return f"dovecot {said.stdout.split()[0]} is configured in another way than 2.3"
    return certificate_missing()


@contextlib.contextmanager
def dovecot(
    directory: Path,
    *,
    uidl_format: str = "%08Xu%08Xv",
    mechanisms: Sequence[str] = ("plain", "login", "apop"),
    settings: Mapping[str, str] | None = None,
    client: Certificate | None = None,
) -> Iterator[Dovecot]:
    """Run a server until the block is left. Certificate and log are written to ``directory``.

    ``settings`` are Dovecot's own (``pop3_lock_session`` and the like) and come last. A ``client``
    with this certificate is whom its common name says, for EXTERNAL.
    """
    certificate = make_certificate(directory)
    scratch = _scratch_directory()
    try:
        server = Dovecot(scratch, certificate.cert, directory / "dovecot.log")
        with server.log.open("wb") as log:
            for attempt in range(1, STARTS + 1):
                server.port, server.tls_port = _free_ports(2)
                token = secrets.token_hex(8)
                conf = scratch / "dovecot.conf"
                conf.write_text(
                    _configuration(scratch, server.port, server.tls_port, token)
                    + f"ssl_cert = <{certificate.cert}\nssl_key = <{certificate.key}\n"
                    + f"pop3_uidl_format = {uidl_format}\n"
                    + f"auth_mechanisms = {' '.join(mechanisms)}\n"
                    + (_bearers(scratch) if {"xoauth2", "oauthbearer"} & {*mechanisms} else "")
                    + (CERTIFIED.format(client.cert) if client else "")
                    + "".join(f"{key} = {value}\n" for key, value in (settings or {}).items())
                )
                process = subprocess.Popen(
                    [*_until_we_die(), _program() or "dovecot", "-F", "-c", str(conf)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
                try:
                    if _greets(process, server.port, token):
                        yield server
                        break
                finally:
                    _stop(process)
                if attempt == STARTS:
                    said = server.log.read_text(errors="replace")
                    raise RuntimeError(f"dovecot did not start:\n{said}")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def as_sent(octets: bytes) -> bytes:
    """What Dovecot sends for a Maildir file: every bare LF as CRLF, and a line end at the end."""
    sent = re.sub(rb"(?<!\r)\n", b"\r\n", octets)
    return sent if sent.endswith(b"\r\n") else sent + b"\r\n"


def _configuration(scratch: Path, port: int, tls_port: int, token: str) -> str:
    owner, group = _owner()
    ourselves = ""
    if os.geteuid() != 0:
        # Without root nothing can change its user or root directory.
        me, our_group = pwd.getpwuid(owner).pw_name, grp.getgrgid(group).gr_name
        ourselves = f"""
default_internal_user = {me}
default_internal_group = {our_group}
default_login_user = {me}
service anvil {{
  chroot =
}}
service pop3-login {{
  chroot =
}}
service stats {{
  chroot =
}}
service auth-worker {{
  user = {me}
}}
"""
    return f"""
base_dir = {scratch}/run
state_dir = {scratch}/run
log_path = /dev/stderr
protocols = pop3
listen = {HOST}
login_greeting = Ready {token}
ssl = yes
disable_plaintext_auth = no
auth_failure_delay = 0 secs
auth_username_chars =
mail_location = maildir:{scratch}/mail/%u
maildir_stat_dirs = no
mail_fsync = never
mail_max_userip_connections = 200
first_valid_uid = 1
namespace inbox {{
  inbox = yes
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {scratch}/users/%u
}}
userdb {{
  driver = static
  args = uid={owner} gid={group} home={scratch}/mail/%u
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service pop3-login {{
  service_count = 0
  client_limit = 256
  inet_listener pop3 {{
    port = {port}
  }}
  inet_listener pop3s {{
    port = {tls_port}
    ssl = yes
  }}
}}
service pop3 {{
  process_limit = 256
  service_count = 100
}}
default_vsz_limit = 1G
{ourselves}"""


def _bearers(scratch: Path) -> str:
    """What makes the server take tokens that are signed with a key of ours."""
    key = scratch / TOKEN_KEY
    key.parent.mkdir(parents=True, exist_ok=True)
    key.write_bytes(base64.b64encode(secrets.token_bytes(48)))
    conf = scratch / "oauth2.conf"
    conf.write_text(
        "introspection_mode = local\nusername_attribute = sub\n"
        f"local_validation_key_dict = fs:posix:prefix={scratch}/keys/\n"
    )
    return f"""
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {conf}
}}
"""


def _url64(octets: bytes) -> bytes:
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


def _program() -> str | None:
    return shutil.which("dovecot", path=PROGRAM_PATH)


def _owner() -> tuple[int, int]:
    return (os.geteuid(), os.getegid()) if os.geteuid() != 0 else (NOBODY, NOBODY)


def _give_away(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)


def _scratch_directory() -> Path:
    roots = (tempfile.gettempdir(), *SHORT_ROOTS)
    root = next((root for root in roots if len(root) < 40 and _open_to_all(Path(root))), None)
    scratch = Path(tempfile.mkdtemp(prefix="dc-", dir=root))
    scratch.chmod(0o755)
    (scratch / "users").mkdir()
    (scratch / "mail").mkdir()
    _give_away(scratch / "mail")
    return scratch


def _open_to_all(path: Path) -> bool:
    return path.is_dir() and all(
        step.stat().st_mode & stat.S_IXOTH for step in (path, *path.resolve().parents)
    )


def _free_ports(count: int) -> list[int]:
    # All are held until all are known, or the same one could come twice.
    sockets = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [held.getsockname()[1] for held in sockets]
    for held in sockets:
        held.close()
    return ports


def _until_we_die() -> list[str]:
    """What to put before a program so that it does not outlive a test run that was killed."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []


def _greets(process: "subprocess.Popen[bytes]", port: int, token: str) -> bool:
    """Wait for the server's greeting; false if it ended or somebody else answers at its port."""
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with socket.create_connection((HOST, port), START_S) as client:
                return token.encode() in client.recv(512)
        except OSError:
            time.sleep(POLL_S)
    return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    # All its processes are one group with nobody else in it. Told alone, the first of them waits a
    # second for the others.
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
            return
