"""Pulls from the scripted server: what is fetched, kept, deleted and reported, whatever it does."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from poparchive.demo.behaviour import Behaviour, Quit
from poparchive.demo.mailbox import Mailbox
from poparchive.demo.server import Pop3Server, running
from poparchive.model import Fate
from poparchive.store.fsio import Lock
from tests.support.archives import damages, octets_of, rows
from tests.support.edge_mails import EDGE_MAILS
from tests.support.product import Product, product


def mails(count: int, first: int = 0) -> list[bytes]:
    return [
        b"From: anna@example.com\r\nSubject: number %d\r\n\r\nHello %d\r\n" % (n, n)
        for n in range(first, first + count)
    ]


def plain(server: Pop3Server, directory: Path, **defaults: object) -> Product:
    account = {"host": "127.0.0.1", "port": server.port}
    defaults = {"tls": "none", "allow_insecure": True, **defaults}
    return product(directory, {"anna": account}, **defaults)


@pytest.fixture
def box() -> Mailbox:
    return Mailbox(mails(20), password="secret")


@pytest.fixture
def server(box: Mailbox) -> Iterator[Pop3Server]:
    with running(Pop3Server({"anna": box})) as one:
        yield one


def fates(made: Product) -> list[Fate]:
    found = sorted(
        rows(made.archive / "catalog.sqlite")["uidls"], key=lambda row: str(row[0]).zfill(9)
    )
    return [Fate(int(str(row[4]))) for row in found]


def test_a_second_pull_fetches_only_what_is_new(
    server: Pop3Server, box: Mailbox, tmp_path: Path
) -> None:
    """Mail that is kept is not asked for again; new mail is."""
    made = plain(server, tmp_path)
    assert made.json("pull")[0]["archived"] == 20
    assert made.json("pull")[0]["archived"] == 0
    box.deliver(*mails(3, 100))
    (last,) = made.json("pull")
    assert (last["archived"], last["listed"]) == (3, 23)
    server.wait_idle(5)
    assert len(server.asked("RETR")) == 23
    assert sorted(octets_of(made.archive)) == sorted(mails(20) + mails(3, 100))
    assert damages(made.archive) == []


def test_odd_mails_come_through_octet_for_octet(tmp_path: Path) -> None:
    """What the server sends is what is kept, for every kind of mail that troubles other programs."""
    sent = [octets if octets.endswith(b"\r\n") else octets + b"\r\n" for _, octets in EDGE_MAILS]
    with running(Pop3Server({"anna": Mailbox(sent, password="secret")})) as server:
        made = plain(server, tmp_path)
        made.run("pull")
    assert sorted(octets_of(made.archive)) == sorted(set(sent))
    for octets in sent:
        identity = hashlib.sha256(octets).hexdigest()
        assert made.run("show", "--raw", identity).stdout == octets if len(octets) < 60 else True


def test_a_connection_that_breaks_is_made_again(box: Mailbox, tmp_path: Path) -> None:
    """A pull that was cut goes on where it stopped, and fetches nothing twice."""
    cut = Behaviour(hang_up_at_retr=8)
    with running(Pop3Server({"anna": box}, behaviour=[cut, cut, Behaviour()])) as server:
        made = plain(server, tmp_path)
        assert made.json("pull")[0]["archived"] == 20
        server.wait_idle(5)
        assert len(octets_of(made.archive)) == 20
    assert fates(made) == [Fate.ARCHIVED] * 20
    assert damages(made.archive) == []


def test_one_refused_message_does_not_stop_the_others(box: Mailbox, tmp_path: Path) -> None:
    """A message the server refuses is quarantined, reported, and asked for again next time."""
    behaviours = [Behaviour(refuse_retr=frozenset({5})), Behaviour()]
    with running(Pop3Server({"anna": box}, behaviour=behaviours)) as server:
        made = plain(server, tmp_path)
        (first,) = made.json("pull", code=1)
        assert (first["archived"], first["failed"]) == (19, 1)
        assert fates(made).count(Fate.QUARANTINED) == 1
        (second,) = made.json("pull")
    assert second["archived"] == 1
    assert fates(made) == [Fate.ARCHIVED] * 20


def test_one_bad_account_does_not_stop_the_others(server: Pop3Server, tmp_path: Path) -> None:
    """A refused login is reported with the account and the server's words; exit code 1."""
    account = {"host": "127.0.0.1", "port": server.port}
    accounts = {"anna": account, "nobody": account, "closed": {**account, "port": 1}}
    made = product(tmp_path, accounts, tls="none", allow_insecure=True)
    done = made.run("pull", code=1)
    said = done.stderr.decode()
    assert "anna: 20 new" in said
    assert "account nobody, " in said
    assert "account closed, " in said
    assert "secret" not in said


def test_mail_is_deleted_only_after_proof(server: Pop3Server, box: Mailbox, tmp_path: Path) -> None:
    """With leave_on_server = "delete" the server is emptied, and the ledger says so."""
    made = plain(server, tmp_path, leave_on_server="delete")
    assert made.json("pull")[0]["deleted"] == 20
    assert not box.messages
    assert fates(made) == [Fate.DELETED] * 20
    assert len(octets_of(made.archive)) == 20


