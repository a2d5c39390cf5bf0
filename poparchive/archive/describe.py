"""What the catalog and the search index say of a message, derived from its octets and its recipe alone.

The same function serves a live pull, catching up and a rebuild: equal octets give equal rows.
"""

import binascii
import itertools

from poparchive.index.catalog import MessageFacts, PartFacts
from poparchive.index.fulltext import ATTACHMENT, Document
from poparchive.mime.structure import Octets, Part
from poparchive.mime.text import Extract, effective_date, extract
from poparchive.model import Location, MessageId
from poparchive.store import recipe as recipes


def describe(
    identity: MessageId,
    message: Octets,
    root: Part,
    recipe: bytes,
    place: Location,
    retrieved: int,
) -> tuple[MessageFacts, Extract]:
    """Return the catalog's facts and the text. ``retrieved`` stands in for a missing date."""
    text = extract(message, root)
    facts = MessageFacts(
        sha256=identity,
        date=effective_date(text, retrieved),
        size_bytes=len(message),
        message_id=text.message_id,
        subject=text.subject,
        sender=text.sender,
        place=place,
        parsed=int(text.status),
        parts=parts_of(message, root, recipe),
    )
    return facts, text


def document(key: int, facts: MessageFacts, text: Extract) -> Document:
    """Return what the search index takes in for the message with row id ``key``."""
    names = [p.name for p in facts.parts if p.name is not None and not p.segment]
    return Document(
        id=key,
        subject=text.subject,
        sender=text.sender,
        recipients=f"{text.recipients} {text.copies}" if text.copies else text.recipients,
        body=text.body,
        attachments=" ".join(names),
        flags=ATTACHMENT if names else "",
    )


def parts_of(message: Octets, root: Part, recipe: bytes) -> list[PartFacts]:
    """Return a row for every blob that the recipe refers to, and for every attachment besides."""
    references = _references(recipe)
    rows: list[PartFacts] = []
    loose = itertools.count()
    following = 0
    for leaf in root.leaves():
        name = leaf.attachment_name
        mine = []
        while following < len(references) and references[following][0] < leaf.end:
            start, reference = references[following]
            if start < leaf.start:
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
    rows.extend(_loose(next(loose), reference) for _, reference in references[following:])
    return rows


def _loose(segment: int, reference: recipes.Reference) -> PartFacts:
    """A blob that belongs to no leaf: a piece of an enormous header or preamble."""
    return PartFacts(0, segment, reference.id, None, None, reference.length)


def _references(recipe: bytes) -> list[tuple[int, recipes.Reference]]:
    """Return (offset in the message, reference) in order."""
    found = []
    at = 0
    for operation in recipes.operations(recipe):
        if isinstance(operation, recipes.Reference):
            found.append((at, operation))
            at += operation.made_bytes
        else:
            at += len(operation.octets)
    return found


def _size(message: Octets, leaf: Part) -> int:
    body = message[leaf.start : leaf.end]
    if leaf.encoding == b"base64":
        try:
            return len(binascii.a2b_base64(body))
        except binascii.Error:
            pass
    return len(body)
