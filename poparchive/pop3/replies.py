"""What a server says, as values: status lines, response codes, listings, capabilities.

Nothing here waits or knows a connection. Servers phrase ``+OK`` lines as they like, so only what
RFC 1939 fixes is read from them. What cannot be read raises ``ProtocolError``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, repeat

from poparchive.model import Listing, ascend, column
from poparchive.pop3.errors import ProtocolError

LISTING_LINE_MAX_BYTES = 1_024
"""Longest text behind the number in UIDL and LIST. RFC 1939 allows 70 octets; some send more."""

LISTING_MAX_BYTES = 256 * 1024 * 1024
"""Most octets of one listing: some millions of messages, and an end to a server gone mad."""

LISTING_MAX_LINES = 3_000_000
"""Most lines of one listing: each takes some 200 octets of memory until it is compared."""

SHOWN_MAX_CHARS = 500
"""How much of a server's text an error message repeats."""

_CODE = re.compile(rb"\s*\[([A-Za-z0-9][A-Za-z0-9/_.+-]{0,63})\]")
_STAMP = re.compile(rb"<[^<>\s]+@[^<>\s]*>")
_STAT = re.compile(rb"(\d{1,10})\s+(\d{1,19})(?:\s|$)")
# Any number of lines as RFC 1939 has them, which nearly all are; no UIDL here has a blank in it.
_UIDL_USUAL = re.compile(rb"(?:\d{1,10}+ [!-~\x80-\xff]{1,%d}+\r\n)*+" % LISTING_LINE_MAX_BYTES)
_LIST_USUAL = re.compile(rb"(?:\d{1,10}+ \d{1,18}+\r\n)*+")
# One line as it may be. RFC 1939 section 5 lets LIST say more behind the size. What was taken is not
# given back ("++"), so that a line of blanks without end costs no more than one look at each.
_UIDL_LINE = re.compile(
    rb"^[ \t]*+(\d{1,10}+)(?:[ \t]++([^\r\n]{0,%d}+))?+\r\n" % LISTING_LINE_MAX_BYTES,
    re.MULTILINE,
)
_LIST_LINE = re.compile(
    rb"^[ \t]*+(\d{1,10}+)[ \t]++(\d{1,18}+)(?:[ \t][^\r\n]{0,%d}+)?+\r\n" % LISTING_LINE_MAX_BYTES,
    re.MULTILINE,
)


def visible(octets: bytes) -> str:
    """Text from a server for an error message: control characters escaped, not too long."""
    text = octets.decode("utf-8", "backslashreplace")
    shown = (
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii")
        for c in text[:SHOWN_MAX_CHARS]
    )
    return "".join(shown) + (" ..." if len(text) > SHOWN_MAX_CHARS else "")


@dataclass(frozen=True, slots=True)
class Reply:
    """A status line. ``text`` is what follows ``+OK`` or ``-ERR``, without blanks around it."""

    ok: bool
    text: bytes
    code: str = ""
    """The response code without brackets, in capitals (RFC 2449 section 8); empty without one."""

    def __str__(self) -> str:
        return f"{'+OK' if self.ok else '-ERR'} {visible(self.text)}".rstrip()


def parse_reply(line: bytes) -> Reply | None:
    """The status line ``line`` (without its line end), or None if it is none.

    Lower case is accepted; what follows must not continue the word.
    """
    head = line[:4].upper()
    if head.startswith(b"+OK"):
        ok, rest = True, line[3:]
    elif head == b"-ERR":
        ok, rest = False, line[4:]
    else:
        return None
    if rest[:1].isalnum():
        return None
    found = _CODE.match(rest)
    return Reply(ok, rest.strip(), found[1].decode("ascii").upper() if found else "")


def parse_stamp(greeting: bytes) -> bytes:
    """The stamp that APOP hashes, angle brackets included, or empty (RFC 1939 section 7)."""
    found = _STAMP.search(greeting)
    return found[0] if found else b""


def parse_stat(reply: Reply) -> tuple[int, int]:
    """Messages in the drop, and their octets."""
    found = _STAT.match(reply.text)
    if not found:
        raise ProtocolError(f"STAT was answered without two numbers: {reply}", command="STAT")
    return int(found[1]), int(found[2])


def parse_capabilities(body: bytes) -> dict[str, tuple[str, ...]]:
    """Tags in capitals with their parameters. A tag given twice (Courier's USER) gets those of both."""
    result: dict[str, list[str]] = {}
    for line in body.decode("ascii", "replace").splitlines():
        tag, *parameters = line.split() or [""]
        if tag:
            result.setdefault(tag.upper(), []).extend(parameters)
    return {tag: tuple(parameters) for tag, parameters in result.items()}


