"""What the catalog is told of a message. Without SQLAlchemy, so that whoever finds it out stays small."""

from collections.abc import Sequence
from typing import NamedTuple

from poparchive.model import Location, MessageId


class PartFacts(NamedTuple):
    """One row of ``parts``; ``blob`` is the hash of the blob that holds the body, if one does."""

    number: int
    segment: int
    blob: bytes | None
    type: str | None
    name: str | None
    size_bytes: int | None


class MessageFacts(NamedTuple):
    """All that follows from a message's octets and from where they are stored."""

    sha256: MessageId
    date: int
    size_bytes: int
    message_id: str
    subject: str
    sender: str
    place: Location
    parsed: int
    parts: Sequence[PartFacts]
