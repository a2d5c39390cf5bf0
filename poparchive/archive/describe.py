"""What the catalog and the search index say of a message, derived from its octets and its recipe alone.

The same function serves a live pull, catching up and a rebuild: equal octets give equal rows.
"""

import binascii
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from poparchive.index.columns import ATTACHMENT, ENCRYPTED, LANGUAGE, SIGNED, TYPE
from poparchive.index.facts import MessageFacts, PartFacts
from poparchive.index.fulltext import Document
from poparchive.index.joining import subject_mark
from poparchive.mime.structure import Octets, Part, parse
from poparchive.mime.text import Extract, effective_date, extract
from poparchive.model import Location, MessageId
from poparchive.store.recipe import Placed


class Stored(NamedTuple):
    """A message that is in the packs: all that is needed to describe it without reading it again.

    ``references`` are its recipe's, ``place`` says where that is. ``root`` is what ``parse`` gave for it,
    if that is at hand.
    """

    id: MessageId
    message: Octets
    references: Sequence[Placed]
    place: Location
    root: Part | None = None


def describe(stored: Stored, retrieved: int) -> tuple[MessageFacts, Extract]:
    """Return the catalog's facts and the text. ``retrieved`` stands in for a missing date."""
    message = stored.message
    root = stored.root or parse(message)
    text = extract(message, root)
    facts = MessageFacts(
        sha256=stored.id,
        date=effective_date(text, retrieved),
        size_bytes=len(message),
        message_id=text.message_id,
        subject=text.subject,
        sender=text.sender,
        place=stored.place,
        parsed=int(text.status),
        parts=parts_of(message, root, stored.references),
    )
    return facts, text


def document(key: int, facts: MessageFacts, text: Extract) -> Document:
    """Return what the search index takes in for the message with row id ``key``."""
    return Document(
        id=key,
        body=text.searched,
        subject=text.subject,
        sender=text.sender,
        recipients=text.recipients,
        copies=text.copies,
        blind=text.blind,
        lists=text.lists,
        labels=text.labels,
        attachments=" ".join(_names(facts, text)),
        flags=" ".join([*_marks(text), subject_mark(text.subject)]),
        message_id=text.message_id,
        references=" ".join(text.references),
    )


def _names(facts: MessageFacts, text: Extract) -> list[str]:
    """The catalog's names, and those that only reading showed: in embedded messages, uuencoded."""
    names = [p.name for p in facts.parts if p.name is not None and not p.segment]
    return (
        names
        if names == list(text.attachment_names)
        else list(dict.fromkeys([*names, *text.attachment_names]))
    )


def _marks(text: Extract) -> Iterator[str]:
    if text.files:
        yield ATTACHMENT
    if text.signed:
        yield SIGNED
    if text.encrypted:
        yield ENCRYPTED
    for ending in text.attachment_types:
        yield TYPE + ending
    if text.language:
        yield LANGUAGE + text.language


def parts_of(message: Octets, root: Part, references: Sequence[Placed]) -> list[PartFacts]:
    """Return a row for every blob that the recipe refers to, and for every attachment besides."""
    rows: list[PartFacts] = []
    loose = itertools.count()
    following = 0
    for leaf in root.leaves():
        name = leaf.attachment_name
        mine = []
        while following < len(references) and references[following].start < leaf.end:
            reference = references[following]
            if reference.start < leaf.start:
                rows.append(_loose(next(loose), reference))
            else:
                mine.append(reference)
            following += 1
        if mine:
            size = sum(r.length for r in mine)
            rows.append(PartFacts(leaf.number, 0, mine[0].id, leaf.type, name, size))
            rows.extend(
                PartFacts(leaf.number, segment, r.id, None, None, None)
                for segment, r in enumerate(mine[1:], 1)
            )
        elif name is not None:
            rows.append(PartFacts(leaf.number, 0, None, leaf.type, name, _size(message, leaf)))
    rows.extend(_loose(next(loose), reference) for reference in references[following:])
    return rows


def _loose(segment: int, reference: Placed) -> PartFacts:
    """A blob that belongs to no leaf: a piece of an enormous header or preamble."""
    return PartFacts(0, segment, reference.id, None, None, reference.length)


def _size(message: Octets, leaf: Part) -> int:
    body = message[leaf.start : leaf.end]
    if leaf.encoding == b"base64":
        try:
            return len(binascii.a2b_base64(body))
        except binascii.Error:
            pass
    return len(body)
