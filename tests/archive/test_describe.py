"""What is said of a message stays the same as long as the versions of what holds it do."""

import hashlib
from collections.abc import Iterator

from poparchive.archive.describe import Stored, describe, document
from poparchive.index.versions import FACTS, SEARCH
from poparchive.model import Location, MessageId
from tests.support.edge_mails import EDGE_MAILS


def described() -> Iterator[tuple[str, str]]:
    """What the catalog and the index hold of each odd message."""
    place = Location(1, 44, 0, 1)
    for _, octets in EDGE_MAILS:
        identity = MessageId(hashlib.sha256(octets).digest())
        facts, text = describe(Stored(identity, octets, (), place), 1_700_000_000)
        yield repr(facts), repr(document(1, facts, text))


def test_versions_are_raised() -> None:
    """Whoever reads mail otherwise raises ``FACTS`` or ``SEARCH``, so that what older ones made is known as
    that: ``verify`` would call it damage. The beginning of a hash stands for all that is said."""
    columns = zip(*described(), strict=True)
    digests = [hashlib.sha256("\n".join(column).encode()).hexdigest()[:16] for column in columns]
    assert [(FACTS, digests[0]), (SEARCH, digests[1])] == [
        (3, "0589dcb58dd6eefe"),
        (6, "3435d275ef30a142"),
    ]
