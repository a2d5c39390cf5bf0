"""The corpus is read as it lies there."""

import hashlib
from itertools import islice

import pytest

from tests.support.corpus import corpus_index, corpus_mails, corpus_missing, corpus_sets

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(bool(corpus_missing()), reason=str(corpus_missing())),
]

LOOSE, PACKED = "cpython", "charset_mix"


def test_whole_sets_octet_for_octet() -> None:
    """A loose and a packed set come complete, each message with the hash that the index has."""
    index = corpus_index()
    mails = dict(corpus_mails([LOOSE, PACKED]))
    assert mails.keys() == {name for name in index if name.split("/")[0] in (LOOSE, PACKED)}
    assert all(hashlib.sha256(octets).hexdigest() == index[name] for name, octets in mails.items())


def test_a_few_of_each() -> None:
    """With a limit every set gives that many, whether it is packed or loose."""
    sets = corpus_sets()
    assert {LOOSE, PACKED, "spamassassin", "list_openbmc"} <= set(sets)
    assert {name.split("/")[0] for name in corpus_index()} == set(sets)
    names = [name for name, _ in corpus_mails(limit=2)]
    assert [name.split("/")[0] for name in names] == [name for name in sets for _ in range(2)]


def test_a_reader_may_stop() -> None:
    """Leaving a packed set half read leaves no program running and raises nothing."""
    mails = corpus_mails(["spamassassin"])
    assert len(list(islice(mails, 3))) == 3
    del mails
