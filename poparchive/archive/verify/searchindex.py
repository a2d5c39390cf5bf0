"""Checks the search index: that it is of this journal, and that it holds the words of the messages."""

import contextlib
from collections.abc import Callable, Iterator

from poparchive.archive.known import MadeOf
from poparchive.archive.position import read_position
from poparchive.archive.verify import databases
from poparchive.archive.verify.chain import ChainCheck
from poparchive.archive.verify.databases import REBUILD_SEARCH
from poparchive.archive.verify.findings import Counts, Damage, Kind
from poparchive.archive.verify.lost import Lost
from poparchive.archive.verify.messages import Expectation
from poparchive.archive.verify.room import refuse_full
from poparchive.index.contents import ContentsError
from poparchive.index.damage import DATABASE_ERRORS
from poparchive.index.failures import refuse_busy
from poparchive.index.lookup import CatalogMissingError
from poparchive.index.terms import Expected, IndexProof
from poparchive.index.threadproof import ExpectedThreads
from poparchive.index.versions import NewerDatabaseError
from poparchive.store.layout import Layout


class SearchCheck:
    """One check. ``stack`` closes what it opens."""

    def __init__(self, layout: Layout, counts: Counts, stack: contextlib.ExitStack) -> None:
        self._path = layout.search
        self._layout = layout
        self._counts = counts
        self._stack = stack
        self._proof: IndexProof | None = None
        self._made_of: MadeOf | None = None
        self._expected: Expectation | None = None

    def open(self) -> Iterator[Damage]:
        """Open it, before the catalog: that is never behind it."""
        try:
            self._proof = self._stack.enter_context(contextlib.closing(IndexProof(self._path)))
        except (CatalogMissingError, NewerDatabaseError) as error:
            yield Damage(f"{error}", kind=Kind.SEARCH)
        except (*DATABASE_ERRORS, TypeError, ValueError) as error:
            yield databases.unreadable(self._path, error, Kind.SEARCH)
        if self._proof is None or self._proof.outdated:
            return
        try:
            made_of = MadeOf(self._proof, self._layout.contents)
            self._made_of = self._stack.enter_context(contextlib.closing(made_of))
        except (ContentsError, *DATABASE_ERRORS) as error:
            refuse_busy(self._layout.contents, error)
            refuse_full(error)
            # Without the texts of attachments that it is made of it is not compared.
            yield Damage(f"{error}; {REBUILD_SEARCH}", kind=Kind.SEARCH)

    @property
    def indexed(self) -> int:
        """The last entry whose messages are in it."""
        return self._proof.entry if self._proof is not None else 0

    def expect(self) -> Expectation | None:
        """Return what takes what it should hold; None if it cannot be compared with that."""
        if self._proof is not None and self._made_of is not None:
            enter = self._stack.enter_context
            threads = ExpectedThreads(self._layout.catalog, self._proof.entry)
            self._expected = Expectation(
                enter(contextlib.closing(Expected())),
                enter(contextlib.closing(threads)),
                self._made_of,
            )
        return self._expected

    def watermark(self, chain: ChainCheck, *, catalog: bool) -> Iterator[Damage]:
        """Compare what it says of the journal with the chain, and with the catalog if there is one."""
        proof = self._proof
        if proof is None:
            return
        try:
            position = read_position(proof.position)
            wrong = position.entry != proof.entry
        except (ValueError, KeyError, TypeError):
            wrong = True
        else:
            wrong = wrong or (proof.entry == chain.applied.entry and position != chain.applied)
        if wrong or (chain.whole and proof.entry > chain.last):
            yield self._damage("says of itself that it knows a journal that is not this one")
        elif catalog and proof.entry < chain.applied.entry:
            self._counts.notes.append(
                f"{self._path}: is {chain.applied.entry - proof.entry} entries behind; the next pull"
                " indexes them"
            )

    def compare(self, lost: Lost, comparable: Callable[[], bool]) -> Iterator[Damage]:
        """Check its structure and, if all messages were looked at and that is ``comparable``, its words.
        Those of ``lost`` messages may be there or not."""
        if self._proof is None:
            return
        if self._proof.older:
            self._counts.notes.append(
                f"{self._path}: an earlier version made it; it was not looked into, and the next pull makes"
                " it anew"
            )
            return
        bad = False
        for damage in databases.search_structure(self._layout, self._proof):
            bad = True
            yield damage
        if bad or self._expected is None:
            return
        if not comparable():
            self._counts.notes.append(f"{self._path}: was not compared with the messages")
            return
        try:
            words, threads, _ = self._expected
            differs = self._proof.differs(words.sum(), lost.keys()) or self._proof.threads_differ(
                threads, incomplete=len(lost) > 0
            )
        except DATABASE_ERRORS as error:
            yield databases.unreadable(self._path, error, Kind.SEARCH)
            return
        except TypeError:
            # A changed octet may make SQLite find NULL where a sound index has a number or octets.
            differs = "holds what no index has in the place of a number"
        if differs:
            yield self._damage(differs)

    def _damage(self, what: str) -> Damage:
        return Damage(f"{self._path}: {what}; {REBUILD_SEARCH}", kind=Kind.SEARCH)
