"""``pull --full`` asks for every message again, and reads those that the archive has."""

from pathlib import Path

import pytest

from poparchive.archive.optimize import optimize
from poparchive.archive.pace import Limits
from poparchive.demo.mailbox import Mailbox
from poparchive.demo.server import Pop3Server, running
from poparchive.store.layout import open_layout
from tests.support.archives import damages, octets_of
from tests.support.damage import mails
from tests.support.product import product


@pytest.mark.parametrize("optimized", [False, True])
def test_what_is_known_and_cannot_be_read_is_told(tmp_path: Path, *, optimized: bool) -> None:
    """It does not count as kept already; a repair fetches it, and then it does."""
    first, later = mails(0, 3), mails(3, 5)
    box = Mailbox(first, password="secret")
    with running(Pop3Server({"anna": box})) as server:
        account = {"host": "127.0.0.1", "port": server.port}
        made = product(tmp_path, {"anna": account}, tls="none", allow_insecure=True)
        made.run("pull")
        if optimized:
            optimize(made.archive, Limits(), lambda *_: None)
        for one in later:
            box.deliver(one)
        made.run("pull")
        there = open_layout(made.archive)
        path = there.pack(max(there.packs()))
        octets = path.read_bytes()
        path.write_bytes(octets[:-1] + bytes([octets[-1] ^ 1]))
        (row,) = made.json("pull", "--full", code=1)
        assert (row["archived"], row["duplicates"], row["unreadable"]) == (0, 5, 1)
        said = made.said("pull", "--full")
        assert "0 new, 4 kept already" in said
        assert "1 message that the archive has kept could not be read from it" in said
        made.run("verify", "--repair")
        (row,) = made.json("pull", "--full")
        assert (row["duplicates"], row["unreadable"], row["notes"]) == (5, 0, [])
    assert sorted(octets_of(made.archive)) == sorted([*first, *later])
    assert damages(made.archive) == []
