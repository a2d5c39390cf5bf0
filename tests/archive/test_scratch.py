"""What a repair remembers of each object stays out of memory, and is given back."""

import tracemalloc
from contextlib import closing

from poparchive.archive.repair.scratch import Places, Seen
from poparchive.model import Location
from poparchive.store.digest import sha256


def test_much_is_remembered_outside_of_memory() -> None:
    """A hundred thousand places, and as many hashes that have come by."""
    count = 100_000
    with closing(Places()) as places, closing(Seen()) as seen:
        tracemalloc.start()
        for first in range(0, count, 1000):
            some = {sha256(b"%d" % n): Location(1, n, 2, 3) for n in range(first, first + 1000)}
            places.add(some)
            for identity in some:
                assert identity not in seen
                seen.add(identity)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert held < 2 << 20
        for n in range(0, count, 997):
            identity = sha256(b"%d" % n)
            assert places.get(identity) == Location(1, n, 2, 3)
            assert identity in seen
        assert places.get(bytes(32)) is None
        assert bytes(32) not in seen
        places.add({sha256(b"1"): Location(9, 9, 9, 9)})
        assert places.get(sha256(b"1")) == Location(9, 9, 9, 9)
