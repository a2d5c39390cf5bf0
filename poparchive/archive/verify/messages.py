"""Joins messages, proves them by their hash, and compares what catalog and search index say of them."""

import tempfile
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from poparchive.archive.describe import Stored, describe, document
from poparchive.archive.known import MadeOf
from poparchive.archive.objects import gather
from poparchive.archive.read import Reader
from poparchive.archive.spool import Spooled
from poparchive.archive.verify.databases import REBUILD_SEARCH
from poparchive.archive.verify.findings import Counts, Damage, Kind
from poparchive.archive.verify.room import refuse_full
from poparchive.errors import PoparchiveError
from poparchive.index.contents import ContentsError
from poparchive.index.damage import DATABASE_ERRORS
from poparchive.index.facts import MessageFacts
from poparchive.index.failures import refuse_busy
from poparchive.index.fulltext import Document
from poparchive.index.keys import hash_of
from poparchive.index.lookup import Located
from poparchive.index.terms import Expected
from poparchive.index.threadproof import ExpectedThreads
from poparchive.index.versions import FACTS, facts_version
from poparchive.mime.text import Extract
from poparchive.model import Location, MessageId
from poparchive.store import recipe
from poparchive.store.digest import sha256
from poparchive.store.recipe import Placed

Retrieved = Callable[[bytes], tuple[int, int] | None]
"""The journal entry that first named a message, and its time."""


_SAME = frozenset({"id", "size"})
"""What every version says of a message."""


class Expectation(NamedTuple):
    """What takes what the search index should hold: words, conversations, and the texts of attachments that
    it says it is made of."""

    words: Expected
    threads: ExpectedThreads
    made_of: MadeOf


class MessageCheck:
    """Looks at one message after the other. ``bad`` is called with each that cannot be read."""

    def __init__(
        self,
        reader: Reader,
        counts: Counts,
        retrieved: Retrieved | None,
        expected: Expectation | None,
        bad: Callable[[int, str], None],
    ) -> None:
        """Without ``retrieved``, what the catalog says is not compared; ``expected`` takes what the search
        index should hold."""
        self._reader = reader
        self._counts = counts
        self._retrieved = retrieved
        self._expected = expected
        self._bad = bad
        self._other_version = retrieved is not None and self._is_of_another_version()
        self._otherwise = 0
        self._directory = tempfile.TemporaryDirectory(prefix="poparchive-")
        # Large messages go to a place of our own: the archive's is its writer's.
        self._own = reader.layout._replace(root=Path(self._directory.name))
        self._own.spool.mkdir()

    def _is_of_another_version(self) -> bool:
        """Whether another version described the messages, which may have read them otherwise."""
        try:
            return facts_version(self._reader.lookup.connection) != FACTS
        except DATABASE_ERRORS:
            return False  # Whoever reads on says so.

    def close(self) -> None:
        """Remove what was needed meanwhile; note how many messages another version read otherwise."""
        self._directory.cleanup()
        if self._otherwise:
            self._counts.notes.append(
                f"{self._reader.layout.catalog}: another version of poparchive made it, which described"
                f" {self._otherwise} messages otherwise; `poparchive rebuild` brings it up"
            )

    def look(self, located: Located, indexed: int) -> Iterator[Damage]:
        """Join a message. Its words are for the index if its entry is not behind ``indexed``."""
        retrieved = self._retrieved(located.id) if self._retrieved else None
        try:
            if retrieved is None:
                for piece in self._reader.octets(located):
                    self._counts.message_octets += len(piece)
                self._counts.messages += 1
                return
            octets = gather(self._reader.octets(located), self._own)
        except PoparchiveError as error:
            refuse_busy(self._reader.layout.contents, error)
            refuse_full(error)
            self._bad(located.key, str(error))
            return
        try:
            self._counts.messages += 1
            self._counts.message_octets += len(octets)
            entry, time = retrieved
            facts, text = self._describe(located, octets, time)
            yield from self._compare(located, facts)
            if self._expected is not None and entry <= indexed:
                yield from self._expect(located, octets, document(located.key, facts, text))
        except PoparchiveError as error:
            refuse_busy(self._reader.layout.contents, error)
            refuse_full(error)
            self._bad(located.key, str(error))
        finally:
            if isinstance(octets, Spooled):
                octets.discard()

    def _expect(
        self, located: Located, octets: bytes | Spooled, plain: Document
    ) -> Iterator[Damage]:
        """Take in what the index should hold: what the message says, and its attachments as far as known."""
        assert self._expected is not None
        words, threads, made_of = self._expected
        contents = ""
        try:
            contents = made_of.text(located.key, octets)
        except ContentsError as error:
            yield Damage(
                f"{error}; {REBUILD_SEARCH}",
                located,
                tuple(self._reader.lookup.accounts_of(located.key)),
                Kind.SEARCH,
                located.id,
            )
        words.add(plain._replace(contents=contents))
        threads.add(plain)

    def _describe(
        self, located: Located, octets: bytes | Spooled, time: int
    ) -> tuple[MessageFacts, Extract]:
        place = Location(located.pack, located.frame, located.offset, located.length)
        references = list(self._references(place))
        return describe(Stored(MessageId(located.id), octets, references, place), time)

    def _references(self, place: Location) -> Iterator[Placed]:
        at = 0
        for operation in recipe.operations(self._reader.packs.read(place)):
            if isinstance(operation, recipe.Literal):
                at += len(operation.octets)
                continue
            identity = operation.id
            if not identity:
                here = place._replace(offset=operation.at, length=operation.length)
                identity = sha256(self._reader.packs.read(here))
            yield Placed(at, identity, operation.length)
            at += operation.made_bytes

    def _compare(self, located: Located, facts: MessageFacts) -> Iterator[Damage]:
        row, parts = self._reader.lookup.facts_of(located.key)
        should = (
            facts.sha256,
            facts.date,
            facts.size_bytes,
            hash_of(facts.message_id),
            facts.subject,
            facts.sender,
            facts.parsed,
        )
        names = ("id", "date", "size", "Message-ID", "subject", "sender", "status")
        wrong = [name for name, a, b in zip(names, row, should, strict=True) if a != b]
        # The catalog gives them by number; those that belong to no leaf are described last.
        if parts != sorted((tuple(part) for part in facts.parts), key=itemgetter(0, 1)):
            wrong.append("parts")
        if wrong and self._other_version and not _SAME.intersection(wrong):
            self._otherwise += 1
        elif wrong:
            yield Damage(
                f"the catalog has another {', '.join(wrong)} than this version finds in the message;"
                " `poparchive rebuild` makes it anew",
                located,
                tuple(self._reader.lookup.accounts_of(located.key)),
                Kind.CATALOG,
                located.id,
            )
