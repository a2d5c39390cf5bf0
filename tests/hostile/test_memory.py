"""Memory stays bounded whatever a server sends: measured for the whole process of a pull."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from poparchive.demo.behaviour import Behaviour, Flood
from poparchive.demo.mailbox import Content, Mailbox, Repeated
from poparchive.demo.server import Pop3Server, running
from poparchive.model import Fate
from tests.support.archives import damages, fill, octets_of
from tests.support.peak import run
from tests.support.product import Product, product
from tests.support.victim import BEFORE, mails

MB = 1_000_000
MILLION = 1_000_000


@contextmanager
def served(
    directory: Path, contents: list[bytes | Content], *behaviour: Behaviour, **keys: object
) -> Iterator[Product]:
    """An archive with mail in it, and an account on a server with that behaviour, one a session."""
    box = Mailbox(contents, password="secret")
    with running(Pop3Server({"anna": box}, behaviour=behaviour)) as server:
        account = {"host": server.host, "port": server.port, "auth": "user"}
        made = product(directory, {"anna": account}, tls="none", allow_insecure=True, **keys)
        fill(made.archive, BEFORE)
        yield made


def listings(count: int) -> dict[str, bytes]:
    lines = range(1, count + 1)
    uidl = b"".join(b"%d %032x\r\n" % (n, n * 2654435761) for n in lines)
    sizes = b"".join(b"%d %d\r\n" % (n, n % 9973 + 500) for n in lines)
    return {"UIDL": b"+OK\r\n" + uidl + b".\r\n", "LIST": b"+OK\r\n" + sizes + b".\r\n"}


def test_a_million_messages(tmp_path: Path) -> None:
    """A drop of a million messages is compared, noted and asked for in less than 400 MB."""
    cut = Behaviour(replies=listings(MILLION), hang_up_at=frozenset({"RETR"}))
    shut = Behaviour(refuse_login=b"-ERR [SYS/PERM] closed")
    with served(tmp_path, [], cut, shut) as made:
        ended = run(made.command("pull", "--json"), tmp_path / "log")
        said = json.loads(ended.said.splitlines()[0])
        assert "closed" in said["error"]
        assert (said["listed"], said["wanted"]) == (MILLION, MILLION)
        assert fates_of(made) == {Fate.LISTED: MILLION, Fate.ARCHIVED: len(BEFORE)}
    assert ended.peak_bytes < 400 * MB


def test_sessions_that_break(tmp_path: Path) -> None:
    """A session that finds all messages in the ledger takes no more, and nothing is left of those before
    it: a fifth of a million messages, for the sake of time, in what that leaves of 400 MB."""
    count = MILLION // 5
    cut = Behaviour(replies=listings(count), hang_up_at=frozenset({"RETR"}))
    shut = Behaviour(refuse_login=b"-ERR [SYS/PERM] closed")
    with served(tmp_path, [], cut, cut, cut, cut, shut) as made:
        ended = run(made.command("pull", "--json"), tmp_path / "log")
        said = json.loads(ended.said.splitlines()[0])
        assert (said["listed"], said["wanted"]) == (count, 4 * count)
        assert fates_of(made) == {Fate.LISTED: count, Fate.ARCHIVED: len(BEFORE)}
    assert ended.peak_bytes < 160 * MB


def test_messages_that_are_left_alone(tmp_path: Path) -> None:
    """What is noted and not fetched, and what is known and not fetched again, takes less memory still: a
    fifth of a million messages, for the sake of time, in what that leaves of 400 MB."""
    count = MILLION // 5
    behaviour = Behaviour(replies=listings(count))
    with served(tmp_path, [], behaviour, max_message_bytes=100) as made:
        for _ in range(2):
            ended = run(made.command("pull", "--json"), tmp_path / "log")
            assert ended.code == 0, ended.said
            said = json.loads(ended.said.splitlines()[0])
            assert (said["listed"], said["wanted"]) == (count, 0)
            assert fates_of(made) == {Fate.SKIPPED: count, Fate.ARCHIVED: len(BEFORE)}
            assert ended.peak_bytes < 160 * MB


def fates_of(made: Product) -> dict[Fate, int]:
    """How many rows of the ledger have each fate."""
    with closing(sqlite3.connect(made.archive / "catalog.sqlite")) as catalog:
        counts = catalog.execute("SELECT fate, count(*) FROM uidls GROUP BY fate")
        return {Fate(fate): count for fate, count in counts}


def test_a_line_of_100_mb(tmp_path: Path) -> None:
    """A message that is one line of 100 MB is kept octet for octet, and never in memory as a whole."""
    huge = Repeated(b"Subject: huge\r\n\r\n", b"0123456789" * 1000, 10_000)
    (small,) = mails(1)
    with served(tmp_path, [huge, small], Behaviour()) as made:
        ended = run(made.command("pull"), tmp_path / "log")
        assert ended.code == 0, ended.said
        assert ended.peak_bytes < 200 * MB
    kept = sorted(octets_of(made.archive), key=len)
    assert kept[-1] == b"".join(huge.chunks()) + b"\r\n"
    assert sorted(kept[:-1]) == sorted([*BEFORE, small])


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("PASS", "a line of more than 8192 octets came: xxx"),
        ("CAPA", "CAPA was answered with more than 1048576 octets"),
        ("LIST", "LIST has a line that cannot be read: xxx"),
        ("UIDL", "UIDL has a line that cannot be read: xxx"),
        ("RETR 2", "message 2 is larger than the 20000000 octets"),
    ],
)
def test_octets_without_end(command: str, words: str, tmp_path: Path) -> None:
    """A server that never stops sending gets no more memory than others."""
    begun = b"" if command == "PASS" else b"+OK\r\n"
    endless = Behaviour(replies={command: begun}, floods={command: Flood(b"x" * 262_144)})
    contents: list[bytes | Content] = [*mails(3)]
    with served(tmp_path, contents, endless, max_message_bytes="20MB") as made:
        ended = run(made.command("pull", "--json"), tmp_path / "log")
    assert ended.code == 1
    assert words in ended.said
    assert ended.peak_bytes < 150 * MB
    assert set(BEFORE) <= set(octets_of(made.archive))
    assert damages(made.archive) == []
