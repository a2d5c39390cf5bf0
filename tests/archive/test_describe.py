"""What is said of a message stays the same as long as the versions of what holds it do."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from poparchive.archive.describe import Stored, describe, document
from poparchive.index.fold import fold
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


LANGUAGES = Path(__file__).parents[1] / "index" / "languages" / "queries.txt"
"""Letters of all kinds."""


def test_versions_are_raised() -> None:
    """Whoever reads mail otherwise raises ``FACTS`` or ``SEARCH``, so that what older ones made is known as
    that: ``verify`` would call it damage. The beginning of a hash stands for all that is said, and for all
    that is folded."""
    facts, documents = zip(*described(), strict=True)
    folded = fold("\n".join([*documents, LANGUAGES.read_text()]))
    said = "\n".join(facts), "\n".join(documents), folded
    digests = [hashlib.sha256(one.encode()).hexdigest()[:16] for one in said]
    assert (FACTS, SEARCH, *digests) == (
        3,
        7,
        "0589dcb58dd6eefe",
        "3435d275ef30a142",
        "d6c3d321ed0efff1",
    )
