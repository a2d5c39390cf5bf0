"""A Dovecot on loopback that serves the Maildirs a bench needs.

Messages are not marked as seen and nothing is synced, so that each run meets the same mailbox and
what is measured is the client.
"""

import contextlib
import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.mailbox import Mailboxes
from bench.measure import BenchError, Command, Skipped, text_of
from tests.support import dovecot

PASSWORD = "bench"

SETTINGS = {
    "pop3_no_flag_updates": "yes",
    "mail_max_userip_connections": "400",
    # Indexes of 100,000 messages are mapped whole.
    "default_vsz_limit": "4G",
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where contestants find the mail, and how they log in."""

    host: str
    port: int
    users: tuple[str, ...]
    password: str = PASSWORD


def dovecot_version() -> str | None:
    """The version of the Dovecot that can be used here."""
    if dovecot.dovecot_missing():
        return None
    search = {"PATH": dovecot.PROGRAM_PATH}
    return text_of(Command(["dovecot", "--version"], env=search)).split()[0]


@contextlib.contextmanager
def serving(mail: Mailboxes, state: Path) -> Iterator[Endpoint]:
    """Serve each user of ``mail`` from its Maildir until the block is left.

    Dovecot's own files (UIDs, indexes) lie below ``state``, apart from the mail, and stay there: a
    mailbox has the same UIDLs the next time.
    """
    missing = dovecot.dovecot_missing()
    if missing:
        raise Skipped(missing)
    here = state / mail.root.name
    hand_over(mail, here)
    apart = f"CONTROL={here}/%u:INDEX={here}/%u"
    settings = {**SETTINGS, "mail_location": f"maildir:{mail.root}/%u:{apart}"}
    try:
        with dovecot.dovecot(here, settings=settings) as server:
            for user in mail.users:
                server.add_user(user, PASSWORD)
            yield Endpoint(server.host, server.port, mail.users)
    except RuntimeError as error:
        raise BenchError(str(error)) from error


def hand_over(mail: Mailboxes, state: Path) -> None:
    """Give the server's user the directories it writes to; the messages stay as they are."""
    for user in mail.users:
        (state / user).mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            maildir = mail.maildir(user)
            own = (state / user, *(state / user).rglob("*"))
            for path in (*own, maildir, *(maildir / name for name in ("cur", "new", "tmp"))):
                os.chown(path, dovecot.NOBODY, dovecot.NOBODY)


def unprivileged() -> pwd.struct_passwd:
    """Who does what the server, and some peers, refuse to do as root."""
    return pwd.getpwuid(dovecot.NOBODY if os.geteuid() == 0 else os.geteuid())


def open_to_all(path: Path) -> bool:
    """Whether everybody may go there, and so the server, which reads mail as an ordinary user."""
    there = path.resolve()
    steps = (step for step in (there, *there.parents) if step.exists())
    return all(step.stat().st_mode & stat.S_IXOTH for step in steps)
