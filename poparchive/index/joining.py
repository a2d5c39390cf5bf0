"""What of a message decides which conversation it is in: ids, and what a reply without any may be found by.

Pure: ``threads`` keeps the tables that are made of it.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from poparchive.index import columns
from poparchive.index.keys import hash_of
from poparchive.index.subjects import base

MARK: Final = f"{columns.MARK}s"
"""Begins the flag that stands for a message's base subject."""

_PEOPLE: Final = 50
"""A reply to more is looked for by these."""
_ADDRESS: Final = re.compile(r"[^\s<>,;:\"()\[\]]+@[^\s<>,;:\"()\[\]]+")


class Joining(NamedTuple):
    """What of a message decides which thread it is in. ``id`` and ``references`` are hashes as in ``keys``.

    ``offers`` and ``answers`` are hashes of a base subject with an address or a list: what a reply may find
    it by, and what it looks for itself if it is a reply that names nothing.
    """

    key: int
    id: int
    references: tuple[int, ...]
    offers: tuple[int, ...]
    answers: tuple[int, ...]


def addresses(text: str) -> list[str]:
    """Return the addresses in a field, in lower case."""
    name, _, rest = text.partition("<")
    if rest.endswith(">") and "@" not in name and rest.count("@") == 1 and rest.isascii():
        return [rest[:-1].lower()]  # Nearly every sender, for a tenth of the time.
    return [one.lower().strip("'.") for one in _ADDRESS.findall(text)] if "@" in text else []


def subject_mark(subject: str) -> str:
    """Return the flag that stands for a subject, whatever prefixes it has; empty for none.

    It is 40 bits of a hash: two that are equal by chance are only put beside each other by relevance.
    """
    text = base(subject).text
    if not text:
        return ""
    return _mark(text)


@lru_cache(maxsize=2048)
def _mark(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return MARK + base64.b32encode(digest[:5]).decode().lower()


def _list(lists: str) -> str:
    return " ".join(lists.lower().split())


def joining(
    key: int,
    message_id: str,
    references: Sequence[str],
    subject: str,
    sender: str,
    others: str,
    lists: str,
) -> Joining:
    """Return what decides. ``sender`` and ``others``, all recipients, hold addresses."""
    said = base(subject)
    offers: list[int] = []
    answers: list[int] = []
    name = _list(lists)
    if said.text:
        end = f"\n{said.text}"
        by = addresses(sender)[:1]
        offers = [_hash(one + end) for one in by]
        if name:
            offers.append(_hash(name + end))
        if said.reply and not references:
            people = list(dict.fromkeys(by + addresses(others)))[:_PEOPLE]
            answers = [_hash(one + end) for one in people]
            if name:
                answers.append(_hash(name + end))
    return Joining(
        key,
        hash_of(message_id),
        tuple(hash_of(one) for one in references),
        tuple(offers),
        tuple(answers),
    )


def _hash(text: str) -> int:
    """47 bits, which SQLite keeps in six octets. Equal by chance joins only mail of the same days."""
    return (
        int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:6], "big")
        >> 1
    )
