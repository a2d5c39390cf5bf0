"""Messages too large for memory, on a disk that has no room for them."""

from pathlib import Path

import pytest

from poparchive.archive.spool import SpoolWriter
from poparchive.store.errors import WriteError


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_said_with_the_file() -> None:
    """What does not go into the spool is no message, and the error names the file and what to do."""
    spool = SpoolWriter(Path("/dev/full"))
    with pytest.raises(WriteError, match=r"^/dev/full: the disk is full\. .*make room"):
        spool.write(b"octets")
