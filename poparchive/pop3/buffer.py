"""The octets that have come and are not used yet; ends of lines and of multi-line replies in them.

Promise: time linear in what was received, however it was cut, since every search goes on where the
last one stopped; memory bounded by what the caller lets wait, since larger replies are taken in
pieces. A multi-line reply comes out exactly as the server meant it: dot-stuffing undone and
nothing else touched (RFC 1939 section 3).
"""

from poparchive.pop3.errors import ProtocolError
from poparchive.pop3.replies import visible

RECEIVE_BYTES = 64 * 1024
"""Room that the buffer has at the least: large reads from the socket cost least per octet."""

RECEIVE_LEAST_BYTES = 16 * 1024
"""Room offered to a read from the socket, at the least."""

MOVED_MAX_BYTES = 16 * 1024
"""So little is moved to the front whenever something before it was taken: reads stay large."""

_CR = 0x0D
_DOT = b"\r\n."
_END = b"\r\n.\r\n"
_STUFFED = b"\r\n.."


class ReceiveBuffer:
    """A window into one ``bytearray``: filled at the end, used from the beginning.

    The bytearray is replaced when it must grow, never resized: the event loop may still hold the
    ``memoryview`` that it has just filled.

    Taking a multi-line reply: ``take_line`` for its status line, ``begin_body``, then
    ``take_body`` until it gives the body or ``oversize`` says that it grew too large to wait for;
    then ``take_piece`` until ``body_ended``.
    """

    def __init__(self) -> None:
        self._octets = bytearray(RECEIVE_BYTES)
        self._view = memoryview(self._octets)
        self._start = 0
        self._end = 0
        self._sought = 0  # no line end, or end of body, begins before here
        self._stuffed = False  # the body taken at present has a line that begins with a dot
        self._lead = 0  # octets before the body that begin_body() put there
        self.oversize = False
        self.body_ended = False

    def __len__(self) -> int:
        """Octets that have come and were not taken."""
        return self._end - self._start

    def peek(self, limit_bytes: int) -> bytes:
        """The first of them, for an error message."""
        return bytes(self._view[self._start : min(self._end, self._start + limit_bytes)])

    def room(self) -> memoryview:
        """Where to put what comes next; say how much it was with ``filled``."""
        waiting = self._end - self._start
        if (self._start and waiting <= MOVED_MAX_BYTES) or (
            len(self._octets) - self._end < RECEIVE_LEAST_BYTES
        ):
            self._make_room()
        return self._view[self._end :]

    def filled(self, count: int) -> None:
        """``count`` octets were put into ``room()``."""
        self._end += count

    def _make_room(self) -> None:
        # Half as much again as waits: then what is moved here is paid for by what comes in.
        waiting = self._end - self._start
        size = max(RECEIVE_BYTES, waiting + waiting // 2 + RECEIVE_LEAST_BYTES)
        target = self._octets if size <= len(self._octets) <= 4 * size else bytearray(size)
        target[:waiting] = self._view[self._start : self._end]
        if target is not self._octets:
            self._octets, self._view = target, memoryview(target)
        self._sought -= self._start
        self._start, self._end = 0, waiting

    def take_line(self, limit_bytes: int) -> bytes | None:
        """The next line without its line end, or None if it has not come whole.

        A bare LF ends a line too: servers that send it mean it. Raises ``ProtocolError`` for a
        line longer than ``limit_bytes``.
        """
        found = self._octets.find(b"\n", self._sought, self._end)
        length = (self._end if found < 0 else found) - self._start
        if length > limit_bytes:
            head = visible(bytes(self._view[self._start : self._start + 80]))
            raise ProtocolError(f"a line of more than {limit_bytes} octets came: {head} ...")
        if found < 0:
            self._sought = self._end
            return None
        line = bytes(self._view[self._start : found])
        self._start = self._sought = found + 1
        return line[:-1] if line.endswith(b"\r") else line

    def take_whole(self, line_limit_bytes: int, limit_bytes: int) -> bytes | None:
        """A multi-line reply to which the server says +OK, if it is like most: all of it has come, no line
        begins with a dot. Else None, nothing is taken, and the other methods do it.

        For speed alone: one call for each message instead of four.
        """
        start, end, octets = self._start, self._end, self._octets
        if self._sought != start or not octets.startswith((b"+OK ", b"+OK\r"), start, end):
            return None
        line = octets.find(b"\n", start, end)
        if not 0 < line - start <= line_limit_bytes or octets[line - 1] != _CR:
            return None
        # The line's own CRLF stands before the first line of the body.
        found = octets.find(_DOT, line - 1, end)
        if found < 0 or not octets.startswith(b"\r\n", found + 3, end):
            return None
        if found + 1 - line > limit_bytes:
            return None
        self._start = self._sought = found + 5
        return bytes(self._view[line + 1 : found + 2])

    def begin_body(self) -> None:
        """What follows the line just taken is a multi-line reply.

        A CRLF is put before it, in the room of that line (a status line has three octets at the
        least), so that its first line is found like all others.
        """
        self._start -= 2
        self._octets[self._start : self._start + 2] = b"\r\n"
        self._sought = self._start
        self._lead = 2
        self._stuffed = self.oversize = self.body_ended = False

    def take_body(self, limit_bytes: int) -> bytes | None:
        """The whole body, or None: not all has come, or it is ``oversize``.

        ``limit_bytes`` counts the octets of the body as they are on the wire.
        """
        start, end = self._start, self._end
        octets = self._octets
        found = -1
        if not self._stuffed:
            # Lines that begin with a dot are rare. As long as there is none, the first one found
            # is the end, and one search has done for both.
            found = octets.find(_DOT, self._sought, end)
            if found < 0:
                self._sought = max(start, end - 2)
            elif octets.startswith(b"\r\n", found + 3, end):
                pass
            else:
                self._sought = found
                if end - found >= 5:
                    self._stuffed = True
                found = -1
        if self._stuffed:
            found = octets.find(_END, self._sought, end)
            if found < 0:
                self._sought = max(self._sought, end - 4)
        length = (end - 2 if found < 0 else found + 2) - start - 2
        if length > limit_bytes:
            self.oversize = True
            return None
        if found < 0:
            return None
        self._start = self._sought = found + 5
        if self._stuffed:
            return bytes(self._view[start : found + 2]).replace(_STUFFED, _DOT)[2:]
        return bytes(self._view[start + 2 : found + 2])

    def take_piece(self) -> bytes:
        """What has come of the body and can be told to be body; often empty.

        A piece is cut where a CR that could begin the end, or a stuffed line, stands last: neither
        has a CR before which a cut could fall and leave its beginning in another piece.
        """
        start, end = self._start, self._end
        found = self._octets.find(_END, self._sought, end)
        if found >= 0:
            cut = found + 2
            self._start = self._sought = found + 5
            self.body_ended = True
        else:
            cr = self._octets.find(b"\r", max(start, end - 4), end)
            cut = end if cr < 0 else cr
            self._start = self._sought = cut
        piece = bytes(self._view[start:cut]).replace(_STUFFED, _DOT)
        if piece and self._lead:
            piece, self._lead = piece[self._lead :], 0
        return piece
