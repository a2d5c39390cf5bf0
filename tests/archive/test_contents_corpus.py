"""Every attachment of the mail corpus that other programs read is found by words that they find in it.

``make test`` takes every fifth message that has one, ``make hostile`` (``WHOLE`` in the environment) all.
"""

import os
import shutil
from pathlib import Path

import pytest

from poparchive.archive.contents import Wish, read_contents
from poparchive.attachments import office
from tests.interop.readable import carriers, compare
from tests.support.archives import damages, fill
from tests.support.corpus import corpus_missing

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(corpus_missing() is not None, reason=str(corpus_missing())),
    pytest.mark.skipif(
        office.library() is None, reason="kreuzberg is not installed (the extra `attachments`)"
    ),
]

EACH = 1 if os.environ.get("WHOLE") else 5


def test_all_that_is_readable_is_found(tmp_path: Path) -> None:
    """A message is found by a word that others read in its attachment, for each readable one."""
    root = tmp_path / "archive"
    fill(root, dict.fromkeys(carriers(EACH)))
    report = read_contents(root, Wish(), lambda *_: None)
    assert report.left == 0
    found = compare(root, carriers(EACH))
    assert found.kinds.total() > 250 // EACH - 20
    assert found.kinds["pdf"] > 80 // EACH - 8 or not shutil.which("pdftotext")
    assert found.missed == []
    assert damages(root) == []