def test_nothing_is_deleted_by_default(server: Pop3Server, box: Mailbox, tmp_path: Path) -> None:
    """Mail stays on the server for ever unless the configuration says otherwise."""
    plain(server, tmp_path).run("pull")
    server.wait_idle(5)
    assert not server.asked("DELE")
    assert len(box.messages) == 20


def test_a_quit_that_fails_is_no_deletion(box: Mailbox, tmp_path: Path) -> None:
    """Unless QUIT was answered +OK the fates stay archived, and the pull failed."""
    # Twice: a connection that brought something and broke is made again.
    hangs_up = Behaviour(quit=Quit.HANG_UP)
    behaviours = [hangs_up, hangs_up, Behaviour()]
    with running(Pop3Server({"anna": box}, behaviour=behaviours)) as server:
        made = plain(server, tmp_path, leave_on_server="delete")
        (first,) = made.json("pull", code=None)
        assert first["error"]
        assert fates(made) == [Fate.ARCHIVED] * 20
        assert len(box.messages) == 20
        assert made.json("pull")[0]["deleted"] == 20
    assert fates(made) == [Fate.DELETED] * 20


def test_repeated_and_reused_uidls_are_survived(tmp_path: Path) -> None:
    """Equal UIDLs in a listing, and an old UIDL on a new message, hide no message."""
    box = Mailbox(password="secret")
    box.deliver(b"Subject: a\r\n\r\none\r\n", uidl=b"same")
    box.deliver(b"Subject: a\r\n\r\ntwo\r\n", uidl=b"same")
    with running(Pop3Server({"anna": box})) as server:
        made = plain(server, tmp_path)
        assert made.json("pull")[0]["archived"] == 2
        assert made.json("pull")[0]["archived"] == 0
        box.deliver(b"Subject: b\r\n\r\nanother with the same UIDL\r\n", uidl=b"same")
        assert made.json("pull")[0]["archived"] == 1
        box.deliver(b"Subject: c\r\n\r\nx\r\n", uidl=b"u" * 200)
        assert made.json("pull")[0]["archived"] == 1
    assert len(octets_of(made.archive)) == 4


def test_repeated_uidls_are_deleted_by_number(tmp_path: Path) -> None:
    """What this session fetched is deleted even if its UIDL repeats; what an earlier one fetched
    stays, because nobody can tell which of them it is."""
    box = Mailbox(password="secret")
    box.deliver(b"Subject: a\r\n\r\none\r\n", b"Subject: a\r\n\r\ntwo\r\n", uidl=b"same")
    with running(Pop3Server({"anna": box})) as server:
        made = plain(server, tmp_path, leave_on_server="delete")
        assert made.json("pull")[0]["deleted"] == 2
        assert not box.messages
        config = made.config.read_text()
        made.config.write_text(config.replace('"delete"', '"forever"'))
        box.deliver(b"Subject: b\r\n\r\nthree\r\n", b"Subject: b\r\n\r\nfour\r\n", uidl=b"more")
        made.run("pull")
        made.config.write_text(config)
        assert made.json("pull")[0]["deleted"] == 0
    assert len(box.messages) == 2
    assert len(octets_of(made.archive)) == 4


def test_large_messages_are_skipped_by_rule(
    server: Pop3Server, box: Mailbox, tmp_path: Path
) -> None:
    """max_message_bytes leaves a message on the server and says why in the ledger."""
    box.deliver(b"Subject: large\r\n\r\n" + b"x" * 5000 + b"\r\n")
    made = plain(server, tmp_path, max_message_bytes=1000)
    made.run("pull")
    assert fates(made).count(Fate.SKIPPED) == 1


def test_a_dry_run_changes_nothing(server: Pop3Server, tmp_path: Path) -> None:
    """--dry-run says what would be fetched."""
    made = plain(server, tmp_path)
    (only,) = made.json("pull", "--dry-run")
    assert (only["wanted"], only["archived"]) == (20, 0)
    assert not server.asked("RETR")
    assert rows(made.archive / "catalog.sqlite")["uidls"] == []


def test_nobody_is_asked_for_a_locked_archive(
    server: Pop3Server, box: Mailbox, tmp_path: Path
) -> None:
    """Whoever finds the archive locked has not logged in anywhere."""
    made = plain(server, tmp_path)
    with Lock(made.archive / "lock"):
        said = made.run("pull", code=75).stderr.decode()
    assert "locked by process" in said
    assert server.sessions == 0


def test_an_archive_that_cannot_be_opened_is_told_once(tmp_path: Path) -> None:
    """Servers are asked while the archive is opened; when that fails it is said once, and nothing is lost."""
    boxes = {name: Mailbox(mails(2), password="secret") for name in ("anna", "berta", "carla")}
    with running(Pop3Server(boxes)) as server:
        account = {"host": "127.0.0.1", "port": server.port}
        made = product(tmp_path, dict.fromkeys(boxes, account), tls="none", allow_insecure=True)
        catalog = made.archive / "catalog.sqlite"
        catalog.write_bytes(b"no database at all" * 300)
        said = made.run("pull", code=1).stderr.decode()
        assert said.count("catalog is damaged") == 1, said
        server.wait_idle(5)
        assert server.asked("RETR") == []
        catalog.unlink()
        made.run("pull")
    assert sorted(octets_of(made.archive)) == sorted(mails(2))