class _Lines:
    """A listing, read while it arrives, a whole piece at a time: there may be a million lines.

    If the usual pattern takes the piece, its words are numbers and values by turns. Else the lines
    are matched by the patient one: it is anchored to the beginning of a line and takes exactly one
    line end, so as many matches as line ends prove that it took every line.
    """

    def __init__(self, command: str, usual: re.Pattern[bytes], line: re.Pattern[bytes]) -> None:
        self._command = command
        self._usual = usual
        self._line = line
        self._rest = b""
        self._length_bytes = 0
        self._lines = 0

    def feed(self, octets: bytes) -> None:
        """Take a piece, cut anywhere."""
        self._length_bytes += len(octets)
        if self._length_bytes > LISTING_MAX_BYTES:
            raise ProtocolError(
                f"{self._command} lists more than {LISTING_MAX_BYTES} octets", command=self._command
            )
        end = octets.rfind(b"\n") + 1
        if end:
            self._read(self._rest + octets[:end])
            self._rest = b""
        self._rest += octets[end:]
        if len(self._rest) > LISTING_LINE_MAX_BYTES + 32:
            raise self._unreadable(self._rest)

    def close(self) -> None:
        """All of it came; a listing ends with a whole line."""
        if self._rest:
            raise self._unreadable(self._rest)

    def _read(self, lines: bytes) -> None:
        count = lines.count(b"\n")
        self._lines += count
        if self._lines > LISTING_MAX_LINES:
            raise ProtocolError(
                f"{self._command} lists more than {LISTING_MAX_LINES} messages",
                command=self._command,
            )
        if self._usual.fullmatch(lines):
            words = lines.split()
            self._keep(list(map(int, words[::2])), words[1::2])
            return
        found = self._line.findall(lines)
        if len(found) != count:
            odd = (x for x in lines.split(b"\n") if not self._line.fullmatch(x + b"\n"))
            raise self._unreadable(next(odd, lines))
        self._keep([int(number) for number, _ in found], [rest.rstrip() for _, rest in found])

    def _unreadable(self, line: bytes) -> ProtocolError:
        return ProtocolError(
            f"{self._command} has a line that cannot be read: {visible(line[:120].rstrip())}",
            command=self._command,
        )

    def _keep(self, found: Sequence[int], values: Sequence[bytes]) -> None:
        raise NotImplementedError


class Sizes(_Lines):
    """LIST: ``numbers`` and ``sizes``, two columns in the server's order."""

    def __init__(self) -> None:
        super().__init__("LIST", _LIST_USUAL, _LIST_LINE)
        self.numbers = column()
        self.sizes = column()

    @property
    def by_number(self) -> dict[int, int]:
        """The octets of each message; the last line counts, if a number has several."""
        return dict(zip(self.numbers, self.sizes, strict=True))

    def _keep(self, found: Sequence[int], values: Sequence[bytes]) -> None:
        self.numbers.extend(found)
        self.sizes.extend(map(int, values))


class Uidls(_Lines):
    """UIDL, joined with what LIST said before: ``listed``, in the server's order, once it is closed.

    A message that only UIDL names has size 0. One that only LIST names comes last, with an empty
    UIDL: whoever decides what to fetch must see that it is there. A line sent twice counts once;
    a number with two UIDLs is a ``ProtocolError``, for nobody can tell what RETR would bring.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__("UIDL", _UIDL_USUAL, _UIDL_LINE)
        self._sizes = sizes
        self._numbers = column()
        self._uidls: list[bytes] = []
        self.listed = Listing()

    def _keep(self, found: Sequence[int], values: Sequence[bytes]) -> None:
        self._numbers.extend(found)
        self._uidls += values

    def close(self) -> None:
        super().close()
        if self._numbers == self._sizes.numbers and ascend(self._numbers):
            # Nearly all servers: both listings name the same messages in the same order, each once.
            self.listed = Listing(self._numbers, self._uidls, self._sizes.sizes)
        else:
            self.listed = self._joined()

    def _joined(self) -> Listing:
        sizes = self._sizes.by_number
        named: dict[int, bytes] = {}
        for number, uidl in zip(self._numbers, self._uidls, strict=True):
            first = named.setdefault(number, uidl)
            if first != uidl:
                raise ProtocolError(
                    f"UIDL names message {number} twice: {visible(first)} and {visible(uidl)}",
                    command="UIDL",
                )
        unnamed = sorted(sizes.keys() - named.keys())
        every = column(chain(named, unnamed))
        return Listing(
            every,
            [*named.values(), *repeat(b"", len(unnamed))],
            column(sizes.get(number, 0) for number in every),
        )
