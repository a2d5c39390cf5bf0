"""Pulls from a real Dovecot, over every kind of connection."""

import hashlib
import mailbox
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.archives import damages, octets_of
from tests.support.corpus import corpus_mails, corpus_missing
from tests.support.dovecot import Dovecot, as_sent, dovecot, dovecot_missing
from tests.support.edge_mails import EDGE_MAILS
from tests.support.product import Product, product

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(dovecot_missing() is not None, reason=str(dovecot_missing())),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    with dovecot(tmp_path_factory.mktemp("dovecot")) as one:
        for user in ("plain", "stls", "implicit", "corpus"):
            one.add_user(user, "secret")
        for user in ("plain", "stls", "implicit"):
            one.deliver(user, [octets for _, octets in EDGE_MAILS])
        yield one


def made(server: Dovecot, directory: Path, *users: str) -> Product:
    authority = {"ca_file": str(server.ca_file)}
    kinds: dict[str, dict[str, object]] = {
        "plain": {"port": server.port, "tls": "none", "allow_insecure": True},
        "stls": {"port": server.port, "tls": "starttls", **authority},
        "implicit": {"port": server.tls_port, "tls": "implicit", **authority},
    }
    kinds["corpus"] = kinds["implicit"]
    return product(directory, {user: {"host": "localhost", **kinds[user]} for user in users})


def test_every_connection_gives_the_same_octets(server: Dovecot, tmp_path: Path) -> None:
    """Plain, STLS and implicit TLS: three accounts, each message kept once, octet for octet."""
    here = made(server, tmp_path, "plain", "stls", "implicit")
    results = here.json("pull")
    assert [r["listed"] for r in results] == [len(EDGE_MAILS)] * 3
    wanted = {as_sent(octets) for _, octets in EDGE_MAILS}
    assert sorted(octets_of(here.archive)) == sorted(wanted)
    assert [r["archived"] for r in here.json("pull")] == [0, 0, 0]
    assert damages(here.archive) == []


def test_an_untrusted_certificate_ends_the_connection(server: Dovecot, tmp_path: Path) -> None:
    """Certificates are checked by default, and the password is never sent to a stranger."""
    account = {"host": "localhost", "port": server.tls_port, "user": "plain"}
    here = product(tmp_path, {"stranger": account})
    assert "certificate" in here.run("pull", code=1).stderr.decode().lower()


@pytest.mark.corpus
@pytest.mark.skipif(corpus_missing() is not None, reason=str(corpus_missing()))
def test_the_corpus_comes_back_octet_for_octet(server: Dovecot, tmp_path: Path) -> None:
    """Every message of the corpus is kept as Dovecot sends it; in an mbox that Python reads, nothing
    but line ends has changed after unquoting."""
    wanted = {}
    in_mbox = set()
    sent = []
    for _, octets in corpus_mails():
        sent.append(octets)
        raw = as_sent(octets)
        wanted[hashlib.sha256(raw).digest()] = len(raw)
        lines = raw.replace(b"\r\n", b"\n")
        in_mbox.add(hashlib.sha256(lines if lines.endswith(b"\n") else lines + b"\n").digest())
    server.deliver("corpus", sent)
    here = made(server, tmp_path, "corpus")
    here.run("pull")
    found = {hashlib.sha256(octets).digest(): len(octets) for octets in octets_of(here.archive)}
    assert found == wanted
    assert damages(here.archive) == []
    for identity in sorted(wanted)[::700]:
        shown = here.run("show", "--raw", identity.hex()).stdout
        assert hashlib.sha256(shown).digest() == identity
    target = tmp_path / "all.mbox"
    here.run("export", "--output", str(target))
    box = mailbox.mbox(target)
    assert len(box) == len(wanted)
    quoted = re.compile(rb"^>(>*From )", re.MULTILINE)
    read = (quoted.sub(rb"\1", box.get_bytes(key)) for key in box.iterkeys())
    assert {hashlib.sha256(octets).digest() for octets in read} == in_mbox
