"""What went over a connection, line by line, without what must not be shown to anybody.

Promise: no secret is in it. Of what we send only lines of known harmless form are kept as they are;
PASS, APOP and AUTH keep their name, and everything else, as the answers to a challenge, is left
out. What was left out, and every secret told to ``hide``, is left out of the server's lines too:
some send a refused command back. Mail is shortened to its first lines.
"""

import re
from collections import deque
from typing import NamedTuple

from poparchive.pop3.replies import visible

REDACTED = b"[redacted]"

MAIL_LINES = 8
"""Lines of a message that are shown: enough to see where it begins and how lines end."""

LISTING_LINES = 200
"""Of any other multi-line answer."""

LINE_SHOWN_BYTES = 400
LINE_HELD_BYTES = 256 * 1024
"""Of one line, before secrets are taken out; several times the longest password, as base64."""

RECORD_LINES = 4_000
RECORD_BYTES = 4 * 1024 * 1024
"""Of one connection: a server gone mad fills no memory."""

FRAGMENT_BYTES = 4
"""A shorter argument of AUTH (``=``, ``*``) is no secret, and would be found everywhere."""

_HARMLESS = re.compile(
    rb"(?:CAPA|STLS|UTF8|LANG en|STAT|NOOP|RSET|QUIT|AUTH|USER .*"
    rb"|(?:LIST|UIDL)(?: \d+)?|(?:RETR|DELE) \d+|TOP \d+ \d+)"
)
_SECRET = re.compile(rb"(PASS|APOP [^ ]+|AUTH [A-Za-z0-9_-]{1,20})(?: (.*))?", re.DOTALL)
_MULTI = (b"CAPA", b"LIST", b"UIDL", b"RETR", b"TOP")


class Secrets:
    """What must not be shown. Shared by all connections, since a server may repeat it later."""

    def __init__(self) -> None:
        self._known: list[bytes] = []
        self._pattern: re.Pattern[bytes] | None = None

    def hide(self, secret: bytes) -> None:
        if secret and secret not in self._known:
            self._known.append(secret)
            # The longest first, since one may be the beginning of another.
            self._known.sort(key=len, reverse=True)
            self._pattern = re.compile(b"|".join(map(re.escape, self._known)))

    def scrub(self, octets: bytes) -> bytes:
        return self._pattern.sub(REDACTED, octets) if self._pattern else octets

    def scrub_text(self, text: str) -> str:
        """The same of text that may repeat what a server said."""
        return self.scrub(text.encode("utf-8", "surrogateescape")).decode("utf-8", "replace")


class _Line(NamedTuple):
    """Kept as it came until it is shown: what is secret may be known only later."""

    mark: str
    octets: bytes
    remark: str


