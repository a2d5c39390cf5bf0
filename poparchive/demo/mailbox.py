"""Mailboxes of the demo server, and messages in the form in which POP3 sends them.

A message is octets, or anything that knows its size and yields its octets in chunks, so that a
message larger than memory can be served. Mailboxes change only as a whole and may be changed from
any thread: a session keeps the listing it began with, as RFC 1939 section 4 asks.
"""

import threading
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

CRLF = b"\r\n"

CHUNK_BYTES = 64 * 1024


class Content(Protocol):
    """A message that need not be in memory. Asked from the server's thread, any number of times."""

    @property
    def size_bytes(self) -> int: ...

    def chunks(self) -> Iterator[bytes]:
        """The message's octets, in chunks of any length, ``size_bytes`` in all."""
        ...


@dataclass(frozen=True, slots=True)
class Repeated:
    """A message of any size from a few octets: ``head``, then ``block`` so many times."""

    head: bytes
    block: bytes
    times: int

    @property
    def size_bytes(self) -> int:
        return len(self.head) + len(self.block) * self.times

    def chunks(self) -> Iterator[bytes]:
        yield self.head
        at_once = max(1, CHUNK_BYTES // max(1, len(self.block)))
        full, rest = divmod(self.times, at_once)
        chunk = self.block * at_once
        for _ in range(full):
            yield chunk
        yield self.block * rest


# Compared by identity: two messages of a mailbox may be equal in every octet, UIDL included.
@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """``uidl`` is any octets without a line end; blanks around it give a listing odd spacing."""

    content: bytes | Content
    uidl: bytes

    @property
    def size_bytes(self) -> int:
        content = self.content
        return len(content) if isinstance(content, bytes) else content.size_bytes

    def chunks(self) -> Iterable[bytes]:
        content = self.content
        return (content,) if isinstance(content, bytes) else content.chunks()


class Mailbox:
    """The messages of one user in the order of their arrival. All methods may run in any thread."""

    def __init__(
        self, contents: Iterable[bytes | Content] = (), *, password: str = "", token: str = ""
    ) -> None:
        self.password = password
        self.token = token
        """What OAUTHBEARER and XOAUTH2 take; empty: nothing. May be changed at any time."""
        self._lock = threading.Lock()
        self._delivered = 0
        self._messages: tuple[Message, ...] = ()
        self.deliver(*contents)

    def deliver(self, *contents: bytes | Content, uidl: bytes | None = None) -> list[bytes]:
        """Add messages at the end; sessions that are open do not see them.

        Without ``uidl`` each gets one that was never given before. Gives the UIDLs.
        """
        with self._lock:
            added = []
            for content in contents:
                self._delivered += 1
                own = b"%08x" % self._delivered if uidl is None else uidl
                added.append(Message(content, own))
            self._messages += tuple(added)
        return [message.uidl for message in added]

    def remove(self, *uidls: bytes) -> None:
        """Drop every message with one of these UIDLs; sessions that are open still have them."""
        with self._lock:
            self._messages = tuple(kept for kept in self._messages if kept.uidl not in uidls)

    def expunge(self, messages: Collection[Message]) -> None:
        """Drop exactly these messages, whatever others are equal to them."""
        gone = {id(message) for message in messages}
        with self._lock:
            self._messages = tuple(kept for kept in self._messages if id(kept) not in gone)

    @property
    def messages(self) -> tuple[Message, ...]:
        return self._messages


def wire(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A multi-line reply's body: dots at the start of lines doubled, and the final line of one dot.

    A line starts after CR LF and nowhere else (RFC 1939 section 3), so a dot after a bare LF stays
    single. What does not end in CR LF is completed with one, as every server must.
    """
    tail = CRLF
    for chunk in chunks:
        joined = tail + chunk
        # The two octets before the chunk cannot hold a whole match, so what is put in follows them.
        yield joined.replace(b"\r\n.", b"\r\n..")[len(tail) :]
        tail = joined[-2:]
    yield b".\r\n" if tail == CRLF else b"\r\n.\r\n"


def top(chunks: Iterable[bytes], lines: int) -> Iterator[bytes]:
    """What TOP gives of a message: its header, the empty line, and so many lines of its body."""
    in_header = True
    begun = b""  # of the present line, as much as tells whether it is empty
    for chunk in chunks:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            if in_header:
                in_header = (begun + chunk[start : min(end, start + 2)])[:2] not in (b"", b"\r")
            else:
                lines -= 1
            start = end + 1
            begun = b""
            if not in_header and lines <= 0:
                yield chunk[:start]
                return
        begun = (begun + chunk[start : start + 2])[:2]
        yield chunk
