"""Telling messages apart on a server that has no UIDL: by the hash of what TOP gives of their headers.

RFC 1939 lets a server do without UIDL. The hash stands in its place; together with the size that LIST
gives, as a UIDL would. It has a blank in it, which no UIDL that follows RFC 1939 section 7 can have.
"""

import hashlib
import re

from poparchive.pop3.commands import TOP
from poparchive.pop3.pipeline import Ready
from poparchive.pop3.protocol import Answer, Begin, End, Event, Part, Whole

_CHANGING = re.compile(
    rb"^(?:status|x-status|x-uidl|x-keywords|content-length|x-mozilla-status2?)[ \t]*:"
    rb"[^\n]*\n(?:[ \t][^\n]*\n)*",
    re.I | re.M,
)
"""Fields that servers write themselves, and change when a message was read."""


def head_id(header: bytes) -> bytes:
    """What stands for the UIDL of a message with this header."""
    return b"TOP " + hashlib.sha256(_CHANGING.sub(b"", header)).hexdigest()[:32].encode()


class Heads(Ready):
    """Takes the answers to many TOP: ``by_number`` has the hash of each header that came whole.

    A header that is too large to come whole, and a refused TOP, leave a message without a hash: such a
    message is told apart by its content.
    """

    def __init__(self) -> None:
        self.by_number: dict[int, bytes] = {}

    def take(self, event: Event) -> None:
        if event.command.verb is TOP and isinstance(event, Whole):
            self.by_number[event.command.number] = head_id(event.octets)
        else:
            assert isinstance(event, Answer | Begin | Part | End)
