"""What each server offers and what it does to mail, as data: what the matrix is held against.

``sends`` tells what a server sends for a message as it was put into the mailbox. ``undo`` takes off
what it adds to each mailbox. ``fits`` leaves out mail that a server cannot hold: it loses such a
message itself, or all others with it. Found by asking the servers, not poparchive.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    logins: frozenset[str]
    """As ``auth`` of an account names them."""
    sends: Callable[[bytes], bytes | None]
    """None: it does not list the message."""
    undo: Callable[[bytes], bytes] = bytes
    fits: Callable[[bytes], bool] = lambda stored: True
    locks: bool = False
    """A second session is refused as long as the first one has the mailbox."""
    idle_stamp: bool = False
    """The greeting has a stamp for APOP, but APOP is not set up."""
    resizes: bool = False
    """LIST sizes are others after the first session that saw a message."""


def crlf(stored: bytes) -> bytes:
    """Bare LFs become CRLF, and the last line gets an end."""
    return _ended(re.sub(rb"(?<!\r)\n", b"\r\n", stored))


def every_lf(stored: bytes) -> bytes:
    """Each LF becomes CRLF, also the one of a CRLF, and the last line gets an end."""
    return _ended(stored.replace(b"\n", b"\r\n"))


def cut_at_nul(stored: bytes) -> bytes | None:
    """Cyrus: a line that has a NUL ends there, without a line end; empty messages are not listed."""
    lines = [_to_nul(line) for line in re.findall(rb"[^\n]*\n|[^\n]+", crlf(stored))]
    return b"".join([*lines[:-1], _ended(lines[-1])]) if stored else None


def popa3d_mbox(stored: bytes) -> bytes:
    """Lines that look like From_ stay quoted; a message without a body gets an empty line."""
    text = _in_mbox(stored)
    if not text.startswith(b"\n") and b"\n\n" not in text:
        text += b"\n"
    return every_lf(text)


def solid_mbox(stored: bytes) -> bytes:
    """The empty line before the next From_ line is part of the message."""
    return every_lf(_in_mbox(stored) + b"\n")


def solid_maildir(stored: bytes) -> bytes:
    return stored.replace(b"\n", b"\r\n")


def mailutils_mbox(stored: bytes) -> bytes:
    """Header fields are written anew: one blank behind the colon."""
    header, end, body = every_lf(stored).partition(b"\r\n\r\n")
    return re.sub(rb"(?m)^([!-9;-~]+:)[ \t]*", rb"\1 ", header) + end + body


def mailutils_maildir(stored: bytes) -> bytes:
    """Of a message whose header does not end in an empty line with LF nothing is sent."""
    return mailutils_mbox(stored) if _has_body(stored) else b"\r\n"


def without_marks(sent: bytes) -> bytes:
    """GNU mailutils puts its UIDLs into the headers, and in an mbox counters and flags besides."""
    end = sent.find(b"\r\n\r\n") + 2
    marks = rb"(?m)^(?:X-UIDL|X-IMAPbase|X-UID|Status): [^\r\n]*\r\n"
    return re.sub(marks, b"", sent[:end]) + sent[end:]


def _ended(sent: bytes) -> bytes:
    return sent if sent.endswith(b"\n") else sent + b"\r\n"


def _to_nul(line: bytes) -> bytes:
    return line.split(b"\0", 1)[0]


def _in_mbox(stored: bytes) -> bytes:
    """As the script that fills mailboxes writes it: quoted, and ended."""
    quoted = re.sub(rb"(?m)^(>*From )", rb">\1", stored)
    return quoted if not quoted or quoted.endswith(b"\n") else quoted + b"\n"


def _has_body(stored: bytes) -> bool:
    return b"\n\n" in stored and not stored.startswith(b"\n")


def _is_whole(stored: bytes) -> bool:
    """The first line is a header field, and an empty line ends the header."""
    return _has_body(stored) and re.match(rb"[!-9;-~]+:", stored) is not None


def _ends_in_lf(stored: bytes) -> bool:
    return stored.endswith(b"\n") or not stored


_PASSWORD = frozenset({"user"})
_SCRAM = frozenset({"scram-sha-1", "scram-sha-256"})
_DOVECOT = Rules(
    _PASSWORD | _SCRAM | {"apop", "plain", "login", "cram-md5", "xoauth2", "oauthbearer"}, crlf
)

RULES = {
    "dovecot": _DOVECOT,
    "dovecot (locking)": Rules(_PASSWORD, crlf, locks=True),
    "courier": Rules(_PASSWORD | {"plain", "login", "cram-md5"}, every_lf),
    # Cyrus offers SCRAM-PLUS too, bound to what only TLS 1.2 has; poparchive binds to certificates.
    "cyrus": Rules(_PASSWORD | _SCRAM | {"apop", "plain", "login", "cram-md5"}, cut_at_nul),
    "mailutils (mbox)": Rules(
        _PASSWORD,
        mailutils_mbox,
        undo=without_marks,
        fits=lambda stored: _is_whole(stored) and stored.split(b"\n\n", 1)[1] != b"",
        locks=True,
        idle_stamp=True,
        resizes=True,
    ),
    "mailutils (Maildir)": Rules(
        _PASSWORD,
        mailutils_maildir,
        undo=without_marks,
        fits=lambda stored: _is_whole(stored) or not _has_body(stored),
        locks=True,
        idle_stamp=True,
        resizes=True,
    ),
    "popa3d": Rules(_PASSWORD, popa3d_mbox),
    "solid-pop3d (mbox)": Rules(_PASSWORD, solid_mbox, fits=_ends_in_lf, idle_stamp=True),
    "solid-pop3d (Maildir)": Rules(_PASSWORD, solid_maildir, fits=_ends_in_lf, idle_stamp=True),
    "perdition": Rules(_PASSWORD, crlf),
}
