"""Servers without UIDL, without TOP, and those that show a part of a mailbox: nothing twice, nothing lost."""

from pathlib import Path

import pytest

from poparchive.demo.behaviour import CONNECT, Behaviour
from poparchive.demo.mailbox import Mailbox
from poparchive.demo.server import Pop3Server, running
from poparchive.model import Fate
from tests.support.archives import damages, octets_of, rows
from tests.support.product import Product, product

MAILS = [
    b"From: anna@example.com\r\nSubject: number %d\r\n\r\nHello %d\r\n" % (n, n) for n in range(5)
]
NO_UIDL = Behaviour(unknown=frozenset({"UIDL"}))
BARE = Behaviour(unknown=frozenset({"UIDL", "TOP"}))


def made_with(server: Pop3Server, directory: Path, **keys: object) -> Product:
    account = {"host": "127.0.0.1", "port": server.port, **keys}
    return product(directory, {"anna": account}, tls="none", allow_insecure=True)


def ledger(made: Product) -> list[tuple[object, ...]]:
    return rows(made.archive / "catalog.sqlite")["uidls"]


def test_without_uidl_headers_tell_messages_apart(tmp_path: Path) -> None:
    """The second pull fetches what is new and nothing else; what was kept before is not deleted."""
    box = Mailbox(MAILS, password="secret")
    with running(Pop3Server({"anna": box}, behaviour=NO_UIDL)) as server:
        made = made_with(server, tmp_path, leave_on_server="1s")
        assert "mail of earlier pulls is not deleted" in made.run("pull").stderr.decode()
        new = b"Subject: new\r\n\r\nx\r\n"
        box.deliver(new)
        assert made.json("pull")[0]["wanted"] == 1
        server.wait_idle(5)
        assert len(server.asked("RETR")) == 6
        assert server.asked("DELE") == []
    assert sorted(octets_of(made.archive)) == sorted([*MAILS, new])
    assert len(ledger(made)) == 6


def test_without_uidl_and_top_octets_tell_messages_apart(tmp_path: Path) -> None:
    """All is fetched again and kept once, and the ledger does not grow."""
    box = Mailbox([*MAILS, MAILS[0]], password="secret")
    with running(Pop3Server({"anna": box}, behaviour=BARE)) as server:
        made = made_with(server, tmp_path)
        for _ in range(3):
            made.run("pull")
        box.deliver(b"Subject: new\r\n\r\nx\r\n")
        made.run("pull")
    assert sorted(octets_of(made.archive)) == sorted({*MAILS, b"Subject: new\r\n\r\nx\r\n"})
    assert [row[4] for row in ledger(made)] == [Fate.ARCHIVED] * 6
    assert damages(made.archive) == []


def test_without_uidl_a_message_that_does_not_come_has_one_fate(tmp_path: Path) -> None:
    """What is refused, or too large, has one entry in the ledger, however often it is met."""
    refusing = Behaviour(unknown=frozenset({"UIDL", "TOP"}), refuse_retr=frozenset({2}))
    box = Mailbox([*MAILS, b"Subject: large\r\n\r\n" + b"x" * 3000], password="secret")
    with running(Pop3Server({"anna": box}, behaviour=refusing)) as server:
        made = made_with(server, tmp_path, max_message_bytes=1000)
        for _ in range(3):
            made.run("pull", code=1)
    fates = sorted(int(str(row[4])) for row in ledger(made))
    assert fates == [Fate.ARCHIVED] * 4 + [Fate.SKIPPED, Fate.QUARANTINED]


def test_a_server_that_refuses_uidl_all_of_a_sudden(tmp_path: Path) -> None:
    """Mail that is archived by its UIDLs is not fetched again as new."""
    silent = Behaviour(unknown=frozenset({"UIDL", "CAPA"}))
    box = Mailbox(MAILS, password="secret")
    with running(Pop3Server({"anna": box}, behaviour=[Behaviour(), silent])) as server:
        made = made_with(server, tmp_path)
        made.run("pull")
        (row,) = made.json("pull", code=1)
        assert "refuses UIDL, which it answered before" in str(row["error"])
    assert len(ledger(made)) == 5