class Record:
    """One connection. ``tap`` is for ``pop3.transport.open_connection``."""

    def __init__(self, title: str, secrets: Secrets) -> None:
        self.title = title
        self._lines: list[_Line] = []
        self._held_bytes = 0
        self._secrets = secrets
        self._ours = b""
        self._theirs = b""
        self._unanswered: deque[bytes] = deque((b"greeting",))
        self._challenged = False  # AUTH waits for its end: our lines are answers to challenges
        self._body_limit = 0  # 0: no multi-line answer is under way
        self._body_lines = 0
        self._body_bytes = 0

    def tap(self, ours: bool, octets: bytes) -> None:
        """Take what was sent or received, cut anywhere."""
        if ours:
            *lines, self._ours = (self._ours + octets).split(b"\n")
            for line in lines:
                self._sent(line.removesuffix(b"\r"))
        else:
            *lines, rest = (self._theirs + octets).split(b"\n")
            for line in lines:
                self._received(line)
            self._theirs = rest[:LINE_HELD_BYTES]

    def close(self) -> None:
        """The connection has ended; what came last may be no whole line."""
        if self._body_limit:
            self._end_body()
        if self._theirs:
            self._add("S:", self._theirs, "  (no line end came)")
        self._theirs = b""
        # A line of ours is sent whole or not at all.
        self._ours = b""

    def note(self, text: str) -> None:
        """Something that happened and is no line of either side."""
        self._add("* ", text.encode())

    def _sent(self, line: bytes) -> None:
        secret = None if self._challenged else _SECRET.fullmatch(line)
        if secret:
            shown = secret[1] + (b" " + REDACTED if secret[2] is not None else b"")
            self._hide(secret[2] or b"", whole=line.startswith(b"PASS"))
            self._challenged = line.startswith(b"AUTH")
        elif not self._challenged and _HARMLESS.fullmatch(line):
            shown = line
        else:
            shown = REDACTED
            self._hide(line, whole=False)
        if not self._challenged or secret:
            self._unanswered.append(line.split(b" ", 1)[0])
        self._add("C:", shown)

    def _hide(self, argument: bytes, *, whole: bool) -> None:
        if whole or len(argument) >= FRAGMENT_BYTES:
            self._secrets.hide(argument)

    def _received(self, line: bytes) -> None:
        if self._body_limit:
            self._body_line(line)
            return
        head = line[:4].upper()
        ok = head.startswith(b"+OK")
        if self._challenged and not ok and line.startswith(b"+"):
            self._add("S:", b"+ " + REDACTED)
            return
        self._add("S:", *_ended(line))
        if not ok and head != b"-ERR":
            return
        asked = self._unanswered.popleft() if self._unanswered else b""
        if asked == b"AUTH":
            self._challenged = False
        if ok and asked in _MULTI:
            self._body_limit = MAIL_LINES if asked in (b"RETR", b"TOP") else LISTING_LINES
            self._body_lines = self._body_bytes = 0
        elif ok and asked == b"STLS":
            self.note("TLS begins")

    def _body_line(self, line: bytes) -> None:
        if line.removesuffix(b"\r") == b".":
            self._end_body()
            self._add("S:", *_ended(line))
            return
        self._body_lines += 1
        if self._body_lines <= self._body_limit:
            self._add("S:", *_ended(line))
        else:
            self._body_bytes += len(line) + 1

    def _end_body(self) -> None:
        if (left_out := self._body_lines - self._body_limit) > 0:
            self.note(f"left out here: lines {left_out}, octets {self._body_bytes}")
        self._body_limit = 0

    def _add(self, mark: str, octets: bytes, remark: str = "") -> None:
        if len(self._lines) > RECORD_LINES or self._held_bytes > RECORD_BYTES:
            return
        if len(self._lines) == RECORD_LINES or self._held_bytes + len(octets) > RECORD_BYTES:
            mark, octets, remark = "* ", b"more is left out", ""
            self._held_bytes = RECORD_BYTES + 1
        self._lines.append(_Line(mark, octets, remark))
        self._held_bytes += len(octets)

    def text(self) -> str:
        """The lines, secrets taken out, each cut to what can be read."""
        return "".join(f"{line}\n" for line in (self.title, *map(self._shown, self._lines)))

    def _shown(self, line: _Line) -> str:
        octets, remark = self._secrets.scrub(line.octets), line.remark
        if len(octets) > LINE_SHOWN_BYTES:
            remark = f" ... {len(octets)} octets in all{remark}"
        return f"{line.mark} {visible(octets[:LINE_SHOWN_BYTES])}{remark}".rstrip()


def _ended(line: bytes) -> tuple[bytes, str]:
    """A received line without its CR, and a remark where it had none."""
    return (line[:-1], "") if line.endswith(b"\r") else (line, "  (a bare LF)")


class Transcript:
    """All connections of one look at a server, in the order in which they were made."""

    def __init__(self) -> None:
        self.secrets = Secrets()
        self._records: list[Record] = []

    def record(self, title: str) -> Record:
        """Begin the record of one more connection."""
        record = Record(f"=== {len(self._records) + 1}. {title}", self.secrets)
        self._records.append(record)
        return record

    def text(self) -> str:
        """All of it. ``C:`` is what we sent, ``S:`` what the server sent, ``*`` a remark."""
        return "\n".join(record.text() for record in self._records)