def shown(*numbers: int) -> Behaviour:
    """A session of a server that calls itself as Gmail does and shows these messages."""
    listing = b"".join(b"%d 50\r\n" % n for n in numbers)
    uidls = b"".join(b"%d gm%d\r\n" % (n, n) for n in numbers)
    answers = {"LIST": b"+OK\r\n" + listing + b".\r\n", "UIDL": b"+OK\r\n" + uidls + b".\r\n"}
    return Behaviour(replies={CONNECT: b"+OK Gpop ready for requests\r\n", **answers})


def test_a_server_that_shows_a_part_is_drained(tmp_path: Path) -> None:
    """One pull takes session after session until one brings nothing new."""
    box = Mailbox(MAILS, password="secret")
    sessions = [shown(1, 2), shown(3, 4), shown(4, 5), shown(4, 5)]
    with running(Pop3Server({"anna": box}, behaviour=sessions)) as server:
        made = made_with(server, tmp_path)
        (row,) = made.json("pull")
        assert row["archived"] == 5
        server.wait_idle(5)
        assert server.sessions == 4
    assert sorted(octets_of(made.archive)) == sorted(MAILS)


@pytest.mark.parametrize("behaviour", [NO_UIDL, BARE])
def test_large_messages_without_uidl(tmp_path: Path, behaviour: Behaviour) -> None:
    """A message that comes in pieces is told from others as any other."""
    large = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 200_000 + b"\r\n"
    with running(
        Pop3Server({"anna": Mailbox([large], password="secret")}, behaviour=behaviour)
    ) as server:
        made = made_with(server, tmp_path)
        made.run("pull")
        made.run("pull")
    assert octets_of(made.archive) == [large]
    assert len(ledger(made)) == 1


def test_half_a_message_is_not_kept_and_not_deleted(tmp_path: Path) -> None:
    """A server that does not stuff a lone dot and breaks off behind it: LIST says that more must come."""
    mail = b"Subject: a\r\n\r\nfirst\r\n.\r\nsecond\r\n"
    half = b"+OK\r\nSubject: a\r\n\r\nfirst\r\n.\r\n"
    broken = Behaviour(replies={"RETR 1": half}, hang_up_at=frozenset({"NOOP"}))
    with running(
        Pop3Server({"anna": Mailbox([mail], password="secret")}, behaviour=broken)
    ) as server:
        made = made_with(server, tmp_path, leave_on_server="delete")
        made.run("pull", code=1)
        server.wait_idle(5)
        assert server.asked("DELE") == []
    assert octets_of(made.archive) == []


def test_a_drain_ends_where_nothing_new_is_kept(tmp_path: Path) -> None:
    """A message that is refused each time, and one that is asked for again, are no reason for a session."""
    answers = shown(1, 2).replies
    refusing = Behaviour(replies=answers, refuse_retr=frozenset({2}))
    with running(
        Pop3Server({"anna": Mailbox(MAILS, password="secret")}, behaviour=refusing)
    ) as server:
        made = made_with(server, tmp_path)
        made.run("pull", code=1)
        made.run("pull", "--full", code=1)
        server.wait_idle(5)
        assert server.sessions == 3


def test_a_drain_that_has_to_wait_is_no_failure(tmp_path: Path) -> None:
    """Gmail announces LOGIN-DELAY: what this pull could have is kept, and it says when there is more."""
    capa = b"+OK\r\nUIDL\r\nTOP\r\nUSER\r\nLOGIN-DELAY 300\r\n.\r\n"
    gmail = Behaviour(replies={**shown(1, 2).replies, "CAPA": capa})
    with running(
        Pop3Server({"anna": Mailbox(MAILS, password="secret")}, behaviour=gmail)
    ) as server:
        made = made_with(server, tmp_path)
        (row,) = made.json("pull")
        assert (row["outcome"], row["archived"]) == ("ok", 2)
        assert "wants more time between log-ins" in str(row["notes"])
        assert server.sessions == 1
    assert len(rows(made.archive / "catalog.sqlite")["runs"]) == 1
